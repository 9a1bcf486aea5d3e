"""How good answers over time are: accuracy and calibration over the frames, flicker, and the delay after a change."""

from dataclasses import dataclass

import numpy as np

from fer_models.evaluation.calibration import expected_calibration_error, negative_log_likelihood
from fer_models.evaluation.held_faces import FRAMES_PER_SECOND, Clip


@dataclass(frozen=True, eq=False)
class Quality:
    """How good the answers for the frames of a clip are.

    Attributes:
        right: bool (T,), whether the most probable emotion is the label.
        flicker: changes of the answer per second.
        nll: mean negative log-likelihood in nats.
        ece: expected calibration error, in [0, 1].
    """

    right: np.ndarray
    flicker: float
    nll: float
    ece: float

    @property
    def accuracy(self) -> float:
        """In [0, 1]."""
        return float(self.right.mean())


def measure(clip: Clip, probabilities: np.ndarray) -> Quality:
    """Compares answers, floats (T, 7), with the labels of a clip."""
    answers = probabilities.argmax(axis=1)
    return Quality(
        right=answers == clip.labels,
        flicker=changes_per_second(answers),
        nll=negative_log_likelihood(clip.labels, probabilities),
        ece=expected_calibration_error(clip.labels, probabilities),
    )


def changes_per_second(answers: np.ndarray) -> float:
    """How often the answer or the label of a frame, integers (T,), differs from that of the frame before."""
    return float((answers[1:] != answers[:-1]).mean() * FRAMES_PER_SECOND)


def seconds_until_right(right: np.ndarray, changes: np.ndarray) -> np.ndarray:
    """How long after each change an answer is right for the first time; NaN where the next change comes before that.

    Args:
        right: bool (T,).
        changes: integers (C,), the frames with which another face begins.

    Returns:
        float64 (C,).
    """
    held = np.split(right, changes)[1:]
    return np.array([frames.argmax() / FRAMES_PER_SECOND if frames.any() else np.nan for frames in held])
