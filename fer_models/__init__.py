"""FER Lens: facial-emotion recognition models, their predictions, and explanations of them."""

from fer_models.architectures import MODEL_NAMES, EmotionModel, create_model
from fer_models.checkpoints import CheckpointError, load_model
from fer_models.emotions import EMOTIONS
from fer_models.explanations import METHODS, Explanation, Explanations, explain
from fer_models.inference import predict, preprocess

__all__ = [
    "EMOTIONS",
    "METHODS",
    "MODEL_NAMES",
    "CheckpointError",
    "EmotionModel",
    "Explanation",
    "Explanations",
    "create_model",
    "explain",
    "load_model",
    "predict",
    "preprocess",
]
