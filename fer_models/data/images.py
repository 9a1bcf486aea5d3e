"""Image preprocessing: reduction to 48x48 grey pixels as in FER-2013, then enlargement to the model's size."""

import numpy as np
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

FER_SIZE = 48

# Colour behind transparent pixels: neutral grey, which adds little contrast next to dark or light contents.
BACKGROUND = (128, 128, 128)


def to_grey48(face: Image.Image | np.ndarray, called: str = "The face") -> np.ndarray:
    """Reduces a cropped face to the resolution of FER-2013.

    A sharp photo has detail that the training images lack, so every face is reduced to 48x48 pixels first.

    Args:
        face: a PIL image of any mode, or a uint8 array, grey (H, W) or RGB (H, W, 3). Transparent pixels become neutral
            grey; modes "I" and "F" are read as values of 0 to 255, as in PIL.
        called: what errors call the face.

    Returns:
        uint8 (48, 48), luma of ITU-R 601-2 (PIL's mode "L"), averaged over each pixel's area, or bilinear if the face
        is smaller; an array (48, 48) is returned unchanged.

    Raises:
        TypeError: the face is neither a PIL image nor a uint8 array.
        ValueError: it has no pixels, its array is not (H, W) or (H, W, 3), or PIL cannot convert its mode to grey.
    """
    _check_face(face, called)
    if isinstance(face, np.ndarray) and face.shape == (FER_SIZE, FER_SIZE):
        return face
    image = face if isinstance(face, Image.Image) else Image.fromarray(face)
    try:
        grey = opaque(_without_16_bits(image)).convert("L")
    except ValueError as error:
        raise ValueError(f"An image of mode {image.mode!r} cannot become grey. Convert it to RGB first.") from error
    if min(grey.size) < FER_SIZE:  # smaller than 48 pixels: interpolate instead of averaging
        return np.asarray(grey.resize((FER_SIZE, FER_SIZE), Image.Resampling.BILINEAR))
    # PIL's box filter does not weight partly covered pixels, so below 100 px it nearly selects single pixels.
    means = _area_shares(grey.height) @ np.asarray(grey) @ _area_shares(grey.width).T
    return np.rint(means).astype(np.uint8)


def _check_face(face: object, called: str) -> None:
    if isinstance(face, Image.Image):
        if 0 in face.size:
            raise ValueError(f"{called} is empty: an image of {face.width}x{face.height} pixels.")
        return
    if not isinstance(face, np.ndarray):
        raise TypeError(
            f"{called} is a {type(face).__name__}: pass a PIL image, or a uint8 array, grey (H, W) or RGB (H, W, 3)."
        )
    if face.dtype != np.uint8:
        raise TypeError(
            f"{called} has dtype {face.dtype}, whose range of values is not defined: convert it to uint8 in "
            "0..255, for example values in [0, 1] with (255 * face).round().astype(np.uint8)."
        )
    if 0 in face.shape or not (face.ndim == 2 or (face.ndim == 3 and face.shape[2] == 3)):
        raise ValueError(f"{called} has shape {face.shape}: pass grey (H, W) or RGB (H, W, 3), H and W at least 1.")


def as_rgb(image: Image.Image) -> Image.Image:
    """Returns the image in mode "RGB", unchanged if it has it; transparent pixels become neutral grey."""
    return image if image.mode == "RGB" else opaque(_without_16_bits(image)).convert("RGB")


def _without_16_bits(image: Image.Image) -> Image.Image:
    """Scales 16 bits per pixel to 8, which PIL would clip at 255 instead; other images are unchanged."""
    if not image.mode.startswith("I;16"):
        return image
    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))


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
