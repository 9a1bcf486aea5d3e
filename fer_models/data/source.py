"""Source: the files of a folder or archive, listed and opened in one way. Nothing is unpacked to the disk."""

import hashlib
import lzma
import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fnmatch import translate
from functools import partial
from pathlib import Path
from typing import IO

MAX_FILES = 1_000_000
MAX_ARCHIVE_BYTES = 20 * 2**30  # unpacked

# Files and folders that operating systems, file managers and servers add by themselves, hidden ones among them.
_CLUTTER_NAMES = (
    ".*",
    "__MACOSX",
    "Icon\r",
    "Thumbs.db*",
    "ehthumbs*.db",
    "desktop.ini",
    "*:Zone.Identifier",
    "$RECYCLE.BIN",
    "System Volume Information",
    "lost+found",
    "@eaDir",
)
_CLUTTER = re.compile("|".join(map(translate, _CLUTTER_NAMES)), re.IGNORECASE)


class DataError(ValueError):
    """A path does not hold readable data of the kind that is needed; the message names the place and a remedy."""


@dataclass(frozen=True)
class Member:
    """One file of a source.

    Attributes:
        name: its path inside the source, with "/" between the parts.
        place: its path for messages, with the source in front.
        opener: opens it for reading.
        problem: why it cannot be opened, or empty.
        stamp: size and times of a file in a folder; it changes when the file is written or a link leads elsewhere.
    """

    name: str
    place: str
    opener: Callable[[], IO[bytes]]
    problem: str = ""
    stamp: str = ""

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Opens the file. Raises DataError if it cannot be opened, or read inside the `with` block."""
        if self.problem:
            raise self.unopenable()
        with readable(self.place), self.opener() as stream:
            yield stream

    def unopenable(self) -> DataError:
        """The error to raise where a member with a problem is needed."""
        return DataError(f"{self.place} {self.problem}. Repair, replace or remove it.")


@contextmanager
def readable(place: str | Path, problem: str = "cannot be read") -> Iterator[None]:
    """Turns what the standard library raises about a damaged or locked file into a DataError."""
    try:
        yield
    except (
        OSError,
        EOFError,
        KeyError,  # a hard link in a tar archive to a file that is not there
        NotImplementedError,  # a compression that zipfile does not know
        UnicodeDecodeError,  # a damaged name in a zip archive
        lzma.LZMAError,
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise DataError(f"{place} {problem} ({error}). Download or unpack it again.") from error


@contextmanager
def open_source(path: Path) -> Iterator[list[Member]]:
    """Lists the files of a folder, of a zip or tar archive, or the single file itself, without clutter.

    Symbolic links in a folder are followed, except into a folder that contains the link. Archives are recognised by
    their content; their members are read in place, so that no name in them becomes a path on the disk. Reading in the
    order of the list is fast in each kind of source.

    Raises:
        DataError: the path cannot be read, is a damaged archive, or holds more than `MAX_FILES` or `MAX_ARCHIVE_BYTES`.
    """
    with readable(path):
        is_zip = path.is_file() and zipfile.is_zipfile(path)
        # The list of a zip archive is at its end: one that was cut off only begins as an archive.
        is_zip = is_zip or (path.is_file() and _begins_as_zip(path))
        is_tar = path.is_file() and not is_zip and tarfile.is_tarfile(path)
    with ExitStack() as opened:
        if is_zip:
            with readable(path, "cannot be read because the archive is damaged"):
                zip_archive = opened.enter_context(zipfile.ZipFile(path))
                members = _last_of_each_name(_at_most(path, _zip_members(path, zip_archive)))
        elif is_tar:
            with readable(path, "cannot be read because the archive is damaged"):
                tar_archive = opened.enter_context(tarfile.open(path))
                members = _last_of_each_name(_at_most(path, _tar_members(path, tar_archive)))
        else:
            members = list(_at_most(path, _disk_members(path)))
        yield members


def _begins_as_zip(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(4) == b"PK\x03\x04"


def source_key(path: Path) -> str:
    """Identifies the content by paths, sizes and times: changes when a file is added, removed, written or linked anew.

    No file is read. In a folder, links are followed as `open_source` does.
    """
    digest = hashlib.sha256(str(path.resolve()).encode(errors="surrogateescape"))
    for line in sorted(f"{member.name} {member.stamp}\n" for member in _at_most(path, _disk_members(path))):
        digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]


def _at_most(path: Path, members: Iterable[Member]) -> Iterator[Member]:
    for number, member in enumerate(members, start=1):
        if number > MAX_FILES:
            raise DataError(f"{path} holds more than {MAX_FILES:,} files. Give a folder with fewer.")
        yield member


# ---- Folders ------------------------------------------------------------------------------------------------------


def _disk_members(path: Path) -> Iterator[Member]:
    if path.is_dir():
        yield from _folder_members(str(path), "", ())
    else:
        with readable(path):
            yield Member(path.name, str(path), partial(_open_on_disk, str(path)), stamp=_stamp(path.stat()))


def _folder_members(folder: str, prefix: str, inside: tuple[tuple[int, int], ...]) -> Iterator[Member]:
    """Members of a folder and those below it; `inside` identifies the folders around it, to notice a cycle of links."""
    with readable(folder):
        status = os.stat(folder)
        entries = list(os.scandir(folder))
    identity = (status.st_dev, status.st_ino)
    if identity in inside:
        return
    for entry in entries:
        if _CLUTTER.match(entry.name):
            continue
        name, place, stamp = prefix + entry.name, entry.path, ""
        try:
            status = entry.stat()
            if stat.S_ISDIR(status.st_mode) and os.access(place, os.R_OK | os.X_OK):
                yield from _folder_members(place, f"{name}/", (*inside, identity))
                continue
            problem = "" if stat.S_ISREG(status.st_mode) else "is not a regular file, or a folder that may not be read"
            stamp = _stamp(status)
        except OSError as error:
            what = "is a link to a place that cannot be read" if entry.is_symlink() else "cannot be read"
            problem = f"{what} ({error.strerror})"
        yield Member(name, place, partial(_open_on_disk, place), problem, stamp)


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def _open_on_disk(place: str) -> IO[bytes]:
    return open(place, "rb")


# ---- Archives -----------------------------------------------------------------------------------------------------


def _zip_members(path: Path, archive: zipfile.ZipFile) -> Iterator[Member]:
    _check_size(path, sum(info.file_size for info in archive.infolist()))
    for info in archive.infolist():
        filename = info.filename.replace("\\", "/")  # as some programs for Windows write it
        name = _inner_name(filename)
        if name and not filename.endswith("/"):
            problem = "is encrypted" if info.flag_bits & 1 else ""
            yield Member(name, f"{path}/{name}", partial(archive.open, info), problem)


def _tar_members(path: Path, archive: tarfile.TarFile) -> Iterator[Member]:
    total = 0
    for info in archive:
        total += info.size
        _check_size(path, total)
        name = _inner_name(info.name)
        if name and not info.isdir():
            is_file = info.isreg() or info.islnk()
            problem = "" if is_file else "is a symbolic link or a device, which is not followed inside an archive"
            yield Member(name, f"{path}/{name}", partial(_open_in_tar, archive, info), problem)


def _open_in_tar(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    stream = archive.extractfile(info)
    assert stream is not None  # it is a file
    return stream


def _inner_name(name: str) -> str:
    """The name without empty and "." parts, or empty if a part of it is clutter (".." is, as a hidden name)."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return "" if any(_CLUTTER.match(part) for part in parts) else "/".join(parts)


def _last_of_each_name(members: Iterable[Member]) -> list[Member]:
    """What unpacking would leave of files that were added to an archive twice."""
    return list({member.name: member for member in members}.values())


def _check_size(path: Path, size: int) -> None:
    if size > MAX_ARCHIVE_BYTES:
        raise DataError(
            f"{path} unpacks to more than {MAX_ARCHIVE_BYTES / 2**30:.0f} GB, the most that is read from one archive. "
            "If that is meant, unpack it and give the folder."
        )
