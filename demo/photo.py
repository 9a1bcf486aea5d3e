"""From an uploaded file to face crops: opened, faces found, cropped. Does not import the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike

import numpy as np
from PIL import Image

from demo.uploads import open_image
from fer_models.data.images import to_grey48
from fer_models.evidence import MEAN_LANDMARKS
from fer_models.faces import Face, crop_face, find_faces, landmarks_in_crop

DISPLAY_SIDE = 336


@dataclass(frozen=True, eq=False)
class FaceCrop:
    """A face cut out of a photo.

    Attributes:
        picture: grey PIL image, square, at most DISPLAY_SIDE pixels per side: maps are drawn over it.
        pixels: uint8 (48, 48): the input of the models.
        landmarks: float32 (5, 2) in units of the side, see `region_masks`: the detector's, or FER-2013's mean landmarks
            where nothing was detected.
    """

    picture: Image.Image
    pixels: np.ndarray
    landmarks: np.ndarray


def read_photo(path: str | PathLike[str]) -> list[FaceCrop]:
    """The faces in an uploaded file, the largest first, and last the whole picture as one face.

    Raises:
        UploadError: the file cannot be used; the message is a sentence for the visitor.
    """
    image = open_image(path)
    return [_crop(image, face) for face in (*find_faces(image), None)]


def cover(crop: FaceCrop, cells: Sequence[int]) -> np.ndarray:
    """The face, uint8 (48, 48), with some pixels replaced by its mean grey, as in a deletion curve.

    Args:
        crop: the face.
        cells: indices into its 2,304 pixels, row by row.

    Raises:
        ValueError: an index is not a pixel's.
    """
    covered = crop.pixels.copy()
    if not all(isinstance(cell, int) and 0 <= cell < covered.size for cell in cells):
        raise ValueError(f"The cells to cover are not all whole numbers from 0 to {covered.size - 1}.")
    covered.ravel()[list(cells)] = round(float(crop.pixels.mean()))
    return covered


def _crop(image: Image.Image, face: Face | None) -> FaceCrop:
    square = crop_face(image, face)
    picture = square.convert("L")
    picture.thumbnail((DISPLAY_SIDE, DISPLAY_SIDE))
    landmarks = landmarks_in_crop(image, face) if face else np.array(MEAN_LANDMARKS, dtype=np.float32)
    return FaceCrop(picture, to_grey48(square), landmarks)
