"""FER-2013: the data set in memory, read from the forms that people have it in, with counts and a fingerprint.

A data path is a folder, an archive or a file. It holds, directly or in other folders, one of:
    a table      fer2013.csv or icml_face_data.csv with the columns emotion, pixels, Usage: layout "csv", see `table`
    images       train/<emotion>/..., test/<emotion>/...: three layouts, see `folders`
"""

import hashlib
import json
import logging
import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from fer_models.data.folders import find_images, is_image, read_images
from fer_models.data.samples import SPLITS, Reading
from fer_models.data.source import DataError, Member, open_source, readable, source_key
from fer_models.data.table import TABLE_NAMES, find_table, only_table, read_table
from fer_models.emotions import EMOTIONS

log = logging.getLogger(__name__)

# To be raised when the same files are read differently than before, so that older caches are not used.
READER_VERSION = 2

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar")

# Images per class, in the order of EMOTIONS (Goodfellow et al. 2013, arXiv:1307.0414).
PUBLISHED_COUNTS = {
    "train": (3995, 436, 4097, 7215, 4830, 3171, 4965),
    "validation": (467, 56, 496, 895, 653, 415, 607),
    "test": (491, 55, 528, 879, 594, 416, 626),
}


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
    """The three splits.

    `fingerprint` is a SHA-256 over the pixels and labels of each split, in order. `notes` are sentences on what was
    read differently than it is named, and which images were not read.
    """

    train: Split
    validation: Split
    test: Split
    layout: str
    fingerprint: str
    notes: tuple[str, ...] = ()

    @property
    def leak_free(self) -> Tensor:
        """bool (N_test,): True for test images without a pixel-identical copy in the training or validation split."""
        seen = {image.tobytes() for split in (self.train, self.validation) for image in split.images.numpy()}
        return torch.tensor([image.tobytes() not in seen for image in self.test.images.numpy()], dtype=torch.bool)


def load_fer2013(path: str | Path, cache_dir: str | Path | None = None) -> FER2013:
    """Reads FER-2013 from any of the known forms, logs its counts and compares them with the published ones.

    Args:
        path: a folder, a CSV file, or a zip or tar archive, compressed or not.
        cache_dir: folder for the decoded images, with which the next start takes less than a second; by default
            `~/.cache/fer-lens` (or $XDG_CACHE_HOME/fer-lens).

    Raises:
        DataError: `path` has no known form, an image or row is unreadable, its split or emotion is not certain, or a
            class has no images.
    """
    path = Path(path)
    with readable(path):
        if not path.exists():
            raise DataError(
                f"There is nothing at {path}. Give FER-2013, as a folder, CSV file or archive, with --data."
            )
    cache = _cache_folder(cache_dir) / f"{source_key(path)}-{READER_VERSION}.safetensors"
    data = _read_cache(cache)
    if data is None:
        data = _read(path)
        _write_cache(cache, data)
    for note in data.notes:
        log.warning("%s", note)
    _log_counts(data)
    return data


# ---- Reading ------------------------------------------------------------------------------------------------------


def _read(path: Path) -> FER2013:
    with open_source(path) as members:
        reading = _read_members(path, members)
    return _assemble(reading, path)


def _read_members(path: Path, members: list[Member]) -> Reading:
    """Reads the table or the folders of images, whichever is nearer to `path`."""
    if len(members) == 1 and members[0].place == str(path):  # a single file
        return read_table(members[0])
    table, found = find_table(members), find_images(members)
    if table and (not found or table.name.count("/") <= found[0].depth):
        reading, depth = read_table(table), table.name.count("/")
    elif len(found) == 1:
        reading, depth = read_images(found[0], members, str(path)), found[0].depth
    elif found:
        places = " and ".join(str(path / images.root) for images in found)
        raise DataError(f"{places} hold folders for training and testing. Give one of them with --data.")
    elif table := only_table(members):
        reading, depth = read_table(table), table.name.count("/")
    else:
        raise _unknown_form(path, members)
    return replace(reading, notes=reading.notes + _unread_notes(path, members, reading.files, depth))


def _unknown_form(path: Path, members: list[Member]) -> DataError:
    message = (
        f"{path} is not FER-2013 in a known form: it has neither {' nor '.join(TABLE_NAMES)}, nor the folders train/ "
        "and test/ with one folder of images per emotion."
    )
    archives = [member.place for member in members if member.name.lower().endswith(ARCHIVE_SUFFIXES)]
    broken = [f"{member.place} {member.problem}." for member in members if member.problem]
    if archives:
        message += f" It holds {archives[0]}: if that is the data set, give it with --data, unpacked if necessary."
    return DataError(" ".join([message, *broken[:1]]))


def _unread_notes(path: Path, members: list[Member], read: set[str], depth: int) -> list[str]:
    """One sentence on the images beside those that are read, by the folders `depth` levels below `path`."""
    left = Counter(
        str(path.joinpath(*member.name.split("/")[:-1][: depth + 1]))
        for member in members
        if is_image(member) and member.name not in read
    )
    folders = [f"{count} in {folder}" for folder, count in left.most_common(5)]
    more = f" and {len(left) - 5} more folders" if len(left) > 5 else ""
    return [f"Images that are not read: {', '.join(folders)}{more}."] if left else []


def _assemble(reading: Reading, source: Path) -> FER2013:
    splits = []
    for split in SPLITS:
        samples = [sample for sample in reading.samples if sample.split == split]
        if not samples:
            raise DataError(f"{source} has no {split} images. The copy is incomplete.")
        labels = torch.tensor([sample.label for sample in samples], dtype=torch.int64)
        missing = [emotion for label, emotion in enumerate(EMOTIONS) if not (labels == label).any()]
        if missing:
            raise DataError(f"{source} has no {split} images of {', '.join(missing)}. The copy is incomplete.")
        splits.append(Split(torch.from_numpy(np.stack([sample.pixels for sample in samples])), labels))
    digest = hashlib.sha256()
    for part in splits:
        digest.update(part.images.numpy().tobytes())
        digest.update(part.labels.numpy().tobytes())
    train, validation, test = splits
    return FER2013(train, validation, test, reading.layout, digest.hexdigest(), tuple(reading.notes))


# ---- Cache --------------------------------------------------------------------------------------------------------


def _cache_folder(cache_dir: str | Path | None) -> Path:
    if cache_dir is not None:
        return Path(cache_dir)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fer-lens"


def _read_cache(file: Path) -> FER2013 | None:
    if not file.is_file():
        return None
    try:
        with safe_open(file, framework="pt") as store:
            metadata = store.metadata()
            splits = {s: Split(store.get_tensor(f"{s}.images"), store.get_tensor(f"{s}.labels")) for s in SPLITS}
            notes = tuple(json.loads(metadata["notes"]))
            return FER2013(**splits, layout=metadata["layout"], fingerprint=metadata["fingerprint"], notes=notes)
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
        log.warning("The cached data set %s cannot be read (%s) and is created again.", file, error)
        return None


def _write_cache(file: Path, data: FER2013) -> None:
    """Writes to a temporary file and renames it, so that the cache is always complete. A failure is only logged."""
    tensors = {f"{s}.images": getattr(data, s).images for s in SPLITS}
    tensors |= {f"{s}.labels": getattr(data, s).labels for s in SPLITS}
    partial = file.with_suffix(f".{os.getpid()}.partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        metadata = {"layout": data.layout, "fingerprint": data.fingerprint, "notes": json.dumps(data.notes)}
        partial.write_bytes(save(tensors, metadata=metadata))  # `save_file` lets only the owner read the file
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
