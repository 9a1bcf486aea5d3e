"""FER-2013 as people have it: links, renamed folders and files, other programs' files, encodings and archives."""

import bz2
import gzip
import io
import logging
import lzma
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_models.data import folders, source, table
from fer_models.data.fer2013 import FER2013, DataError, load_fer2013
from fer_models.emotions import EMOTIONS
from tests.helpers import pattern


def sizes(data: FER2013) -> tuple[int, int, int]:
    return len(data.train), len(data.validation), len(data.test)


def draw(file: Path, label: int, variant: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pattern(label, variant)).save(file)


@pytest.fixture
def splits(tmp_path: Path) -> Path:
    """train/, valid/ and test/ with one folder per emotion: 3, 2 and 1 images each, in files called im0.png."""
    for name, count, offset in (("train", 3, 0), ("valid", 2, 100), ("test", 1, 200)):
        for label, emotion in enumerate(EMOTIONS):
            for i in range(count):
                draw(tmp_path / "splits" / name / emotion / f"im{i}.png", label, 1000 * label + offset + i)
    return tmp_path / "splits"


# ---- Links --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("linked", ["train", "train/happy", "train/happy/Training_30.png"])
def test_an_image_changed_behind_a_link_is_read_anew(kaggle_folder: Path, tmp_path: Path, linked: str) -> None:
    link, target = kaggle_folder / linked, tmp_path / "elsewhere"
    link.rename(target)
    link.symlink_to(target, target_is_directory=target.is_dir())
    before = load_fer2013(kaggle_folder)
    assert sizes(before) == (70, 14, 7)

    draw(kaggle_folder / "train" / "happy" / "Training_30.png", 3, 999)
    after = load_fer2013(kaggle_folder)
    assert (after.train.images[30].numpy() == pattern(3, 999)).all()
    assert after.fingerprint != before.fingerprint


def test_a_link_that_leads_elsewhere_is_noticed_though_sizes_and_times_are_equal(
    kaggle_folder: Path, tmp_path: Path
) -> None:
    file = kaggle_folder / "train" / "happy" / "Training_30.bmp"
    (kaggle_folder / "train" / "happy" / "Training_30.png").unlink()
    for name, variant in (("a.bmp", 1), ("b.bmp", 2)):
        draw(tmp_path / name, 3, variant)
        os.utime(tmp_path / name, (10**9, 10**9))
    file.symlink_to(tmp_path / "a.bmp")
    before = load_fer2013(kaggle_folder)
    file.unlink()
    file.symlink_to(tmp_path / "b.bmp")
    assert load_fer2013(kaggle_folder).fingerprint != before.fingerprint


def test_links_in_a_circle_and_links_to_nothing_beside_the_images_are_passed_over(kaggle_folder: Path) -> None:
    expected = load_fer2013(kaggle_folder).fingerprint
    (kaggle_folder / "again").symlink_to(kaggle_folder)
    (kaggle_folder / "train" / "up").symlink_to("..")
    (kaggle_folder / "notes.txt").symlink_to("nowhere")
    (kaggle_folder / "train" / "self").symlink_to("self")
    assert load_fer2013(kaggle_folder).fingerprint == expected


@pytest.mark.parametrize("broken", ["train/happy/Training_30.png", "test/sad", "train", "validation"])
def test_a_link_to_nothing_among_the_images_is_named(kaggle_folder: Path, broken: str) -> None:
    link = kaggle_folder / broken
    if link.is_dir():
        shutil.rmtree(link)
    link.unlink(missing_ok=True)
    link.symlink_to("nowhere")
    with pytest.raises(DataError, match=f"{broken} is a link to a place that cannot be read"):
        load_fer2013(kaggle_folder)


def test_a_pipe_in_a_class_folder_is_named_instead_of_waited_for(kaggle_folder: Path) -> None:
    os.mkfifo(kaggle_folder / "train" / "happy" / "pipe.png")
    with pytest.raises(DataError, match="pipe.png is not a regular file"):
        load_fer2013(kaggle_folder)


# ---- Splits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["valid", "validation", "val", "Dev", "PublicTest", "public_test"])
def test_a_validation_folder_is_used_by_any_of_its_names(splits: Path, name: str) -> None:
    (splits / "valid").rename(splits / name)
    data = load_fer2013(splits)
    assert (data.layout, sizes(data)) == ("splits", (21, 14, 7))
    assert (data.validation.images[0].numpy() == pattern(0, 100)).all()


def test_folders_of_images_beside_the_splits_are_named_also_when_the_cache_is_read(
    splits: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (splits / "valid").rename(splits / "holdout")
    draw(splits / "train" / "loose.png", 0, 0)
    for _ in range(2):
        caplog.clear()
        assert sizes(load_fer2013(splits)) == (14, 7, 7)
        assert f"not read: 14 in {splits}/holdout, 1 in {splits}/train." in caplog.text
        assert "tenth" in caplog.text


def test_two_folders_for_one_split_are_refused(splits: Path) -> None:
    shutil.copytree(splits / "valid", splits / "val")
    with pytest.raises(DataError, match="both hold validation images of"):
        load_fer2013(splits)


def test_an_image_without_a_split_in_its_name_is_named(kaggle_folder: Path) -> None:
    file = kaggle_folder / "test" / "sad" / "PrivateTest_430.png"
    file.rename(file.with_name(f"Copy of {file.name}"))
    with pytest.raises(DataError, match="test/sad/Copy of PrivateTest_430.png: the name does not begin with"):
        load_fer2013(kaggle_folder)


def test_a_name_of_another_split_than_the_folders_is_noted(
    kaggle_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = kaggle_folder / "test" / "sad" / "PublicTest_420.png"
    file.rename(kaggle_folder / "train" / "sad" / file.name)
    assert sizes(load_fer2013(kaggle_folder)) == (71, 13, 7)
    assert "train/sad/PublicTest_420.png" in caplog.text


# ---- Other programs' files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["Thumbs.db", "desktop.ini", ".DS_Store", "._Training_30.png", "Training_30.png:Zone.Identifier"]
)
def test_files_of_operating_systems_are_passed_over(kaggle_folder: Path, name: str) -> None:
    expected = load_fer2013(kaggle_folder)
    (kaggle_folder / "train" / "happy" / name).write_bytes(b"not an image")
    for folder in ("__MACOSX/train/happy", "train/@eaDir"):
        (kaggle_folder / folder).mkdir(parents=True)
        (kaggle_folder / folder / "Training_30.png").write_bytes(b"not an image")
    data = load_fer2013(kaggle_folder)
    assert (data.fingerprint, data.notes) == (expected.fingerprint, ())


def test_advice_on_a_file_that_is_no_image_helps(kaggle_folder: Path) -> None:
    (kaggle_folder / "train" / "happy" / "list.txt").write_text("Training_30.png")
    with pytest.raises(DataError, match="list.txt cannot be read as an image.*Remove it if it is not part"):
        load_fer2013(kaggle_folder)


# ---- Tables -------------------------------------------------------------------------------------------------------


def utf16(text: bytes) -> bytes:
    return text.decode().replace("\n", "\r\n").encode("utf-16")


def with_other_names(text: bytes) -> bytes:
    return text.replace(b"emotion, Usage, pixels", b"Emotion,usage,PIXELS").replace(b"PublicTest", b"validation")


def with_semicolons(text: bytes) -> bytes:
    return text.replace(b",", b";")


@pytest.mark.parametrize(
    "change", [utf16, gzip.compress, bz2.compress, lzma.compress, with_other_names, with_semicolons]
)
def test_a_table_is_read_in_other_encodings_and_with_other_names(
    csv_file: Path, change: Callable[[bytes], bytes]
) -> None:
    expected = load_fer2013(csv_file).fingerprint
    csv_file.write_bytes(change(csv_file.read_bytes()))
    assert load_fer2013(csv_file).fingerprint == expected


def test_emotions_as_words_in_a_table(csv_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    expected = load_fer2013(csv_file).fingerprint
    lines = csv_file.read_text().splitlines()
    csv_file.write_text("\n".join(line.replace("3,", "happiness,", 1) if line[0] == "3" else line for line in lines))
    assert load_fer2013(csv_file).fingerprint == expected
    assert "happiness is read as happy" in caplog.text


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"0,Training,", b"0,Training,\xff", "a byte in it is not text"),
        (b"0,Training,", b'0,"Training,', "a quote is not closed"),
        (b"0,Training,", b"7,Training,", "emotion 7 is not one of 0 to 6"),
        (b"0,Training,", b"0,Test set,", "Usage Test set is not"),
        (b"0,Training,", b"0,Training", "out of range"),
        (b"0,Training,", b"0,Training,300 ", "300"),
        (b"0,Training,", b"0,Training," + b" " * 200_000, "more than 100,000 characters"),
    ],
)
def test_a_bad_line_is_named(csv_file: Path, old: bytes, new: bytes, reason: str) -> None:
    lines = csv_file.read_bytes().splitlines()
    csv_file.write_bytes(b"\n".join([*lines[:3], lines[3].replace(old, new), *lines[4:]]))
    with pytest.raises(DataError, match=f"icml_face_data.csv, line 4, .*{reason}"):
        load_fer2013(csv_file)


def test_a_byte_that_is_not_text_does_not_matter_in_another_column(csv_file: Path) -> None:
    expected = load_fer2013(csv_file).fingerprint
    lines = csv_file.read_bytes().splitlines()
    csv_file.write_bytes(b"\n".join([lines[0] + b",note", lines[1] + b",caf\xe9", *lines[2:]]))
    assert load_fer2013(csv_file).fingerprint == expected


def test_a_file_that_is_no_table_and_a_broken_one_are_refused(csv_file: Path, tmp_path: Path) -> None:
    (tmp_path / "fer.7z").write_bytes(b"7z\xbc\xaf\x27\x1c\x00\x04")
    with pytest.raises(DataError, match="fer.7z is neither a table with the columns .* nor a zip or tar archive"):
        load_fer2013(tmp_path / "fer.7z")
    csv_file.write_bytes(gzip.compress(csv_file.read_bytes())[:-2000])
    with pytest.raises(DataError, match="icml_face_data.csv cannot be read .*Download"):
        load_fer2013(csv_file)


def test_an_incomplete_archive_and_a_row_with_too_few_pixels_are_told(csv_file: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.zip").write_bytes(b"PK\x03\x04\x14\x00\x00\x00\x08\x00")
    with pytest.raises(DataError, match="cut.zip cannot be read because the archive is damaged"):
        load_fer2013(tmp_path / "cut.zip")
    (tmp_path / "short.csv").write_text("emotion,pixels,Usage\n3,1 2 3,Training\n")
    with pytest.raises(DataError, match=r"line 2, .*it has 3 pixels instead of 2304"):
        load_fer2013(tmp_path / "short.csv")


# ---- Names --------------------------------------------------------------------------------------------------------

OTHER_NAMES = {
    "adjectives": ("Angry", "Disgusted", "Fearful", "Happy", "Sad", "Surprised", "Neutral"),
    "nouns": ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"),
    "numbers": ("0", "1", "2", "3", "4", "5", "6"),
}


@pytest.mark.parametrize("names", OTHER_NAMES.values(), ids=OTHER_NAMES)
def test_class_folders_with_other_names_are_read_and_the_log_says_how(
    kaggle_folder: Path, names: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    expected = load_fer2013(kaggle_folder).fingerprint
    for emotion, name in zip(EMOTIONS, names, strict=True):
        (kaggle_folder / "train" / emotion).rename(kaggle_folder / "train" / name)
    assert load_fer2013(kaggle_folder).fingerprint == expected
    for emotion, name in zip(EMOTIONS, names, strict=True):
        assert (f"{name} is read as {emotion}" in caplog.text) == (name != emotion)


def test_an_eighth_class_folder_is_refused_by_name(kaggle_folder: Path) -> None:
    draw(kaggle_folder / "train" / "contempt" / "Training_1.png", 0, 0)
    with pytest.raises(DataError, match="train/contempt holds images but is not named as one of the seven emotions"):
        load_fer2013(kaggle_folder)


def test_two_folders_for_one_emotion_are_refused(kaggle_folder: Path) -> None:
    shutil.copytree(kaggle_folder / "train" / "happy", kaggle_folder / "train" / "happiness")
    with pytest.raises(DataError, match="both hold train images of happy. Keep one"):
        load_fer2013(kaggle_folder)


@pytest.mark.parametrize("around", ["images", "archive", "archive/fer2013/images"])
def test_folders_around_the_splits_do_not_matter(kaggle_folder: Path, tmp_path: Path, around: str) -> None:
    expected = load_fer2013(kaggle_folder).fingerprint
    shutil.copytree(kaggle_folder, tmp_path / "download" / around)
    assert load_fer2013(tmp_path / "download").fingerprint == expected


def test_folders_between_split_and_emotion_do_not_matter(kaggle_folder: Path) -> None:
    expected = load_fer2013(kaggle_folder).fingerprint
    (kaggle_folder / "train").rename(kaggle_folder / "images")
    (kaggle_folder / "train").mkdir()
    (kaggle_folder / "images").rename(kaggle_folder / "train" / "images")
    assert load_fer2013(kaggle_folder).fingerprint == expected


def test_the_nearest_form_is_read_and_the_other_is_named(
    kaggle_folder: Path, csv_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(kaggle_folder, kaggle_folder / "images")
    assert load_fer2013(kaggle_folder).layout == "kaggle"
    assert f"not read: 91 in {kaggle_folder}/images." in caplog.text
    draw(kaggle_folder / "train" / "contempt" / "Training_1.png", 0, 0)  # does not matter to the table
    csv_file.rename(kaggle_folder / "fer2013.csv")
    assert load_fer2013(kaggle_folder).layout == "csv"

    for copy in ("a", "b"):
        shutil.copytree(kaggle_folder / "images", kaggle_folder.parent / "two" / copy)
    with pytest.raises(DataError, match="two/[ab] and .*two/[ab] hold folders"):
        load_fer2013(kaggle_folder.parent / "two")


def test_suffixes_and_colours_of_images_do_not_matter(kaggle_folder: Path) -> None:
    expected = load_fer2013(kaggle_folder).fingerprint
    first, second, third = sorted((kaggle_folder / "train" / "happy").iterdir())[:3]
    first.rename(first.with_suffix(".JPG"))
    second.rename(second.with_suffix(".PNG"))
    grey = np.asarray(Image.open(third))
    Image.fromarray(np.dstack([grey] * 3)).save(third)
    assert load_fer2013(kaggle_folder).fingerprint == expected


# ---- Archives -----------------------------------------------------------------------------------------------------


def pack(folder: Path, archive: Path) -> Path:
    """Packs the folder by the archive's suffixes, with the files of macOS beside it."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for file in sorted(folder.rglob("*.*"), reverse=True):
                packed.write(file, f"archive/{file.relative_to(folder)}")
                packed.writestr(f"__MACOSX/archive/{file.relative_to(folder)}", b"resource fork")
    else:
        with tarfile.open(archive, f"w:{archive.suffix[1:].removeprefix('tar')}") as packed:
            packed.add(folder, "./")
    return archive


@pytest.mark.parametrize("name", ["fer.zip", "fer.tar", "fer.tar.gz", "fer.tar.bz2", "fer.tar.xz"])
def test_an_archive_is_read_without_unpacking_it(
    kaggle_folder: Path, csv_file: Path, tmp_path: Path, name: str
) -> None:
    expected = load_fer2013(kaggle_folder).fingerprint
    (tmp_path / "packed").mkdir()
    archive = pack(kaggle_folder, tmp_path / "packed" / name)
    data = load_fer2013(archive)
    assert (data.layout, data.fingerprint, data.notes) == ("kaggle", expected, ())
    assert list((tmp_path / "packed").iterdir()) == [archive]

    (tmp_path / "table").mkdir()
    csv_file.rename(tmp_path / "table" / "fer2013.csv")
    data = load_fer2013(pack(tmp_path / "table", archive))  # the same path: its content has changed
    assert (data.layout, data.fingerprint) == ("csv", expected)


def test_a_zip_archive_with_backslashes_as_some_programs_for_windows_write_it(
    kaggle_folder: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "fer.zip", "w") as packed:
        packed.writestr("fer\\train\\", b"")
        for file in kaggle_folder.rglob("*.png"):
            packed.write(file, "\\".join(("fer", *file.relative_to(kaggle_folder).parts)))
    assert load_fer2013(tmp_path / "fer.zip").fingerprint == load_fer2013(kaggle_folder).fingerprint


def test_a_compressed_table_in_a_folder(csv_file: Path, kaggle_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "download").mkdir()
    (tmp_path / "download" / "fer2013.csv.gz").write_bytes(gzip.compress(csv_file.read_bytes()))
    assert load_fer2013(tmp_path / "download").fingerprint == load_fer2013(kaggle_folder).fingerprint


def test_a_folder_with_an_archive_in_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "fer2013.tar.gz").write_bytes(b"")
    with pytest.raises(DataError, match=r"not FER-2013 in a known form.*It holds .*fer2013\.tar\.gz"):
        load_fer2013(tmp_path)


def test_names_that_lead_out_of_an_archive_lead_nowhere(kaggle_folder: Path, tmp_path: Path) -> None:
    expected = load_fer2013(kaggle_folder).fingerprint
    archive, secret = pack(kaggle_folder, tmp_path / "fer.tar"), tmp_path / "secret.png"
    draw(secret, 3, 5)
    with tarfile.open(archive, "a") as packed:
        for name in ("../train/happy/Training_1.png", "/train/happy/.png"):
            packed.addfile(tarfile.TarInfo(name))
    assert load_fer2013(archive).fingerprint == expected

    link = tarfile.TarInfo("train/happy/Training_2.png")
    link.type, link.linkname = tarfile.SYMTYPE, str(secret)
    with tarfile.open(archive, "a") as packed:
        packed.addfile(link)
    with pytest.raises(DataError, match="Training_2.png is a symbolic link .* not followed inside an archive"):
        load_fer2013(archive)


def test_absurd_sizes_are_refused(
    kaggle_folder: Path, csv_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zipped, tarred = pack(kaggle_folder, tmp_path / "fer.zip"), pack(kaggle_folder, tmp_path / "fer.tar.gz")
    with monkeypatch.context() as patch:
        patch.setattr(source, "MAX_ARCHIVE_BYTES", 100_000)
        for archive in (zipped, tarred):
            with pytest.raises(DataError, match=f"{archive.name} unpacks to more than"):
                load_fer2013(archive)
    with monkeypatch.context() as patch:
        patch.setattr(source, "MAX_FILES", 90)
        for path in (zipped, tarred, kaggle_folder):
            with pytest.raises(DataError, match=f"{path.name} holds more than 90 files"):
                load_fer2013(path)
    with monkeypatch.context() as patch:
        patch.setattr(table, "MAX_LINES", 90)
        with pytest.raises(DataError, match="has more than 90 lines"):
            load_fer2013(csv_file)
    with monkeypatch.context() as patch:
        patch.setattr(folders, "MAX_IMAGE_BYTES", 1000)
        with pytest.raises(DataError, match="Training_.*png has more than"):
            load_fer2013(zipped)
    Image.new("1", (20_000, 20_000)).save(kaggle_folder / "train" / "happy" / "bomb.png")
    with pytest.raises(DataError, match="bomb.png"):
        load_fer2013(kaggle_folder)


def test_a_damaged_or_encrypted_archive_is_named(kaggle_folder: Path, tmp_path: Path) -> None:
    for name in ("fer.tar.gz", "fer.tar.xz"):
        archive = pack(kaggle_folder, tmp_path / name)
        archive.write_bytes(archive.read_bytes()[:-20_000])
        with pytest.raises(DataError, match=f"{name} cannot be read .*Download"):
            load_fer2013(archive)

    with zipfile.ZipFile(tmp_path / "fer.zip", "w") as packed:
        packed.writestr("é.png", b"")
    archive = tmp_path / "fer.zip"
    archive.write_bytes(archive.read_bytes().replace("é".encode(), b"\xff\xff"))
    with pytest.raises(DataError, match="fer.zip cannot be read .*Download"):
        load_fer2013(archive)

    archive = pack(kaggle_folder, tmp_path / "fer.zip")
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        entry = content.index(b"PK\x01\x02", packed.start_dir)
    while entry >= 0:
        content[entry + 8] |= 1  # the flag of an encrypted member
        entry = content.find(b"PK\x01\x02", entry + 4)
    archive.write_bytes(content)
    with pytest.raises(DataError, match=r"fer.zip/archive/train/.* is encrypted\."):
        load_fer2013(archive)


def test_the_log_shows_notes_as_sentences(splits: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        data = load_fer2013(splits)
    assert data.notes == ("Names: valid is read as validation.",)
    assert data.notes[0] in caplog.messages
