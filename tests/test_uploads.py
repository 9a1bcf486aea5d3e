"""Every kind of upload gives a picture with the right pixels, or a sentence."""

import numpy as np
import pytest
from PIL import Image

from demo.uploads import MAX_PIXELS, MAX_SIDE, UploadError, open_image
from tests.helpers import png_start


def opened(path, image: Image.Image, **options) -> Image.Image:
    """Save an image and open it again as an upload."""
    image.save(path, **options)
    result = open_image(path)
    assert result.mode == "RGB"
    return result


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("empty.png", b"", "is empty"),
        ("text.png", b"this is no picture\n" * 100, "not a picture"),
        ("document.jpg", b"%PDF-1.7\n" + bytes(500), "not a picture"),
        ("photo.heic", b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(500), "not a picture"),
        ("script.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n" + bytes(500), "not a picture"),
        ("signature.png", b"\x89PNG\r\n\x1a\n", "not a picture"),
        ("header.png", png_start(40, 30), "damaged"),
        ("huge.png", png_start(20_000, 20_000), "more than 50 million pixels"),
        ("wide.png", png_start(MAX_PIXELS + 1, 1), "more than 50 million pixels"),
    ],
    ids=lambda value: value if str(value).endswith((".png", ".jpg", ".heic")) else "",
)
def test_what_cannot_be_used_is_refused_in_one_sentence(tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UploadError, match=sentence) as caught:
        open_image(tmp_path / name)
    assert str(caught.value).count(".") == 1 and "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("extension", ["jpg", "png", "webp", "gif", "bmp", "tiff"])
def test_cut_off_files_are_refused(tmp_path, extension):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / f"cut.{extension}"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UploadError):
        open_image(path)


def test_a_wrong_extension_does_not_matter(tmp_path):
    assert opened(tmp_path / "photo.png", Image.new("RGB", (3, 2), (255, 255, 255)), format="JPEG").size == (3, 2)


def test_one_pixel(tmp_path):
    image = opened(tmp_path / "one.png", Image.new("RGB", (1, 1), (10, 20, 30)))
    assert image.size == (1, 1) and image.getpixel((0, 0)) == (10, 20, 30)


def test_cmyk(tmp_path):
    inks = np.array(
        [[(0, 0, 0, 0), (0, 255, 255, 0), (0, 0, 0, 255)]], dtype=np.uint8
    )  # paper, magenta + yellow, black
    image = opened(tmp_path / "inks.tiff", Image.fromarray(inks, mode="CMYK"))
    assert np.asarray(image).tolist() == [[[255, 255, 255], [255, 0, 0], [0, 0, 0]]]


@pytest.mark.parametrize("extension", ["png", "tiff"])
def test_16_bit_grey_is_scaled_and_not_clipped(tmp_path, extension):
    levels = np.array([[0, 257, 128 * 257, 65535]], dtype=np.uint16)
    image = opened(tmp_path / f"deep.{extension}", Image.fromarray(levels))
    assert np.asarray(image)[0].tolist() == [[0] * 3, [1] * 3, [128] * 3, [255] * 3]


def test_large_16_bit_grey_is_reduced_and_scaled(tmp_path):
    image = opened(tmp_path / "deep.png", Image.fromarray(np.full((9, 5 * MAX_SIDE), 200 * 257, dtype=np.uint16)))
    assert image.width == MAX_SIDE and (np.asarray(image) == 200).all()


def test_floating_point_grey_is_scaled_by_its_own_range(tmp_path):
    image = opened(tmp_path / "float.tiff", Image.fromarray(np.array([[-1.0, 0.0, 1.0]], dtype=np.float32)))
    assert np.asarray(image)[0, :, 0].tolist() == [0, 128, 255]


def test_constant_floating_point_grey_is_no_division_by_zero(tmp_path):
    image = opened(tmp_path / "constant.tiff", Image.fromarray(np.full((2, 2), 0.5, dtype=np.float32)))
    assert not np.asarray(image).any()


def test_transparency_shows_neutral_grey(tmp_path):
    grey_and_alpha = np.array([[(200, 255), (200, 0)]], dtype=np.uint8)
    image = opened(tmp_path / "alpha.png", Image.fromarray(grey_and_alpha, mode="LA"))
    assert np.asarray(image).tolist() == [[[200] * 3, [128] * 3]]


def test_palette_with_a_transparent_colour(tmp_path):
    palette = Image.fromarray(np.array([[0, 1]], dtype=np.uint8), mode="P")
    palette.putpalette([255, 0, 0, 0, 0, 255])
    image = opened(tmp_path / "palette.png", palette, transparency=1)
    assert np.asarray(image).tolist() == [[[255, 0, 0], [128, 128, 128]]]


def test_an_animation_gives_its_first_frame(tmp_path):
    red, blue = Image.new("RGB", (4, 4), (255, 0, 0)), Image.new("RGB", (4, 4), (0, 0, 255))
    image = opened(tmp_path / "moving.gif", red, save_all=True, append_images=[blue])
    assert np.unique(np.asarray(image).reshape(-1, 3), axis=0).tolist() == [[255, 0, 0]]


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, [[1, 2], [3, 4], [5, 6]]),
        (3, [[6, 5], [4, 3], [2, 1]]),
        (6, [[5, 3, 1], [6, 4, 2]]),
        (8, [[2, 4, 6], [1, 3, 5]]),
    ],
)
def test_exif_orientation(tmp_path, orientation, upright):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.array([[1, 2], [3, 4], [5, 6]], dtype=np.uint8))
    assert np.asarray(opened(tmp_path / "turned.png", stored, exif=exif))[:, :, 0].tolist() == upright


@pytest.mark.parametrize(
    ("size", "expected"), [((3000, 1500), (MAX_SIDE, 1024)), ((10, 5000), (4, MAX_SIDE)), ((9, 7), (9, 7))]
)
def test_large_pictures_are_reduced_and_small_ones_are_left(tmp_path, size, expected):
    image = opened(tmp_path / "large.jpg", Image.new("RGB", size, (50, 100, 150)))
    assert image.size == expected
    assert np.abs(np.asarray(image, dtype=int) - (50, 100, 150)).max() <= 2


def test_the_file_is_neither_changed_nor_held_open(tmp_path):
    path = tmp_path / "photo.png"
    image = opened(path, Image.new("RGB", (5, 5), (1, 2, 3)))
    content = path.read_bytes()
    path.unlink()
    assert image.getpixel((4, 4)) == (1, 2, 3) and content.startswith(b"\x89PNG") and not list(tmp_path.iterdir())
