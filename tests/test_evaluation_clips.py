"""Clips of held faces: how they are made, what is measured on them, and the command that writes the tables."""

from pathlib import Path

import numpy as np
import pytest

from fer_models.checkpoints import save_checkpoint
from fer_models.data.fer2013 import FER2013
from fer_models.evaluation import clips
from fer_models.evaluation.averages import average, exponential, exponential_online, running_mean
from fer_models.evaluation.clips import Score, choose
from fer_models.evaluation.held_faces import Clip, arrange, hold
from fer_models.evaluation.over_time import changes_per_second, measure, seconds_until_right
from fer_models.evaluation.table import markers
from tests.helpers import make_split, pattern, tiny_models


def test_a_held_face_changes_a_little_from_frame_to_frame():
    face = pattern(3, 0)
    frames = hold(face, np.random.default_rng(0)).astype(float)
    assert frames.shape == (40, 48, 48)
    similar = [np.corrcoef(face.ravel(), frame.ravel())[0, 1] for frame in frames]
    assert min(similar) > 0.3
    step = abs(np.diff(frames, axis=0)).mean()
    apart = abs(frames[20:] - frames[:20]).mean()
    assert 0 < step < apart, "neighbouring frames are more alike than those two seconds apart"
    assert np.array_equal(hold(face, np.random.default_rng(0)), frames)


@pytest.mark.parametrize("seconds", [0.5, 1, 2, 4])
def test_in_a_clip_each_face_is_held_and_another_label_follows(seconds):
    labels = np.arange(21) % 7
    clip = arrange(labels, seconds, np.random.default_rng(0))
    assert len(np.unique(clip.frames)) == len(clip.frames) > 0.9 * 21 * 40
    assert np.array_equal(clip.labels, labels[clip.frames // 40])
    assert np.array_equal(clip.changes, np.flatnonzero(np.diff(clip.faces)) + 1), "a face never follows itself"
    assert set(np.delete(np.diff(clip.frames), clip.changes - 1)) == {1}, "within a piece, frames follow each other"
    held = np.diff([0, *clip.changes, len(clip.frames)]) / 10
    assert held.mean() == pytest.approx(seconds)
    assert 0.5 * seconds <= held.min() and held.max() <= 1.5 * seconds


def test_quality_of_answers_worked_out_by_hand():
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2])
    answers = np.array([0, 1, 0, 0, 0, 1, 1, 1, 1, 1])
    clip = Clip(np.arange(10), labels, labels)
    assert clip.changes.tolist() == [4, 8]
    assert clip.times[-1] == pytest.approx(0.9)
    certain = np.eye(7)[answers]
    found = measure(clip, certain)
    assert found.accuracy == 0.6
    assert found.flicker == changes_per_second(answers) == pytest.approx(10 * 3 / 9)
    assert found.ece == pytest.approx(0.4)
    np.testing.assert_array_equal(seconds_until_right(found.right, clip.changes), [0.1, np.nan])


def test_averages_worked_out_by_hand():
    values, times = np.array([[1.0], [0.0], [0.0]]), np.array([0.0, 0.1, 0.3])
    np.testing.assert_allclose(average(values, times, running_mean(0.2))[:, 0], [1 / 2, 1 / 2, 0])
    e = np.exp(-1)
    expected = [1 / (1 + e + e**3), e / (1 + e + e**2), e**3 / (1 + e**2 + e**3)]
    np.testing.assert_allclose(average(values, times, exponential(0.1))[:, 0], expected)
    expected = [1, e / (1 + e), e**3 / (1 + e**2 + e**3)]
    np.testing.assert_allclose(average(values, times, exponential_online(0.1))[:, 0], expected)


def test_the_steadiest_constant_is_chosen_that_costs_little():
    accuracies, flickers = {1: 0.5, 2: 0.595, 3: 0.6}, {1: 0.1, 2: 0.5, 3: 1.0}
    scores = {n: Score(accuracies[n], flickers[n], 0, 0) for n in accuracies}
    assert choose(scores, Score(0.6, 2, 0, 0)) == 2
    assert choose(scores, Score(0.7, 2, 0, 0)) == 3


def test_the_command_writes_its_tables_between_its_markers(tmp_path, monkeypatch, capsys):
    training = {"recipe": "default", "seed": 0}
    for name, model in tiny_models().items():
        save_checkpoint(model, tmp_path / "weights" / name, training)
    data = FER2013(make_split(1, 0), make_split(1, 100), make_split(1, 200), "csv", "ab" * 32)
    monkeypatch.setattr(clips, "load_fer2013", lambda path: data)
    monkeypatch.setattr(clips, "RESULTS", tmp_path / "results.md")
    begin, end = markers("clips")
    clips.RESULTS.write_text(f"before\n{begin}old\n{end}\nafter\n", encoding="utf-8")

    clips.main(["--data", "there", "--weights", str(tmp_path / "weights"), "--limit", "4", "--write"])

    printed = capsys.readouterr().out
    assert clips.RESULTS.read_text(encoding="utf-8") == f"before\n{begin}{printed}{end}\nafter\n"
    assert "| 0.5 s | `attn_cnn` |" in printed
    assert "| 4 s | mean of the 2 |" in printed
    assert "| spatial attention of `attn_cnn` |" in printed


def test_the_documentation_has_a_place_for_the_tables():
    document = (Path(__file__).parents[1] / "docs" / "results.md").read_text(encoding="utf-8")
    assert all(marker in document for marker in markers("clips"))
