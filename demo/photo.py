"""From an uploaded file to face crops: opened, faces found, cropped. Does not import the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike

import numpy as np
from PIL import Image

from demo.uploads import open_image
from fer_models.data.images import to_grey48
from fer_models.evidence import MEAN_LANDMARKS
from fer_models.faces import Face, Progress, crop_face, face_square, find_faces, is_one_face, landmarks_in_crop

DISPLAY_SIDE = 336


@dataclass(frozen=True, eq=False)
class FaceCrop:
    """A face cut out of a photo.

    Attributes:
        picture: grey PIL image, square and upright, at most DISPLAY_SIDE pixels per side: maps are drawn over it.
        pixels: uint8 (48, 48): the input of the models.
        landmarks: float32 (5, 2) in units of the side, see `region_masks`: the detector's, or FER-2013's mean landmarks
            where nothing was detected.
        is_face: whether it is known to be one face, found in the photo or filling it.
        roll: by how many degrees the face was turned clockwise in the photo; 0 if it was cropped as it was.
    """

    picture: Image.Image
    pixels: np.ndarray
    landmarks: np.ndarray
    is_face: bool = True
    roll: float = 0.0


def read_photo(path: str | PathLike[str], progress: Progress | None = None) -> list[FaceCrop]:
    """The faces in an uploaded file, the largest first, and last the whole picture as one face.

    A picture that is one cropped face already is not cropped again: it is the only one returned. For `progress` see
    `find_faces`.

    Raises:
        UploadError: the file cannot be used; the message is a sentence for the visitor.
    """
    image = open_image(path)
    faces = find_faces(image, progress)
    if is_one_face(image, faces):
        return [_whole(image, faces[0] if faces else None, is_face=True)]
    return [*(_face(image, face) for face in faces), _whole(image, None, is_face=False)]


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


def _face(image: Image.Image, face: Face) -> FaceCrop:
    square = crop_face(image, face)
    return FaceCrop(
        _picture(square), to_grey48(square), landmarks_in_crop(face_square(image, face), face), roll=face.roll
    )


def _whole(image: Image.Image, face: Face | None, is_face: bool) -> FaceCrop:
    """The picture's middle square, with the landmarks of a face found in it."""
    square = crop_face(image, None)
    landmarks = np.array(MEAN_LANDMARKS, dtype=np.float32)
    if face:
        landmarks = landmarks_in_crop(face_square(image, None), face)
    return FaceCrop(_picture(square), to_grey48(square), landmarks, is_face)


def _picture(square: Image.Image) -> Image.Image:
    picture = square.convert("L")
    picture.thumbnail((DISPLAY_SIDE, DISPLAY_SIDE))
    return picture
