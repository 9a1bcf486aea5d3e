"""What the page says beyond the predictions: together, evidence for the maps, and what a covered face changes."""

import json
import re
from dataclasses import replace

import gradio as gr
import numpy as np
import pytest
import torch
from PIL import Image

from demo import analysis
from demo.cards import render_analysis
from demo.consensus import describe_record, render_consensus, render_map_agreement
from demo.painter import NOT_PAINTED, render_changes, render_painter
from demo.photo import FaceCrop, cover
from demo.responses import NOTHING_YET, Responses
from fer_models import EMOTIONS, create_model
from fer_models.evaluation.results import Evaluation, Predictions
from fer_models.evidence import MEAN_LANDMARKS, region_masks
from fer_models.faces import Face, Square, landmarks_in_crop
from tests.helpers import DEFAULTS, cards, explanation


def make_crop(pixels: np.ndarray) -> FaceCrop:
    return FaceCrop(Image.fromarray(pixels), pixels, np.float32(MEAN_LANDMARKS))


def sure_of(emotion: str) -> np.ndarray:
    return np.eye(7, dtype=np.float32)[EMOTIONS.index(emotion)]


@pytest.fixture
def crop() -> FaceCrop:
    """Upper half black, lower half at 200: a mean grey of 100."""
    return make_crop(np.repeat(np.uint8([0, 200]), 24 * 48).reshape(48, 48))


@pytest.fixture
def responses(monkeypatch: pytest.MonkeyPatch) -> Responses:
    monkeypatch.setattr(analysis, "FEW_FRACTIONS", (0.2,))
    torch.manual_seed(0)
    return Responses({name: create_model(name, widths=[4, 4, 4]).eval() for name in ("baseline_cnn", "attn_cnn")})


def test_landmarks_are_told_in_the_crop():
    landmarks = np.float32([[10, -20], [210, 180], [110, 80], [60, 30], [10, 80]])
    face = Face((0, 0, 1, 1), 0.9, landmarks)
    expected = [[0, 0], [1, 1], [0.5, 0.5], [0.25, 0.25], [0, 0.5]]
    np.testing.assert_allclose(landmarks_in_crop(Square(np.array([110, 80]), 200), face), expected)


def test_the_mean_of_all_answers_and_their_disagreement():
    apart = [explanation("baseline_cnn", "sad", 1.0), explanation("resnet50", "happy", 1.0)]
    said = " ".join(render_consensus(apart, "It is often right.").split())
    assert "<b>happy</b> 50%, then sad 50%." in said
    assert "It is often right. Their" in said and "disagreement is 1.00" in said
    together = " ".join(render_consensus([apart[0], explanation("resnet50", "sad", 1.0)], "").split())
    assert "<b>sad</b> 100%" in together and "disagreement is 0.00" in together
    assert "disagreement" not in render_consensus(apart[:1], "")


def test_the_record_of_all_together():
    def result(*emotions: str) -> Evaluation:
        probabilities = np.stack([0.4 + 0.6 * sure_of(emotion) for emotion in emotions])
        return Evaluation({}, Predictions(np.uint8([3, 4]), np.ones(2, bool), probabilities, probabilities))

    # The second face is sad (4): two of three say so, and one of three is right about the first.
    results = [result("happy", "sad"), result("sad", "sad"), result("sad", "fear")]
    names = ("baseline_cnn", "resnet50", "resnet50_cbam")
    assert describe_record(dict(zip(names, results, strict=True))).endswith("is right 50.0% of the time.")
    twins = describe_record({"baseline_cnn": results[2], "resnet50": results[0], "resnet50_cbam": results[0]})
    assert twins.endswith(
        "ResNet-50 and ResNet-50 + CBAM give the same answer on 100.0% of them: count these two as one."
    )
    assert describe_record({"resnet50": results[0]}) == ""
    shuffled = replace(results[1], predictions=replace(results[1].predictions, labels=np.uint8([4, 3])))
    assert describe_record({"resnet50": results[0], "attn_cnn": shuffled}) == ""


def test_heat_maps_of_different_models_are_compared():
    heat = np.arange(16, dtype=np.float32).reshape(4, 4)
    maps = {"baseline_cnn": heat, "resnet50": heat, "attn_cnn": -heat + 15, "resnet50_cbam": np.zeros((4, 4))}
    table = render_map_agreement([explanation(name, "sad", 0.9, heatmap=heat) for name, heat in maps.items()])
    cells = re.findall(r"<td>([^<]+(?:<small>.+?</small>)?)</td>", table)
    assert cells[:3] == ["1.00 <small>100%</small>", "-1.00 <small>0%</small>", "a map is flat"]
    assert render_map_agreement([explanation("resnet50", "sad", 0.9)]) == ""


def test_a_card_names_the_prediction_set_and_where_the_heat_lies(responses, crop):
    model = responses.models["attn_cnn"]
    model.conformal_threshold = 0.8
    probabilities = np.float32([0.05, 0, 0.25, 0.6, 0.05, 0.05, 0])
    mouth = region_masks()[2].astype(np.float32)
    found = explanation("attn_cnn", "happy", 0.6, probabilities=probabilities, heatmap=mouth, spatial_attention=mouth)
    (card,) = cards(render_analysis(crop, responses.models, [found])).values()
    assert "90 % set: happy, fear<" in card
    assert re.search(r"mouth</th>.*?<td>100%</td>", card) and re.search(r"nose</th>.*?<td>0%</td>", card)
    assert f"left: {100 * mouth.mean():.1f}%" in card
    assert "rank correlation with Grad-CAM 1.00, 100% of the hottest fifths shared" in card
    flat = replace(found, heatmap=np.ones_like(mouth))
    assert "cells; Grad-CAM is the same everywhere" in render_analysis(crop, responses.models, [flat])


def test_covered_pixels_get_the_mean_grey(crop):
    covered = cover(crop, [0, 47, 48 * 48 - 1])
    assert (covered != crop.pixels).sum() == 3
    assert covered[0, 0] == covered[0, 47] == covered[47, 47] == 100
    for cells in ([-1], [48 * 48], [0.5], ["1"]):
        with pytest.raises(ValueError, match="whole numbers from 0 to 2303"):
            cover(crop, cells)


def test_each_part_of_the_face_can_be_covered_without_a_brush(crop):
    buttons = re.findall(r'data-cells="(.*?)">cover (.*?)<', render_painter(crop))
    assert [region for _, region in buttons] == ["brows and eyes", "nose", "mouth", "cheeks, chin, forehead"]
    assert json.loads(buttons[2][0]) == np.flatnonzero(region_masks()[2]).tolist()


def test_what_changes_is_told():
    kept, changed = (sure_of("sad"), sure_of("sad")), (sure_of("happy"), sure_of("neutral"))
    assert "With 5% of the face covered, no model changes its mind." in render_changes({"attn_cnn": kept}, 0.05)
    told = render_changes({"attn_cnn": kept, "resnet50": changed}, 0.5)
    assert "With 50% of the face covered, ResNet-50 changes its mind." in told
    assert "<td>happy 100%</td><td>neutral 100%</td>" in told and "happy 100% → 0%" in told


def test_painting_asks_all_models_again(responses, crop):
    def paint(cells: object) -> str:
        return responses.on_paint([crop], 0, gr.EventData(None, {"index": cells}))

    assert paint([]) == NOT_PAINTED
    assert responses.on_paint([], None, gr.EventData(None, {"index": [1]})) == NOT_PAINTED
    told = paint(list(range(48 * 24)))
    assert "With 50% of the face covered" in told and "Baseline CNN" in told and "Attention CNN" in told
    with pytest.raises(gr.Error, match="Something went wrong"):
        paint([99999])


def test_maps_are_tested_one_model_after_the_other(responses, crop):
    shares = []

    def progress(share: float, desc: str) -> None:
        shares.append(share)

    explanations, _ = responses.on_control([crop], 0, *DEFAULTS)
    steps = list(responses.on_test([crop], 0, explanations, progress))
    assert [len(cards(step)) for step in steps] == [1, 2]
    assert shares == pytest.approx(np.arange(1, 13) / 12)
    for card in cards(steps[-1]).values():
        assert card.count("<polyline") == 6  # the map, three random ones, the centre and the edges
        assert "random" in card
    # Untrained, attention is the same everywhere already.
    assert "has no attention to make uniform" in cards(steps[-1])["Baseline CNN"]
    said = re.search(r"the model says (\w+ \d+%); unchanged, (.+?)\.", cards(steps[-1])["Attention CNN"])
    assert said[1] == said[2]
    assert list(responses.on_test([], None, [], progress)) == [NOTHING_YET]


def test_new_results_start_the_evidence_anew(responses, crop):
    painter, changes, evidence = responses.on_results([crop], 0)
    assert "<canvas" in painter and changes == NOT_PAINTED and "Not tested yet" in evidence
    assert responses.on_results([], None) == (NOTHING_YET, "", NOTHING_YET)
