"""Is a heat map's face worse off without what the map shows, and would a map that knows nothing have done as well?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fer_models.architectures import EmotionModel
from fer_models.data.images import to_grey48
from fer_models.evidence.baselines import centred_gaussian, edge_map, random_map
from fer_models.evidence.perturbation import FRACTIONS, Curves, perturbation_curves
from fer_models.evidence.pixels import to_pixels
from fer_models.inference import Face

RANDOM_MAPS = 3

# Differences in confidence that are smaller than this are called none.
MARGIN = 0.02

# Random maps are at most this fine: finer noise is imputed from its neighbours, and any blob looks better than that.
RANDOM_CELLS = 8

# The verdict speaks of the hottest 20 %, or of the measured fraction that is nearest to it.
SPOKEN_FRACTION = 0.2


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """A heat map's curves beside those of maps that know nothing of the model.

    Attributes:
        curves: of the map itself.
        random: of random maps as coarse as the map, with RANDOM_CELLS a side at most.
        centre: of a Gaussian in the middle of the picture.
        edges: of the edges in the face.
        is_flat: whether the map is the same everywhere (an empty one is), so that it ranks no pixel before another.
    """

    curves: Curves
    random: tuple[Curves, ...]
    centre: Curves
    edges: Curves
    is_flat: bool

    @property
    def verdict(self) -> str:
        """What the figures say, in plain sentences.

        The map is said to beat random maps if it costs more than each of them: a map that is itself random would beat
        three others once in four times. Whatever it beats, it shows nothing that the model needs if removing its
        pixels costs no confidence. One face is an example; a statement about a method takes many.
        """
        if self.is_flat:
            return "The map is the same everywhere: it points at nothing, so there is nothing to test."
        everything = (self.curves, *self.random, self.centre, self.edges)
        largest = max(np.abs(curves.road_most - curves.confidence).max() for curves in everything)
        if largest < MARGIN:
            return (
                f"Whatever is removed, the confidence of {self.curves.confidence:.2f} moves by less than {MARGIN}: "
                "there is no evidence for this map or against it."
            )
        return f"{self._at_one_fraction()} {self._over_all_fractions()}"

    def _at_one_fraction(self) -> str:
        position = 1 + np.abs(self.curves.fractions[1:] - SPOKEN_FRACTION).argmin()
        share = f"{100 * self.curves.fractions[position]:.0f} %"
        hottest = _words(self.curves.costs[position], " of confidence")
        random = _words(np.mean([curves.costs[position] for curves in self.random]))
        return f"Removing the hottest {share} {hottest}; a random {share} {random}."

    def _over_all_fractions(self) -> str:
        cost = self.curves.mean_cost()
        rivals = {
            "random maps": [curves.mean_cost() for curves in self.random],
            "the middle of the picture": [self.centre.mean_cost()],
            "the edges in it": [self.edges.mean_cost()],
        }
        relations = {name: _relation(cost, costs) for name, costs in rivals.items()}
        comparison = ", ".join(f"{relations[name]} {name} ({_range(costs)})" for name, costs in rivals.items())
        stronger, equal = (
            [name for name, relation in relations.items() if relation == wanted]
            for wanted in ("less than", "about as much as")
        )
        if stronger:
            conclusion = f"this map is worse than {' and '.join(stronger)}"
        elif equal:
            conclusion = f"this map is no better than {' and '.join(equal)}"
        elif cost < MARGIN:
            conclusion = "nothing that this map shows was needed"
        else:
            conclusion = "on this face, this map beats all that know nothing of the model"
        return f"Averaged over all amounts, its pixels cost {_range([cost])}, {comparison}: {conclusion}."


def faithfulness(
    model: EmotionModel,
    face: Face,
    heatmap: np.ndarray,
    target: int,
    fractions: Sequence[float] = FRACTIONS,
    random_maps: int = RANDOM_MAPS,
    seed: int = 0,
    progress: Callable[[float], object] = lambda share: None,
) -> Faithfulness:
    """Tests a heat map of one face against three baselines, with (3 + random_maps) (2 + 4 F) forward passes.

    The model is locked for one map's passes at a time, so other threads get their turn in between.

    Args:
        model, face, target, fractions: as in `perturbation_curves`.
        heatmap: (h, w), such as an explanation's `heatmap` or `spatial_attention`.
        random_maps: how many, at least 1.
        seed: of the random maps and of everything else that is random.
        progress: is told which share of the work, in (0, 1], is done, after each map.

    Raises:
        ValueError: as `to_pixels` and `perturbation_curves`, or no random maps.

    Example:
        >>> (explanation,) = explain(model, [face])
        >>> faithfulness(model, face, explanation.heatmap, explanation.target).verdict
        'Removing the hottest 20 % costs 0.41 of confidence; a random 20 % costs 0.08. ...'
    """
    if random_maps < 1:
        raise ValueError(f"{random_maps} random maps were asked for: there is no comparison without at least one.")
    face, heatmap = to_grey48(face), np.asarray(heatmap)
    rng = np.random.default_rng(seed)
    maps = [
        to_pixels(heatmap),
        centred_gaussian(),
        edge_map(face),
        *(random_map(np.minimum(heatmap.shape, RANDOM_CELLS), rng) for _ in range(random_maps)),
    ]
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


def _words(cost: float, unit: str = "") -> str:
    if abs(cost) < 0.005:
        return "costs nothing"
    return f"costs {cost:.2f}{unit}" if cost > 0 else f"gains {-cost:.2f}{unit}"


def _range(costs: list[float]) -> str:
    """Two decimals, and no minus in front of a zero."""
    low, high = (f"{round(cost, 2) + 0.0:.2f}" for cost in (min(costs), max(costs)))
    return low if low == high else f"{low} to {high}"
