"""Rows in a file that survives being killed: CSV, JSON Lines or Parquet.

Each row is one line, written as soon as it is known. A killed run leaves at most half a line, and a picture without all
of its faces: both are cut off when the file is opened again. Parquet cannot grow like that, so its rows wait in JSON
Lines beside it, in FILE.parquet.jsonl, until the run is finished.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import IO, Any, Self

from fer_models.analysis.rows import Row

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

SUFFIXES = (".csv", ".jsonl", ".parquet")

# Rows in memory, and in a group of a Parquet file, at a time.
GROUP = 10_000


class RowFileError(ValueError):
    """A file of rows cannot be used; the message names it and a remedy."""


class RowFile:
    """A file to which rows are appended.

    Attributes:
        path: as given.
        done: the `file` of each picture whose rows were all there at the start.
    """

    def __init__(self, path: Path, columns: Mapping[str, type], settings: str, count: str = "faces") -> None:
        """Opens or creates the file, and cuts off what a killed run left incomplete.

        Args:
            path: ends in one of SUFFIXES.
            columns, settings: see the functions of these names.
            count: the column that says how many rows the file of a row has; 0 means one as well.

        Raises:
            RowFileError: the name ends otherwise, pyarrow is missing for Parquet, another run writes the file, or it
                holds something else than rows with these columns and settings. Nothing is changed then.
            OSError: it cannot be read or written.
        """
        kind = path.suffix.lower()
        if kind not in SUFFIXES:
            raise RowFileError(f"{path} does not end in {', '.join(SUFFIXES)}: one of them says how to write the rows.")
        if kind == ".parquet" and find_spec("pyarrow") is None:
            raise RowFileError(f"{path} needs the package pyarrow: pip install pyarrow. Or choose .csv or .jsonl.")
        self.path, self._columns, self._settings, self._count = path, columns, settings, count
        self._lines = path.with_name(f"{path.name}.jsonl") if kind == ".parquet" else path
        self._is_csv = kind == ".csv"
        self._header = _to_csv(columns) if self._is_csv else b""
        if self._lines != path and path.exists() and not self._lines.exists():
            self._from_parquet()
        self.done: set[str] = set()
        self._handle = self._open_alone(self._lines)
        try:
            end = self._read()
        except RowFileError:
            self._handle.close()
            raise
        self._handle.truncate(end)
        if end == 0:
            self._handle.write(self._header)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self._handle.close()

    def write(self, row: Row) -> None:
        """Appends a row. It is in the file when this returns, also if the process is killed then."""
        self._handle.write(_to_csv(row.values()) if self._is_csv else _to_json(row))
        self._handle.flush()

    def finish(self) -> None:
        """Closes the file; of Parquet, this is when it is made."""
        if self._lines != self.path:
            _to_parquet(self._lines, self.path, self._columns)
        self._handle.close()  # and only now may another run write the file
        if self._lines != self.path:
            self._lines.unlink()

    def _open_alone(self, path: Path) -> IO[bytes]:
        """Opens a file for appending, which no other run can do until it is closed."""
        handle = path.open("ab")
        if fcntl is not None:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                handle.close()
                raise RowFileError(
                    f"{self.path} is being written by another run. Wait until it has ended, or give another file."
                ) from error
            except OSError:  # some network drives have no locks
                pass
        return handle

    def _from_parquet(self) -> None:
        """The inverse of `_to_parquet`, for a file with these columns and settings."""
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile

        partial = self._lines.with_name(f"{self._lines.name}.partial")
        try:
            with ParquetFile(self.path) as file:
                if file.schema_arrow != _schema(self._columns):
                    raise self._foreign(self.path, "other columns")
                for batch in file.iter_batches(GROUP, columns=["settings"]):
                    for settings in batch["settings"].unique().to_pylist():
                        self._check_settings(self.path, settings)
                with self._open_alone(partial) as handle:
                    handle.truncate(0)
                    for batch in file.iter_batches(GROUP):
                        handle.writelines(map(_to_json, batch.to_pylist()))
        except (ArrowException, OSError, UnicodeError) as error:  # pyarrow has all three for damage
            partial.unlink(missing_ok=True)
            if isinstance(error, OSError) and error.errno:  # of the disk
                raise
            raise RowFileError(f"{self.path} cannot be read as Parquet ({error}). Give another file.") from error
        partial.replace(self._lines)

    def _read(self) -> int:
        """Notes which pictures are done, and returns where the last of them ends, in bytes."""
        position, end, seen = 0, 0, 0
        with self._lines.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                position += len(line)
                if number == 1 and self._header:
                    if line != self._header[: len(line)]:
                        raise self._foreign(self._lines, "other columns")
                    end = position if line == self._header else 0
                    continue
                if not line.endswith(b"\n"):  # half a line; the first one may still be somebody else's
                    if number == 1 and not line.startswith(b'{"file": '[: len(line)]):
                        raise self._foreign(self._lines, "something else")
                    break
                row = self._from_csv(line) if self._is_csv else self._from_json(line)
                if row is None or not str(row[self._count]).isdigit():
                    raise self._foreign(self._lines, f"something else than a row of these columns in line {number}")
                self._check_settings(self._lines, row["settings"])
                seen += 1
                if seen == max(1, int(row[self._count])):
                    self.done.add(row["file"])
                    end, seen = position, 0
        return end

    def _check_settings(self, path: Path, settings: object) -> None:
        if settings != self._settings:
            raise self._foreign(path, f"rows with other settings ({settings}; now: {self._settings})")

    def _foreign(self, path: Path, what: str) -> RowFileError:
        return RowFileError(
            f"{path} holds {what}, so this run cannot continue it. Give the options and models with which it was "
            "written, or another file."
        )

    def _from_csv(self, line: bytes) -> dict[str, Any] | None:
        try:
            cells = next(csv.reader([line.decode()], strict=True))
            return dict(zip(self._columns, cells, strict=True))
        except (ValueError, csv.Error):
            return None

    def _from_json(self, line: bytes) -> dict[str, Any] | None:
        try:
            row = json.loads(line)
        except ValueError:
            return None
        return row if isinstance(row, dict) and list(row) == list(self._columns) else None


def _to_csv(cells: Iterable[object]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue().encode()


def _to_json(row: Mapping[str, object]) -> bytes:
    return (json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _schema(columns: Mapping[str, type]) -> Any:
    import pyarrow

    kinds = {str: pyarrow.string(), int: pyarrow.int32(), float: pyarrow.float64()}
    return pyarrow.schema([(name, kinds[kind]) for name, kind in columns.items()])


def _to_parquet(lines: Path, path: Path, columns: Mapping[str, type]) -> None:
    """Converts the whole file, and only then puts it in its place."""
    import pyarrow
    from pyarrow.parquet import ParquetWriter

    schema = _schema(columns)
    partial = path.with_name(f"{path.name}.partial")
    with lines.open("rb") as handle, ParquetWriter(partial, schema) as writer:
        while rows := [json.loads(line) for line in islice(handle, GROUP)]:
            writer.write_table(pyarrow.Table.from_pylist(rows, schema))
    partial.replace(path)
