"""The results as HTML: a sentence on agreement and a card a model, in the page's own colours, light or dark."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from demo.analysis import TITLES, Crop, agreement
from demo.overlays import colour_ramp, data_url, heat_layer
from fer_models import EMOTIONS, METHODS, EmotionModel, Explanation
from fer_models.evaluation.complexity import count_parameters

THUMBNAIL = 144  # pixels a side, twice what is shown, for dense screens


def render_results(crop: Crop, models: Mapping[str, EmotionModel], explanations: Sequence[Explanation]) -> str:
    """All that the page shows about one face.

    Args:
        crop: the face.
        models: by name; those that the explanations come from.
        explanations: one a model.
    """
    cards = "".join(_card(models[explanation.model_name], explanation) for explanation in explanations)
    style = f"--face: url({data_url(crop.picture)}); --ramp: {colour_ramp()}"
    return f"""
    <p class="verdict" role="status">{agreement(explanations)}</p>
    <p class="legend">{METHODS[explanations[0].method]}. The colours of each map run between the two numbers under it,
    so only the numbers compare one map with another.</p>
    <div class="cards" style="{style}">{cards}</div>"""


def render_choices(pictures: Sequence[tuple[str, str]], group: str, chosen: int | None) -> str:
    """A row of pictures of which one can be chosen by mouse, touch or keyboard.

    Args:
        pictures: address and caption of each.
        group: tells this row from the others on the page.
        chosen: index of the one that is chosen already.
    """
    choices = "".join(
        f'<label><input type="radio" name="{group}" value="{index}"{" checked" if index == chosen else ""}>'
        f'<img src="{address}" alt=""><span>{escape(caption)}</span></label>'
        for index, (address, caption) in enumerate(pictures)
    )
    return f'<div class="choices" role="radiogroup" aria-label="{group}">{choices}</div>'


def render_faces(crops: Sequence[Crop], chosen: int | None) -> str:
    """The faces of a photo to choose from; the last one is the whole picture."""
    captions = [f"face {number}" for number in range(1, len(crops))] + ["whole picture"]
    pictures = [
        (data_url(crop.picture.resize((THUMBNAIL, THUMBNAIL))), caption)
        for crop, caption in zip(crops, captions, strict=True)
    ]
    return render_choices(pictures, "face", chosen)


def _card(model: EmotionModel, explanation: Explanation) -> str:
    title = TITLES[explanation.model_name]
    confidence = explanation.probabilities.max()
    return f"""
    <article class="card" aria-label="{title}">
      <header>
        <h3>{title}</h3>
        <p><strong>{explanation.emotion}</strong> {confidence:.0%}</p>
        <small>{count_parameters(model) / 1e6:.1f} million parameters, {1000 * explanation.seconds:.0f} ms</small>
      </header>
      {_bars(explanation)}
      {_heat_figure(title, explanation)}
      {_attention_figure(title, explanation)}
      {_channel_plot(title, explanation)}
    </article>"""


def _bars(explanation: Explanation) -> str:
    top = explanation.probabilities.argmax()
    rows = "".join(
        f'<tr{" class=top" if index == top else ""}><th scope="row">{emotion}</th>'
        f'<td class="bar"><i style="width: {100 * share:.1f}%"></i></td><td>{share:.0%}</td></tr>'
        for index, (emotion, share) in enumerate(zip(EMOTIONS, explanation.probabilities, strict=True))
    )
    return f'<table class="bars">{rows}</table>'


def _heat_figure(title: str, explanation: Explanation) -> str:
    method = METHODS[explanation.method].partition(":")[0]
    emotion = EMOTIONS[explanation.target]
    if explanation.is_empty:
        return f'<p class="empty">{method} is empty: at this layer, nothing in the picture speaks for {emotion}.</p>'
    height, width = explanation.heatmap.shape
    caption = f"<b>{method}</b> for {emotion}<br>{explanation.stage}, {height} × {width} cells"
    ends = (0, float(explanation.heatmap.max()))
    return _overlay(explanation.normalised(), caption, ends, f"{method} of {title} for {emotion}")


def _attention_figure(title: str, explanation: Explanation) -> str:
    attention = explanation.spatial_attention
    if attention is None:
        return '<p class="empty">No attention map:<br>this model has no attention module.</p>'
    low, high = float(attention.min()), float(attention.max())
    if low == high:
        return f'<p class="empty">Spatial attention is {low:.2f} everywhere: every place counts the same.</p>'
    height, width = attention.shape
    caption = f"<b>Spatial attention</b><br>inside the model, {height} × {width} cells"
    return _overlay((attention - low) / (high - low), caption, (low, high), f"Spatial attention of {title}")


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
      <figcaption><b>Channel attention</b>, {len(weights)} channels from the most to the least let through:
      {weights[0]:.2f} to {weights[-1]:.2f}</figcaption>
    </figure>"""
