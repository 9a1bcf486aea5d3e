"""A quick check of a heat map: what does removing its hottest fifth cost, and what do other fifths cost?"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from torch import nn

from fer_models.data.images import to_grey48
from fer_models.evidence.baselines import centred_gaussian, random_map
from fer_models.evidence.faithfulness import MARGIN, RANDOM_CELLS
from fer_models.evidence.imputation import NOISE, impute
from fer_models.evidence.pixels import hottest_first, to_pixels
from fer_models.inference import FaceImage, predict

FIFTH = 0.2
RANDOM_FIFTHS = 3

Finding = Literal["beats all", "not the centre", "not chance", "worse", "nothing"]


@dataclass(frozen=True)
class QuickCheck:
    """What removing a fifth of the face costs: the target's probability before minus after, in [-1, 1].

    Attributes:
        shown: without the hottest fifth of the map.
        random: without a random fifth, once per draw.
        centre: without the fifth around the picture's centre, where most of the face is in every picture.
    """

    shown: float
    random: tuple[float, ...]
    centre: float

    @property
    def finding(self) -> Finding:
        """What follows from the costs; differences of less than MARGIN count as none.

        "nothing": nothing that was removed matters, so the check cannot tell. "beats all": the map's fifth costs more
        than the centre and every random one. "not the centre": it costs more than every random fifth, but no more than
        the centre. "not chance": no more than some random fifth. "worse": less than every random fifth.
        """
        costs = (self.shown, *self.random, self.centre)
        if max(abs(cost) for cost in costs) < MARGIN:
            return "nothing"
        if self.shown <= min(self.random) - MARGIN:
            return "worse"
        if self.shown < max(self.random) + MARGIN:
            return "not chance"
        return "beats all" if self.shown >= self.centre + MARGIN else "not the centre"


def quick_check(
    model: nn.Module,
    face: FaceImage,
    heatmap: np.ndarray,
    target: int,
    intact: float | None = None,
    random_fifths: int = RANDOM_FIFTHS,
    seed: int = 0,
) -> QuickCheck | None:
    """Removes a fifth of the face in several ways (ROAD), in 2 + `random_fifths` forward passes in one batch.

    `measure_faithfulness` tells more: it removes other shares as well.

    Args:
        model, face: as in `predict`.
        heatmap: (h, w), such as an explanation's `heatmap` or `spatial_attention`.
        target: index into EMOTIONS of the emotion whose probability is measured.
        intact: the target's probability for the unchanged face, as `predict` returns it from one view; None costs
            another forward pass.
        random_fifths: how many random maps, on the grid of the map, with at most RANDOM_CELLS cells per side.
        seed: of the random maps, of the imputation's noise and of the order of ties.

    Returns:
        None for a constant map (an empty one is), which has no hottest fifth.

    Raises:
        TypeError, ValueError: as `to_grey48` and `to_pixels`.
    """
    face, heatmap = to_grey48(face), np.asarray(heatmap)
    own = to_pixels(heatmap)
    if np.ptp(own) == 0:
        return None
    grid = min(heatmap.shape[0], RANDOM_CELLS), min(heatmap.shape[1], RANDOM_CELLS)
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, NOISE, face.shape)
    maps = [own, centred_gaussian(), *(random_map(grid, rng) for _ in range(random_fifths))]
    without = [impute(face, _hottest_fifth(heat, rng), noise) for heat in maps]
    if intact is None:
        intact = float(predict(model, [face])[0, target])
    shown, centre, *random = (float(intact - probability) for probability in predict(model, without)[:, target])
    return QuickCheck(shown, tuple(random), centre)


def _hottest_fifth(heat: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    mask = np.zeros(heat.size, dtype=bool)
    mask[hottest_first(heat, rng)[: round(FIFTH * heat.size)]] = True
    return mask.reshape(heat.shape)
