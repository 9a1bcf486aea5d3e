"""Small data of the same form as FER-2013, so that no test needs the real set."""

import csv
from pathlib import Path

import pytest
from PIL import Image

from fer_models.data.fer2013 import FER2013
from fer_models.emotions import EMOTIONS
from tests.helpers import make_split, pattern


@pytest.fixture(autouse=True)
def _cache_in_tmp(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def small_data() -> FER2013:
    """20, 4 and 4 images a class; learnable."""
    return FER2013(make_split(20, 0), make_split(4, 100), make_split(4, 200), layout="synthetic", fingerprint="0" * 64)


@pytest.fixture
def kaggle_folder(tmp_path: Path) -> Path:
    """Ten training images, two PublicTest and one PrivateTest image a class, losslessly, as Kaggle lays them out."""
    root = tmp_path / "fer"
    for label, emotion in enumerate(EMOTIONS):
        for folder, prefix, count, offset in (
            ("train", "Training", 10, 0),
            ("test", "PublicTest", 2, 20),
            ("test", "PrivateTest", 1, 30),
        ):
            (root / folder / emotion).mkdir(parents=True, exist_ok=True)
            for i in range(count):
                file = root / folder / emotion / f"{prefix}_{label}{offset + i}.png"
                Image.fromarray(pattern(label, 10 * (offset + i) + label)).save(file)
    return root


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    """The same images in the form of icml_face_data.csv, with the blanks that it has in its header."""
    file = tmp_path / "icml_face_data.csv"
    with file.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["emotion", " Usage", " pixels"])
        for usage, count, offset in (("Training", 10, 0), ("PublicTest", 2, 20), ("PrivateTest", 1, 30)):
            for label in range(len(EMOTIONS)):
                for i in range(count):
                    pixels = pattern(label, 10 * (offset + i) + label)
                    writer.writerow([label, usage, " ".join(map(str, pixels.ravel()))])
    return file
