"""Dot plots as HTML tables: a row for each map, and in it a mark with its 95 % interval for each kind of figure."""

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

from demo.trust_grid import capitalised, row_id
from fer_models.architectures import MODELS
from fer_models.estimates import Estimate
from fer_models.heatmap_study.measure import MeasuredExplanations
from fer_models.heatmap_study.tables import MAP_NAMES, number

MOST_INTERVALS = 8  # on a phone, more labels would touch each other

Row = Mapping[str, Estimate | None]


def round_ticks(low: float, high: float) -> list[float]:
    """Evenly spaced round numbers, the first at most `low` and the last at least `high`; 0 is always among them.

    Raises:
        ValueError: both are 0, or not finite.
    """
    low, high = min(low, 0), max(high, 0)
    magnitude = 10.0 ** math.floor(math.log10((high - low) / MOST_INTERVALS))
    for step in (factor * magnitude for factor in (1, 2, 5, 10, 20)):
        first, last = math.floor(low / step), math.ceil(high / step)
        if last - first <= MOST_INTERVALS:
            break
    return [round(index * step, 10) for index in range(first, last + 1)]


def render_plots(
    plot: str,
    measured: Mapping[str, MeasuredExplanations],
    row_of: Callable[[dict], Row],
    kinds: Mapping[str, str],
    axis_title: str,
    ticks: Sequence[float],
    form: str,
) -> str:
    """A plot for each model, with all maps that it has.

    Args:
        plot: the first part of the rows' `row_id`.
        measured: by model name.
        row_of: from a map's statistics to its estimates by kind, in the unit of the axis.
        kinds: what each kind is called.
        axis_title: what the axis shows, with its unit.
        ticks: where the axis has labels, with 0 among them; it ends at the first and the last.
        form: of a figure in words, for pointers and screen readers.
    """
    ends = ticks[0], ticks[-1]
    labels = "".join(f'<span style="left: {_place(tick, ends)}">{_label(tick)}</span>' for tick in ticks)
    drawn = []
    for name, model in measured.items():
        rows = "".join(
            f'<tr id="{row_id(plot, name, method)}"><th scope="row">{capitalised(MAP_NAMES[method])}'
            f"{_flat(statistics, model)}</th>"
            f'<td class="track">{_marks(row_of(statistics), kinds, ends, form)}</td></tr>'
            for method, statistics in model.statistics["maps"].items()
        )
        axis = f'<tr><td></td><td class="axis"><p>{labels}</p>{axis_title}</td></tr>'
        drawn.append(
            f'<div class="plot" style="--zero: {_place(0, ends)}; --intervals: {len(ticks) - 1}">'
            f'<table><caption>{escape(MODELS[name].title)}<span class="unseen">: {axis_title}</span></caption>'
            f'<tbody>{rows}</tbody><tfoot aria-hidden="true">{axis}</tfoot></table></div>'
        )
    return f'{_key(kinds)}<div class="plots">{"".join(drawn)}</div>'


def _key(kinds: Mapping[str, str]) -> str:
    items = "".join(f'<li><b class="mark {kind}"></b> {name}</li>' for kind, name in kinds.items())
    return f'<ul class="key-of-marks">{items}</ul>'


def _flat(statistics: dict, model: MeasuredExplanations) -> str:
    flat = statistics["flat"]
    return f" <small>constant on {flat} of {model.statistics['images']}</small>" if flat else ""


def _marks(row: Row, kinds: Mapping[str, str], ends: tuple[float, float], form: str) -> str:
    marks = []
    for kind, found in row.items():
        if found is None:
            continue
        words = f"{kinds[kind]}: {number(found, form)}"
        marks.append(
            f'<div class="{kind}" role="img" aria-label="{words}" title="{words}">'
            f'<i style="left: {_place(found.low, ends)}; right: calc(100% - {_place(found.high, ends)})"></i>'
            f'<b class="mark {kind}" style="left: {_place(found.mean, ends)}"></b></div>'
        )
    return "".join(marks)


def _label(tick: float) -> str:
    return f"{tick:+g}".replace("-", "−") if tick else "0"


def _place(value: float, ends: tuple[float, float]) -> str:
    low, high = ends
    return f"{100 * (value - low) / (high - low):.1f}%"
