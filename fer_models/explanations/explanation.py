"""Explanation of one model's prediction for one face."""

from dataclasses import dataclass

import numpy as np

from fer_models.emotions import EMOTIONS


@dataclass(frozen=True, eq=False)
class Explanation:
    """A prediction, its heat maps and the attention, all from the same forward pass.

    Attributes:
        model_name: a name in MODEL_NAMES.
        method: a key of METHODS.
        stage: the layer explained: one of the model's stages, or "attention" for the attention module's output.
        target: index into EMOTIONS of the emotion explained.
        probabilities: float32 (7,), as `predict` returns them; the mean of `views`.
        views: float32 (1, 7), or (2, 7) with `mirrored`: the probabilities of the face as it is, and of its mirror image.
        logits: float32 (7,), of the face as it is.
        heatmap: float32 (h, w), not negative and unscaled, so that magnitudes can be compared between emotions.
        class_maps: float32 (7, h, w), the signed Grad-CAM maps of all emotions before the ReLU; `heatmap` is the
            positive part of class_maps[target]. None for the other methods and for shallower stages.
        spatial_attention: float32 (h', w'), the factor of each cell's features: a gate in (0, 1), or with softmax
            attention the cell's weight times the number of cells (mean 1). None if the model has no such module.
        channel_attention: float32 (C,) in (0, 1), or None if the model has no such module.
        seconds: wall-clock time per face, from the input image to the explanation; averaged over its batch.
    """

    model_name: str
    method: str
    stage: str
    target: int
    probabilities: np.ndarray
    views: np.ndarray
    logits: np.ndarray
    heatmap: np.ndarray
    class_maps: np.ndarray | None
    spatial_attention: np.ndarray | None
    channel_attention: np.ndarray | None
    seconds: float

    @property
    def emotion(self) -> str:
        """The predicted emotion, whichever emotion is explained."""
        return EMOTIONS[int(self.probabilities.argmax())]

    @property
    def changes_when_mirrored(self) -> bool:
        """Whether the model gives the mirror image another answer; False where it was not asked."""
        return len(set(self.views.argmax(axis=1))) > 1

    @property
    def is_empty(self) -> bool:
        """Whether the heat map is zero everywhere: no cell supports the target."""
        return not self.heatmap.any()

    def normalised(self) -> np.ndarray:
        """Returns the heat map divided by its maximum, float32 (h, w) in [0, 1]; zeros if it is empty."""
        return self.heatmap if self.is_empty else self.heatmap / self.heatmap.max()
