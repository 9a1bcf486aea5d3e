"""The quick check of a map as a badge: a verdict, three bars and a sentence."""

import numpy as np

from demo.markup import term
from fer_models import Explanation
from fer_models.evidence import QuickCheck

# Symbol, class and words of each finding.
FINDINGS = {
    "beats all": ("✓", "good", "beats chance and the centre"),
    "not the centre": ("≈", "fair", "no better than the centre"),
    "not chance": ("≈", "poor", "no better than chance"),
    "worse": ("✗", "poor", "worse than chance"),
    "nothing": ("?", "open", "cannot tell: no removal matters"),
}
WAITING = '<p class="waiting">checking this map …</p>'
FLAT = ("?", "open", "constant: nothing to check")
HOW = """A fifth of the face is removed and filled in from its surroundings (ROAD, Rong et al. 2022): the fifth that \
the map shows as hottest, random fifths, and the middle of the picture. The numbers are what happens to the \
probability of the explained emotion, in points, for the face as it is. One face is an example: the full test below \
tells more."""


def render_badge(explanation: Explanation, check: QuickCheck | None) -> str:
    """The badge of an explanation; None says that its map is constant."""
    symbol, kind, words = FLAT if check is None else FINDINGS[check.finding]
    head = f'<p class="{kind}"><b aria-hidden="true">{symbol}</b> {term(words, HOW)}</p>'
    if check is None:
        return head
    random = float(np.mean(check.random))
    costs = {"the map’s fifth": check.shown, "random fifths": random, "the centre": check.centre}
    bars = "".join(
        f'<tr><th scope="row">{name}</th><td class="bar"><i style="width: {100 * max(cost, 0):.1f}%"></i></td>'
        f"<td>{-100 * cost:+z.0f}</td></tr>"
        for name, cost in costs.items()
    )
    return f"""{head}
    <table class="costs"><caption class="unseen">Points of probability lost without a fifth of the face:
    {points(check.shown)} without what the map shows, {points(random)} without a random fifth,
    {points(check.centre)} without the centre</caption>{bars}</table>"""


def points(cost: float) -> str:
    """A cost in points, such as "41 points"; a gain is negative."""
    rounded = round(100 * cost)
    return f"{rounded} point{'' if abs(rounded) == 1 else 's'}"
