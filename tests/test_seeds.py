"""Spatial attention over several seeds: what is read, Welch's interval, and the words that follow from it."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from fer_models.checkpoints import EvaluationError, read_config
from fer_models.evaluation.seeds import CONTROL, finding, gain, read_seeds, render_seeds, reported_gain

WEIGHTS = Path(__file__).parents[1] / "weights"

# Two runs each: the means are 71 and 72 %, and both variances 0.0002.
SEEDS = {CONTROL: {0: 0.70, 1: 0.72}, "softmax_attention": {0: 0.71, 1: 0.73}}


def store(folder: Path, seed: int, right: int) -> None:
    """A run that is right on the first `right` of ten angry faces."""
    folder.mkdir(parents=True)
    config = {key: "" for key in ("name", "architecture", "temperature", "conformal_threshold")}
    (folder / "config.json").write_text(json.dumps(config | {"sha256": "0", "training": {"seed": seed}}))
    probabilities = np.eye(7, dtype=np.float32)[(np.arange(10) >= right).astype(int)]
    arrays = {
        "labels": np.zeros(10, np.uint8),
        "leak_free": np.ones(10, bool),
        "probabilities": probabilities,
        "views": np.stack([probabilities] * 2),
    }
    save_file(arrays, folder / "predictions.safetensors", metadata={"weights_sha256": "0"})


def test_runs_are_read_from_the_folders_of_their_seeds_and_from_a_complete_checkpoint(tmp_path):
    store(tmp_path / CONTROL / "attn_cnn", 0, 7)
    store(tmp_path / CONTROL / "seed4" / "attn_cnn", 4, 6)
    store(tmp_path / "softmax_attention" / "seed0" / "attn_cnn", 0, 8)
    assert read_seeds(tmp_path) == {}  # one run has no standard deviation
    store(tmp_path / "softmax_attention" / "seed1" / "attn_cnn", 1, 9)
    store(tmp_path / "attn_cnn", 0, 10)  # the shipped model has another recipe
    store(tmp_path / "paper" / "attn_cnn", 0, 10)  # and so has a variant without seeds
    assert read_seeds(tmp_path) == {CONTROL: {0: 0.7, 4: 0.6}, "softmax_attention": {0: 0.8, 1: 0.9}}

    config = tmp_path / CONTROL / "seed4" / "attn_cnn" / "config.json"
    config.write_text(config.read_text().replace('"sha256": "0"', '"sha256": "1"'))
    with pytest.raises(EvaluationError, match=r"predictions.safetensors belongs to other weights .*again, or delete"):
        read_seeds(tmp_path)


def test_welchs_interval_by_hand():
    # The standard error is sqrt(0.0002 / 2 + 0.0002 / 2), with 2 degrees of freedom, whose t is 4.3027 at 97.5 %.
    found = gain([0.70, 0.72], [0.71, 0.73])
    assert found.mean == pytest.approx(0.01)
    half = 4.3027 * np.sqrt(0.0002)
    assert (found.low, found.high) == pytest.approx((0.01 - half, 0.01 + half), abs=1e-6)


def test_the_table_by_hand():
    _, table, sentence = render_seeds(SEEDS | {"sigmoid_attention": {1: 0.59, 2: 0.61}}).split("\n\n")
    head, _, control, softmax, sigmoid = table.splitlines()
    assert head == "| recipe | seed 0 | seed 1 | seed 2 | mean | standard deviation | difference [95 % interval] |"
    assert control == "| `without_attention` | 70.0 | 72.0 | – | **71.0** | 1.4 | – |"
    assert softmax == "| `softmax_attention` | 71.0 | 73.0 | – | **72.0** | 1.4 | +1.0 [−5.1, +7.1] |"
    assert sigmoid.startswith("| `sigmoid_attention` | – | 59.0 | 61.0 | **60.0** | 1.4 | −11.0 [−17.1, −4.9]")
    assert sentence.endswith("Table I of the student paper has `resnet50_cbam` 23.9 points above `resnet50`.")
    assert render_seeds({}) == ""


@pytest.mark.parametrize(
    ("kinds", "verdict"),
    [
        ({"a": 0.715}, "No gain from spatial attention was found: in 4 trainings of Attention CNN"),
        ({"a": 0.80, "b": 0.715}, "Spatial attention helps (a): in 6 trainings"),
        ({"a": 0.60, "b": 0.60}, "Spatial attention costs accuracy (a, b): "),
        ({"a": 0.60, "b": 0.80}, "Some kinds of spatial attention help (b), others cost accuracy (a): "),
    ],
)
def test_the_sentence_follows_from_the_figures(kinds, verdict):
    runs = {recipe: {0: mean - 0.001, 1: mean + 0.001} for recipe, mean in kinds.items()}
    assert finding({CONTROL: {0: 0.709, 1: 0.711}} | runs).startswith(verdict)


def test_the_sentence_names_the_range_of_the_differences():
    said = finding(SEEDS)
    assert said.endswith("change the mean accuracy by +1.0 to +1.0 points (95 % intervals from −5.1 to +7.1).")


def test_the_papers_case_for_attention():
    assert reported_gain() == pytest.approx(67.4 - 43.5)


def test_the_stored_runs_have_the_same_settings_but_for_attention_and_seed():
    seeds = read_seeds(WEIGHTS)
    assert {recipe: sorted(runs) for recipe, runs in seeds.items()} == {
        recipe: [0, 1, 2] for recipe in (CONTROL, "multihead_attention", "sigmoid_attention", "softmax_attention")
    }
    may_differ = {"command", "recipe", "architecture", "seed", "hours", "machine", "date", "versions"}
    folders = [WEIGHTS / CONTROL / "attn_cnn", *sorted(WEIGHTS.glob("*/seed*/attn_cnn"))]
    trainings = [{"rate_factors": {}} | read_config(folder)["training"] for folder in folders]
    alike = [{key: value for key, value in training.items() if key not in may_differ} for training in trainings]
    assert len(alike) == 12 and all(other == alike[0] for other in alike)
    architectures = [{**read_config(folder)["architecture"], "attention": None} for folder in folders]
    assert all(other == architectures[0] for other in architectures)
    assert not list(WEIGHTS.glob("*/seed*/**/model.safetensors"))  # 4 MB each, and nothing loads them
