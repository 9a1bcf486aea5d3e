"""From the content of a picture's file to its faces, each as the models see it. Runs in other processes."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from fer_models.data.images import to_grey48
from fer_models.data.pictures import open_picture
from fer_models.explanations.overlays import LAYER_SIDE
from fer_models.faces import Face, crop_face, face_square, find_faces, is_one_face


@dataclass(frozen=True, eq=False)
class Crop:
    """A face of a picture.

    Attributes:
        pixels: uint8 (48, 48): the input of the models.
        box: left, top, right, bottom in pixels of the upright picture.
        face: what was detected; None if the picture was taken as one face.
        picture: grey, LAYER_SIDE pixels per side, to draw maps over it; None if there are to be none.
    """

    pixels: np.ndarray
    box: tuple[float, float, float, float]
    face: Face | None
    picture: Image.Image | None


def cut_faces(content: bytes, whole: bool, drawn: bool) -> list[Crop]:
    """Decodes a picture and cuts out its faces, the largest first.

    Args:
        content: of the picture's file.
        whole: whether the picture is one face as it is. One that is not square is then squeezed, as in `predict`.
            Otherwise, one that already is a cropped face (`is_one_face`) is reduced to its middle square, as on the
            page.
        drawn: whether maps will be drawn over the faces.

    Raises:
        PictureError: as `open_picture`.
    """
    image = open_picture(content)
    if whole:
        return [_crop(image, (0, 0, image.width, image.height), None, drawn)]
    faces = find_faces(image)
    if is_one_face(image, faces):
        square = face_square(image, None)
        left, top = square.centre - square.side / 2
        return [_crop(crop_face(image, None), (left, top, left + square.side, top + square.side), None, drawn)]
    return [_crop(crop_face(image, face), face.box, face, drawn) for face in faces]


def _crop(image: Image.Image, box: tuple[float, float, float, float], face: Face | None, drawn: bool) -> Crop:
    picture = image.convert("L").resize((LAYER_SIDE, LAYER_SIDE), Image.Resampling.BICUBIC) if drawn else None
    return Crop(to_grey48(image), box, face, picture)
