"""Grad-CAM's channel weights for all seven emotions in closed form, at the last stage of each model.

Grad-CAM needs the mean over cells of each logit's gradient. Automatic differentiation computes a gradient as large as
the features for each emotion, which on the small CNNs takes half as long as the whole network. The closed form is a few
products of small matrices, because the mean over cells can be taken before the linear layers.

Notation: A_k(p) is channel k of the features in cell p, with K channels and P cells; z = W pool(.) + b are the logits.
Each public function takes the model in eval mode and the features (N, K, h, w), and returns the logits (N, 7) and
Grad-CAM's weights (N, 7, K), the mean over p of dz_c / dA_k(p).
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fer_models.architectures import EmotionModel
from fer_models.architectures.attention import MultiHeadSpatialAttention, SpatialAttention
from fer_models.architectures.attn_cnn import AttentionCNN
from fer_models.architectures.baseline_cnn import BaselineCNN
from fer_models.architectures.resnet50 import ResNet50, ResNet50CBAM


def behind_flatten(model: BaselineCNN, features: Tensor) -> tuple[Tensor, Tensor]:
    """z = W2 ReLU(W1 A + b1) + b2: the mean over cells of W2 diag(active) W1 needs only the mean of W1 over cells."""
    flatten, _, first, relu, _, last = model.classifier
    assert isinstance(first, nn.Linear) and isinstance(last, nn.Linear)
    hidden = relu(first(flatten(features)))
    mean_first = first.weight.unflatten(1, (features.shape[1], -1)).mean(dim=2)
    return last(hidden), (last.weight * (hidden > 0)[:, None]) @ mean_first


def behind_pool(model: ResNet50 | AttentionCNN, features: Tensor) -> tuple[Tensor, Tensor]:
    """z = W pool(A) + b: the gradient is W_ck / P in every cell."""
    weights = model.fc.weight / features[0, 0].numel()
    return model.forward_head(features), weights.expand(len(features), -1, -1)


def behind_spatial_attention(model: AttentionCNN, features: Tensor) -> tuple[Tensor, Tensor]:
    """z = W pool(s A) + b, where the weights s depend on A too."""
    attention = model.spatial_attention
    if attention is None:
        return behind_pool(model, features)
    assert isinstance(attention, SpatialAttention)  # `closed_form` returns None for several heads
    logits = model.forward_head(features)
    (weights,) = _derivatives(attention, model.fc.weight, features.flatten(2), _mean(features))
    return logits, weights


def behind_cbam(model: ResNet50CBAM, features: Tensor) -> tuple[Tensor, Tensor]:
    """z = W pool(s B) + b with B_k = g_k A_k and g = sigmoid(MLP(mean A) + MLP(max A)).

    A channel's mean and its maximum both pass 1 / P of their gradient to the mean over cells, wherever the maximum is.
    The gradient through the MLP therefore depends only on how many of its two uses activate a hidden unit (0, 1 or 2).
    """
    logits = model.forward_head(features)
    channel_weights = model.cbam.channel.weights
    assert channel_weights is not None  # set by the forward pass
    cells, gate = features.flatten(2), channel_weights[:, None]
    gated = cells * gate.transpose(1, 2)
    weights, slopes = _derivatives(model.cbam.spatial, model.fc.weight, gated, _mean(features), cells)
    first, _, last = model.cbam.channel.mlp
    assert isinstance(first, nn.Linear) and isinstance(last, nn.Linear)
    uses = (first(torch.stack([cells.mean(dim=2), cells.amax(dim=2)])) > 0).sum(dim=0)
    through_gate = (slopes * gate * (1 - gate)) @ last.weight * uses[:, None] @ first.weight / cells.shape[2]
    return logits, weights * gate + through_gate


def _mean(features: Tensor) -> Tensor:
    """The direction (1, 1, P) along which a derivative is the mean of the gradient over cells."""
    cells = features[0, 0].numel()
    return features.new_full((1, 1, cells), 1 / cells)


def _derivatives(attention: SpatialAttention, weight: Tensor, cells: Tensor, *directions: Tensor) -> list[Tensor]:
    """Directional derivatives of z = W pool(s A) + b with s = sigmoid(l) or P softmax(l), l as in the module.

    m(p) = dz_c / ds(p) is the emotion's map without attention, sum_k W_ck A_k(p) / P. Backpropagation continues through
    the normalisation, dz_c / dl = m s (1 - s) for the sigmoid and s (m - mean(m s)) for the softmax, then through batch
    norm and convolution to the mean and the maximum over channels. Channels with the same maximum share its gradient.

    Args:
        attention: after its forward pass, so that `map` is s.
        weight: W, (7, K).
        cells: A, (N, K, P).
        directions: D, each (N, K, P) or broadcastable to it.

    Returns:
        For each direction, sum_p D_k(p) dz_c / dA_k(p), (N, 7, K).
    """
    weight = weight / cells.shape[2]
    norm = attention.bn
    assert attention.map is not None and norm.running_var is not None
    gate = attention.map[:, None]
    without = (weight @ cells).unflatten(2, gate.shape[2:])
    if attention.normalisation == "softmax":
        slopes = gate * (without - (without * gate).mean(dim=(2, 3), keepdim=True))
    else:
        slopes = without * gate * (1 - gate)
    slopes = slopes.flatten(0, 1)[:, None] * norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    # The convolution's transpose, written as a convolution with the flipped kernel: twice as fast here.
    kernel = attention.conv.weight.flip(2, 3).transpose(0, 1)
    descriptors = F.conv2d(slopes, kernel, padding=attention.conv.padding)
    to_mean, to_maximum = descriptors.view(len(cells), len(weight), 2, -1).unbind(dim=2)
    largest = (cells == cells.amax(dim=1, keepdim=True)).to(cells)
    largest /= largest.sum(dim=1, keepdim=True)
    gate = gate.flatten(2)
    return [
        weight * (gate * direction).sum(dim=2)[:, None]
        + to_mean @ direction.transpose(1, 2) / cells.shape[1]
        + to_maximum @ (largest * direction).transpose(1, 2)
        for direction in directions
    ]


# Looked up by exact type: a subclass may have another head.
CLOSED_FORMS: dict[type[EmotionModel], Callable[..., tuple[Tensor, Tensor]]] = {
    BaselineCNN: behind_flatten,
    ResNet50: behind_pool,
    AttentionCNN: behind_spatial_attention,
    ResNet50CBAM: behind_cbam,
}


def closed_form(model: EmotionModel) -> Callable[..., tuple[Tensor, Tensor]] | None:
    """The closed form for what stands behind a model's last stage; None where automatic differentiation is needed."""
    if isinstance(model.spatial_attention, MultiHeadSpatialAttention):
        return None
    return CLOSED_FORMS.get(type(model))
