"""Which frames of a clip are looked at: so many per second, whatever its own rate and however it varies."""

import math
from collections.abc import Callable
from math import floor

# Containers round times to milliseconds, so a frame may come this much before its moment. In seconds.
ROUNDING = 0.001


def sampler(fps: float | None) -> Callable[[float], bool]:
    """Tells of each time in turn, in seconds, whether it is the first one in its interval of 1 / fps seconds.

    Args:
        fps: how many times per second to choose; None chooses all.

    Raises:
        ValueError: `fps` is not greater than 0.
    """
    if fps is None:
        return lambda time: True
    if not 0 < fps < math.inf:
        raise ValueError(f"Cannot take {fps} frames per second; please give a number greater than 0.")
    last = -1

    def is_first(time: float) -> bool:
        nonlocal last
        interval = interval_of(time, fps)
        is_new, last = interval > last, max(interval, last)
        return is_new

    return is_first


def interval_of(time: float, fps: float) -> int:
    """The number of the interval of 1 / fps seconds that a time in seconds lies in; the first one is 0."""
    return floor((time + ROUNDING) * fps)
