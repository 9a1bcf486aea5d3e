"""A layer's output and the logits' gradients there: one forward pass, and a backward through the rest only.

Left alone, a backward goes through every layer and costs twice the forward pass. Everything that the CAM family needs
is the gradient at one layer, so the graph starts at that layer's output: for the last stage of ResNet-50 what is left
to differentiate is a mean and a linear layer.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fer_models.architectures import EmotionModel


def forward_cut(model: EmotionModel, faces: Tensor, layer: nn.Module) -> tuple[Tensor, Tensor]:
    """Runs the model once and records a graph only from `layer`'s output on.

    Nothing stays on the model, whatever happens: the hook is taken off again, and no parameter is touched.

    Args:
        model: in eval mode, and used by no other thread meanwhile (see `fer_models.inference.exclusive`).
        faces: float (N, 3, S, S) in [0, 1].
        layer: a module of the model whose output is (N, K, h, w).

    Returns:
        The layer's output (N, K, h, w), a leaf of the graph, and the logits (N, 7).
    """
    features = []

    def start_graph(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        torch.set_grad_enabled(True)  # until the `no_grad` around the forward pass ends
        features.append(output.detach().requires_grad_())
        return features[0]

    hook = layer.register_forward_hook(start_graph)
    try:
        with torch.inference_mode(False), torch.no_grad():
            logits = model(faces)
    finally:
        hook.remove()
    return features[0], logits


def logit_gradients(logits: Tensor, features: Tensor, classes: Tensor) -> Tensor:
    """The gradients of chosen logits with respect to the features, for all faces and classes in one backward.

    Logits and not probabilities: a softmax that is sure of itself has no gradient left.

    Args:
        logits: (N, 7), from `forward_cut`.
        features: (N, K, h, w), from `forward_cut`.
        classes: int64 (N, C), indices into EMOTIONS: C emotions to explain for each of the N faces.

    Returns:
        float (N, C, K, h, w).
    """
    chosen = F.one_hot(classes, logits.shape[1]).to(logits).transpose(0, 1)
    (gradients,) = torch.autograd.grad(logits, features, chosen, is_grads_batched=True)
    return gradients.transpose(0, 1)
