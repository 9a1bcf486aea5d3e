"""Scales and colours of the maps on the page, and pictures as data URLs."""

import base64
import io

import numpy as np
from PIL import Image

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


def data_url(image: Image.Image) -> str:
    """The picture as a data URL, so that no file with a visitor's face is written or served."""
    kind = "png" if image.mode == "P" else "jpeg"
    buffer = io.BytesIO()
    image.save(buffer, kind, quality=85)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
