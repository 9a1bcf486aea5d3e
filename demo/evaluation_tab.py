"""The tab Evaluation: how good the models are, from the evaluations stored in weights/."""

from html import escape
from pathlib import Path

import gradio as gr

from fer_models.architectures import MODELS, model_title
from fer_models.checkpoints import CONFUSION_FILE, CURVES_FILE, RELIABILITY_FILE, SAMPLES_FILE, EvaluationError
from fer_models.evaluation.results import Evaluation, read_evaluation, read_variants
from fer_models.evaluation.table import PEERS, confidence_table, render_tables

PICTURES = {
    CONFUSION_FILE: "Confusion matrices",
    RELIABILITY_FILE: "Reliability: accuracy at each level of confidence",
    CURVES_FILE: "Learning curves",
    SAMPLES_FILE: "Sample predictions",
}
CONFIDENCE = """\
On PrivateTest, in percent except for the number of emotions. The expected calibration error (ECE) is the mean gap
between confidence and accuracy, before and after temperature scaling on PublicTest. A *90 % set* is built to contain
the label in 90 % of all faces, not for each emotion: the last columns show how often it does."""
SAMPLES_MISSING = """\
Sample predictions show faces of FER-2013, which this project may not pass on. If you have the data set, make them with
`python -m fer_models.evaluation --data PATH`."""


def read_results(weights_dir: Path) -> tuple[dict[str, Evaluation], list[str]]:
    """The stored evaluations by model name, and a sentence for each model that has none."""
    results, problems = {}, []
    for name, architecture in MODELS.items():
        try:
            results[name] = read_evaluation(weights_dir / name)
        except EvaluationError as error:
            problems.append(f"{architecture.title} has no evaluation: {error}")
    return results, problems


def build_evaluation_tab(weights_dir: Path, results: dict[str, Evaluation], problems: list[str]) -> None:
    """Adds the tab's contents to the page under construction.

    Args:
        weights_dir: the folder with one folder per model in it.
        results, problems: as `read_results` returns them.
    """
    try:
        variants = read_variants(weights_dir)
    except EvaluationError as error:
        variants, problems = {}, [*problems, f"A comparison is left out: {error}"]
    try:
        details = render_tables(results, variants, model_title) if results else ""
    except EvaluationError as error:
        details, problems = "", [*problems, f"The tables are left out: {error}"]
    gr.HTML(_render_accuracies(results), elem_id="accuracies")
    for problem in problems:
        gr.HTML(f'<p class="problem">{escape(problem)}</p>')
    if details:
        gr.Markdown(f"## In detail\n{details}", elem_classes="details")
    if results:
        gr.Markdown(
            f"## How sure are they?\n{CONFIDENCE}\n\n{confidence_table(results, model_title)}", elem_classes="details"
        )
    for file, heading in PICTURES.items():
        _show_pictures(heading, {name: weights_dir / name / file for name in results})


def _show_pictures(heading: str, files: dict[str, Path]) -> None:
    there = {name: file for name, file in files.items() if file.is_file()}
    if not there and heading != PICTURES[SAMPLES_FILE]:
        return
    gr.Markdown(f"## {heading}")
    if not there:
        gr.Markdown(SAMPLES_MISSING)
    with gr.Row():
        for name, file in there.items():
            gr.Image(
                str(file),
                show_label=False,  # the picture has a title
                alt_text=f"{heading}: {MODELS[name].title}",
                buttons=["fullscreen"],
                min_width=480,
            )


def _render_accuracies(results: dict[str, Evaluation]) -> str:
    """Two bars per model, the paper's accuracy and ours, and one per package that anyone can install."""
    rows = []
    for name, architecture in MODELS.items():
        paper = architecture.paper_accuracy
        lines = [] if paper is None else [f"<tr>{{head}}{_bar('paper', paper)}</tr>"]
        if name in results:
            test = results[name].metrics["test"]
            low, high = (100 * end for end in test["accuracy_interval"])
            lines.append(
                f"<tr class=top>{{head}}{_bar('ours', 100 * test['accuracy'], f'{low:.1f} to {high:.1f}')}</tr>"
            )
        else:
            lines.append('<tr>{head}<td>ours</td><td class="bar"></td><td>not yet</td></tr>')
        head = f'<th scope="rowgroup" rowspan="{len(lines)}">{architecture.title}</th>'
        rows += [line.format(head="" if index else head) for index, line in enumerate(lines)]
    rows += [
        f'<tr><th scope="row" colspan="2">{peer.package}{peer.detail}</th>{_bar(None, 100 * peer.accuracy)}</tr>'
        for peer in PEERS
    ]
    return f"""
    <h2>Accuracy on FER-2013</h2>
    <p>The paper's Table I beside ours: percent of the 3,589 images of the test split (PrivateTest), with the 95 %
    interval that so many images allow. Below them, packages that can be installed today, on the same images.</p>
    <table class="bars accuracies">{"".join(rows)}</table>"""


def _bar(whose: str | None, percent: float, interval: str = "") -> str:
    return (
        f'{"" if whose is None else f"<td>{whose}</td>"}<td class="bar"><i style="width: {percent:.1f}%"></i></td>'
        f"<td>{percent:.1f} <small>{interval}</small></td>"
    )
