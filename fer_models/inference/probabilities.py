"""Temperature scaling, prediction sets, and the Jensen-Shannon divergence between models."""

import numpy as np
from scipy.special import softmax
from scipy.stats import entropy

from fer_models.emotions import EMOTIONS


def to_probabilities(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Logits (..., 7) -> probabilities float32 (..., 7), softmax(logits / temperature) (Guo et al. 2017)."""
    return softmax(logits.astype(np.float64) / temperature, axis=-1).astype(np.float32)


def prediction_set(probabilities: np.ndarray, threshold: float) -> tuple[str, ...]:
    """Returns the emotions in a face's prediction set, most likely first.

    Args:
        probabilities: floats (7,) in the order of EMOTIONS, scaled with the model's temperature.
        threshold: the model's `conformal_threshold`.

    Returns:
        One to seven emotions. The most likely one is always included, so a set is never empty.
    """
    members = set_members(probabilities[None], threshold)[0]
    return tuple(EMOTIONS[i] for i in np.argsort(-probabilities, kind="stable") if members[i])


def set_members(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """Returns which emotions are in each face's prediction set, bool (N, 7), from probabilities (N, 7)."""
    members = 1 - probabilities <= threshold
    members[np.arange(len(members)), probabilities.argmax(axis=1)] = True
    return members


def likeliest_set(probabilities: np.ndarray, mass: float) -> tuple[str, ...]:
    """Returns the likeliest emotions that together have a probability of at least `mass`, most likely first.

    Args:
        probabilities: floats (7,) in the order of EMOTIONS.
        mass: in [0, 1]; `mass_threshold` fits it to a coverage.

    Returns:
        One to seven emotions, as few as possible.
    """
    before = mass_before(probabilities)
    likeliest, *others = np.argsort(-probabilities, kind="stable")
    return tuple(EMOTIONS[i] for i in (likeliest, *(i for i in others if before[i] < mass)))


def mass_before(probabilities: np.ndarray) -> np.ndarray:
    """The total probability of the emotions that are likelier than each one, (..., 7) from (..., 7)."""
    is_likelier = probabilities[..., None, :] > probabilities[..., :, None]
    return (is_likelier * probabilities[..., None, :]).sum(axis=-1)


def jensen_shannon(distributions: np.ndarray) -> float:
    """Generalised Jensen-Shannon divergence (Lin 1991, section IV), divided by its maximum.

    The divergence is the entropy of the mean minus the mean of the entropies, with equal weights. For M distributions
    it is at most log2(M) bits; logarithms to base M instead of 2 divide by that maximum.

    Args:
        distributions: floats (M, 7), one model's probabilities per row, M at least 1.

    Returns:
        0 if all distributions are equal (or there is only one), 1 if no two of them overlap.
    """
    if len(distributions) == 1:
        return 0.0
    probabilities = distributions.astype(np.float64)
    base = len(probabilities)
    divergence = entropy(probabilities.mean(axis=0), base=base) - entropy(probabilities, base=base, axis=1).mean()
    return float(np.clip(divergence, 0, 1))  # rounding can move the difference out of bounds
