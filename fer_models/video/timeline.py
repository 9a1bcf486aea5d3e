"""What is known about a clip, moment by moment. A moment is a frame that was looked at; others are skipped."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
from PIL import Image

from fer_models.faces import Face


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture of a clip.

    Attributes:
        time: seconds from the start of the clip.
        picture: RGB, turned as the clip asks for.
    """

    time: float
    picture: Image.Image


@dataclass(frozen=True, eq=False)
class TrackedFace:
    """A face that was found in a frame, and whose it is.

    Attributes:
        number: identifies the person within the clip; 1 is the first one found.
        face: where it is, in pixels of the frame.
    """

    number: int
    face: Face


@dataclass(frozen=True, eq=False)
class AnsweredFace(TrackedFace):
    """A face in one frame, and what the models answer.

    Attributes:
        probabilities: float32 (7,) by the model's `checkpoint`; calibrated, of the face as it is (one view).
    """

    probabilities: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class FaceMoment(AnsweredFace):
    """What the models make of a face in one frame. The dictionaries are by the models' `checkpoint`.

    Attributes:
        pixels: uint8 (48, 48): the input of the models.
        picture: the same square, grey and upright, at up to PICTURE_SIDE pixels per side: to be looked at.
        heatmaps: float32 (h, w) each, as `Explanation.heatmap` of the model's own answer; empty without maps.
        attention: float32 (h', w') each, as `Explanation.spatial_attention`; without the models that have none.
    """

    pixels: np.ndarray
    picture: Image.Image
    heatmaps: dict[str, np.ndarray] = field(default_factory=dict)
    attention: dict[str, np.ndarray] = field(default_factory=dict)


SomeFace = TypeVar("SomeFace", bound=AnsweredFace, covariant=True)


@dataclass(frozen=True, eq=False)
class Moment(Generic[SomeFace]):
    """A frame that was looked at.

    Attributes:
        time: seconds from the start of the clip.
        is_cut: whether the picture changed as a whole since the moment before, as at a cut between two scenes.
        faces: by number.
    """

    time: float
    is_cut: bool
    faces: Sequence[SomeFace]
