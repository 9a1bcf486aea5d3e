"""The page in a real browser: the way of a visitor from a photo to the evaluation."""

import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib import colormaps
from selenium.webdriver import ActionChains

from demo.responses import EXAMPLES_DIR
from fer_models import MODEL_NAMES


def uploaded_files(folder: Path, name: str) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name == name]


def test_a_portrait_gets_four_predictions_and_six_maps_and_is_not_kept(analysed, uploads):
    assert len(analysed.all(".card header strong")) == len(MODEL_NAMES)
    assert len(analysed.all(".overlay img")) == 6
    assert "1 face found" in analysed.text("#faces")
    assert re.search("models? (see|disagree)", analysed.text(".verdict"))
    assert uploaded_files(uploads, "eileen_collins.jpg") == []


def test_changing_the_emotion_changes_the_explanation_and_not_the_prediction(analysed):
    verdict = analysed.text(".verdict")
    analysed.choose("Emotion to explain", "fear")
    # A map, or the sentence that there is nothing in it.
    analysed.wait(lambda: len(re.findall("for fear", analysed.text("#results"))) == len(MODEL_NAMES))
    assert analysed.text(".verdict") == verdict


def test_opacity_blends_the_face_with_the_colours_of_the_map(analysed):
    overlay = analysed.all(".overlay")[0]
    shown = {}
    for percent in (0, 40, 100):
        analysed.set_opacity(percent)
        shown[percent] = analysed.picture(overlay)
    face, blend, heat = shown.values()
    assert np.ptp(face, axis=2).max() <= 2, "the face alone is grey"
    colours = np.rint(255 * colormaps["inferno"](np.linspace(0, 1, 256))[:, :3])
    hottest = heat[np.unravel_index(heat.sum(axis=2).argmax(), heat.shape[:2])]
    assert np.abs(colours[-30:] - hottest).max(axis=1).min() <= 3, "its hottest place has a colour of the map's end"
    assert np.abs(blend - (0.6 * face + 0.4 * heat)).max() <= 2


def test_each_face_of_a_group_can_be_picked(page):
    page.all("#examples img")[4].click()
    page.wait(lambda: len(page.all("#faces input")) == 7 and len(page.all(".card")) == len(MODEL_NAMES))
    first = page.all(".cards")[0].get_attribute("style")
    page.all("#faces img")[1].click()
    page.wait(lambda: page.all(".cards")[0].get_attribute("style") != first)
    assert page.all("#faces input")[1].is_selected()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "The file is empty"), (b"\x89PNG\r\n\x1a\n" + bytes(99), "not a picture"), (None, "damaged or incomplete")],
    ids=["empty", "no_picture", "truncated"],
)
def test_a_broken_file_gets_a_sentence_and_the_next_one_a_result(page, uploads, tmp_path, content, sentence):
    broken = tmp_path / "broken.png"
    broken.write_bytes((EXAMPLES_DIR / "like_fer2013.png").read_bytes()[:900] if content is None else content)
    page.upload(broken)
    page.wait(lambda: sentence in page.text("#faces"))
    assert page.all(".card") == [] and uploaded_files(uploads, "broken.png") == []
    page.upload(EXAMPLES_DIR / "grace_hopper.jpg")
    page.wait(lambda: len(page.all(".card")) == len(MODEL_NAMES))


def test_covering_the_face_by_button_or_brush_asks_the_models_again(analysed):
    next(button for button in analysed.all("button") if "changes the answers" in button.text).click()
    analysed.wait(lambda: any(canvas.is_displayed() for canvas in analysed.all("#painter canvas")))
    next(button for button in analysed.all("#painter button") if button.text == "cover mouth").click()
    analysed.wait(lambda: len(analysed.all("#changes tr")) == 5)
    covered = int(re.search(r"With (\d+)%", analysed.text("#changes"))[1])
    canvas = analysed.all("#painter canvas")[0]
    analysed.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    stroke = ActionChains(analysed.browser).move_to_element_with_offset(canvas, -80, -80).click_and_hold()
    stroke.move_by_offset(80, 0).move_by_offset(80, 0).release().perform()
    analysed.wait(lambda: int(re.search(r"With (\d+)%", analysed.text("#changes"))[1]) > covered)
    next(button for button in analysed.all("#painter button") if "uncover" in button.text).click()
    analysed.wait(lambda: "Nothing is covered" in analysed.text("#changes"))


@pytest.mark.slow
def test_the_maps_of_all_models_are_tested_on_demand(analysed):
    next(button for button in analysed.all("button") if "trust these maps" in button.text).click()
    analysed.wait(lambda: any(button.is_displayed() for button in analysed.all("#test")))
    analysed.all("#test")[0].click()
    analysed.wait(lambda: len(analysed.all("#evidence .card")) == len(MODEL_NAMES))
    assert all("Grad-CAM" in card.text for card in analysed.all("#evidence .card"))
    analysed.choose("Emotion to explain", "fear")
    analysed.wait(lambda: "Not tested yet" in analysed.text("#evidence"))


def test_a_phone_shows_everything_in_its_width(page):
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        page.all("#examples img")[0].click()
        page.wait(lambda: len(page.all(".card")) == len(MODEL_NAMES))
        assert page.browser.execute_script("return document.documentElement.scrollWidth") <= 390
        left_edges = {card.rect["x"] for card in page.all(".card")}
        assert len(left_edges) == 1, "the cards stand one above the other"
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_page_asks_nobody_else(analysed):
    script = "return performance.getEntriesByType('resource').map(entry => new URL(entry.name).host)"
    assert set(analysed.browser.execute_script(script)) - {""} == {analysed.browser.current_url.split("/")[2]}
