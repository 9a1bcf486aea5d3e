"""Every kind of file gives a picture with the right pixels, or a sentence."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from fer_models.data.pictures import MAX_PIXELS, PictureError, open_picture
from tests.helpers import png_start


def opened(path, image: Image.Image, **options) -> Image.Image:
    """Save an image and open it again as an upload."""
    image.save(path, **options)
    result = open_picture(path.read_bytes())
    assert result.mode == "RGB"
    return result


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_chunk(name: bytes, content: bytes, checksum_error: int = 0) -> bytes:
    checksum = zlib.crc32(name + content) ^ checksum_error
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


@pytest.fixture
def colours() -> Image.Image:
    """40 x 60 pixels, none equal to another."""
    rows, columns = np.mgrid[:60, :40]
    return Image.fromarray(np.stack([6 * columns, 4 * rows, 0 * rows + 90], axis=-1).astype(np.uint8))


def difference(path, image: Image.Image) -> float:
    """Mean difference between an upload and a picture of the same size, in grey levels."""
    upload = open_picture(path.read_bytes())
    assert upload.size == image.size and upload.mode == "RGB"
    return np.abs(np.asarray(upload, dtype=int) - np.asarray(image, dtype=int)).mean()


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
    with pytest.raises(PictureError, match=sentence) as caught:
        open_picture((tmp_path / name).read_bytes())
    assert str(caught.value).count(".") == 1 and "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("extension", ["jpg", "png", "webp", "gif", "bmp", "tiff", "avif", "heic"])
def test_cut_off_files_are_refused(tmp_path, extension):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / f"cut.{extension}"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(PictureError):
        open_picture(path.read_bytes())


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


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_fewer_bits_in_16_are_scaled_by_their_own_depth(tmp_path, bits):
    levels = np.array([[0, 2 ** (bits - 1), 2**bits - 1]], dtype=np.uint16)
    image = opened(tmp_path / "deep.tiff", Image.fromarray(levels))
    assert np.asarray(image)[0, :, 0].tolist() == [0, 128, 255]


def test_floating_point_grey_is_scaled_by_its_own_range(tmp_path):
    image = opened(tmp_path / "float.tiff", Image.fromarray(np.array([[-1.0, 0.0, 1.0]], dtype=np.float32)))
    assert np.asarray(image)[0, :, 0].tolist() == [0, 128, 255]


def test_values_that_are_no_numbers_are_black_or_white(tmp_path):
    values = np.array([[0.0, np.inf, -np.inf, np.nan, 0.5, 1.0]], dtype=np.float32)
    image = opened(tmp_path / "float.tiff", Image.fromarray(values))
    assert np.asarray(image)[0, :, 0].tolist() == [0, 255, 0, 0, 128, 255]


def test_constant_floating_point_grey_is_no_division_by_zero(tmp_path):
    with pytest.raises(PictureError, match="black all over"):
        opened(tmp_path / "constant.tiff", Image.fromarray(np.full((2, 2), 0.5, dtype=np.float32)))


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


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "HEIF", "TIFF", "JPEG", "MPO"])
def test_every_format_is_turned_upright(tmp_path, colours, kind):
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95}
    (tmp_path / "turned").write_bytes(encoded(colours, kind, exif=exif.tobytes(), **options))
    assert difference(tmp_path / "turned", colours.rotate(-90, expand=True)) < 3


@pytest.mark.parametrize(
    "note",
    [
        png_chunk(b"eXIf", b"broken"),
        png_chunk(b"eXIf", b"II*\0"),
        png_chunk(b"eXIf", b"II*\0\x08\0\0\0\0\0", checksum_error=1),
        png_chunk(b"tEXt", b"Title\0x", checksum_error=1),
        png_chunk(b"zTXt", b"Title\0\0" + zlib.compress(bytes(10**7))),
        png_chunk(b"iCCP", b"profile\0\0broken"),
        png_chunk(b"tIME", b""),
    ],
    ids=["exif", "short_exif", "exif_checksum", "text_checksum", "huge_text", "profile", "time"],
)
@pytest.mark.parametrize("place", [33, -12], ids=["before", "after"])
def test_broken_notes_in_a_png_do_not_matter(tmp_path, colours, note, place):
    content = encoded(colours, "PNG")
    (tmp_path / "notes.png").write_bytes(content[:place] + note + content[place:])
    assert difference(tmp_path / "notes.png", colours) == 0


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"exif": b"Exif\0\0broken"}),
        ("JPEG", {"icc_profile": b"broken"}),
        ("WEBP", {"exif": b"broken", "lossless": True}),
        ("WEBP", {"icc_profile": b"broken", "lossless": True}),
        ("TIFF", {"icc_profile": b"broken"}),
        ("HEIF", {"icc_profile": b"broken", "quality": 95}),
    ],
)
def test_broken_notes_in_other_formats_do_not_matter_either(tmp_path, colours, kind, options):
    (tmp_path / "notes").write_bytes(encoded(colours, kind, **options))
    assert difference(tmp_path / "notes", colours) < 3


@pytest.mark.parametrize("lost", [1, 5, 60])
def test_a_jpeg_that_lost_its_last_bytes_is_refused(tmp_path, colours, lost):
    (tmp_path / "cut.jpg").write_bytes(encoded(colours, "JPEG")[:-lost])
    with pytest.raises(PictureError, match="incomplete"):
        open_picture((tmp_path / "cut.jpg").read_bytes())


def test_what_follows_a_jpeg_does_not_matter(tmp_path, colours):
    (tmp_path / "long.jpg").write_bytes(encoded(colours, "JPEG", quality=95) + b"something else" * 99)
    assert difference(tmp_path / "long.jpg", colours) < 3


def test_the_four_inks_of_a_jpeg(tmp_path, colours):
    (tmp_path / "inks.jpg").write_bytes(encoded(colours.convert("CMYK"), "JPEG", quality=95))
    assert difference(tmp_path / "inks.jpg", colours) < 3


def test_lab(tmp_path, colours):
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    (tmp_path / "lab.tiff").write_bytes(
        encoded(ImageCms.profileToProfile(colours, *profiles, outputMode="LAB"), "TIFF")
    )
    assert difference(tmp_path / "lab.tiff", colours) < 3


def deep_png(pixel: list[int], colour_type: int) -> bytes:
    """A PNG of one pixel with 16 bits per channel."""
    header = struct.pack(">IIBBBBB", 1, 1, 16, colour_type, 0, 0, 0)
    values = np.array(pixel, dtype=">u2").tobytes()
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" + values)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


@pytest.mark.parametrize("channels", [2, 4])
def test_a_png_of_16_bits_with_transparency(tmp_path, channels):
    (tmp_path / "deep.png").write_bytes(deep_png([200 * 257] * (channels - 1) + [65535], 2 + channels))
    assert open_picture((tmp_path / "deep.png").read_bytes()).getpixel((0, 0)) == (200, 200, 200)


def test_8_bits_in_16_a_colour_are_told_from_a_picture_without_a_face(tmp_path):
    (tmp_path / "deep.png").write_bytes(deep_png([250, 200, 150], 2))
    with pytest.raises(PictureError, match="black all over"):
        open_picture((tmp_path / "deep.png").read_bytes())


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
def test_the_first_frame_of_every_kind_of_animation(tmp_path, colours, kind):
    frames = [colours.rotate(180), colours]
    (tmp_path / "moving").write_bytes(encoded(colours, kind, save_all=True, append_images=frames, duration=100))
    assert difference(tmp_path / "moving", colours) < 4


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "HEIF", "TIFF", "BMP", "GIF", "JPEG"])
def test_one_pixel_of_every_kind(tmp_path, kind):
    one = Image.new("RGB", (1, 1), (10, 20, 30))
    (tmp_path / "one").write_bytes(encoded(one, kind, **({"lossless": True} if kind == "WEBP" else {})))
    assert difference(tmp_path / "one", one) < 4


def test_a_heic_that_is_too_large_is_not_decoded(tmp_path, monkeypatch, colours):
    content = encoded(colours, "HEIF")
    (tmp_path / "large.heic").write_bytes(content)
    monkeypatch.setattr("fer_models.data.pictures.MAX_PIXELS", 40 * 60 - 1)
    with pytest.raises(PictureError, match="million pixels"):
        open_picture((tmp_path / "large.heic").read_bytes())
    monkeypatch.undo()
    large = encoded(Image.new("RGB", (640, 480)), "HEIF")
    size = struct.pack(">II", 640, 480)
    assert large.count(size) == 1
    liar = large.replace(size, struct.pack(">II", 64, 64))
    (tmp_path / "liar.heic").write_bytes(liar)
    with pytest.raises(PictureError, match="damaged"):
        open_picture((tmp_path / "liar.heic").read_bytes())


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


@pytest.mark.parametrize("size", [(3000, 1500), (10, 5000), (9, 7)])
def test_no_picture_is_reduced(tmp_path, size):
    """Small faces in a large picture need all of its pixels."""
    image = opened(tmp_path / "large.jpg", Image.new("RGB", size, (50, 100, 150)))
    assert image.size == size
    assert np.abs(np.asarray(image, dtype=int) - (50, 100, 150)).max() <= 2


def test_the_file_is_neither_changed_nor_held_open(tmp_path):
    path = tmp_path / "photo.png"
    image = opened(path, Image.new("RGB", (5, 5), (1, 2, 3)))
    content = path.read_bytes()
    path.unlink()
    assert image.getpixel((4, 4)) == (1, 2, 3) and content.startswith(b"\x89PNG") and not list(tmp_path.iterdir())
