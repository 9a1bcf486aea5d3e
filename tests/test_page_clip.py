"""The tab Clip in a real browser: a clip is dropped, its timeline grows, and each frame can be looked at."""

import base64
import csv
import io
import re
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver.common.keys import Keys

from fer_models.video.reading import open_clip
from tests.browser import DESKTOP, PHONE, Page
from tests.helpers import SMALL_MODELS, made_clip

COUNT = len(SMALL_MODELS)


@pytest.fixture
def tab(unopened: Page) -> Page:
    """The tab, with the two small models ticked."""
    unopened.open(f"?tab=clip&models={','.join(SMALL_MODELS)}")
    unopened.wait(lambda: unopened.count(".clip-tab"))
    return unopened


def clip_file(folder: Path, name: str = "clip.mp4", **options) -> Path:
    file = folder / name
    file.write_bytes(made_clip(**options))
    return file


def state(page: Page) -> str:
    return page.script("return document.querySelector('.clip-tab').dataset.state")


def add(page: Page, file: Path) -> None:
    page.one("[data-clip=file]").send_keys(str(file))


def added(page: Page, file: Path) -> None:
    """Adds a clip and waits for all of its timeline."""
    add(page, file)
    page.wait(lambda: state(page) == "done" and page.count(".clip-face"))
    page.wait(lambda: page.script("return document.querySelector('.clip-tab video').readyState >= 2"))


def time_of(page: Page) -> float:
    return page.script("return document.querySelector('.clip-tab video').currentTime")


def said(page: Page) -> str:
    """What a screen reader says about the first face's slider."""
    return page.one(".clip-face .clip-slider").get_attribute("aria-valuetext")


def choose(page: Page, share: float) -> None:
    """Clicks on the strips of the first face, that share of the way along them."""
    page.script(
        """const [slider, share] = arguments, box = slider.getBoundingClientRect();
        slider.scrollIntoView({block: "center", behavior: "instant"});
        slider.setPointerCapture = () => {};
        const options = {bubbles: true, pointerId: 1, clientX: box.left + share * box.width};
        slider.dispatchEvent(new PointerEvent("pointerdown", options));""",
        page.one(".clip-face .clip-slider"),
        share,
    )


def painted(page: Page) -> str:
    """What is laid over the player."""
    return page.script("return document.querySelector('.clip-tab canvas').toDataURL()")


def uploaded_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_clip_shows_what_the_models_see_when(tab, uploads, tmp_path):
    assert "Drop or choose a clip" in tab.text(".clip-drop") and "deleted from the server" in tab.text(".clip-drop")
    added(tab, clip_file(tmp_path, seconds=2))
    assert uploaded_files(uploads) == []
    assert re.search(r"all the time|Mostly|Most often", tab.text(".clip-face header p"))
    assert "Both models agree" in tab.text(".clip-face header p") == tab.text("#announcer")
    assert tab.count(".clip-face") == 1 and tab.count(".clip-face .clip-strip") == 1 + COUNT
    labels = [label.text for label in tab.all(".clip-face .clip-label")]
    assert labels[0] == "All models" and "Attention CNN" in labels[2]
    strips, slider = tab.boxes(".clip-face .clip-strip"), tab.boxes(".clip-slider")
    assert {(box["left"], box["right"]) for box in strips} == {(box["left"], box["right"]) for box in slider}
    assert tab.script("return document.querySelector('.clip-tab video').videoWidth") == 320
    tab.wait(lambda: tab.text("[data-clip=time]") == "0.0 / 2.0 s")
    tab.click("[data-clip=play]")
    tab.wait(lambda: time_of(tab) > 0.3)
    tab.click("[data-clip=play]")
    tab.wait(lambda: tab.one("[data-clip=play]").get_attribute("aria-label") == "Play")
    head = tab.boxes(".clip-face .clip-playhead")[0]
    assert (head["left"] - slider[0]["left"]) / slider[0]["width"] == pytest.approx(time_of(tab) / 2, abs=0.02)


def test_a_click_on_a_strip_shows_that_frame_as_in_analyse(tab, tmp_path):
    added(tab, clip_file(tmp_path, seconds=1))
    choose(tab, 0.55)
    tab.wait(lambda: tab.count("#clip-cards .model") == COUNT and tab.count("#clip-cards .waiting") == 0)
    assert time_of(tab) == pytest.approx(0.5, abs=0.01) and "The face at 0.5 s" in tab.text("#clip-cards h2")
    assert tab.count("#clip-cards .heat .overlay") == COUNT and tab.count("#clip-cards .attention .overlay") == 1
    assert tab.count("#clip-cards .badge p b") == COUNT and tab.count("#clip-cards .probabilities") == 1

    tab.one(".clip-face .clip-slider").send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    tab.wait(lambda: "The face at 0.7 s" in tab.text("#clip-cards h2"))
    tab.wait(lambda: re.fullmatch(r"0\.7 s, [a-z]+ \d+ %", said(tab)))
    tab.one(".clip-face .clip-slider").send_keys(Keys.HOME)
    tab.wait(lambda: time_of(tab) < 0.01 and "The face at 0.0 s" in tab.text("#clip-cards h2"))
    tab.one(".clip-ruler .clip-slider").send_keys(Keys.END)
    tab.wait(lambda: time_of(tab) == pytest.approx(0.9, abs=0.01))
    assert "The face at 0.0 s" in tab.text("#clip-cards h2"), "the ruler moves the clip only"


def test_answers_are_smoothed_or_not_and_a_map_is_laid_over_the_face(tab, tmp_path):
    added(tab, clip_file(tmp_path, seconds=1))
    paths = "return [...document.querySelectorAll('.clip-face path')].map(path => path.getAttribute('d')).join()"
    smoothed = tab.script(paths)
    tab.click("[data-clip-mode=raw]")
    assert tab.script(paths) != smoothed and tab.count("[data-clip-mode=raw][aria-pressed=true]") == 1
    tab.wait(lambda: tab.script("return document.querySelector('.clip-tab canvas').width > 0"))
    boxes = painted(tab)
    options = [option.text for option in tab.all("[data-clip=map] option")]
    maps = ["heat map of Baseline CNN", "heat map of Attention CNN", "attention of Attention CNN"]
    assert options == ["the answer only", *maps]
    tab.click("[data-clip=map] option:nth-child(2)")
    tab.wait(lambda: painted(tab) != boxes)
    heat = painted(tab)
    tab.click("[data-clip=map] option:nth-child(4)")
    tab.wait(lambda: painted(tab) not in (boxes, heat))
    tab.click("[data-clip=map] option:nth-child(1)")
    tab.wait(lambda: painted(tab) == boxes)


def test_the_timeline_can_be_taken_away(tab, tmp_path):
    tab.browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    added(tab, clip_file(tmp_path, seconds=1))
    found = {}
    for kind, name in (("timeline.csv", "timeline.csv"), ("timeline.png", "timeline.png"), ("overlay.mp4", "clip.mp4")):
        tab.click(f"[data-clip-file='{kind}']")
        file = tmp_path / f"fer-lens-{name}"
        tab.wait(lambda file=file: file.is_file() and file.stat().st_size)
        found[kind] = file.read_bytes()
    rows = list(csv.DictReader(io.StringIO(found["timeline.csv"].decode())))
    assert [row["time"] for row in rows] == [str(tenth / 10) for tenth in range(10)]
    with Image.open(io.BytesIO(found["timeline.png"])) as picture:
        assert picture.width > picture.height
    with open_clip(found["overlay.mp4"]) as clip:
        assert clip.size == (320, 180) and len(list(clip.frames())) == 10


def test_an_analysis_can_be_stopped_and_shows_what_is_known(tab, tmp_path):
    add(tab, clip_file(tmp_path, seconds=25))
    tab.wait(lambda: tab.count(".clip-face"))
    assert tab.count(".clip-face .to-come") == 1 and "frames per second" in tab.text("[data-clip=doing]")
    tab.click("[data-clip=stop]")
    tab.wait(lambda: state(tab) == "done")
    assert "Stopped after" in tab.text("[data-clip=problem]") and tab.count(".clip-face") == 1
    assert tab.one("[data-clip=progress]").is_displayed() is False


def test_files_that_cannot_be_used_get_a_sentence(tab, uploads, tmp_path):
    for name, content, sentence in (
        ("empty.mp4", b"", "The file is empty"),
        ("text.mp4", b"no clip" * 99, "not a clip"),
        ("green.mp4", made_clip(with_face=False), "No face was found in this clip."),
    ):
        file = tmp_path / name
        file.write_bytes(content)
        add(tab, file)
        tab.wait(lambda sentence=sentence: sentence in tab.text("[data-clip=problem]"))
        assert tab.count(".clip-face") == 0 and tab.one("[data-clip=progress]").is_displayed() is False
    tab.hand_over(".clip-drop", "drop", "large.mp4", size=100 * 2**20 + 1)
    tab.wait(lambda: "larger than 100 MB" in tab.text("[data-clip=problem]"))
    assert uploaded_files(uploads) == []


def test_of_two_clips_in_quick_succession_the_last_is_shown(tab, uploads, tmp_path):
    add(tab, clip_file(tmp_path, "long.mp4", seconds=25))
    tab.wait(lambda: tab.count(".clip-face"))
    assert "/ 24.9 s" in tab.text("[data-clip=time]")
    added(tab, clip_file(tmp_path, seconds=1))
    tab.wait(lambda: "/ 1.0 s" in tab.text("[data-clip=time]"))
    assert uploaded_files(uploads) == []
    assert tab.text("[data-clip=problem]") == "", "nothing of the first one comes after the second"


def test_clips_come_from_the_camera_the_clipboard_or_the_mouse(tab, tmp_path):
    tab.click("[data-clip=record]")
    tab.wait(lambda: tab.script("return document.querySelector('dialog.camera video')?.videoWidth > 0"))
    tab.click("dialog.camera [data-start]")
    tab.wait(lambda: re.search("[12] of 20 s", tab.text("dialog.camera output")))
    tab.click("dialog.camera [data-start]")
    tab.wait(lambda: "No face was found" in tab.text("[data-clip=problem]") and state(tab) == "done")
    assert tab.count("dialog.camera") == 0, "its picture is a pattern"

    content = base64.b64encode(made_clip()).decode()
    for place, kind in (("body", "paste"), (".clip-drop", "drop")):
        tab.script("document.querySelector('.clip-tab').dataset.state = ''")
        tab.hand_over(place, kind, "clip.mp4", content, type="video/mp4")
        tab.wait(lambda: state(tab) == "done" and tab.count(".clip-face") == 1)


def test_a_clip_goes_with_its_visitor(tab, tmp_path):
    added(tab, clip_file(tmp_path))
    address = tab.script("return document.querySelector('.clip-tab video').src")
    assert urllib.request.urlopen(address).status == 200
    tab.browser.get("about:blank")

    def is_gone() -> bool:
        try:
            urllib.request.urlopen(address)
        except urllib.error.HTTPError as error:
            return error.code == 404
        return False

    tab.wait(is_gone)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_serious_fault_in_a_timeline(unopened, tmp_path, theme):
    unopened.open(f"?tab=clip&models={','.join(SMALL_MODELS)}&__theme={theme}")
    unopened.wait(lambda: unopened.count(".clip-tab"))
    added(unopened, clip_file(tmp_path, seconds=1))
    choose(unopened, 0.5)
    unopened.wait(
        lambda: unopened.count("#clip-cards .model") == COUNT and not unopened.count("#clip-cards[aria-busy]")
    )
    for size in (DESKTOP, PHONE):
        with unopened.screen(*size):
            assert unopened.axe_faults(only_colours=theme == "dark") == [], size


def test_no_window_scrolls_sideways(tab, tmp_path):
    added(tab, clip_file(tmp_path, seconds=1))
    choose(tab, 0.5)
    tab.wait(lambda: tab.count("#clip-cards .model") == COUNT)
    for width, height in (DESKTOP, PHONE, (360, 640), (768, 1024)):
        with tab.screen(width, height):
            assert tab.script("return document.documentElement.scrollWidth") <= width
            edges = tab.boxes(".clip-frame, .clip-strip, .clip-ruler .clip-slider")
            assert np.max([box["right"] for box in edges]) <= width
