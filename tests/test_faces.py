"""Faces are found whatever their tilt and size, and cropped as FER-2013's are."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from fer_models.data.images import to_grey48
from fer_models.evaluation.tracking import overlap
from fer_models.faces import Face, Square, crop_face, face_square, find_faces, is_one_face, landmarks_in_crop
from fer_models.faces.__main__ import measure_margin
from fer_models.faces.geometry import BOX_CENTRE_X, BOX_CENTRE_Y, BOX_HEIGHT, BOX_WIDTH, crop_square

EXAMPLES = Path(__file__).parent.parent / "demo" / "examples"

# Read off the photographs by eye: left, top, right, bottom of the face, and the pupils, the left one as seen first.
BOXES = {"eileen_collins.jpg": (180, 62, 270, 176), "grace_hopper.jpg": (175, 125, 358, 330)}
PUPILS = {"eileen_collins.jpg": [(203, 101), (248, 103)], "grace_hopper.jpg": [(221, 189), (305, 187)]}

portraits = pytest.mark.parametrize("name", BOXES)


def example(name: str) -> Image.Image:
    return Image.open(EXAMPLES / name).convert("RGB")


def head(name: str, height: int, degrees: float = 0) -> Image.Image:
    """A square cut from a portrait: a face of the given height in its middle, rotated about its middle."""
    left, top, right, bottom = BOXES[name]
    x, y, half = (left + right) / 2, (top + bottom) / 2, bottom - top
    margin = 100  # the picture's edge is continued, so that every square lies within it
    padded = np.pad(np.asarray(example(name)), ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    turned = Image.fromarray(padded).rotate(degrees, Image.Resampling.BICUBIC, center=(x + margin, y + margin))
    corners = (x - half + margin, y - half + margin, x + half + margin, y + half + margin)
    return turned.resize((2 * height, 2 * height), Image.Resampling.LANCZOS, box=corners)


@portraits
def test_box_and_eyes_are_where_they_are_seen(name):
    (face,) = find_faces(example(name))
    assert overlap(face.box, BOXES[name]) > 0.8
    assert 0.6 <= face.score <= 1
    inter_ocular = PUPILS[name][1][0] - PUPILS[name][0][0]
    assert np.abs(face.landmarks[:2] - PUPILS[name]).max() < 0.15 * inter_ocular


@portraits
@pytest.mark.parametrize("degrees", [-30, -15, 0, 15, 30])
@pytest.mark.parametrize("height", [40, 80, 160, 640])
def test_one_face_whatever_its_tilt_and_size(name, degrees, height):
    (face,) = find_faces(head(name, height, degrees))
    # The middle of the face is the middle of the picture; a tilted face's box has nearly the same area.
    left, top, right, bottom = BOXES[name]
    width = height * (right - left) / (bottom - top)
    truth = (height - width / 2, height / 2, height + width / 2, 3 * height / 2)
    assert overlap(face.box, truth) > 0.65


@portraits
@pytest.mark.parametrize("side", [700, 1500, 2048])
def test_a_face_that_fills_a_large_picture_is_one_face(name, side):
    left, top, right, bottom = BOXES[name]
    middle, half = (left + right) / 2, (bottom - top) / 2
    close_up = example(name).resize(
        (side, side), Image.Resampling.BICUBIC, box=(middle - half, top, middle + half, bottom)
    )
    (face,) = find_faces(close_up)
    assert overlap(face.box, ((side - side * 0.8) / 2, 0, side * 0.9, side)) > 0.7


def test_thirty_faces_of_different_sizes_are_all_found_the_largest_first():
    picture = Image.new("RGB", (1600, 1200), (90, 110, 130))
    rng = np.random.default_rng(0)
    truths = []
    for i in range(30):
        height = (40, 60, 75)[i % 3]
        tile = head(sorted(BOXES)[i % 2], height, degrees=rng.uniform(-25, 25))
        corner = (i % 6 * 260 + 40, i // 6 * 230 + 40)
        picture.paste(tile, corner)
        truths.append((corner[0] + height, corner[1] + height, height))
    nearest = [min(truths, key=lambda truth: np.hypot(*(face.centre - truth[:2]))) for face in find_faces(picture)]
    assert sorted(nearest) == sorted(truths)  # each is found once
    heights = [height for _, _, height in nearest]
    assert min(heights[:5]) == 75 and max(heights[-10:]) == 40


@pytest.mark.parametrize(
    ("name", "count"), [("group.jpg", 6), ("like_fer2013.png", 1), ("mouth_covered.jpg", 1), ("tilted.jpg", 1)]
)
def test_examples(name, count):
    assert len(find_faces(example(name))) == count


@pytest.mark.parametrize("size", [(1, 1), (3000, 1), (32, 640), (60, 1280), (48, 48), (640, 480)])
def test_nothing_is_found_where_nothing_is(size):
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    assert find_faces(Image.new("RGB", size, (200, 180, 160))) == []
    assert find_faces(Image.fromarray(noise)) == []


@portraits
@pytest.mark.parametrize("degrees", [20, -30, 45, -60, 90, 180, -135, -90])
def test_a_turned_face_is_cropped_upright(name, degrees):
    """`degrees` clockwise. The crop is that of the upright picture, and the landmarks are at the same places in it."""
    upright, turned = head(name, 160), head(name, 160, -degrees)
    (expected,), (found,) = find_faces(upright), find_faces(turned)
    error = (found.roll - degrees + 180) % 360 - 180
    assert abs(error) < 12
    places = [
        landmarks_in_crop(face_square(picture, face), face) for picture, face in ((upright, expected), (turned, found))
    ]
    assert np.abs(places[0] - places[1]).max() < 0.1
    crops = [to_grey48(crop_face(picture, face)) for picture, face in ((upright, expected), (turned, found))]
    assert np.corrcoef(*(crop[12:36, 12:36].ravel() for crop in crops))[0, 1] > 0.5


def test_a_small_tilt_is_left_and_a_quarter_turn_is_undone_alone():
    portrait = head("grace_hopper.jpg", 160, 4)
    (face,) = find_faces(portrait)
    assert face.roll == 0
    turned = portrait.transpose(Image.Transpose.ROTATE_270)  # 90 degrees clockwise
    (found,) = find_faces(turned)
    assert found.roll == 90
    difference = np.abs(to_grey48(crop_face(portrait, face)) - np.float32(to_grey48(crop_face(turned, found))))
    assert difference.mean() < 5


def test_a_mirrored_photo_gives_mirrored_crops():
    turned = head("eileen_collins.jpg", 160, 40)
    (face,), (mirrored,) = find_faces(turned), find_faces(ImageOps.mirror(turned))
    assert mirrored.roll == pytest.approx(-face.roll, abs=8)


def test_upright_and_turned_people_in_one_picture():
    picture = Image.new("RGB", (900, 300), (90, 110, 130))
    for index, degrees in enumerate((0, 180, -90)):
        picture.paste(head("grace_hopper.jpg", 120, degrees), (30 + 290 * index, 30))
    found = sorted(find_faces(picture), key=lambda face: face.centre[0])
    assert [round(face.roll / 90) % 4 for face in found] == [0, 2, 1]


@pytest.mark.parametrize(
    ("size", "count", "columns", "height"), [((6000, 4500), 20, 5, 110), ((12000, 1000), 20, 20, 150)]
)
def test_small_faces_in_large_pictures_are_each_found_once(size, count, columns, height):
    picture = Image.new("RGB", size, (90, 110, 130))
    across, down = size[0] // columns, size[1] // (count // columns)
    centres = []
    for index in range(count):
        row, column = divmod(index, columns)
        corner = (column * across + 37 * index % (across - 2 * height), row * down + 53 * index % (down - 2 * height))
        picture.paste(head(sorted(BOXES)[index % 2], height), corner)
        centres.append(np.array(corner) + height)
    found = find_faces(picture)
    assert len(found) == count
    distances = np.linalg.norm(np.array(centres)[:, None] - [face.centre for face in found], axis=2)
    assert distances.min(axis=1).max() < 0.25 * height


def test_a_cropped_face_is_one_face_and_a_portrait_is_not():
    for name in BOXES:
        portrait = example(name)
        faces = find_faces(portrait)
        crop = crop_face(portrait, faces[0])
        assert is_one_face(crop, find_faces(crop))
        assert not is_one_face(portrait, faces)
    small = example("like_fer2013.png")
    assert small.size == (48, 48) and is_one_face(small, [])
    assert not is_one_face(Image.new("RGB", (480, 480)), [])


def test_a_turned_square_is_sampled_from_the_original_pixels():
    """A square turned by 90 degrees holds the same pixels; one turned by 45 degrees keeps the centre and the mean."""
    ramp = np.arange(64 * 64, dtype=np.float64).reshape(64, 64) % 251
    picture = Image.fromarray(np.repeat(ramp.astype(np.uint8)[:, :, None], 3, axis=2))
    square = np.asarray(crop_square(picture, Square(np.array([32.0, 32.0]), 20, 90.0)))
    assert np.abs(square - np.rot90(np.asarray(picture)[22:42, 22:42]).astype(float)).max() <= 1
    flat = crop_square(Image.new("RGB", (64, 64), (10, 20, 30)), Square(np.array([5.0, 60.0]), 30, 45.0))
    assert flat.size == (30, 30) and flat.getcolors() == [(900, (10, 20, 30))]


@pytest.mark.parametrize("degrees", [45, 135, 225, 315])
def test_a_group_turned_by_an_eighth_loses_nobody(degrees):
    group = example("group.jpg").rotate(-degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=(128, 128, 128))
    assert len(find_faces(group)) == 6


def mirrored_tilted() -> Image.Image:
    return ImageOps.mirror(example("tilted.jpg"))


@pytest.mark.parametrize("degrees", range(0, 360, 15))
@pytest.mark.parametrize("portrait", [example("eileen_collins.jpg"), mirrored_tilted()], ids=["upright", "tilted"])
def test_a_portrait_turned_by_any_angle_is_one_face_and_cropped_upright(portrait, degrees):
    """`degrees` clockwise. Some of these look upright to the detector when they are upside down."""
    grey = (128, 128, 128)
    (face,) = find_faces(portrait.rotate(-degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=grey))
    (upright,) = find_faces(portrait)
    error = (face.roll - upright.roll - degrees + 180) % 360 - 180
    assert abs(error) < 20


@pytest.mark.parametrize("degrees", [45, 135, 225, 315])
def test_a_small_face_turned_by_an_eighth(degrees):
    picture = Image.new("RGB", (640, 640), (128, 128, 128))
    picture.paste(head("grace_hopper.jpg", 80), (240, 240))
    (face,) = find_faces(picture.rotate(-degrees, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128)))
    assert abs((face.roll - degrees + 180) % 360 - 180) < 20


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_small_faces_in_a_large_picture_that_is_turned(turn):
    picture = Image.new("RGB", (6000, 2000), (90, 110, 130))
    for index in range(8):
        picture.paste(head(sorted(BOXES)[index % 2], 90), (200 + 700 * index, 300 + 1000 * (index % 2)))
    searched = []
    found = find_faces(picture.rotate(-turn, expand=True), lambda *step: searched.append(step))
    parts = [step for step in searched if step[2] == "parts"]
    assert parts == [(1, 3, "parts"), (2, 3, "parts"), (3, 3, "parts")] * 4  # in each orientation
    assert (8, 8, "faces") in searched
    assert len(found) == 8
    assert all(abs((face.roll - turn + 180) % 360 - 180) < 15 for face in found)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "YCbCr", "I;16"])
def test_pictures_of_any_mode(mode):
    portrait = example("grace_hopper.jpg")
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(portrait.convert("L")).astype(np.uint16) << 8)
    else:
        picture = portrait.convert(mode)
    (face,) = find_faces(picture)
    assert overlap(face.box, BOXES["grace_hopper.jpg"]) > 0.7
    crop, expected = (crop_face(image, face) for image in (picture, portrait))
    assert crop.mode == "RGB"
    assert np.abs(to_grey48(crop) - to_grey48(expected).astype(int)).mean() < 8


def test_threads_do_not_disturb_each_other():
    pictures = [head(name, height) for name in BOXES for height in (40, 61, 90, 133)]
    alone = [find_faces(picture)[0].box for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = [faces[0].box for faces in pool.map(find_faces, pictures * 4)]
    assert together == alone * 4


def face_at(left: float, top: float, side: float) -> Face:
    """A face whose crop is the square of the given corner and side, by the constants' definition."""
    x, y = left + BOX_CENTRE_X * side, top + BOX_CENTRE_Y * side
    width, height = BOX_WIDTH * side, BOX_HEIGHT * side
    return Face((x - width / 2, y - height / 2, x + width / 2, y + height / 2), 0.9, np.zeros((5, 2), np.float32))


def test_crop_places_the_box_as_in_fer2013():
    ramp = np.arange(100 * 120 * 3, dtype=np.uint32).reshape(100, 120, 3).astype(np.uint8)
    crop = crop_face(Image.fromarray(ramp), face_at(left=30, top=20, side=50))
    assert np.array_equal(np.asarray(crop), ramp[20:70, 30:80])


def test_crop_repeats_the_edge_where_it_sticks_out():
    pixels = np.array([[[1] * 3, [2] * 3], [[3] * 3, [4] * 3]], dtype=np.uint8)
    crop = crop_face(Image.fromarray(pixels), face_at(left=-1, top=-1, side=4))
    assert np.asarray(crop)[:, :, 0].tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]


def test_crop_of_a_tiny_face_is_a_pixel():
    assert crop_face(Image.new("RGB", (9, 9)), face_at(left=4, top=4, side=0.1)).size == (1, 1)


@pytest.mark.parametrize(
    ("size", "columns", "rows"), [((4, 2), [1, 2], [0, 1]), ((2, 5), [0, 1], [1, 2]), ((1, 1), [0], [0])]
)
def test_without_a_face_the_crop_is_the_middle_square(size, columns, rows):
    pixels = np.arange(size[0] * size[1], dtype=np.uint8).reshape(size[1], size[0])
    crop = np.asarray(crop_face(Image.fromarray(pixels).convert("RGB"), None))
    assert np.array_equal(crop[:, :, 0], pixels[np.ix_(rows, columns)])


@portraits
def test_a_cropped_face_would_be_cropped_to_itself(name):
    portrait = example(name)
    crop = crop_face(portrait, find_faces(portrait)[0]).convert("L").resize((48, 48), Image.Resampling.LANCZOS)
    [(width, height, x, y)] = measure_margin(np.asarray(crop)[None])
    assert (width * height / (BOX_WIDTH * BOX_HEIGHT)) ** 0.5 == pytest.approx(1, abs=0.1)
    assert (x, y) == pytest.approx((BOX_CENTRE_X, BOX_CENTRE_Y), abs=0.06)
