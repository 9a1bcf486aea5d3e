"""`python -m fer_models analyse CLIP`: rows of clips, interrupted and whole, and sentences where there are none."""

import csv
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_models.__main__ import main
from fer_models.checkpoints import save_checkpoint
from fer_models.video.writing import ClipWriter
from tests.helpers import PORTRAIT, made_clip, tiny_models

ROOT = Path(__file__).parents[1]
PATIENCE = 240


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    for name, model in tiny_models().items():
        save_checkpoint(model, folder / name, training={})
    return folder


def save_clip(path: Path, seconds: float) -> Path:
    path.write_bytes(made_clip(seconds))
    return path


def analyse(weights: Path, *options: object) -> int:
    return main(["analyse", "--weights", str(weights), "--device", "cpu", *map(str, options)])


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


def test_a_clip_gives_a_row_per_moment_and_face(weights: Path, tmp_path: Path) -> None:
    clip, empty, out = save_clip(tmp_path / "a.mp4", 2.1), tmp_path / "empty.MOV", tmp_path / "timeline.csv"
    empty.touch()
    for _ in range(2):  # the second time, everything is there
        assert analyse(weights, clip, empty, "--fps", 5, "--out", out) == 0
        *found, unreadable = rows_of(out)
        assert [float(row["time"]) for row in found] == pytest.approx(np.arange(11) / 5)
        assert {row["rows"] for row in found} == {"11"} and {row["face"] for row in found} == {"1"}
        assert {row["file"] for row in found} == {str(clip)}
        assert unreadable["status"] == "unreadable" and unreadable["reason"].startswith("The file is empty")
    assert not out.with_name("timeline.csv.moments").exists()
    again = tmp_path / "again.csv"
    assert analyse(weights, clip, clip, tmp_path / "*.mp4", "--fps", 5, "--out", again) == 0
    assert len(rows_of(again)) == 11, "a clip that is named twice is analysed once"
    left = [float(row["left"]) for row in found]
    assert left[-1] - left[0] == pytest.approx(100, abs=15)  # it moves by five pixels per frame


def test_a_killed_run_goes_on(weights: Path, tmp_path: Path) -> None:
    clip, out = save_clip(tmp_path / "a.mp4", 12), tmp_path / "timeline.jsonl"
    log = tmp_path / "timeline.jsonl.moments"
    command = [sys.executable, "-m", "fer_models", "analyse", "--weights", weights, clip, "--fps", "10", "--out", out]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(list(map(str, command)), cwd=ROOT, env=environment, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + PATIENCE
        while not log.exists() or log.read_bytes().count(b"\n") < 10:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    done = log.read_bytes().count(b"\n")
    assert out.read_bytes() == b""
    subprocess.run(list(map(str, command)), cwd=ROOT, env=environment, check=True, timeout=PATIENCE)
    assert out.read_bytes().count(b"\n") == 120 and 10 <= done < 121 and not log.exists()


def test_lines_for_people(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip, nobody = save_clip(tmp_path / "a.mp4", 1), tmp_path / "b.mp4"
    with ClipWriter(nobody, (64, 64)) as writer:
        writer.write(Image.new("RGB", (64, 64)), 0)
    assert analyse(weights, clip, nobody, "--fps", 2) == 0
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{clip}, face 1, 0.0 to ") and last == f"{nobody}: no face was found in 1 moment."


@pytest.mark.parametrize(
    "options, sentence",
    [
        (["{clip}", "{photo}"], "is a clip and"),
        (["no.mp4"], "There is no file no.mp4."),
        (["{clip}", "--whole"], "--whole and --maps are for pictures"),
        (["{clip}", "--fps", "0"], "--fps is 0: give a number from 0.01 to 1000."),
        (["{clip}", "--fps", "1e308"], "--fps is 1e+308: give a number from 0.01 to 1000."),
        (["{clip}", "--fps", "nan"], "--fps is nan: give a number from 0.01 to 1000."),
    ],
)
def test_options_that_do_not_fit(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], sentence: str
) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x")
    names = {"clip": tmp_path / "a.mp4", "photo": PORTRAIT}
    assert analyse(weights, *(option.format(**names) for option in options)) == 1
    message = capsys.readouterr().err
    assert sentence in message and "Traceback" not in message
