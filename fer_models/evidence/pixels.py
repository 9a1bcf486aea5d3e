"""Heat maps on the face's own 48x48 pixels: the grid of everything that a model knows about a face."""

import numpy as np
import torch
import torch.nn.functional as F

from fer_models.data.images import FER_SIZE


def to_pixels(heatmap: np.ndarray) -> np.ndarray:
    """Brings a heat map of any size to the face's pixels.

    Args:
        heatmap: (h, w), real and finite.

    Returns:
        float32 (48, 48), bilinearly interpolated; the heat map itself if it has that size. Computed in double precision
        first, so that between equal cells all pixels are equal, and no rounding error gives them an order.

    Raises:
        ValueError: it is not (h, w), or holds values that are not finite.
    """
    heatmap = np.asarray(heatmap, dtype=np.float64)
    if heatmap.ndim != 2 or 0 in heatmap.shape:
        raise ValueError(f"The heat map has shape {heatmap.shape}: pass one map (h, w).")
    if not np.isfinite(heatmap).all():
        raise ValueError("The heat map holds values that are not finite, so its pixels have no order. Mend it first.")
    cells = torch.from_numpy(heatmap)[None, None]
    return F.interpolate(cells, size=(FER_SIZE, FER_SIZE), mode="bilinear", align_corners=False)[0, 0].float().numpy()


def hottest_first(heat: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Ranks pixels by their heat; equally hot ones come in random order.

    Whoever compares with a threshold instead removes too much where many pixels are equal: half of a CAM is often
    zero.

    Args:
        heat: (48, 48).
        rng: orders what is equally hot.

    Returns:
        int64 (2304,), indices into `heat.ravel()`, each once.
    """
    shuffled = rng.permutation(heat.size)
    return shuffled[np.argsort(-heat.ravel()[shuffled], kind="stable")]
