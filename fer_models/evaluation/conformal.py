"""A set of emotions instead of one: as few as possible, and the true one is among them nine times in ten.

Split conformal prediction (Angelopoulos and Bates 2021) with one threshold on the probability, which gives the
smallest sets on average (Sadinle et al. 2019). What holds nine times in ten is that of all faces like those that the
threshold comes from; a single emotion may be covered less often, so that coverage is also measured by emotion.
"""

from math import ceil

import numpy as np

from fer_models.emotions import EMOTIONS
from fer_models.evaluation.metrics import wilson_interval

COVERAGE = 0.9


def conformal_threshold(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The score, 1 - probability, up to which an emotion belongs to a prediction set.

    With the k-th smallest of n scores, k = ceil(0.9 (n + 1)), a set of a further exchangeable face holds the true
    emotion with a probability of at least 0.9: the + 1 is that face itself.

    Args:
        labels: integers (N,), indices into EMOTIONS.
        probabilities: floats (N, 7), of images that the model was not trained on.

    Returns:
        A value in [0, 1]; 1 (every emotion belongs to the set) for fewer than nine images, which allow no other.
    """
    scores = np.sort(1 - probabilities[np.arange(len(labels)), labels])
    k = ceil(COVERAGE * (len(scores) + 1))
    return float(scores[k - 1]) if k <= len(scores) else 1.0


def prediction_set(probabilities: np.ndarray, threshold: float) -> tuple[str, ...]:
    """The emotions that a face may show, the likeliest first.

    Args:
        probabilities: floats (7,) in the order of EMOTIONS, scaled with the model's temperature.
        threshold: the model's `conformal_threshold`.

    Returns:
        One to seven emotions: the top one always, so that a set is never empty.
    """
    members = _members(probabilities[None], threshold)[0]
    return tuple(EMOTIONS[i] for i in np.argsort(-probabilities, kind="stable") if members[i])


def summarise_sets(labels: np.ndarray, probabilities: np.ndarray, threshold: float) -> dict:
    """How the prediction sets of a split turn out, as it stands in metrics.json.

    Args:
        labels: integers (N,), indices into EMOTIONS.
        probabilities: floats (N, 7), scaled with the model's temperature.
        threshold: the model's `conformal_threshold`.

    Returns:
        target (0.9), threshold, coverage (the share of sets that hold the true emotion), coverage_interval [low, high],
        mean_size, and by true emotion coverage_by_emotion and mean_size_by_emotion (None for one without images).
    """
    members = _members(probabilities, threshold)
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


def _members(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """bool (N, 7): which emotions belong to each face's set."""
    members = 1 - probabilities <= threshold
    members[np.arange(len(members)), probabilities.argmax(axis=1)] = True
    return members
