"""Split conformal prediction: sets of emotions that contain the true one with a probability of 90 %.

The sets (Angelopoulos and Bates 2021) use one threshold on the probability, which makes them as small as possible on
average (Sadinle et al. 2019). The 90 % hold over all faces drawn like those that the threshold was fitted to. Single
emotions may be covered less often, so coverage is also measured per emotion.
"""

from math import ceil
from typing import Any

import numpy as np

from fer_models.emotions import EMOTIONS
from fer_models.evaluation.metrics import wilson_interval
from fer_models.inference.probabilities import mass_before, set_members

COVERAGE = 0.9


def conformal_threshold(labels: np.ndarray, probabilities: np.ndarray, coverage: float = COVERAGE) -> float:
    """The highest score, 1 - probability, with which an emotion belongs to a prediction set.

    This is the k-th smallest of n scores, k = ceil(coverage (n + 1)). The set of a further exchangeable face, which the
    + 1 stands for, then contains the true emotion with a probability of at least `coverage`.

    Args:
        labels: integers (N,), indices into EMOTIONS.
        probabilities: floats (N, 7), for images that the model was not trained on.
        coverage: in (0, 1).

    Returns:
        A value in [0, 1]; 1 (all emotions belong to the set) where there are too few images, for 0.9 fewer than nine.
    """
    scores = np.sort(1 - probabilities[np.arange(len(labels)), labels])
    k = ceil(coverage * (len(scores) + 1))
    return float(scores[k - 1]) if k <= len(scores) else 1.0


def mass_threshold(labels: np.ndarray, probabilities: np.ndarray, coverage: float) -> float:
    """The probability that the likeliest emotions must have together, to contain the true one as often as `coverage`.

    These sets (`likeliest_set`) are larger where the probabilities are spread over many emotions, while those of
    `conformal_threshold` have the smallest size on average. They are the adaptive sets of Romano, Sesia and Candès
    (2020, arXiv:2006.02544) without their randomisation: an emotion's score is the probability of all likelier ones.

    Args:
        labels, probabilities, coverage: as in `conformal_threshold`.

    Returns:
        A value in [0, 1]; 1 where there are too few images.
    """
    scores = np.sort(mass_before(probabilities)[np.arange(len(labels)), labels])
    k = ceil(coverage * (len(scores) + 1))
    # The next larger number, because the k-th emotion itself must be in its set.
    return float(np.nextafter(scores[k - 1], 1)) if k <= len(scores) else 1.0


def summarise_sets(labels: np.ndarray, probabilities: np.ndarray, threshold: float) -> dict[str, Any]:
    """Coverage and size of the prediction sets on a split, as stored in metrics.json.

    Args:
        labels: integers (N,), indices into EMOTIONS.
        probabilities: floats (N, 7), scaled with the model's temperature.
        threshold: the model's `conformal_threshold`.

    Returns:
        target (0.9), threshold, coverage (share of sets that contain the true emotion), coverage_interval [low, high],
        mean_size, and by true emotion coverage_by_emotion and mean_size_by_emotion (None for one without images).
    """
    members = set_members(probabilities, threshold)
    covered, sizes = members[np.arange(len(labels)), labels], members.sum(axis=1)

    def by_emotion(values: np.ndarray) -> dict[str, float | None]:
        present = [labels == emotion for emotion in range(len(EMOTIONS))]
        return {
            name: float(values[rows].mean()) if rows.any() else None
            for name, rows in zip(EMOTIONS, present, strict=True)
        }

    return {
        "target": COVERAGE,
        "threshold": threshold,
        "coverage": float(covered.mean()),
        "coverage_interval": list(wilson_interval(int(covered.sum()), len(labels))),
        "mean_size": float(sizes.mean()),
        "coverage_by_emotion": by_emotion(covered),
        "mean_size_by_emotion": by_emotion(sizes),
    }
