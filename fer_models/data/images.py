"""From any picture of a face to a model's input: grey, 48x48 like FER-2013, then enlarged to the model's size."""

import numpy as np
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

FER_SIZE = 48

# What shows through transparent pixels: neutral grey, which makes an edge with neither dark nor light contents.
BACKGROUND = (128, 128, 128)


def to_grey48(face: Image.Image | np.ndarray) -> np.ndarray:
    """Reduces a cropped face to FER-2013's resolution.

    A sharp photo has detail that FER-2013 never showed a model, so all of it goes through 48x48 pixels first.

    Args:
        face: a PIL image of any mode, or uint8 (H, W) or (H, W, 3). Transparent pixels show neutral grey; modes "I"
            and "F" are taken for values of 0 to 255, as PIL does.

    Returns:
        uint8 (48, 48), luma after ITU-R 601-2 (what PIL's "L" means), averaged over each pixel's area, or bilinear
        where the face is smaller; an array that is such a face already is returned as it is.

    Raises:
        ValueError: the picture is in a mode that PIL cannot turn to grey.
    """
    if isinstance(face, np.ndarray) and face.shape == (FER_SIZE, FER_SIZE):
        return face
    image = face if isinstance(face, Image.Image) else Image.fromarray(face)
    if image.mode.startswith("I;16"):  # 16 bits a pixel, which PIL's conversion would clip at 255 instead of scaling
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    try:
        grey = opaque(image).convert("L")
    except ValueError as error:
        raise ValueError(f"A picture of mode {image.mode!r} cannot become grey. Convert it to RGB first.") from error
    if min(grey.size) < FER_SIZE:  # nothing to average: enlarging has to interpolate
        return np.asarray(grey.resize((FER_SIZE, FER_SIZE), Image.Resampling.BILINEAR))
    # PIL's own box filter counts a pixel wholly or not at all, which below 100 px is nearly to choose single pixels.
    means = _area_shares(grey.height) @ np.asarray(grey) @ _area_shares(grey.width).T
    return np.rint(means).astype(np.uint8)


def opaque(image: Image.Image) -> Image.Image:
    """The picture laid on BACKGROUND if any of it may be transparent, else as it is."""
    if not image.has_transparency_data:
        return image
    ground = Image.new("RGBA", image.size, (*BACKGROUND, 255))
    return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")


def _area_shares(size: int) -> np.ndarray:
    """(48, size): which share of each of the 48 pixels along a side is covered by each of the picture's pixels."""
    edges = np.linspace(0, FER_SIZE, size + 1)
    pixels = np.arange(FER_SIZE)[:, None]
    return edges[1:].clip(pixels, pixels + 1) - edges[:-1].clip(pixels, pixels + 1)


def enlarge(images: Tensor, size: int) -> Tensor:
    """Grey faces as stored -> a model's input.

    Args:
        images: uint8 (N, 48, 48).
        size: the model's side in pixels.

    Returns:
        float32 (N, 3, size, size) in [0, 1], bilinearly interpolated, three equal channels.
    """
    grey = images[:, None].float() / 255
    if grey.shape[-1] != size:
        grey = F.interpolate(grey, size=(size, size), mode="bilinear", align_corners=False)
    return grey.expand(-1, 3, -1, -1)
