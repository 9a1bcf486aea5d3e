"""Explanations as HTML for notebooks: the face, the map over it, and the probabilities.

It needs no scripts, style sheets or files, and takes its text colour from the notebook, in a light or dark theme.
"""

from collections.abc import Iterable
from html import escape

from PIL import Image

from fer_models.architectures import model_title
from fer_models.emotions import EMOTIONS
from fer_models.explanations.explanation import Explanation
from fer_models.explanations.methods import METHODS
from fer_models.explanations.overlays import data_url, overlay

SIDE = 110  # of a picture, in pixels; four figures fit beside each other in a usual notebook
ACCENT = "#d9622b"  # of the explained emotion; it has a contrast of 3 to 1 on white and on black


def render(explanations: Iterable[Explanation]) -> str:
    """One figure after the other, as many in a row as there is room for."""
    return f'<div style="display:flex;flex-wrap:wrap;gap:20px">{"".join(map(_figure, explanations))}</div>'


def _figure(explanation: Explanation) -> str:
    title = escape(model_title(explanation.model_name))
    rows = "display:grid;grid-template-columns:auto 1fr 2.6em;gap:0 8px;margin-top:4px"
    return (
        f'<div style="width:{2 * SIDE + 6}px;font-size:13px;line-height:1.4">'
        f"<div><b>{explanation.emotion}</b> {explanation.probabilities.max():.0%} · {title}</div>"
        f'<div style="display:flex;gap:6px;margin:4px 0">{_pictures(explanation)}</div>'
        f'<div style="opacity:.75">{escape(_caption(explanation))}</div>'
        f'<div style="{rows}">{_bars(explanation)}</div></div>'
    )


def _pictures(explanation: Explanation) -> str:
    """The face as the model saw it, beside the same face under the map; with two pixels for one, for sharp screens."""
    face = Image.fromarray(explanation.face)
    alone = face.resize((2 * SIDE, 2 * SIDE), Image.Resampling.BICUBIC)
    pictures = {"The face": alone, _caption(explanation): overlay(face, explanation.normalised())}
    style = f'width="{SIDE}" height="{SIDE}" style="margin:0;border-radius:6px"'
    return "".join(f'<img alt="{escape(alt)}" {style} src="{data_url(image)}">' for alt, image in pictures.items())


def _caption(explanation: Explanation) -> str:
    method, target = METHODS[explanation.method].title, EMOTIONS[explanation.target]
    against = "" if explanation.against is None else f" rather than {EMOTIONS[explanation.against]}"
    empty = ": empty, nothing supports it" if explanation.is_empty else ""
    return f"{method} at {explanation.stage}, for {target}{against}{empty}"


def _bars(explanation: Explanation) -> str:
    """A row per emotion: name, bar and percent. The explained emotion has the accent."""
    rows = ""
    for index, (emotion, share) in enumerate(zip(EMOTIONS, explanation.probabilities, strict=True)):
        colour = f"background:{ACCENT}" if index == explanation.target else "background:currentColor;opacity:.4"
        rows += (
            f"<span>{emotion}</span>"
            f'<span style="align-self:center;height:8px;width:{share:.1%};min-width:1px;{colour}"></span>'
            f'<span style="text-align:right">{share:.0%}</span>'
        )
    return rows
