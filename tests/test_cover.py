"""Covering a part of the face: what is covered, and what it changes."""

import json
import re

import numpy as np
import pytest

from demo.cover import render_changes, render_cover
from demo.photo import cover
from fer_models.evidence import REGIONS, region_masks
from tests.helpers import half_black, sure_of, words

CROP = half_black()
MASKS = dict(zip(REGIONS, region_masks(CROP.landmarks), strict=True))
KEPT, CHANGED = (sure_of("sad"), sure_of("sad", 0.5)), (sure_of("happy"), sure_of("neutral"))


def changes(covered: np.ndarray, **answers: tuple[np.ndarray, np.ndarray]) -> str:
    return words(render_changes(answers, np.flatnonzero(covered).tolist(), CROP))


def test_covered_pixels_get_the_mean_grey():
    covered = cover(CROP, [0, 47, 48 * 48 - 1])
    assert (covered != CROP.pixels).sum() == 3
    assert covered[0, 0] == covered[0, 47] == covered[47, 47] == 100
    for cells in ([-1], [48 * 48], [0.5], ["1"]):
        with pytest.raises(ValueError, match="whole numbers from 0 to 2303"):
            cover(CROP, cells)


def test_each_part_of_the_face_can_be_covered_without_a_brush():
    html = render_cover(CROP)
    buttons = re.findall(r'data-cells="(.*?)" aria-label="Cover (.*?)">(.*?)<', html)
    assert [region for _, region, _ in buttons] == list(REGIONS[:-1])
    assert [short for *_, short in buttons] == ["eyes", "nose", "mouth", "cheeks"]
    for cells, region, _ in buttons:
        assert json.loads(cells) == np.flatnonzero(MASKS[region]).tolist()
    assert 'data-cells="">uncover<' in html and 'data-grey="rgb(100 100 100)"' in html
    assert re.search(r'background-image: url\(data:image/png;.*?<canvas width="48" height="48"', html, re.DOTALL)


def test_what_is_covered_altogether_is_named():
    share = f"{100 * MASKS['mouth'].mean():.0f} %"
    assert changes(MASKS["mouth"], attn_cnn=KEPT).startswith(
        f"Covered, {share} of the picture: mouth. No answer changes."
    )
    both = MASKS["mouth"] | MASKS["nose"]
    assert " of the picture: nose and mouth. " in changes(both, attn_cnn=KEPT)
    assert (
        "Covered, 100 % of the picture: brows and eyes, nose, mouth, cheeks, chin, forehead and outside the face. "
        in (changes(np.ones((48, 48), bool), attn_cnn=KEPT))
    )


def test_a_touched_part_is_named_as_such():
    one = np.zeros((48, 48), bool)
    one.ravel()[np.flatnonzero(MASKS["mouth"])[0]] = True
    assert "Covered, < 1 % of the picture: part of mouth. " in changes(one, attn_cnn=KEPT)
    most = MASKS["nose"].copy()
    most.ravel()[np.flatnonzero(most)[: int(0.09 * most.sum())]] = False
    assert " of the picture: nose. " in changes(most | one, attn_cnn=KEPT).replace("nose and part of mouth", "nose")


def test_who_changes_is_told():
    mouth = MASKS["mouth"]
    assert "ResNet-50 changes its answer." in changes(mouth, attn_cnn=KEPT, resnet50=CHANGED)
    two = changes(mouth, baseline_cnn=CHANGED, resnet50=CHANGED, attn_cnn=KEPT)
    assert "Baseline CNN and ResNet-50 change their answer." in two
    names = ("baseline_cnn", "resnet50", "attn_cnn", "resnet50_cbam")
    assert "All four models change their answer." in changes(mouth, **dict.fromkeys(names, CHANGED))
    assert "Baseline CNN changes its answer." in changes(mouth, baseline_cnn=CHANGED)


def test_all_answers_stand_before_and_after():
    html = render_changes({"attn_cnn": KEPT, "resnet50": CHANGED}, [0], CROP)
    assert "before covered Attention CNN sad 100 % sad 50 % ResNet-50 happy 100 % → neutral 100 %" in words(html)
    assert html.count("<tr class=changed>") == 1
