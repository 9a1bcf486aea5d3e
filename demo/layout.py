"""Layout of the page: components, and which handler answers each event."""

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image, ImageOps

from demo.analysis import LAYERS
from demo.cards import THUMBNAIL, render_choices
from demo.consensus import describe_record, in_words
from demo.evaluation_tab import build_evaluation_tab, read_results
from demo.overlays import data_url
from demo.painter import PAINT
from demo.responses import EXAMPLES, EXAMPLES_DIR, NO_MODELS, NOTHING_YET, OWN_PREDICTION, Responses
from demo.retention import APP_OPTIONS, forget_visit
from demo.trust_tab import build_trust_tab
from fer_models import EMOTIONS, METHODS, EmotionModel
from fer_models.architectures import MODELS
from fer_models.evaluation.results import Evaluation

INTRODUCTION = """\
# FER Lens
{count} models look at a face, guess which emotion it shows, and show you where they looked."""
NO_PHOTO = '<p class="label">No photo yet</p><p class="hint">The faces in your photo will appear here.</p>'
WHY_LAST = "The decision is made from the last stage, the deepest one that still has a spatial grid."
SMALL_PRINT = """\
**Read with care.** The labels are raters' guesses of what a face shows, not what a person feels. The models learned
from FER-2013, which has many wrong labels and does not represent everyone equally, so they make mistakes, and more for
some people than for others. Do not use them to judge people. The EU's AI Act prohibits inferring emotions at work and
in education, except for medical or safety reasons (Article 5(1)(f)), and treats other emotion recognition as high-risk
(Annex III).

**Your pictures.** A photo is deleted from the server as soon as it is read. Its faces stay in memory until you leave
this page, or for an hour after your last click, and are never written to disk."""

# In the browser: a click in a row of pictures sends its index to the server; the slider needs no server.
CHOOSE = """element.addEventListener("click", event => {
    if (event.target.matches("input")) trigger("select", {index: Number(event.target.value)});
})"""
SET_OPACITY = "percent => document.documentElement.style.setProperty('--heat-opacity', percent / 100)"

# Fonts come from Gradio's own files: nothing is fetched from elsewhere. Its semi-bold files lack most letters.
THEME = gr.themes.Base(
    primary_hue="teal",
    neutral_hue="slate",
    font=[gr.themes.LocalFont("IBM Plex Sans", weights=(400, 700)), "sans-serif"],
).set(body_text_color_subdued="*neutral_500", block_info_text_color="*neutral_500")

LAUNCH_OPTIONS = {
    "theme": THEME,
    "css_paths": [Path(__file__).with_name(f"{name}.css") for name in ("page", "evaluation", "trust")],
    "footer_links": ["gradio", "settings"],
    "run_history": False,  # else the browser would keep a visitor's pictures and results
    "max_file_size": "20mb",
    "state_session_capacity": 200,
    "app_kwargs": APP_OPTIONS,
}


def build_page(models: dict[str, EmotionModel], problems: list[str], weights_dir: Path, at_once: int = 2) -> gr.Blocks:
    """The whole page, to be launched with LAUNCH_OPTIONS.

    Args:
        models: by name; those that are missing are not shown.
        problems: a sentence for each model that could not be loaded.
        weights_dir: where the evaluations are.
        at_once: how many visitors' analyses run at the same time.
    """
    results, unevaluated = read_results(weights_dir)
    with gr.Blocks(title="FER Lens", analytics_enabled=False, delete_cache=(60, 60), fill_width=True) as page:
        introduction = INTRODUCTION.format(count=in_words(len(MODELS)).capitalize())
        gr.Markdown(introduction, elem_id="introduction")
        for problem in problems if models else [*problems, NO_MODELS]:
            gr.HTML(f'<p class="problem">{escape(problem)}</p>')
        with gr.Tab("Analyse"):
            _build_analysis_tab(_responses(models, results), at_once)
        with gr.Tab("Evaluation"):
            build_evaluation_tab(weights_dir, results, unevaluated)
        with gr.Tab("Trust the maps?"):
            build_trust_tab(weights_dir)

        def on_leave(request: gr.Request) -> None:
            forget_visit(page, request.session_hash)

        page.unload(on_leave)
    return page


def _responses(models: dict[str, EmotionModel], results: dict[str, Evaluation]) -> Responses:
    """The event handlers, with the accuracy of each model and of all together."""
    results = {name: results[name] for name in models if name in results}
    accuracies = {name: result.metrics["test"]["accuracy"] for name, result in results.items()}
    return Responses(models, accuracies, describe_record(results))


def _build_analysis_tab(responses: Responses, at_once: int) -> None:
    crops, chosen, explanations = gr.State([]), gr.State(None), gr.State([])
    with gr.Row():
        with gr.Column(min_width=320):
            photo = gr.Image(label="Photo", type="filepath", height=200, buttons=[])
            examples = gr.HTML(_render_examples(), js_on_load=CHOOSE, elem_id="examples")
        with gr.Column(min_width=320):
            faces = gr.HTML(NO_PHOTO, js_on_load=CHOOSE, elem_id="faces")
            with gr.Group():
                with gr.Row():
                    emotions = [OWN_PREDICTION, *EMOTIONS]
                    emotion = gr.Dropdown(emotions, value=OWN_PREDICTION, label="Emotion to explain", min_width=240)
                    methods = [(method.title, key) for key, method in METHODS.items()]
                    method = gr.Dropdown(methods, value="gradcam", label="Method")
                layer = gr.Dropdown(list(LAYERS.items()), value=-1, label="Layer", info=WHY_LAST)
                opacity = gr.Slider(0, 100, 55, step=1, label="Opacity of the maps in percent", buttons=[])
    results = gr.HTML(NOTHING_YET, elem_id="results")
    with gr.Accordion("Can you trust these maps? Test them on this face", open=False):
        test = gr.Button("Test these maps", variant="primary", size="sm", elem_id="test")
        evidence = gr.HTML(NOTHING_YET, elem_id="evidence")
    with gr.Accordion("What changes the answers? Cover a part of the face", open=False), gr.Row():
        with gr.Column(min_width=300):
            painter = gr.HTML(NOTHING_YET, js_on_load=PAINT, elem_id="painter")
        with gr.Column(min_width=320):
            changes = gr.HTML(elem_id="changes")
    gr.Markdown(SMALL_PRINT, elem_id="small-print")

    controls = [emotion, layer, method]
    answer = [explanations, results]
    work: dict[str, Any] = {
        "concurrency_id": "models",
        "concurrency_limit": at_once,
        "api_visibility": "private",
        "show_progress_on": results,
        "trigger_mode": "always_last",  # a second click while the first one is being answered is answered after it
    }
    # What takes a moment has a queue of its own: the faces of a photo appear while others' analyses are still waiting.
    # One at a time, for opening a large photo takes much memory.
    quick = work | {"concurrency_id": "photos", "concurrency_limit": 1}
    # Without preprocessing, which would open the file before demo.uploads has looked at it.
    photo_opened = [photo, crops, chosen, faces]
    opened = photo.upload(responses.on_photo, photo, photo_opened, preprocess=False, **quick)
    picked = examples.select(responses.on_example, None, [crops, chosen, faces], **quick)
    for choice in (opened, picked):
        choice.success(responses.on_control, [crops, chosen, *controls], answer, **work)
    faces.select(responses.on_face, [crops, *controls], [chosen, *answer], **work)
    moved = [control.input for control in controls]
    gr.on(moved, responses.on_control, [crops, chosen, *controls], answer, **work)
    painting = work | {"show_progress_on": changes}
    painter.select(responses.on_paint, [crops, chosen], changes, **painting)
    # In a queue of its own, so that a test, which takes long, does not block analyses.
    testing = work | {"show_progress_on": evidence, "trigger_mode": "once"}
    testing |= {"concurrency_id": "tests", "concurrency_limit": 1}
    tested = test.click(responses.on_test, [crops, chosen, explanations], evidence, **testing)
    # New results end a test of the old ones, which would show its evidence under them.
    results.change(responses.on_results, [crops, chosen], [painter, changes, evidence], cancels=tested, **quick)
    opacity.change(None, opacity, None, js=SET_OPACITY)


def _render_examples() -> str:
    pictures = []
    for file, caption in EXAMPLES.items():
        with Image.open(EXAMPLES_DIR / file) as image:
            pictures.append((data_url(ImageOps.fit(image.convert("RGB"), (THUMBNAIL, THUMBNAIL))), caption))
    return f'<p class="label">Or an example</p>{render_choices(pictures, "example", None)}'
