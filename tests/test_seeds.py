"""Attention over several seeds: what is read, Welch's interval, and the words that follow from it."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from fer_models.checkpoints import EvaluationError, read_config
from fer_models.evaluation.results import Variant
from fer_models.evaluation.seeds import (
    CBAM,
    SPATIAL_ATTENTION,
    STUDIES,
    Study,
    finding,
    findings,
    gain,
    read_seeds,
    render_seeds,
    reported_gain,
    spread,
)

WEIGHTS = Path(__file__).parents[1] / "weights"

WITHOUT, _, SIGMOID, SOFTMAX = SPATIAL_ATTENTION.control, *SPATIAL_ATTENTION.alternatives
# Two runs each: the means are 71 and 72 %, and both variances 0.0002.
RUNS = {WITHOUT: {0: 0.70, 1: 0.72}, SOFTMAX: {0: 0.71, 1: 0.73}}


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
    store(tmp_path / "without_attention" / "attn_cnn", 0, 7)
    store(tmp_path / "without_attention" / "seed4" / "attn_cnn", 4, 6)
    store(tmp_path / "softmax_attention" / "seed0" / "attn_cnn", 0, 8)
    assert read_seeds(tmp_path) == {}  # one run has no standard deviation
    store(tmp_path / "softmax_attention" / "seed1" / "attn_cnn", 1, 9)
    store(tmp_path / "attn_cnn", 0, 10)  # the shipped model has another recipe
    store(tmp_path / "paper" / "attn_cnn", 0, 10)  # and so has a variant without seeds
    attention = {SPATIAL_ATTENTION: {WITHOUT: {0: 0.7, 4: 0.6}, SOFTMAX: {0: 0.8, 1: 0.9}}}
    assert read_seeds(tmp_path) == attention

    for seed, right in enumerate((5, 6)):
        store(tmp_path / "short" / f"seed{seed}" / "resnet50_cbam", seed, right)
    assert read_seeds(tmp_path) == attention  # nothing to compare CBAM with
    for seed, right in enumerate((4, 7)):
        store(tmp_path / "short" / f"seed{seed}" / "resnet50", seed, right)
    cbam = {CBAM.control: {0: 0.4, 1: 0.7}, CBAM.alternatives[0]: {0: 0.5, 1: 0.6}}
    assert read_seeds(tmp_path) == {CBAM: cbam} | attention

    config = tmp_path / "short" / "seed1" / "resnet50" / "config.json"
    config.write_text(config.read_text().replace('"sha256": "0"', '"sha256": "1"'))
    with pytest.raises(EvaluationError, match=r"predictions.safetensors belongs to other weights .*again, or delete"):
        read_seeds(tmp_path)


def test_welchs_interval_by_hand():
    # The standard error is sqrt(0.0002 / 2 + 0.0002 / 2), with 2 degrees of freedom, whose t is 4.3027 at 97.5 %.
    found = gain([0.70, 0.72], [0.71, 0.73])
    assert found.mean == pytest.approx(0.01)
    half = 4.3027 * np.sqrt(0.0002)
    assert (found.low, found.high) == pytest.approx((0.01 - half, 0.01 + half), abs=1e-6)


def test_the_tables_by_hand():
    cbam = {CBAM.control: {0: 0.70, 1: 0.72}, CBAM.alternatives[0]: {0: 0.71, 1: 0.73}}
    seeds = {CBAM: cbam, SPATIAL_ATTENTION: RUNS | {SIGMOID: {1: 0.59, 2: 0.61}}}
    said, first, about_cbam, second, about_attention = render_seeds(seeds).split("\n\n")
    assert said.endswith("Table I of the student paper has\n`resnet50_cbam` 23.9 points above `resnet50`.")
    assert about_cbam == finding(CBAM, cbam) and about_attention == finding(*list(seeds.items())[1])
    assert findings(seeds) == f"{about_cbam} {about_attention}" and findings({}) == render_seeds({}) == ""
    columns = "mean | standard deviation | difference [95 % interval] |"
    assert first.splitlines()[0] == f"| model | recipe | seed 0 | seed 1 | {columns}"
    assert first.splitlines()[3] == "| `resnet50_cbam` | `short` | 71.0 | 73.0 | **72.0** | 1.4 | +1.0 [−5.1, +7.1] |"
    head, _, control, softmax, sigmoid = second.splitlines()
    assert head == f"| model | recipe | seed 0 | seed 1 | seed 2 | {columns}"
    assert control == "| `attn_cnn` | `without_attention` | 70.0 | 72.0 | – | **71.0** | 1.4 | – |"
    assert softmax.endswith("`softmax_attention` | 71.0 | 73.0 | – | **72.0** | 1.4 | +1.0 [−5.1, +7.1] |")
    assert sigmoid.endswith("`sigmoid_attention` | – | 59.0 | 61.0 | **60.0** | 1.4 | −11.0 [−17.1, −4.9] |")


@pytest.mark.parametrize(
    ("kinds", "verdict"),
    [
        ({"a": 0.715}, "No gain from sharp eyes was found in 4 trainings of owls: +0.5 points (95 % interval −"),
        ({"a": 0.80, "b": 0.715}, "Sharp eyes helped (a/owl) in 6 trainings of owls: +0.5 to +9.0 points"),
        ({"a": 0.60, "b": 0.60}, "Sharp eyes cost accuracy (a/owl, b/owl) in 6"),
        ({"a": 0.60, "b": 0.80}, "Some kinds of sharp eyes helped (b/owl), others cost accuracy (a/owl) in 6"),
    ],
)
def test_the_sentence_follows_from_the_figures(kinds, verdict):
    control = Variant("owl", "blind")
    runs = {Variant("owl", recipe): {0: mean - 0.001, 1: mean + 0.001} for recipe, mean in kinds.items()}
    study = Study("sharp eyes", "trainings of owls", control, tuple(runs))
    assert finding(study, {control: {0: 0.709, 1: 0.711}} | runs).startswith(verdict)


def test_the_sentence_names_the_range_of_the_differences():
    runs = RUNS | {SIGMOID: {0: 0.72, 1: 0.74}}
    assert finding(SPATIAL_ATTENTION, runs).endswith("+1.0 to +2.0 points (95 % intervals from −5.1 to +8.1).")
    assert finding(SPATIAL_ATTENTION, RUNS).endswith(": +1.0 points (95 % interval −5.1 to +7.1).")


def test_the_spread_is_the_range_of_the_standard_deviations():
    assert spread({SPATIAL_ATTENTION: RUNS | {SIGMOID: {1: 0.60, 2: 0.60}}}) == "0.0 to 1.4 points"


def test_the_papers_case_for_attention():
    assert reported_gain() == pytest.approx(67.4 - 43.5)


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.subject)
def test_the_stored_runs_have_the_same_settings_but_for_attention_and_seed(study):
    runs = read_seeds(WEIGHTS)[study]
    assert {training: sorted(accuracies) for training, accuracies in runs.items()} == {
        training: [0, 1, 2] for training in (study.control, *study.alternatives)
    }
    folders = [
        file.parent
        for training in runs
        for place in ("", "seed*/")
        for file in (WEIGHTS / training.recipe).glob(f"{place}{training.name}/config.json")
    ]
    first, *others = (settings(read_config(folder)) for folder in folders)
    assert len(folders) == 3 * len(runs) and all(other == first for other in others)


def settings(config: dict) -> dict:
    """What all runs of a study must have in common."""
    may_differ = {"command", "recipe", "architecture", "rate_factors", "seed", "hours", "machine", "date", "versions"}
    training = config["training"]
    common = {
        "architecture": without(config["architecture"], {"attention", "reduction"}),
        "backbone_parts": without(training["backbone_parts"], {"cbam"}),
    }
    return without(training, may_differ) | common


def without(values: dict, keys: set[str]) -> dict:
    return {key: value for key, value in values.items() if key not in keys}


def test_runs_with_other_seeds_are_stored_without_weights():
    assert not list(WEIGHTS.glob("*/seed*/**/model.safetensors"))  # 4 to 48 MB each, and nothing loads them
