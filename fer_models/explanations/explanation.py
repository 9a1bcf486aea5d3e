"""Explanation of one model's prediction for one face, and a list of them."""

from dataclasses import dataclass, field, replace

import numpy as np

from fer_models.emotions import EMOTIONS


@dataclass(frozen=True, eq=False)
class Explanation:
    """A prediction, its heat maps and the attention, all from the same forward pass.

    With `mirrored`, all but `face`, `views` and `logits` are means over the face and its mirror image. A notebook shows
    an explanation as a picture.

    Attributes:
        model_name: the model's `checkpoint`, which is a name in MODEL_NAMES unless it was named otherwise.
        face: uint8 (48, 48), what the model saw of the face: it sees no more than these grey pixels.
        method: a key of METHODS.
        stage: the layer explained: one of the model's stages, or "attention" for the attention module's output.
        target: index into EMOTIONS of the emotion explained.
        against: index of the emotion that the heat map contrasts the target with, see `contrasted`; None for none.
        probabilities: float32 (7,), as `predict` returns them; the mean of `views`.
        views: float32 (1, 7), or (2, 7) with `mirrored`: those of the face as it is, and of its mirror image.
        logits: float32 (7,), of the face as it is.
        heatmap: float32 (h, w), not negative and unscaled, so that magnitudes can be compared between emotions.
        class_maps: float32 (7, h, w), the signed Grad-CAM or HiResCAM maps of all emotions before the ReLU; `heatmap`
            is the positive part of class_maps[target]. None for the other methods and for shallower stages.
        spatial_attention: float32 (h', w'), the factor of each cell's features: a gate in (0, 1), or with softmax
            attention the cell's weight times the number of cells (mean 1). None if the model has no such module.
        channel_attention: float32 (C,) in (0, 1), or None if the model has no such module.
        seconds: wall-clock time per face, from the input image to the explanation; averaged over its batch.
    """

    model_name: str
    face: np.ndarray = field(repr=False)
    method: str
    stage: str
    target: int
    probabilities: np.ndarray = field(repr=False)
    views: np.ndarray = field(repr=False)
    logits: np.ndarray = field(repr=False)
    heatmap: np.ndarray = field(repr=False)
    class_maps: np.ndarray | None = field(repr=False)
    spatial_attention: np.ndarray | None = field(repr=False)
    channel_attention: np.ndarray | None = field(repr=False)
    seconds: float
    against: int | None = None

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

    def contrasted(self, against: int) -> "Explanation":
        """Why the target and not another emotion: the same explanation with another heat map.

        It is the positive part of class_maps[target] - class_maps[against]: the map of the difference of both logits,
        since both methods are linear in them before the ReLU (Prabhushankar et al. 2020, arXiv:2008.00178).

        Raises:
            ValueError: there are no class maps, or `against` is the target.
        """
        if self.class_maps is None:
            raise ValueError(
                f"{self.method} at {self.stage} has no maps of all emotions to contrast: explain with gradcam or "
                "hirescam at the last stage or at the attention."
            )
        if against == self.target:
            raise ValueError(f"The target is {EMOTIONS[against]} already: pass another emotion to contrast it with.")
        heatmap = np.maximum(self.class_maps[self.target] - self.class_maps[against], 0)
        return replace(self, heatmap=heatmap, against=against)

    def normalised(self) -> np.ndarray:
        """Returns the heat map divided by its maximum, float32 (h, w) in [0, 1]; zeros if it is empty."""
        return self.heatmap if self.is_empty else self.heatmap / self.heatmap.max()

    def _repr_html_(self) -> str:
        from fer_models.explanations.notebook import render  # it draws with OpenCV, which nothing else here needs

        return render([self])


class Explanations(list[Explanation]):
    """A list of explanations that a notebook shows side by side, such as those of one face by several models."""

    def _repr_html_(self) -> str:
        from fer_models.explanations.notebook import render

        return render(self)
