"""Noisy linear imputation: replaces removed pixels without leaving a hole whose shape reveals them."""

import numpy as np
from scipy.linalg import solveh_banded
from scipy.ndimage import convolve

from fer_models.data.images import FER_SIZE

# Rong et al.'s standard deviation (0.01 of the grey range): without noise, imputed pixels are recognisably smooth.
NOISE = 0.01 * 255

# The weights of a pixel's eight neighbours. At the border of the picture, the remaining neighbours keep their weights.
SIDE, CORNER = 1 / 6, 1 / 12
WEIGHTS = np.array([[CORNER, SIDE, CORNER], [SIDE, 0, SIDE], [CORNER, SIDE, CORNER]])
TOTALS = convolve(np.ones((FER_SIZE, FER_SIZE)), WEIGHTS, mode="constant")


def _neighbours() -> tuple[np.ndarray, np.ndarray]:
    """Each pair of neighbours once: its indices in the order of reading, (2, P), the earlier first; and its weight."""
    index = np.arange(FER_SIZE**2).reshape(FER_SIZE, FER_SIZE)
    pairs = [
        (index[:, :-1], index[:, 1:], SIDE),  # to the right
        (index[:-1], index[1:], SIDE),  # below
        (index[:-1, :-1], index[1:, 1:], CORNER),
        (index[:-1, 1:], index[1:, :-1], CORNER),
    ]
    earlier, later, weights = zip(
        *((first.ravel(), second.ravel(), np.full(first.size, weight)) for first, second, weight in pairs), strict=True
    )
    return np.stack([np.concatenate(earlier), np.concatenate(later)]), np.concatenate(weights)


PAIRS, PAIR_WEIGHTS = _neighbours()


def impute(face: np.ndarray, removed: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Replaces removed pixels by values imputed from their surroundings.

    Each removed pixel becomes the weighted mean of its eight neighbours, which may be removed too, so all are solved
    for in one linear system. In the order of reading, neighbours are at most a row and a pixel apart, so its matrix has
    a narrow band. Up to the noise, this equals pytorch-grad-cam's NoisyLinearImputer, whose noise cannot be seeded and
    whose general sparse solver takes twice as long.

    Args:
        face: uint8 (48, 48).
        removed: bool (48, 48), not all True.
        noise: float (48, 48), in grey levels, added to the imputed pixels.

    Returns:
        uint8 (48, 48).

    Source: Rong et al., "A Consistent and Efficient Evaluation Strategy for Attribution Methods", ICML 2022,
    arXiv:2202.00449, section 4.
    """
    number = np.cumsum(removed) - 1  # of each removed pixel
    are_unknown = removed.ravel()[PAIRS].all(axis=0)
    earlier, later = number[PAIRS[:, are_unknown]]
    band = np.zeros((FER_SIZE + 2, np.count_nonzero(removed)))  # band[k, i]: the matrix in row i + k, column i
    band[0] = TOTALS[removed]
    band[later - earlier, earlier] = -PAIR_WEIGHTS[are_unknown]
    from_known = convolve(np.where(removed, 0.0, face), WEIGHTS, mode="constant")[removed]
    values = solveh_banded(band, from_known, lower=True, overwrite_ab=True, overwrite_b=True, check_finite=False)

    imputed = face.copy()
    imputed[removed] = np.clip(np.rint(values + noise[removed]), 0, 255)
    return imputed
