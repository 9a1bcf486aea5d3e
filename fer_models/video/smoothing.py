"""Smoothing over time: a hidden Markov model of one person's emotion (Rabiner 1989, Proceedings of the IEEE 77).

The emotion persists, and changes now and then to one drawn from the prior. Over dt seconds the transition matrix is

    s I + (1 - s) 1 prior^T  with  s = exp(-rate dt), the probability that nothing changes.

A model's probabilities are turned into likelihoods by p(frame | emotion) ~ p(emotion | frame) / p(emotion) (Bourlard &
Morgan 1994, chapter 7). But neighbouring frames show nearly the same picture, and the model is wrong about both in the
same way, so two of them must not count as two opinions. Their errors are taken to have the correlation s. Then each
frame's likelihood gets the power that the frame has in the best mean of such values (generalised least squares),

    weight = 1 - s / (1 + s) of the step before - s / (1 + s) of the step after.

However many frames there are, a face that nothing changes about counts as one. A lone frame keeps its probabilities.
"""

from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from fer_models.data.fer2013 import PUBLISHED_COUNTS
from fer_models.emotions import EMOTIONS

_TRAINED_ON = np.array(PUBLISHED_COUNTS["train"])


@dataclass(frozen=True)
class Smoothing:
    """The parameters of the hidden Markov model. The rate was chosen on clips of PublicTest, see docs/results.md.

    Attributes:
        rate: changes per second, above 0; with a lower one, answers are steadier and brief emotions are missed.
        prior: probability of each emotion, in the order of EMOTIONS, above 0; by default its share of the faces that
            the models were trained on.

    Raises:
        ValueError: the rate or the prior is out of range.
    """

    rate: float = 4.0
    prior: tuple[float, ...] = field(default=tuple(_TRAINED_ON / _TRAINED_ON.sum()), repr=False)

    def __post_init__(self) -> None:
        if not self.rate > 0:
            raise ValueError(f"The rate is {self.rate}: pass the changes per second, above 0.")
        if len(self.prior) != len(EMOTIONS) or min(self.prior) <= 0 or not np.isclose(sum(self.prior), 1):
            raise ValueError(f"The prior is {self.prior}: pass {len(EMOTIONS)} probabilities above 0 that add up to 1.")


DEFAULT = Smoothing()

Stays = TypeVar("Stays", float, np.ndarray)


def smooth(
    probabilities: np.ndarray, times: np.ndarray, cuts: np.ndarray | None = None, parameters: Smoothing = DEFAULT
) -> np.ndarray:
    """The probabilities of each emotion in each frame, given all frames of a clip (forward-backward).

    Args:
        probabilities: floats (T, 7), a model's calibrated probabilities of one person's face.
        times: floats (T,) in seconds, ascending; the steps may differ.
        cuts: bool (T,), whether the clip cuts to another scene just before the frame, so that what came before says
            nothing about it; None for no cuts.
        parameters: of the hidden Markov model.

    Returns:
        float32 (T, 7).

    Raises:
        ValueError: the shapes do not fit, or the times do not ascend.
    """
    probabilities, times = np.asarray(probabilities, np.float64), np.asarray(times, np.float64)
    cuts = np.zeros(times.shape, bool) if cuts is None else np.asarray(cuts, bool)
    if times.ndim != 1 or probabilities.shape != (len(times), len(EMOTIONS)) or cuts.shape != times.shape:
        raise ValueError(
            f"The probabilities {probabilities.shape}, times {times.shape} and cuts {cuts.shape} do not fit: pass "
            f"(T, {len(EMOTIONS)}), (T,) and (T,) for T frames."
        )
    steps = np.diff(times)
    if not (steps >= 0).all():
        raise ValueError("The times do not ascend: sort the frames by time.")
    # From each frame to the next, with nothing before the first frame and nothing after the last.
    before, after = np.zeros((2, len(times)))
    before[1:] = after[:-1] = np.where(cuts[1:], 0, np.exp(-parameters.rate * steps))
    weights = 1 - _shared(before) - _shared(after)
    evidence = _likelihoods(probabilities, parameters) ** weights[:, None]
    # The chain is reversible, so the future predicts a frame as the past does, and p(emotion | all frames) is
    # proportional to p(emotion | past) p(frame | emotion) p(emotion | future) / p(emotion).
    from_past = _predictions(evidence, before, parameters)
    from_future = _predictions(evidence[::-1], after[::-1], parameters)[::-1]
    return _normalised(from_past * evidence * from_future / parameters.prior).astype(np.float32)


class Filter:
    """The same hidden Markov model for a camera: each answer rests on the frames so far. One per person and model."""

    def __init__(self, parameters: Smoothing = DEFAULT) -> None:
        self._parameters = parameters
        self._time = -np.inf
        # Of the latest frame: what the frames before it predict, its likelihood and the weight of that.
        self._prediction = np.array(parameters.prior)
        self._likelihood = np.ones(len(EMOTIONS))
        self._weight = 1.0

    def update(self, time: float, probabilities: np.ndarray) -> np.ndarray:
        """Takes in the next frame.

        Args:
            time: in seconds, not before that of the frame before.
            probabilities: floats (7,), calibrated.

        Returns:
            float32 (7,): the probabilities of each emotion in this frame, given all frames so far. They are those that
            `smooth` gives the last frame of a clip.

        Raises:
            ValueError: the time is before that of the frame before.
        """
        if not time >= self._time:
            raise ValueError(f"The frame at {time} s comes after the one at {self._time} s: pass frames in order.")
        stays = float(np.exp(-self._parameters.rate * (time - self._time)))
        # Only now is it known how much of the frame before the next one repeats.
        belief = _normalised(self._prediction * self._likelihood ** (self._weight - _shared(stays)))
        self._time = time
        self._prediction = _step(belief, stays, self._parameters)
        self._likelihood = _likelihoods(np.asarray(probabilities, np.float64), self._parameters)
        self._weight = 1 - _shared(stays)
        return _normalised(self._prediction * self._likelihood**self._weight).astype(np.float32)


def _shared(stays: Stays) -> Stays:
    """How much of the evidence of either frame its neighbour repeats, in [0, 1/2], by their correlation."""
    return stays / (1 + stays)


def _likelihoods(probabilities: np.ndarray, parameters: Smoothing) -> np.ndarray:
    """Scaled likelihoods (..., 7). A probability of 0 counts as the smallest normal float32: no frame is certain."""
    return np.maximum(probabilities, np.finfo(np.float32).tiny) / parameters.prior


def _step(belief: np.ndarray, stays: float, parameters: Smoothing) -> np.ndarray:
    """What is believed of the next frame before it is seen, (7,): the belief fades to the prior."""
    return stays * belief + (1 - stays) * np.array(parameters.prior)


def _predictions(evidence: np.ndarray, stays: np.ndarray, parameters: Smoothing) -> np.ndarray:
    """What is believed of each frame before it is seen, (T, 7), from its evidence (T, 7) and the steps to it (T,)."""
    predictions = np.empty_like(evidence)
    belief = np.array(parameters.prior)
    for t in range(len(evidence)):
        predictions[t] = _step(belief, stays[t], parameters)
        belief = _normalised(predictions[t] * evidence[t])
    return predictions


def _normalised(values: np.ndarray) -> np.ndarray:
    return values / values.sum(axis=-1, keepdims=True)
