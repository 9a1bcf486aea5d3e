"""Result cards as HTML: the consensus, then one card per model, in the page's own colours, light or dark."""

from collections.abc import Mapping, Sequence
from html import escape
from math import isnan

import numpy as np

from demo.consensus import render_consensus, render_map_agreement
from demo.overlays import colour_ramp, data_url, heat_layer
from demo.photo import FaceCrop
from fer_models import EMOTIONS, METHODS, EmotionModel, Explanation
from fer_models.architectures import MODELS
from fer_models.evidence import Agreement, measure_agreement, region_shares
from fer_models.inference import prediction_set
from fer_models.inference.complexity import count_parameters

THUMBNAIL = 144  # pixels per side, twice what is shown, for dense screens


def render_analysis(
    crop: FaceCrop,
    models: Mapping[str, EmotionModel],
    explanations: Sequence[Explanation],
    accuracies: Mapping[str, float] | None = None,
    record: str = "",
) -> str:
    """All that the page shows about one face.

    Args:
        crop: the face.
        models: by name; those that the explanations come from.
        explanations: one per model.
        accuracies: of each model on FER-2013's test faces, in [0, 1], by name, where they are known.
        record: accuracy of all models together on these faces, see `describe_record`.
    """
    accuracies = accuracies or {}
    cards = "".join(
        _card(models[explanation.model_name], crop, explanation, accuracies.get(explanation.model_name))
        for explanation in explanations
    )
    style = f"--face: url({data_url(crop.picture)}); --ramp: {colour_ramp()}"
    return f"""
    {render_consensus(explanations, record)}
    <p class="legend">{METHODS[explanations[0].method]}. The colours of a heat map run from 0 to its own maximum,
    so compare maps by their numbers. The colours of an attention gate run from 0 (nothing passes) to 1 (everything
    passes); softmax attention is shown as a multiple of its mean. On faces like FER-2013's, a model's 90 % set contains
    the label in 90 % of cases.</p>
    <div class="cards" style="{style}">{cards}</div>
    {render_map_agreement(explanations)}"""


def render_choices(pictures: Sequence[tuple[str, str]], group: str, chosen: int | None) -> str:
    """A row of pictures of which one can be chosen by mouse, touch or keyboard.

    Args:
        pictures: address and caption of each.
        group: identifies this row on the page.
        chosen: index of the one that is chosen already.
    """
    choices = "".join(
        f'<label><input type="radio" name="{group}" value="{index}"{" checked" if index == chosen else ""}>'
        f'<img src="{address}" alt=""><span>{escape(caption)}</span></label>'
        for index, (address, caption) in enumerate(pictures)
    )
    return f'<div class="choices" role="radiogroup" aria-label="{group}">{choices}</div>'


def render_faces(crops: Sequence[FaceCrop], chosen: int | None) -> str:
    """The faces of a photo to choose from; the last one is the whole picture."""
    captions = [f"face {number}{', turned' if crop.roll else ''}" for number, crop in enumerate(crops[:-1], 1)]
    captions.append("whole picture")
    pictures = [
        (data_url(crop.picture.resize((THUMBNAIL, THUMBNAIL))), caption)
        for crop, caption in zip(crops, captions, strict=True)
    ]
    return render_choices(pictures, "face", chosen)


def _card(model: EmotionModel, crop: FaceCrop, explanation: Explanation, accuracy: float | None) -> str:
    title = MODELS[explanation.model_name].title
    confidence = explanation.probabilities.max()
    likely = prediction_set(explanation.probabilities, model.conformal_threshold)
    known = "" if accuracy is None else f"<small>right on {accuracy:.1%} of FER-2013's test faces</small>"
    return f"""
    <article class="card" aria-label="{title}">
      <header>
        <h3>{title}</h3>
        <p><strong>{explanation.emotion}</strong> {confidence:.0%}</p>
        <p class="set">90 % set: {", ".join(likely)}</p>
        {known}
        <small>{count_parameters(model) / 1e6:.1f} million parameters, {1000 * explanation.seconds:.0f} ms</small>
      </header>
      {_bars(explanation)}
      {_heat_figure(title, explanation)}
      {_region_bars(crop, explanation)}
      {_attention_figure(title, explanation)}
      {_channel_plot(title, explanation)}
    </article>"""


def _bars(explanation: Explanation) -> str:
    top = explanation.probabilities.argmax()
    rows = "".join(
        _bar(emotion, float(share), index == top)
        for index, (emotion, share) in enumerate(zip(EMOTIONS, explanation.probabilities, strict=True))
    )
    return f'<table class="bars">{rows}</table>'


def _region_bars(crop: FaceCrop, explanation: Explanation) -> str:
    """Share of the heat on each region of the face, beside the region's share of the picture."""
    if explanation.is_empty:
        return '<p class="none">No heat on any part of the face</p>'
    shares = region_shares(explanation.heatmap, crop.landmarks)
    areas = region_shares(np.ones((1, 1)), crop.landmarks)
    rows = "".join(_bar(region, share, False, areas[region]) for region, share in shares.items())
    return f"""
    <figure class="regions">
      <table class="bars">{rows}</table>
      <figcaption>Share of the heat; | is the region's share of the picture</figcaption>
    </figure>"""


def _bar(label: str, share: float, is_top: bool, mark: float | None = None) -> str:
    tick = "" if mark is None else f'<b style="left: {100 * mark:.1f}%"></b>'
    return (
        f'<tr{" class=top" if is_top else ""}><th scope="row">{label}</th>'
        f'<td class="bar"><i style="width: {100 * share:.1f}%"></i>{tick}</td><td>{share:.0%}</td></tr>'
    )


def _heat_figure(title: str, explanation: Explanation) -> str:
    method = METHODS[explanation.method].title
    emotion = EMOTIONS[explanation.target]
    if explanation.is_empty:
        return f'<p class="empty">{method} is empty: at this layer, nothing in the picture supports {emotion}.</p>'
    height, width = explanation.heatmap.shape
    caption = f"<b>{method}</b> for {emotion}<br>{explanation.stage}, {height} × {width} cells"
    ends = (0, float(explanation.heatmap.max()))
    return _overlay(explanation.normalised(), caption, ends, f"{method} of {title} for {emotion}")


def _attention_figure(title: str, explanation: Explanation) -> str:
    attention = explanation.spatial_attention
    if attention is None:
        return '<p class="empty">No attention map:<br>this model has no attention module.</p>'
    low, high = attention.min(), attention.max()
    if low == high:
        return f'<p class="empty">Spatial attention is {low:.2f} everywhere: every place counts the same.</p>'
    height, width = attention.shape
    method = METHODS[explanation.method].title
    caption = f"<b>Spatial attention</b>, {low:.3f} to {high:.3f}<br>inside the model, {height} × {width} cells" + (
        ""
        if explanation.is_empty
        else "; " + _agreement_with(method, measure_agreement(attention, explanation.heatmap))
    )
    # Not stretched from its own minimum: gates between 0.881 and 0.882 would look like a choice of places.
    top = max(1.0, float(high))
    return _overlay(attention / top, caption, (0, top), f"Spatial attention of {title}")


def _agreement_with(method: str, found: Agreement) -> str:
    if isnan(found.overlap):
        return f"{method} is the same everywhere"
    return (
        f"rank correlation with {method} {found.rank_correlation:z.2f}, "
        f"{found.overlap:.0%} of the hottest fifths shared"
    )


def _overlay(values: np.ndarray, caption: str, ends: tuple[float, float], description: str) -> str:
    low, high = (f"{end:.2g}" for end in ends)
    return f"""
    <figure>
      <div class="overlay" role="img" aria-label="{description}"><img src="{data_url(heat_layer(values))}" alt=""></div>
      <div class="scale"><span>{low}</span><i></i><span>{high}</span></div>
      <figcaption>{caption}</figcaption>
    </figure>"""


def _channel_plot(title: str, explanation: Explanation) -> str:
    """CBAM's channel weights, sorted, as a curve."""
    if explanation.channel_attention is None:
        return '<p class="none">No channel attention</p>'
    weights = np.sort(explanation.channel_attention)[::-1]
    places = np.linspace(0, len(weights) - 1, 101).round().astype(int)
    curve = " ".join(f"{x},{60 * (1 - weights[place]):.1f}" for x, place in enumerate(places))
    return f"""
    <figure class="channels">
      <svg viewBox="0 0 100 60" preserveAspectRatio="none" role="img" aria-label="Channel attention of {title}">
        <polygon points="0,60 {curve} 100,60"/><polyline points="{curve}"/>
      </svg>
      <figcaption><b>Channel attention</b>, {len(weights)} channels, from the most to the least weight:
      {weights[0]:.2f} to {weights[-1]:.2f}</figcaption>
    </figure>"""
