"""Baseline CNN: three blocks of Conv 3x3 - ReLU - MaxPool, then two fully connected layers."""

from torch import Tensor, nn

from fer_models.architectures.base import EmotionModel, grey_standardised
from fer_models.emotions import EMOTIONS


class BaselineCNN(EmotionModel):
    """A plain CNN trained from scratch.

    Args:
        widths: channels of the three blocks.
        first_stride: stride of the first convolution. A 128 px input is an enlarged 48 px face, so a stride of 2
            loses nothing and needs a quarter of the compute.
        hidden: units of the first fully connected layer.
        dropout: dropout probability before each fully connected layer.
        batch_norm: batch normalisation between convolution and ReLU (the paper has none).
    """

    name = "baseline_cnn"
    title = "Baseline CNN"
    description = (
        "A plain convolutional network, trained from scratch: three blocks of convolution, ReLU and max pooling, then "
        "two fully connected layers."
    )
    paper_accuracy = 58.9
    input_size = 128
    stages = ("block1", "block2", "block3")
    head = ("classifier",)
    output_layer = "classifier.5"

    def __init__(
        self,
        widths: tuple[int, int, int] = (64, 128, 256),
        first_stride: int = 2,
        hidden: int = 256,
        dropout: float = 0.4,
        batch_norm: bool = True,
    ) -> None:
        super().__init__(
            widths=list(widths), first_stride=first_stride, hidden=hidden, dropout=dropout, batch_norm=batch_norm
        )
        self.block1 = _block(1, widths[0], first_stride, batch_norm)
        self.block2 = _block(widths[0], widths[1], 1, batch_norm)
        self.block3 = _block(widths[1], widths[2], 1, batch_norm)
        cells = self.input_size // (first_stride * 8)  # each of the three pools halves the side
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(widths[2] * cells * cells, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, len(EMOTIONS)),
        )

    def forward_features(self, faces: Tensor) -> Tensor:
        return self.block3(self.block2(self.block1(grey_standardised(faces))))

    def forward_head(self, features: Tensor) -> Tensor:
        return self.classifier(features)


def _block(inputs: int, outputs: int, stride: int, batch_norm: bool) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=not batch_norm)
    normalisation = [nn.BatchNorm2d(outputs)] if batch_norm else []
    return nn.Sequential(convolution, *normalisation, nn.ReLU(), nn.MaxPool2d(2))
