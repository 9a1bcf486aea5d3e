"""ResNet-50 with seven classes, and the same network with a CBAM before the pooling."""

import torch
from torch import Tensor, nn
from torchvision.models import ResNet50_Weights
from torchvision.models.resnet import Bottleneck, ResNet

from fer_models.architectures.attention import CBAM, ChannelAttention, SpatialAttention
from fer_models.architectures.base import EmotionModel
from fer_models.emotions import EMOTIONS

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class ResNet50(EmotionModel):
    """ResNet-50 (He et al. 2016) with torchvision's parameter names, so that torchvision's weights load unchanged.

    Args:
        dropout: dropout probability of the pooled features before the linear layer.
    """

    name = "resnet50"
    title = "ResNet-50"
    description = "A ResNet-50 (He et al. 2016) with seven classes, all of its layers fine-tuned."
    paper_accuracy = 43.5
    pretrained = ResNet50_Weights.IMAGENET1K_V1
    input_size = 224
    input_layers = ("conv1", "bn1", "relu", "maxpool")
    stages = ("layer1", "layer2", "layer3", "layer4")
    head: tuple[str, ...] = ("fc", "dropout")

    conv1: nn.Conv2d
    bn1: nn.BatchNorm2d
    relu: nn.ReLU
    maxpool: nn.MaxPool2d
    fc: nn.Linear
    mean: Tensor
    std: Tensor

    def __init__(self, dropout: float = 0.2) -> None:
        super().__init__(dropout=dropout)
        # Zero-initialised residual scales: blocks without pretrained weights start as the identity.
        backbone = ResNet(Bottleneck, [3, 4, 6, 3], num_classes=len(EMOTIONS), zero_init_residual=True)
        for child_name in (*self.input_layers, *self.stages, "fc"):
            self.add_module(child_name, getattr(backbone, child_name))
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def forward_features(self, faces: Tensor) -> Tensor:
        features = self.maxpool(self.relu(self.bn1(self.conv1((faces - self.mean) / self.std))))
        for stage in self.stages:
            features = getattr(self, stage)(features)
        return features

    def forward_head(self, features: Tensor) -> Tensor:
        return self.fc(self.dropout(features.mean(dim=(2, 3))))


class ResNet50CBAM(ResNet50):
    """ResNet-50 with a CBAM after the last convolutional stage, the only difference from `ResNet50`.

    Args:
        dropout: as in `ResNet50`.
        reduction: ratio of the channel attention's input width to its hidden width.
    """

    name = "resnet50_cbam"
    title = "ResNet-50 + CBAM"
    description = (
        "A ResNet-50 (He et al. 2016) with a CBAM (channel, then spatial attention; Woo et al. 2018) between its last "
        "convolutional stage and the pooling, all of its layers fine-tuned."
    )
    paper_accuracy = 67.4
    head = ("cbam", "fc", "dropout")

    def __init__(self, dropout: float = 0.2, reduction: int = 16) -> None:
        super().__init__(dropout)
        self.config = {"dropout": dropout, "reduction": reduction}
        self.cbam = CBAM(self.fc.in_features, reduction)

    @property
    def spatial_attention(self) -> SpatialAttention:
        return self.cbam.spatial

    @property
    def channel_attention(self) -> ChannelAttention:
        return self.cbam.channel

    def forward_head(self, features: Tensor) -> Tensor:
        return super().forward_head(self.cbam(features))
