"""What is explained, and how: the controls above the maps, as HTML. The browser marks what is chosen."""

from demo.analysis import LAYERS
from demo.markup import term
from fer_models import EMOTIONS, METHODS
from fer_models.explanations.overlays import OPACITY

AGAINST = """Shows what speaks for the first emotion and against the second: the difference of their two maps. Needs \
HiResCAM or Grad-CAM, at one of the last two layers."""
LAYER = """Where in the network the map is made. The last layer that still has a grid of places is what the decision \
is made from; earlier ones have finer grids and know less of the emotion."""


def render_controls(models: str = "") -> str:
    """Chips for the emotion, a list for the emotion to contrast it with, and the rest folded.

    Args:
        models: the choice of models, as HTML.
    """
    chips = "".join(
        f'<button type="button" data-set="emotion" data-value="{emotion}" aria-pressed="{str(not emotion).lower()}">'
        f"{emotion or 'each one’s answer'}</button>"
        for emotion in ("", *EMOTIONS)
    )
    against = _select("against", [("", "no other"), *((emotion, emotion) for emotion in EMOTIONS)])
    methods = _select("method", [(key, method.title) for key, method in METHODS.items()])
    layers = _select("layer", list(LAYERS.items()))
    return f"""
    <div class="controls">
      <div class="chips" role="group" aria-label="Emotion to explain"><span>Why</span>{chips}</div>
      <details class="advanced" data-name="advanced"><summary>More</summary><div>
        <label>{term("rather than", AGAINST)} {against}</label>
        <label>method {methods}</label>
        <label>{term("layer", LAYER)} {layers}</label>
        <label>opacity of the maps
          <input type="range" min="0" max="100" value="{100 * OPACITY:.0f}" data-opacity></label>
      </div></details>{models}
    </div>"""


def _select(key: str, choices: list[tuple[str, str]]) -> str:
    options = "".join(f'<option value="{value}">{text}</option>' for value, text in choices)
    return f'<select data-set="{key}">{options}</select>'
