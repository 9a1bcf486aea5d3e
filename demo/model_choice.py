"""Which of the loaded models a visitor sees: the paper's four, unless others are chosen."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from fer_models.architectures import default_choice, model_title

# Columns narrower than a sixth of the page are hard to read.
MOST = 6


def chosen_models(asked: Sequence[str], names: Iterable[str]) -> tuple[str, ...]:
    """The asked models that are loaded, in the order in which they are; the default choice if there are none."""
    names = tuple(names)
    return tuple(name for name in names if name in asked)[:MOST] or default_choice(names)[:MOST]


def render_model_choice(names: Sequence[str], accuracies: Mapping[str, float]) -> str:
    """A folded list of boxes to tick, as HTML; nothing if there is no choice. The browser ticks what is chosen.

    Args:
        names: of the loaded models.
        accuracies: of each on FER-2013's test faces, in [0, 1], by name, where they are known.
    """
    if len(names) < 2:
        return ""
    default = default_choice(names)
    boxes = "".join(
        f'<label><input type="checkbox" data-model="{escape(name)}"{" data-default" * (name in default)}> '
        f"{escape(model_title(name))}{_accuracy(accuracies.get(name))}</label>"
        for name in names
    )
    return f"""
      <details class="advanced" data-name="choice"><summary data-most="{MOST}">Models</summary>
      <fieldset><legend class="unseen">Models to show, at most {MOST}</legend>{boxes}</fieldset></details>"""


def _accuracy(accuracy: float | None) -> str:
    return "" if accuracy is None else f" <small>{100 * accuracy:.1f} %</small>"
