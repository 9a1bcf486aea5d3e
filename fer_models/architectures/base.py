"""What the four models have in common, and what everything else in this package may rely on."""

from torch import Tensor, nn

from fer_models.architectures.attention import ChannelAttention, SpatialAttention


class EmotionModel(nn.Module):
    """Maps float faces (N, 3, S, S) in [0, 1] to logits (N, 7) in the order of EMOTIONS.

    A model is the composition `forward_head(forward_features(faces))`. The cut lies behind the last convolutional
    stage, in front of attention, pooling and classifier, so that an explanation can stop there.

    Attributes:
        name: the model's name in MODEL_NAMES.
        config: the constructor's keyword arguments, enough to build the model again.
        input_size: S, the side in pixels at which the model runs.
        stages: names of the convolutional stages, shallow to deep, which are also attribute names; the last one's
            output is what `forward_features` returns.
        temperature: divides the logits before the softmax (Guo et al. 2017); 1 until a checkpoint brings its own.
        conformal_threshold: decides which emotions `prediction_set` names; 1 (all of them) until a checkpoint
            brings its own.
    """

    name: str
    input_size: int
    stages: tuple[str, ...]

    def __init__(self, **config: object) -> None:
        super().__init__()
        self.config = config
        self.temperature = 1.0
        self.conformal_threshold = 1.0

    def forward_features(self, faces: Tensor) -> Tensor:
        """(N, 3, S, S) in [0, 1] -> the last convolutional stage's output, (N, K, h, w), not negative."""
        raise NotImplementedError

    def forward_head(self, features: Tensor) -> Tensor:
        """(N, K, h, w) of `forward_features` -> logits (N, 7)."""
        raise NotImplementedError

    def forward(self, faces: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(faces))

    @property
    def spatial_attention(self) -> SpatialAttention | None:
        """The module whose `map` says where the network looked, or None if it has none."""
        return None

    @property
    def channel_attention(self) -> ChannelAttention | None:
        """The module whose `weights` say which channels were let through, or None if it has none."""
        return None


def grey_standardised(faces: Tensor) -> Tensor:
    """RGB faces (N, 3, S, S) in [0, 1] -> one channel (N, 1, S, S), roughly centred and of unit scale.

    FER-2013 is grey, so the three channels are equal and the networks trained from scratch read their mean; 0.5 and
    0.25 are close to the data set's own mean (0.508) and standard deviation (0.255).
    """
    return (faces.mean(dim=1, keepdim=True) - 0.5) / 0.25
