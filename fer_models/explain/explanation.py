"""What one model has to say about one face."""

from dataclasses import dataclass

import numpy as np

from fer_models.emotions import EMOTIONS


@dataclass(frozen=True, eq=False)
class Explanation:
    """A prediction, the evidence for it, and the attention, all from the same forward pass.

    Attributes:
        model_name: a name in MODEL_NAMES.
        method: a key of METHODS.
        stage: the layer explained: one of the model's stages, or "attention" for the attention module's output.
        target: index into EMOTIONS of the emotion explained.
        probabilities: float32 (7,), softmax(logits / temperature).
        logits: float32 (7,).
        heatmap: float32 (h, w), not negative and unscaled, so that its magnitude can be compared between emotions.
        class_maps: float32 (7, h, w), the signed Grad-CAM maps of all emotions, in front of the ReLU: `heatmap` is
            what is positive in class_maps[target]. None for the other methods and for the shallower stages.
        spatial_attention: float32 (h', w'), by what each place's features are multiplied, or None where the model has
            none: a gate in (0, 1), or with softmax attention the place's share times the number of places (mean 1).
        channel_attention: float32 (C,) in (0, 1), or None where the model has none.
        seconds: wall-clock time from the face to this explanation; for a batch, the batch's time divided by its size.
    """

    model_name: str
    method: str
    stage: str
    target: int
    probabilities: np.ndarray
    logits: np.ndarray
    heatmap: np.ndarray
    class_maps: np.ndarray | None
    spatial_attention: np.ndarray | None
    channel_attention: np.ndarray | None
    seconds: float

    @property
    def emotion(self) -> str:
        """The model's own answer, whichever emotion is explained."""
        return EMOTIONS[int(self.probabilities.argmax())]

    @property
    def is_empty(self) -> bool:
        """Whether nothing in the picture speaks for the target, so that there is no heat to show."""
        return not self.heatmap.any()

    def normalised(self) -> np.ndarray:
        """The heat map for display: float32 (h, w) in [0, 1], divided by its maximum; zeros if it is empty."""
        return self.heatmap if self.is_empty else self.heatmap / self.heatmap.max()
