"""Faithfulness of a heat map: its perturbation curves (ROAD, deletion, insertion) compared with those of baselines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from fer_models.data.images import to_grey48
from fer_models.evidence.baselines import centred_gaussian, edge_map, random_map
from fer_models.evidence.perturbation import FRACTIONS, Curves, perturbation_curves
from fer_models.evidence.pixels import to_pixels
from fer_models.inference import FaceImage

RANDOM_MAPS = 3

# Smaller differences in confidence count as no difference.
MARGIN = 0.02

# Random maps have at most this many cells per side, because finer noise is easily imputed from its neighbours.
RANDOM_CELLS = 8

# The verdict reports the measured fraction that is nearest to 20 %.
SPOKEN_FRACTION = 0.2


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """The perturbation curves of a heat map and of baselines, which do not depend on the model.

    Attributes:
        curves: of the map itself.
        random: of random maps on the grid of the map, with at most RANDOM_CELLS cells per side.
        centre: of a Gaussian in the centre of the picture.
        edges: of the edges in the face.
        is_flat: whether the map is constant (an empty map is), so that it does not rank the pixels.
    """

    curves: Curves
    random: tuple[Curves, ...]
    centre: Curves
    edges: Curves
    is_flat: bool

    @property
    def verdict(self) -> str:
        """A summary of the curves in one or two sentences.

        The map beats random maps only if it costs more confidence than each of them; a random map would beat three
        others with a probability of 1/4. If removing its pixels costs no confidence, the map shows nothing that the
        model needs, whatever it beats. One face is an example; a statement about a method takes many faces.
        """
        if self.is_flat:
            return "The map is constant: it highlights nothing, so there is nothing to test."
        everything = (self.curves, *self.random, self.centre, self.edges)
        largest = max(np.abs(curves.road_most - curves.confidence).max() for curves in everything)
        if largest < MARGIN:
            return (
                f"Whatever is removed, the confidence of {self.curves.confidence:.2f} changes by less than {MARGIN}: "
                "there is no evidence for or against this map."
            )
        return f"{self._at_one_fraction()} {self._over_all_fractions()}"

    def _at_one_fraction(self) -> str:
        position = 1 + np.abs(self.curves.fractions[1:] - SPOKEN_FRACTION).argmin()
        share = f"{100 * self.curves.fractions[position]:.0f} %"
        hottest = _effect(self.curves.costs[position], "the confidence")
        random = _effect(float(np.mean([curves.costs[position] for curves in self.random])), "it")
        return f"Removing the hottest {share} of the pixels {hottest}; removing a random {share} {random}."

    def _over_all_fractions(self) -> str:
        cost = self.curves.mean_cost()
        rivals = {
            "random maps": [curves.mean_cost() for curves in self.random],
            "the centred Gaussian": [self.centre.mean_cost()],
            "the edges in the face": [self.edges.mean_cost()],
        }
        relations = {name: _relation(cost, costs) for name, costs in rivals.items()}
        comparison = ", ".join(f"{relations[name]} for {name} ({_range(costs)})" for name, costs in rivals.items())
        stronger, equal = (
            [name for name, relation in relations.items() if relation == wanted]
            for wanted in ("less than", "about as much as")
        )
        if stronger:
            conclusion = f"this map is worse than {' and '.join(stronger)}"
        elif equal:
            conclusion = f"this map is no better than {' and '.join(equal)}"
        elif cost < MARGIN:
            conclusion = "the model needs nothing that this map shows"
        else:
            conclusion = "on this face, this map beats all baselines"
        return (
            f"Averaged over all fractions, the mean loss of confidence is {_range([cost])}, {comparison}: {conclusion}."
        )


def measure_faithfulness(
    model: nn.Module,
    face: FaceImage,
    heatmap: np.ndarray,
    target: int,
    fractions: Sequence[float] = FRACTIONS,
    random_maps: int = RANDOM_MAPS,
    seed: int = 0,
    progress: Callable[[float], object] = lambda share: None,
) -> Faithfulness:
    """Compares a heat map of one face with three baselines, in (3 + random_maps) (2 + 4 F) forward passes.

    The model is locked only while one map is measured, so other threads can use it in between.

    Args:
        model, face, target, fractions: as in `perturbation_curves`.
        heatmap: (h, w), such as an explanation's `heatmap` or `spatial_attention`.
        random_maps: their number, at least 1.
        seed: of the random maps and of all other random numbers.
        progress: called after each map with the share of the work that is done, in (0, 1].

    Raises:
        TypeError, ValueError: as `to_pixels` and `perturbation_curves`, or `random_maps` is less than 1.

    Example:
        >>> (explanation,) = explain(model, [face])
        >>> measure_faithfulness(model, face, explanation.heatmap, explanation.target).verdict
        'Removing the hottest 20 % of the pixels lowers the confidence by 0.41; removing a random 20 % lowers it ...'
    """
    if random_maps < 1:
        raise ValueError(f"random_maps is {random_maps}: pass at least one, or there is nothing to compare with.")
    face, heatmap = to_grey48(face), np.asarray(heatmap)
    own = to_pixels(heatmap)
    grid = min(heatmap.shape[0], RANDOM_CELLS), min(heatmap.shape[1], RANDOM_CELLS)
    rng = np.random.default_rng(seed)
    maps = [own, centred_gaussian(), edge_map(face), *(random_map(grid, rng) for _ in range(random_maps))]
    measured = []
    for heat in maps:
        measured.append(perturbation_curves(model, face, heat, target, fractions, seed))
        progress(len(measured) / len(maps))
    curves, centre, edges, *random = measured
    return Faithfulness(curves, tuple(random), centre, edges, is_flat=bool(heatmap.min() == heatmap.max()))


def _relation(cost: float, rivals: list[float]) -> str:
    if cost >= max(rivals) + MARGIN:
        return "more than"
    return "less than" if cost <= min(rivals) - MARGIN else "about as much as"


def _effect(cost: float, what: str) -> str:
    if abs(cost) < 0.005:
        return f"does not change {what}"
    return f"lowers {what} by {cost:.2f}" if cost > 0 else f"raises {what} by {-cost:.2f}"


def _range(costs: list[float]) -> str:
    """One number, or "low to high", with two decimals and without a negative zero."""
    low, high = (f"{round(cost, 2) + 0.0:.2f}" for cost in (min(costs), max(costs)))
    return low if low == high else f"{low} to {high}"
