"""How alike the heat maps of each two models are, as a table."""

from collections.abc import Sequence
from itertools import combinations
from math import isnan

from demo.markup import term
from fer_models import Explanation
from fer_models.architectures import model_title
from fer_models.evidence import Agreement, measure_agreement

RANK_CORRELATION = (
    "Spearman's: 1 if both maps order the places alike, 0 if they are unrelated, -1 if they are opposite."
)


def render_map_agreement(explanations: Sequence[Explanation]) -> str:
    """The table, and how to read it; nothing for a single model."""
    if len(explanations) == 1:
        return ""
    found = {
        (first.model_name, second.model_name): measure_agreement(first.heatmap, second.heatmap)
        for first, second in combinations(explanations, 2)
    }
    names = [explanation.model_name for explanation in explanations]
    head = "".join(f'<th scope="col">{model_title(name)}</th>' for name in names[1:])
    rows = "".join(
        f'<tr><th scope="row">{model_title(row)}</th>'
        + "".join(f"<td>{_cell(found.get((row, column)))}</td>" for column in names[1:])
        + "</tr>"
        for row in names[:-1]
    )
    return f"""
    <div class="scrolling"><table class="plain lined"><tr><td></td>{head}</tr>{rows}</table></div>
    <p class="legend">The {term("rank correlation", RANK_CORRELATION)} of two heat maps, and how much their hottest
    fifths overlap (unrelated maps: 11 %). Faces have the same position in every picture, so maps of different faces
    agree, too: “Trust the maps?” shows by how much.</p>"""


def _cell(found: Agreement | None) -> str:
    if found is None:
        return ""
    if isnan(found.overlap):
        return "a map is flat"
    return f"{found.rank_correlation:z.2f} <small>{100 * found.overlap:.0f} %</small>"
