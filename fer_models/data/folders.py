"""Folders of images: from <split>/<emotion>/<image>, anywhere in a source, to samples.

Layouts:
    "kaggle"     train/ and test/, where test/ holds two splits: PublicTest_<id>.jpg is validation, PrivateTest_<id>.jpg
                 is test
    "splits"     train/, validation/ and test/
    "train-test" train/ and test/ with file names without the split: a stratified tenth of the training images becomes
                 the validation split
"""

import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from fer_models.data.images import FER_SIZE, to_grey48
from fer_models.data.samples import SPLITS, Reading, Sample, read_label, read_split, renaming_notes
from fer_models.data.source import DataError, Member
from fer_models.emotions import EMOTIONS

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
MAX_IMAGE_BYTES = 2**20
# Only formats that Pillow decodes by itself: its EPS reader, for example, would start Ghostscript.
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM")


@dataclass(frozen=True)
class _Folder:
    """A folder in a split folder, or a split folder itself, with the files that lie directly in it."""

    path: str
    root: str
    split_folder: str
    split: str
    members: list[Member]

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def label(self) -> int | None:
        return read_label(self.name)

    @property
    def is_broken_link(self) -> bool:
        return self.members[0].name == self.path


@dataclass(frozen=True)
class ImageFolders:
    """Split folders side by side in the folder `root`, which is relative to the source ("" is the source itself)."""

    root: str
    folders: list[_Folder]

    @property
    def depth(self) -> int:
        """The number of folders around the split folders."""
        return len(self.root.split("/")) if self.root else 0


def find_images(members: Sequence[Member]) -> list[ImageFolders]:
    """Finds, by names only, the training and test folders that lie nearest to the source.

    Returns:
        One place, several at the same depth, or none.
    """
    by_root: dict[str, list[_Folder]] = defaultdict(list)
    for folder in _split_folders(members):
        by_root[folder.root].append(folder)
    found = [
        ImageFolders(root, folders)
        for root, folders in by_root.items()
        if {"train", "test"} <= {f.split for f in folders if f.label is not None or f.is_broken_link}
    ]
    return [images for images in found if images.depth == min(other.depth for other in found)]


def read_images(images: ImageFolders, members: Sequence[Member], source: str) -> Reading:
    """Decodes all images; the samples are sorted by split, emotion and file name.

    Args:
        images: what `find_images` found.
        members: all files of the source; they are read in this order.
        source: path of the source, for messages.

    Raises:
        DataError: a file is not an image of 48x48 pixels, its split or emotion is not certain, or a folder is a broken
            link.
    """
    _refuse_uncertain(images.folders, source)
    folders = [folder for folder in images.folders if folder.label is not None]
    layout, assigned = _assign(folders, source)
    notes = _renaming_notes(folders) + _contradiction_notes(assigned, source)
    decoded = [
        (member.name, Sample(*assigned[member.name], _read_image(member)))
        for member in members
        if member.name in assigned
    ]
    decoded.sort(key=lambda pair: (SPLITS.index(pair[1].split), pair[1].label, pair[0]))
    samples = [sample for _, sample in decoded]
    if layout == "train-test":
        samples = _tenth_to_validation(samples)
        notes.append(
            f"{source} has no validation split, in folders or file names: a random tenth of the training images of "
            "each emotion (seed 0) becomes the validation split."
        )
    return Reading(samples, layout, notes, set(assigned))


def _split_folders(members: Sequence[Member]) -> list[_Folder]:
    """All folders whose path names exactly one split; that of train/images/angry is train, its root is the source."""
    contents: dict[str, list[Member]] = defaultdict(list)
    for member in members:
        folder, _, name = member.name.rpartition("/")
        is_broken_folder = member.problem and (read_split(name) or read_label(name) is not None)
        contents[member.name if is_broken_folder else folder].append(member)
    folders = []
    for path, files in contents.items():
        parts = path.split("/")
        splits = [split for part in parts if (split := read_split(part))]
        if len(set(splits)) == 1:
            at = next(index for index, part in enumerate(parts) if read_split(part))
            folders.append(_Folder(path, "/".join(parts[:at]), parts[at], splits[0], files))
    return folders


def _refuse_uncertain(folders: list[_Folder], source: str) -> None:
    found: dict[tuple[str, int], str] = {}
    for folder in folders:
        if folder.is_broken_link:
            raise folder.members[0].unopenable()
        if folder.label is None:
            has_images = any(is_image(member) for member in folder.members)
            if has_images and folder.name != folder.split_folder:
                raise DataError(
                    f"{source}/{folder.path} holds images but is not named as one of the seven emotions of FER-2013 "
                    f"({', '.join(EMOTIONS)}). Rename it, or move it out of {folder.split_folder}/."
                )
            continue
        other = found.setdefault((folder.split, folder.label), folder.path)
        if other != folder.path:
            raise DataError(
                f"{source}/{other} and {source}/{folder.path} both hold {folder.split} images of "
                f"{EMOTIONS[folder.label]}. Keep one of them."
            )


def _assign(folders: list[_Folder], source: str) -> tuple[str, dict[str, tuple[str, int]]]:
    """The layout, and the split and label of each image by its name in the source."""
    assigned = {
        member.name: (folder.split, label)
        for folder in folders
        if (label := folder.label) is not None
        for member in folder.members
    }
    if any(split == "validation" for split, _ in assigned.values()):
        return "splits", assigned
    in_names = {name: _split_in_name(name) for name, (split, _) in assigned.items() if split == "test"}
    if not {"validation", "test"} <= set(in_names.values()):
        return "train-test", assigned
    unknown = sorted(name for name, split in in_names.items() if split not in ("validation", "test"))
    if unknown:
        more = f", like {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise DataError(
            f"{source}/{unknown[0]}{more}: the name does not begin with PublicTest_ or PrivateTest_ as others in that "
            "folder do, so its split is unknown. Rename or remove it."
        )
    return "kaggle", assigned | {name: (split or "test", assigned[name][1]) for name, split in in_names.items()}


def _split_in_name(name: str) -> str | None:
    """The split in FER-2013's own file names, such as train/angry/Training_3908.jpg."""
    prefix = name.rpartition("/")[2].partition("_")[0].lower()
    return read_split(prefix) if prefix in ("training", "publictest", "privatetest") else None


def _renaming_notes(folders: list[_Folder]) -> list[str]:
    names = [(folder.split_folder, folder.split) for folder in folders]
    names += [(folder.name, EMOTIONS[label]) for folder in folders if (label := folder.label) is not None]
    return renaming_notes(names)


def _contradiction_notes(assigned: dict[str, tuple[str, int]], source: str) -> list[str]:
    other = sorted(name for name, (split, _) in assigned.items() if _split_in_name(name) not in (None, split))
    if not other:
        return []
    return [
        f"File names that say another split than their folder, which counts: {len(other)}, such as {source}/{other[0]}."
    ]


def is_image(member: Member) -> bool:
    """Whether the file is named as an image."""
    return member.name.lower().endswith(IMAGE_SUFFIXES)


def _read_image(member: Member) -> np.ndarray:
    """uint8 (48, 48)."""
    with member.open() as stream:
        content = stream.read(MAX_IMAGE_BYTES + 1)
    if len(content) > MAX_IMAGE_BYTES:
        raise DataError(f"{member.place} has more than {MAX_IMAGE_BYTES // 2**20} MB; FER-2013's images have 2 kB.")
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            size = image.size
            if size == (FER_SIZE, FER_SIZE):
                return np.asarray(image) if image.mode == "L" else to_grey48(image)  # the same, faster
    except Exception as error:  # Pillow's decoders raise whatever their parsing of a broken file runs into
        raise DataError(
            f"{member.place} cannot be read as an image ({error}). Remove it if it is not part of the data set; "
            "otherwise unpack the data set again."
        ) from error
    raise DataError(f"{member.place} is {size[0]}x{size[1]} pixels; FER-2013's images are 48x48.")


def _tenth_to_validation(samples: list[Sample]) -> list[Sample]:
    """Moves a random tenth of each class, with a fixed seed, from the training to the validation split."""
    train_labels = np.array([sample.label for sample in samples if sample.split == "train"])
    generator = np.random.default_rng(0)
    chosen: set[int] = set()
    for label in range(len(EMOTIONS)):
        members = np.flatnonzero(train_labels == label)
        if len(members):
            chosen.update(generator.choice(members, size=max(1, len(members) // 10), replace=False).tolist())
    # The training samples come first, so that their indices are those in train_labels.
    return [s._replace(split="validation") if index in chosen else s for index, s in enumerate(samples)]
