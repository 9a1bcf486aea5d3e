"""From an uploaded file to face crops: turned photos, phone photos, cropped faces."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demo.photo import FACE_SIDE, PHOTO_SIDE, read_photo
from fer_models.data.pictures import PictureError
from fer_models.evidence import MEAN_LANDMARKS
from fer_models.faces import Face, Square, landmarks_in_crop
from tests import helpers

PORTRAIT = Image.open(helpers.PORTRAIT).convert("RGB")


def saved(image: Image.Image, file: Path, **options: object) -> Path:
    image.save(file, **options)
    return file


@pytest.mark.parametrize("degrees", [0, 35, 180])
def test_crop_and_landmarks_follow_the_turned_face(tmp_path, degrees):
    """`degrees` clockwise. In an upright crop, the eyes are above the mouth, as in FER-2013."""
    turned = PORTRAIT.rotate(-degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=(128, 128, 128))
    photo = read_photo(saved(turned, tmp_path / "turned.png"))
    face, whole = photo.crops
    assert photo.size == turned.size and photo.faces == [face]
    assert (face.square.roll == 0) == (degrees == 0)
    assert face.is_face and not whole.is_face
    assert np.abs(face.landmarks - MEAN_LANDMARKS).max() < 0.12
    assert face.square.roll == pytest.approx(degrees if degrees else 0, abs=12)
    assert whole.square.side == min(turned.size) and whole.square.roll == 0


def test_a_phone_photo_is_upright_by_its_exif_note_alone(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored on its side, to be turned clockwise
    stored = PORTRAIT.transpose(Image.Transpose.ROTATE_90)
    face, _ = read_photo(saved(stored, tmp_path / "phone.jpg", exif=exif, quality=95)).crops
    expected, _ = read_photo(saved(PORTRAIT, tmp_path / "upright.jpg", quality=95)).crops
    assert face.square.roll == 0
    assert np.abs(face.pixels.astype(int) - expected.pixels).mean() < 2


def test_a_cropped_face_is_taken_whole(tmp_path):
    pixels = np.asarray(Image.open(helpers.CROPPED_FACE).convert("L"))
    (crop,) = read_photo(helpers.CROPPED_FACE).crops
    assert crop.is_face and np.array_equal(crop.pixels, pixels)
    enlarged = Image.fromarray(pixels).resize((480, 480), Image.Resampling.BICUBIC)
    (crop,) = read_photo(saved(enlarged, tmp_path / "large.png")).crops
    assert crop.is_face and np.abs(crop.pixels.astype(int) - pixels).mean() < 4
    assert np.abs(crop.landmarks - MEAN_LANDMARKS).max() < 0.12


def test_a_picture_without_a_face_is_offered_whole_but_not_taken_for_one(tmp_path):
    photo = read_photo(saved(Image.new("RGB", (300, 200), (10, 20, 30)), tmp_path / "empty.png"))
    (crop,) = photo.crops
    assert not crop.is_face and photo.faces == []


def test_what_is_drawn_is_small_and_where_it_is_counts_the_files_pixels(tmp_path):
    large = PORTRAIT.resize((4 * PORTRAIT.width, 4 * PORTRAIT.height))
    photo = read_photo(saved(large, tmp_path / "large.jpg"))
    assert photo.size == large.size and photo.picture.mode == "RGB"
    assert max(photo.picture.size) == PHOTO_SIDE and photo.crops[0].picture.size == (FACE_SIDE, FACE_SIDE)
    small = read_photo(helpers.PORTRAIT)
    np.testing.assert_allclose(photo.crops[0].square.centre, 4 * small.crops[0].square.centre, rtol=0.05)
    assert photo.crops[0].square.side == pytest.approx(4 * small.crops[0].square.side, rel=0.1)


def test_what_is_no_picture_is_an_upload_error(tmp_path):
    (tmp_path / "text.png").write_bytes(b"not a picture at all")
    with pytest.raises(PictureError, match="not a picture"):
        read_photo(tmp_path / "text.png")


def test_landmarks_are_told_in_the_crop():
    landmarks = np.float32([[10, -20], [210, 180], [110, 80], [60, 30], [10, 80]])
    face = Face((0, 0, 1, 1), 0.9, landmarks)
    expected = [[0, 0], [1, 1], [0.5, 0.5], [0.25, 0.25], [0, 0.5]]
    np.testing.assert_allclose(landmarks_in_crop(Square(np.array([110, 80]), 200), face), expected)
