"""Explanations of one face by all models, and evidence for their maps. Does not import the page."""

import copy
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from demo.photo import FaceCrop
from fer_models import EMOTIONS, CheckpointError, EmotionModel, Explanation, explain, load_model
from fer_models.architectures import MODELS, model_title
from fer_models.checkpoints import WEIGHTS_FILE
from fer_models.evidence import (
    Faithfulness,
    QuickCheck,
    SanityCheck,
    measure_faithfulness,
    predict_with_uniform_attention,
    quick_check,
    sanity_check,
)
from fer_models.evidence.perturbation import FEW_FRACTIONS
from fer_models.inference import to_probabilities
from fer_models.inference.prediction import exclusive

# The layers that a visitor may explain, the same for all models, and what each is called.
LAYERS = {
    "last": "last layer with a grid",
    "stage": "last convolutional stage",
    "earlier": "one stage earlier",
    "earliest": "two stages earlier",
}


def load_models(
    weights_dir: str | Path, report: Callable[[str], object] = lambda line: None
) -> tuple[dict[str, EmotionModel], list[str]]:
    """The models that can be loaded, by `EmotionModel.checkpoint`, and a sentence for each one that cannot.

    These are the checkpoints `weights_dir`/<name>/, one of each architecture, and the further ones
    `weights_dir`/<recipe>/<name>/, as far as their weights are there.

    Args:
        weights_dir: folder of the checkpoints.
        report: hears of each.
    """
    models: dict[str, EmotionModel] = {}
    problems = []
    folders = [Path(weights_dir) / name for name in MODELS]
    further = sorted(file.parent for file in Path(weights_dir).glob(f"*/*/{WEIGHTS_FILE}"))
    for folder in [*folders, *(folder for folder in further if folder.name in MODELS)]:
        checkpoint = folder.relative_to(weights_dir).as_posix()
        report(f"Loading {model_title(checkpoint)} ...")
        try:
            model = load_model(folder.name, folder.parent)
        except CheckpointError as error:
            problems.append(f"{model_title(checkpoint)} is left out: {error}")
        else:
            model.checkpoint = checkpoint
            models[checkpoint] = model
    return models, problems


def stage_of(model: EmotionModel, layer: str) -> str:
    """The model's own name of a layer in LAYERS."""
    if layer == "last":
        return model.last_layer
    return model.stages[{"stage": -1, "earlier": -2, "earliest": -3}[layer]]


def explain_face(
    models: Mapping[str, EmotionModel],
    crop: FaceCrop,
    emotion: str | None,
    against: str | None,
    layer: str,
    method: str,
    pool: Executor,
) -> Iterator[Explanation]:
    """Each model's explanation of one face and its mirror image, as soon as it and those before it are ready.

    Args:
        models: by name.
        crop: the face.
        emotion: the emotion to explain; None for each model's own answer.
        against: the emotion to contrast it with; None for none. It is left out where it is the emotion itself or the
            method and layer have no maps of all emotions.
        layer: a key of LAYERS.
        method: a key of METHODS.
        pool: in which the models run.
    """

    def explain_by(model: EmotionModel) -> Explanation:
        (found,) = explain(model, [crop.pixels], emotion, method, stage_of(model, layer), mirrored=True)
        if against is None or found.class_maps is None or found.target == EMOTIONS.index(against):
            return found
        return found.contrasted(EMOTIONS.index(against))

    return pool.map(explain_by, models.values())


def check_maps(
    models: Mapping[str, EmotionModel], crop: FaceCrop, explanations: list[Explanation], pool: Executor
) -> dict[str, QuickCheck | None]:
    """The quick check of each explanation of a face, by the model's name; None for a constant map."""

    def check(found: Explanation) -> QuickCheck | None:
        model = models[found.model_name]
        intact = float(to_probabilities(found.logits, model.temperature)[found.target])
        return quick_check(model, crop.pixels, found.heatmap, found.target, intact)

    return dict(zip((found.model_name for found in explanations), pool.map(check, explanations), strict=True))


@dataclass(frozen=True, eq=False)
class Evidence:
    """Evidence for and against one model's heat map of one face.

    Attributes:
        explanation: whose heat map was tested.
        faithfulness: whether the model uses what the map shows.
        sanity: whether the map depends on the model's weights.
        uniform: float32 (7,), the probabilities with uniform attention, the mean of both views; None for a model
            without attention.
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
    check = sanity_check(model, [crop.pixels], explanation.method, explanation.target, explanation.stage, mirrored=True)
    has_attention = model.spatial_attention is not None
    uniform = predict_with_uniform_attention(model, [crop.pixels], mirrored=True)[0] if has_attention else None
    return Evidence(explanation, found, check, uniform)
