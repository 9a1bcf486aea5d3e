"""The tab Evaluation: one chart and one sentence on how good the models are; everything else is folded below.

All of it comes from the evaluations stored in weights/.
"""

import base64
from collections.abc import Mapping
from html import escape
from pathlib import Path

import gradio as gr
import numpy as np

from demo.accuracy_chart import render_accuracies
from demo.attention_claim import claim
from demo.evaluation_plots import confusion_table, learning_curves, reliability_plots
from demo.markup import render_problem
from fer_models.architectures import MODELS, model_title
from fer_models.checkpoints import (
    HISTORY_FILE,
    SAMPLES_FILE,
    CheckpointError,
    EvaluationError,
    read_config,
    read_history,
)
from fer_models.evaluation.results import Evaluation, Variant, read_evaluation, read_variants
from fer_models.evaluation.seeds import Seeds, read_seeds
from fer_models.evaluation.table import confidence_table, render_tables

GLOSSARY = """\
- **PrivateTest**: FER-2013's test split, kept for the final test: no model of ours was trained or chosen by it.
- **95 % interval**: where the accuracy may lie, given that the test has only so many images.
- **Leak-free**: without the test images that also appear, pixel for pixel, in the training or validation split.
- **Flip-averaged**: the mean of the answers for a face and for its mirror image.
- **Macro-F1**: the mean over the seven emotions of F1, which is high only if a model finds most images of an emotion
  and is mostly right when it names it. Rare emotions count as much as frequent ones.
- **Multiply-adds**: the arithmetic that one face costs.
- **ECE**: expected calibration error, the mean gap between confidence and accuracy."""
CONFIDENCE = """\
On PrivateTest, in percent except for the number of emotions. The expected calibration error (ECE) is the mean gap
between confidence and accuracy, before and after temperature scaling on PublicTest. A *90 % set* is built to contain
the label in 90 % of all faces, not for each emotion: the last columns show how often it does."""
CONFUSION = """\
Each row holds the test images with one label, and adds up to 100 percent: the large figure is the percentage, the small
one the number of images. The stronger the tint, the larger the share. A frame marks the right answers."""
RELIABILITY = """\
A model is <i>calibrated</i> if it is right in 80 percent of the cases in which its confidence is 80 percent: its dots
lie on the dashed diagonal. Below it, the model is too sure of itself; above it, too cautious. Each dot stands for the
images with similar confidence, and its line is the 95 % interval. <i>ECE</i> (expected calibration error) is the mean
distance from the diagonal. <i>Temperature scaling</i> divides a model's scores by one number, the temperature, which
was fitted to the validation split (PublicTest); it changes the confidence and never the answer."""
CURVES = """\
One <i>epoch</i> is one pass over the training images. A model that learns its training images by heart keeps improving
on them, but not on the validation split (PublicTest), which it does not train on. Training images are altered at random
(augmented), which makes them harder. A dotted vertical line marks where the images get larger; the size is above it."""
SAMPLES_MISSING = """\
Sample predictions show faces of FER-2013, which this project may not pass on. If you have the data set, make them with
<code>python -m fer_models.evaluation --data PATH</code>."""


def read_results(weights_dir: Path) -> tuple[dict[str, Evaluation], dict[Variant, Evaluation], list[str]]:
    """The stored evaluations by model name, those of other recipes, and a sentence for each that cannot be had."""
    results, problems = {}, []
    for name, architecture in MODELS.items():
        try:
            results[name] = read_evaluation(weights_dir / name)
        except EvaluationError as error:
            problems.append(f"{architecture.title} has no evaluation: {error}")
    try:
        variants = read_variants(weights_dir)
    except EvaluationError as error:
        variants, problems = {}, [*problems, f"A comparison is left out: {error}"]
    return results, variants, problems


def build_evaluation_tab(
    weights_dir: Path, results: dict[str, Evaluation], variants: dict[Variant, Evaluation], problems: list[str]
) -> None:
    """Adds the tab's contents to the page under construction.

    Args:
        weights_dir: the folder with one folder per model in it.
        results, variants, problems: as `read_results` returns them.
    """
    try:
        seeds = read_seeds(weights_dir)
    except (CheckpointError, EvaluationError) as error:
        seeds, problems = {}, [*problems, f"The comparison over several seeds is left out: {error}"]
    try:
        tables = _tables(results, variants, seeds) if results else ""
    except EvaluationError as error:
        tables, problems = "", [*problems, f"The tables are left out: {error}"]
    notes = "".join(render_problem(problem, weights_dir) for problem in problems)
    gr.HTML(
        "<h2>How accurate are they?</h2>"
        f'<p class="claim">{escape(claim(results, seeds))}</p>{render_accuracies(results, seeds)}{notes}',
        elem_id="accuracies",
        elem_classes="evaluation",
    )
    if tables:
        fold = _fold("Tables and comparisons", "all figures, other recipes, the words in them", tables)
        gr.Markdown(fold, elem_classes="evaluation")
    if results:
        for title, meaning, content in (
            ("Confusion matrices", "which emotion is taken for which", _confusions(results)),
            (
                "Reliability diagrams",
                "how sure the models are, and how often right",
                _reliability(weights_dir, results),
            ),
            ("Learning curves", "how the models improved in training", _curves(weights_dir, results)),
            ("Sample predictions", "faces that are easy, hard or ambiguous", _samples(weights_dir, results)),
        ):
            gr.HTML(_fold(title, meaning, content), elem_classes="evaluation")


def _fold(title: str, meaning: str, content: str) -> str:
    """What opens with a click or with the Enter key; `content` is HTML, or Markdown if a gr.Markdown shows it.

    The browser's own element tells screen readers whether it is open, which gr.Accordion does not.
    """
    summary = f"<summary><h3>{title}</h3> <span>{meaning}</span></summary>"
    return f'<details class="fold">{summary}\n\n{content}\n\n</details>'


def _tables(results: dict[str, Evaluation], variants: dict[Variant, Evaluation], seeds: Seeds) -> str:
    """All tables in Markdown, each in a box of its own that scrolls sideways, by keyboard as well."""
    parts = [
        GLOSSARY,
        "#### Accuracy",
        render_tables(results, variants, seeds, model_title).strip(),
        "#### Confidence",
        CONFIDENCE,
        confidence_table(results, model_title),
    ]
    blocks = "\n\n".join(parts).split("\n\n")
    return "\n\n".join(
        f'<div class="scrolling" role="region" aria-label="table" tabindex="0">\n\n{block}\n\n</div>'
        if block.startswith("|")
        else block
        for block in blocks
    )


def _confusions(results: Mapping[str, Evaluation]) -> str:
    tables = "".join(
        confusion_table(name, np.array(result.metrics["test"]["confusion_matrix"])) for name, result in results.items()
    )
    return f'<p>{CONFUSION}</p><div class="confusions">{tables}</div>'


def _reliability(weights_dir: Path, results: Mapping[str, Evaluation]) -> str:
    plots = ""
    for name, result in results.items():
        try:
            temperature = float(read_config(weights_dir / name)["temperature"])
        except (CheckpointError, TypeError, ValueError):  # the tab Analyse says what is wrong with the checkpoint
            temperature = None
        plots += reliability_plots(name, result.predictions, temperature)
    return f'<p>{RELIABILITY}</p><div class="models">{plots}</div>'


def _curves(weights_dir: Path, results: Mapping[str, Evaluation]) -> str:
    histories, problems = {}, ""
    for name in results:
        try:
            rows = read_history(weights_dir / name)
        except (TypeError, ValueError) as error:  # a TypeError if the file ends within a line
            problem = f"{model_title(name)} is left out, because its {HISTORY_FILE} is damaged: {error}"
            problems += render_problem(problem, weights_dir)
            continue
        if rows:
            histories[name] = rows
    if not histories:
        return f"{problems}<p>No history of a training is stored.</p>"
    key = (
        '<ul class="marks"><li><i class="train"></i> training (augmented images)</li>'
        '<li><i class="validation"></i> validation</li></ul>'
    )
    return f'<p>{CURVES}</p>{problems}{key}<div class="models">{learning_curves(histories)}</div>'


def _samples(weights_dir: Path, results: Mapping[str, Evaluation]) -> str:
    files = {name: weights_dir / name / SAMPLES_FILE for name in results}
    pictures = "".join(
        f'<img src="data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}" loading="lazy" '
        f'alt="Sample predictions of {model_title(name)}">'
        for name, file in files.items()
        if file.is_file()
    )
    return f'<div class="samples">{pictures}</div>' if pictures else f"<p>{SAMPLES_MISSING}</p>"
