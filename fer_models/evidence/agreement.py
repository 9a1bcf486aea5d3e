"""Do two maps show the same: attention and Grad-CAM in one model, or the same method in two models?"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from fer_models.evidence.pixels import to_pixels

HOT = 0.2


@dataclass(frozen=True)
class Agreement:
    """How alike two heat maps are; both figures are NaN if one of the maps is the same everywhere.

    Attributes:
        rank_correlation: Spearman's, in [-1, 1]; about 0 for maps that have nothing to do with each other.
        overlap: of the hottest fifths, intersection over union, in [0, 1]; about 0.11 for unrelated maps, since two
            random fifths share 0.04 of 0.36.

    Maps of faces are seldom unrelated, for faces lie alike in the picture: what two maps of the same face have in
    common is to be read beside what maps of different faces have.
    """

    rank_correlation: float
    overlap: float


def agreement(first: np.ndarray, second: np.ndarray) -> Agreement:
    """Compares two heat maps, each (h, w) on a grid of its own, on the face's 48x48 pixels.

    Raises:
        ValueError: as `to_pixels`.
    """
    first, second = to_pixels(first), to_pixels(second)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return Agreement(float("nan"), float("nan"))
    hot = _hottest(first), _hottest(second)
    return Agreement(
        rank_correlation=float(spearmanr(first.ravel(), second.ravel()).statistic),
        overlap=float((hot[0] & hot[1]).sum() / (hot[0] | hot[1]).sum()),
    )


def _hottest(heat: np.ndarray) -> np.ndarray:
    """The hottest fifth, and whatever is as hot as the last of it; never the coldest pixels, which show nothing."""
    last = np.sort(heat.ravel())[-round(HOT * heat.size)]
    return (heat >= last) & (heat > heat.min())
