"""Evidence for and against the heat maps, as HTML: a plot, the figures and the verdicts for each model."""

from collections.abc import Sequence

import numpy as np

from demo.analysis import Evidence
from fer_models import EMOTIONS, METHODS
from fer_models.architectures import model_title
from fer_models.evidence import Curves, Faithfulness

WIDTH, HEIGHT = 100, 60  # of a plot, in the units of its drawing

LEGEND = """\
<p class="legend">Each line shows the model's confidence while more and more of the face is removed and filled in
from its surroundings (ROAD, most relevant first; Rong et al. 2022): <span class="key map"></span> what the map shows
as hottest, <span class="key random"></span> random places, <span class="key centre"></span> the middle of the
picture, <span class="key edges"></span> edges. The line of a map that shows what the model needs falls fastest. One
face is an example; “Trust the maps?” shows what holds for many.</p>"""


NOT_TESTED = """\
<p class="hint">The full test removes more and more of the face, randomises the networks, and makes attention uniform:
several hundred forward passes, up to a minute. <button type="button" data-test>Test these maps</button></p>"""
# What is said aloud, see SAY in `demo.layout`.
RUNNING = '<p class="hint"><span data-said>Testing …</span> <button type="button" data-stop>Stop</button></p>'
STOPPED = """\
<p class="hint"><span data-said>Stopped.</span> <button type="button" data-test>Test these maps</button></p>"""
FINISHED = '<p class="unseen" data-said>The maps are tested.</p>'


def render_evidence(tested: Sequence[Evidence], is_running: bool = False, was_stopped: bool = False) -> str:
    """A card for each map that has been tested so far, and whether more are to come."""
    status = RUNNING if is_running else STOPPED if was_stopped else FINISHED if tested else ""
    if not tested:
        return status
    cards = "".join(_card(evidence) for evidence in tested)
    return f'{status}{LEGEND}<div class="cards evidence">{cards}</div>'


def _card(evidence: Evidence) -> str:
    explanation = evidence.explanation
    title, method = model_title(explanation.model_name), METHODS[explanation.method].title
    return f"""
    <article class="card" aria-label="Evidence for {title}">
      <header><h3>{title}</h3><small>{method} for {EMOTIONS[explanation.target]}, {explanation.stage}</small></header>
      {_plot(title, evidence.faithfulness)}
      <p>{evidence.faithfulness.verdict}</p>
      {_areas(evidence.faithfulness)}
      <p>One draw of random weights: {evidence.sanity.verdict}</p>
      {_uniform_attention(evidence)}
    </article>"""


def _uniform_attention(evidence: Evidence) -> str:
    if evidence.uniform is None:
        return "<p>This model has no attention to make uniform.</p>"
    top, before = evidence.uniform.argmax(), evidence.explanation.probabilities
    return (
        f"<p>With uniform attention (the same everywhere), the model says {EMOTIONS[top]} "
        f"{evidence.uniform[top]:.0%}; unchanged, {evidence.explanation.emotion} {before.max():.0%}.</p>"
    )


def _plot(title: str, found: Faithfulness) -> str:
    lines = [("edges", found.edges), ("centre", found.centre), *(("random", curves) for curves in found.random)]
    drawn = "".join(_line(kind, curves) for kind, curves in [*lines, ("map", found.curves)])
    last = found.curves.fractions[-1]
    return f"""
    <figure class="curves">
      <figcaption><span>confidence: 100 %</span></figcaption>
      <svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img"
        aria-label="Confidence of {title} while the face is removed">{drawn}</svg>
      <figcaption><span>0 %</span><span>of the face removed</span><span>{last:.0%}</span></figcaption>
    </figure>"""


def _line(kind: str, curves: Curves) -> str:
    x = WIDTH * curves.fractions / curves.fractions[-1]
    y = HEIGHT * (1 - curves.road_most)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return f'<polyline class="{kind}" points="{points}"/>'


def _areas(found: Faithfulness) -> str:
    """The mean height of each curve, for the map and for maps that know nothing of the model."""
    random = [curves.areas() for curves in found.random]
    columns = {
        "map": found.curves.areas(),
        "random": {name: float(np.mean([areas[name] for areas in random])) for name in random[0]},
        "centre": found.centre.areas(),
        "edges": found.edges.areas(),
    }
    rows = {
        "road_most": "ROAD, hottest first&nbsp;↓",
        "road_least": "ROAD, coldest first&nbsp;↑",
        "deletion": "deletion ↓",
        "insertion": "insertion ↑",
    }
    head = "".join(f'<th scope="col">{name}</th>' for name in columns)
    body = "".join(
        f'<tr><th scope="row">{text}</th>'
        + "".join(f"<td>{areas[key]:.2f}</td>" for areas in columns.values())
        + "</tr>"
        for key, text in rows.items()
    )
    return f'<table class="plain areas"><tr><td></td>{head}</tr>{body}</table>'
