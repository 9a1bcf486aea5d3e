"""Rows of many pictures: batches across pictures, bounded reading, files cut anywhere, and names of maps."""

import copy
import io
import itertools
import re
import tarfile
import zipfile
from collections.abc import Iterator
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_models import EMOTIONS, predict
from fer_models.analysis import Picture, Row, analyse, columns, open_pictures, settings
from fer_models.analysis.pipeline import CPU_BATCH
from fer_models.analysis.row_file import RowFile, RowFileError
from fer_models.analysis.rows import is_map, map_name
from tests.helpers import pattern, tiny_models


def png(pixels: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


@pytest.fixture
def models():
    found = list(tiny_models().values())
    for model in found:
        model.temperature, model.mirrored_temperature = 0.01, 0.02
    return found


def probabilities(rows: list[Row], who: str) -> np.ndarray:
    return np.array([[row[f"{who}_{emotion}"] for emotion in EMOTIONS] for row in rows])


def test_answers_are_those_of_predict(models) -> None:
    faces = [pattern(label % 7, label) for label in range(2 * CPU_BATCH + 3)]
    pictures = [Picture(f"{n}.png", lambda face=face: png(face)) for n, face in enumerate(faces)]
    rows = list(analyse(pictures, models, whole=True))
    assert [row["file"] for row in rows] == [picture.file for picture in pictures]
    assert all(list(row) == list(columns(models)) for row in rows)
    for view, mirrored in (("", False), ("_mirrored", True)):
        expected = [predict(model, faces, mirrored) for model in models]
        expected.append(np.mean(expected, axis=0))
        for who, values in zip((*(model.name for model in models), "mean"), expected, strict=True):
            np.testing.assert_allclose(probabilities(rows, f"{who}{view}"), values, atol=2e-6)
            answers = [EMOTIONS[index] for index in values.argmax(axis=1)]
            assert [row[f"{who}{view}_answer"] for row in rows] == answers


def test_maps_do_not_change_the_answers(models, tmp_path: Path) -> None:
    pictures = [Picture(f"{n}.png", lambda n=n: png(pattern(n, n))) for n in range(3)]
    with_maps, without = (
        list(analyse(pictures, models, whole=True, maps=tmp_path)),
        list(analyse(pictures, models, whole=True)),
    )
    for name in columns(models):
        if name not in ("map", "settings"):
            values = [[row[name] for row in rows] for rows in (with_maps, without)]
            assert values[0] == (pytest.approx(values[1], abs=2e-6) if columns(models)[name] is float else values[1])
    assert len(list(tmp_path.iterdir())) == 3 * len(models)


def test_two_checkpoints_of_one_architecture_have_columns_and_maps_of_their_own(models, tmp_path: Path) -> None:
    first, second = models[0], copy.deepcopy(models[0])
    second.checkpoint = f"paper/{first.name}"
    (row,) = analyse([Picture("a.png", lambda: png(pattern(0, 0)))], [first, second], whole=True, maps=tmp_path)
    assert row[f"{first.name}_answer"] == row[f"paper_{first.name}_answer"]
    assert {file.name for file in tmp_path.iterdir()} == {
        f"{row['map']}-{name}.png" for name in (first.name, f"paper_{first.name}")
    }


def test_only_a_few_pictures_are_read_ahead(models) -> None:
    reads = itertools.count()

    def read() -> bytes:
        next(reads)
        return png(pattern(0, 0))

    rows = analyse((Picture(f"{n}", read) for n in itertools.count()), models, whole=True)
    next(rows)
    rows.close()
    assert next(reads) <= 3 * CPU_BATCH


def test_what_reading_raises_becomes_a_reason(models) -> None:
    def fail() -> bytes:
        raise RuntimeError("the line is dead")

    (row,) = analyse([Picture("a", fail)], models)
    assert row["status"] == "unreadable" and row["faces"] == 0 and row["mean_answer"] is None
    assert row["reason"] == "The picture cannot be read (RuntimeError: the line is dead)."


def test_models_must_differ(models) -> None:
    with pytest.raises(ValueError, match="different names"):
        analyse([], [models[0], models[0]])
    with pytest.raises(ValueError, match="no method 'magic'"):
        analyse([], models, method="magic")


def crowd(models) -> Iterator[Row]:
    """Rows as of a picture with three faces, a broken one, and another with two."""
    base = dict.fromkeys(columns(models)) | {"settings": settings(models)}
    for face in (1, 2, 3):
        yield base | {"file": 'crowd, "ä".jpg', "faces": 3, "face": face, "status": "face"}
    yield base | {"file": "broken.jpg", "faces": 0, "status": "unreadable", "reason": "It is damaged, sadly."}
    for face in (1, 2):
        yield base | {"file": "pair.jpg", "faces": 2, "face": face, "status": "face"}


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_file_cut_anywhere_goes_on_as_if_it_were_whole(models, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rows.{suffix}"
    rows = list(crowd(models))
    with RowFile(path, columns(models), settings(models)) as file:
        assert not file.done
        for row in rows:
            file.write(row)
    whole = path.read_bytes()
    ends = {match.end() + offset for match in re.finditer(b"\n", whole) for offset in (-2, -1, 0)}
    for cut in sorted({*range(0, len(whole), 199), *ends, 1}):
        path.write_bytes(whole[:cut])
        with RowFile(path, columns(models), settings(models)) as file:
            for row in rows:
                if row["file"] not in file.done:
                    file.write(row)
        assert path.read_bytes() == whole, cut


@pytest.mark.parametrize("content", [b"hello", b"name,age\nAda,36\n", b"\xff\xfe\x00", b'{"name": "Ada"}\n', b"{}\n"])
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_another_program_s_file_is_left_alone(models, tmp_path: Path, suffix: str, content: bytes) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / f"rows.{suffix}"
    path.write_bytes(content)
    with pytest.raises(RowFileError, match=re.escape(str(path))):
        RowFile(path, columns(models), settings(models))
    assert path.read_bytes() == content and list(tmp_path.iterdir()) == [path]


def test_a_parquet_file_of_other_columns_or_a_damaged_one_is_left_alone(models, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "rows.parquet"
    parquet.write_table(pyarrow.table({"when": [datetime(2024, 1, 1)]}), path)
    foreign = path.read_bytes()
    path.unlink()
    with RowFile(path, columns(models), settings(models)) as file:
        for row in crowd(models):
            file.write(row)
        file.finish()
    damaged = bytearray(path.read_bytes())
    damaged[4:400] = bytes(396)  # the first page; the description at the end is whole
    for content, reason in ((foreign, "holds other columns"), (bytes(damaged), "cannot be read as Parquet")):
        path.write_bytes(content)
        with pytest.raises(RowFileError, match=reason):
            RowFile(path, columns(models), settings(models))
        assert path.read_bytes() == content and list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(find_spec("fcntl") is None, reason="needs locks")
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_one_run_at_a_time_writes_a_file(models, tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / f"rows.{suffix}"
    with RowFile(path, columns(models), settings(models)) as file:
        with pytest.raises(RowFileError, match=f"{path} is being written by another run"):
            RowFile(path, columns(models), settings(models))
        for row in crowd(models):
            file.write(row)
        file.finish()
    with RowFile(path, columns(models), settings(models)) as file:
        assert file.done == {row["file"] for row in crowd(models)}
        with pytest.raises(RowFileError, match="another run"):
            RowFile(path, columns(models), settings(models))


def test_a_cut_archive_and_a_dangling_link_have_reasons_of_their_own(models, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    (tmp_path / "a.png").write_bytes(png(noise))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/link.png").symlink_to("nowhere")
    with zipfile.ZipFile(tmp_path / "cut.zip", "w") as zipped, tarfile.open(tmp_path / "cut.tar.gz", "w:gz") as tar:
        zipped.write(tmp_path / "a.png", "a.png")
        tar.add(tmp_path / "a.png", "a.png")
    archives = [tmp_path / "cut.zip", tmp_path / "cut.tar.gz"]
    for archive in archives:
        archive.write_bytes(archive.read_bytes()[:-200])
    with open_pictures([*map(str, archives), str(tmp_path / "photos"), str(tmp_path / "a.png")]) as pictures:
        *cut, link, whole = analyse(pictures, models, whole=True)
    for archive, row in zip(archives, cut, strict=True):
        assert row["file"] == str(archive)
        assert str(row["reason"]).startswith(f"{archive} cannot be read because the archive is damaged (")
    assert str(link["reason"]).endswith("(No such file or directory). Repair, replace or remove it.")
    assert whole["status"] == "whole"


def test_map_names_are_safe_and_differ() -> None:
    files = ["../../etc/passwd", "a/b.png", "c/b.png", "c/B.png", "b.jpg", "\\..\\x.png", "a" * 400, "", "…"]
    names = [map_name(file, number) for file in files for number in (1, 2)]
    assert len({name.lower() for name in names}) == len(names)
    assert all(set(name) <= set("-_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") for name in names)
    assert max(map(len, names)) < 100


def test_each_picture_is_listed_once(tmp_path: Path) -> None:
    for name in ("b.png", "a.png"):
        (tmp_path / name).write_bytes(png(pattern(0, 0)))
    with open_pictures([str(tmp_path), str(tmp_path / "*.png"), str(tmp_path / "a.png")]) as pictures:
        assert [picture.file for picture in pictures] == [str(tmp_path / name) for name in ("a.png", "b.png")]
        assert pictures[0].read() == png(pattern(0, 0))


@pytest.mark.parametrize("model", ["attn_cnn", "paper_attn_cnn"])
def test_a_map_is_known_by_its_name(model):
    assert is_map(f"maps/{map_name('a/b (1).jpg', 2)}-{model}.png")
    assert not is_map("maps/b-1-attn_cnn.png") and not is_map(f"{map_name('b.jpg', 1)}-vgg.png")
