"""Does it matter where a network attends? Its answers with an attention that lets every place through alike."""

import copy
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from fer_models.architectures import EmotionModel
from fer_models.architectures.attention import SpatialAttention
from fer_models.inference import Face, exclusive, predict


def predict_levelled(model: EmotionModel, faces: Sequence[Face]) -> np.ndarray:
    """`predict` with each face's spatial attention replaced by its own mean over places.

    If the answers stay as they were, the attention's map is a picture without a part in the decision: it says as
    little about why the network answered so as a map that was drawn beside it.

    Args:
        model: with spatial attention; left as it is, the copy takes as much memory again.
        faces: as in `predict`.

    Returns:
        float32 (N, 7), calibrated with the same temperature.

    Raises:
        ValueError, TypeError: as `predict`, or the model has no spatial attention.

    Source: the question is that of Jain and Wallace, "Attention is not Explanation", NAACL 2019, arXiv:1902.10186,
    who shuffle attention over words.
    """
    if model.spatial_attention is None:
        raise ValueError(f"{model.name} has no spatial attention that could be levelled.")
    with exclusive(model):
        network = copy.deepcopy(model)
    network.spatial_attention.register_forward_hook(_level)
    return predict(network, faces)


def _level(attention: SpatialAttention, inputs: tuple[Tensor], _output: Tensor) -> Tensor:
    return inputs[0] * attention.map.mean(dim=(1, 2))[:, None, None, None]
