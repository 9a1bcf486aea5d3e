"""The tab Analyse in a real browser: what a visitor sees, and each thing that can be done with a photo."""

import base64
import csv
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image
from selenium.webdriver import ActionChains

from demo.example_pictures import EXAMPLES, OPENING
from fer_models import MODEL_NAMES
from fer_models.architectures import default_choice
from tests.browser import DESKTOP, PHONE, Page

SHOWN = default_choice(MODEL_NAMES)
COUNT = len(SHOWN)


def uploaded_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@contextmanager
def photo_of_ones_own(page: Page) -> Iterator[None]:
    """What is done inside brings a portrait; afterwards it is shown, and no example is marked."""
    with page.new_results():
        yield
    assert page.count("[data-example][aria-pressed=true]") == 0 and page.ring == ["Face 1"]


# ---- Opening -------------------------------------------------------------------------------------------------------


def test_an_example_is_analysed_before_the_first_click(page, server):
    assert page.analysis == "1", "the server analysed it when it started, and nobody asked again"
    assert page.count(".model .answer") == page.count(".heat figcaption") == COUNT
    assert page.count(".heat .overlay") == COUNT and page.count(".attention .overlay") == 2
    assert page.count(".badge p b") == COUNT
    assert re.search(r"\d %", page.text(".verdict h2")) and re.search("models? (say|disagree)", page.text(".verdict"))
    assert page.ring == ["Face 1"] and "1 face found" in page.text("#photo")
    assert page.one(f"[data-example={OPENING}]").get_attribute("aria-pressed") == "true"
    assert page.one("#photo .button.primary").is_displayed() and "Try your photo" in page.text("#photo .primary")
    assert page.query == {}

    _, log = server
    said = log.read_text().split("Running on")[0]
    steps = ["Loading PyTorch and Gradio", *(f"Loading {title}" for title in ("Baseline CNN", "ResNet-50 + CBAM"))]
    places = [said.find(step) for step in [*steps, "Analysing the opening example"]]
    assert -1 not in places and places == sorted(places), "the terminal says what takes so long"


def test_the_page_asks_nobody_else(page):
    script = "return performance.getEntriesByType('resource').map(entry => new URL(entry.name).host)"
    assert set(page.script(script)) - {""} == {page.browser.current_url.split("/")[2]}


# ---- Positions -----------------------------------------------------------------------------------------------------


def test_a_desktop_shows_the_photo_and_all_maps_without_scrolling(page):
    with page.screen(*DESKTOP):
        with page.new_results():
            page.click("[data-example=six-faces]")  # more words than the opening example has
        for part in (".frame", ".verdict", ".model header", ".heat", ".attention"):
            boxes = page.boxes(part)
            assert boxes and all(box["top"] >= 0 and box["bottom"] <= DESKTOP[1] for box in boxes), part
        assert page.script("return scrollY") == 0
        for part in (".model header", ".heat .overlay", ".badge", ".attention .overlay"):
            assert np.ptp([box["top"] for box in page.boxes(part)]) < 1, f"one row of {part}"
        lefts = [box["left"] for box in page.boxes(".heat .overlay")]
        assert len(set(lefts)) == COUNT and lefts[2:] == [box["left"] for box in page.boxes(".attention .overlay")]


def test_a_phone_shows_the_models_two_by_two_and_scrolls_to_the_verdict(page):
    with page.screen(*PHONE):
        with page.new_results():
            page.click("[data-example=grace-hopper]")
        height = page.script("return document.documentElement.scrollHeight")
        assert height <= 3 * PHONE[1]
        maps = page.boxes(".heat .overlay")
        assert maps[0]["top"] == maps[1]["top"] < maps[2]["top"] == maps[3]["top"]
        assert maps[0]["left"] == maps[2]["left"] < maps[1]["left"] == maps[3]["left"]
        (verdict,) = page.boxes(".verdict")
        assert verdict["top"] >= 0 and all(box["top"] < PHONE[1] - 100 for box in page.boxes(".heat .overlay")[:2])
        assert len(page.all("#tabs [role=tab]")) == 5, "all tabs fit"


def test_no_window_scrolls_sideways(page):
    page.script("document.querySelectorAll('details').forEach(part => part.open = true)")
    for width in (360, 390, 768, 1280, 1440, 1920):
        with page.screen(width, 900):
            assert page.script("return document.documentElement.scrollWidth") <= width


# ---- Photos --------------------------------------------------------------------------------------------------------


def test_an_uploaded_photo_is_analysed_and_not_kept(page, uploads):
    opening = page.face
    with photo_of_ones_own(page):
        page.upload(EXAMPLES[OPENING].path)
    assert page.face == opening, "the same picture as the example"
    assert uploaded_files(uploads) == []
    assert page.query == {}, "neither its path nor its face is anybody else's business"
    with page.new_results():
        page.click("[data-set=emotion][data-value=fear]")
    assert page.face == opening
    assert page.query == {"emotion": "fear"}


def test_photos_come_from_the_camera_the_clipboard_or_the_mouse(page, uploads):
    page.click("[data-camera]")
    video = "return document.querySelector('dialog.camera video')?.videoWidth > 0"
    page.wait(lambda: page.script(video))
    before = page.script("return document.querySelector('.frame img').src")
    page.click("dialog.camera [data-take]")
    page.wait(lambda: page.script("return document.querySelector('.frame img')?.src") != before and page.is_settled())
    assert page.count("dialog.camera") == 0 and "No face was found" in page.text("#photo"), "its picture is a pattern"

    portrait = base64.b64encode(EXAMPLES["grace-hopper"].path.read_bytes()).decode()
    with photo_of_ones_own(page):
        page.hand_over("body", "paste", "image.jpg", portrait)
    pasted = page.face
    with photo_of_ones_own(page):
        page.hand_over(".frame", "drop", "eileen.jpg", base64.b64encode(EXAMPLES[OPENING].path.read_bytes()).decode())
    assert page.face != pasted and uploaded_files(uploads) == []

    page.hand_over(".frame", "drop", "large.jpg", size=20 * 2**20 + 1)
    page.wait(lambda: page.one("[data-problem]").is_displayed())
    assert "larger than 20 MB" in page.text("[data-problem]") and page.count(".analysis") == 1

    page.click("[data-clear]")
    page.wait(lambda: not page.analysis and page.is_settled())
    assert "Drop a photo" in page.text("#photo") and "appears here" in page.text("#results")
    assert page.text("#cover") == page.text("#changes") == page.text("#evidence") == ""


def test_a_picture_without_a_face_or_without_a_picture_gets_a_sentence(page, uploads, tmp_path):
    empty = tmp_path / "empty.jpg"
    Image.new("RGB", (300, 200), "seagreen").save(empty)
    page.upload(empty)
    page.wait(lambda: "No face was found" in page.text("#results") and page.is_settled())
    assert "No face was found" in page.text("#photo") and "Add a photo" not in page.text("#results")
    with page.new_results():
        page.click("[data-face='-1']")
    assert page.count(".heat figcaption") == COUNT

    for content, sentence in (
        (b"", "The file is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "not a picture"),
        (EXAMPLES["48-pixels"].path.read_bytes()[:900], "damaged or incomplete"),
    ):
        broken = tmp_path / "broken.png"
        broken.write_bytes(content)
        page.upload(broken)
        page.wait(lambda sentence=sentence: sentence in page.text("#photo [role=alert]:not([hidden])"))
        assert not page.analysis
    assert uploaded_files(uploads) == []
    with photo_of_ones_own(page):
        page.upload(EXAMPLES["grace-hopper"].path)


# ---- Maps ----------------------------------------------------------------------------------------------------------


def test_emotion_contrast_method_and_layer_change_the_maps_and_not_the_answers(page):
    verdict, answers = page.text(".verdict"), [answer.text for answer in page.all(".answer")]
    with page.new_results():
        page.click("[data-set=emotion][data-value=fear]")
    assert all("HiResCAM for fear" in caption.text for caption in page.all(".heat figcaption"))
    page.unfold("advanced")
    with page.new_results():
        page.choose("against", "sad")
    assert all("HiResCAM: fear rather than sad" in caption.text for caption in page.all(".heat figcaption"))
    with page.new_results():
        page.choose("method", "layercam")
    assert all("LayerCAM" in caption.text for caption in page.all(".heat figcaption"))
    page.unfold("models")
    layer = page.text(".about dl")
    with page.new_results():
        page.choose("layer", "earlier")
    assert page.count("details[data-name=models][open]") == 1, "what was unfolded stays so"
    assert page.text(".about dl") != layer
    assert page.text(".verdict") == verdict and [answer.text for answer in page.all(".answer")] == answers


def test_opacity_blends_the_face_with_the_colours_of_the_map(page):
    page.unfold("advanced")
    overlay, shown = page.one(".heat .overlay"), {}
    for percent in (0, 40, 100):
        change = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input', {bubbles: true}))"
        page.script(change, page.one("[data-opacity]"), percent)
        opacity = page.script("return getComputedStyle(arguments[0], '::after').opacity", overlay)
        assert float(opacity) == percent / 100
        shown[percent] = page.picture(overlay)
    face, blend, heat = shown.values()
    assert np.ptp(face, axis=2).max() <= 2, "the face alone is grey"
    colours = np.rint(255 * colormaps["inferno"](np.linspace(0, 1, 256))[:, :3])
    hottest = heat[np.unravel_index(heat.sum(axis=2).argmax(), heat.shape[:2])]
    assert np.abs(colours[-30:] - hottest).max(axis=1).min() <= 3, "its hottest place has a colour of the map's end"
    assert np.abs(blend - (0.6 * face + 0.4 * heat)).max() <= 2


# ---- Covering ------------------------------------------------------------------------------------------------------


def painted(page: Page) -> int:
    """How many of the 2,304 cells of the face are painted over."""
    return page.script(
        """const canvas = document.querySelector("#cover canvas");
        return canvas.getContext("2d").getImageData(0, 0, 48, 48).data.filter((_, index) => index % 4 == 3)
            .reduce((count, alpha) => count + (alpha > 0), 0)"""
    )


def covered(page: Page) -> int:
    """How many percent of the picture the answers say is covered."""
    found = re.search(r"Covered, (\d+) %", page.text("#changes"))
    return int(found[1]) if found else 0


def test_covering_the_face_by_button_or_brush_asks_the_models_again(page):
    page.click("#cover [aria-label*=mouth]")
    page.wait(lambda: covered(page))
    by_button = covered(page)
    assert page.count("#changes tr") == COUNT + 1 and painted(page) == pytest.approx(23.04 * by_button, abs=12)
    assert "Covered" in page.text("#announcer")

    canvas = page.one("#cover canvas")
    stroke = ActionChains(page.browser).move_to_element_with_offset(canvas, -40, -40).click_and_hold()
    stroke.move_by_offset(40, 0).move_by_offset(40, 0).release().perform()
    page.wait(lambda: covered(page) > by_button)

    with page.new_results():
        page.click("[data-set=emotion][data-value=sad]")
    assert covered(page) > by_button and painted(page), "the same face, so what is covered stays"
    page.click("#cover [data-cells='']")
    page.wait(lambda: "Paint over the face" in page.text("#changes"))
    assert painted(page) == 0

    page.click("#cover [aria-label*=nose]")
    page.wait(lambda: covered(page))
    with page.new_results():
        page.click("[data-example=six-faces]")
    assert painted(page) == covered(page) == 0
    page.click("#cover [aria-label*=eyes]")
    page.wait(lambda: covered(page))
    with page.new_results():
        page.click(".face-box[data-face='1']")
    assert painted(page) == covered(page) == 0


# ---- Evidence and files --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_maps_of_all_models_are_tested_on_demand(page):
    page.click("button.label-wrap")
    page.wait(lambda: page.one("[data-test]").is_displayed())
    page.click("[data-test]")
    page.wait(lambda: page.count("#evidence .card") == COUNT and page.count("[data-stop]") == 0)
    assert all("HiResCAM" in card.text for card in page.all("#evidence .card"))
    assert page.text("#announcer") == "The maps are tested."
    with page.new_results():
        page.click("[data-set=emotion][data-value=fear]")
    assert page.count("#evidence .card") == 0 and page.count("[data-test]") == 1


def test_the_analysis_can_be_taken_away_as_picture_json_and_csv(page, tmp_path):
    page.browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    for kind in ("json", "csv", "png"):
        page.click(f"[data-download={kind}]")
        page.wait(lambda kind=kind: (tmp_path / f"fer-lens.{kind}").is_file())
    record = json.loads((tmp_path / "fer-lens.json").read_text())
    assert [model["model"] for model in record["models"]] == list(SHOWN)
    assert [f"{model['answer']}" for model in record["models"]] == [word.text for word in page.all(".answer b")]
    with (tmp_path / "fer-lens.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 3 * COUNT
    with Image.open(tmp_path / "fer-lens.png") as picture:
        assert picture.width > picture.height > 500
