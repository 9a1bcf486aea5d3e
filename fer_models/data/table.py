"""Table: fer2013.csv or icml_face_data.csv, one face per line, as text in UTF-8 or UTF-16, also compressed."""

import bz2
import codecs
import csv
import gzip
import io
import lzma
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

import numpy as np

from fer_models.data.images import FER_SIZE
from fer_models.data.samples import Reading, Sample, read_label, read_split, renaming_notes
from fer_models.data.source import DataError, Member
from fer_models.emotions import EMOTIONS

TABLE_NAMES = ("fer2013.csv", "icml_face_data.csv")
COLUMNS = ("emotion", "pixels", "usage")
MAX_LINES = 1_000_000
MAX_LINE_LENGTH = 100_000  # characters; a face has about 8,000

# Compressions by the first bytes of a file.
_DECOMPRESSORS: dict[bytes, Callable[[Any], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
_COMPRESSED = (".gz", ".bz2", ".xz")


def find_table(members: Sequence[Member]) -> Member | None:
    """The table with one of FER-2013's own names that lies nearest to the source, also compressed, or None."""
    named = [member for member in members if _table_name(member) in TABLE_NAMES]
    return min(named, key=lambda member: (member.name.count("/"), TABLE_NAMES.index(_table_name(member))), default=None)


def only_table(members: Sequence[Member]) -> Member | None:
    """The table if the source has just one, of any name, or None."""
    tables = [member for member in members if _table_name(member).endswith(".csv")]
    return tables[0] if len(tables) == 1 else None


def _table_name(member: Member) -> str:
    name = member.name.rpartition("/")[2].lower()
    return next((name.removesuffix(suffix) for suffix in _COMPRESSED if name.endswith(suffix)), name)


def read_table(table: Member) -> Reading:
    """Reads all faces in the order of the lines.

    The columns emotion, pixels and Usage are found by their names, in any case and order, between commas, semicolons or
    tabs.

    Raises:
        DataError: there are no such columns, or a line is not a face; with the number of the line.
    """
    samples, names = [], []
    with table.open() as stream:
        lines = _lines(table, stream)
        header = next(lines, "")
        delimiter = max(",;\t", key=header.count)
        try:
            found = [name.strip().lower() for name in _fields(header, delimiter)]
            emotion, pixels, usage = (found.index(column) for column in COLUMNS)
        except (ValueError, csv.Error) as error:
            begin = header.strip()[:60]
            content = f"begins with {begin!r}" if begin.isprintable() else "is not text: an incomplete archive, perhaps"
            raise DataError(
                f"{table.place} is neither a table with the columns emotion, pixels and Usage in line 1, nor a zip or "
                f"tar archive. It {content}. Give FER-2013 itself with --data."
            ) from error
        for number, line in enumerate(lines, start=2):
            if not line.strip():
                continue
            try:
                fields = _fields(line, delimiter)
                sample = _sample(fields[emotion].strip(), fields[pixels], fields[usage].strip())
            except (csv.Error, IndexError, OverflowError, ValueError) as error:
                reason = "a byte in it is not text, which should be UTF-8" if "\ufffd" in line else error
                raise DataError(
                    f"{table.place}, line {number}, is not a FER-2013 row ({reason}). Download it again."
                ) from error
            samples.append(sample)
            names.append((fields[emotion].strip(), EMOTIONS[sample.label]))
    notes = renaming_notes(pair for pair in set(names) if not pair[0].isdigit())
    return Reading(samples, "csv", notes, {table.name})


def _sample(emotion: str, pixels: str, usage: str) -> Sample:
    label, split = read_label(emotion), read_split(usage)
    if label is None:
        raise ValueError(f"emotion {emotion} is not one of 0 to 6")
    if split is None:
        raise ValueError(f"Usage {usage} is not Training, PublicTest or PrivateTest")
    values = np.array(pixels.split(), dtype=np.uint8)
    if values.size != FER_SIZE**2:
        raise ValueError(f"it has {values.size} pixels instead of {FER_SIZE**2}")
    return Sample(split, label, values.reshape(FER_SIZE, FER_SIZE))


def _fields(line: str, delimiter: str) -> list[str]:
    """Takes one line apart. A quote that is not closed would otherwise go on over the next lines, so it is an error."""
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True, strict=True), [])
    except csv.Error as error:
        raise csv.Error(f"a quote is not closed or out of place: {error}") from error


def _lines(table: Member, stream: IO[bytes]) -> Iterator[str]:
    """The lines of the decompressed text. Bytes that are not text become U+FFFD: they matter in a value only."""
    buffered: Any = io.BufferedReader(stream)
    for start, decompress in _DECOMPRESSORS.items():
        if buffered.peek(len(start)).startswith(start):
            buffered = io.BufferedReader(decompress(buffered))
            break
    is_utf16 = buffered.peek(2).startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # as PowerShell's > writes
    text = io.TextIOWrapper(buffered, encoding="utf-16" if is_utf16 else "utf-8-sig", errors="replace")
    number = 0
    while line := text.readline(MAX_LINE_LENGTH):
        number += 1
        if len(line) == MAX_LINE_LENGTH:
            raise DataError(
                f"{table.place}, line {number}, has more than {MAX_LINE_LENGTH:,} characters; a FER-2013 row has up to "
                "10,000. Download it again."
            )
        if number > MAX_LINES:
            raise DataError(f"{table.place} has more than {MAX_LINES:,} lines; FER-2013 has 35,888. Download it again.")
        yield line
