"""What stands behind a click: maps side by side, more about each model, and the agreement of maps, as HTML."""

from collections.abc import Mapping, Sequence

import numpy as np

from demo.map_agreement import render_map_agreement
from demo.markup import percent, term, variable
from demo.photo import FaceCrop
from fer_models import EmotionModel, Explanation
from fer_models.architectures import model_title
from fer_models.evidence import measure_agreement, region_shares
from fer_models.inference import prediction_set
from fer_models.inference.complexity import count_parameters

SET = "A set of emotions, built to contain the raters' label for 90 % of faces like FER-2013's."


def render_details(
    crop: FaceCrop,
    models: Mapping[str, EmotionModel],
    explanations: Sequence[Explanation],
    accuracies: Mapping[str, float],
) -> str:
    """Disclosures, all closed. For the arguments see `render_results`."""
    agreement = render_map_agreement(explanations)
    columns = "".join(
        _about(models[each.model_name], crop, each, accuracies.get(each.model_name)) for each in explanations
    )
    parts = {
        "side-by-side": ("Face, map and both, side by side", _side_by_side(explanations)),
        "models": ("More about each model", f'<div class="about">{columns}</div>'),
        "agreement": ("Do the models look at the same places?", agreement),
    }
    return "".join(
        f'<details data-name="{name}"><summary>{summary}</summary>{content}</details>'
        for name, (summary, content) in parts.items()
        if content
    )


def _side_by_side(explanations: Sequence[Explanation]) -> str:
    maps = [
        (each.model_name, key, words)
        for each in explanations
        for key, words, is_there in (
            ("heat", "heat map", not each.is_empty),
            ("attention", "attention", each.spatial_attention is not None),
        )
        if is_there
    ]
    rows = "".join(
        f'<tr style="--map: var({variable(key, name)})"><th scope="row">{model_title(name)}<small>{words}</small></th>'
        '<td><div class="bare face"></div></td><td><div class="bare"></div></td>'
        '<td><div class="overlay"></div></td></tr>'
        for name, key, words in maps
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("the face", "the map", "both"))
    return f'<table class="side-by-side"><tr><td></td>{head}</tr>{rows}</table>'


def _about(model: EmotionModel, crop: FaceCrop, explanation: Explanation, accuracy: float | None) -> str:
    likely = prediction_set(explanation.probabilities, model.mirrored_threshold)
    facts = [("90 % set", term(", ".join(likely), SET))]
    if accuracy is not None:
        facts.append(("Right on FER-2013’s test faces", f"{100 * accuracy:.1f} %"))
    height, width = explanation.heatmap.shape
    facts.append(("Layer explained", f"{explanation.stage}, {height} × {width} cells"))
    facts.append(("Largest value of the heat map", f"{explanation.heatmap.max():.2g}"))
    attention = explanation.spatial_attention
    if attention is not None:
        facts.append(("Attention", f"{attention.min():.2f} to {attention.max():.2f}"))
        if not explanation.is_empty:
            found = measure_agreement(attention, explanation.heatmap)
            words = (
                "a map is constant" if np.isnan(found.overlap) else f"rank correlation {found.rank_correlation:z.2f}"
            )
            facts.append(("Attention and heat map", words))
    facts.append(("Size", f"{count_parameters(model) / 1e6:.1f} million parameters"))
    facts.append(("Time for this face and its mirror image", f"{1000 * explanation.seconds:.0f} ms"))
    rows = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts)
    return f"""
      <article class="card"><h3>{model_title(explanation.model_name)}</h3><dl>{rows}</dl>
      {_regions(crop, explanation)}{_channels(explanation)}</article>"""


def _regions(crop: FaceCrop, explanation: Explanation) -> str:
    """Share of the heat on each region of the face, beside the region's share of the picture."""
    if explanation.is_empty:
        return ""
    shares = region_shares(explanation.heatmap, crop.landmarks)
    areas = region_shares(np.ones((1, 1)), crop.landmarks)
    rows = "".join(
        f'<tr><th scope="row">{region}</th><td class="bar"><i style="width: {100 * share:.1f}%"></i>'
        f'<b style="left: {100 * areas[region]:.1f}%"></b></td><td>{percent(share)}</td></tr>'
        for region, share in shares.items()
    )
    return f"""
      <table class="bars regions"><caption>Share of the heat; | marks the region’s share of the picture</caption>
      {rows}</table>"""


def _channels(explanation: Explanation) -> str:
    """CBAM's channel weights, sorted, as a curve."""
    if explanation.channel_attention is None:
        return ""
    weights = np.sort(explanation.channel_attention)[::-1]
    places = np.linspace(0, len(weights) - 1, 101).round().astype(int)
    curve = " ".join(f"{x},{60 * (1 - weights[place]):.1f}" for x, place in enumerate(places))
    said = f"{len(weights)} channels, from the most to the least weight: {weights[0]:.2f} to {weights[-1]:.2f}"
    return f"""
      <figure class="channels">
        <svg viewBox="0 0 100 60" preserveAspectRatio="none" role="img" aria-label="Channel attention: {said}">
          <polygon points="0,60 {curve} 100,60"/><polyline points="{curve}"/>
        </svg>
        <figcaption><b>Channel attention</b>, {said}</figcaption>
      </figure>"""
