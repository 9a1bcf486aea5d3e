"""From an uploaded file to face crops: turned photos, phone photos, cropped faces."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demo.cards import render_faces
from demo.photo import read_photo
from fer_models.evidence import MEAN_LANDMARKS

EXAMPLES = Path(__file__).parents[1] / "demo" / "examples"
PORTRAIT = Image.open(EXAMPLES / "eileen_collins.jpg").convert("RGB")


def saved(image: Image.Image, file: Path, **options: object) -> Path:
    image.save(file, **options)
    return file


@pytest.mark.parametrize("degrees", [0, 35, 180])
def test_crop_and_landmarks_follow_the_turned_face(tmp_path, degrees):
    """`degrees` clockwise. In an upright crop, the eyes are above the mouth, as in FER-2013."""
    turned = PORTRAIT.rotate(-degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=(128, 128, 128))
    face, whole = read_photo(saved(turned, tmp_path / "turned.png"))
    assert (face.roll == 0) == (degrees == 0)
    assert face.is_face and not whole.is_face
    assert np.abs(face.landmarks - MEAN_LANDMARKS).max() < 0.12
    assert ("face 1, turned" in render_faces([face, whole], 0)) == (degrees != 0)


def test_a_phone_photo_is_upright_by_its_exif_note_alone(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored on its side, to be turned clockwise
    stored = PORTRAIT.transpose(Image.Transpose.ROTATE_90)
    face, _ = read_photo(saved(stored, tmp_path / "phone.jpg", exif=exif, quality=95))
    expected, _ = read_photo(saved(PORTRAIT, tmp_path / "upright.jpg", quality=95))
    assert face.roll == 0
    assert np.abs(face.pixels.astype(int) - expected.pixels).mean() < 2


def test_a_cropped_face_is_taken_whole(tmp_path):
    pixels = np.asarray(Image.open(EXAMPLES / "like_fer2013.png").convert("L"))
    (crop,) = read_photo(EXAMPLES / "like_fer2013.png")
    assert crop.is_face and np.array_equal(crop.pixels, pixels)
    enlarged = Image.fromarray(pixels).resize((480, 480), Image.Resampling.BICUBIC)
    (crop,) = read_photo(saved(enlarged, tmp_path / "large.png"))
    assert crop.is_face and np.abs(crop.pixels.astype(int) - pixels).mean() < 4
    assert np.abs(crop.landmarks - MEAN_LANDMARKS).max() < 0.12


def test_a_picture_without_a_face_is_offered_whole_but_not_taken_for_one(tmp_path):
    (crop,) = read_photo(saved(Image.new("RGB", (300, 200), (10, 20, 30)), tmp_path / "empty.png"))
    assert not crop.is_face
