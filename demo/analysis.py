"""From an uploaded photo to what the models say about a face. Knows nothing of the page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
from PIL import Image

from demo.faces import crop_face, find_faces
from demo.uploads import open_image
from fer_models import MODEL_NAMES, CheckpointError, EmotionModel, Explanation, explain, load_model
from fer_models.data.images import to_grey48

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
NUMBERS = ("no", "one", "two", "three", "four")


@dataclass(frozen=True, eq=False)
class Crop:
    """A face as the page handles it.

    picture: grey PIL image, square, at most DISPLAY_SIDE pixels a side: what maps are drawn over.
    pixels: uint8 (48, 48): what the models are given.
    """

    picture: Image.Image
    pixels: np.ndarray


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
    return [_crop(crop_face(image, face)) for face in (*find_faces(image), None)]


def _crop(face: Image.Image) -> Crop:
    picture = face.convert("L")
    picture.thumbnail((DISPLAY_SIDE, DISPLAY_SIDE))
    return Crop(picture, to_grey48(face))


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


def stage_of(model: EmotionModel, layer: int | str) -> str:
    """The model's own name of a layer in LAYERS; its last stage where it has no attention to explain."""
    if layer == "attention":
        return "attention" if model.spatial_attention is not None else model.stages[-1]
    return model.stages[layer]


def agreement(explanations: Sequence[Explanation]) -> str:
    """One sentence on whether the models give the same answer, and who differs if they do not."""
    camps: dict[str, list[Explanation]] = {}
    for explanation in explanations:
        camps.setdefault(explanation.emotion, []).append(explanation)
    (emotion, majority), *others = sorted(camps.items(), key=lambda camp: -len(camp[1]))

    if len(explanations) == 1:
        return f"{TITLES[majority[0].model_name]} sees {emotion}; no other model is loaded to compare it with."
    if not others:
        return f"All {NUMBERS[len(majority)]} models see {emotion}."
    if len(majority) > len(explanations) / 2:
        dissent = " and ".join(_camp(*camp) for camp in others)
        return f"{NUMBERS[len(majority)].capitalize()} of {NUMBERS[len(explanations)]} models see {emotion}; {dissent}."
    return f"The models disagree: {'; '.join(_camp(*camp) for camp in ((emotion, majority), *others))}."


def _camp(emotion: str, members: list[Explanation]) -> str:
    names = " and ".join(f"{TITLES[member.model_name]} ({member.probabilities.max():.0%})" for member in members)
    return f"{names} {'sees' if len(members) == 1 else 'see'} {emotion}"
