"""Uniform attention: predictions with the spatial attention replaced by its mean over all places."""

import copy

import numpy as np
from torch import Tensor, nn

from fer_models.architectures.attention import AnySpatialAttention
from fer_models.inference import Faces, exclusive, predict


def predict_with_uniform_attention(model: nn.Module, faces: Faces, mirrored: bool = False) -> np.ndarray:
    """`predict` with each face's spatial attention replaced by its mean over all places.

    If the predictions stay the same, the network does not use where it attends, and the attention map does not explain
    its predictions.

    Args:
        model: as in `predict`, with spatial attention; not changed, but a copy of it takes as much memory again.
        faces, mirrored: as in `predict`.

    Returns:
        float32 (N, 7), calibrated with the same temperature.

    Raises:
        ValueError, TypeError: as `predict`, or the model has no spatial attention.

    Source: after Jain and Wallace, "Attention is not Explanation", NAACL 2019, arXiv:1902.10186, who shuffle attention
    over words.
    """
    with exclusive(model) as trained:
        if trained.spatial_attention is None:
            raise ValueError(f"{trained.name} has no spatial attention to make uniform.")
        network = copy.deepcopy(trained)
    assert network.spatial_attention is not None
    network.spatial_attention.register_forward_hook(_average)
    return predict(network, faces, mirrored)


def _average(attention: AnySpatialAttention, inputs: tuple[Tensor], _output: Tensor) -> Tensor:
    assert attention.map is not None  # the forward pass has just stored it
    return inputs[0] * attention.map.mean(dim=(1, 2))[:, None, None, None]
