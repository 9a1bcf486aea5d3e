"""FER-2013: finding, reading and verifying the data set, in its common layouts.

Recognised layouts of a data path:
    "kaggle"     train/<emotion>/Training_<id>.jpg, test/<emotion>/PublicTest_<id>.jpg and PrivateTest_<id>.jpg
    "splits"     train/<emotion>/..., validation/<emotion>/..., test/<emotion>/...
    "train-test" train/<emotion>/..., test/<emotion>/... with file names without the split: a stratified tenth
                 of the training images becomes the validation split
    "csv"        fer2013.csv or icml_face_data.csv with the columns emotion, pixels, Usage (or a folder with one)
"""

import csv
import hashlib
import logging
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fer_models.data.images import FER_SIZE
from fer_models.emotions import EMOTIONS

log = logging.getLogger(__name__)

SPLITS = ("train", "validation", "test")
CSV_NAMES = ("fer2013.csv", "icml_face_data.csv")
_USAGE = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}

# Images per class, in the order of EMOTIONS (Goodfellow et al. 2013, arXiv:1307.0414).
PUBLISHED_COUNTS = {
    "train": (3995, 436, 4097, 7215, 4830, 3171, 4965),
    "validation": (467, 56, 496, 895, 653, 415, 607),
    "test": (491, 55, 528, 879, 594, 416, 626),
}


class DataError(ValueError):
    """The data path does not hold FER-2013 in a readable form; the message names the place and a remedy."""


@dataclass(frozen=True)
class Split:
    """One split of the data set. images: uint8 (N, 48, 48); labels: int64 (N,) indices into EMOTIONS."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> "Split":
        return Split(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True)
class FER2013:
    """The three splits. `fingerprint` is a SHA-256 over the pixels and labels of each split, in order."""

    train: Split
    validation: Split
    test: Split
    layout: str
    fingerprint: str

    @property
    def leak_free(self) -> Tensor:
        """bool (N_test,): True for test images without a pixel-identical copy in the training or validation split."""
        seen = {image.tobytes() for split in (self.train, self.validation) for image in split.images.numpy()}
        return torch.tensor([image.tobytes() not in seen for image in self.test.images.numpy()], dtype=torch.bool)


def load_fer2013(path: str | Path, cache_dir: str | Path | None = None) -> FER2013:
    """Reads FER-2013 from any of the known layouts, logs its counts and compares them with the published ones.

    Args:
        path: a folder or a CSV file.
        cache_dir: folder for the decoded images, with which the next start takes less than a second; by default
            `~/.cache/fer-lens` (or $XDG_CACHE_HOME/fer-lens).

    Raises:
        DataError: `path` has no known layout, an image or row is unreadable, or a class has no images.
    """
    path = Path(path)
    source = _find_source(path)
    cache = _cache_folder(cache_dir) / f"{_source_key(source)}.safetensors"
    data = _read_cache(cache)
    if data is None:
        data = _read_csv(source) if source.is_file() else _read_folders(source)
        _write_cache(cache, data)
    _log_counts(data)
    return data


# ---- Finding and reading ------------------------------------------------------------------------------------------


def _find_source(path: Path) -> Path:
    """Returns the CSV file, or the folder with train/ in it, at `path` or directly inside it."""
    if not path.exists():
        raise DataError(f"There is nothing at {path}. Give the folder or CSV file of FER-2013 with --data PATH.")
    if path.is_file():
        if path.suffix.lower() != ".csv":
            raise DataError(f"{path} is not a CSV file. Unpack archives first, then give the folder or CSV file.")
        return path
    for candidate in [path / name for name in CSV_NAMES] + [path / "fer2013" / name for name in CSV_NAMES]:
        if candidate.is_file():
            return candidate
    for folder in (path, path / "fer2013"):
        if (folder / "train").is_dir() and (folder / "test").is_dir():
            return folder
    raise DataError(
        f"{path} is not FER-2013 in a known layout: it has neither {' nor '.join(CSV_NAMES)}, nor the folders train/ "
        "and test/ with one folder per emotion. Set --data to the folder with the unpacked data set."
    )


def _read_folders(root: Path) -> FER2013:
    files = {
        (folder, label): sorted(
            entry
            for entry in _class_folder(root, folder, emotion).iterdir()
            if entry.is_file() and not entry.name.startswith(".")  # such as macOS's .DS_Store
        )
        for folder in (*SPLITS, "val")
        if (root / folder).is_dir()
        for label, emotion in enumerate(EMOTIONS)
    }
    names = {file.name.split("_")[0] for (folder, _), group in files.items() for file in group if folder == "test"}
    if any(folder in ("validation", "val") for folder, _ in files):
        layout, split_of = "splits", lambda folder, file: "validation" if folder == "val" else folder
    elif names == {"PublicTest", "PrivateTest"}:
        layout, split_of = (
            "kaggle",
            lambda folder, file: _USAGE[file.name.split("_")[0]] if folder == "test" else folder,
        )
    else:
        layout, split_of = "train-test", lambda folder, file: folder

    images: dict[str, list[np.ndarray]] = {split: [] for split in SPLITS}
    labels: dict[str, list[int]] = {split: [] for split in SPLITS}
    for (folder, label), group in files.items():
        for file in group:
            images[split_of(folder, file)].append(_read_image(file))
            labels[split_of(folder, file)].append(label)
    if layout == "train-test":
        log.warning(
            "%s has no validation split, in folders or file names: a random tenth of the training images of each "
            "emotion (seed 0) becomes the validation split.",
            root,
        )
        _move_tenth_to_validation(images, labels)
    return _assemble(images, labels, layout, root)


def _class_folder(root: Path, split: str, emotion: str) -> Path:
    folder = root / split / emotion
    if not folder.is_dir():
        raise DataError(f"{folder} is missing: each split needs one folder per emotion, named {', '.join(EMOTIONS)}.")
    return folder


def _read_image(file: Path) -> np.ndarray:
    try:
        with Image.open(file) as image:
            pixels = np.asarray(image.convert("L"))
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{file} cannot be read as an image ({error}). Unpack the data set again.") from error
    if pixels.shape != (FER_SIZE, FER_SIZE):
        raise DataError(f"{file} is {pixels.shape[1]}x{pixels.shape[0]} pixels; FER-2013's images are 48x48.")
    return pixels


def _read_csv(file: Path) -> FER2013:
    images: dict[str, list[np.ndarray]] = {split: [] for split in SPLITS}
    labels: dict[str, list[int]] = {split: [] for split in SPLITS}
    with file.open(newline="", encoding="utf-8-sig") as handle:
        rows = csv.DictReader(handle, skipinitialspace=True)  # icml_face_data.csv has spaces after its commas
        if not {"emotion", "pixels", "Usage"} <= set(rows.fieldnames or ()):
            raise DataError(f"{file} has the columns {rows.fieldnames}; FER-2013 has emotion, pixels, Usage.")
        for number, row in enumerate(rows, start=2):
            try:
                pixels = np.array(row["pixels"].split(), dtype=np.uint8).reshape(FER_SIZE, FER_SIZE)
                label, split = int(row["emotion"]), _USAGE[row["Usage"].strip()]
                if not 0 <= label < len(EMOTIONS):
                    raise ValueError(f"emotion {label} is not one of 0 to 6")
            except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
                raise DataError(
                    f"{file}, line {number}, is not a FER-2013 row ({error}). Download it again."
                ) from error
            images[split].append(pixels)
            labels[split].append(label)
    return _assemble(images, labels, "csv", file)


def _move_tenth_to_validation(images: dict[str, list], labels: dict[str, list]) -> None:
    """Moves a random tenth of each class, with a fixed seed, from the training to the validation split."""
    train_labels = np.array(labels["train"])
    generator = np.random.default_rng(0)
    chosen = set()
    for label in range(len(EMOTIONS)):
        members = np.flatnonzero(train_labels == label)
        chosen.update(generator.choice(members, size=max(1, len(members) // 10), replace=False).tolist())
    for store in (images, labels):
        store["validation"] = [value for index, value in enumerate(store["train"]) if index in chosen]
        store["train"] = [value for index, value in enumerate(store["train"]) if index not in chosen]


def _assemble(images: dict[str, list], labels: dict[str, list], layout: str, source: Path) -> FER2013:
    for split in SPLITS:
        missing = [emotion for label, emotion in enumerate(EMOTIONS) if label not in set(labels[split])]
        if missing:
            raise DataError(f"{source} has no {split} images of {', '.join(missing)}. The copy is incomplete.")
    train, validation, test = (
        Split(torch.from_numpy(np.stack(images[split])), torch.tensor(labels[split], dtype=torch.int64))
        for split in SPLITS
    )
    digest = hashlib.sha256()
    for part in (train, validation, test):
        digest.update(part.images.numpy().tobytes())
        digest.update(part.labels.numpy().tobytes())
    return FER2013(train, validation, test, layout, digest.hexdigest())


# ---- Cache --------------------------------------------------------------------------------------------------------


def _cache_folder(cache_dir: str | Path | None) -> Path:
    if cache_dir is not None:
        return Path(cache_dir)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fer-lens"


def _source_key(source: Path) -> str:
    """Cache key from names, sizes and times: changes when a file is added, removed or written; reads no file."""
    digest = hashlib.sha256(str(source.resolve()).encode())
    for line in sorted(_stat_lines(source)):
        digest.update(line.encode())
    return digest.hexdigest()[:32]


def _stat_lines(source: Path) -> Iterable[str]:
    if source.is_file():
        status = source.stat()
        yield f"{source.name} {status.st_size} {status.st_mtime_ns}\n"
        return
    for folder, _, names in os.walk(source):
        for name in names:
            status = os.stat(os.path.join(folder, name))
            yield f"{folder}/{name} {status.st_size} {status.st_mtime_ns}\n"


def _read_cache(file: Path) -> FER2013 | None:
    if not file.is_file():
        return None
    try:
        with safe_open(file, framework="pt") as store:
            metadata = store.metadata()
            splits = {s: Split(store.get_tensor(f"{s}.images"), store.get_tensor(f"{s}.labels")) for s in SPLITS}
            return FER2013(**splits, layout=metadata["layout"], fingerprint=metadata["fingerprint"])
    except (OSError, KeyError, TypeError, SafetensorError) as error:
        log.warning("The cached data set %s cannot be read (%s) and is created again.", file, error)
        return None


def _write_cache(file: Path, data: FER2013) -> None:
    """Writes to a temporary file and renames it, so that the cache is always complete. A failure is only logged."""
    tensors = {f"{s}.images": getattr(data, s).images for s in SPLITS}
    tensors |= {f"{s}.labels": getattr(data, s).labels for s in SPLITS}
    partial = file.with_suffix(f".{os.getpid()}.partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, partial, metadata={"layout": data.layout, "fingerprint": data.fingerprint})
        partial.replace(file)
    except OSError as error:
        log.warning("The decoded data set cannot be cached at %s (%s): the next start decodes it again.", file, error)


# ---- Checking -----------------------------------------------------------------------------------------------------


def _log_counts(data: FER2013) -> None:
    log.info("FER-2013, layout %r, fingerprint %s", data.layout, data.fingerprint[:16])
    log.info("%-11s%s%9s", "split", "".join(f"{emotion:>9}" for emotion in EMOTIONS), "all")
    for split in SPLITS:
        counts = Counter(getattr(data, split).labels.tolist())
        found = tuple(counts[label] for label in range(len(EMOTIONS)))
        log.info("%-11s%s%9d", split, "".join(f"{count:>9}" for count in found), sum(found))
        if found != PUBLISHED_COUNTS[split]:
            log.warning(
                "The %s split differs from the published FER-2013 (%s; total %d): results will not be comparable.",
                split,
                ", ".join(map(str, PUBLISHED_COUNTS[split])),
                sum(PUBLISHED_COUNTS[split]),
            )
