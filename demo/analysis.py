"""Explanations of one face by all models, and evidence for their maps. Does not import the page."""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from demo.photo import FaceCrop
from fer_models import CheckpointError, EmotionModel, Explanation, explain, load_model
from fer_models.architectures import MODELS
from fer_models.evidence import (
    Faithfulness,
    SanityCheck,
    measure_faithfulness,
    predict_with_uniform_attention,
    sanity_check,
)
from fer_models.evidence.perturbation import FEW_FRACTIONS
from fer_models.inference.prediction import exclusive

# The layers that a visitor may explain, the same for all models: counted from the last convolutional stage, or the
# output of the attention module.
LAYERS: dict[str, int | str] = {
    "last convolutional stage (default)": -1,
    "one stage earlier": -2,
    "two stages earlier": -3,
    "attention output, where there is one": "attention",
}


def load_models(weights_dir: str | Path) -> tuple[dict[str, EmotionModel], list[str]]:
    """The models that can be loaded, by name, and a sentence for each one that cannot."""
    models: dict[str, EmotionModel] = {}
    problems = []
    for name, architecture in MODELS.items():
        try:
            models[name] = load_model(name, weights_dir)
        except CheckpointError as error:
            problems.append(f"{architecture.title} is left out: {error}")
    return models, problems


def explain_face(
    models: Mapping[str, EmotionModel], crop: FaceCrop, emotion: str | None, layer: int | str, method: str
) -> Iterator[Explanation]:
    """Each model's explanation of one face, as soon as it is ready.

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
    if isinstance(layer, int):
        return model.stages[layer]
    return "attention" if model.spatial_attention is not None else model.stages[-1]


@dataclass(frozen=True, eq=False)
class Evidence:
    """Evidence for and against one model's heat map of one face.

    Attributes:
        explanation: whose heat map was tested.
        faithfulness: whether the model uses what the map shows.
        sanity: whether the map depends on the model's weights.
        uniform: float32 (7,), the probabilities with uniform attention; None for a model without attention.
    """

    explanation: Explanation
    faithfulness: Faithfulness
    sanity: SanityCheck
    uniform: np.ndarray | None


def examine(
    model: EmotionModel, crop: FaceCrop, explanation: Explanation, progress: Callable[[float], object]
) -> Evidence:
    """Tests an explanation of `crop` by `model`; `progress` is called with the share of the work that is done."""
    with exclusive(model):  # so that analyses wait for a copy, and not for a whole test
        model = copy.deepcopy(model)
    found = measure_faithfulness(
        model, crop.pixels, explanation.heatmap, explanation.target, FEW_FRACTIONS, progress=progress
    )
    check = sanity_check(model, [crop.pixels], explanation.method, explanation.target, explanation.stage)
    has_attention = model.spatial_attention is not None
    uniform = predict_with_uniform_attention(model, [crop.pixels])[0] if has_attention else None
    return Evidence(explanation, found, check, uniform)
