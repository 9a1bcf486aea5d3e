"""Tables of the heat-map study, as formatted cells."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any, NamedTuple

from fer_models.estimates import Estimate
from fer_models.evidence import REGIONS, region_shares
from fer_models.evidence.baselines import centred_gaussian
from fer_models.explanations import METHODS
from fer_models.heatmap_study.measure import (
    AFTER_ATTENTION,
    COMPARED,
    MAIN_METHOD,
    RIVALS,
    MeasuredExplanations,
    compare_maps,
)
from fer_models.heatmap_study.verdicts import DECIMALS
from fer_models.markdown import Label, code

MAP_NAMES = {
    **{key: method.title for key, method in METHODS.items()},
    **{key + AFTER_ATTENTION: f"{method.title} after attention" for key, method in METHODS.items()},
    "attention": "spatial attention",
}
RIVAL_NAMES = {
    "random": "random maps",
    "centre": "the centred Gaussian",
    "edges": "the edges in the face",
    "other_face": "the same map of another face",
}
COMPARED_NAMES = {"heatmap": METHODS[MAIN_METHOD].title, "attention": MAP_NAMES["attention"]}
NOTHING = "–"  # a cell without a figure

Measured = Mapping[str, MeasuredExplanations]


class Table(NamedTuple):
    """A heading for each column, and rows of as many cells; the first two columns name a row."""

    head: tuple[str, ...]
    rows: list[tuple[str, ...]]


def number(found: Estimate | None, form: str = "z.2f") -> str:
    """ "0.42 [0.38, 0.46]", or a dash if there is no estimate."""
    if found is None:
        return NOTHING
    return f"{found.mean:{form}} [{found.low:{form}}, {found.high:{form}}]"


def points(share: Estimate | None, sign: str = "+") -> str:
    """A share of confidence in percentage points: "+4.2 [+3.8, +4.6]", without the plus signs if `sign` is ""."""
    if share is None:
        return NOTHING
    scaled = Estimate(100 * share.mean, 100 * share.low, 100 * share.high)
    return number(scaled, f"{sign}z.{DECIMALS - 2}f")


def faithfulness_table(measured: Measured, label: Label = code) -> Table:
    """What removing each map's hottest pixels costs, also compared with that of the baselines, in points."""
    rows = []
    for model_name, model in measured.items():
        for name, statistics in model.statistics["maps"].items():
            advantages = [points(statistics["advantage"][rival]) for rival in RIVALS]
            flat = str(statistics["flat"])
            rows.append((label(model_name), MAP_NAMES[name], *_cost(statistics), *advantages, flat))
        for name, statistics in model.statistics["baselines"].items():
            dashes = [NOTHING] * (len(RIVALS) + 1)
            rows.append((label(model_name), RIVAL_NAMES[name], *_cost(statistics), *dashes))
    head = ("model", "map", "ROAD cost ↑", "deletion ↓", "insertion ↑")
    against = ("minus random", "minus Gaussian", "minus edges", "minus another face's")
    return Table((*head, *against, "constant maps"), rows)


def dependence_table(measured: Measured, label: Label = code) -> Table:
    """Agreement with attention and between faces, and the sanity check: rank correlations with their intervals."""
    rows = []
    for model_name, model in measured.items():
        for name, statistics in model.statistics["maps"].items():
            attention, other = (
                statistics[key] or dict.fromkeys(("rank_correlation", "overlap"))
                for key in ("with_attention", "with_other_attention")
            )
            sanity = [*(statistics["sanity"] or {"nothing": None}).values()]
            estimates = (
                *(attention["rank_correlation"], other["rank_correlation"], attention["overlap"]),
                *(statistics["across_faces"]["rank_correlation"], sanity[0], sanity[-1]),
            )
            rows.append((label(model_name), MAP_NAMES[name], *map(number, estimates)))
    head = (
        *("model", "map", "with attention", "with another face's attention", "overlap with attention"),
        *("another face's map", "random head", "all weights random"),
    )
    return Table(head, rows)


def between_models_table(measured: Measured, label: Label = code) -> Table:
    """Agreement of the maps of each pair of models; without rows if there is no pair to compare."""
    rows = []
    for first, second in combinations(measured, 2):
        for name in COMPARED:
            found = compare_maps(measured[first], measured[second], name)
            if found:
                keys = ("rank_correlation", "overlap")
                numbers = [number(of[key]) for key in keys for of in (found, found["other"])]
                models = f"{label(first)}, {label(second)}"
                rows.append((models, COMPARED_NAMES[name], *numbers, str(found["faces"])))
    agreement = ("rank correlation", "different faces", "overlap of hottest fifths", "different faces")
    return Table(("models", "map", *agreement, "faces"), rows)


def regions_table(measured: Measured, label: Label = code) -> Table:
    """The main map's heat by region, model and true emotion, below the shares of the area and of a Gaussian."""
    area = next(iter(measured.values())).statistics["area"]
    references = {"share of the area": area, "centred Gaussian": region_shares(centred_gaussian())}
    rows = [
        (name, NOTHING, NOTHING, *(f"{shares[region]:.0%}" for region in REGIONS))
        for name, shares in references.items()
    ]
    for model_name, model in measured.items():
        for emotion, found in model.statistics["regions"].items():
            shares = (f"{found['shares'][region]:.0%}" for region in REGIONS)
            rows.append((label(model_name), emotion, str(found["faces"]), *shares))
    return Table(("model", "true emotion", "faces", *REGIONS), rows)


def _cost(statistics: dict[str, Any]) -> tuple[str, str, str]:
    areas = statistics["areas"]
    return points(statistics["cost"], sign=""), f"{100 * areas['deletion']:.1f}", f"{100 * areas['insertion']:.1f}"
