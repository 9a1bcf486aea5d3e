"""The probabilities of all models in one chart: a row per emotion, a mark per model."""

from collections.abc import Sequence

import numpy as np

from demo.markup import percent
from fer_models import EMOTIONS, Explanation
from fer_models.architectures import model_title

# Marks differ in shape and in colour; the page's style sheet draws them.
MARKS = ("circle", "square", "diamond", "triangle", "ring", "cross")


def render_probabilities(explanations: Sequence[Explanation], columns: int = 0) -> str:
    """The chart, with the same numbers as a table for screen readers.

    Args:
        explanations: one per model.
        columns: how many columns of the grid it spans, from the first; 0 for a row of its own.
    """
    marks = {each.model_name: MARKS[index % len(MARKS)] for index, each in enumerate(explanations)}
    mean = np.mean([each.probabilities for each in explanations], axis=0)
    rows = "".join(
        f'<tr><th scope="row">{emotion}</th><td class="track">{_marks(explanations, marks, index)}</td>'
        f"<td>{percent(float(mean[index]))}</td></tr>"
        for index, emotion in enumerate(EMOTIONS)
    )
    legend = " ".join(f'<span><i class="mark {mark}"></i> {model_title(name)}</span>' for name, mark in marks.items())
    style = f"grid-area: 4 / 1 / auto / span {columns}" if columns else "grid-column: 1 / -1"
    return f"""
      <figure class="probabilities" style="{style}">
        <table>
          <caption>Probability of each emotion{", by model; at the right the mean" * (len(explanations) > 1)}</caption>
          {rows}
          <tr aria-hidden="true">
            <td></td><td class="axis"><span>0</span><span>50</span><span>100 %</span></td><td></td>
          </tr>
        </table>
        <figcaption class="legend">{legend}</figcaption>
      </figure>"""


def _marks(explanations: Sequence[Explanation], marks: dict[str, str], emotion: int) -> str:
    drawn = ""
    for each in explanations:
        said = f"{model_title(each.model_name)}: {percent(float(each.probabilities[emotion]))}"
        place = f"left: {100 * each.probabilities[emotion]:.1f}%"
        drawn += f'<i class="mark {marks[each.model_name]}" style="{place}" title="{said}"></i>'
        drawn += f'<span class="unseen">{said}. </span>'
    return drawn
