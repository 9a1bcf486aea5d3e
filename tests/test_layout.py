"""The whole page without a browser: what it opens with, which events it has, and that it collects nothing."""

import re
from collections import Counter
from pathlib import Path

import gradio as gr
import pytest

from demo import responses
from demo.analysis import load_models
from demo.controls import render_controls
from demo.layout import LAUNCH_OPTIONS, SCRIPTS, build_page
from demo.responses import WAITING
from demo.view import DEFAULT_METHOD
from fer_models import EMOTIONS, METHODS
from fer_models.architectures import MODELS
from tests.helpers import columns, texts, tiny_models, words


@pytest.fixture(scope="module")
def heard() -> list[str]:
    return []


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, heard: list[str]) -> gr.Blocks:
    return build_page(
        tiny_models(), ["A model is left out: <why>."], tmp_path_factory.mktemp("weights"), 2, heard.append
    )


def component(page: gr.Blocks, name: str) -> gr.HTML:
    return next(block for block in page.blocks.values() if block.elem_id == name)


def test_it_opens_with_an_example_that_is_analysed_already(page, heard):
    assert heard == ["Analysing the opening example ..."]
    results = component(page, "results").value
    assert list(columns(results)) == ["Baseline CNN", "Attention CNN"]
    assert re.findall(r'data-badge="(\w+)"><p class=', results) == ["baseline_cnn", "attn_cnn"]
    assert "1 face found." in component(page, "photo").value
    assert "<canvas" in component(page, "cover").value and "Paint over" in component(page, "changes").value
    assert "data-test" in component(page, "evidence").value
    (state,) = (block for block in page.blocks.values() if isinstance(block, gr.State))
    assert state.value.source == "eileen-collins" and state.value.chosen == 0


def test_the_opening_example_is_analysed_once(tmp_path, monkeypatch):
    calls = Counter()

    def counted(name: str):
        function = getattr(responses, name)

        def call(*arguments: object) -> object:
            calls[name] += 1
            return function(*arguments)

        return call

    for name in ("read_photo", "explain_face", "check_maps"):
        monkeypatch.setattr(responses, name, counted(name))
    build_page(tiny_models(), [], tmp_path)
    assert calls == {"read_photo": 1, "explain_face": 1, "check_maps": 1}


def test_it_says_how_many_models_there_are_and_which_are_missing(page):
    said = texts(page)
    assert "Two models guess which emotion a face shows." in said
    assert '<p class="problem">A model is left out: &lt;why&gt;.</p>' in said and responses.NO_MODELS not in said
    assert "Article 5(1)(f)" in said and "deleted from the server’s disk as soon as it is read" in said


def test_a_fresh_clone_without_models_says_what_to_do(tmp_path):
    models, problems = load_models(tmp_path)
    assert models == {} and len(problems) == len(MODELS)
    page = build_page(models, problems, tmp_path)
    said = texts(page)
    for title in (model.title for model in MODELS.values()):
        assert f"{title} is left out: " in said and f"{title} has no evaluation: " in said
    assert "python train.py --model" in said and "There is no model: " in component(page, "results").value
    for accuracy in ("58.9", "43.5", "45.4", "67.4"):
        assert accuracy in said


def test_nothing_is_collected_and_programs_are_offered_two_endpoints(page):
    assert page.analytics_enabled is False and page.delete_cache == (60, 60)
    assert LAUNCH_OPTIONS["run_history"] is False
    offered = {event.api_name for event in page.fns.values() if event.fn and event.api_visibility != "private"}
    assert offered == {"analyse", "models"} and "api" in LAUNCH_OPTIONS["footer_links"]
    assert all(style.is_file() for style in LAUNCH_OPTIONS["css_paths"])


def events(page: gr.Blocks) -> dict:
    return {event.fn.__name__: event for event in page.fns.values() if event.fn}


def test_each_kind_of_event_has_a_queue_of_its_own(page):
    found = events(page)
    queued = {name: (event.concurrency_id, event.concurrency_limit) for name, event in found.items() if event.queue}
    assert {name: queue for name, queue in queued.items() if found[name].outputs} == {
        "on_view": ("views", WAITING),
        "on_checks": ("checks", WAITING),
        "on_cover": ("covers", WAITING),
        "on_download": ("files", WAITING),
        "on_test": ("tests", 1),
        "on_clip": ("clips", 1),
        "on_moment": ("views", WAITING),
        "analyse": ("views", WAITING),  # a program waits with the visitors
        "models": ("models", WAITING),
    }
    # They must not wait for what they stop.
    assert found["on_stop_button"].queue is found["on_stop"].queue is False
    assert not any(event.cancels for event in page.fns.values())


def test_the_latest_choice_wins_and_a_test_runs_once(page):
    found = events(page)
    modes = {name: event.trigger_mode for name, event in found.items() if event.outputs and event.targets}
    assert modes.pop("on_test") == "once" and set(modes.values()) == {"always_last"}
    assert found["on_checks"].trigger_after == found["on_view"]._id and found["on_checks"].trigger_only_on_success
    elements = {block._id: block.elem_id for block in page.blocks.values()}
    targets = {name: [(elements.get(block), kind) for block, kind in event.targets] for name, event in found.items()}
    assert targets["on_view"] == [("view", "select")] and targets["on_cover"] == [("cells", "select")]
    assert targets["on_test"] == [("evidence", "select")] and targets["on_stop_button"] == [("evidence", "clear")]
    assert targets["on_download"] == [("wanted", "select")]
    assert targets["on_clip"] == [("clip-wanted", "select")] and targets["on_stop"] == [("clip-wanted", "clear")]
    assert targets["on_moment"] == [("clip-moment", "select")]


def test_the_browsers_part_knows_the_defaults():
    assert '{example: "eileen-collins", ' in SCRIPTS["page"] and f'method: "{DEFAULT_METHOD}"' in SCRIPTS["page"]
    assert not re.search(r"\b(OPENING|METHOD)\b", SCRIPTS["page"])
    folder = Path(__file__).parents[1] / "demo"
    assert all((folder / f"{name}.js").is_file() for name in SCRIPTS)


def test_every_choice_has_a_control():
    html = render_controls()
    chips = re.findall(r'data-set="emotion" data-value="(\w*)" aria-pressed="(\w+)"', html)
    assert chips == [("", "true"), *((emotion, "false") for emotion in EMOTIONS)]
    lists = dict(re.findall(r'<select data-set="(\w+)">(.*?)</select>', html))
    options = {key: re.findall(r'value="(.*?)"', content) for key, content in lists.items()}
    assert options == {
        "against": ["", *EMOTIONS],
        "method": list(METHODS),
        "layer": ["last", "stage", "earlier", "earliest"],
    }
    assert "each one’s answer" in words(html) and "data-opacity" in html
