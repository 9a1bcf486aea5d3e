"""Colour-mapped overlays for a face, and pictures as data URLs."""

import base64
import io

import numpy as np
from matplotlib import colormaps
from PIL import Image

# Perceptually uniform, readable for colour-blind visitors, and unlike anything in a grey face.
COLOUR_MAP = "inferno"
LAYER_SIDE = 224

_palette = (255 * colormaps[COLOUR_MAP](np.linspace(0, 1, 256))[:, :3]).round().astype(np.uint8)


def heat_layer(values: np.ndarray) -> Image.Image:
    """Colours a map of any size, smoothly enlarged first so that every colour on the way is one of the colour map.

    Args:
        values: float (h, w) in [0, 1].

    Returns:
        A palette image of LAYER_SIDE pixels per side whose pixels are round(255 * value).
    """
    cells = Image.fromarray(values.astype(np.float32))
    smooth = np.asarray(cells.resize((LAYER_SIDE, LAYER_SIDE), Image.Resampling.BICUBIC))
    layer = Image.fromarray(np.rint(255 * smooth.clip(0, 1)).astype(np.uint8), mode="P")
    layer.putpalette(_palette.tobytes())
    return layer


def scaled_attention(attention: np.ndarray) -> np.ndarray:
    """Attention (h, w) for `heat_layer`: from 0 to 1, or to its maximum if that is larger.

    It is not stretched from its own minimum: gates between 0.881 and 0.882 would look like a choice of places.
    """
    return attention / max(1.0, float(attention.max()))


def colour_ramp() -> str:
    """The colour map from 0 to 1 as a CSS background."""
    stops = ", ".join("#" + bytes(_palette[index]).hex() for index in range(0, 256, 15))
    return f"linear-gradient(to right, {stops})"


def data_url(image: Image.Image) -> str:
    """The picture as a data URL, so that no file with a visitor's face is written or served."""
    kind = "png" if image.mode == "P" else "jpeg"
    buffer = io.BytesIO()
    image.save(buffer, kind, quality=85)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
