"""Base class of all models: the interface that the rest of the package uses."""

from typing import Any

from torch import Tensor, nn
from torchvision.models import WeightsEnum

from fer_models.architectures.attention import AnySpatialAttention, ChannelAttention


class EmotionModel(nn.Module):
    """Maps float faces (N, 3, S, S) in [0, 1] to logits (N, 7) in the order of EMOTIONS.

    A model computes `forward_head(forward_features(faces))`. The features are the output of the last stage, before
    attention, pooling and classifier, which is where Grad-CAM needs them.

    Class attributes, which describe an architecture:
        name: the key in MODELS.
        title: the display name.
        description: one sentence for the model card; `describe` adapts it to a checkpoint's architecture.
        paper_accuracy: the student paper's accuracy on FER-2013 (its Table I), in percent; None if it has none.
        pretrained: torchvision's weights from which training starts; None for a model trained from scratch.
        input_layers: names of the submodules before the first stage.
        head: names of the submodules after the last stage.
        output_layer: name of the last linear layer, which pretrained weights for other classes do not fill.

    Attributes:
        config: the constructor's keyword arguments, from which the model can be rebuilt.
        input_size: S, the side in pixels at which the model runs.
        stages: attribute names of the stages, whose outputs are (N, K, h, w), shallow to deep; `forward_features`
            returns the output of the last. `input_layers`, `stages` and `head` name each submodule exactly once.
        temperature: divides the logits before the softmax (Guo et al. 2017); 1 unless loaded from a checkpoint.
        conformal_threshold: threshold of `prediction_set`; 1 (all emotions) unless loaded from a checkpoint.
        sha256: of the file that the weights were loaded from; "" unless loaded from a checkpoint.
        checkpoint: tells several checkpoints of one architecture apart: `name`, or "<recipe>/<name>" for a further one.
        mirrored_temperature, mirrored_threshold: the same two for the mean over a face and its mirror image.
    """

    name: str
    title: str
    description: str
    paper_accuracy: float | None = None
    pretrained: WeightsEnum | None = None
    input_size: int
    input_layers: tuple[str, ...] = ()
    stages: tuple[str, ...]
    head: tuple[str, ...]
    output_layer: str = "fc"

    def __init__(self, **config: object) -> None:
        super().__init__()
        self.config = config
        self.temperature = 1.0
        self.conformal_threshold = 1.0
        self.mirrored_temperature = 1.0
        self.mirrored_threshold = 1.0
        self.sha256 = ""
        self.checkpoint = self.name

    def forward_features(self, faces: Tensor) -> Tensor:
        """(N, 3, S, S) in [0, 1] -> the output of the last stage, (N, K, h, w); behind a ReLU not negative."""
        raise NotImplementedError

    def forward_head(self, features: Tensor) -> Tensor:
        """Features (N, K, h, w) -> logits (N, 7)."""
        raise NotImplementedError

    def forward(self, faces: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(faces))

    @classmethod
    def describe(cls, architecture: dict) -> str:
        """Returns the description of a checkpoint with these constructor arguments."""
        return cls.description

    @classmethod
    def complete(cls, architecture: dict[str, Any]) -> dict[str, Any]:
        """The constructor arguments of a stored checkpoint, also of one written before an argument existed."""
        return architecture

    @property
    def spatial_attention(self) -> AnySpatialAttention | None:
        """The spatial attention module, whose `map` holds the weight of each cell, or None."""
        return None

    @property
    def last_layer(self) -> str:
        """The last layer with a grid of places, which the pooling sees: "attention" where there is one.

        Grad-CAM in front of attention averages away where it attends (NOTES.md).
        """
        return self.stages[-1] if self.spatial_attention is None else "attention"

    @property
    def channel_attention(self) -> ChannelAttention | None:
        """The channel attention module, whose `weights` hold the weight of each channel, or None."""
        return None


def grey_standardised(faces: Tensor) -> Tensor:
    """RGB faces (N, 3, S, S) in [0, 1] -> one channel (N, 1, S, S), approximately standardised.

    FER-2013 is greyscale, so the three channels are equal and the networks trained from scratch use their mean. The
    channels are views of one grey picture, so a common input for all models costs no memory. 0.5 and 0.25 are close to
    the data set's mean (0.508) and standard deviation (0.255).
    """
    return (faces.mean(dim=1, keepdim=True) - 0.5) / 0.25
