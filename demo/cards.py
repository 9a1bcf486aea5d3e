"""What the models make of one face, as HTML: the verdict, and a column per model whose rows line up."""

from collections.abc import Mapping, Sequence
from html import escape
from itertools import takewhile

import numpy as np

from demo.badges import WAITING, render_badge
from demo.details import render_details
from demo.markup import percent, term, variable
from demo.overlays import colour_ramp
from demo.photo import FaceCrop
from demo.probabilities import render_probabilities
from demo.verdict import Record, how_often_right, judge, what_the_mirror_says, who_says_what
from fer_models import EMOTIONS, METHODS, EmotionModel, Explanation
from fer_models.architectures import model_title
from fer_models.evidence import QuickCheck
from fer_models.explanations.overlays import data_url, heat_layer, scaled_attention

# A map for an emotion to which its model gives less than this says so.
UNLIKELY = 0.05

# Attention whose weights differ by less than this share of the largest is flat.
FLAT = 0.05

ATTENTION = """The weight that the network itself gives each place, before it decides. Its colours run from 0 to 1 \
(everything passes), or to its maximum if that is larger. What the answer needs may lie elsewhere: the tab “Trust the \
maps?” tests it."""
COLOURS = "The colours of a heat map run from 0 to its own maximum."
MIRROR = "The model answers differently when the face is mirrored, which does not change the emotion: it was not sure."


def render_results(
    crop: FaceCrop,
    models: Mapping[str, EmotionModel],
    explanations: Sequence[Explanation],
    record: Record,
    accuracies: Mapping[str, float],
    checks: Mapping[str, QuickCheck | None] | None = None,
    number: int = 0,
) -> str:
    """All that the page shows about one face.

    Args:
        crop: the face.
        models: by name; those that the explanations come from.
        explanations: one per model.
        record: what is known of the models' answers.
        accuracies: of each model on FER-2013's test faces, flip-averaged, in [0, 1], by name, where they are known.
        checks: the quick check of each map, by model name; None while they are being made.
        number: identifies this analysis, so that later checks find their place.
    """
    style = f"--models: {len(explanations)}; --face: url({data_url(crop.picture)}); --ramp: {colour_ramp()}"
    layers = "".join(_layer_variables(explanation) for explanation in explanations)
    badges = {
        each.model_name: WAITING if checks is None else render_badge(each, checks[each.model_name])
        for each in explanations
    }
    columns = "".join(_column(each, badges[each.model_name], place) for place, each in enumerate(explanations, 1))
    # The chart stands below the first models if they have no attention; there must be two, or it is too narrow.
    without = len(list(takewhile(lambda each: each.spatial_attention is None, explanations)))
    chart = render_probabilities(explanations, columns=without if 2 <= without < len(explanations) else 0)
    return f"""
    <div class="analysis" data-analysis="{number}" style="{style}; {layers}">
      {_verdict(explanations, record)}
      <section class="grid" aria-label="What each model says, and where it looks">{columns}{chart}</section>
      <p class="legend">{term("Colours of the maps", COLOURS)}: little <i class="ramp"></i> much</p>
      {render_details(crop, models, explanations, accuracies)}
    </div>"""


def _verdict(explanations: Sequence[Explanation], record: Record) -> str:
    verdict = judge(explanations, record)
    record_text = how_often_right(record, len(explanations))
    more = term("How often is that right?", record_text) if record_text else ""
    return f"""
    <div class="verdict{"" if verdict.is_sure else " unsure"}">
      <h2>{verdict.headline} <small>{verdict.shares}</small></h2>
      <p>{who_says_what(explanations, record.voices)} {what_the_mirror_says(explanations, record)} {more}</p>
    </div>"""


def _layer_variables(explanation: Explanation) -> str:
    """The pictures of a model's maps as CSS variables, because each is shown more than once."""
    maps = {"heat": explanation.normalised()}
    if explanation.spatial_attention is not None:
        maps["attention"] = scaled_attention(explanation.spatial_attention)
    return "".join(
        f"{variable(kind, explanation.model_name)}: url({data_url(heat_layer(values))}); "
        for kind, values in maps.items()
    )


def _column(explanation: Explanation, badge: str, place: int) -> str:
    name = explanation.model_name
    title = model_title(name)
    first, second = np.argsort(-explanation.probabilities, kind="stable")[:2]
    mirror = ""
    if explanation.changes_when_mirrored:
        face, mirrored = (EMOTIONS[answer] for answer in explanation.views.argmax(axis=1))
        mirror = f'<p class="mirror">⇄ {term(f"{face}, mirrored {mirrored}", MIRROR)}</p>'
    return f"""
    <article class="model" aria-label="{title}" style="--column: {place}">
      <header>
        <h3>{title}</h3>
        <p class="answer"><b>{EMOTIONS[first]}</b> {percent(float(explanation.probabilities[first]))}</p>
        <p class="second">then {EMOTIONS[second]} {percent(float(explanation.probabilities[second]))}</p>
        {mirror}
      </header>
      {_heat_figure(explanation)}
      <div class="badge" data-badge="{name}">{badge}</div>
      {_attention_figure(explanation)}
    </article>"""


def map_caption(explanation: Explanation) -> str:
    """Which map it is, in words: "Grad-CAM for happy", "Grad-CAM: happy rather than sad"."""
    target = EMOTIONS[explanation.target]
    method = METHODS[explanation.method]
    about = f"{method.summary[0].upper()}{method.summary[1:]} ({method.source})."
    if explanation.against is None:
        return f"{term(method.title, about)} for {target}"
    return f"{term(method.title, about)}: {target} rather than {EMOTIONS[explanation.against]}"


def _heat_figure(explanation: Explanation) -> str:
    title, method = model_title(explanation.model_name), METHODS[explanation.method].title
    target, probability = EMOTIONS[explanation.target], float(explanation.probabilities[explanation.target])
    share = "less than 1 %" if probability < 0.005 else f"only {percent(probability)}"
    unlikely = f"<br>It gives {target} {share}." if probability < UNLIKELY else ""
    if explanation.is_empty:
        return f"""
        <figure class="heat"><p class="empty">Empty: at this layer, nothing in the picture supports {target}.</p>
        <figcaption>{map_caption(explanation)}{unlikely}</figcaption></figure>"""
    return f"""
      <figure class="heat">
        {overlay("heat", explanation.model_name, f"{method} of {title} for {target}")}
        <figcaption>{map_caption(explanation)}{unlikely}</figcaption>
      </figure>"""


def _attention_figure(explanation: Explanation) -> str:
    attention = explanation.spatial_attention
    if attention is None:
        return ""
    low, high = float(attention.min()), float(attention.max())
    flat = ": flat, all places count nearly the same" if high - low < FLAT * high else ""
    return f"""
      <figure class="attention">
        {overlay("attention", explanation.model_name, f"Spatial attention of {model_title(explanation.model_name)}")}
        <figcaption>{term("Its own attention", ATTENTION)}{flat}</figcaption>
      </figure>"""


def overlay(kind: str, name: str, description: str) -> str:
    """A map of a model over the face; both pictures are variables of the analysis around it."""
    style = f"--map: var({variable(kind, name)})"
    return f'<div class="overlay" role="img" aria-label="{escape(description)}" style="{style}"></div>'
