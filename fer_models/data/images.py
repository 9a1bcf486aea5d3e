"""Image preprocessing: reduction to 48x48 grey pixels as in FER-2013, then enlargement to the model's size."""

import numpy as np
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

FER_SIZE = 48

# Colour behind transparent pixels: neutral grey, which adds little contrast next to dark or light contents.
BACKGROUND = (128, 128, 128)


def to_grey48(face: Image.Image | np.ndarray) -> np.ndarray:
    """Reduces a cropped face to the resolution of FER-2013.

    A sharp photo has detail that the training images lack, so every face is reduced to 48x48 pixels first.

    Args:
        face: a PIL image of any mode, or uint8 (H, W) or (H, W, 3). Transparent pixels become neutral
            grey; modes "I" and "F" are read as values of 0 to 255, as in PIL.

    Returns:
        uint8 (48, 48), luma of ITU-R 601-2 (PIL's mode "L"), averaged over each pixel's area, or bilinear if the face
        is smaller; an array (48, 48) is returned unchanged.

    Raises:
        ValueError: PIL cannot convert the mode of the image to grey.
    """
    if isinstance(face, np.ndarray) and face.shape == (FER_SIZE, FER_SIZE):
        return face
    image = face if isinstance(face, Image.Image) else Image.fromarray(face)
    if image.mode.startswith("I;16"):  # 16 bits per pixel, which PIL would clip at 255 instead of scaling
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    try:
        grey = opaque(image).convert("L")
    except ValueError as error:
        raise ValueError(f"An image of mode {image.mode!r} cannot become grey. Convert it to RGB first.") from error
    if min(grey.size) < FER_SIZE:  # smaller than 48 pixels: interpolate instead of averaging
        return np.asarray(grey.resize((FER_SIZE, FER_SIZE), Image.Resampling.BILINEAR))
    # PIL's box filter does not weight partly covered pixels, so below 100 px it nearly selects single pixels.
    means = _area_shares(grey.height) @ np.asarray(grey) @ _area_shares(grey.width).T
    return np.rint(means).astype(np.uint8)


def opaque(image: Image.Image) -> Image.Image:
    """Returns the image on BACKGROUND if it may have transparent pixels, else unchanged."""
    if not image.has_transparency_data:
        return image
    ground = Image.new("RGBA", image.size, (*BACKGROUND, 255))
    return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")


def _area_shares(size: int) -> np.ndarray:
    """Matrix (48, size): the share of each of the 48 pixels along a side that each image pixel covers."""
    edges = np.linspace(0, FER_SIZE, size + 1)
    pixels = np.arange(FER_SIZE)[:, None]
    return edges[1:].clip(pixels, pixels + 1) - edges[:-1].clip(pixels, pixels + 1)


def enlarge(images: Tensor, size: int) -> Tensor:
    """Converts stored grey faces to a model's input.

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
