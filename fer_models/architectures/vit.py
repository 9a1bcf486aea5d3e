"""Compact vision transformer: convolutions down to 8x8 tokens, encoder layers, and attention pooling.

The pattern is the compact convolutional transformer of Hassani et al. 2021 (CCT, arXiv:2104.05704). Convolutions in
front of the tokens give the bias towards neighbouring places that a small data set cannot teach, and attention over the
last tokens replaces the class token.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from fer_models.architectures.attention import AttentionPooling
from fer_models.architectures.base import EmotionModel, grey_standardised
from fer_models.emotions import EMOTIONS


class TokenStem(nn.Module):
    """Four convolutions with stride 2 and batch normalisation, and a learned position for each of the 8x8 places."""

    def __init__(self, width: int, places: int) -> None:
        super().__init__()
        channels = (1, width // 8, width // 4, width // 2, width)
        layers: list[nn.Module] = []
        for index, (inputs, outputs) in enumerate(pairwise(channels)):
            kernel = 5 if index == 0 else 3
            layers += [
                nn.Conv2d(inputs, outputs, kernel, stride=2, padding=kernel // 2, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(),
            ]
        self.convolutions = nn.Sequential(*layers)
        self.position = nn.Parameter(torch.empty(1, width, places, places))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.trunc_normal_(self.position, std=0.02)

    def forward(self, faces: Tensor) -> Tensor:
        """(N, 1, 128, 128) -> (N, width, 8, 8)."""
        return self.convolutions(faces) + self.position


class SelfAttention(nn.Module):
    """Multi-head self-attention: softmax(Q K^T / sqrt(d)) V per head (Vaswani et al. 2017, eq. 1)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, T, width) -> the same shape."""
        query, key, value = self._projections(tokens)
        return self.output(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))

    def weights(self, tokens: Tensor) -> Tensor:
        """(N, T, width) -> (N, heads, T, T): what each token takes from each; rows add up to 1."""
        query, key, _ = self._projections(tokens)
        return (query @ key.transpose(2, 3) * query.shape[3] ** -0.5).softmax(dim=3)

    def _projections(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, T, width) -> query, key and value, each (N, heads, T, width / heads)."""
        query, key, value = self.query_key_value(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return query, key, value


class EncoderLayer(nn.Module):
    """x + attention(norm(x)), then x + MLP(norm(x)), with both branches left out at random in training."""

    def __init__(self, width: int, heads: int, drop: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.drop = StochasticDepth(drop, "row")

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, T, width) -> the same shape."""
        tokens = tokens + self.drop(self.attention(self.norm1(tokens)))
        return tokens + self.drop(self.mlp(self.norm2(tokens)))


class EncoderStage(nn.Sequential):
    """Encoder layers between pictures of tokens."""

    def forward(self, features: Tensor) -> Tensor:
        """(N, width, h, w) -> the same shape."""
        return to_picture(super().forward(to_tokens(features)), features)


class VisionTransformer(EmotionModel):
    """Convolutional stem to 8x8 tokens, three stages of encoder layers, attention pooling, linear layer.

    Args:
        width: channels of a token; a multiple of 8 and of `heads`.
        layers: encoder layers in each of the three stages.
        heads: of each self-attention.
        drop: the last layer's probability of leaving out a branch in training; it grows linearly from 0 (stochastic
            depth, Huang et al. 2016).
    """

    name = "vit"
    title = "Vision transformer"
    description = (
        "A compact vision transformer, trained from scratch: convolutions down to 8x8 tokens, six layers of "
        "self-attention, and attention pooling."
    )
    input_size = 128
    stages = ("stem", "stage1", "stage2", "stage3")
    head = ("norm", "attention", "fc")

    def __init__(
        self, width: int = 256, layers: tuple[int, int, int] = (2, 2, 2), heads: int = 4, drop: float = 0.1
    ) -> None:
        super().__init__(width=width, layers=list(layers), heads=heads, drop=drop)
        self.stem = TokenStem(width, places=self.input_size // 16)
        rates = iter(torch.linspace(0, drop, sum(layers)).tolist())
        self.stage1, self.stage2, self.stage3 = (
            EncoderStage(*(EncoderLayer(width, heads, next(rates)) for _ in range(count))) for count in layers
        )
        self.norm = nn.LayerNorm(width)
        self.attention = AttentionPooling(width)
        self.fc = nn.Linear(width, len(EMOTIONS))

    @property
    def spatial_attention(self) -> AttentionPooling:
        return self.attention

    def forward_features(self, faces: Tensor) -> Tensor:
        """(N, 3, S, S) in [0, 1] -> the tokens behind the last layer, (N, width, 8, 8), of either sign."""
        return self.stage3(self.stage2(self.stage1(self.stem(grey_standardised(faces)))))

    def forward_head(self, features: Tensor) -> Tensor:
        normalised = to_picture(self.norm(to_tokens(features)), features)
        return self.fc(self.attention(normalised).mean(dim=(2, 3)))


def to_tokens(features: Tensor) -> Tensor:
    """(N, width, h, w) -> (N, h w, width)."""
    return features.flatten(2).transpose(1, 2)


def to_picture(tokens: Tensor, like: Tensor) -> Tensor:
    """(N, h w, width) -> (N, width, h, w), with h and w of `like`."""
    return tokens.transpose(1, 2).unflatten(2, like.shape[2:])
