"""Agreement of two heat maps: Spearman's rank correlation, and the overlap of their hottest fifths."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from fer_models.evidence.pixels import to_pixels

HOT = 0.2


@dataclass(frozen=True)
class Agreement:
    """How similar two heat maps are. Both values are NaN if one of the maps is constant.

    Attributes:
        rank_correlation: Spearman's, in [-1, 1]; about 0 for unrelated maps.
        overlap: intersection over union of the hottest fifths, in [0, 1]; about 0.11 for unrelated maps, because two
            random fifths share 0.04 of 0.36.

    Faces have a similar position in every picture, so their maps are seldom unrelated: compare the values of two maps
    of the same face with those of maps of different faces.
    """

    rank_correlation: float
    overlap: float


def measure_agreement(first: np.ndarray, second: np.ndarray) -> Agreement:
    """Compares two heat maps (h, w), which may differ in size, on the face's 48x48 pixels.

    Raises:
        ValueError: as `to_pixels`.
    """
    first, second = to_pixels(first), to_pixels(second)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return Agreement(float("nan"), float("nan"))
    hot = _hottest(first), _hottest(second)
    return Agreement(
        rank_correlation=float(np.corrcoef(rankdata(first), rankdata(second))[0, 1]),
        overlap=float((hot[0] & hot[1]).sum() / (hot[0] | hot[1]).sum()),
    )


def _hottest(heat: np.ndarray) -> np.ndarray:
    """A mask of the hottest fifth, including ties with its coldest pixel, but never the coldest pixels of the map."""
    last = np.sort(heat.ravel())[-round(HOT * heat.size)]
    return (heat >= last) & (heat > heat.min())
