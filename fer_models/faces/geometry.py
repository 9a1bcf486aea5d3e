"""Where a face is in a picture, and the square that places it as in FER-2013."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from fer_models.data.images import BACKGROUND, as_rgb

# The face's box in a FER-2013 image, in units of the image's side: medians over 1,000 training images (one face is
# found in 969), each enlarged four times and surrounded by a grey border of half its side.
BOX_WIDTH, BOX_HEIGHT = 0.815, 1.027
BOX_CENTRE_X, BOX_CENTRE_Y = 0.502, 0.505

# A turned crop is sampled at two pixels or more per pixel of FER-2013, so that it is blurred only once.
MIN_TURNED_SIDE = 96

Resample = Literal[Image.Resampling.BILINEAR, Image.Resampling.BICUBIC]


@dataclass(frozen=True, eq=False)
class Face:
    """A face found in a picture, with positions in pixels of the picture.

    Attributes:
        box: left, top, right, bottom; may extend beyond the picture. It is meant to be turned by `roll` about its
            centre.
        score: the detector's confidence, in (0, 1].
        landmarks: float32 (5, 2), x and y of the eyes, the tip of the nose and the corners of the mouth; in each pair,
            the one on the left of the upright face comes first.
        roll: by how many degrees the face is turned clockwise, in (-180, 180]. 0 for a face that is nearly upright: it
            is cropped as it is.
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: np.ndarray
    roll: float = 0.0

    @property
    def centre(self) -> np.ndarray:
        """float (2,), x and y of the box's centre."""
        left, top, right, bottom = self.box
        return np.array([(left + right) / 2, (top + bottom) / 2])

    @property
    def area(self) -> float:
        """Of the box, in square pixels."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)

    @property
    def square(self) -> "Square":
        """The square that places the face as in FER-2013."""
        # The side follows from the box's area, which hardly changes when the head tilts: the box gets wider and lower.
        side = max(1, round((self.area / (BOX_WIDTH * BOX_HEIGHT)) ** 0.5))
        offset = np.array([0.5 - BOX_CENTRE_X, 0.5 - BOX_CENTRE_Y]) * side
        if self.roll == 0:
            return Square(np.rint(self.centre + offset - side / 2) + side / 2, side)  # whole pixels
        return Square(self.centre + offset @ _axes(self.roll), side, self.roll)


@dataclass(frozen=True, eq=False)
class Square:
    """A square in a picture, turned clockwise by `roll` degrees about its centre; it may extend beyond the picture.

    Attributes:
        centre: float (2,), x and y in pixels.
        side: in pixels.
        roll: in degrees.
    """

    centre: np.ndarray
    side: int
    roll: float = 0.0

    @property
    def axes(self) -> np.ndarray:
        """float (2, 2): the unit vectors to the right and down, as rows."""
        return _axes(self.roll)


def face_square(image: Image.Image, face: Face | None) -> Square:
    """Returns the face's square; if `face` is None, the largest square in the middle of the picture."""
    if face is not None:
        return face.square
    side = min(image.size)
    return Square((np.array(image.size) - side) // 2 + side / 2, side)


def crop_square(
    image: Image.Image,
    square: Square,
    side: int | None = None,
    resample: Resample = Image.Resampling.BICUBIC,
) -> Image.Image:
    """Cuts out a square, turned upright. Beyond the picture, the pixels at its edge are repeated.

    Args:
        image: an RGB picture.
        square: what to cut out.
        side: pixels per side of the result; by default, those of the square. A square that is not turned is copied
            pixel by pixel at its own size.
        resample: bilinear is faster.
    """
    side = side or square.side
    if square.roll == 0 and side == square.side:
        left, top = np.rint(square.centre - side / 2).astype(int)
        return _region(image, left, top, side, side)
    # The part of the picture that holds the turned square, then one sampling of it.
    reach = square.side / 2 * np.abs(square.axes).sum(axis=0) + 2
    left, top = np.floor(square.centre - reach).astype(int)
    width, height = np.ceil(2 * reach).astype(int) + 1
    part = _region(image, left, top, width, height)
    scale = square.side / side
    matrix = scale * square.axes.T  # from pixels of the result to pixels of the part
    shift = square.centre - (left, top) - matrix @ np.full(2, side / 2)
    coefficients = np.column_stack([matrix, shift]).ravel().tolist()
    return part.transform((side, side), Image.Transform.AFFINE, coefficients, resample)


def crop_face(image: Image.Image, face: Face | None) -> Image.Image:
    """Crops a picture of any mode to `face_square`, upright. Returns an RGB picture.

    Beyond the picture, the pixels at its edge are repeated. Transparent pixels become neutral grey.
    """
    square = face_square(image, face)
    return crop_square(as_rgb(image), square, None if square.roll == 0 else max(square.side, MIN_TURNED_SIDE))


def landmarks_in_crop(square: Square, face: Face) -> np.ndarray:
    """The face's landmarks, float32 (5, 2), relative to the upper left corner of a square, in units of its side."""
    return ((face.landmarks - square.centre) @ square.axes.T / square.side + 0.5).astype(np.float32)


def frame(pixels: np.ndarray) -> Image.Image:
    """Puts a FER-2013 image, uint8 (48, 48), into an RGB picture: enlarged to 192 px in the middle of 384 grey ones."""
    picture = Image.new("RGB", (384, 384), BACKGROUND)
    picture.paste(Image.fromarray(pixels).resize((192, 192), Image.Resampling.BICUBIC), (96, 96))
    return picture


def roll_of(landmarks: np.ndarray) -> float:
    """By how many degrees a face is turned clockwise, in (-180, 180], from its landmarks (5, 2).

    The direction from eye to eye and the direction from the eyes to the mouth, turned by a right angle, are added.
    """
    across = landmarks[1] - landmarks[0]
    down = (landmarks[3] + landmarks[4] - landmarks[0] - landmarks[1]) / 2
    return float(np.degrees(np.arctan2(across[1] - down[0], across[0] + down[1])))


def _axes(roll: float) -> np.ndarray:
    cosine, sine = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    return np.array([[cosine, sine], [-sine, cosine]])


def _region(image: Image.Image, left: int, top: int, width: int, height: int) -> Image.Image:
    """A rectangle of the picture, of whole pixels; beyond the picture, the pixels at its edge are repeated."""
    if left >= 0 and top >= 0 and left + width <= image.width and top + height <= image.height:
        return image.crop((left, top, left + width, top + height))
    rows = np.clip(np.arange(top, top + height), 0, image.height - 1)
    columns = np.clip(np.arange(left, left + width), 0, image.width - 1)
    first_row, first_column = rows[0], columns[0]
    pixels = np.asarray(image.crop((first_column, first_row, columns[-1] + 1, rows[-1] + 1)))
    return Image.fromarray(pixels[np.ix_(rows - first_row, columns - first_column)])
