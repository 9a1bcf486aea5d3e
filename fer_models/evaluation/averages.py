"""Simpler ways to smooth answers over time, to compare the hidden Markov model with: weighted means of the frames."""

from collections.abc import Callable

import numpy as np

Kernel = Callable[[np.ndarray], np.ndarray]  # from seconds since another frame to the weight that it gets


def running_mean(seconds: float) -> Kernel:
    """All frames within a window of this length, around the frame, count the same."""
    return lambda age: (abs(age) <= seconds / 2 + 1e-9).astype(float)  # times in floats are not quite evenly spaced


def exponential(seconds: float) -> Kernel:
    """Exponential smoothing in both directions: a frame counts less by a factor of e for so many seconds between."""
    return lambda age: np.exp(-abs(age) / seconds)


def exponential_online(seconds: float) -> Kernel:
    """The same with the frames so far only."""
    return lambda age: np.where(age >= 0, np.exp(-abs(age) / seconds), 0)


def average(probabilities: np.ndarray, times: np.ndarray, kernel: Kernel) -> np.ndarray:
    """The weighted mean of the frames' probabilities around each frame, (T, 7), from (T, 7) and times (T,)."""
    weights = kernel(times[:, None] - times)
    return weights @ probabilities / weights.sum(axis=1, keepdims=True)
