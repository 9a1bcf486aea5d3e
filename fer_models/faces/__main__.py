"""`python -m fer_models.faces data/fer2013` measures the crop margins of `fer_models.faces.geometry` again."""

import argparse

import numpy as np

from fer_models.data.fer2013 import load_fer2013
from fer_models.faces import find_faces, frame


def measure_margin(images: np.ndarray) -> np.ndarray:
    """The face boxes in FER-2013 images, uint8 (N, 48, 48) -> float (M, 4): width, height, centre x, centre y.

    In units of the image's side, for the M images in which exactly one face is found, nearly upright.
    """
    boxes = []
    for pixels in images:
        faces = find_faces(frame(pixels))
        if len(faces) == 1 and faces[0].roll == 0:
            x0, y0, x1, y1 = (np.array(faces[0].box) - 96) / 192
            boxes.append((x1 - x0, y1 - y0, (x0 + x1) / 2, (y0 + y1) / 2))
    return np.array(boxes).reshape(-1, 4)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m fer_models.faces", description="Measures the crop margins of FER-2013's faces."
    )
    parser.add_argument("data", help="path to FER-2013, in any form that train.py accepts")
    parser.add_argument("--images", type=int, default=1000, help="number of training images (default: %(default)s)")
    arguments = parser.parse_args()
    images = load_fer2013(arguments.data).train.images.cpu().numpy()
    images = np.random.default_rng(0).permutation(images)[: arguments.images]
    margins = measure_margin(images)
    print(f"one upright face found in {len(margins)} of {len(images)} images")
    quartiles = np.percentile(margins, (25, 50, 75), axis=0)
    for name, (low, median, high) in zip(("width", "height", "centre x", "centre y"), quartiles.T, strict=True):
        print(f"box {name:8}  median {median:.3f}, quartiles {low:.3f} to {high:.3f}")


if __name__ == "__main__":
    main()
