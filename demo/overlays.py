"""Scales and colours of the maps on the page."""

import numpy as np

from fer_models.explanations.overlays import PALETTE


def scaled_attention(attention: np.ndarray) -> np.ndarray:
    """Attention (h, w) for `heat_layer`: from 0 to 1, or to its maximum if that is larger.

    It is not stretched from its own minimum: gates between 0.881 and 0.882 would look like a choice of places.
    """
    return attention / max(1.0, float(attention.max()))


def colour_ramp() -> str:
    """The colour map from 0 to 1 as a CSS background."""
    stops = ", ".join("#" + bytes(PALETTE[index]).hex() for index in range(0, 256, 15))
    return f"linear-gradient(to right, {stops})"
