"""The tab Clip: its parts, and which handler answers each event. What is seen in it, demo/clip.js draws."""

from typing import Any

import gradio as gr

from demo.clip_responses import MEGABYTES, MOST_MOMENTS, MOST_SECONDS, PER_SECOND, ClipResponses
from demo.emotion_colours import colour_variables, render_legend
from demo.example_pictures import EXAMPLE_CLIP
from demo.markup import in_words
from demo.photo_view import thumbnail
from demo.responses import WAITING
from demo.strips import with_strips
from fer_models.video.reading import open_clip

MARKS = """<span class="differ"><i></i>the models disagree</span><span class="cut"><i></i>cut</span>"""
HOW = f"""\
{PER_SECOND} frames per second are looked at, fewer in a clip of more than {MOST_MOMENTS // PER_SECOND} seconds. Faces \
are found and followed, and the models that are ticked in the tab Analyse are asked about each."""
PRIVACY = """\
The clip is deleted from the server’s disk as soon as it is read. A small copy without sound stays in memory to be \
played, until you leave this page or for ten minutes after you last played it."""

# The parts that clip.js shows and hides, according to the state that it writes into data-state.
TAB = f"""
<div class="clip-tab" data-state="empty" style="{colour_variables()}">
  <div class="clip-drop">
    <p class="clip-lead"><b>Drop or choose a clip</b> to see which emotion the models see in each face, and when.</p>
    <div class="buttons" role="group" aria-label="A clip">
      <label class="button primary"><input type="file" accept="video/*,image/gif,.mkv,.avi" class="unseen"
        data-clip="file">Try your clip</label>
      <button type="button" data-clip="record">Record</button>
      <button type="button" data-clip="example"><img src="THUMBNAIL" alt="">Example</button>
    </div>
    <p class="clip-small">At most {in_words(MOST_SECONDS // 60)} minutes and {MEGABYTES} MB.</p>
    <details><summary>How, and what is kept</summary><p>{HOW}</p><p>{PRIVACY}</p></details>
  </div>
  <p class="problem" role="alert" data-clip="problem" hidden></p>
  <div class="clip-progress buttons" data-clip="progress" hidden>
    <p data-clip="doing"></p>
    <progress max="1" aria-label="How much is done"></progress>
    <button type="button" data-clip="stop">Stop</button>
  </div>
  <div class="clip-stage" data-clip="stage" hidden>
    <div class="clip-player">
      <div class="clip-frame">
        <video muted playsinline preload="auto" data-clip="video" aria-label="The clip"></video>
        <canvas data-clip="canvas" aria-hidden="true"></canvas>
      </div>
      <div class="clip-controls">
        <button type="button" class="clip-play" data-clip="play" aria-label="Play"></button>
        <output data-clip="time"></output>
        <label><span>Map over the faces</span> <select data-clip="map"></select></label>
      </div>
    </div>
    <div class="clip-times">
      <div class="clip-head">{render_legend(MARKS)}
        <div class="chips" role="group" aria-label="Answers">
          <button type="button" data-clip-mode="smoothed" aria-pressed="true">smoothed</button>
          <button type="button" data-clip-mode="raw" aria-pressed="false">frame by frame</button>
        </div>
      </div>
      <div data-clip="faces"></div>
      <p class="clip-small" data-clip="hint">Click on a strip to see that frame with every model’s map.</p>
      <div class="downloads" role="group" aria-label="Download this timeline"><span>Download</span>
        <button type="button" data-clip-file="overlay.mp4">clip with boxes</button>
        <button type="button" data-clip-file="timeline.png">picture</button>
        <button type="button" data-clip-file="timeline.csv">CSV</button>
        <span data-clip="making" role="status"></span></div>
    </div>
  </div>
</div>"""

SCRIPT = with_strips("clip.js").replace("MEGABYTES", str(MEGABYTES))

# As `demo.layout.CHANNEL`, and one that ends what the event before has started.
TELL = """document.addEventListener("fer-lens:{name}", event => {{ props.value = event.detail; trigger("select"); }});
document.addEventListener("fer-lens:{name}-stop", () => trigger("clear"));"""
HEAR = """watch("value", () => document.dispatchEvent(new CustomEvent("fer-lens:{name}", {{detail: props.value}})))"""
FAILED = "() => document.dispatchEvent(new CustomEvent('fer-lens:clip-failed'))"


def build_clip_tab(responses: ClipResponses) -> None:
    """Adds the tab's components to the page under construction."""

    def part(value: object, script: str | None, name: str, **options: Any) -> gr.HTML:
        return gr.HTML(value, apply_default_css=False, js_on_load=script, elem_id=name, **options)

    with open_clip(EXAMPLE_CLIP) as example:
        first = next(example.frames())
    part(TAB.replace("THUMBNAIL", thumbnail(first.picture)), SCRIPT, "clip")
    cards = part("", HEAR.format(name="clip-cards"), "clip-cards")
    wanted = part({}, TELL.format(name="clip-wanted"), "clip-wanted", html_template="")
    report = part({}, HEAR.format(name="clip-report"), "clip-report", html_template="")
    moment = part({}, TELL.format(name="clip-moment"), "clip-moment", html_template="")

    event: dict[str, Any] = {"api_visibility": "private", "trigger_mode": "always_last"}
    analysed = wanted.select(
        responses.on_clip,
        wanted,
        report,
        show_progress="hidden",
        concurrency_id="clips",
        concurrency_limit=1,
        **event,
    )
    analysed.failure(None, js=FAILED)
    wanted.clear(responses.on_stop, None, None, queue=False, api_visibility="private")
    chosen = moment.select(
        responses.on_moment,
        moment,
        cards,
        show_progress="hidden",
        concurrency_id="views",
        concurrency_limit=WAITING,
        **event,
    )
    chosen.failure(None, js=FAILED)
