"""The four models, by name."""

from fer_models.architectures.attn_cnn import AttentionCNN
from fer_models.architectures.base import EmotionModel
from fer_models.architectures.baseline_cnn import BaselineCNN
from fer_models.architectures.resnet50 import ResNet50, ResNet50CBAM

_MODELS = {model.name: model for model in (BaselineCNN, ResNet50, AttentionCNN, ResNet50CBAM)}
MODEL_NAMES = tuple(_MODELS)


def create_model(name: str, **config: object) -> EmotionModel:
    """Builds a model with freshly initialised weights.

    Args:
        name: one of MODEL_NAMES.
        **config: the constructor arguments of that architecture; its defaults where absent.

    Raises:
        ValueError: the name is not a model's.
    """
    if name not in _MODELS:
        raise ValueError(f"There is no model named {name!r}. Choose one of: {', '.join(MODEL_NAMES)}.")
    return _MODELS[name](**config)
