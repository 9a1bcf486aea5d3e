"""Inference: from faces to logits, calibrated probabilities and prediction sets."""

from fer_models.inference.prediction import (
    FaceImage,
    Faces,
    as_list,
    batched,
    exclusive,
    predict,
    preprocess,
    to_input,
    to_stored,
    unwrapped,
    views_of,
    with_mirror,
)
from fer_models.inference.probabilities import jensen_shannon, likeliest_set, prediction_set, to_probabilities

__all__ = [
    "FaceImage",
    "Faces",
    "as_list",
    "batched",
    "exclusive",
    "jensen_shannon",
    "likeliest_set",
    "predict",
    "prediction_set",
    "preprocess",
    "to_input",
    "to_probabilities",
    "to_stored",
    "unwrapped",
    "views_of",
    "with_mirror",
]
