"""Spatial and channel attention, and their combination CBAM (Woo et al., ECCV 2018, arXiv:1807.06521).

Each module keeps the map of its latest forward pass in an attribute, detached from the graph and overwritten by the
next pass: it can be read without running the network again, and holds neither a graph nor an older batch alive.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

Normalisation = Literal["softmax", "sigmoid"]

# A sigmoid of zero is 0.5, so CBAM's two gates together would scale pretrained features by a quarter. Around this logit
# a gate starts near 0.88 and still has a useful slope.
INITIAL_GATE_LOGIT = 2.0


class ChannelAttention(nn.Module):
    """Weighs channels: sigmoid(MLP(avgpool(F)) + MLP(maxpool(F))), one shared MLP (eq. 2 of Woo et al. 2018).

    Attributes:
        weights: float (N, channels) in (0, 1) of the latest forward pass, detached; None before the first.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(channels, channels // reduction),
            nn.ReLU(),
            nn.Linear(channels // reduction, channels),
        )
        nn.init.zeros_(self.mlp[2].weight)
        nn.init.constant_(self.mlp[2].bias, INITIAL_GATE_LOGIT / 2)  # the MLP's output is added twice
        self.weights: Tensor | None = None

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, H, W) -> the same shape, each channel multiplied by its weight."""
        gate = torch.sigmoid(self.mlp(features.mean(dim=(2, 3))) + self.mlp(features.amax(dim=(2, 3))))
        self.weights = gate.detach()
        return features * gate[:, :, None, None]


class SpatialAttention(nn.Module):
    """Weighs places by what a 7x7 convolution sees in two descriptors: l = BN(conv7x7([mean over channels; max])).

    Two normalisations of the logits l to weights, of which features are multiplied:
        "sigmoid": s(p) = sigmoid(l(p)), a gate for each place by itself (eq. 3 of Woo et al. 2018, CBAM).
        "softmax": s(p) = P exp(l(p)) / sum_q exp(l(q)) over all P places, which compete for a fixed total: the mean of
            s is 1, and an average pool behind it is the attention-weighted mean of the features.

    The batch normalisation is not in CBAM's equation but in its authors' code. Its scale starts at 1 for gates, so that
    they differ from the first step on, and at 0 for the softmax, which therefore starts as plain average pooling.

    Attributes:
        map: float (N, H, W), s of the latest forward pass, detached; None before the first. In (0, 1) for gates; not
            negative and with a mean of 1 for the softmax.
    """

    def __init__(self, kernel_size: int = 7, normalisation: Normalisation = "sigmoid") -> None:
        super().__init__()
        if normalisation not in get_args(Normalisation):
            raise ValueError(
                f"There is no normalisation {normalisation!r}. Choose one of: {', '.join(get_args(Normalisation))}."
            )
        self.normalisation = normalisation
        self.conv = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)
        self.bn = nn.BatchNorm2d(1)
        if normalisation == "softmax":
            nn.init.zeros_(self.bn.weight)
        else:
            nn.init.constant_(self.bn.bias, INITIAL_GATE_LOGIT)
        self.map: Tensor | None = None

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape, each place multiplied by its weight."""
        descriptors = torch.cat([features.mean(dim=1, keepdim=True), features.amax(dim=1, keepdim=True)], dim=1)
        logits = self.bn(self.conv(descriptors))
        if self.normalisation == "softmax":
            cells = logits.flatten(1)
            weights = (cells.softmax(dim=1) * cells.shape[1]).view_as(logits)
        else:
            weights = torch.sigmoid(logits)
        self.map = weights[:, 0].detach()
        return features * weights


class CBAM(nn.Module):
    """Channel attention, then spatial attention (the order that Woo et al. 2018 found best)."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.channel = ChannelAttention(channels, reduction)
        self.spatial = SpatialAttention()

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, H, W) -> the same shape."""
        return self.spatial(self.channel(features))
