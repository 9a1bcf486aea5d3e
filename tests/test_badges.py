"""The quick check of a map as a badge."""

import re

import pytest

from demo.badges import FINDINGS, points, render_badge
from fer_models.evidence import QuickCheck
from tests.helpers import explanation, words

FOUND = explanation("resnet50", "happy", 0.9)


@pytest.mark.parametrize(
    ("check", "finding"),
    [
        (QuickCheck(0.4, (0.1, 0.2, 0.0), 0.3), "beats all"),
        (QuickCheck(0.4, (0.1, 0.2, 0.0), 0.39), "not the centre"),
        (QuickCheck(0.2, (0.1, 0.19, 0.0), 0.0), "not chance"),
        (QuickCheck(0.0, (0.1, 0.2, 0.3), 0.3), "worse"),
        (QuickCheck(0.01, (0.01, -0.01, 0.0), 0.01), "nothing"),
    ],
)
def test_each_finding_has_words_of_its_own(check, finding):
    assert check.finding == finding
    symbol, kind, sentence = FINDINGS[finding]
    badge = render_badge(FOUND, check)
    assert badge.startswith(f'<p class="{kind}"><b aria-hidden="true">{symbol}</b>') and sentence in words(badge)


def test_bars_and_numbers_are_the_costs():
    badge = render_badge(FOUND, QuickCheck(0.41, (0.05, 0.15, 0.1), -0.023))
    assert re.findall(r"width: ([\d.]+)%", badge) == ["41.0", "10.0", "0.0"]
    assert re.findall(r"<td>([+-]?\d+)</td>", badge) == ["-41", "-10", "+2"]  # what happens to the probability
    assert "41 points without what the map shows, 10 points without a random fifth, -2 points" in words(badge)


def test_a_constant_map_has_nothing_to_check():
    badge = render_badge(FOUND, None)
    assert "constant: nothing to check" in words(badge) and "<table" not in badge


def test_one_point_is_singular():
    assert [points(cost) for cost in (0.414, 0.01, -0.01, 0.0)] == ["41 points", "1 point", "-1 point", "0 points"]
