"""Layout of the page: components, and which handler answers each event."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.blocks import BlockFunction
from starlette.middleware import Middleware

from demo.api import Api
from demo.api_guard import CLOSED, FileGuard
from demo.camera_socket import CAMERA_ROUTES, LIMITS, Cameras, Limits
from demo.camera_tab import build_camera_tab
from demo.clip_responses import MEGABYTES as CLIP_MEGABYTES
from demo.clip_responses import ClipResponses
from demo.clip_routes import CLIP_ROUTES
from demo.clip_store import CLIPS
from demo.clip_tab import build_clip_tab
from demo.controls import render_controls
from demo.cover import NOT_COVERED
from demo.evaluation_tab import build_evaluation_tab, read_results
from demo.example_pictures import OPENING
from demo.markup import in_words, render_problem
from demo.model_choice import render_model_choice
from demo.photo import MEGABYTES, TOO_LARGE
from demo.photo_view import render_examples
from demo.responses import NO_MODELS, WAITING, Responses
from demo.retention import APP_OPTIONS, forget_visit
from demo.trust_tab import build_trust_tab
from demo.view import DEFAULT_METHOD, View
from fer_models import EmotionModel
from fer_models.architectures import MODELS, default_choice

INTRODUCTION = """\
<h1>FER Lens</h1>
<p>{who} which emotion a face shows. See where {each} looks, and whether to believe it.</p>
<div id="announcer" class="unseen" role="status" aria-live="polite"></div>"""
ONE_MODEL = ("One model guesses", "it")
SMALL_PRINT = """\
<details><summary><b>Read with care.</b> The labels are raters’ guesses of what a face shows, not what a person feels.
</summary><p>The models learned from FER-2013, which has many wrong labels and does not represent everyone equally, so
they make mistakes, and more for some people than for others. Do not use them to judge people. The EU’s AI Act prohibits
inferring emotions at work and in education, except for medical or safety reasons (Article 5(1)(f)), and treats other
emotion recognition as high-risk (Annex III).</p>
<p><b>Your pictures.</b> A photo is deleted from the server’s disk as soon as it is read; one that you replace before
that, within ten minutes. What was read stays in memory until you leave this page, or for an hour after your last click;
a clip, for ten minutes after you last used it.</p></details>"""
DOWNLOADS = """\
<div class="downloads" role="group" aria-label="Download this analysis"><span>Download</span>
<button type="button" data-download="png">picture</button><button type="button" data-download="json">JSON</button>
<button type="button" data-download="csv">CSV</button></div>"""

STYLES = ("page", "clip", "camera", "evaluation", "trust")

# Of the browser's part of the page. Each file runs for one component, see `gr.HTML`.
SCRIPTS = {
    name: Path(__file__).with_name(f"{name}.js").read_text(encoding="utf-8") for name in ("page", "photo", "cover")
}
SCRIPTS["photo"] = SCRIPTS["photo"].replace("MEGABYTES", str(MEGABYTES)).replace("TOO_LARGE", TOO_LARGE)
SCRIPTS["page"] = SCRIPTS["page"].replace("OPENING", OPENING).replace("METHOD", DEFAULT_METHOD)

# Hands what an event of the browser tells to the server, as a component's value: Gradio forgets what is told with an
# event if the one before it is still being answered, but not a value.
CHANNEL = """document.addEventListener("fer-lens:{name}", event => {{
    props.value = event.detail;
    trigger("select");
}})"""
TELL_RESULTS = """watch("value", () => document.dispatchEvent(new CustomEvent("fer-lens:results")))"""
SAY = """watch("value", () => {
    const detail = element.querySelector("[data-said]")?.textContent;
    document.dispatchEvent(new CustomEvent("fer-lens:say", {detail}));
})"""
EVIDENCE = f"""{SAY}
element.addEventListener("click", event => {{
    if (event.target.matches("[data-test]")) trigger("select");
    if (event.target.matches("[data-stop]")) {{ event.target.disabled = true; trigger("clear"); }}
}})"""
# Badges come after the results; those of an earlier analysis are too late.
PLACE_BADGES = """watch("value", () => {
    const {analysis, badges} = props.value ?? {};
    const results = document.querySelector(`[data-analysis="${analysis}"]`);
    for (const [name, badge] of Object.entries(results ? badges : {}))
        results.querySelector(`[data-badge="${name}"]`).innerHTML = badge;
})"""
SAVE_FILE = """watch("value", () => {
    if (!props.value?.url) return;
    const link = document.createElement("a");
    link.href = props.value.url;
    link.download = props.value.name;
    link.click();
})"""

# Fonts come from Gradio's own files: nothing is fetched from elsewhere. Its semi-bold files lack most letters.
THEME = gr.themes.Base(
    primary_hue="teal",
    neutral_hue="slate",
    font=[gr.themes.LocalFont("IBM Plex Sans", weights=(400, 700)), "sans-serif"],
).set(body_text_color_subdued="*neutral_500", block_info_text_color="*neutral_500")

LAUNCH_OPTIONS = {
    "theme": THEME,
    "css_paths": [Path(__file__).with_name(f"{name}.css") for name in STYLES],
    "footer_links": ["api", "gradio", "settings"],
    "enable_monitoring": False,  # else anybody could ask how often the page is used
    "run_history": False,  # else the browser would keep a visitor's pictures and results
    "max_file_size": f"{CLIP_MEGABYTES}mb",  # a photo's own limit is in demo/photo.py
    "state_session_capacity": 200,
    "app_kwargs": APP_OPTIONS
    | {
        "routes": [*APP_OPTIONS["routes"], *CLIP_ROUTES, *CAMERA_ROUTES, *CLOSED],
        "middleware": [Middleware(FileGuard, most_bytes=2 * MEGABYTES * 2**20)],  # base64 is longer by a third
    },
}


class Page(gr.Blocks):
    """Gradio's page, which writes no values of a visitor into the server's log.

    Attributes:
        cameras: the sessions of the tab Camera.
    """

    cameras: Cameras

    def validate_inputs(self, block_fn: BlockFunction, inputs: list[Any]) -> None:
        """Refuses an event with too few values. Gradio's own sentence would hold those values, such as a photo."""
        if len(inputs) < len(block_fn.inputs):
            sentence = f"{len(block_fn.inputs)} values are needed, and {len(inputs)} came."
            raise gr.Error(sentence, title="bad_argument", print_exception=False)


def build_page(
    models: dict[str, EmotionModel],
    problems: list[str],
    weights_dir: Path,
    at_once: int = 2,
    report: Callable[[str], object] = lambda line: None,
    camera_limits: Limits = LIMITS,
) -> gr.Blocks:
    """The whole page, to be launched with LAUNCH_OPTIONS. It opens with an example, which is analysed here, once.

    Args:
        models: by name; those that are missing are not shown.
        problems: a sentence for each model that could not be loaded.
        weights_dir: where the evaluations are.
        at_once: how many models run at the same time.
        report: hears what is being done.
        camera_limits: see `Limits`.
    """
    results, variants, unevaluated = read_results(weights_dir)
    everything = results | {f"{variant.recipe}/{variant.name}": found for variant, found in variants.items()}
    responses = Responses(models, everything, at_once)
    clips = ClipResponses(responses, CLIPS)
    with Page(title="FER Lens", analytics_enabled=False, delete_cache=(60, 60), fill_width=True) as page:
        page.cameras = Cameras(models, camera_limits)
        count = len(default_choice(models)) or len(default_choice(MODELS))
        who, each = (f"{in_words(count).capitalize()} models guess", "each of them") if count > 1 else ONE_MODEL
        gr.HTML(
            INTRODUCTION.format(who=who, each=each), apply_default_css=False, js_on_load=None, elem_id="introduction"
        )
        for problem in problems if models else [*problems, NO_MODELS]:
            gr.HTML(render_problem(problem, weights_dir))
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab("Analyse"):
                report("Analysing the opening example ...")
                _build_analysis_tab(responses)
            with gr.Tab("Clip"):
                build_clip_tab(clips)
            if models:
                with gr.Tab("Camera"):
                    build_camera_tab(models, camera_limits)
            with gr.Tab("Evaluation"):
                build_evaluation_tab(weights_dir, results, variants, unevaluated)
            with gr.Tab("Trust the maps?"):
                build_trust_tab(weights_dir)

        Api(page, responses, everything).add()

        def on_leave(request: gr.Request) -> None:
            responses.on_leave(request)
            clips.on_leave(request)
            forget_visit(page, request.session_hash)

        page.unload(on_leave)
    return page


def _build_analysis_tab(responses: Responses) -> None:
    opening = responses.show(View(example=OPENING))
    visit = gr.State(opening[0])
    _, first_photo, first_results, first_cover, first_evidence = opening
    with gr.Row(elem_id="analyse"):
        with gr.Column(elem_id="left", scale=0):
            photo = gr.HTML(first_photo, apply_default_css=False, js_on_load=SCRIPTS["photo"], elem_id="photo")
            gr.HTML(render_examples(), apply_default_css=False, js_on_load=None, elem_id="examples")
            face = gr.HTML(first_cover, apply_default_css=False, js_on_load=SCRIPTS["cover"], elem_id="cover")
            changes = gr.HTML(NOT_COVERED, apply_default_css=False, js_on_load=SAY, elem_id="changes")
        with gr.Column(elem_id="right"):
            choice = render_model_choice(list(responses.models), responses.accuracies)
            gr.HTML(render_controls(choice), apply_default_css=False, js_on_load=None, elem_id="controls")
            results = gr.HTML(first_results, apply_default_css=False, js_on_load=TELL_RESULTS, elem_id="results")
            with gr.Accordion("Test these maps thoroughly", open=False, elem_id="thoroughly"):
                evidence = gr.HTML(first_evidence, apply_default_css=False, js_on_load=EVIDENCE, elem_id="evidence")
            gr.HTML(DOWNLOADS + SMALL_PRINT, apply_default_css=False, js_on_load=None, elem_id="small-print")
    view = gr.HTML({}, html_template="", apply_default_css=False, js_on_load=SCRIPTS["page"], elem_id="view")
    cells = gr.HTML(
        [], html_template="", apply_default_css=False, js_on_load=CHANNEL.format(name="cover"), elem_id="cells"
    )
    badges = gr.HTML({}, html_template="", apply_default_css=False, js_on_load=PLACE_BADGES, elem_id="badges")
    wanted = gr.HTML(
        "", html_template="", apply_default_css=False, js_on_load=CHANNEL.format(name="download"), elem_id="wanted"
    )
    file = gr.HTML({}, html_template="", apply_default_css=False, js_on_load=SAVE_FILE, elem_id="file")

    # Many events run at the same time: they share the models and the place where photos are opened, see `Responses`.
    event: dict[str, Any] = {"api_visibility": "private", "trigger_mode": "always_last", "concurrency_limit": WAITING}
    shown = view.select(
        responses.on_view,
        [view, visit],
        [visit, photo, results, face, evidence],
        show_progress_on=results,
        concurrency_id="views",
        **event,
    )
    shown.failure(None, js="() => document.dispatchEvent(new CustomEvent('fer-lens:failed'))")
    # In queues of their own, so that a test, which takes long, does not block analyses.
    shown.success(responses.on_checks, visit, badges, show_progress="hidden", concurrency_id="checks", **event)
    cells.select(responses.on_cover, [cells, visit], changes, concurrency_id="covers", **event)
    wanted.select(responses.on_download, [wanted, visit], file, show_progress="hidden", concurrency_id="files", **event)
    testing = event | {"concurrency_id": "tests", "concurrency_limit": 1, "trigger_mode": "once"}
    evidence.select(responses.on_test, visit, evidence, **testing)
    evidence.clear(responses.on_stop_button, None, None, queue=False, api_visibility="private")
