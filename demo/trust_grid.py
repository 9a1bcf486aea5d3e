"""The grid of the tab "Trust the maps?": methods by models, in each cell a verdict and what speaks against the map."""

from collections.abc import Mapping
from html import escape

from fer_models.architectures import MODELS
from fer_models.heatmap_study.measure import MeasuredExplanations
from fer_models.heatmap_study.tables import MAP_NAMES, points
from fer_models.heatmap_study.verdicts import (
    KNOW_NOTHING,
    best_supported,
    has_uniform_attention,
    remarks,
    verdict,
)

SIGNS = {"good": "✓", "unclear": "≈", "bad": "✗"}
LEVELS = {
    "good": "beats all three: removing what the map shows costs the model more confidence than removing what they show",
    "unclear": "beats random maps, but against the centre or edges no difference was found",
    "bad": "no better than random maps, or worse than one of the three",
}

# A letter for each kind of remark, and what it means.
LETTERS = {
    "weights": ("W", "similar with random weights: the map ignores what the network has learned"),
    "head": (
        "H",
        "similar with a random head (all layers after the last convolutional stage): it does not show why this emotion",
    ),
    "undecided": ("?", "in the sanity check, draws of random weights differ too much to say"),
    "faces": ("F", "similar on all faces: much of the map does not depend on this face"),
    "flat": ("C", "constant on some faces: there the map shows nothing"),
}

CAPTION = """\
Each cell: is the map better than three that know nothing of the model (random maps, the centre of the picture, edges)?
Where a model has attention, maps “after attention” are made from its output, as Analyse makes them at first, and the
others in front of it. A click leads to a map's figures."""


def row_id(plot: str, model: str, method: str) -> str:
    """The address within the page of a map's row in a plot, to which its cell links.

    Args:
        plot: "faithfulness" or "dependence".
        model, method: keys of MODELS and MAP_NAMES.
    """
    return f"{plot}-{model}-{method}"


def capitalised(name: str) -> str:
    """A map's name as it begins a line."""
    return name[0].upper() + name[1:]


def render_grid(measured: Mapping[str, MeasuredExplanations]) -> str:
    """The table with its legend.

    Args:
        measured: by model name, at least one; the other models get cells that say so.
    """
    head = "".join(f'<th scope="col">{escape(architecture.title)}</th>' for architecture in MODELS.values())
    best = {name: best_supported(model) for name, model in measured.items()}
    rows = "".join(
        f'<tr><th scope="row">{capitalised(title)}</th>'
        f"{''.join(_cell(name, measured.get(name), method, best.get(name) == method) for name in MODELS)}</tr>"
        for method, title in MAP_NAMES.items()
    )
    return f"""
    <table class="grid" style="--models: {len(MODELS)}"><caption>{CAPTION}</caption>
      <thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>
    {_legend(measured)}"""


def _cell(name: str, model: MeasuredExplanations | None, method: str, is_best: bool) -> str:
    if model is None:
        return _empty_cell("not measured yet")
    statistics = model.statistics["maps"].get(method)
    if statistics is None:
        return _empty_cell(f"{MODELS[name].title} has no spatial attention")
    if method == "attention" and has_uniform_attention(model):
        return _empty_cell("practically uniform, so it shows nothing")
    found = verdict(statistics["advantage"])
    against = ", ".join(f"{words} {points(statistics['advantage'][key])}" for key, words in KNOW_NOTHING.items())
    star = '<span class="best"><i aria-hidden="true">★</i> <span>best supported</span></span>' if is_best else ""
    said = "".join(
        f'<a class="remark" href="#{row_id("faithfulness" if kind == "flat" else "dependence", name, method)}">'
        f'<i aria-hidden="true">{LETTERS[kind][0]}</i> <span>{words}</span></a>'
        for kind, words in remarks(statistics, model.statistics["images"]).items()
    )
    return (
        f'<td class="{found.level}"><a class="verdict-link" href="#{row_id("faithfulness", name, method)}" '
        f'title="points of confidence beyond {against}"><i aria-hidden="true">{SIGNS[found.level]}</i> '
        f"{found.words}</a>{star}{said}</td>"
    )


def _empty_cell(reason: str) -> str:
    reason = escape(reason)
    return f'<td class="nothing" title="{reason}"><i aria-hidden="true">–</i><span class="unseen">{reason}</span></td>'


def _legend(measured: Mapping[str, MeasuredExplanations]) -> str:
    """What signs and letters mean; of the letters, those that occur."""
    levels = "".join(
        f'<li class="{level}"><i aria-hidden="true">{SIGNS[level]}</i> {words}</li>' for level, words in LEVELS.items()
    )
    occurring = {
        kind
        for model in measured.values()
        for statistics in model.statistics["maps"].values()
        for kind in remarks(statistics, model.statistics["images"])
    }
    letters = "".join(
        f'<li class="remark"><i>{letter}</i> {words}</li>'
        for kind, (letter, words) in LETTERS.items()
        if kind in occurring
    )
    star = """<li class="best"><i>★</i> best supported of its model: passes the sanity check or is undecided in it, and
      has the best verdict and the largest lead over random maps. Of equal maps the first has the star; others may be as
      good.</li>"""
    return f'<ul class="legend">{levels}{star}{letters}</ul>'
