"""What the models say about a face together, and whether they look at the same places, as HTML."""

from collections.abc import Sequence
from itertools import combinations
from math import isnan

import numpy as np

from demo.analysis import TITLES, agreement, all_of
from fer_models import EMOTIONS, Explanation, evidence
from fer_models.evaluation.consensus import jensen_shannon


def render_consensus(explanations: Sequence[Explanation], accuracy: float | None) -> str:
    """Who agrees in one sentence, then the mean of all answers.

    Args:
        explanations: one a model.
        accuracy: of that mean on FER-2013's test faces, in [0, 1]; None where it has not been measured.
    """
    sentence = f'<p class="verdict" role="status">{agreement(explanations)}</p>'
    if len(explanations) == 1:
        return sentence
    distributions = np.stack([explanation.probabilities for explanation in explanations])
    mean = distributions.mean(axis=0)
    first, second = np.argsort(-mean)[:2]
    known = "" if accuracy is None else f" On FER-2013's test faces this mean is right {accuracy:.1%} of the time."
    models = all_of(len(explanations)).lower()
    return f"""{sentence}
    <p class="consensus">The mean of {models}: <b>{EMOTIONS[first]}</b> {mean[first]:.0%}, then
    {EMOTIONS[second]} {mean[second]:.0%}.{known} Their disagreement is {jensen_shannon(distributions):.2f}, on a scale
    from 0 (all say the same) to 1 (no two have an emotion in common; Jensen-Shannon divergence).</p>"""


def render_map_agreement(explanations: Sequence[Explanation]) -> str:
    """How alike the heat maps of each two models are, as a table; nothing for a single model."""
    if len(explanations) == 1:
        return ""
    found = {
        (first.model_name, second.model_name): evidence.agreement(first.heatmap, second.heatmap)
        for first, second in combinations(explanations, 2)
    }
    names = [explanation.model_name for explanation in explanations]
    head = "".join(f'<th scope="col">{TITLES[name]}</th>' for name in names[1:])
    rows = "".join(
        f'<tr><th scope="row">{TITLES[row]}</th>'
        + "".join(f"<td>{_cell(found.get((row, column)))}</td>" for column in names[1:])
        + "</tr>"
        for row in names[:-1]
    )
    return f"""
    <section class="map-agreement">
      <h3>Do the models look at the same places?</h3>
      <div class="scrolling"><table class="plain lined"><tr><td></td>{head}</tr>{rows}</table></div>
      <p class="legend">Rank correlation of two heat maps (1: the same order of places, 0: nothing to do with each
      other), and how much of their hottest fifths is common to both (unrelated maps: 11 %).</p>
    </section>"""


def _cell(found: evidence.Agreement | None) -> str:
    if found is None:
        return ""
    return (
        "a map is flat" if isnan(found.overlap) else f"{found.rank_correlation:z.2f} <small>{found.overlap:.0%}</small>"
    )
