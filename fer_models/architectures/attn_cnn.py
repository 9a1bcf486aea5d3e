"""Attention CNN: a compact residual network with spatial attention before its classification head."""

from typing import Any, Literal

from torch import Tensor, nn

from fer_models.architectures.attention import MultiHeadSpatialAttention, Normalisation, SpatialAttention
from fer_models.architectures.base import EmotionModel, grey_standardised
from fer_models.emotions import EMOTIONS


class ResidualBlock(nn.Module):
    """Basic residual block of He et al. 2016, ReLU(F + conv3x3(ReLU(conv3x3(F)))), at constant width and size."""

    def __init__(self, width: int, batch_norm: bool) -> None:
        super().__init__()
        self.conv1 = _convolution(width, width, 3, 1, batch_norm)
        self.conv2 = _convolution(width, width, 3, 1, batch_norm)
        self.relu = nn.ReLU()
        last = self.conv2[-1]
        if isinstance(last, nn.BatchNorm2d):
            nn.init.zeros_(last.weight)  # the block starts as the identity, which speeds up early training

    def forward(self, features: Tensor) -> Tensor:
        return self.relu(features + self.conv2(self.relu(self.conv1(features))))


class AttentionCNN(EmotionModel):
    """Stem to 32x32 cells, three residual stages (16x16, 8x8, 8x8), spatial attention, average pool, linear layer.

    A 128 px input is an enlarged 48 px face, so the stem and the first stage reduce its side by 8 before any wide
    layer: 0.17 GMAC in total. The last stage keeps 8x8 cells to give attention and heat maps a useful resolution.

    Args:
        widths: channels of the three stages.
        blocks: residual blocks in each of the three stages.
        dropout: dropout probability of the pooled features before the linear layer.
        batch_norm: batch normalisation after each convolution of the body.
        attention: the spatial attention: "softmax" over places (the student paper's equation 4), "multihead" for four
            softmaxes, each over a quarter of the channels, or "sigmoid" (CBAM's gates). "none" pools the features
            unweighted, as the control for measuring the effect of attention.
            Older checkpoints have True for "sigmoid" and False for "none".
    """

    name = "attn_cnn"
    title = "Attention CNN"
    description = (
        "A compact residual network, trained from scratch, with a spatial attention module in front of its "
        "classification head."
    )
    paper_accuracy = 45.4
    input_size = 128
    stages = ("stem", "stage1", "stage2", "stage3")
    head = ("attention", "dropout", "fc")

    def __init__(
        self,
        widths: tuple[int, int, int] = (64, 128, 256),
        blocks: tuple[int, int, int] = (1, 1, 1),
        dropout: float = 0.2,
        batch_norm: bool = True,
        attention: Normalisation | Literal["multihead", "none"] | bool = "softmax",
    ) -> None:
        if isinstance(attention, bool):
            attention = "sigmoid" if attention else "none"
        super().__init__(
            widths=list(widths), blocks=list(blocks), dropout=dropout, batch_norm=batch_norm, attention=attention
        )
        self.stem = nn.Sequential(
            _convolution(1, widths[0] // 2, 5, 2, batch_norm),
            nn.ReLU(),
            _convolution(widths[0] // 2, widths[0], 3, 2, batch_norm),
            nn.ReLU(),
        )
        self.stage1 = _residual_stage(widths[0], widths[0], 2, blocks[0], batch_norm)
        self.stage2 = _residual_stage(widths[0], widths[1], 2, blocks[1], batch_norm)
        self.stage3 = _residual_stage(widths[1], widths[2], 1, blocks[2], batch_norm)
        self.attention: nn.Module = nn.Identity()
        if attention == "multihead":
            self.attention = MultiHeadSpatialAttention(widths[2])
        elif attention != "none":
            self.attention = SpatialAttention(normalisation=attention)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(widths[2], len(EMOTIONS))

    @classmethod
    def complete(cls, architecture: dict[str, Any]) -> dict[str, Any]:
        return {"attention": "sigmoid"} | architecture  # the first checkpoints had no other kind

    @classmethod
    def describe(cls, architecture: dict) -> str:
        if architecture.get("attention") in ("none", False):
            return f"{cls.description} This one is without that module: it shows what the attention is worth."
        return cls.description

    @property
    def spatial_attention(self) -> SpatialAttention | MultiHeadSpatialAttention | None:
        return self.attention if isinstance(self.attention, SpatialAttention | MultiHeadSpatialAttention) else None

    def forward_features(self, faces: Tensor) -> Tensor:
        return self.stage3(self.stage2(self.stage1(self.stem(grey_standardised(faces)))))

    def forward_head(self, features: Tensor) -> Tensor:
        return self.fc(self.dropout(self.attention(features).mean(dim=(2, 3))))


def _convolution(inputs: int, outputs: int, kernel: int, stride: int, batch_norm: bool) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=not batch_norm)
    return nn.Sequential(convolution, *([nn.BatchNorm2d(outputs)] if batch_norm else []))


def _residual_stage(inputs: int, outputs: int, stride: int, blocks: int, batch_norm: bool) -> nn.Sequential:
    """A convolution that sets width and size, then residual blocks that keep them."""
    entry = _convolution(inputs, outputs, 3, stride, batch_norm)
    return nn.Sequential(entry, nn.ReLU(), *(ResidualBlock(outputs, batch_norm) for _ in range(blocks)))
