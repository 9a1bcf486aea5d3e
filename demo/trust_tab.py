"""The tab "Trust the maps?": what the heat-map study, stored in weights/, has measured on many faces."""

from collections.abc import Mapping
from html import escape
from pathlib import Path

import gradio as gr

from fer_models.architectures import MODELS, model_title
from fer_models.checkpoints import EvaluationError
from fer_models.estimates import Estimate
from fer_models.evidence import REGIONS, region_shares
from fer_models.evidence.baselines import centred_gaussian
from fer_models.heatmap_study import report
from fer_models.heatmap_study.measure import MeasuredExplanations
from fer_models.heatmap_study.store import COMMAND, read_explanations
from fer_models.markdown import markdown_table

NOTHING_MEASURED = f"Nothing has been measured yet. If you have FER-2013, run `{COMMAND}`."

FAITHFULNESS = """\
ROAD (Rong et al. 2022) removes the pixels that a map shows as hottest and fills them in from their surroundings. Each
dot shows how much more confidence that costs than removing the hottest pixels of another map, which knows nothing of
the model or nothing of this face: {kinds}. Right of the line the map is better; where the 95 % interval touches the
line, no difference was found."""
DEPENDENCE = """\
How much of a map remains (mean rank correlation, from -1 to 1, with its 95 % interval) in {kinds}. Far right, the map
stays the same whatever the face, the emotion or the weights; far left, it is inverted, and random weights often invert
it (Adebayo et al. 2018). Faces have the same position in every picture, so some similarity is expected."""
REGIONS_LEGEND = """\
Where Grad-CAM's heat lies, by the emotion of the label. The stronger the colour, the more heat per area: full colour
means at least three times the mean. FER-2013's faces come without landmarks, so the regions are those of a mean face.
Emotions with fewer than {few} faces are left out."""
FULL_COLOUR = 3
FEW_FACES = 10

TEXT = ["trust", "trust-text"]

Rows = Mapping[str, Mapping[str, Estimate | None]]

# What is left of a map, in ...
DEPENDENCE_NAMES = {
    "other": "the map of another face",
    "head": "the network with a random head",
    "everything": "the network with all weights random",
}


def build_trust_tab(weights_dir: Path) -> None:
    """Adds the tab's contents to the page under construction.

    Args:
        weights_dir: the folder with one folder per model in it.
    """
    measured, problems = {}, []
    for name, architecture in MODELS.items():
        try:
            measured[name] = read_explanations(weights_dir / name)
        except EvaluationError as error:
            problems.append(f"{architecture.title}: {error}")
    if not measured:
        gr.Markdown(NOTHING_MEASURED)
        return

    gr.Markdown(report.conclusion(measured, model_title), elem_classes=TEXT)
    for problem in problems:
        gr.HTML(f'<p class="problem">{escape(problem)}</p>')
    gr.HTML(_faithfulness_plots(measured), elem_classes="trust")
    gr.HTML(_dependence_plots(measured), elem_classes="trust")
    between = report.between_models_table(measured, model_title)
    if between.rows:
        gr.Markdown(f"## Do the models look at the same places?\n{markdown_table(*between)}", elem_classes=TEXT)
    gr.HTML(_region_tables(measured), elem_classes="trust")
    with gr.Accordion("All statistics", open=False):
        for table in (report.faithfulness_table, report.dependence_table, report.regions_table):
            gr.Markdown(markdown_table(*table(measured, model_title)), elem_classes=TEXT)


def _faithfulness_plots(measured: Mapping[str, MeasuredExplanations]) -> str:
    plots = {
        name: {key: statistics["advantage"] for key, statistics in model.statistics["maps"].items()}
        for name, model in measured.items()
    }
    everywhere = [
        end
        for rows in plots.values()
        for marks in rows.values()
        for found in marks.values()
        if found
        for end in (found.low, found.high)
    ]
    ends = min(-0.1, *everywhere), max(0.1, *everywhere)
    return f"""
    <h2>Is a map better than one that knows nothing of the model, or of the face?</h2>
    <p class="legend">{FAITHFULNESS.format(kinds=_key(report.BASELINE_NAMES))}</p>
    {_plots(plots, report.BASELINE_NAMES, ends)}"""


def _dependence_plots(measured: Mapping[str, MeasuredExplanations]) -> str:
    plots = {
        name: {key: _dependence(statistics) for key, statistics in model.statistics["maps"].items()}
        for name, model in measured.items()
    }
    return f"""
    <h2>Does a map depend on the face, and on what the model has learned?</h2>
    <p class="legend">{DEPENDENCE.format(kinds=_key(DEPENDENCE_NAMES))}</p>
    {_plots(plots, DEPENDENCE_NAMES, (-1, 1))}"""


def _dependence(statistics: dict) -> dict[str, Estimate | None]:
    marks = {"other": statistics["across_faces"]["rank_correlation"]}
    if statistics["sanity"]:
        steps = list(statistics["sanity"].values())
        marks |= {"head": steps[0], "everything": steps[-1]}
    return marks


def _key(kinds: Mapping[str, str]) -> str:
    return ", ".join(f'<b class="dot {kind}"></b>&nbsp;{name}' for kind, name in kinds.items())


def _plots(plots: Mapping[str, Rows], kinds: Mapping[str, str], ends: tuple[float, float]) -> str:
    """A card for each model: a line for each map, and on it a dot with its interval for each kind that it has.

    Args:
        plots: estimates by model, map and kind.
        kinds: what each kind is called.
        ends: of the axis, with 0 between them.
    """
    low, high = ends
    cards = []
    for name, rows in plots.items():
        lines = "".join(
            f'<tr><th scope="row">{report.MAP_NAMES[key]}</th><td class="track">{_marks(marks, kinds, ends)}</td></tr>'
            for key, marks in rows.items()
        )
        axis = f"<tr><td></td><td><p><span>{low:+.2g}</span><span>{high:+.2g}</span></p></td></tr>"
        cards.append(
            f'<article class="card" style="--zero: {_place(0, ends)}"><h3>{MODELS[name].title}</h3>'
            f'<table class="dots">{lines}{axis}</table></article>'
        )
    return f'<div class="cards">{"".join(cards)}</div>'


def _marks(marks: Mapping[str, Estimate | None], kinds: Mapping[str, str], ends: tuple[float, float]) -> str:
    return "".join(
        f'<div class="{kind}" title="{kinds[kind]}: {report.number(found)}">'
        f'<i style="left: {_place(found.low, ends)}; right: calc(100% - {_place(found.high, ends)})"></i>'
        f'<b class="dot" style="left: {_place(found.mean, ends)}"></b></div>'
        for kind, found in marks.items()
        if found
    )


def _place(value: float, ends: tuple[float, float]) -> str:
    low, high = ends
    return f"{100 * (value - low) / (high - low):.1f}%"


def _region_tables(measured: Mapping[str, MeasuredExplanations]) -> str:
    head = "".join(f'<th scope="col">{region}</th>' for region in REGIONS)
    gaussian = region_shares(centred_gaussian())
    cards = []
    for name, model in measured.items():
        area = model.statistics["area"]
        rows = "".join(
            _region_row(f"{emotion} ({found['faces']})", found["shares"], area)
            for emotion, found in model.statistics["regions"].items()
            if found["faces"] >= FEW_FACES
        )
        cards.append(
            f'<article class="card"><h3>{MODELS[name].title}</h3>'
            f'<table class="regions-by-emotion"><tr><td></td>{head}</tr>'
            f"{_region_row('share of the area', area, area)}{_region_row('centred Gaussian', gaussian, area)}{rows}"
            "</table></article>"
        )
    return f"""
    <h2>On which parts of the face is the heat?</h2>
    <p class="legend">{REGIONS_LEGEND.format(few=FEW_FACES)}</p>
    <div class="cards wide">{"".join(cards)}</div>"""


def _region_row(label: str, shares: Mapping[str, float], area: Mapping[str, float]) -> str:
    tints = {region: min(1, shares[region] / area[region] / FULL_COLOUR) for region in REGIONS}
    cells = "".join(f'<td style="--tint: {tints[region]:.0%}">{shares[region]:.0%}</td>' for region in REGIONS)
    return f'<tr><th scope="row">{label}</th>{cells}</tr>'
