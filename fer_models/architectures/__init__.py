"""Registry of the models by name. A new model needs one file in this package and one entry in MODELS."""

from collections.abc import Iterable
from typing import Any

import torch

from fer_models.architectures.attn_cnn import AttentionCNN
from fer_models.architectures.base import EmotionModel
from fer_models.architectures.baseline_cnn import BaselineCNN
from fer_models.architectures.resnet50 import ResNet50, ResNet50CBAM
from fer_models.architectures.vit import VisionTransformer

MODELS: dict[str, type[EmotionModel]] = {
    model.name: model for model in (BaselineCNN, ResNet50, AttentionCNN, ResNet50CBAM, VisionTransformer)
}
MODEL_NAMES = tuple(MODELS)


def model_class(name: str) -> type[EmotionModel]:
    """Returns the class of a model, whose attributes describe the architecture.

    Raises:
        ValueError: the name is not in MODELS.
    """
    if name not in MODELS:
        raise ValueError(f"There is no model named {name!r}. Choose one of: {', '.join(MODELS)}.")
    return MODELS[name]


def default_choice(names: Iterable[str]) -> tuple[str, ...]:
    """The models that are shown and averaged unless others are asked for: those of the student paper that are there.

    If there are none, they are all but the further checkpoints, and if there are only these, all.

    Args:
        names: of the models that are there, each an `EmotionModel.checkpoint`.
    """
    names = tuple(names)
    shipped = tuple(name for name in names if "/" not in name)
    of_the_paper = tuple(name for name in shipped if model_class(name).paper_accuracy is not None)
    return of_the_paper or shipped or names


def model_title(name: str) -> str:
    """What people call a model: "ResNet-50 + CBAM", or "Attention CNN (without attention)" for a further checkpoint.

    Args:
        name: as `EmotionModel.checkpoint`.
    """
    *recipe, name = name.split("/")
    title = model_class(name).title
    return f"{title} ({recipe[0].replace('_', ' ')})" if recipe else title


@torch.inference_mode(False)
def create_model(name: str, **config: Any) -> EmotionModel:
    """Builds a model with newly initialised weights, which can be differentiated wherever it is built.

    Args:
        name: a key of MODELS.
        **config: constructor arguments of that architecture; the defaults apply where absent.

    Raises:
        ValueError: the name is not in MODELS.
    """
    return model_class(name)(**config)
