"""Heat maps on the 48x48 pixels of a face: interpolation and ranking."""

import numpy as np
import torch
import torch.nn.functional as F

from fer_models.data.images import FER_SIZE


def to_pixels(heatmap: np.ndarray) -> np.ndarray:
    """Interpolates a heat map of any size to the pixels of the face.

    Args:
        heatmap: (h, w), real and finite.

    Returns:
        float32 (48, 48), bilinearly interpolated; the same values if the heat map already has that size. Interpolated
        in double precision, so that pixels between equal cells stay equal instead of being ordered by rounding errors.

    Raises:
        ValueError: the heat map is not (h, w), is empty, or holds values that are not finite.
    """
    heatmap = np.asarray(heatmap, dtype=np.float64)
    if heatmap.ndim != 2 or 0 in heatmap.shape:
        raise ValueError(f"The heat map has shape {heatmap.shape}: pass one map (h, w).")
    if not np.isfinite(heatmap).all():
        raise ValueError("The heat map holds NaN or infinite values: replace them by finite ones.")
    cells = torch.from_numpy(heatmap)[None, None]
    return F.interpolate(cells, size=(FER_SIZE, FER_SIZE), mode="bilinear", align_corners=False)[0, 0].float().numpy()


def hottest_first(heat: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Ranks pixels by their heat, with ties in random order.

    A threshold would select too many pixels where many are equal; often half of a CAM is zero.

    Args:
        heat: (48, 48).
        rng: orders the ties.

    Returns:
        int64 (2304,), indices into `heat.ravel()`, each once.
    """
    shuffled = rng.permutation(heat.size)
    return shuffled[np.argsort(-heat.ravel()[shuffled], kind="stable")]
