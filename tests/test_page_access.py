"""The page without a mouse, without colours that are hard to see, and without movement."""

from itertools import pairwise

import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser import DESKTOP, PHONE, Page

# ---- Rules ---------------------------------------------------------------------------------------------------------

# Contrast of an element's text with the page's ground.
CONTRAST = """
const context = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
const luminance = colour => {
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [red, green, blue] = [...context.getImageData(0, 0, 1, 1).data].map(
        value => value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const style = getComputedStyle(arguments[0]);
const both = [style.color, style.getPropertyValue("--body-background-fill")].map(luminance);
return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_serious_fault_in_any_tab(unopened, theme):
    page = unopened
    page.open(f"?__theme={theme}")
    page.script("document.querySelectorAll('details').forEach(part => part.open = true)")
    page.click("button.label-wrap")
    page.wait(lambda: page.one("[data-test]").is_displayed())
    for size in (DESKTOP, PHONE):
        with page.screen(*size):
            for tab in ("Analyse", "Clip", "Camera", "Evaluation", "Trust the maps?"):
                page.open_tab(tab)
                assert page.axe_faults(only_colours=theme == "dark") == [], (theme, size, tab)
            for button in page.all("#tabs [role=tab]"):  # axe cannot tell, because Gradio draws a line below
                assert page.script(CONTRAST, button) >= 4.5


def test_headings_do_not_jump(page):
    levels = [int(heading.tag_name[1]) for heading in page.all("h1, h2, h3, h4") if heading.is_displayed()]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


# ---- Keyboard ------------------------------------------------------------------------------------------------------

FOCUSED = """
const here = document.activeElement, label = here.matches("[data-file]") ? here.parentElement : here;
const style = getComputedStyle(label);
const isMarked = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
return [here.matches(arguments[0]), isMarked, label.outerHTML.slice(0, 200)];"""


def tab_to(page: Page, selector: str, key: str = Keys.TAB) -> None:
    """Goes on with the Tab key until this has the focus; whatever has it on the way must look so."""
    for _ in range(80):
        page.press(key)
        is_there, is_marked, said = page.script(FOCUSED, selector)
        assert is_marked or "<body" in said, said
        if is_there:
            return
    raise AssertionError(f"Tab does not lead to {selector}.")


def test_everything_can_be_done_with_the_keyboard(page, tmp_path):
    page.browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    tab_to(page, "#tabs [role=tab][aria-selected=true]")
    tab_to(page, "[data-file]")
    tab_to(page, "[data-example=six-faces]")
    with page.new_results():
        page.press(Keys.ENTER)
    assert page.ring == ["Face 1"] and page.script(FOCUSED, "[data-example=six-faces]")[0], "the focus stays"
    assert page.text("#announcer") == page.text(".verdict h2"), "and a screen reader says what is new"
    tab_to(page, ".face-box[data-face='2']", Keys.SHIFT + Keys.TAB)
    with page.new_results():
        page.press(Keys.SPACE)
    assert page.ring == ["Face 3"] and page.script(FOCUSED, ".face-box[data-face='2']")[0]
    tab_to(page, "#cover [aria-label*=mouth]")
    page.press(Keys.ENTER)
    page.wait(lambda: "Covered" in page.text("#changes"))
    tab_to(page, "[data-set=emotion][data-value=happy]")
    with page.new_results():
        page.press(Keys.SPACE)
    assert "for happy" in page.text(".heat figcaption")
    tab_to(page, "details[data-name=advanced] > summary")
    page.press(Keys.ENTER)
    tab_to(page, "select[data-set=method]")
    before = page.one("select[data-set=method]").get_property("value")
    with page.new_results():
        page.press(Keys.ARROW_DOWN)
    assert page.query["method"] not in ("", before)
    tab_to(page, "[data-opacity]")
    page.press(Keys.ARROW_RIGHT)
    opacity = "return getComputedStyle(document.querySelector('.heat .overlay'), '::after').opacity"
    assert page.script(opacity) == "0.56"
    tab_to(page, ".heat .term")
    assert page.one(".heat .term .tip").is_displayed()
    tab_to(page, "details[data-name=models] > summary")
    page.press(Keys.SPACE)
    assert page.one(".about").is_displayed()
    tab_to(page, "[data-download=csv]")
    page.press(Keys.ENTER)
    page.wait(lambda: (tmp_path / "fer-lens.csv").is_file())


# ---- Movement ------------------------------------------------------------------------------------------------------


def test_nothing_moves_for_those_who_do_not_want_it(page):
    feature = {"name": "prefers-reduced-motion", "value": "reduce"}
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    try:
        page.script("document.querySelector('#results').setAttribute('aria-busy', 'true')")
        moving = """return [...document.querySelectorAll(".gradio-container *")].filter(part => {
            const {transitionProperty, transitionDuration, animationName} = getComputedStyle(part);
            return transitionProperty !== "none" && /[1-9]/.test(transitionDuration) || animationName !== "none";
        }).map(part => part.outerHTML.slice(0, 150))"""
        assert page.script(moving) == []
        with page.screen(*PHONE):
            page.script("Element.prototype.scrollIntoView = function (options) { window.scrolled = options; }")
            with page.new_results():
                page.script("document.querySelector('[data-example=tilted]').click()")
            assert page.script("return window.scrolled") == {"behavior": "auto"}
    finally:
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
