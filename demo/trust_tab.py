"""The tab "Trust the maps?": what the heat-map study, stored in weights/, has measured on many faces."""

from collections.abc import Mapping
from html import escape
from pathlib import Path

import gradio as gr

from demo.dot_plots import render_plots, round_ticks
from demo.markup import render_problem
from demo.trust_grid import render_grid
from fer_models.architectures import MODELS, model_title
from fer_models.checkpoints import EvaluationError
from fer_models.estimates import Estimate
from fer_models.evidence import REGIONS, region_shares
from fer_models.evidence.baselines import centred_gaussian
from fer_models.evidence.sanity import SAME
from fer_models.explanations import METHODS
from fer_models.heatmap_study import report, tables
from fer_models.heatmap_study.measure import MAIN_METHOD, MeasuredExplanations
from fer_models.heatmap_study.store import COMMAND, read_explanations

NOTHING_MEASURED = f"Nothing has been measured yet. If you have FER-2013, run `{COMMAND}`."

GLOSSARY = {
    "ROAD (remove and debias, Rong et al. 2022)": (
        "Removes the hottest pixels of a map, fills them in from their surroundings, and asks the model again. The "
        "more confidence this costs, the better the map shows what the model needs."
    ),
    "Random maps, the centred Gaussian, edges": (
        "Three maps that know nothing of the model: noise, a blob in the middle of the picture, and the contours of "
        "the face. Faces fill the middle of these pictures, so the blob is a strong rival."
    ),
    "95&nbsp;% interval": (
        "Where the mean over all such faces plausibly lies, given that only some were measured. If it includes 0, no "
        "difference was found."
    ),
    "Sanity check (Adebayo et al. 2018)": (
        "Replaces the network's weights by random ones, from the head down. A map that stays similar does not show "
        "what the network has learned."
    ),
    "Head": (
        "The layers after the last convolutional stage: the attention, if there is one, and those that turn features "
        "into the seven emotions."
    ),
    "Rank correlation": (
        "How alike two maps order the pixels from cold to hot: 1 is the same order, 0 nothing in common, -1 the "
        f"reverse. From {SAME} on, two maps count as similar."
    ),
    "Percentage points": "Differences of confidence: from 80&nbsp;% to 57&nbsp;% are 23 points.",
}

FAITHFULNESS = """\
Each mark shows how much more confidence the model loses if ROAD removes what this map shows as hottest than if it
removes what another map shows. Right of 0 this map is better. Where the 95&nbsp;% interval, the line, touches 0, no
difference was found. The same map of another face knows the model, but not this face."""
FAITHFULNESS_AXIS = "confidence lost beyond that of the other map (percentage points)"
DEPENDENCE = """\
Each mark shows how much of a map remains if something else changes. Far right, the map stays the same whatever the face
or the weights are: it cannot explain this answer. Around 0 nothing of it remains. At the left it is inverted, which
random weights often do. Faces have the same position in every picture, so some similarity between faces is expected."""
DEPENDENCE_AXIS = "similarity (mean rank correlation)"
DEPENDENCE_TICKS = (-1, -0.5, 0, 0.5, 1)
BETWEEN_MODELS = """\
Agreement of two models' maps of the same face, and, as a control, of different faces. Only what exceeds the control is
agreement about this face. The overlap of two random maps' hottest fifths is about 0.11."""
REGIONS_LEGEND = """\
Where the heat of {method} lies (after attention, where a model has it), by the emotion of the label (number of faces).
The stronger the colour, the more heat per area: full colour means at least three times the mean. FER-2013's faces come
without landmarks, so the regions are those of a mean face. Emotions with fewer than {few} faces are left out."""
FULL_COLOUR = 3
FEW_FACES = 10
COSTS = """\
In percentage points. ROAD cost: confidence lost while ROAD removes the hottest pixels; higher is better. Deletion: mean
confidence while they are greyed out; lower is better. Insertion: mean confidence while they are put back into a blurred
face; higher is better."""
CORRELATIONS = """\
Rank correlations, except for the overlap of the hottest fifths. With attention: spatial attention of the same model."""

# In the browser. Gradio's page has a <base>, against which "#row" would be another page once the address has a query:
# setting the hash stays on this one. Setting it again to the same row would not scroll.
FOLLOW_LINKS = """element.addEventListener("click", event => {
    const link = event.target.closest('a[href^="#"]');
    if (!link) return;
    event.preventDefault();
    location.hash = link.getAttribute("href");
    document.getElementById(link.getAttribute("href").slice(1)).scrollIntoView({block: "center"});
})"""

# What is left of a map, in ...
DEPENDENCE_NAMES = {
    "other": "the map of another face",
    "head": "the network with a random head",
    "everything": "the network with all weights random",
}

Measured = Mapping[str, MeasuredExplanations]


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
    # In one piece, because the cells of the grid link to rows of the plots.
    gr.HTML(_render(measured, problems, weights_dir), js_on_load=FOLLOW_LINKS, elem_id="trust")


def _render(measured: Measured, problems: list[str], weights_dir: Path) -> str:
    """Everything on the tab: pictures in the open, words and numbers folded."""
    words = "".join(f"<dt>{term}</dt><dd>{meaning}</dd>" for term, meaning in GLOSSARY.items())
    found = "".join(f"<li>{escape(sentence)}</li>" for sentence in report.findings(measured, model_title))
    between = tables.between_models_table(measured, model_title)
    return f"""
    <h2>Which maps can you trust?</h2>
    <p class="basis">{escape(report.basis(measured, model_title))}</p>
    <p class="best-maps">{escape(report.best_maps(measured, model_title))}</p>
    {"".join(render_problem(problem, weights_dir) for problem in problems)}
    {render_grid(measured)}
    {_folded("What do these words mean?", f"<dl>{words}</dl>")}
    {_folded("All findings in words", f"<p>{report.RULE}</p><ul>{found}</ul>")}
    <h2>Is a map better than one that knows nothing of the model, or of the face?</h2>
    <p>{FAITHFULNESS}</p>
    {_faithfulness_plots(measured)}
    <h2>Does a map depend on the face, and on what the network has learned?</h2>
    <p>{DEPENDENCE}</p>
    {_dependence_plots(measured)}
    <h2>In detail</h2>
    {_folded("On which parts of the face is the heat?", _region_tables(measured))}
    {_table("Do the models look at the same places?", BETWEEN_MODELS, between) if between.rows else ""}
    {_table("All figures: faithfulness", COSTS, tables.faithfulness_table(measured, model_title))}
    {_table("All figures: agreement and sanity", CORRELATIONS, tables.dependence_table(measured, model_title))}"""


def _folded(heading: str, contents: str) -> str:
    return f"<details><summary><h3>{heading}</h3></summary>{contents}</details>"


def _faithfulness_plots(measured: Measured) -> str:
    def in_points(statistics: dict) -> dict[str, Estimate]:
        return {
            rival: Estimate(100 * found.mean, 100 * found.low, 100 * found.high)
            for rival, found in statistics["advantage"].items()
        }

    shown = [
        found
        for model in measured.values()
        for statistics in model.statistics["maps"].values()
        for found in in_points(statistics).values()
    ]
    # At least ten points to either side, so that a difference of nothing does not fill the plot.
    ticks = round_ticks(min(-10, *(found.low for found in shown)), max(10, *(found.high for found in shown)))
    return render_plots("faithfulness", measured, in_points, tables.RIVAL_NAMES, FAITHFULNESS_AXIS, ticks, form="+z.1f")


def _dependence_plots(measured: Measured) -> str:
    def similarities(statistics: dict) -> dict[str, Estimate | None]:
        marks = {"other": statistics["across_faces"]["rank_correlation"]}
        if statistics["sanity"]:
            steps = list(statistics["sanity"].values())
            marks |= {"head": steps[0], "everything": steps[-1]}
        return marks

    return render_plots(
        "dependence", measured, similarities, DEPENDENCE_NAMES, DEPENDENCE_AXIS, DEPENDENCE_TICKS, form="+z.2f"
    )


def _table(heading: str, explanation: str, table: tables.Table) -> str:
    """A folded table that scrolls in its own box; the first two cells of a row name it."""
    head = "".join(f'<th scope="col">{column}</th>' for column in table.head)
    rows = []
    for row in table.rows:
        names = "".join(f'<th scope="row">{escape(cell)}</th>' for cell in row[:2])
        figures = "".join(f"<td>{escape(cell)}</td>" for cell in row[2:])
        rows.append(f"<tr>{names}{figures}</tr>")
    return _folded(
        heading,
        f"""<p>{explanation}</p>
        <div class="scrolling" tabindex="0" role="region" aria-label="{heading}"><table class="figures">
        <caption class="unseen">{heading}</caption>
        <thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>""",
    )


def _region_tables(measured: Measured) -> str:
    head = "".join(f'<th scope="col">{region}</th>' for region in REGIONS)
    gaussian = region_shares(centred_gaussian())
    drawn = []
    for name, model in measured.items():
        area = model.statistics["area"]
        rows = "".join(
            _region_row(f"{emotion} ({found['faces']})", found["shares"], area)
            for emotion, found in model.statistics["regions"].items()
            if found["faces"] >= FEW_FACES
        )
        drawn.append(
            f'<div class="scrolling" tabindex="0" role="region" aria-label="{escape(MODELS[name].title)}, regions">'
            f'<table class="regions-by-emotion"><caption>{escape(MODELS[name].title)}</caption>'
            f"<thead><tr><td></td>{head}</tr></thead><tbody>{_region_row('share of the area', area, area)}"
            f"{_region_row('centred Gaussian', gaussian, area)}{rows}</tbody></table></div>"
        )
    legend = REGIONS_LEGEND.format(method=METHODS[MAIN_METHOD].title, few=FEW_FACES)
    return f'<p>{legend}</p><div class="plots">{"".join(drawn)}</div>'


def _region_row(label: str, shares: Mapping[str, float], area: Mapping[str, float]) -> str:
    tints = {region: min(1, shares[region] / area[region] / FULL_COLOUR) for region in REGIONS}
    cells = "".join(f'<td style="--tint: {tints[region]:.0%}">{shares[region]:.0%}</td>' for region in REGIONS)
    return f'<tr><th scope="row">{label}</th>{cells}</tr>'
