"""Baseline heat maps, which do not depend on the model."""

import numpy as np
from scipy.ndimage import sobel

from fer_models.data.images import FER_SIZE
from fer_models.evidence.pixels import to_pixels


def random_map(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Uniform noise on a grid (h, w), interpolated to float32 (48, 48).

    Use the grid of the map under test. Finer noise is a weaker baseline: single pixels are easily imputed from their
    neighbours.
    """
    return to_pixels(rng.random(shape))


def centred_gaussian() -> np.ndarray:
    """A Gaussian in the centre of the picture, float (48, 48). Its width does not change the order of the pixels."""
    squared = (np.arange(FER_SIZE) - (FER_SIZE - 1) / 2) ** 2
    return np.exp(-np.add.outer(squared, squared) / (2 * (FER_SIZE / 4) ** 2))


def edge_map(face: np.ndarray) -> np.ndarray:
    """The magnitude of a face's Sobel gradient: uint8 (48, 48) -> float (48, 48)."""
    grey = face.astype(np.float64)
    return np.hypot(sobel(grey, axis=0), sobel(grey, axis=1))
