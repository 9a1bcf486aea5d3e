"""Heat maps that know nothing of the model: what a heat map has to beat."""

import numpy as np
from scipy.ndimage import sobel

from fer_models.data.images import FER_SIZE
from fer_models.evidence.pixels import to_pixels


def random_map(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Noise on the grid (h, w) of the map to be judged, float32 (48, 48).

    Just as coarse as that map: single random pixels are easily imputed from their neighbours, so that any blob at all
    would look better than those.
    """
    return to_pixels(rng.random(shape))


def centred_gaussian() -> np.ndarray:
    """The nearer to the centre, the hotter, float (48, 48); its width does not matter where only ranks count."""
    squared = (np.arange(FER_SIZE) - (FER_SIZE - 1) / 2) ** 2
    return np.exp(-np.add.outer(squared, squared) / (2 * (FER_SIZE / 4) ** 2))


def edge_map(face: np.ndarray) -> np.ndarray:
    """The strength of the edges in a face, uint8 (48, 48): the magnitude of Sobel's gradient, float (48, 48)."""
    grey = face.astype(np.float64)
    return np.hypot(sobel(grey, axis=0), sobel(grey, axis=1))
