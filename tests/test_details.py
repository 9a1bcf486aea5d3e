"""What stands behind a click: maps side by side, more about each model, the agreement of maps."""

import re
from dataclasses import replace

import numpy as np

from demo.details import render_details
from demo.map_agreement import render_map_agreement
from fer_models.evidence import region_masks
from tests.helpers import cards, explanation, half_black, tiny_models, words

MODELS = tiny_models()
MOUTH = region_masks()[2].astype(np.float32)


def render(*explanations, accuracies: dict[str, float] | None = None) -> str:
    return render_details(half_black(), MODELS, explanations, accuracies or {})


def test_all_is_folded_and_keeps_its_name():
    html = render(explanation("baseline_cnn", "sad", 0.9), explanation("attn_cnn", "sad", 0.9))
    assert re.findall(r"<details(.*?)>", html) == [
        ' data-name="side-by-side"',
        ' data-name="models"',
        ' data-name="agreement"',
    ]
    assert "agreement" not in render(explanation("baseline_cnn", "sad", 0.9))  # nothing to compare it with


def test_every_map_stands_beside_the_face_unless_it_is_empty():
    empty = explanation("baseline_cnn", "sad", 0.9, heatmap=np.zeros((7, 7)))
    rows = re.findall(r'<tr style="--map: var\(--(.*?)\)"', render(empty, explanation("attn_cnn", "sad", 0.9)))
    assert rows == ["heat-attn_cnn"]
    rows = re.findall(r"<tr style=.*?</tr>", render(explanation("attn_cnn", "sad", 0.9, spatial_attention=MOUTH)))
    assert len(rows) == 2 and "heat map" in rows[0] and "attention" in rows[1]
    assert all(row.count("<td>") == 3 for row in rows)


def test_a_card_names_the_prediction_set_and_where_the_heat_lies():
    MODELS["attn_cnn"].mirrored_threshold = 0.8
    probabilities = np.float32([0.05, 0, 0.25, 0.6, 0.05, 0.05, 0])
    found = explanation(
        "attn_cnn", "happy", 0.6, probabilities=probabilities, heatmap=MOUTH, spatial_attention=MOUTH, stage="attention"
    )
    (card,) = cards(render(found)).values()
    said = words(card)
    assert "90 % set happy, fear Layer explained attention, 48 × 48 cells" in said
    assert re.search(r"mouth</th>.*?<td>100 %</td>", card) and re.search(r"nose</th>.*?<td>0 %</td>", card)
    assert f"left: {100 * MOUTH.mean():.1f}%" in card
    assert "Attention 0.00 to 1.00 Attention and heat map rank correlation 1.00" in said
    assert "50 ms" in said and "0.0 million parameters" in said and "test faces" not in said
    assert "Right on FER-2013’s test faces 61.4 %" in words(render(found, accuracies={"attn_cnn": 0.614}))
    assert "a map is constant" in render(replace(found, heatmap=np.ones_like(MOUTH)))


def test_an_empty_map_has_no_regions():
    (card,) = cards(render(explanation("attn_cnn", "sad", 0.9, heatmap=np.zeros((7, 7))))).values()
    assert "Share of the heat" not in card and "Channel attention" not in card


def test_channel_weights_are_a_falling_curve():
    weights = np.float32([0.1, 1.0, 0.5, 0.6])
    html = render(explanation("attn_cnn", "sad", 0.9, channel_attention=weights))
    assert "4 channels, from the most to the least weight: 1.00 to 0.10" in words(html)
    heights = [float(point.split(",")[1]) for point in re.search(r'<polyline points="(.*?)"', html)[1].split()]
    assert heights[0] == 0 and heights[-1] == 54 and heights == sorted(heights)


def test_heat_maps_of_different_models_are_compared():
    heat = np.arange(16, dtype=np.float32).reshape(4, 4)
    maps = {"baseline_cnn": heat, "resnet50": heat, "attn_cnn": -heat + 15, "resnet50_cbam": np.zeros((4, 4))}
    table = render_map_agreement([explanation(name, "sad", 0.9, heatmap=heat) for name, heat in maps.items()])
    cells = re.findall(r"<td>([^<]+(?:<small>.+?</small>)?)</td>", table)
    assert cells[:3] == ["1.00 <small>100 %</small>", "-1.00 <small>0 %</small>", "a map is flat"]
    assert render_map_agreement([explanation("resnet50", "sad", 0.9)]) == ""
