"""`python -m fer_models analyse` as people run it: in a process of its own, over real files."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_models import EMOTIONS
from fer_models.__main__ import main
from fer_models.checkpoints import default_weights_dir, save_checkpoint
from fer_models.data.fer2013 import load_fer2013
from fer_models.evaluation.results import mean_predictions, read_evaluation
from fer_models.faces import find_faces
from tests.helpers import PORTRAIT, pattern, tiny_models

ROOT = Path(__file__).parents[1]
SMALL = ("baseline_cnn", "attn_cnn")
PATIENCE = 120


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two fast, untrained models, whose calibration differs between one view and two."""
    folder = tmp_path_factory.mktemp("weights")
    for temperature, (name, model) in enumerate(tiny_models().items(), start=1):
        model.temperature, model.mirrored_temperature = 0.01 * temperature, 0.02
        save_checkpoint(model, folder / name, training={})
    return folder


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    """400 pictures of 48x48 pixels."""
    folder = tmp_path / "crops"
    folder.mkdir()
    for number in range(400):
        Image.fromarray(pattern(number % 7, number)).save(folder / f"{number:03}.png")
    return folder


def start(weights: Path, *options: object, cwd: Path = ROOT) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fer_models", "analyse", "--weights", weights, *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen(list(map(str, command)), cwd=cwd, env=environment, stdout=pipe, stderr=pipe, text=True)


def analyse(weights: Path, *options: object, cwd: Path = ROOT) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    with start(weights, *options, cwd=cwd) as process:
        output, messages = process.communicate(timeout=PATIENCE)
    assert "Traceback" not in messages, messages
    return process.returncode, output, messages


def in_this_process(weights: Path, *options: object) -> int:
    """The exit code; faster than a process of its own."""
    return main(["analyse", "--weights", str(weights), "--device", "cpu", "--processes", "0", *map(str, options)])


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


def wait_for_rows(process: subprocess.Popen[str], path: Path) -> None:
    """Until there are some rows, while the process is still at work."""
    deadline = time.monotonic() + PATIENCE
    while not path.exists() or path.read_bytes().count(b"\n") < 10:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)


def children(process: subprocess.Popen[str]) -> list[int]:
    """The processes that decode pictures for this one."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == process.pid and b"spawn_main" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:  # it has ended
            continue
    return found


def test_files_folders_patterns_and_archives_in_order(weights: Path, tmp_path: Path) -> None:
    png = io.BytesIO()
    Image.fromarray(pattern(3, 0)).save(png, "PNG")
    odd = [b"[1].png", b"a, \"b\" 'c'.png", b"new\nline.png", b"not-utf8-\xff.png", "ünïcode 🙂.PNG".encode()]
    folder = tmp_path / "photos"
    (folder / "deep" / "er").mkdir(parents=True)
    for name in (*odd, b"deep/er/last.png"):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(png.getvalue())
    (folder / "cut.png").write_bytes(png.getvalue()[:200])
    (folder / "empty.jpg").touch()
    (folder / "text.webp").write_text("not a picture")
    (folder / "notes.txt").write_text("left out")
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        for name in ("z.png", "../../a.png", "__MACOSX/z.png", "inner/b.png"):
            archive.writestr(name, png.getvalue())
    with tarfile.open(tmp_path / "some.tgz", "w:gz") as tar:
        for name in ("2.png", "1.png"):
            info = tarfile.TarInfo(name)
            info.size = len(png.getvalue())
            tar.addfile(info, io.BytesIO(png.getvalue()))
    (tmp_path / "broken.zip").write_bytes((tmp_path / "some.zip").read_bytes()[:-40])
    (tmp_path / "g1.png").write_bytes(png.getvalue())
    (tmp_path / "g2.png").write_bytes(png.getvalue())

    paths = ["photos", "some.zip", "some.tgz", "broken.zip", "photos/[1].png", "g?.png"]
    before = sorted(tmp_path.rglob("*"))
    code, _, messages = analyse(weights, *paths, "--whole", "--out", "rows.csv", cwd=tmp_path)
    rows = rows_of(tmp_path / "rows.csv")
    assert code == 0 and "faces/s" in messages and "files that are not named as pictures: 1." in messages
    assert "16 pictures: 12 faces, 0 pictures without a face, 4 unreadable." in messages
    assert [row["file"] for row in rows] == [
        "photos/[1].png",
        "photos/a, \"b\" 'c'.png",
        "photos/cut.png",
        "photos/deep/er/last.png",
        "photos/empty.jpg",
        r"photos/new\nline.png",
        r"photos/not-utf8-\udcff.png",
        "photos/text.webp",
        "photos/ünïcode 🙂.PNG",
        "some.zip/z.png",
        "some.zip/inner/b.png",
        "some.tgz/2.png",
        "some.tgz/1.png",
        "broken.zip",
        "g1.png",
        "g2.png",
    ]
    reasons = {row["file"]: row["reason"] for row in rows if row["status"] == "unreadable"}
    assert reasons.keys() == {"photos/cut.png", "photos/empty.jpg", "photos/text.webp", "broken.zip"}
    assert "broken.zip cannot be read because the archive is damaged" in reasons["broken.zip"]
    assert "damaged" in reasons["photos/cut.png"] and "is empty" in reasons["photos/empty.jpg"]
    assert all(row["status"] == "whole" and row["right"] == "48.0" for row in rows if row["file"] not in reasons)
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "rows.csv"])  # nothing was unpacked


def test_a_photo_gives_what_the_library_says(weights: Path, tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), (90, 120, 90)).save(tmp_path / "meadow.png")
    maps = tmp_path / "maps"
    options = ["--maps", maps, "--out", tmp_path / "rows.jsonl", "--processes", 1]
    code, _, messages = analyse(weights, PORTRAIT, tmp_path / "meadow.png", *options)
    assert code == 0, messages
    face, meadow = map(json.loads, (tmp_path / "rows.jsonl").read_text().splitlines())
    with Image.open(PORTRAIT) as photo:
        (found,) = find_faces(photo)
    assert (face["status"], face["faces"], face["face"]) == ("face", 1, 1)
    assert [face[side] for side in ("left", "top", "right", "bottom")] == pytest.approx(found.box, abs=0.06)
    assert face["score"] == pytest.approx(found.score, abs=1e-3) and face["roll"] == 0
    assert (meadow["status"], meadow["faces"], meadow["face"]) == ("no face", 0, None)
    assert meadow["mean_answer"] is None and meadow["reason"].endswith(".")
    assert sorted(file.name for file in maps.iterdir()) == sorted(f"{face['map']}-{name}.png" for name in SMALL)
    assert Image.open(maps / f"{face['map']}-attn_cnn.png").size == (224, 224)


def test_without_a_file_each_face_is_a_line(weights: Path, crops: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert in_this_process(weights, crops / "000.png", "--whole", "--models", "attn_cnn") == 0
    output = capsys.readouterr().out
    assert re.fullmatch(rf"{crops}/000.png, face 1 of 1: (\w+ \d+%) \(attn_cnn \1\)\n", output)


def test_a_killed_run_goes_on(weights: Path, crops: Path, tmp_path: Path) -> None:
    options = [crops, "--whole", "--processes", 0, "--out"]
    assert in_this_process(weights, *options, tmp_path / "whole.csv") == 0
    out = tmp_path / "rows.csv"
    process = start(weights, *options, out)
    wait_for_rows(process, out)
    process.kill()
    process.communicate()
    there = out.read_bytes().count(b"\n") - 1
    assert 0 < there < 400
    out.write_bytes(out.read_bytes()[:-20])  # half a line
    code, _, messages = analyse(weights, *options, out)
    assert code == 0 and f"has {there - 1} of 400 pictures already" in messages
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_ctrl_c_stops_with_a_sentence(weights: Path, crops: Path, tmp_path: Path) -> None:
    for number in range(400, 3000):  # enough to be still at work when the signal comes, also on a busy machine
        (crops / f"{number}.png").hardlink_to(crops / f"{number % 400:03}.png")
    out = tmp_path / "rows.jsonl"
    process = start(weights, crops, "--whole", "--out", out)
    wait_for_rows(process, out)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and "Traceback" not in messages
    assert messages.splitlines()[-1] == "Stopped. The same command goes on from here."
    assert all(json.loads(line)["faces"] == 1 for line in out.read_text().splitlines())


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc to find the processes")
def test_processes_end_with_the_command_and_their_death_does_not_end_it(weights: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number:02}.jpg").symlink_to(PORTRAIT.resolve())
    options = [folder, "--processes", 1, "--models", "attn_cnn", "--out", tmp_path / "rows.csv"]
    process = start(weights, *options)
    deadline = time.monotonic() + PATIENCE
    while not children(process):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(children(process)[0], signal.SIGKILL)
    _, messages = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, messages
    assert [row["status"] for row in rows_of(tmp_path / "rows.csv")] == 12 * ["face"]

    (tmp_path / "rows.csv").unlink()
    process = start(weights, *options)
    deadline = time.monotonic() + PATIENCE
    while not (found := children(process)):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.communicate()
    while any(Path(f"/proc/{child}").exists() for child in found):
        assert time.monotonic() < deadline, "a process outlived the command"
        time.sleep(0.05)


def test_other_options_are_not_mixed_in(
    weights: Path, crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*options: object) -> tuple[int, str]:
        code = in_this_process(weights, crops / "000.png", *options)
        return code, capsys.readouterr().err

    for suffix in ("csv", "jsonl", "parquet"):
        out = tmp_path / f"rows.{suffix}"
        assert run("--whole", "--out", out)[0] == 0
        written = out.read_bytes()
        for other in (["--models", "attn_cnn", "--whole"], [], ["--whole", "--maps", tmp_path / "maps"]):
            code, message = run("--out", out, *other)
            assert code == 1 and message.count("\n") == 1, message
            assert "cannot continue it. Give the options and models" in message
            assert suffix == "parquet" or out.read_bytes() == written
        assert run("--whole", "--out", out, "--models", "attn_cnn", "baseline_cnn")[0] == 0  # in another order
        assert suffix == "parquet" or out.read_bytes() == written
    assert sorted(path.name for path in tmp_path.glob("rows*")) == ["rows.csv", "rows.jsonl", "rows.parquet"]


def test_a_refused_parquet_run_leaves_nothing(
    weights: Path, crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pyarrow")
    folder = tmp_path / "rows"
    folder.mkdir()
    options = [crops / "000.png", "--out", folder / "z.parquet"]
    assert in_this_process(weights, *options, "--whole") == 0
    written = (folder / "z.parquet").read_bytes()
    for other, reason in ((["--whole", "--models", "attn_cnn"], "other columns"), ([], "rows with other settings")):
        capsys.readouterr()
        assert in_this_process(weights, *options, *other) == 1
        assert f"z.parquet holds {reason}" in capsys.readouterr().err
        assert list(folder.iterdir()) == [folder / "z.parquet"] and (folder / "z.parquet").read_bytes() == written


def test_maps_of_an_earlier_run_are_not_analysed(
    weights: Path, crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.png").write_bytes((crops / "000.png").read_bytes())
    monkeypatch.chdir(tmp_path)
    caplog.set_level("INFO")
    for paths in (["photos/**/*.png"], ["photos"], ["photos/*"]):
        for _ in range(2):
            assert in_this_process(weights, *paths, "--whole", "--maps", "photos/maps", "--out", "rows.csv") == 0
            assert [row["file"] for row in rows_of(tmp_path / "rows.csv")] == ["photos/a.png"]
    assert "Maps of an earlier run, which are left out: 2." in caplog.messages
    assert "1 picture: 1 face, 0 pictures without a face, 0 unreadable." in caplog.messages
    assert "rows.csv has 1 of 1 picture already." in caplog.messages


def test_parquet_has_types_and_goes_on(
    weights: Path, crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    (tmp_path / "a.png").write_bytes((crops / "000.png").read_bytes())
    (tmp_path / "b.png").touch()
    monkeypatch.chdir(tmp_path)
    caplog.set_level("INFO")
    for out in ("rows.parquet", "rows.csv"):
        assert in_this_process(weights, "*.png", "--whole", "--out", out) == 0
    (tmp_path / "c.png").write_bytes((crops / "001.png").read_bytes())
    for out in ("rows.parquet", "rows.csv"):
        assert in_this_process(weights, "*.png", "--whole", "--out", out) == 0
        assert f"{out} has 2 of 3 pictures already." in caplog.messages
    table = parquet.read_table(tmp_path / "rows.parquet").to_pylist()
    texts = rows_of(tmp_path / "rows.csv")
    assert [{name: "" if value is None else str(value) for name, value in row.items()} for row in table] == texts
    assert [(row["file"], row["face"], type(row["attn_cnn_sad"])) for row in table] == [
        ("a.png", 1, float),
        ("b.png", None, type(None)),
        ("c.png", 1, float),
    ]
    assert not (tmp_path / "rows.parquet.jsonl").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["nowhere"], "There is nothing at nowhere."),
        (["{crops}", "--out", "rows.txt"], "rows.txt does not end in .csv, .jsonl, .parquet"),
        (["{crops}", "--method", "layercam"], "--method is for maps: say with --maps where to write them."),
        (["{crops}", "--device", "cuda"], "PyTorch finds no GPU"),
        (["{crops}", "--models", "resnet50"], "resnet50/config.json is missing."),
        (["{crops}", "--out", "no/such/folder/rows.csv"], "cannot be written (No such file or directory)."),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    weights: Path, crops: Path, options, sentence, monkeypatch, capsys, tmp_path
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.chdir(tmp_path)
    code = main(["analyse", "--weights", str(weights), *(option.format(crops=crops) for option in options)])
    message = capsys.readouterr().err
    assert code == 1 and sentence in message and message.count("\n") == 1


def test_parquet_without_pyarrow_is_refused(
    weights: Path, crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("fer_models.analysis.row_file.find_spec", lambda name: None)
    out = tmp_path / "rows.parquet"
    assert main(["analyse", str(crops), "--weights", str(weights), "--out", str(out)]) == 1
    assert f"{out} needs the package pyarrow: pip install pyarrow." in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / "data/fer2013").exists(), reason="FER-2013 is not there")
def test_the_test_split_gives_the_figures_of_the_evaluation(tmp_path: Path) -> None:
    """As pictures, through the command, the small networks answer as the stored evaluation says."""
    test = load_fer2013(ROOT / "data/fer2013").test
    for number, pixels in enumerate(test.images.numpy()):
        Image.fromarray(pixels).save(tmp_path / f"{number:04}.png")
    process = start(default_weights_dir(), tmp_path, "--models", *SMALL, "--whole", "--out", tmp_path / "rows.csv")
    assert process.communicate() and process.returncode == 0
    rows = rows_of(tmp_path / "rows.csv")
    evaluations = {name: read_evaluation(default_weights_dir() / name) for name in SMALL}
    stored = {name: evaluation.predictions for name, evaluation in evaluations.items()}
    stored["mean"] = mean_predictions(list(evaluations.values()))
    for name, predictions in stored.items():
        for view, expected in (("", predictions.probabilities), ("mirrored_", predictions.flip_averaged)):
            answers = np.array([EMOTIONS.index(row[f"{name}_{view}answer"]) for row in rows])
            accuracy, printed = (np.mean(given == predictions.labels) for given in (answers, expected.argmax(axis=1)))
            assert accuracy == pytest.approx(printed, abs=5e-4)  # as printed, in tenths of a percent
            probabilities = [[float(row[f"{name}_{view}{emotion}"]) for emotion in EMOTIONS] for row in rows]
            np.testing.assert_allclose(probabilities, expected, atol=3e-3)  # stored ones are another processor's
