"""Maps in colour, laid over the face that they belong to, and pictures as data URLs."""

import base64
import io

import cv2
import numpy as np
from PIL import Image

# Perceptually uniform, readable for colour-blind people, and unlike anything in a grey face. A name of Matplotlib's;
# OpenCV, which comes with the face detector, has the same 256 colours.
COLOUR_MAP = "inferno"
PALETTE = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_INFERNO)[:, 0, ::-1]

LAYER_SIDE = 224
OPACITY = 0.55


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
    layer.putpalette(PALETTE.tobytes())
    return layer


def scaled_heatmap(heatmap: np.ndarray) -> np.ndarray:
    """A heat map (h, w), not negative, for `heat_layer`: divided by its maximum; as it is if it is zero everywhere."""
    return heatmap / heatmap.max() if heatmap.any() else heatmap


def scaled_attention(attention: np.ndarray) -> np.ndarray:
    """Attention (h, w) for `heat_layer`: from 0 to 1, or to its maximum if that is larger.

    It is not stretched from its own minimum: gates between 0.881 and 0.882 would look like a choice of places.
    """
    return attention / max(1.0, float(attention.max()))


def overlay(face: Image.Image, values: np.ndarray) -> Image.Image:
    """Lays a map, float (h, w) in [0, 1], over a square face: an RGB picture of LAYER_SIDE pixels per side."""
    below = face.convert("RGB").resize((LAYER_SIDE, LAYER_SIDE), Image.Resampling.BICUBIC)
    return Image.blend(below, heat_layer(values).convert("RGB"), OPACITY)


def data_url(image: Image.Image) -> str:
    """The picture as a data URL, so that no file with somebody's face is written or served."""
    kind = "png" if image.mode == "P" else "jpeg"
    buffer = io.BytesIO()
    image.save(buffer, kind, quality=85)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
