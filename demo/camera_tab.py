"""The tab Camera: the visitor's camera live, with what one model makes of each face. camera.js is its other half."""

from collections.abc import Iterable, Mapping
from html import escape

import gradio as gr

from demo.camera_socket import Limits
from demo.emotion_colours import colour_variables, render_legend
from demo.strips import with_strips
from fer_models import EmotionModel
from fer_models.architectures import model_title
from fer_models.inference.complexity import count_multiply_adds

# A network with more multiply-adds per face does not reach 8 frames per second on two cores, see docs/speed.md.
FAST = 500_000_000

MAPS = {"": "none", "heat": "heat map", "attention": "attention"}

PRIVACY = "Frames go to this server only, are looked at in memory and are never stored."
ABOUT = """\
One model looks at each frame once, and its answers are smoothed over time. The tab “Analyse” asks more models and
tests their maps. The answers are guesses of what a face shows, not of what a person feels."""


def build_camera_tab(models: Mapping[str, EmotionModel], limits: Limits) -> None:
    """The tab. The server's part is `demo.camera_socket.Cameras`."""
    script = with_strips("camera.js")
    gr.HTML(render_camera(models, limits), apply_default_css=False, js_on_load=script, elem_id="camera")


def render_camera(models: Mapping[str, EmotionModel], limits: Limits) -> str:
    """All that the tab holds, as HTML; the browser shows what is running."""
    maps = "".join(
        f'<button type="button" data-map="{kind}" aria-pressed="{str(kind == "heat").lower()}">{title}</button>'
        for kind, title in MAPS.items()
    )
    return f"""
    <div class="live" data-seconds="{limits.seconds:g}" data-state="off" style="{colour_variables()}">
      <div class="live-left">
        <div class="stage">
          <video playsinline muted></video>
          <canvas role="img" aria-label="The camera’s picture with a box around each face"></canvas>
          <div class="curtain">
            <p class="said" data-said>See what a model makes of your face, live.</p>
            <div class="buttons"><button type="button" class="primary" data-start>Start camera</button></div>
            <p><small>{PRIVACY}</small></p>
          </div>
        </div>
        <div class="buttons"><button type="button" data-stop hidden>Stop</button>
          <span class="pace" data-pace></span></div>
      </div>
      <div class="live-right">
        <p class="now" data-now>The answer appears here.</p>
        <figure class="live-timeline">
          <figcaption>The largest face, last ten seconds</figcaption>
          <div class="live-strip" role="img"
            aria-label="Probabilities of the emotions over the last ten seconds, stacked"><svg></svg></div>
          <div class="live-axis" aria-hidden="true"><span>10 s ago</span><span>now</span></div>
          {render_legend()}
        </figure>
        <div class="live-choice">
          <label>Model <select data-live-model>{_options(models)}</select></label>
          <div class="chips" role="group" aria-label="Map over each face"><span>Map</span>{maps}</div>
        </div>
        <p class="legend">{ABOUT}</p>
      </div>
      <p class="unseen" role="status" aria-live="polite" data-announce></p>
    </div>"""


def _options(models: Mapping[str, EmotionModel]) -> str:
    """The models in two groups, the fast ones first; of the fast ones, one with attention is chosen."""
    fast = [name for name, model in models.items() if count_multiply_adds(model) <= FAST]
    slow = [name for name in models if name not in fast]
    with_attention = [name for name in fast if models[name].spatial_attention is not None]
    chosen = (with_attention or fast or slow)[:1]
    groups = {"fast": fast, "slow: a few frames per second": slow}
    return "".join(_group(title, names, models, chosen) for title, names in groups.items() if names)


def _group(title: str, names: Iterable[str], models: Mapping[str, EmotionModel], chosen: list[str]) -> str:
    options = "".join(
        f'<option value="{escape(name)}"{" data-attention" * (models[name].spatial_attention is not None)}'
        f"{' selected' * (name in chosen)}>{escape(model_title(name))}</option>"
        for name in names
    )
    return f'<optgroup label="{title}">{options}</optgroup>'
