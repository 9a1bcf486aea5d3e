"""Noisy linear imputation: takes pixels away without leaving a hole whose shape gives them away."""

import numpy as np
import scipy.sparse as sparse
from scipy.sparse.linalg import spsolve

from fer_models.data.images import FER_SIZE

# Rong et al.'s own, of a range of 1: so that the model cannot recognise imputed pixels by their smoothness.
NOISE = 0.01 * 255


def _smoothness() -> sparse.csr_array:
    """Per pixel: its value minus its neighbours' weighted mean, 1/6 for each at a side and 1/12 at each corner.

    At the frame, where neighbours are missing, the rest count as much as they did. Sparse (2304, 2304), symmetric.
    """
    steps = sparse.diags_array([1.0, 1.0], offsets=[-1, 1], shape=(FER_SIZE, FER_SIZE))
    stay = sparse.eye_array(FER_SIZE)
    weights = (sparse.kron(steps, stay) + sparse.kron(stay, steps)) / 6 + sparse.kron(steps, steps) / 12
    return sparse.csr_array(sparse.diags_array(weights.sum(axis=1)) - weights)


SMOOTHNESS = _smoothness()


def impute(face: np.ndarray, removed: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Replaces pixels by what their surroundings suggest.

    Every removed pixel becomes the weighted mean of its eight neighbours, removed ones among them: one sparse linear
    system. Up to the noise this equals pytorch-grad-cam's NoisyLinearImputer, whose noise cannot be seeded.

    Args:
        face: uint8 (48, 48).
        removed: bool (48, 48), not all True.
        noise: float (48, 48), in grey levels, added to what is imputed.

    Returns:
        uint8 (48, 48).

    Source: Rong et al., "A Consistent and Efficient Evaluation Strategy for Attribution Methods", ICML 2022,
    arXiv:2202.00449, section 4.
    """
    imputed, gone = face.copy(), removed.ravel()
    equations = SMOOTHNESS[gone]
    values = spsolve(equations[:, gone].tocsc(), -equations[:, ~gone] @ face.ravel()[~gone].astype(np.float64))
    imputed[removed] = np.clip(np.rint(values + noise[removed]), 0, 255)
    return imputed
