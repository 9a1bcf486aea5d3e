"""Small pieces of HTML and words that several parts of the page share."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

NUMBER_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def term(word: str, explanation: str) -> str:
    """A word with a short explanation, which appears on hover, on tap and on keyboard focus."""
    said = escape(f"{word}: {explanation}")
    return (
        f'<span class="term" tabindex="0" role="note" aria-label="{said}">{escape(word)}'
        f'<span class="tip" aria-hidden="true">{escape(explanation)}</span></span>'
    )


def variable(kind: str, name: str) -> str:
    """The CSS variable that holds a model's "heat" or "attention"; no slash may stand in its name."""
    return f"--{kind}-{name.replace('/', '-')}"


def render_problem(sentence: str, weights_dir: Path) -> str:
    """A sentence on what is missing, as HTML: where the checkpoints lie on the server is nobody's business."""
    return f'<p class="problem">{escape(sentence.replace(str(weights_dir), "weights"))}</p>'


def percent(share: float) -> str:
    """A share in [0, 1] in whole percent, such as "41 %"; 0 and 100 % only where they are exact."""
    if 0 < share < 0.005:
        return "< 1 %"
    if 0.995 <= share < 1:
        return "> 99 %"
    return f"{100 * share:.0f} %"


def listed(words: Sequence[str], last: str = "and") -> str:
    """Words as in a sentence: "a", "a and b", "a, b and c"."""
    *rest, end = words
    return f"{', '.join(rest)} {last} {end}" if rest else end


def in_words(count: int) -> str:
    """A number as a word, up to ten."""
    return NUMBER_WORDS[count] if count < len(NUMBER_WORDS) else str(count)


def all_of(count: int) -> str:
    """ "Both" or "All four"."""
    return "Both" if count == 2 else f"All {in_words(count)}"
