"""Gradients of the logits at one layer: one forward pass, and a backward pass from the logits to that layer only.

A backward pass through every layer takes twice as long as the forward pass. The CAM family needs the gradient at one
layer only, so the graph starts at that layer's output. At the last stage of ResNet-50, only a mean and a linear layer
have to be differentiated.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fer_models.architectures import EmotionModel


def forward_cut(model: EmotionModel, faces: Tensor, layer: nn.Module) -> tuple[Tensor, Tensor]:
    """Runs the model once and records a graph that starts at the output of `layer`.

    The hook is always removed, even after an error, and no parameter is changed.

    Args:
        model: in eval mode, and used by no other thread at the same time (see `fer_models.inference.exclusive`).
        faces: float (N, 3, S, S) in [0, 1].
        layer: a module of the model whose output is (N, K, h, w).

    Returns:
        The layer's output (N, K, h, w), which is a leaf of the graph, and the logits (N, 7).

    Raises:
        ValueError: the model was created under torch.inference_mode(), so no graph can hold its parameters.
    """
    if any(parameter.is_inference() for parameter in model.parameters()):
        raise ValueError(
            f"{model.name} was created or changed under torch.inference_mode(), so it has no gradients: "
            "create it outside, or pass copy.deepcopy(model), made outside."
        )
    features = []

    def start_graph(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        torch.set_grad_enabled(True)  # until the `no_grad` around the forward pass ends
        features.append(output.detach().requires_grad_())
        return features[0]

    hook = layer.register_forward_hook(start_graph)
    try:
        with torch.no_grad():
            logits = model.forward(faces)  # calling the model would run what model.compile() made of it
    finally:
        hook.remove()
    return features[0], logits


def logit_gradients(logits: Tensor, features: Tensor, classes: Tensor) -> Tensor:
    """Computes the gradients of the given logits at the features, for all faces and classes in one backward pass.

    The gradients are those of the logits, because a saturated softmax has a gradient of zero.

    Args:
        logits: (N, 7), from `forward_cut`.
        features: (N, K, h, w), from `forward_cut`.
        classes: int64 (N, C), indices into EMOTIONS of C emotions for each of the N faces.

    Returns:
        float32 (N, C, K, h, w).
    """
    chosen = F.one_hot(classes, logits.shape[1]).to(logits).transpose(0, 1)
    (gradients,) = torch.autograd.grad(logits, features, chosen, is_grads_batched=True)
    return gradients.transpose(0, 1).float()
