"""From an uploaded photo to what the models say about a face. Knows nothing of the page."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
from PIL import Image

from demo.faces import Face, crop_face, find_faces, landmarks_in_crop
from demo.uploads import open_image
from fer_models import MODEL_NAMES, CheckpointError, EmotionModel, Explanation, explain, load_model
from fer_models.data.images import to_grey48
from fer_models.evaluation.explanations import FRACTIONS
from fer_models.evidence import (
    MEAN_LANDMARKS,
    Faithfulness,
    SanityCheck,
    faithfulness,
    predict_levelled,
    sanity_check,
)

TITLES = {
    "baseline_cnn": "Baseline CNN",
    "resnet50": "ResNet-50",
    "attn_cnn": "Attention CNN",
    "resnet50_cbam": "ResNet-50 + CBAM",
}

# The layers that a visitor may explain, the same for all models: counted from the last convolutional stage, or the
# output of the attention module.
LAYERS = {
    "last convolutional stage (default)": -1,
    "one stage earlier": -2,
    "two stages earlier": -3,
    "attention output, where there is one": "attention",
}

DISPLAY_SIDE = 336


@dataclass(frozen=True, eq=False)
class Crop:
    """A face as the page handles it.

    picture: grey PIL image, square, at most DISPLAY_SIDE pixels a side: what maps are drawn over.
    pixels: uint8 (48, 48): what the models are given.
    landmarks: float32 (5, 2) in units of the side, see `region_masks`: the detector's, or where FER-2013's faces have
        them if there was nothing to detect.
    """

    picture: Image.Image
    pixels: np.ndarray
    landmarks: np.ndarray


def load_models(weights_dir: str | PathLike[str]) -> tuple[dict[str, EmotionModel], list[str]]:
    """The models that can be loaded, by name, and a sentence for each one that cannot."""
    models, problems = {}, []
    for name in MODEL_NAMES:
        try:
            models[name] = load_model(name, weights_dir)
        except CheckpointError as error:
            problems.append(f"{TITLES[name]} is left out: {error}")
    return models, problems


def read_photo(path: str | PathLike[str]) -> list[Crop]:
    """The faces in an uploaded file, the largest first, and last the whole picture taken for one face.

    Raises:
        UploadError: the file cannot be used; the message is a sentence for the visitor.
    """
    image = open_image(Path(path))
    return [_crop(image, face) for face in (*find_faces(image), None)]


def _crop(image: Image.Image, face: Face | None) -> Crop:
    square = crop_face(image, face)
    picture = square.convert("L")
    picture.thumbnail((DISPLAY_SIDE, DISPLAY_SIDE))
    landmarks = landmarks_in_crop(image, face) if face else np.float32(MEAN_LANDMARKS)
    return Crop(picture, to_grey48(square), landmarks)


def explain_face(
    models: dict[str, EmotionModel], crop: Crop, emotion: str | None, layer: int | str, method: str
) -> Iterator[Explanation]:
    """Each model's explanation of one face, as soon as it is there.

    Args:
        models: by name.
        crop: the face.
        emotion: the emotion to explain; None for each model's own prediction.
        layer: a value of LAYERS.
        method: a key of METHODS.
    """
    for model in models.values():
        yield from explain(model, [crop.pixels], emotion, method, stage_of(model, layer))


@dataclass(frozen=True, eq=False)
class Evidence:
    """What speaks for and against one model's heat map of one face.

    faithfulness: whether the model uses what the map shows.
    sanity: whether the map depends on what the network has learned.
    levelled: float32 (7,), the probabilities if attention let every place through alike; None without attention.
    """

    explanation: Explanation
    faithfulness: Faithfulness
    sanity: SanityCheck
    levelled: np.ndarray | None


def examine(model: EmotionModel, crop: Crop, explanation: Explanation, progress: Callable[[float], object]) -> Evidence:
    """Measures what an explanation of `crop` by `model` is worth; `progress` is told which share of it is done."""
    found = faithfulness(model, crop.pixels, explanation.heatmap, explanation.target, FRACTIONS, progress=progress)
    check = sanity_check(model, [crop.pixels], explanation.method, explanation.target, explanation.stage)
    levelled = None if model.spatial_attention is None else predict_levelled(model, [crop.pixels])[0]
    return Evidence(explanation, found, check, levelled)


def cover(crop: Crop, cells: Sequence[int]) -> np.ndarray:
    """The face, uint8 (48, 48), with some pixels painted over in its mean grey, as in a deletion curve.

    Args:
        crop: the face.
        cells: indices into its 2,304 pixels, row by row.

    Raises:
        ValueError: an index that is no pixel's.
    """
    covered = crop.pixels.copy()
    if not all(isinstance(cell, int) and 0 <= cell < covered.size for cell in cells):
        raise ValueError(f"The cells to cover are not all whole numbers from 0 to {covered.size - 1}.")
    covered.ravel()[list(cells)] = round(float(crop.pixels.mean()))
    return covered


def stage_of(model: EmotionModel, layer: int | str) -> str:
    """The model's own name of a layer in LAYERS; its last stage where it has no attention to explain."""
    if layer == "attention":
        return "attention" if model.spatial_attention is not None else model.stages[-1]
    return model.stages[layer]
