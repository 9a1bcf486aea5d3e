"""How far several models agree about one face."""

import numpy as np
from scipy.stats import entropy


def jensen_shannon(distributions: np.ndarray) -> float:
    """The generalised Jensen-Shannon divergence (Lin 1991, section IV) as a share of its largest possible value.

    The entropy of the mean minus the mean of the entropies, all weighted alike, is at most log2(M) bits for M
    distributions; taking logarithms to base M instead of 2 divides by that.

    Args:
        distributions: floats (M, 7), one model's probabilities a row, M at least 1.

    Returns:
        0 if all models say the same (or there is only one), 1 if no two of them give the same emotion a chance.
    """
    if len(distributions) == 1:
        return 0.0
    probabilities = distributions.astype(np.float64)
    base = len(probabilities)
    divergence = entropy(probabilities.mean(axis=0), base=base) - entropy(probabilities, base=base, axis=1).mean()
    return float(np.clip(divergence, 0, 1))  # the difference may miss the bounds by a rounding error
