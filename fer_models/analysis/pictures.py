"""The pictures that paths name: files, folders, archives and patterns, in a stable order, read one by one."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from glob import glob
from pathlib import Path

from fer_models.analysis.rows import is_map
from fer_models.data.pictures import PICTURE_SUFFIXES, PictureError
from fer_models.data.source import DataError, Member, open_source

log = logging.getLogger(__name__)

# More than an uncompressed picture of the largest size takes; what claims to be one and has more is not read.
MAX_PICTURE_BYTES = 512 * 2**20


@dataclass(frozen=True)
class Picture:
    """A picture to analyse.

    Attributes:
        file: what rows call it; each picture of a run has its own.
        read: returns the content of its file. What it raises becomes the reason in the picture's row.
    """

    file: str
    read: Callable[[], bytes]


@contextmanager
def open_pictures(paths: Sequence[str]) -> Iterator[list[Picture]]:
    """Lists the pictures that paths name, each once; they can be read until the `with` block ends.

    Args:
        paths: files, folders, zip and tar archives, and patterns such as "photos/**/*.jpg". Of a folder and an archive,
            all files that are named as pictures are taken, also those further down, but no archives inside. Folders are
            sorted by name. Archives keep their order, because a compressed one can only be read from front to back;
            nothing of them is unpacked to the disk. Maps of an earlier run (`is_map`) are left out.

    Raises:
        DataError: there is nothing at a path.
    """
    with ExitStack() as sources:
        pictures: dict[str, Picture] = {}
        for path in [match for pattern in paths for match in _matches(pattern)]:
            for picture in _pictures_at(path, sources):
                pictures.setdefault(picture.file, picture)
        listed = [picture for picture in pictures.values() if not is_map(picture.file)]
        if len(listed) < len(pictures):
            log.info("Maps of an earlier run, which are left out: %d.", len(pictures) - len(listed))
        yield listed


def _matches(pattern: str) -> list[Path]:
    if os.path.lexists(pattern):  # also a name with the characters of patterns in it
        return [Path(pattern)]
    matches = sorted(glob(pattern, recursive=True))
    if not matches:
        raise DataError(f"There is nothing at {printable(pattern)}. Give pictures, folders, archives or a pattern.")
    return [Path(match) for match in matches]


def _pictures_at(path: Path, sources: ExitStack) -> list[Picture]:
    if path.suffix.lower() in PICTURE_SUFFIXES and not path.is_dir():
        return [_picture(Member(path.name, str(path), lambda: path.open("rb")))]
    try:
        members = sources.enter_context(open_source(path))
    except DataError as error:
        return [Picture(printable(str(path)), partial(_refuse, error))]
    if len(members) == 1 and members[0].place == str(path):  # a single file, whatever its name
        return [_picture(members[0])]
    pictures = [member for member in members if member.name.lower().endswith(PICTURE_SUFFIXES)]
    if len(pictures) < len(members):
        log.info("%s: files that are not named as pictures: %d.", printable(str(path)), len(members) - len(pictures))
    if path.is_dir():
        pictures.sort(key=lambda member: member.name)
    return [_picture(member) for member in pictures]


def _picture(member: Member) -> Picture:
    return Picture(printable(member.place), partial(_read, member))


def _read(member: Member) -> bytes:
    with member.open() as stream:
        content = stream.read(MAX_PICTURE_BYTES + 1)
    if len(content) > MAX_PICTURE_BYTES:
        raise PictureError(f"The file has more than {MAX_PICTURE_BYTES // 2**20} MB; please make the picture smaller.")
    return content


def _refuse(error: DataError) -> bytes:
    raise error


def printable(name: str) -> str:
    """The name on one line that any terminal and any UTF-8 file can hold: other characters become escapes."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in name)
