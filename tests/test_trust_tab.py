"""The tab "Trust the maps?": its grid, its plots, and how it behaves in a browser."""

import json
import re
from collections.abc import Iterator
from html import unescape
from itertools import pairwise
from pathlib import Path

import gradio as gr
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from demo.analysis import stage_of
from demo.dot_plots import round_ticks
from demo.layout import LAUNCH_OPTIONS
from demo.trust_grid import render_grid
from demo.trust_tab import build_trust_tab
from demo.view import DEFAULT_METHOD, FIRST_LAYER
from fer_models.architectures import MODELS, create_model, model_title
from fer_models.checkpoints import save_checkpoint
from fer_models.explanations import METHODS
from fer_models.heatmap_study.measure import layers_of, main_map
from fer_models.heatmap_study.report import basis, best_maps, findings
from fer_models.heatmap_study.store import COMMAND, save_explanations
from fer_models.heatmap_study.tables import MAP_NAMES
from tests.browser import PATIENCE
from tests.helpers import tiny_models
from tests.studies import agreement_of, interval, made_up_study


def contents(weights_dir: Path) -> str:
    """All that the tab shows, as text."""
    with gr.Blocks() as page:
        build_trust_tab(weights_dir)
    return "\n".join(str(getattr(block, "value", "")) for block in page.blocks.values())


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """weights/ with one measured model."""
    root = tmp_path_factory.mktemp("weights")
    save_checkpoint(create_model("attn_cnn"), root / "attn_cnn", {})
    sha256 = json.loads((root / "attn_cnn" / "config.json").read_text())["sha256"]
    save_explanations(made_up_study(), root / "attn_cnn", sha256)
    return root


def cells(grid: str) -> dict[str, list[str]]:
    """What a reader of each row hears in its cells, by map."""
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', grid, re.DOTALL)
    heard = {}
    for name, row in rows:
        said = [re.sub(r'<i aria-hidden="true">.</i>', "", cell) for cell in re.findall("<td.*?</td>", row, re.DOTALL)]
        heard[name] = [" ".join(unescape(re.sub("<[^>]*>", " ", cell)).split()) for cell in said]
    return heard


# ---- The grid --------------------------------------------------------------------------------------------------------


def test_each_cell_says_the_verdict_what_speaks_against_the_map_and_which_one_is_best():
    study = made_up_study()
    maps = study.statistics["maps"]
    maps["gradcam"] |= {"flat": 8, "across_faces": agreement_of(0.9)}
    maps["gradcam"]["advantage"]["random"] = interval(0)
    maps["eigencam"]["sanity"]["head"] = interval(0.9)
    grid = render_grid({"attn_cnn": study})
    column = list(MODELS).index("attn_cnn")
    heard = {name: row[column] for name, row in cells(grid).items()}
    assert heard == {
        "Grad-CAM": "no better than random similar on all faces constant on 8 of 40 faces",
        "Grad-CAM++": "beats all three best supported",
        "HiResCAM": "beats all three",
        "XGrad-CAM": "beats all three",
        "LayerCAM": "beats all three",
        "Eigen-CAM": "beats all three similar with a random head",
        **{f"{method.title} after attention": "beats all three" for method in METHODS.values()},
        "Spatial attention": "beats all three",
    }
    head = re.search("<thead>.*</thead>", grid)[0]
    assert re.findall('<th scope="col">(.*?)</th>', head) == [model.title for model in MODELS.values()]
    assert 'title="points of confidence beyond random +0.0 [-5.0, +5.0], the centre +20.0' in grid


def test_a_cell_without_a_map_says_why():
    without = made_up_study("baseline_cnn")
    without.statistics["maps"] = {key: without.statistics["maps"][key] for key in METHODS}
    del without.statistics["uniform_attention"]
    uniform = made_up_study()
    uniform.statistics["uniform_attention"]["spread"] = interval(0.005, 0.001)
    rows = cells(render_grid({"baseline_cnn": without, "attn_cnn": uniform}))
    assert rows["HiResCAM"][0] == "beats all three"
    assert rows["HiResCAM after attention"][0] == "Baseline CNN has no spatial attention"
    assert rows["Spatial attention"] == [
        "Baseline CNN has no spatial attention",
        "not measured yet",
        "practically uniform, so it shows nothing",
        "not measured yet",
        "not measured yet",
    ]


def test_the_main_map_of_the_study_is_the_one_that_the_page_shows_first():
    for model in tiny_models().values():
        layers = layers_of(model)
        assert layers[main_map(layers)] == (DEFAULT_METHOD, stage_of(model, FIRST_LAYER))


def test_the_legend_explains_the_letters_that_occur():
    study = made_up_study()
    assert 'class="remark"' not in render_grid({"attn_cnn": study})
    study.statistics["maps"]["layercam"]["flat"] = 1
    assert render_grid({"attn_cnn": study}).count('<li class="remark">') == 1


# ---- The plots -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (-30.1, 26.8, [-40, -30, -20, -10, 0, 10, 20, 30]),
        (-40, 60, [-40, -20, 0, 20, 40, 60]),
        (-0.34, 0.52, [-0.4, -0.2, 0, 0.2, 0.4, 0.6]),
        (3, 7, [0, 1, 2, 3, 4, 5, 6, 7]),
        (-9, -1, [-10, -8, -6, -4, -2, 0]),
    ],
)
def test_an_axis_ends_at_round_numbers(low, high, ticks):
    assert round_ticks(low, high) == ticks


# ---- The tab ---------------------------------------------------------------------------------------------------------


def test_it_says_how_to_measure_while_nothing_is(tmp_path):
    assert COMMAND in contents(tmp_path)


def test_it_shows_the_sentences_and_a_mark_for_each_figure(stored):
    shown = unescape(contents(stored))
    measured = {"attn_cnn": made_up_study()}
    for sentence in (basis(measured), best_maps(measured, model_title), *findings(measured, model_title)):
        assert sentence in shown
    assert shown.count('title="the centred Gaussian: +20.0 [+15.0, +25.0]"') == len(MAP_NAMES)
    assert shown.count("Baseline CNN: ") == 1 and COMMAND in shown  # has not been measured
    assert "confidence lost beyond that of the other map (percentage points)" in shown


def test_every_link_has_its_row_and_tables_and_headings_have_their_marks(stored):
    shown = contents(stored)
    links, rows = set(re.findall('href="#(.*?)"', shown)), re.findall('id="(.*?)"', shown)
    assert len(links) >= len(MAP_NAMES) and links <= set(rows) and len(rows) == len(set(rows))
    assert shown.count("<table") == shown.count("<caption")
    assert all('scope="' in cell for cell in re.findall("<th[ >].*?>", shown))
    levels = [int(level) for level in re.findall(r"<h(\d)", shown)]
    assert levels[0] == 2 and all(after <= before + 1 for before, after in pairwise(levels))


@pytest.fixture(scope="module")
def address(stored) -> Iterator[str]:
    """A page with the tab alone, behind another one."""
    with gr.Blocks(analytics_enabled=False) as page:
        with gr.Tab("Other"):
            gr.Markdown("Nothing")
        with gr.Tab("Trust the maps?"):
            build_trust_tab(stored)
    options = LAUNCH_OPTIONS | {"prevent_thread_lock": True, "quiet": True, "ssr_mode": False}
    _, local, _ = page.launch(server_name="127.0.0.1", **options)
    yield local
    page.close()


@pytest.fixture
def opened(browser, address):
    """The browser with the tab open, at an address with a query, against which Gradio's <base> would resolve links."""
    browser.get(f"{address}?__theme=dark")
    wait = WebDriverWait(browser, PATIENCE, poll_frequency=0.1)
    wait.until(lambda _: len(browser.find_elements(By.CSS_SELECTOR, "button[role=tab]")) > 1)
    next(tab for tab in browser.find_elements(By.CSS_SELECTOR, "button[role=tab]") if "Trust" in tab.text).click()
    wait.until(lambda _: browser.find_elements(By.CSS_SELECTOR, "#trust .grid"))
    return browser


def test_a_cell_leads_to_its_row_and_does_not_leave_the_page(opened):
    # The row that the address names, if all of it is on the screen.
    shown = """const row = document.querySelector(":target"), box = row && row.getBoundingClientRect();
        return box && box.top >= 0 && box.bottom <= innerHeight ? row.id : null"""
    for _ in range(2):  # also again, when the address has this row already
        link = opened.find_element(By.CSS_SELECTOR, '#trust a[href="#faithfulness-attn_cnn-gradcam++"]')
        opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", link)
        link.click()
        WebDriverWait(opened, PATIENCE).until(lambda _: opened.execute_script(shown))
        assert opened.execute_script(shown) == "faithfulness-attn_cnn-gradcam++"
        assert "?__theme=dark#" in opened.current_url


def test_a_phone_scrolls_tables_and_never_the_page(opened):
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        opened.execute_script("document.querySelectorAll('#trust details').forEach(part => part.open = true)")
        assert opened.execute_script("return document.documentElement.scrollWidth") <= 390
        wide = (
            "return [...document.querySelectorAll('#trust .scrolling')].map(box => box.scrollWidth > box.clientWidth)"
        )
        assert any(opened.execute_script(wide))
        grid = opened.find_element(By.CSS_SELECTOR, "#trust .grid").rect
        assert grid["x"] >= 0 and grid["x"] + grid["width"] <= 390
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
