"""The view of the tab Analyse: photo and results agree, the last choice wins, and the address says what is seen."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import pytest
from PIL import Image

from demo.example_pictures import EXAMPLES, OPENING
from tests.browser import Page

PORTRAIT = EXAMPLES["grace-hopper"].path


def choose(page: Page, selector: str) -> None:
    """Clicks at once, wherever it is."""
    page.script("document.querySelector(arguments[0]).click()", selector)


# ---- One view ------------------------------------------------------------------------------------------------------


def test_another_photo_is_shown_with_its_own_first_face(page):
    opening = page.face
    with page.new_results():
        page.click("[data-face='-1']")
    assert page.ring == [] and page.face != opening
    with page.new_results():
        page.click("[data-example=six-faces]")
    assert page.ring == ["Face 1"], "the choice of the whole picture ends with its picture"
    first = page.face
    with page.new_results():
        page.click(".face-box[data-face='3']")
    assert page.ring == ["Face 4"] and page.face != first and page.query == {"example": "six-faces", "face": "4"}
    with page.new_results():
        page.upload(EXAMPLES[OPENING].path)
    assert page.ring == ["Face 1"] and page.face == opening and page.query == {}


def test_of_quick_clicks_the_last_one_wins(page):
    with page.new_results():
        page.click("[data-example=six-faces]")
    slowly = {}
    for face in (1, 2):
        with page.new_results():
            page.click(f".face-box[data-face='{face}']")
        slowly[face] = page.face
    with page.new_results():
        page.click(".face-box[data-face='0']")
    # The second click comes while the first one is being answered, the third while the second one waits.
    for face in (2, 0, 1):
        page.click(f".face-box[data-face='{face}']")
    page.wait(lambda: page.face == slowly[1] and page.is_settled())
    assert page.ring == ["Face 2"] and page.query["face"] == "2"
    with page.new_results():  # also what is asked next is about this face
        page.click("[data-set=emotion][data-value=sad]")
    assert page.ring == ["Face 2"] and page.face == slowly[1]


def test_of_two_uploads_the_latest_is_shown(page, tmp_path, uploads):
    opening = page.face
    large = tmp_path / "large.jpg"
    Image.open(PORTRAIT).resize((6000, 4000)).save(large, quality=90)
    before = page.analysis
    page.upload(large)
    page.upload(EXAMPLES[OPENING].path)
    page.wait(lambda: page.analysis != before and page.face == opening and page.is_settled())
    # Anything else would come before the answer to what is asked next.
    with page.new_results():
        page.click("[data-set=emotion][data-value=sad]")
    assert page.face == opening and page.ring == ["Face 1"]
    for left_over in uploads.rglob("large.jpg"):  # if it was never asked about, the server sweeps it up later
        left_over.unlink()
    assert not [path for path in uploads.rglob("*") if path.is_file()]


def test_a_test_of_the_maps_ends_with_their_face_and_can_be_stopped(page):
    page.click("button.label-wrap")
    page.wait(lambda: page.one("[data-test]").is_displayed())
    page.click("[data-test]")
    page.wait(lambda: page.count("[data-stop]"))
    with page.new_results():
        page.click("[data-set=emotion][data-value=sad]")
    assert page.count("[data-stop]") == 0 and "up to a minute" in page.text("#evidence")
    page.click("[data-test]")  # at once, although the test before may not have ended yet
    page.wait(lambda: page.count("[data-stop]"))
    assert page.text("#announcer") == "Testing …"
    page.click("[data-stop]")
    page.wait(lambda: "Stopped" in page.text("#evidence"))
    assert page.count("[data-test]") == 1 and page.count("[data-stop]") == 0


# ---- The address ---------------------------------------------------------------------------------------------------

VIEW = {
    "example": "six-faces",
    "face": "3",
    "emotion": "sad",
    "against": "happy",
    "method": "gradcam",
    "layer": "stage",
    "tab": "trust",
}


def assert_shows_view(page: Page) -> None:
    assert page.one("[data-example=six-faces]").get_attribute("aria-pressed") == "true"
    assert [box.get_attribute("aria-label") for box in page.all(".face-box[aria-pressed=true]")] == ["Face 3"]
    assert page.one("[data-set=emotion][data-value=sad]").get_attribute("aria-pressed") == "true"
    for key in ("against", "method", "layer"):
        assert page.one(f"select[data-set={key}]").get_property("value") == VIEW[key]
    assert page.text(".heat figcaption").startswith("Grad-CAM") and "sad rather than happy" in page.text(".heat")


def test_an_address_shows_a_view_and_follows_it(unopened):
    page = unopened
    page.open(f"?{urlencode(VIEW)}&__theme=dark")
    assert_shows_view(page)
    assert page.query == VIEW | {"__theme": "dark"}
    assert page.one("#tabs [aria-selected=true]").text == "Trust the maps?"
    page.open_tab("Evaluation")
    assert page.query["tab"] == "evaluation"
    page.open_tab("Analyse")
    assert "tab" not in page.query
    with page.new_results():
        page.click("[data-example=tilted]")
    kept = {key: VIEW[key] for key in ("emotion", "against", "method", "layer")}
    assert page.query == kept | {"example": "tilted", "__theme": "dark"}
    with page.new_results():
        page.click("[data-face='-1']")
    assert page.query["face"] == "whole"


def test_an_address_cannot_ask_for_what_the_page_does_not_offer(unopened):
    page = unopened
    page.open("?example=nobody&face=-2&emotion=%22%3E%3Cb%3E&method=magic&layer=last&tab=elsewhere&upload=/etc/passwd")
    assert page.analysis == "1" and page.ring == ["Face 1"], "the opening example, which is not even asked for again"
    assert page.one(f"[data-example={OPENING}]").get_attribute("aria-pressed") == "true"
    assert page.one("[data-set=emotion][data-value='']").get_attribute("aria-pressed") == "true"
    assert page.one("select[data-set=method]").get_property("value") == "hirescam"


@pytest.fixture
def frame_around(server: tuple[str, Path]) -> Iterator[str]:
    """The address of a page of another origin, with the app in a frame."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            frame = f'<iframe src="{server[0]}/?{urlencode(VIEW)}" width="1200" height="800"></iframe>'
            self.wfile.write(f'<!doctype html><link rel="icon" href="data:,">{frame}'.encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as around:
        threading.Thread(target=around.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{around.server_port}"
        around.shutdown()


def test_in_a_frame_the_page_shows_the_view_and_tells_the_address_to_the_page_around(unopened, frame_around):
    """As on a Space, whose address is that of huggingface.co."""
    page = unopened
    page.browser.get("about:blank")
    page.errors()
    page.browser.get(frame_around)
    try:
        page.browser.switch_to.frame(page.one("iframe"))
        page.wait(lambda: page.count("[data-example=six-faces][aria-pressed=true]") and page.is_settled())
        assert_shows_view(page)
        # The page around it is not huggingface.co, so the browser does not deliver the message, and says so.
        assert all("https://huggingface.co" in message for message in page.errors())
        page.script(
            "window.sent = []; window.parent = {postMessage: (message, origin) => window.sent.push([message, origin])}"
        )
        with page.new_results():
            choose(page, "[data-set=emotion][data-value=fear]")
        ((message, origin),) = page.script("return window.sent")
        assert origin == "https://huggingface.co" and list(message) == ["queryString"]
        assert dict(parse_qsl(message["queryString"])) == VIEW | {"emotion": "fear"}
    finally:
        page.browser.switch_to.default_content()


def test_a_choice_that_changes_no_word_is_answered_too(page):
    page.click("[data-clear]")
    page.wait(lambda: page.analysis == "" and page.is_settled())
    page.click("[data-set=emotion][data-value=sad]")
    page.wait(page.is_settled)
    assert "appears here" in page.text("#results")


def test_what_is_covered_during_an_analysis_stays_covered(page):
    with page.new_results():
        page.click("[data-set=emotion][data-value=sad]")
        page.click("#cover button[data-cells]")
    page.wait(lambda: page.text("#changes").startswith("Covered"))
    with page.new_results():
        page.click("[data-example=grace-hopper]")
    page.wait(lambda: page.text("#changes").startswith("Paint"))


def test_other_models_are_chosen_and_the_address_keeps_them(page):
    def columns() -> list[str]:
        return [heading.text for heading in page.all("#results .model h3")]

    before, face = columns(), page.face
    assert page.count("[data-model]:checked") == len(before) <= 4
    page.unfold("choice")
    with page.new_results():
        page.click("[data-model='baseline_cnn']")
    assert columns() == [title for title in before if title != "Baseline CNN"]
    assert "baseline_cnn" not in page.query["models"] and page.face == face
    assert page.text("[data-most]") == f"Models: {len(before) - 1} of {page.count('[data-model]')}"
    with page.new_results():
        page.click("[data-model='baseline_cnn']")
    assert columns() == before and "models" not in page.query


def test_one_model_must_stay_and_not_more_than_fit_can_be_chosen(unopened):
    unopened.open("?models=attn_cnn")
    assert [heading.text for heading in unopened.all("#results .model h3")] == ["Attention CNN"]
    assert unopened.count("[data-model]:checked:disabled") == 1
    names = unopened.script("return [...document.querySelectorAll('[data-model]')].map(box => box.dataset.model)")
    if len(names) > 6:
        unopened.open(f"?models={','.join(names[:6])}")
        assert unopened.count("#results .model") == 6 and unopened.count("[data-model]:disabled") == len(names) - 6
    unopened.open("?models=vgg,attn_cnn,attn_cnn")  # what there is of it counts, once
    assert unopened.query == {"models": "attn_cnn"} and unopened.count("[data-model]:checked:disabled") == 1
    unopened.open("?models=vgg")
    assert unopened.query == {} and unopened.count("#results .model") > 1
