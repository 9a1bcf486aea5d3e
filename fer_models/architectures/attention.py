"""Spatial and channel attention, and their combination CBAM (Woo et al., ECCV 2018, arXiv:1807.06521).

Each module keeps the map of its latest forward pass in an attribute, detached from the graph and overwritten by the
next pass: it can be read without running the network again, and holds neither a graph nor an older batch alive.
"""

import torch
from torch import Tensor, nn

# A sigmoid starts at 0.5, so CBAM's two gates together would scale pretrained features by a quarter. With the last
# layer's weights at zero and this pre-activation, each gate starts at 0.88 everywhere and still has a useful slope.
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
    """Weighs places: sigmoid(BN(conv7x7([mean over channels; max over channels]))) (eq. 3 of Woo et al. 2018).

    The batch normalisation is not in the paper's equation but in its authors' code. It keeps the gates' spread in one
    learnable number, which starts at zero: all gates alike.

    Attributes:
        map: float (N, H, W) in (0, 1) of the latest forward pass, detached; None before the first.
    """

    def __init__(self, kernel_size: int = 7) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)
        self.bn = nn.BatchNorm2d(1)
        nn.init.zeros_(self.bn.weight)
        nn.init.constant_(self.bn.bias, INITIAL_GATE_LOGIT)
        self.map: Tensor | None = None

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape, each place multiplied by its weight."""
        descriptors = torch.cat([features.mean(dim=1, keepdim=True), features.amax(dim=1, keepdim=True)], dim=1)
        gate = torch.sigmoid(self.bn(self.conv(descriptors)))
        self.map = gate[:, 0].detach()
        return features * gate


class CBAM(nn.Module):
    """Channel attention, then spatial attention (the order that Woo et al. 2018 found best)."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.channel = ChannelAttention(channels, reduction)
        self.spatial = SpatialAttention()

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, H, W) -> the same shape."""
        return self.spatial(self.channel(features))
