"""Rules that turn the study's figures into verdicts on a map. They look at 95 % intervals, never at a mean alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fer_models.estimates import Estimate
from fer_models.evidence.sanity import SAME
from fer_models.heatmap_study.measure import MeasuredExplanations

# Decimals of a share of confidence, in sentences and tables; a decimal less in percentage points of it.
DECIMALS = 3

# Attention whose weights differ by no more than this within a face counts as uniform: their order means nothing.
SAME_GATES = 0.01

BETTER, NO_DIFFERENCE, WORSE = "better", "no difference found", "worse"

# The maps that know nothing of the model, as a verdict calls them.
KNOW_NOTHING = {"random": "random", "centre": "the centre", "edges": "edges"}

# How a map can fail against them, the most damning failure first, and the level of a map that fails in this way. Random
# maps are the weakest rival, so not to beat them is worse than to lose against the centre.
FAILURES = (
    ("random", WORSE, "bad"),
    ("random", NO_DIFFERENCE, "bad"),
    ("centre", WORSE, "bad"),
    ("edges", WORSE, "bad"),
    ("centre", NO_DIFFERENCE, "unclear"),
    ("edges", NO_DIFFERENCE, "unclear"),
)


@dataclass(frozen=True)
class Verdict:
    """What the faithfulness test says of a map.

    Attributes:
        level: "good" (beats every map that knows nothing), "unclear" (beats random maps and loses against none, but
            against one of them no difference was found) or "bad" (the rest).
        words: such as "beats all three" or "no better than the centre"; they name the most damning failure.
    """

    level: str
    words: str


def compare(advantage: Estimate) -> str:
    """BETTER, WORSE or NO_DIFFERENCE, from an advantage rounded as in the table."""
    if round(advantage.low, DECIMALS) > 0:
        return BETTER
    return WORSE if round(advantage.high, DECIMALS) < 0 else NO_DIFFERENCE


def verdict(advantage: Mapping[str, Estimate]) -> Verdict:
    """The verdict on one map of one model.

    Args:
        advantage: by baseline, such as `statistics["maps"]["gradcam"]["advantage"]`; a share of confidence in [-1, 1].
    """
    outcomes = {rival: compare(advantage[rival]) for rival in KNOW_NOTHING}
    for rival, outcome, level in FAILURES:
        if outcomes[rival] == outcome:
            return Verdict(level, f"{'worse' if outcome == WORSE else 'no better'} than {KNOW_NOTHING[rival]}")
    return Verdict("good", "beats all three")


def stays_similar(found: Estimate | None) -> str:
    """ "stays", "changes" or "undecided", from the rank correlation of a map with what it is compared with."""
    if found is None or found.high < SAME:
        return "changes"
    return "stays" if found.low >= SAME else "undecided"


def sanity_verdicts(statistics: Mapping[str, Any]) -> tuple[str, str]:
    """What becomes of a map with a random head, and with all weights random; as `stays_similar` says it.

    Args:
        statistics: of one map. Attention, which has no sanity check, counts as "changes".
    """
    steps = list((statistics["sanity"] or {}).values())
    return (stays_similar(steps[0]), stays_similar(steps[-1])) if steps else ("changes", "changes")


def remarks(statistics: Mapping[str, Any], faces: int) -> dict[str, str]:
    """Reasons not to believe a map whatever its verdict is, in few words, by kind.

    Args:
        statistics: of one map.
        faces: on which the model was measured.

    Returns:
        With the keys "weights" or "head" (the map survives the randomisation of weights, so it does not show what the
        network learned), "undecided" (the sanity check), "faces" (the map is similar on all faces) and "flat" (it is
        constant on some faces), where they apply.
    """
    head, everything = sanity_verdicts(statistics)
    found = {}
    if everything == "stays":
        found["weights"] = "similar with random weights"
    elif head == "stays":
        found["head"] = "similar with a random head"
    elif "undecided" in (head, everything):
        found["undecided"] = "sanity check undecided"
    if stays_similar(statistics["across_faces"]["rank_correlation"]) == "stays":
        found["faces"] = "similar on all faces"
    if statistics["flat"]:
        found["flat"] = f"constant on {statistics['flat']} of {faces} faces"
    return found


def has_uniform_attention(model: MeasuredExplanations) -> bool:
    """Whether the weights of the spatial attention hardly differ within a face."""
    uniform = model.statistics.get("uniform_attention")
    return uniform is not None and uniform["spread"].mean <= SAME_GATES


def best_supported(model: MeasuredExplanations) -> str | None:
    """The heat maps of this model that the study supports best: a key of its maps, or None if it supports none.

    Of the heat maps that pass the sanity check or are undecided in it, it takes those that beat every map that knows
    nothing; if there are none, those that beat random maps and lose against neither the centre nor the edges. Among
    these, the largest mean advantage over random maps decides, and of equal maps the first one. That the others are
    worse does not follow: their intervals may overlap.
    """
    maps = model.statistics["maps"]
    passing = [key for key in maps if key != "attention" and "stays" not in sanity_verdicts(maps[key])]
    for level in ("good", "unclear"):
        there = [key for key in passing if verdict(maps[key]["advantage"]).level == level]
        if there:
            return max(there, key=lambda key: maps[key]["advantage"]["random"].mean)
    return None
