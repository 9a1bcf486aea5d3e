"""How turning a picture changes a model's accuracy, from the picture through face detection and cropping to the answer.

    python -m fer_models.evaluation.turned_faces --data data/fer2013

Each test face is enlarged to 192 px on a grey picture of 384 px, which is turned. As on the page, the largest face that
is found is cropped; where none is found, the answer counts as wrong. The same faces are compared at all angles.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from fer_models.architectures import MODELS
from fer_models.checkpoints import default_weights_dir, load_model
from fer_models.data.fer2013 import load_fer2013
from fer_models.data.images import BACKGROUND, to_grey48
from fer_models.estimates import Estimate, estimate
from fer_models.faces import crop_face, find_faces, frame
from fer_models.inference import predict
from fer_models.markdown import markdown_table

ANGLES = (0, 10, 20, 30, 45, 60, 90, 135, 180, 270)


def crop_turned(pixels: np.ndarray, angle: float) -> np.ndarray | None:
    """Turns a FER-2013 face, finds it again and crops it.

    Args:
        pixels: uint8 (48, 48).
        angle: degrees clockwise.

    Returns:
        uint8 (48, 48), or None if no face was found.
    """
    picture = frame(pixels).rotate(-angle, Image.Resampling.BICUBIC, fillcolor=BACKGROUND)
    faces = find_faces(picture)
    return to_grey48(crop_face(picture, faces[0])) if faces else None


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m fer_models.evaluation.turned_faces",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", required=True, metavar="PATH", help="path to FER-2013")
    parser.add_argument("--weights", type=Path, default=default_weights_dir(), metavar="DIR")
    parser.add_argument("--model", choices=MODELS, default="attn_cnn", help="default: %(default)s")
    parser.add_argument("--images", type=int, default=1000, metavar="N", help="number of faces; default: %(default)s")
    parser.add_argument(
        "--split",
        choices=("validation", "test"),
        default="test",
        help="validation (PublicTest) to choose settings, test (PrivateTest) to report them; default: %(default)s",
    )
    options = parser.parse_args()
    split = getattr(load_fer2013(options.data), options.split)
    chosen = np.random.default_rng(0).permutation(len(split))[: options.images]
    faces, labels = split.images[chosen].cpu().numpy(), split.labels[chosen].cpu().numpy()
    model = load_model(options.model, options.weights)

    rows, upright = [], None
    for angle in tqdm(ANGLES, desc="angles"):
        crops = [crop_turned(face, angle) for face in faces]
        found = [index for index, crop in enumerate(crops) if crop is not None]
        answers = predict(model, [crop for crop in crops if crop is not None]).argmax(axis=1)
        right = np.zeros(len(faces))
        right[found] = answers == labels[found]
        upright = right if upright is None else upright
        rows.append(_row(angle, len(found) / len(faces), right, right - upright))
    as_it_is = np.mean(predict(model, list(faces)).argmax(axis=1) == labels)
    print(markdown_table(("turned by", "found", "accuracy", "minus upright [95 % interval]"), rows))
    print(f"\n`{options.model}` on {len(faces)} faces of the {options.split} split, in percent.")
    print(f"The same faces without detection and cropping: {100 * as_it_is:.1f}.")


def _row(angle: float, found: float, right: np.ndarray, change: np.ndarray) -> tuple[str, ...]:
    difference = estimate(change) or Estimate(0, 0, 0)
    gain, low, high = (f"{100 * value:+z.1f}" for value in (difference.mean, difference.low, difference.high))
    return (
        f"{angle}°",
        f"{100 * found:.1f}",
        f"{100 * right.mean():.1f}",
        "–" if angle == 0 else f"{gain} [{low}, {high}]",
    )


if __name__ == "__main__":
    main()
