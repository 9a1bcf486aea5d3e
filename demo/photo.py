"""From an uploaded file to a photo with its faces: opened, faces found, cropped. Does not import the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
from PIL import Image

from fer_models.data.images import to_grey48
from fer_models.data.pictures import TooLargeError, open_picture
from fer_models.evidence import MEAN_LANDMARKS
from fer_models.faces import Face, Progress, Square, crop_face, face_square, find_faces, is_one_face, landmarks_in_crop

# The largest file that is taken. What its picture may be like stands in fer_models/data/pictures.py.
MEGABYTES = 20
TOO_LARGE = f"The file is larger than {MEGABYTES} MB; please make it smaller first."

# Longest sides in pixels of what is drawn: a face under its maps, and the photo.
FACE_SIDE, PHOTO_SIDE = 336, 1024


@dataclass(frozen=True, eq=False)
class FaceCrop:
    """A face cut out of a photo.

    Attributes:
        picture: grey PIL image, square and upright, at most FACE_SIDE pixels per side: maps are drawn over it.
        pixels: uint8 (48, 48): the input of the models.
        landmarks: float32 (5, 2) in units of the side, see `region_masks`: the detector's, or FER-2013's mean landmarks
            where nothing was detected.
        square: where the face is in the photo, in pixels of the uploaded file.
        is_face: whether it is known to be one face, found in the photo or filling it.
        face: what the detector found; None where it found nothing.
    """

    picture: Image.Image
    pixels: np.ndarray
    landmarks: np.ndarray
    square: Square
    is_face: bool = True
    face: Face | None = None


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo and its faces.

    Attributes:
        picture: RGB, at most PHOTO_SIDE pixels on its longest side.
        size: width and height in pixels of the uploaded file.
        crops: the faces, the largest first, and last the whole picture as one face. A picture that is one cropped face
            already is not cropped again: it is the only one.
    """

    picture: Image.Image
    size: tuple[int, int]
    crops: list[FaceCrop]

    @property
    def faces(self) -> list[FaceCrop]:
        """Those of the crops that are known to be faces."""
        return [crop for crop in self.crops if crop.is_face]


def read_photo(file: str | PathLike[str] | bytes, progress: Progress | None = None) -> Photo:
    """Opens a photo, by its path or its content, and finds its faces; for `progress` see `find_faces`.

    Raises:
        PictureError: the file cannot be used; the message is a sentence for the visitor.
    """
    if (len(file) if isinstance(file, bytes) else Path(file).stat().st_size) > MEGABYTES * 2**20:
        raise TooLargeError(TOO_LARGE)
    image = open_picture(file if isinstance(file, bytes) else Path(file).read_bytes())
    faces = find_faces(image, progress)
    if is_one_face(image, faces):
        crops = [_whole(image, faces[0] if faces else None, is_face=True)]
    else:
        crops = [*(_face(image, face) for face in faces), _whole(image, None, is_face=False)]
    picture = image.copy()
    picture.thumbnail((PHOTO_SIDE, PHOTO_SIDE))
    return Photo(picture, image.size, crops)


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
    crop, square = crop_face(image, face), face_square(image, face)
    return FaceCrop(_picture(crop), to_grey48(crop), landmarks_in_crop(square, face), square, face=face)


def _whole(image: Image.Image, face: Face | None, is_face: bool) -> FaceCrop:
    """The picture's middle square, with the landmarks of a face found in it."""
    crop, square = crop_face(image, None), face_square(image, None)
    landmarks = landmarks_in_crop(square, face) if face else np.array(MEAN_LANDMARKS, dtype=np.float32)
    return FaceCrop(_picture(crop), to_grey48(crop), landmarks, square, is_face, face)


def _picture(crop: Image.Image) -> Image.Image:
    picture = crop.convert("L")
    picture.thumbnail((FACE_SIDE, FACE_SIDE))
    return picture
