"""Noisy linear imputation: replaces removed pixels without leaving a hole whose shape reveals them."""

import numpy as np
import scipy.sparse as sparse
from scipy.sparse.linalg import spsolve

from fer_models.data.images import FER_SIZE

# Rong et al.'s standard deviation (0.01 of the grey range): without noise, imputed pixels are recognisably smooth.
NOISE = 0.01 * 255


def _smoothness() -> sparse.csr_array:
    """Each pixel minus the weighted mean of its neighbours, as a symmetric sparse matrix (2304, 2304).

    The weights are 1/6 for neighbours that share a side and 1/12 for those that share a corner. At the border, the
    remaining neighbours keep their weights.
    """
    steps = sparse.diags_array([1.0, 1.0], offsets=[-1, 1], shape=(FER_SIZE, FER_SIZE))
    stay = sparse.eye_array(FER_SIZE)
    weights = (sparse.kron(steps, stay) + sparse.kron(stay, steps)) / 6 + sparse.kron(steps, steps) / 12
    return sparse.csr_array(sparse.diags_array(weights.sum(axis=1)) - weights)


SMOOTHNESS = _smoothness()


def impute(face: np.ndarray, removed: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Replaces removed pixels by values imputed from their surroundings.

    Each removed pixel becomes the weighted mean of its eight neighbours, which may be removed too, so all are solved
    for in one sparse linear system. Up to the noise, this equals pytorch-grad-cam's NoisyLinearImputer, whose noise
    cannot be seeded.

    Args:
        face: uint8 (48, 48).
        removed: bool (48, 48), not all True.
        noise: float (48, 48), in grey levels, added to the imputed pixels.

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
