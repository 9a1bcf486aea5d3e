"""The second tab: how good the models are, from what fer_models.evaluation has left in weights/."""

import re
from html import escape
from pathlib import Path

import gradio as gr

from demo.analysis import TITLES
from fer_models.evaluation.results import EvaluationError, Result, read_result, read_variants
from fer_models.evaluation.table import PAPER_ACCURACY, PEER_IMAGES, PEERS, confidence_table, render_results

PICTURES = {
    "confusion_matrix.png": "Confusion matrices",
    "reliability.png": "Reliability: how often an answer given with some confidence is right",
    "learning_curves.png": "Learning curves",
    "samples.png": "Sample predictions",
}
CONFIDENCE = """\
On PrivateTest, in percent but for the number of emotions. The expected calibration error (ECE) is how far confidence
and accuracy lie apart, before and after a temperature that was chosen on PublicTest. A *90 % set* is made to hold the
label nine times in ten over all faces, not for each emotion: how often it does stands in the columns by emotion."""
SAMPLES_MISSING = """\
Sample predictions show faces of FER-2013, which may not be passed on. Who has the data set makes them with
`python -m fer_models.evaluation --data PATH`."""


def read_results(weights_dir: Path) -> tuple[dict[str, Result], list[str]]:
    """The stored evaluations by model name, and a sentence for each model that has none."""
    results, problems = {}, []
    for name, title in TITLES.items():
        try:
            results[name] = read_result(weights_dir / name)
        except EvaluationError as error:
            problems.append(f"{title} has no evaluation: {error}")
    return results, problems


def build_evaluation_tab(weights_dir: Path, results: dict[str, Result], problems: list[str]) -> None:
    """Adds the tab's contents to the page under construction.

    Args:
        weights_dir: the folder with one folder a model in it.
        results, problems: as `read_results` returns them.
    """
    try:
        variants = read_variants(weights_dir)
    except EvaluationError as error:
        variants, problems = {}, [*problems, f"A comparison is left out: {error}"]
    try:
        details = render_results(results, variants) if results else ""
    except EvaluationError as error:
        details, problems = "", [*problems, f"The tables are left out: {error}"]
    gr.HTML(_render_accuracies(results), elem_id="accuracies")
    for problem in problems:
        gr.HTML(f'<p class="problem">{escape(problem)}</p>')
    if details:
        gr.Markdown(f"## In detail\n{details}", elem_classes="details")
    if results:
        gr.Markdown(f"## How sure are they?\n{CONFIDENCE}\n\n{confidence_table(results)}", elem_classes="details")
    for file, heading in PICTURES.items():
        _show_pictures(heading, {name: weights_dir / name / file for name in results})


def _show_pictures(heading: str, files: dict[str, Path]) -> None:
    there = {name: file for name, file in files.items() if file.is_file()}
    if not there and heading != PICTURES["samples.png"]:
        return
    gr.Markdown(f"## {heading}")
    if not there:
        gr.Markdown(SAMPLES_MISSING)
    with gr.Row():
        for name, file in there.items():
            gr.Image(
                str(file),
                show_label=False,  # the picture has a title
                alt_text=f"{heading}: {TITLES[name]}",
                buttons=["fullscreen"],
                min_width=480,
            )


def _render_accuracies(results: dict[str, Result]) -> str:
    """Two bars a model, the paper's accuracy and ours, and one for each package that anyone can install."""
    rows = []
    for name, title in TITLES.items():
        paper = PAPER_ACCURACY[name]
        rows.append(f'<tr><th scope="rowgroup" rowspan="2">{title}</th>{_bar("paper", paper)}</tr>')
        if name in results:
            test = results[name].metrics["test"]
            low, high = (100 * end for end in test["accuracy_interval"])
            rows.append(f"<tr class=top>{_bar('ours', 100 * test['accuracy'], f'{low:.1f} to {high:.1f}')}</tr>")
        else:
            rows.append('<tr><td>ours</td><td class="bar"></td><td>not yet</td></tr>')
    for name, (right, _, _) in PEERS.items():
        package = re.sub(r"\[(.+?)\]\(.+?\)", r"\1", name)
        rows.append(f'<tr><th scope="row" colspan="2">{package}</th>{_bar(None, 100 * right / PEER_IMAGES)}</tr>')
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
