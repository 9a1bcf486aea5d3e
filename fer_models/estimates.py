"""Means with 95 % intervals by the percentile bootstrap."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

RESAMPLES = 10_000


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float


def estimate(values: Iterable[float]) -> Estimate | None:
    """The mean over faces with its 95 % interval, ignoring NaN; None for fewer than two values.

    The interval is a percentile bootstrap, which is too narrow for fewer than about ten faces.
    """
    return estimate_over_draws(np.array([list(values)], dtype=np.float64))


def estimate_over_draws(values: np.ndarray) -> Estimate | None:
    """`estimate` for faces that were each measured in several random draws, which add variance of their own.

    Args:
        values: (draws, N). Draws and faces are both resampled, because all faces share a draw (pigeonhole bootstrap;
            Owen 2007).
    """
    values = values[:, ~np.isnan(values).any(axis=0)]
    draws, n = values.shape
    if n < 2:
        return None
    of_draws, of_faces = _resamples(draws, n)
    low, high = np.percentile(((of_draws @ values) * of_faces).sum(axis=1) / (draws * n), [2.5, 97.5])
    return Estimate(float(values.mean()), float(low), float(high))


@lru_cache(maxsize=4)  # making them takes most of the time, and a study has hundreds of estimates over the same numbers
def _resamples(draws: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """How often each resample takes each draw and each face, int64 (RESAMPLES, draws) and (RESAMPLES, n).

    These numbers determine a resample; they follow a multinomial distribution.
    """
    rng = np.random.default_rng(0)
    of_draws, of_faces = (rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES) for count in (draws, n))
    return of_draws, of_faces
