"""Temperature scaling and expected calibration error: whether a confidence of 80 % is right in 80 % of the cases."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, logsumexp

BINS = 15
TEMPERATURES = (0.01, 100.0)


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature that minimises the negative log-likelihood (Guo et al. 2017, section 4.2).

    It changes a model's confidence, never its predictions from one view. The search is limited to TEMPERATURES: the
    result is near the lower bound if the model is always right, and near the upper one if it is no better than chance.

    Args:
        logits: floats (N, 7), unscaled, for images that the model was not trained on; or (V, N, 7) for V views of each
            image, whose probabilities are averaged.
        labels: integers (N,), indices into EMOTIONS.

    Returns:
        A value in TEMPERATURES, rounded to four decimals, so that machines with different rounding errors agree.
    """
    views = logits.astype(np.float64).reshape(-1, len(labels), logits.shape[-1])

    def negative_log_likelihood_at(log_temperature: float) -> float:
        true = log_softmax(views / np.exp(log_temperature), axis=2)[:, np.arange(len(labels)), labels]
        return -(logsumexp(true, axis=0) - np.log(len(views))).mean()

    # For one view convex in 1/T, hence unimodal in log T.
    found = minimize_scalar(negative_log_likelihood_at, bounds=np.log(TEMPERATURES), options={"xatol": 1e-7})
    return round(float(np.exp(found.x)), 4)


def negative_log_likelihood(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The mean of -ln p(true emotion). A p of 0 counts as float32's smallest normal number, to stay finite."""
    true = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(true, np.finfo(np.float32).tiny)).mean(dtype=np.float64))


def reliability(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The data of a reliability diagram: images binned by confidence (Guo et al. 2017, equations 2 and 3).

    Args:
        labels: integers (N,), indices into EMOTIONS.
        probabilities: floats (N, 7).

    Returns:
        Three arrays (BINS,) for BINS equal bins of (0, 1]: the number of images whose top probability is in the bin,
        the mean of these probabilities, and the accuracy on these images. The last two are 0 in empty bins.
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
    """The gap between confidence and accuracy per bin, averaged over the images (Naeini et al. 2015), in [0, 1]."""
    counts, confidence, accuracy = reliability(labels, probabilities)
    return float(counts @ abs(accuracy - confidence) / counts.sum())
