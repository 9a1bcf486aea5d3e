"""FER-2013 in all its forms, and batched augmentation."""

import logging
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from fer_models.data.augmentation import Augmentation, augment, sampling_grid
from fer_models.data.fer2013 import FER2013, DataError, load_fer2013
from fer_models.data.images import enlarge, to_grey48
from tests.helpers import make_split, pattern

STILL = Augmentation(flip=0, rotation=0, brightness=0)


def test_kaggle_folder_takes_the_split_from_the_file_name(kaggle_folder: Path) -> None:
    data = load_fer2013(kaggle_folder)
    assert data.layout == "kaggle"
    assert (len(data.train), len(data.validation), len(data.test)) == (70, 14, 7)
    assert torch.equal(data.test.images, torch.stack([torch.from_numpy(pattern(k, 300 + k)) for k in range(7)]))
    assert data.test.labels.tolist() == list(range(7))


def test_csv_and_folder_hold_the_same_images(kaggle_folder: Path, csv_file: Path) -> None:
    folder, table = load_fer2013(kaggle_folder), load_fer2013(csv_file)
    assert table.layout == "csv"
    for split in ("train", "validation", "test"):
        assert torch.equal(getattr(folder, split).images, getattr(table, split).images)
        assert torch.equal(getattr(folder, split).labels, getattr(table, split).labels)
    assert folder.fingerprint == table.fingerprint


def test_files_and_marks_of_other_programs_are_ignored(kaggle_folder: Path, csv_file: Path) -> None:
    expected = load_fer2013(kaggle_folder).fingerprint
    (kaggle_folder / "test" / "happy" / ".DS_Store").write_bytes(b"Finder's")
    csv_file.write_bytes(b"\xef\xbb\xbf" + csv_file.read_bytes())  # Excel's byte order mark
    assert load_fer2013(kaggle_folder).fingerprint == load_fer2013(csv_file).fingerprint == expected


def test_one_folder_per_split(kaggle_folder: Path) -> None:
    for file in list((kaggle_folder / "test").rglob("PublicTest_*")):
        target = kaggle_folder / "validation" / file.parent.name / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        file.rename(target)
    data = load_fer2013(kaggle_folder)
    assert (data.layout, len(data.validation), len(data.test)) == ("splits", 14, 7)


def test_without_a_validation_split_a_stratified_tenth_of_training_becomes_one(
    kaggle_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for file in list((kaggle_folder / "test").rglob("*.png")):
        file.rename(file.with_name(f"im{file.stem[-2:]}.png"))
    data = load_fer2013(kaggle_folder)
    assert data.layout == "train-test"
    assert data.validation.labels.tolist() == list(range(7))
    assert (len(data.train), len(data.test)) == (63, 21)
    assert "tenth" in caplog.text


def test_second_start_reads_the_cache_and_a_changed_file_invalidates_it(kaggle_folder: Path, tmp_path: Path) -> None:
    first = load_fer2013(kaggle_folder, cache_dir=tmp_path / "cache")
    again = load_fer2013(kaggle_folder, cache_dir=tmp_path / "cache")
    assert torch.equal(first.train.images, again.train.images) and again.fingerprint == first.fingerprint

    Image.fromarray(pattern(3, 999)).save(next((kaggle_folder / "train" / "happy").iterdir()))
    assert load_fer2013(kaggle_folder, cache_dir=tmp_path / "cache").fingerprint != first.fingerprint


def test_a_broken_cache_is_made_again(kaggle_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = load_fer2013(kaggle_folder, cache_dir=tmp_path / "cache")
    (cached,) = (tmp_path / "cache").iterdir()
    cached.write_bytes(cached.read_bytes()[:100])
    assert load_fer2013(kaggle_folder, cache_dir=tmp_path / "cache").fingerprint == first.fingerprint
    assert "created again" in caplog.text


def test_counts_that_differ_from_the_published_ones_are_logged(
    kaggle_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        load_fer2013(kaggle_folder)
    assert "4097" in caplog.text and "28709" in caplog.text


def test_errors_name_the_path(kaggle_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing at .*absent"):
        load_fer2013(tmp_path / "absent")
    (tmp_path / "archive.zip").write_bytes(b"PK\x03\x04\xff")
    with pytest.raises(DataError, match="archive.zip cannot be read because the archive is damaged"):
        load_fer2013(tmp_path / "archive.zip")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty is not FER-2013"):
        load_fer2013(tmp_path / "empty")

    broken = next((kaggle_folder / "train" / "sad").iterdir())
    broken.write_bytes(b"not an image")
    with pytest.raises(DataError, match=broken.name):
        load_fer2013(kaggle_folder)
    Image.new("L", (64, 48)).save(broken)
    with pytest.raises(DataError, match="64x48"):
        load_fer2013(kaggle_folder)
    for file in (kaggle_folder / "train" / "sad").iterdir():
        file.unlink()
    with pytest.raises(DataError, match="no train images of sad"):
        load_fer2013(kaggle_folder)


def test_a_bad_csv_row_is_named_by_its_line(csv_file: Path) -> None:
    lines = csv_file.read_text().splitlines()
    csv_file.write_text("\n".join([*lines[:3], "9" + lines[3][1:], *lines[4:]]))
    with pytest.raises(DataError, match="line 4"):
        load_fer2013(csv_file)


def test_leak_free_leaves_out_pixel_identical_copies() -> None:
    train, validation, test = make_split(2, 0), make_split(2, 10), make_split(2, 20)
    test.images[0] = train.images[5]
    test.images[3] = validation.images[1]
    leak_free = FER2013(train, validation, test, "synthetic", "").leak_free
    assert (~leak_free).nonzero().flatten().tolist() == [0, 3]


def test_the_real_set_if_it_is_there() -> None:
    folder = Path(__file__).parents[1] / "data" / "fer2013"
    if not folder.is_dir():
        pytest.skip("FER-2013 is not in data/fer2013")
    data = load_fer2013(folder)
    assert (len(data.train), len(data.validation), len(data.test)) == (28_709, 3_589, 3_589)
    assert (~data.leak_free).sum() == 314


def test_to_grey48_averages_areas() -> None:
    fine = np.zeros((96, 96), dtype=np.uint8)
    fine[::2] = 200  # every 2x2 cell holds two pixels of 200 and two of 0
    assert (to_grey48(fine) == 100).all()
    colour = np.zeros((48, 48, 3), dtype=np.uint8)
    colour[..., 1] = 255
    assert (to_grey48(colour) == 150).all()  # luma's weight of green: 0.587
    # 72 pixels: each of 48 covers one and a half, the odd ones (2 light + 1 dark) / 3 or (1 light + 2 dark) / 3.
    stripes = np.tile(np.uint8([0, 0, 240]), (72, 24))
    assert to_grey48(stripes).tolist() == [[0, 160] * 24] * 48


def test_to_grey48_shows_neutral_grey_where_nothing_is() -> None:
    cut_out = Image.new("RGBA", (60, 60), (255, 255, 255, 0))
    cut_out.paste((10, 10, 10, 255), (0, 0, 60, 30))
    assert np.unique(to_grey48(cut_out)[:24]) == 10 and np.unique(to_grey48(cut_out)[24:]) == 128


def test_to_grey48_scales_16_bits_and_refuses_what_has_no_luma() -> None:
    deep = Image.fromarray(np.full((60, 60), 128 * 256, dtype=np.uint16))
    assert deep.mode == "I;16" and (to_grey48(deep) == 128).all()
    with pytest.raises(ValueError, match="mode 'LAB'.*Convert it to RGB"):
        to_grey48(Image.new("LAB", (48, 48)))


def test_enlarge_keeps_constants_and_range() -> None:
    faces = enlarge(torch.tensor([0, 51, 255], dtype=torch.uint8).view(3, 1, 1).expand(3, 48, 48), 128)
    assert faces.shape == (3, 3, 128, 128)
    for face, value in zip(faces, (0, 0.2, 1), strict=True):
        assert torch.allclose(face, torch.tensor(float(value)))


def test_augmentation_without_changes_is_enlarging() -> None:
    images = make_split(1, 0).images
    assert torch.allclose(augment(images, 96, STILL), enlarge(images, 96), atol=1e-5)


def test_the_sampling_grid_is_torchs() -> None:
    affine = torch.randn(3, 2, 3)
    expected = F.affine_grid(affine, [3, 1, 20, 20], align_corners=False)
    assert torch.allclose(sampling_grid(affine, 20), expected, atol=1e-6)


def test_flip_mirrors_and_rotation_turns() -> None:
    images = make_split(1, 0).images
    flipped = augment(images, 48, Augmentation(flip=1, rotation=0, brightness=0))
    assert torch.allclose(flipped, enlarge(images, 48).flip(-1), atol=1e-5)

    # A disc turns around the centre: its distance from there stays, and its angle changes by at most the rotation.
    y, x = np.mgrid[:48, :48]
    disc = (255 * ((y - 8) ** 2 + (x - 24) ** 2 <= 9)).astype(np.uint8)
    turned = augment(torch.from_numpy(np.stack([disc] * 64)), 48, Augmentation(flip=0, rotation=10, brightness=0))[:, 0]
    weight = turned / turned.sum(dim=(1, 2), keepdim=True)
    row = (weight * torch.arange(48).view(1, 48, 1)).sum(dim=(1, 2)) - 23.5
    column = (weight * torch.arange(48).view(1, 1, 48)).sum(dim=(1, 2)) - 23.5
    radius, angle = torch.hypot(row, column), torch.atan2(column, -row) * 180 / math.pi
    assert torch.allclose(radius, torch.tensor(15.5), atol=0.3)
    assert angle.abs().max() < 12.5 and angle.std() > 3  # the disc itself stands 1.8 degrees off


def test_brightness_stays_in_its_range_and_erasing_covers_two_to_twenty_percent() -> None:
    images = torch.full((256, 48, 48), 128, dtype=torch.uint8)
    bright = augment(images, 48, Augmentation(flip=0, rotation=0, brightness=0.2))[:, 0, 0, 0] / (128 / 255)
    assert 0.8 <= bright.min() < 0.85 and 1.15 < bright.max() <= 1.2001

    erased = augment(images, 100, Augmentation(flip=0, rotation=0, brightness=0, erase=1))[:, 0]
    covered = ((erased - 128 / 255).abs() > 1e-3).float().mean(dim=(1, 2))
    assert covered.max() < 0.22 and covered.median() > 0.05
