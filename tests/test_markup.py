"""Words and numbers that several parts of the page share."""

import pytest

from demo.markup import all_of, in_words, listed, percent, term


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (0.004, "< 1 %"),
        (0.006, "1 %"),
        (0.414, "41 %"),
        (0.994, "99 %"),
        (0.996, "> 99 %"),
        (1, "100 %"),
    ],
)
def test_only_what_is_exact_is_none_or_all(share, text):
    assert percent(share) == text


def test_words_are_listed_as_in_a_sentence():
    assert listed(["a"]) == "a" and listed(["a", "b"]) == "a and b" and listed(["a", "b", "c"], "or") == "a, b or c"
    assert (in_words(4), in_words(10), in_words(11)) == ("four", "ten", "11")
    assert (all_of(2), all_of(4), all_of(12)) == ("Both", "All four", "All 12")


def test_the_explanation_of_a_term_is_read_to_everybody_once():
    html = term("ROAD", 'Rong & "others" <2022>')
    assert 'tabindex="0"' in html and 'aria-label="ROAD: Rong &amp; &quot;others&quot; &lt;2022&gt;"' in html
    assert html.count('aria-hidden="true"') == 1 and "<2022>" not in html
