"""Steadiness: does a map stay where it is while the face does? A map that jumps then is not to be believed."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fer_models.evidence import measure_agreement


@dataclass(frozen=True)
class Steadiness:
    """How alike the maps of one face are over time, beside maps of different faces. NaN where there are no pairs.

    Attributes:
        neighbours: median rank correlation (Spearman's, in [-1, 1]) of each map with the next one.
        strangers: the same of each map with one of another face. Faces have a similar position in every picture, so
            this is seldom 0.
        constant: number of maps that have the same value everywhere, which have no rank correlation and are left out.
    """

    neighbours: float
    strangers: float
    constant: int

    @property
    def jumps(self) -> bool:
        """Whether from one frame to the next at least half of what tells this face's maps from others' is lost.

        That is nearer to the likeness of different faces than to 1, the likeness of a map that does not change. False
        where a median is missing.
        """
        return self.neighbours < (self.strangers + 1) / 2


def steadiness(maps: np.ndarray, others: np.ndarray) -> Steadiness:
    """Compares the maps of one face over time with each other and with those of different faces.

    Args:
        maps: floats (T, h, w), heat maps or attention of one face in frames that follow each other.
        others: floats (N, h', w'), the same model's maps of different faces. Map t is compared with other t modulo N.

    Raises:
        ValueError: as `measure_agreement`.
    """
    return Steadiness(
        neighbours=_median(pairwise(maps)),
        strangers=_median((one, others[t % len(others)]) for t, one in enumerate(maps) if len(others)),
        constant=int(sum(np.ptp(one) == 0 for one in maps)),
    )


def _median(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> float:
    """The median rank correlation; a pair with a constant map has none."""
    found = [measure_agreement(*pair).rank_correlation for pair in pairs]
    known = [value for value in found if not np.isnan(value)]
    return float(np.median(known)) if known else float("nan")
