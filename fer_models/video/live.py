"""Live pictures from a camera: what a model makes of each face in a frame, as soon as the frame is there."""

import time
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from fer_models.architectures import EmotionModel
from fer_models.emotions import EMOTIONS
from fer_models.explanations import METHODS, Explanation, explain
from fer_models.faces import crop_face
from fer_models.video.smoothing import Filter
from fer_models.video.timeline import Frame, TrackedFace
from fer_models.video.tracking import FaceTracker

# A model is asked about so many faces of a frame, the largest: each one more makes all of them slower.
MOST_FACES = 4


@dataclass(frozen=True, eq=False)
class LiveFace(TrackedFace):
    """A face in a live frame, and what the model makes of it.

    Attributes:
        explanation: of this frame alone: raw probabilities, heat map and attention.
        probabilities: float32 (7,), calibrated, given all frames of this person so far, see `Filter`.
    """

    explanation: Explanation
    probabilities: np.ndarray

    @property
    def emotion(self) -> str:
        """The answer, given all frames so far."""
        return EMOTIONS[int(self.probabilities.argmax())]


@dataclass(frozen=True, eq=False)
class LiveMoment:
    """What there is to say about a frame.

    Attributes:
        time: seconds, as given with the frame.
        faces: largest first, at most MOST_FACES.
        seconds: that finding the "faces" and asking the "model" took.
    """

    time: float
    faces: list[LiveFace]
    seconds: dict[str, float] = field(repr=False)


class LiveAnalysis:
    """Follows the faces before one camera and asks a model about each, frame by frame. For one thread at a time.

    Each face is looked at as it is (one view), and its answers are filtered over time.

    Args:
        model: may be replaced between two frames by setting the attribute: the faces keep their numbers.
        method: of the heat maps of the model's own answer, at its last layer with a grid; a key of METHODS.

    Raises:
        ValueError: the method is unknown.

    Example:
        >>> analysis, camera = LiveAnalysis(load_model("attn_cnn")), cv2.VideoCapture(0)
        >>> _, bgr = camera.read()
        >>> moment = analysis.look(Image.fromarray(bgr[..., ::-1]), time.monotonic())
        >>> [(face.number, face.emotion) for face in moment.faces]
        [(1, 'happy')]
    """

    def __init__(self, model: EmotionModel, method: str = "hirescam") -> None:
        if method not in METHODS:
            raise ValueError(f"There is no method {method!r}. Choose one of: {', '.join(METHODS)}.")
        self._model, self._method = model, method
        self._tracker = FaceTracker()
        self._filters: defaultdict[int, Filter] = defaultdict(Filter)  # by the person's number

    @property
    def model(self) -> EmotionModel:
        """The model that is asked. With another one the filters start anew."""
        return self._model

    @model.setter
    def model(self, model: EmotionModel) -> None:
        if model is not self._model:
            self._model = model
            self._filters.clear()

    def look(self, picture: Image.Image, time_of_frame: float) -> LiveMoment:
        """Takes in the next frame.

        Args:
            picture: RGB.
            time_of_frame: seconds from any start, after that of the frame before.
        """
        start = time.perf_counter()
        tracked = sorted(self._tracker.follow(Frame(time_of_frame, picture)), key=lambda each: -each.face.area)
        tracked = tracked[:MOST_FACES]
        found = time.perf_counter()
        crops = [crop_face(picture, each.face) for each in tracked]
        explanations = explain(self._model, crops, method=self._method, stage=self._model.last_layer)
        faces = [
            LiveFace(
                each.number,
                each.face,
                explanation,
                self._filters[each.number].update(time_of_frame, explanation.probabilities),
            )
            for each, explanation in zip(tracked, explanations, strict=True)
        ]
        return LiveMoment(time_of_frame, faces, {"faces": found - start, "model": time.perf_counter() - found})
