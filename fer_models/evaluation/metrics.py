"""Classification metrics: accuracy with its interval, macro-F1, calibration error, recall and confusion matrix."""

from typing import Any

import numpy as np
from scipy.stats import binomtest

from fer_models.emotions import EMOTIONS
from fer_models.evaluation.calibration import expected_calibration_error, negative_log_likelihood


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a proportion (Wilson 1927), which stays within [0, 1] and is accurate near its ends."""
    interval = binomtest(successes, trials).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Counts images by true and predicted emotion.

    Args:
        labels: integers (N,), indices into EMOTIONS.
        predictions: integers (N,), indices into EMOTIONS.

    Returns:
        int64 (7, 7); rows are the true emotions, columns the predicted ones.
    """
    counts = np.zeros((len(EMOTIONS), len(EMOTIONS)), dtype=np.int64)
    np.add.at(counts, (labels, predictions), 1)
    return counts


def summarise(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, Any]:
    """The metrics of one split, as stored in metrics.json.

    Args:
        labels: integers (N,), indices into EMOTIONS.
        probabilities: floats (N, 7); the prediction is the largest in each row.

    Returns:
        n, accuracy, accuracy_interval [low, high], macro_f1, ece (expected calibration error), recall (by
        emotion), all fractions in [0, 1], nll (negative log-likelihood in nats) and confusion_matrix (7 lists of 7
        counts, rows are the true emotions). The recall of an emotion without images is None; an emotion that is
        neither present nor predicted counts as 0 in macro-F1.

    Raises:
        ValueError: there are no images.
    """
    if len(labels) == 0:
        raise ValueError("There are no images to evaluate: pass a split with at least one.")
    counts = confusion_matrix(labels, probabilities.argmax(axis=1))
    correct, true, predicted = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    # F1 = 2 TP / (2 TP + FP + FN); the denominator is the number of true plus the number of predicted images.
    f1 = 2 * correct / np.maximum(true + predicted, 1)
    return {
        "n": len(labels),
        "accuracy": float(correct.sum() / len(labels)),
        "accuracy_interval": list(wilson_interval(int(correct.sum()), len(labels))),
        "macro_f1": float(f1.mean()),
        "ece": expected_calibration_error(labels, probabilities),
        "nll": negative_log_likelihood(labels, probabilities),
        "recall": {emotion: float(c / t) if t else None for emotion, c, t in zip(EMOTIONS, correct, true, strict=True)},
        "confusion_matrix": counts.tolist(),
    }
