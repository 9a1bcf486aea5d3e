"""Temperature, calibration error, prediction sets and disagreement, on cases worked out by hand and on random data."""

import hashlib
import json
from math import ceil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fer_models import predict
from fer_models.architectures import create_model
from fer_models.checkpoints import load_model, save_checkpoint
from fer_models.data.fer2013 import FER2013
from fer_models.emotions import EMOTIONS
from fer_models.evaluation.calibration import (
    BINS,
    TEMPERATURES,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    reliability,
)
from fer_models.evaluation.conformal import conformal_threshold, mass_threshold, summarise_sets
from fer_models.evaluation.evaluate import evaluate_checkpoint
from fer_models.evaluation.metrics import summarise
from fer_models.evaluation.plots import draw_reliability
from fer_models.evaluation.results import read_evaluation
from fer_models.inference.probabilities import jensen_shannon, likeliest_set, prediction_set, to_probabilities

CONFIG = {"widths": [4, 8, 8], "hidden": 16}


def probability_rows(*confidences: float) -> np.ndarray:
    """Float32 (N, 7): the first emotion gets the given probability, the others share the rest."""
    first = np.array(confidences)[:, None]
    return np.hstack([first, np.repeat((1 - first) / 6, 6, axis=1)]).astype(np.float32)


def calibrated_logits(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits (n, 7), and labels drawn with just the probabilities that these stand for."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(scale=2, size=(n, 7))
    # The largest of logits plus Gumbel noise is a draw from their softmax.
    return logits, (logits + generator.gumbel(size=logits.shape)).argmax(axis=1)


def exactly_calibrated() -> tuple[np.ndarray, np.ndarray]:
    """Eight faces with the same logits, 1/4 for the first and 1/8 for the others, and labels in these proportions."""
    probabilities = np.full((8, 7), 1 / 8)
    probabilities[:, 0] = 2 / 8
    return np.log(probabilities), np.array([0, 0, 1, 2, 3, 4, 5, 6])


@pytest.mark.parametrize("factor", [0.5, 1, 3])
def test_the_temperature_undoes_a_scaling_of_calibrated_logits(factor):
    logits, labels = exactly_calibrated()
    assert fit_temperature(factor * logits, labels) == pytest.approx(factor, abs=1e-4)
    logits, labels = calibrated_logits(50_000)
    assert fit_temperature(factor * logits, labels) == pytest.approx(factor, rel=0.02)


def test_the_temperature_of_two_views_is_that_of_their_mean():
    logits, labels = exactly_calibrated()
    assert fit_temperature(np.stack([3 * logits, 3 * logits]), labels) == pytest.approx(3, abs=1e-4)
    # Two views that are each too sure of one of two emotions are together undecided between them, as the labels are.
    views = np.full((2, 4, 7), -20.0)
    views[0, :, 0] = views[1, :, 1] = 5
    labels = np.array([0, 1, 0, 1])
    mean = to_probabilities(views, fit_temperature(views, labels)).mean(axis=0)
    assert negative_log_likelihood(labels, mean) == pytest.approx(np.log(2), abs=1e-3)


def test_the_temperature_has_bounds_where_none_is_best():
    always_right = np.eye(7) / 10
    assert fit_temperature(always_right, np.arange(7)) == pytest.approx(TEMPERATURES[0], rel=0.1)
    assert fit_temperature(always_right, np.arange(7)[::-1]) == pytest.approx(TEMPERATURES[1], rel=0.1)


def test_the_fitted_temperature_lowers_both_errors_of_an_overconfident_model():
    logits, labels = calibrated_logits(4000)
    overconfident = 3 * logits
    before = to_probabilities(overconfident)
    after = to_probabilities(overconfident, fit_temperature(overconfident, labels))
    assert negative_log_likelihood(labels, after) < negative_log_likelihood(labels, before) - 0.1
    assert expected_calibration_error(labels, before) > 0.1
    assert expected_calibration_error(labels, after) < 0.03
    np.testing.assert_array_equal(before.argmax(axis=1), after.argmax(axis=1))


def test_probabilities_are_the_softmax_that_a_prediction_uses():
    torch.manual_seed(0)
    model = create_model("baseline_cnn", **CONFIG).eval()
    model.temperature = 0.01
    face = np.arange(48 * 48, dtype=np.uint32).reshape(48, 48).astype(np.uint8)
    with torch.inference_mode():
        from_page = predict(model, [face])
    logits = []
    model.register_forward_hook(lambda module, inputs, output: logits.append(output.numpy()))
    predict(model, [face])
    np.testing.assert_allclose(to_probabilities(logits[0], 0.01), from_page, rtol=1e-4)


def test_calibration_error_worked_out_by_hand():
    # Bins of width 1/15: 0.50 falls into bin 7 (7/15 to 8/15), 0.90 and 0.92 into bin 13 (13/15 to 14/15).
    probabilities = probability_rows(0.50, 0.50, 0.90, 0.92)
    labels = np.array([0, 1, 0, 2])
    counts, confidence, accuracy = reliability(labels, probabilities)
    assert {i: int(counts[i]) for i in np.flatnonzero(counts)} == {7: 2, 13: 2}
    assert confidence[[7, 13]] == pytest.approx([0.50, 0.91])
    assert accuracy[[7, 13]].tolist() == [0.5, 0.5]
    # Half of the images miss by |0.5 - 0.50|, the other half by |0.5 - 0.91|.
    assert expected_calibration_error(labels, probabilities) == pytest.approx(0.5 * 0 + 0.5 * 0.41)


def test_every_confidence_has_a_bin_up_to_certainty():
    counts, _, _ = reliability(np.zeros(2, int), probability_rows(1 / 7, 1.0))
    assert counts.sum() == 2 and counts[BINS - 1] == 1 and counts[2] == 1


def test_negative_log_likelihood_worked_out_by_hand():
    probabilities = probability_rows(0.5, 0.25)
    assert negative_log_likelihood(np.array([0, 0]), probabilities) == pytest.approx(1.5 * np.log(2))
    impossible = negative_log_likelihood(np.array([1]), np.eye(7, dtype=np.float32)[:1])
    assert impossible == pytest.approx(126 * np.log(2)), "float32's smallest normal number is 2 ** -126"


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (8, 1.0),  # k = ceil(8.1) = 9 of 8: nothing less than every emotion will do
        (9, 9 / 32),  # k = ceil(9.0) = 9
        (10, 10 / 32),  # k = ceil(9.9) = 10, where an uncorrected 90 % of 10 would be the ninth
        (11, 11 / 32),  # k = ceil(10.8) = 11
        (19, 18 / 32),  # k = ceil(18.0) = 18
        (20, 19 / 32),  # k = ceil(18.9) = 19
    ],
)
def test_threshold_is_the_score_with_the_corrected_rank(n, expected):
    scores = np.random.default_rng(n).permutation(n) + 1
    probabilities = probability_rows(*(1 - scores / 32))
    assert conformal_threshold(np.zeros(n, int), probabilities) == expected
    assert conformal_threshold(np.zeros(n, int), probabilities, coverage=0.5) == ceil(0.5 * (n + 1)) / 32


def test_sets_hold_the_truth_as_often_as_promised_and_not_much_oftener():
    coverages = []
    for seed in range(300):
        logits, labels = calibrated_logits(99 + 200, seed)
        probabilities = to_probabilities(2 * logits)  # no calibrated model is needed for it
        threshold = conformal_threshold(labels[:99], probabilities[:99])
        coverages.append(summarise_sets(labels[99:], probabilities[99:], threshold)["coverage"])
    # Without ties, coverage is 90/100 on average over calibration sets of 99; top emotions left out add a little.
    assert 0.895 <= np.mean(coverages) <= 0.92


def test_members_of_a_set_come_likeliest_first():
    probabilities = np.array([0.05, 0, 0.25, 0.5, 0.125, 0, 0.075])
    assert prediction_set(probabilities, 0.75) == ("happy", "fear")
    assert prediction_set(probabilities, 0.74) == ("happy",)
    assert prediction_set(probabilities, 0.1) == ("happy",), "never empty"
    assert set(prediction_set(probabilities, 1.0)) == set(EMOTIONS)


def test_the_likeliest_emotions_are_named_until_they_have_enough_together():
    probabilities = np.array([0.05, 0, 0.25, 0.5, 0.125, 0, 0.075])
    assert likeliest_set(probabilities, 0.5) == ("happy",)
    assert likeliest_set(probabilities, 0.51) == likeliest_set(probabilities, 0.75) == ("happy", "fear")
    assert likeliest_set(probabilities, 0.76) == ("happy", "fear", "sad")
    assert likeliest_set(probabilities, 0) == ("happy",), "never empty"
    assert likeliest_set(np.array([0.5, 0.5, 0, 0, 0, 0, 0]), 0.1) == ("angry", "disgust"), "equals stay together"


def test_the_mass_is_the_score_with_the_corrected_rank():
    # Before the true, first emotion come 0, 0, 0.6 and 0.75: for 60 % of four and one more faces, the third of them.
    probabilities = np.zeros((4, 7))
    probabilities[:, 0], probabilities[:, 1] = [1, 0.75, 0.4, 0.25], [0, 0.25, 0.6, 0.75]
    labels = np.zeros(4, int)
    mass = mass_threshold(labels, probabilities, 0.6)
    assert mass == pytest.approx(0.6) and mass > 0.6
    assert ["angry" in likeliest_set(row, mass) for row in probabilities] == [True, True, True, False]
    assert mass_threshold(labels, probabilities, 0.9) == 1


def test_summary_of_three_sets_worked_out_by_hand():
    # At 0.3 or more: {angry} for the first, {fear, happy} for the second; the third has none, so its top one, sad.
    probabilities = np.zeros((3, 7), np.float32)
    probabilities[0, [0, 1]] = 0.8, 0.2
    probabilities[1, [2, 3, 4]] = 0.5, 0.35, 0.15
    probabilities[2] = [0.1, 0.1, 0.1, 0.1, 0.28, 0.22, 0.1]
    summary = summarise_sets(np.array([0, 3, 0]), probabilities, threshold=0.7)
    assert summary["coverage"] == pytest.approx(2 / 3)
    assert summary["mean_size"] == pytest.approx(4 / 3)
    assert summary["coverage_by_emotion"] == dict.fromkeys(EMOTIONS) | {"angry": 0.5, "happy": 1.0}
    assert summary["mean_size_by_emotion"] == dict.fromkeys(EMOTIONS) | {"angry": 1.0, "happy": 2.0}
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert [len(prediction_set(row, 0.7)) for row in probabilities] == [1, 2, 1]


def test_divergence_is_0_for_equal_and_1_for_disjoint_distributions():
    equal = np.repeat(probability_rows(0.7), 4, axis=0)
    assert jensen_shannon(equal) == pytest.approx(0, abs=1e-6)
    assert jensen_shannon(equal[:1]) == 0
    for models in (2, 3, 4):
        assert jensen_shannon(np.eye(7, dtype=np.float32)[:models]) == pytest.approx(1)


def test_divergence_worked_out_by_hand():
    # Two models, certain of different emotions, and two that give both a half: the mean gives each a half, 1 bit;
    # the four entropies are 0, 0, 1 and 1 bit. (1 - 1/2) / log2(4) = 1/4, in any order.
    distributions = np.zeros((4, 7))
    distributions[0, 0] = distributions[1, 5] = 1
    distributions[2:, [0, 5]] = 0.5
    assert jensen_shannon(distributions) == pytest.approx(0.25)
    assert jensen_shannon(distributions[::-1]) == pytest.approx(0.25)


def test_reliability_diagram_shows_both_temperatures_and_all_images():
    logits, labels = calibrated_logits(500)
    before, after = to_probabilities(3 * logits), to_probabilities(logits)
    above_before, above_after, below_before, below_after = draw_reliability(labels, before, after, "title").axes
    for above, below, probabilities in ((above_before, below_before, before), (above_after, below_after, after)):
        counts, _, accuracy = reliability(labels, probabilities)
        np.testing.assert_allclose([bar.get_height() for bar in above.patches], accuracy)
        np.testing.assert_array_equal([bar.get_height() for bar in below.patches], counts)
        assert above.get_title().endswith(f"ECE {expected_calibration_error(labels, probabilities):.1%}")


@pytest.fixture
def evaluated(tmp_path: Path, small_data: FER2013) -> Path:
    """A small untrained model whose logits are far too large, evaluated; the folder is that of all weights."""
    torch.manual_seed(0)
    model = create_model("baseline_cnn", **CONFIG)
    last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
    last.weight.data *= 100
    folder = tmp_path / "weights" / "baseline_cnn"
    training = {"recipe": "default", "command": "python train.py", "seed": 0, "stages": [[64, 1]], "epochs": 1,
                "hours": 1.0, "backbone_parts": {}, "machine": "m", "data_fingerprint": small_data.fingerprint,
                "versions": {}}  # fmt: skip
    save_checkpoint(model, folder, training)
    return evaluate(folder, small_data)


def evaluate(folder: Path, data: FER2013) -> Path:
    columns = "epoch,size,train_loss,train_accuracy,validation_loss,validation_accuracy"
    (folder / "history.csv").write_text(f"{columns}\n1.0,64,1.8,0.25,1.7,0.3\n")
    evaluate_checkpoint(load_model(folder.name, folder.parent), data, folder)
    return folder


def test_an_evaluation_stores_temperature_and_threshold_and_leaves_the_weights(evaluated, small_data):
    config = json.loads((evaluated / "config.json").read_text())
    assert config["sha256"] == hashlib.sha256((evaluated / "model.safetensors").read_bytes()).hexdigest()
    model = load_model("baseline_cnn", evaluated.parent)
    assert config["temperature"] == model.temperature > 1.5
    assert config["conformal_threshold"] == model.conformal_threshold < 1

    result = read_evaluation(evaluated)
    labels, probabilities = result.predictions.labels, result.predictions.probabilities
    from_page = predict(model, list(small_data.test.images.numpy()))
    np.testing.assert_allclose(from_page, probabilities, atol=1e-5)
    assert result.metrics["conformal"] == summarise_sets(labels, probabilities, model.conformal_threshold)
    uncalibrated = result.metrics["test_uncalibrated"]
    assert uncalibrated["confusion_matrix"] == result.metrics["test"]["confusion_matrix"]
    assert uncalibrated["nll"] > result.metrics["test"]["nll"]

    model.temperature = 1.0
    assert uncalibrated["ece"] == pytest.approx(
        summarise(labels, predict(model, list(small_data.test.images.numpy())))["ece"], abs=1e-4
    )


def test_evaluating_again_changes_nothing(evaluated, small_data):
    names = ("config.json", "metrics.json", "predictions.safetensors", "README.md")
    before = {name: (evaluated / name).read_bytes() for name in names}
    evaluate(evaluated, small_data)
    assert {name: (evaluated / name).read_bytes() for name in names} == before


def test_the_card_shows_calibration_and_coverage(evaluated):
    metrics, card = read_evaluation(evaluated).metrics, (evaluated / "README.md").read_text(encoding="utf-8")
    before, after = (f"{100 * metrics[split]['ece']:.1f} %" for split in ("test_uncalibrated", "test"))
    assert f"calibration error from {before} to {after} (15 bins)" in card
    assert "](reliability.png)" in card
    assert f"in {100 * metrics['conformal']['coverage']:.1f} % of the sets" in card
    sizes = " | ".join(f"{size:.2f}" for size in metrics["conformal"]["mean_size_by_emotion"].values())
    assert f"| emotions per set | {sizes} |" in card
