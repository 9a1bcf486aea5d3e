"""Metrics and comparisons against values worked out by hand or published."""

import json

import numpy as np
import pytest

from fer_models.emotions import EMOTIONS
from fer_models.estimates import Estimate
from fer_models.evaluation.comparison import compare
from fer_models.evaluation.metrics import confusion_matrix, summarise, wilson_interval
from fer_models.evaluation.mirror import mirror_test


def one_hot(predictions) -> np.ndarray:
    return np.eye(7, dtype=np.float32)[list(predictions)]


# Ten images. angry: 2 of 3 right, one taken for sad. disgust: 1 of 1. fear: 0 of 1, taken for surprise. happy: 2 of 2.
# sad: 1 of 2, one taken for angry. surprise: 1 of 1. neutral: no image, never predicted.
LABELS = np.array([0, 0, 0, 1, 2, 3, 3, 4, 4, 5])
PREDICTED = np.array([0, 0, 4, 1, 5, 3, 3, 4, 0, 5])


def test_confusion_matrix_has_true_emotions_in_its_rows():
    expected = np.zeros((7, 7), dtype=int)
    expected[0, [0, 4]] = 2, 1
    expected[1, 1] = 1
    expected[2, 5] = 1
    expected[3, 3] = 2
    expected[4, [0, 4]] = 1, 1
    expected[5, 5] = 1
    np.testing.assert_array_equal(confusion_matrix(LABELS, PREDICTED), expected)
    assert summarise(LABELS, one_hot(PREDICTED))["confusion_matrix"] == expected.tolist()


def test_summary_of_ten_images_worked_out_by_hand():
    summary = summarise(LABELS, one_hot(PREDICTED))
    assert summary["n"] == 10
    assert summary["accuracy"] == pytest.approx(0.7)
    recalls = (2 / 3, 1.0, 0.0, 1.0, 0.5, 1.0, None)
    assert summary["recall"] == pytest.approx(dict(zip(EMOTIONS, recalls, strict=True)))
    # F1 = 2 TP / (true + predicted): 4/6, 2/2, 0/1, 4/4, 2/4, 2/3, and 0 for the emotion that never occurs.
    assert summary["macro_f1"] == pytest.approx((4 / 6 + 1 + 0 + 1 + 1 / 2 + 2 / 3 + 0) / 7)


def test_summary_can_be_stored_as_strict_json():
    summary = summarise(LABELS, one_hot(PREDICTED))
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_an_empty_split_is_refused():
    with pytest.raises(ValueError, match="no images"):
        summarise(np.array([], dtype=int), np.zeros((0, 7)))


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (50, 100, 0.4038, 0.5962),
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, table I
        (15, 148, 0.0624, 0.1605),  # Newcombe 1998, table I
        (1, 29, 0.0061, 0.1718),  # Newcombe 1998, table I
    ],
)
def test_wilson_interval_against_published_values(successes, trials, low, high):
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=5e-5)


def paired_predictions(both: int, only_first: int, only_second: int, neither: int):
    """Labels and two sets of probabilities with the given numbers of right answers."""
    first_right = [1] * both + [1] * only_first + [0] * only_second + [0] * neither
    second_right = [1] * both + [0] * only_first + [1] * only_second + [0] * neither
    return np.ones(len(first_right), dtype=int), one_hot(first_right), one_hot(second_right)


def test_mcnemar_exact_counts_only_the_disagreements():
    # Two-sided binomial: 2 (C(10,0) + C(10,1)) / 2^10 = 22/1024.
    found = compare(*paired_predictions(both=40, only_first=1, only_second=9, neither=50))
    assert (found.only_first, found.only_second) == (1, 9)
    assert found.difference.mean == pytest.approx(0.08)
    assert found.p_value == pytest.approx(22 / 1024)
    assert found.is_significant
    few_agreements = compare(*paired_predictions(both=0, only_first=1, only_second=9, neither=0))
    assert few_agreements.p_value == pytest.approx(found.p_value)


def test_swapping_the_models_turns_the_comparison_round():
    labels, first, second = paired_predictions(both=300, only_first=30, only_second=50, neither=120)
    forward, backward = compare(labels, first, second), compare(labels, second, first)
    assert forward.difference.mean == -backward.difference.mean
    assert forward.p_value == backward.p_value
    turned = (-backward.difference.high, -backward.difference.low)
    assert (forward.difference.low, forward.difference.high) == pytest.approx(turned, abs=0.005)


def test_models_that_are_right_on_the_same_images_do_not_differ():
    found = compare(*paired_predictions(both=6, only_first=0, only_second=0, neither=4))
    assert (found.difference, found.p_value) == (Estimate(0.0, 0.0, 0.0), 1.0)
    assert not found.is_significant


def test_bootstrap_interval_is_that_of_a_normal_mean_for_many_images():
    n, only_first, only_second = 3589, 300, 400
    found = compare(*paired_predictions(2000, only_first, only_second, n - 2000 - only_first - only_second))
    mean = (only_second - only_first) / n
    deviation = np.sqrt(((only_first + only_second) / n - mean**2) / n)
    expected = (mean - 1.96 * deviation, mean + 1.96 * deviation)
    assert (found.difference.low, found.difference.high) == pytest.approx(expected, abs=0.0006)


def test_bootstrap_interval_covers_the_true_difference_as_often_as_it_says():
    generator = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        only_first, only_second, rest = generator.multinomial(400, [0.10, 0.15, 0.75])
        difference = compare(*paired_predictions(rest, only_first, only_second, 0)).difference
        covered += difference.low <= 0.05 <= difference.high
    assert 0.90 <= covered / 200 <= 0.99


def test_the_same_seed_gives_the_same_interval():
    pairs = paired_predictions(both=300, only_first=30, only_second=50, neither=120)
    assert compare(*pairs, seed=3) == compare(*pairs, seed=3)
    assert compare(*pairs, seed=3).difference != compare(*pairs, seed=4).difference


def test_the_mirror_test_worked_out_by_hand():
    # Four faces that are happy (3): both views say happy; only the face does, and so does the mean; both say sad (4),
    # twice. The mean's confidences are 0.9, 0.55, 0.6 and 0.8: the least confident face is the one that changes.
    happy = np.float64([[0.9, 0.8, 0.3, 0.2], [0.9, 0.3, 0.5 - 1e-9, 0.2]])
    views = np.zeros((2, 4, 7))
    views[..., 3], views[..., 4] = happy, 1 - happy
    found = mirror_test(np.full(4, 3), views)
    assert found["changed"] == 0.25
    assert (found["where_same"]["n"], found["where_same"]["accuracy"]) == (3, pytest.approx(1 / 3))
    assert (found["where_changed"]["n"], found["where_changed"]["accuracy"]) == (1, 1.0)
    assert found["least_confident"]["accuracy"] == 1.0
    assert found["where_same"]["accuracy_interval"] == list(wilson_interval(1, 3))
    assert mirror_test(np.full(1, 3), views[:, :1])["where_changed"] == {
        "n": 0,
        "accuracy": None,
        "accuracy_interval": [None, None],
    }
