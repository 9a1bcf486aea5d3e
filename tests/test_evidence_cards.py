"""Evidence for and against the heat maps: plots, figures and verdicts."""

import re

import numpy as np
import pytest

from demo.analysis import Evidence, examine
from demo.evidence_cards import NOT_TESTED, RUNNING, STOPPED, render_evidence
from fer_models import explain
from tests.helpers import cards, half_black, tiny_models, words


@pytest.fixture(scope="module")
def tested() -> list[Evidence]:
    crop = half_black()
    return [
        examine(model, crop, explain(model, [crop.pixels], "happy", "hirescam")[0], lambda share: None)
        for model in tiny_models().values()
    ]


def test_each_map_has_a_card_with_a_line_per_rival(tested):
    shown = cards(render_evidence(tested))
    assert list(shown) == ["Baseline CNN", "Attention CNN"]
    for card, evidence in zip(shown.values(), tested, strict=True):
        lines = re.findall(r'<polyline class="(\w+)" points="(.*?)"', card)
        assert [kind for kind, _ in lines] == ["edges", "centre", "random", "random", "random", "map"]
        curves = evidence.faithfulness.curves
        places = np.array([point.split(",") for point in lines[-1][1].split()], float)
        np.testing.assert_allclose(places[:, 0], 100 * curves.fractions / curves.fractions[-1], atol=0.06)
        np.testing.assert_allclose(places[:, 1], 60 * (1 - curves.road_most), atol=0.06)
        assert evidence.faithfulness.verdict in card and evidence.sanity.verdict in card
        areas = re.search(r"ROAD, hottest first&nbsp;↓</th><td>([\d.]+)", card)[1]
        assert areas == f"{curves.areas()['road_most']:.2f}"
        assert "HiResCAM for happy" in card


def test_uniform_attention_is_compared_where_there_is_attention(tested):
    first, second = cards(render_evidence(tested)).values()
    assert "has no attention to make uniform" in first
    assert re.search(r"the model says \w+ \d+%; unchanged, \w+ \d+%\.", words(second))


def test_the_status_offers_what_can_be_done(tested):
    assert render_evidence([], is_running=True) == RUNNING and render_evidence([], was_stopped=True) == STOPPED
    assert "data-stop" in RUNNING and "data-test" in STOPPED and "data-test" in NOT_TESTED
    assert render_evidence(tested, is_running=True).startswith(RUNNING)
    done = render_evidence(tested)
    assert "data-stop" not in done and "data-test" not in done and render_evidence([]) == ""
