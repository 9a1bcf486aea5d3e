"""The tab Evaluation: its chart and sentence follow from the stored evaluations, and so does what is folded."""

import re
import shutil
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from demo.accuracy_chart import render_accuracies
from demo.attention_claim import PAPER, claim, mixed_sentence
from demo.charts import round_axis
from demo.evaluation_plots import confusion_table, learning_curves, reliability_plots, uncalibrated
from demo.evaluation_tab import build_evaluation_tab, read_results
from fer_models import EMOTIONS, MODEL_NAMES
from fer_models.architectures import MODELS
from fer_models.checkpoints import write_history
from fer_models.evaluation.comparison import compare
from fer_models.evaluation.metrics import confusion_matrix, summarise
from fer_models.evaluation.results import Evaluation, Predictions, save_evaluation
from fer_models.evaluation.seeds import CBAM, SPATIAL_ATTENTION, finding
from fer_models.inference.probabilities import to_probabilities
from tests.helpers import texts

IMAGES = 700
LABELS = (np.arange(IMAGES) % 7).astype(np.uint8)


def evaluation(name: str, right: int, labels: np.ndarray = LABELS) -> Evaluation:
    """One of a model that is right on the first `right` images and takes the others for the next emotion."""
    guesses = np.where(np.arange(IMAGES) < right, labels, (labels + 1) % 7)
    probabilities = to_probabilities(3 * np.eye(7)[guesses])
    splits = ("test", "test_leak_free", "test_flip_averaged", "test_uncalibrated")
    metrics = {split: summarise(labels, probabilities) for split in splits}
    sets = {"coverage": 0.9, "coverage_interval": [0.8, 0.95], "mean_size": 1.5}
    metrics |= {"conformal": sets | {"coverage_by_emotion": dict.fromkeys(EMOTIONS, 0.9)}}
    metrics |= {"model": name, "parameters": 1_900_000, "multiply_adds": 260_000_000}
    metrics |= {"training": {"stages": [[128, 14]], "epochs": 14, "recipe": "default"}}
    return Evaluation(metrics, Predictions(labels, np.ones(IMAGES, bool), probabilities, np.stack([probabilities] * 2)))


def store(result: Evaluation, weights_dir: Path) -> Path:
    folder = weights_dir / result.metrics["model"]
    folder.mkdir()
    (folder / "config.json").write_text('{"sha256": "0"}')
    save_evaluation(result, folder, "0")
    return folder


def epoch(number: float, size: int, loss: float, accuracy: float) -> dict[str, float]:
    """A row of history.csv, for which training and validation are alike."""
    values = {"loss": loss, "accuracy": accuracy}
    row = {f"{split}_{quantity}": value for split in ("train", "validation") for quantity, value in values.items()}
    return {"epoch": number, "size": size} | row


def said(weights_dir: Path) -> str:
    """All that the tab says."""
    with gr.Blocks() as page:
        build_evaluation_tab(weights_dir, *read_results(weights_dir))
    return texts(page)


class Elements(HTMLParser):
    """The start tags of a document as (tag, attributes, tags around it with their attributes)."""

    EMPTY = ("path", "circle", "line", "polyline", "img")

    def __init__(self, document: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict, list]] = []
        self.open: list[tuple[str, dict]] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.found.append((tag, dict(attributes), list(self.open)))
        if tag not in self.EMPTY:
            self.open.append((tag, dict(attributes)))

    def handle_startendtag(self, tag: str, attributes: list) -> None:
        self.found.append((tag, dict(attributes), list(self.open)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.EMPTY:
            assert self.open.pop()[0] == tag


# ---- The sentence --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plain", "attention", "verdict", "gap"),
    [
        (500, 503, "CBAM brings no clear gain in our models", "0.4 points above"),
        (500, 500, "CBAM brings no clear gain in our models", "level with"),
        (500, 540, "CBAM helps in our models, but less than reported", "5.7 points above"),
        (400, 567, "CBAM helps in our models, as reported", "23.9 points above"),
        (300, 600, "CBAM helps in our models, and more than reported", "42.9 points above"),
        (540, 500, "CBAM costs accuracy in our models", "5.7 points below"),
    ],
)
def test_the_sentence_follows_from_the_figures(plain, attention, verdict, gap):
    results = {"resnet50": evaluation("resnet50", plain), "resnet50_cbam": evaluation("resnet50_cbam", attention)}
    sentence = claim(results, {})
    assert sentence.startswith(f"{verdict}: ResNet-50 + CBAM scores {gap} ResNet-50 (95 % interval ")
    assert sentence.endswith(f", one training each), where Table I of {PAPER} has it 23.9 points above.")


def test_what_attention_is_worth_follows_from_the_seeds():
    without, with_it = {0: 0.70, 1: 0.72}, {0: 0.71, 1: 0.73}
    seeds = {study: {study.control: without, study.alternatives[0]: with_it} for study in (CBAM, SPATIAL_ATTENTION)}
    first, second = (finding(study, runs) for study, runs in seeds.items())
    assert claim({}, seeds) == f"{claim({}, {})} {first} {second}"
    assert "moves its mark, too (standard deviation 1.4 to 1.4 points)." in render_accuracies({}, seeds)
    assert "moves its mark, too." in render_accuracies({})


def test_what_is_missing_is_not_judged():
    cnns = {name: evaluation(name, right) for name, right in (("baseline_cnn", 400), ("attn_cnn", 450))}
    assert "None of our models is evaluated yet" in claim({}, {})
    assert "the evaluation of ResNet-50 and ResNet-50 + CBAM is missing" in claim(cnns, {})
    assert "the evaluation of ResNet-50 + CBAM is missing" in claim({"resnet50": evaluation("resnet50", 9)}, {})
    assert all(PAPER in claim(results, {}) for results in ({}, cnns))
    said = mixed_sentence(cnns)
    assert said.startswith("Attention CNN scores 7.1 points above Baseline CNN (+") and "more than attention" in said
    assert mixed_sentence({}) == ""


def test_models_of_different_images_are_not_compared():
    turned = LABELS[::-1].copy()
    pairs = (("resnet50", "resnet50_cbam"), ("baseline_cnn", "attn_cnn"))
    results = {second: evaluation(second, 500, turned) for _, second in pairs}
    results |= {first: evaluation(first, 500) for first, _ in pairs}
    assert "different images" in claim(results, {}) and mixed_sentence(results) == ""
    assert "mean of the" not in render_accuracies(results)


def test_the_shipped_models_get_the_figures_of_their_comparison():
    results, _, problems = read_results(Path(__file__).parents[1] / "weights")
    if problems:
        pytest.skip("not all models have a stored evaluation")
    plain, attention = (results[name].predictions for name in ("resnet50", "resnet50_cbam"))
    found = compare(plain.labels, plain.probabilities, attention.probabilities)
    assert f"{100 * abs(found.difference.mean):.1f} points" in claim(results, {})
    assert ("no clear gain" in claim(results, {})) == (not found.is_significant)


# ---- Charts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "low", "high", "step"),
    [
        ([43.5, 75.0], 40, 80, 10),
        ([0, 31.5], 0, 40, 10),
        ([0, 80.0], 0, 80, 20),
        ([0.3, 0.7], 0.3, 0.7, 0.1),
        ([68.0], 68, 69, 0.2),
        ([0, 1.85], 0, 2, 0.5),
    ],
)
def test_axes_end_at_round_numbers_and_hold_everything(values, low, high, step):
    axis = round_axis("title", values)
    assert (axis.low, axis.high) == pytest.approx((low, high)) and axis.ticks[-1] == pytest.approx(axis.high)
    assert axis.step == pytest.approx(step)
    assert all(-1e-9 <= axis.share(value) <= 1 + 1e-9 for value in values)


def test_the_chart_has_a_row_for_each_model_the_mean_and_each_package():
    results = {name: evaluation(name, 500 + 10 * index) for index, name in enumerate(MODEL_NAMES[:2])}
    chart = render_accuracies(results)
    rows = {
        re.search('<th scope="row">(.*?)</th>', row)[1]: row
        for row in re.findall("<tr>.*?</tr>", chart.split("<tbody>")[1].split("</tbody>")[0])
    }
    titles = [model.title for model in MODELS.values()]
    packages = ["fer, mini-XCEPTION", "face-api 1.7.15", "vit-face-expression", "deepface"]
    assert list(rows) == [*titles, "mean of the 2", *packages]
    assert "58.9" in rows["Baseline CNN"] and "<b>71.4</b>" in rows["Baseline CNN"]
    assert "67.4" in rows["ResNet-50 + CBAM"] and "not evaluated yet" in rows["ResNet-50 + CBAM"]
    assert "71.2 <small>as reported</small>" in rows["vit-face-expression"]  # without an interval
    assert 'class="interval' not in rows["vit-face-expression"] and 'mark reported" x=' in rows["vit-face-expression"]
    # 58.9 and 71.4 on an axis from 40 to 80, and the kinds of marks differ in shape.
    assert 'class="mark paper" x="47.25%"' in rows["Baseline CNN"] and 'ours" x="78.57%"' in rows["Baseline CNN"]
    assert len({re.search('class="mark .*?><(.*?)/>', rows[name])[1] for name in ("ResNet-50", "face-api 1.7.15")}) == 2


def test_a_confusion_matrix_is_a_table_with_percentages_and_counts():
    guesses = LABELS.copy()
    guesses[:140][LABELS[:140] == 4] = 6  # 20 of 100 sad faces
    table = confusion_table("attn_cnn", confusion_matrix(LABELS, guesses))
    assert "<b>Attention CNN</b> most often takes sad for neutral: 20 % of the sad faces." in table
    assert table.count('scope="col"') == 8 and table.count('scope="row"') == 7
    assert '<td style="--share: 20%">20<small>20</small></td>' in table
    assert '<td class="right" style="--share: 80%">80<small>80</small></td>' in table
    assert "makes no mistake" in confusion_table("attn_cnn", np.diag([5, 5, 5, 5, 5, 5, 0]))


def test_probabilities_before_temperature_scaling_are_recovered():
    logits = np.random.default_rng(0).normal(scale=3, size=(50, 7))
    before = uncalibrated(to_probabilities(logits, 1.4), 1.4)
    np.testing.assert_allclose(before, to_probabilities(logits), atol=1e-6)
    np.testing.assert_array_equal(uncalibrated(np.eye(7, dtype=np.float32), 1.4), np.eye(7))


def test_a_reliability_diagram_has_a_dot_for_each_confidence():
    predictions = evaluation("attn_cnn", 560).predictions  # with one confidence, 77 %
    both = reliability_plots("attn_cnn", predictions, 1.5)
    assert both.count("<circle") == 2 and "Before temperature scaling" in both and "(temperature 1.50)" in both
    after = reliability_plots("attn_cnn", predictions, None)
    assert after.count("<circle") == 1 and "Before" not in after
    assert "Attention CNN after temperature scaling: ECE 3.0 percent" in after
    assert "accuracy is lower than confidence in 0 of 1 groups" in after


def test_learning_curves_share_their_vertical_axes():
    first = [
        epoch(1.0, 96, 1.8, 0.3),
        epoch(2.0, 96, 0.9, 0.5),
        epoch(3.0, 192, 0.6, 0.9) | {"validation_accuracy": 0.75},
    ]
    second = [epoch(1.0, 48, 0.4, 0.4), epoch(2.0, 48, 0.4, 0.6)]
    curves = learning_curves({"resnet50": first, "attn_cnn": second})
    sections = re.findall("<section>.*?</section>", curves, re.DOTALL)
    labels = [re.findall('text-anchor="end">(.*?)<', section) for section in sections]
    assert len(sections) == 2 and labels[0] == labels[1] and labels[0][-1] == "2"
    assert "Accuracy at the end: training 90.0 %, validation 75.0 %." in sections[0]
    assert "96 px" in sections[0] and "192 px" in sections[0] and sections[0].count('class="change"') == 2
    assert "Accuracy in percent of ResNet-50 over 3 epochs; at the end training 90, validation 75" in sections[0]


# ---- The tab -------------------------------------------------------------------------------------------------------


def test_the_evaluation_shows_what_there_is(tmp_path):
    folder = store(evaluation("attn_cnn", 560), tmp_path)
    shown = said(tmp_path)
    assert "<b>80.0</b>" in shown and shown.count("<details") == 5
    assert shown.count("has no evaluation") == len(MODEL_NAMES) - 1
    assert "No history of a training is stored" in shown and "may not pass on" in shown
    assert "temperature scaling: ECE" in shown and "(temperature " not in shown  # config.json has none

    write_history(folder, [epoch(1.0, 48, 0.5, 0.5)])
    Image.new("RGB", (8, 8)).save(folder / "samples.png")
    shown = said(tmp_path)
    assert "over 1 epochs" in shown and "No history" not in shown
    assert 'src="data:image/png;base64,' in shown and "may not pass on" not in shown

    for damaged in ("1.0,oops", "1.0"):
        (folder / "history.csv").write_text(f"epoch,size\n{damaged}\n")
        assert "Attention CNN is left out, because its history.csv is damaged" in said(tmp_path)

    turned = evaluation("resnet50", 560, LABELS[::-1].copy())
    store(turned, tmp_path)
    shown = said(tmp_path)
    assert "or in a different order" in shown and "Tables and comparisons" not in shown
    shutil.rmtree(tmp_path / "attn_cnn")
    assert "Tables and comparisons" in said(tmp_path)


def test_nothing_is_folded_where_nothing_is_evaluated(tmp_path):
    shown = said(tmp_path)
    assert "<details" not in shown and "None of our models is evaluated yet" in shown
    assert all(accuracy in shown for accuracy in ("58.9", "43.5", "45.4", "67.4"))


def test_pictures_have_words_and_headings_do_not_jump(tmp_path):
    for name in MODEL_NAMES:
        write_history(store(evaluation(name, 500), tmp_path), [epoch(1.0, 48, 1.0, 0.5)])
    elements = Elements(said(tmp_path)).found
    levels = [int(tag[1]) for tag, *_ in elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 2 and all(after <= before + 1 for before, after in pairwise(levels))
    for tag, attributes, around in elements:
        assert not any(name.startswith("on") for name in attributes)
        if tag == "svg":
            hidden = any("aria-hidden" in outer for outer in (attributes, *(outer for _, outer in around)))
            described = attributes.get("role") == "img" and attributes["aria-label"]
            assert hidden or described or any(outer == "svg" for outer, _ in around)


# ---- In a browser --------------------------------------------------------------------------------------------------


def test_the_evaluation_tab_shows_the_papers_table_beside_ours_on_a_phone(page):
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        next(tab for tab in page.all("[role=tab]") if tab.get_attribute("textContent").strip() == "Evaluation").click()
        page.wait(lambda: page.all("#accuracies")[0].is_displayed())
        assert all(accuracy in page.text("table.accuracies") for accuracy in ("58.9", "43.5", "45.4", "67.4"))
        assert page.all("table.accuracies .track svg")[0].is_displayed()
        marks = page.all("table.accuracies .mark")
        assert all(mark.rect["x"] >= 0 and mark.rect["x"] + mark.rect["width"] <= 390 for mark in marks)
        for summary in page.all(".evaluation summary"):
            summary.click()
        assert all(fold.get_attribute("open") for fold in page.all(".evaluation details"))
        assert page.browser.execute_script("return document.documentElement.scrollWidth") <= 390
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
