"""The tab Camera in a real browser, whose camera shows a portrait."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys

from demo.camera_socket import Cameras, Limits
from demo.layout import LAUNCH_OPTIONS, build_page
from tests.browser import DESKTOP, PHONE, Page, portrait_camera, start_chromium
from tests.helpers import PORTRAIT, tiny_models

LIMITS = Limits(sessions=1)

STATE = "return document.querySelector('.live').dataset.state"
# How many moments the timeline shows.
SHOWN = """
const paths = [...document.querySelectorAll(".live-strip path")].map(path => path.getAttribute("d") ?? "");
return Math.max(0, ...paths.map(path => path.split("M").length - 1));"""
# Keeps the tracks that the page gets from the camera, to see whether they run; and what the page draws.
WATCH = """
const devices = navigator.mediaDevices, ask = devices.getUserMedia.bind(devices);
window.tracks = [];
window.written = new Set();
devices.getUserMedia = async wanted => {
    const stream = await ask(wanted);
    window.tracks.push(...stream.getTracks());
    return stream;
};
const write = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
    window.written.add(text);
    return write.call(this, text, ...rest);
};"""
RUNNING = "return window.tracks.filter(track => track.readyState === 'live').length"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Cameras]]:
    """The page's address, and its cameras, whose limits a test may change."""
    page = build_page(tiny_models(), [], tmp_path_factory.mktemp("weights"), camera_limits=LIMITS)
    _, address, _ = page.launch(**LAUNCH_OPTIONS, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    yield address.rstrip("/"), page.cameras
    page.close()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory, browser_programs: None) -> Iterator[webdriver.Chrome]:
    """A browser whose camera shows a portrait that moves to and fro."""
    folder = tmp_path_factory.mktemp("camera")
    with start_chromium(folder / "profile", portrait_camera(PORTRAIT, folder)) as driver:
        yield driver


@pytest.fixture
def page(chromium: webdriver.Chrome, served: tuple[str, Cameras]) -> Iterator[Page]:
    """The tab, with the camera off."""
    page = Page(chromium, served[0])
    open_camera(page)
    yield page
    page.browser.get("about:blank")
    assert page.errors() == []


def open_camera(page: Page, query: str = "") -> None:
    page.browser.get("about:blank")
    page.browser.get_log("browser")
    page.browser.get(f"{page.address}/?tab=camera{query}")
    page.wait(lambda: page.count("[data-start]") and page.one("[data-start]").is_displayed())
    page.script(WATCH)


def start(page: Page) -> None:
    page.click("[data-start]")
    page.wait(lambda: "frames per second" in page.text("[data-pace]"))


def test_a_face_is_boxed_labelled_and_followed_over_time(page):
    assert "never stored" in page.text(".curtain")
    start(page)
    assert page.script(STATE) == "on" and not page.one("[data-start]").is_displayed()
    page.wait(lambda: page.script("return [...window.written].some(text => / %$/.test(text))"))
    page.wait(lambda: "%" in page.text("[data-now]"))
    before = page.script(SHOWN)
    page.wait(lambda: page.script(SHOWN) > before + 5)
    assert page.text("[data-announce]") == "The camera is on.", "screen readers do not hear each frame"
    page.click("[data-stop]")
    assert page.script(STATE) == "off" and page.script(RUNNING) == 0
    assert page.text("[data-said]") == page.text("[data-announce]") == "The camera is off."
    start(page)
    assert page.script(RUNNING) == 1, "it can be started again"


def test_boxes_fit_the_mirrored_picture(page):
    """The portrait's box is where its face is: the pixels inside are as warm as skin, and the ground is grey."""
    page.click("[data-map='']")
    start(page)
    page.wait(lambda: page.script("return [...window.written].some(text => / %$/.test(text))"))
    script = """
    const done = arguments[0], draw = CanvasRenderingContext2D.prototype.strokeRect;
    CanvasRenderingContext2D.prototype.strokeRect = function (left, top, width, height) {
        const {e, f, a} = this.getTransform();
        const [red, green, blue] = this.getImageData(e, f, 1, 1).data;
        done([e / this.canvas.width, f / this.canvas.height, a, red - blue]);
        CanvasRenderingContext2D.prototype.strokeRect = draw;
        return draw.call(this, left, top, width, height);
    }"""
    across, down, scale, warmth = page.browser.execute_async_script(script)
    assert 0.3 < across < 0.7 and 0.1 < down < 0.5 and scale < 0, "mirrored"
    assert warmth > 20


def test_the_map_and_the_model_can_be_chosen(page):
    chosen = "return document.querySelector('.live [data-map][aria-pressed=true]').dataset.map"
    assert page.script(chosen) == "heat"
    page.click("[data-map=attention]")
    start(page)
    page.click("[data-live-model] option[value=baseline_cnn]")
    assert page.script(chosen) == "heat" and not page.one("[data-map=attention]").is_enabled()
    page.script("document.querySelector('[data-pace]').textContent = ''")
    page.wait(lambda: "frames per second" in page.text("[data-pace]"))
    assert page.script(STATE) == "on", "the server goes on with the other model"


@pytest.mark.parametrize("way", ["tab", "hidden"])
def test_leaving_the_tab_switches_the_camera_off(page, way):
    start(page)
    assert page.script(RUNNING) == 1
    if way == "tab":
        page.open_tab("Evaluation")
    else:
        page.script("""
        Object.defineProperty(document, "hidden", {value: true, configurable: true});
        document.dispatchEvent(new Event("visibilitychange"));""")
    page.wait(lambda: page.script(RUNNING) == 0)
    page.open_tab("Camera")
    assert page.text("[data-said]") == "The camera was switched off because this tab was left."


def test_after_its_time_one_can_go_on(page, served, monkeypatch):
    monkeypatch.setattr(served[1], "limits", replace(LIMITS, seconds=4))
    page.click("[data-start]")
    page.wait(lambda: page.script(STATE) == "on")
    page.wait(lambda: page.script(STATE) == "off")
    assert page.text("[data-said]") == "4 seconds are over, so that other visitors get a turn."
    assert page.script(RUNNING) == 0 and page.text("[data-start]") == "Go on"
    monkeypatch.undo()
    start(page)


def test_a_visitor_too_many_reads_a_sentence_and_can_try_again(page):
    start(page)
    first = page.browser.current_window_handle
    page.browser.switch_to.new_window("window")
    try:
        other = Page(page.browser, page.address)
        open_camera(other)
        other.click("[data-start]")
        other.wait(lambda: "in use by 1 other visitor; try again in about" in other.text("[data-said]"))
        assert other.text("[data-start]") == "Try again" and other.script(RUNNING) == 0
    finally:
        page.browser.close()
        page.browser.switch_to.window(first)


@pytest.mark.parametrize(
    ("problem", "sentence"),
    [
        ("NotAllowedError", "The browser does not let this page use the camera; allow it beside the address"),
        ("NotFoundError", "No camera was found; connect one"),
        ("NotReadableError", "Another program is using the camera; close it"),
        ("AbortError", "The camera could not be started; try again."),
    ],
)
def test_what_is_wrong_with_the_camera_is_said(page, problem, sentence):
    refuse = "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', arguments[0]); }"
    page.script(refuse.replace("arguments[0]", repr(problem)))
    page.click("[data-start]")
    page.wait(lambda: sentence in page.text("[data-said]"))
    assert page.one("[data-start]").is_displayed()


def test_a_page_without_https_says_so(page):
    page.script("Object.defineProperty(navigator, 'mediaDevices', {value: undefined})")
    page.click("[data-start]")
    assert "https://" in page.text("[data-said]")


def test_the_keyboard_starts_and_stops_it(page):
    page.script("document.querySelector('[data-start]').focus()")
    page.press(Keys.ENTER)
    page.wait(lambda: "frames per second" in page.text("[data-pace]"))
    assert page.script("return document.activeElement.matches('[data-stop]')")
    page.press(Keys.SPACE)
    page.wait(lambda: page.script(STATE) == "off")
    assert page.script("return document.activeElement.matches('[data-start]')")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_serious_fault_while_it_runs(page, theme):
    open_camera(page, f"&__theme={theme}")
    start(page)
    for size in (DESKTOP, PHONE):
        with page.screen(*size):
            assert page.axe_faults(only_colours=theme == "dark") == []
    assert page.script(STATE) == "on"


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_picture_answer_and_timeline_fit(page, size):
    with page.screen(*size):
        start(page)
        assert page.script("return document.documentElement.scrollWidth") <= size[0]
        (stage,), (now,), (timeline,) = (page.boxes(part) for part in (".stage", ".now", ".live-strip"))
        assert stage["width"] / stage["height"] == pytest.approx(4 / 3, rel=0.01)
        if size == DESKTOP:
            assert max(stage["bottom"], timeline["bottom"]) <= size[1] and now["left"] > stage["right"]
        else:
            assert stage["bottom"] < now["top"] < timeline["top"]
