"""Maps of the faces of a batch, from the same forward passes as the answers, as pictures."""

from pathlib import Path

import numpy as np

from fer_models.analysis.crops import Crop
from fer_models.architectures import EmotionModel
from fer_models.explanations import Explanation, explain
from fer_models.explanations.overlays import overlay


def explain_as_on_the_page(model: EmotionModel, pixels: np.ndarray, method: str) -> list[Explanation]:
    """Explains a model's answers for faces, uint8 (N, 48, 48), and their mirror images, at its last layer."""
    return explain(model, list(pixels), method=method, stage=model.last_layer, mirrored=True)


def write_map(path: Path, crop: Crop, explanation: Explanation) -> None:
    """Writes the heat map, laid over the face, as a PNG."""
    assert crop.picture is not None  # it is there when maps are drawn
    overlay(crop.picture, explanation.normalised()).save(path)
