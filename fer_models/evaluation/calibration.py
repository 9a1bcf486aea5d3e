"""Do the probabilities mean what they say? Of the faces given 80 %, eight in ten should be what the model says."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

BINS = 15
TEMPERATURES = (0.01, 100.0)


def to_probabilities(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Logits (N, 7) -> probabilities float32 (N, 7), softmax(logits / temperature)."""
    return softmax(logits.astype(np.float64) / temperature, axis=1).astype(np.float32)


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature with which the labels are likeliest (Guo et al. 2017, section 4.2).

    It changes how sure a model is and never what it says. The search ends at TEMPERATURES, which is where it ends up
    if the model is always right (the lower) or knows nothing (the upper).

    Args:
        logits: floats (N, 7), unscaled, of images that the model was not trained on.
        labels: integers (N,), indices into EMOTIONS.

    Returns:
        A value in TEMPERATURES, rounded to four decimals: a machine's rounding errors do not show in it.
    """
    logits, rows = logits.astype(np.float64), np.arange(len(labels))

    def negative_log_likelihood_at(log_temperature: float) -> float:
        return -log_softmax(logits / np.exp(log_temperature), axis=1)[rows, labels].mean()

    # Convex in 1/T, so there is a single valley over log T as well.
    found = minimize_scalar(negative_log_likelihood_at, bounds=np.log(TEMPERATURES), options={"xatol": 1e-7})
    return round(float(np.exp(found.x)), 4)


def negative_log_likelihood(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The mean of -ln of the true emotion's probability; one of 0 counts as float32's smallest, to stay finite."""
    true = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(true, np.finfo(np.float32).tiny)).mean(dtype=np.float64))


def reliability(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images sorted into bins by how sure the model is of what it says (Guo et al. 2017, equations 2 and 3).

    Args:
        labels: integers (N,), indices into EMOTIONS.
        probabilities: floats (N, 7).

    Returns:
        Three arrays (BINS,) for BINS equal parts of (0, 1]: the number of images whose top probability falls into the
        part, the mean of these probabilities, and how many of the images the model gets right, as a share. The last
        two are 0 where there are no images.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, BINS + 1)
    bins = np.digitize(confidence, edges[1:-1], right=True)
    counts = np.bincount(bins, minlength=BINS)
    sums = [np.bincount(bins, weights=values, minlength=BINS) for values in (confidence, right)]
    mean_confidence, accuracy = np.divide(sums, counts, out=np.zeros((2, BINS)), where=counts > 0)
    return counts, mean_confidence, accuracy


def expected_calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """By how much confidence and accuracy differ in a bin, averaged over the images (Naeini et al. 2015), in [0, 1]."""
    counts, confidence, accuracy = reliability(labels, probabilities)
    return float(counts @ abs(accuracy - confidence) / counts.sum())
