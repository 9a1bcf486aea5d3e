"""Spatial and channel attention, and their combination CBAM (Woo et al., ECCV 2018, arXiv:1807.06521).

Each module stores the map of its latest forward pass in an attribute. The map is detached from the graph and replaced
by the next pass, so it can be read without another forward pass and keeps neither a graph nor an older batch in memory.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

Normalisation = Literal["softmax", "sigmoid"]

# With zero logits, each of CBAM's two gates is 0.5 and together they scale pretrained features by a quarter. With this
# logit a gate starts near 0.88 and still has a useful slope.
INITIAL_GATE_LOGIT = 2.0


class ChannelAttention(nn.Module):
    """Channel attention: sigmoid(MLP(avgpool(F)) + MLP(maxpool(F))), with one shared MLP (eq. 2 of Woo et al. 2018).

    Attributes:
        weights: float (N, channels) in (0, 1), of the latest forward pass, detached; None before the first.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden, output = nn.Linear(channels, channels // reduction), nn.Linear(channels // reduction, channels)
        nn.init.zeros_(output.weight)
        nn.init.constant_(output.bias, INITIAL_GATE_LOGIT / 2)  # the MLP's output is added twice
        self.mlp = nn.Sequential(hidden, nn.ReLU(), output)
        self.weights: Tensor | None = None

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, H, W) -> the same shape, each channel multiplied by its weight."""
        gate = torch.sigmoid(self.mlp(features.mean(dim=(2, 3))) + self.mlp(features.amax(dim=(2, 3))))
        self.weights = gate.detach()
        return features * gate[:, :, None, None]


class SpatialAttention(nn.Module):
    """Spatial attention: weights each cell by l = BN(conv7x7([mean over channels; maximum over channels])).

    The features are multiplied by weights s, which one of two normalisations computes from the logits l:
        "sigmoid": s(p) = sigmoid(l(p)), an independent gate for each cell (eq. 3 of Woo et al. 2018, CBAM).
        "softmax": s(p) = P exp(l(p)) / sum_q exp(l(q)) over all P cells. The mean of s is 1, so an average pool after
            it is the attention-weighted mean of the features.

    The batch normalisation is not in CBAM's equation but in its authors' code. Its scale starts at 1 for the sigmoid,
    so that the gates differ from the first step, and at 0 for the softmax, which starts as plain average pooling.

    Attributes:
        map: float (N, H, W), s of the latest forward pass, detached; None before the first. In (0, 1) for the sigmoid;
            not negative and with a mean of 1 for the softmax.
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
        """(N, C, H, W) -> the same shape, each cell multiplied by its weight."""
        descriptors = torch.cat([features.mean(dim=1, keepdim=True), features.amax(dim=1, keepdim=True)], dim=1)
        logits = self.bn(self.conv(descriptors))
        if self.normalisation == "softmax":
            cells = logits.flatten(1)
            weights = (cells.softmax(dim=1) * cells.shape[1]).view_as(logits)
        else:
            weights = torch.sigmoid(logits)
        self.map = weights[:, 0].detach()
        return features * weights


class MultiHeadSpatialAttention(nn.Module):
    """Softmax attention over places with several heads, each for its own group of channels.

    l = conv1x1(ReLU(BN(conv3x3(F)))) scores every place once per head, from all channels and not only from their mean
    and maximum. Head h multiplies its channels by s_h(p) = P softmax(l_h)(p), P the number of places. The last layer of
    the scores starts at zero, so the attention starts as plain average pooling.

    Args:
        channels: of the features; a multiple of `heads`.
        heads: number of softmaxes.
        hidden: channels between the two convolutions.

    Attributes:
        map: float (N, H, W), the mean of s over the heads in the latest forward pass, detached; None before the first.
            Not negative, with a mean of 1.
    """

    def __init__(self, channels: int, heads: int = 4, hidden: int = 64) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels cannot be divided among {heads} heads: choose a divisor.")
        self.heads = heads
        self.conv = nn.Conv2d(channels, hidden, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(hidden)
        self.score = nn.Conv2d(hidden, heads, 1)
        for parameter in self.score.parameters():
            nn.init.zeros_(parameter)
        self.map: Tensor | None = None

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, H, W) -> the same shape, each place multiplied by the weight of the channel's head."""
        logits = self.score(torch.relu(self.bn(self.conv(features)))).flatten(2)
        weights = (logits.softmax(dim=2) * logits.shape[2]).unflatten(2, features.shape[2:])
        self.map = weights.mean(dim=1).detach()
        return (features.unflatten(1, (self.heads, -1)) * weights[:, :, None]).flatten(1, 2)


class AttentionPooling(nn.Module):
    """Softmax attention over places with one linear score per place: "sequence pooling" of Hassani et al. 2021.

    l(p) = w F(p) + b, and the features are multiplied by s(p) = P exp(l(p)) / sum_q exp(l(q)) over all P places, so the
    mean after it is the attention-weighted mean. w starts at zero, and so the pooling as a plain average.

    Attributes:
        map: float (N, H, W), s of the latest forward pass, detached; None before the first. Not negative, with a mean
            of 1.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.score = nn.Conv2d(channels, 1, 1)
        nn.init.zeros_(self.score.weight)
        self.map: Tensor | None = None

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, H, W) -> the same shape, each place multiplied by its weight."""
        logits = self.score(features)
        weights = (logits.flatten(1).softmax(dim=1) * logits[0].numel()).view_as(logits)
        self.map = weights[:, 0].detach()
        return features * weights


class CBAM(nn.Module):
    """CBAM: channel attention, then spatial attention (the order that Woo et al. 2018 found best)."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.channel = ChannelAttention(channels, reduction)
        self.spatial = SpatialAttention()

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, H, W) -> the same shape."""
        return self.spatial(self.channel(features))


# What multiplies the features of a model place by place; each stores the weights of its latest forward pass in `map`.
AnySpatialAttention = SpatialAttention | MultiHeadSpatialAttention | AttentionPooling
