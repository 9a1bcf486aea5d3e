"""A colour for each emotion, the same wherever emotions are drawn over time."""

from fer_models import EMOTIONS

# Paul Tol's scheme "bright", which colour-blind people tell apart (https://personal.sron.nl/~pault/), in the order of
# EMOTIONS. They are fills: words stand beside them in the text's own colour.
COLOURS = dict(
    zip(EMOTIONS, ("#ee6677", "#228833", "#aa3377", "#ccbb44", "#4477aa", "#66ccee", "#bbbbbb"), strict=True)
)


def colour_variables() -> str:
    """The colours as CSS variables, such as --happy."""
    return "; ".join(f"--{emotion}: {colour}" for emotion, colour in COLOURS.items())


def render_legend(marks: str = "") -> str:
    """Which colour is which emotion, as HTML, followed by the keys of other marks."""
    keys = "".join(f'<span><i style="background: {colour}"></i>{emotion}</span>' for emotion, colour in COLOURS.items())
    return f'<p class="emotion-keys">{keys}{marks}</p>'
