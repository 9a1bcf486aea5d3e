"""Confusion matrices as tinted tables; reliability diagrams and learning curves as charts.

They are drawn from the predictions and the history in weights/<model>/, for the tab Evaluation.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from demo.charts import BOTTOM, HEIGHT, TOP, Axis, line, plot, round_axis, x_at, y_at
from fer_models.architectures import model_title
from fer_models.emotions import EMOTIONS
from fer_models.evaluation.calibration import expected_calibration_error, reliability
from fer_models.evaluation.metrics import wilson_interval
from fer_models.evaluation.results import Predictions
from fer_models.inference.probabilities import to_probabilities

CONFIDENCE_AXIS = Axis("Confidence in percent", 0, 100, 20)
ACCURACY_AXIS = Axis("Accuracy in percent", 0, 100, 20)
# Each line of the learning curves, by its prefix in history.csv.
CURVES = {"train": "training", "validation": "validation"}


# ---- Confusion matrices -------------------------------------------------------------------------------------------


def confusion_table(name: str, counts: np.ndarray) -> str:
    """A confusion matrix as a table whose cells are tinted by their share of the row.

    Args:
        name: of a model.
        counts: integers (7, 7), rows are the true emotions.
    """
    images = counts.sum(axis=1, keepdims=True)
    percent = 100 * counts / np.maximum(images, 1)
    head = "".join(f'<th scope="col">{emotion}</th>' for emotion in EMOTIONS)
    rows = "".join(
        f'<tr><th scope="row">{emotion} <small>{images[row, 0]}</small></th>'
        + "".join(_cell(percent[row, column], counts[row, column], row == column) for column in range(len(EMOTIONS)))
        + "</tr>"
        for row, emotion in enumerate(EMOTIONS)
    )
    return f"""
    <table class="confusion">
      <caption><b>{model_title(name)}</b> {_commonest_mistake(counts)}</caption>
      <thead><tr><td></td><th scope="colgroup" colspan="{len(EMOTIONS)}">predicted emotion</th></tr>
      <tr><th scope="col">true emotion</th>{head}</tr></thead>
      <tbody>{rows}</tbody>
    </table>"""


def _cell(percent: float, count: int, right: bool) -> str:
    kind = ' class="right"' if right else ""
    return f'<td{kind} style="--share: {percent:.0f}%">{percent:.0f}<small>{count}</small></td>'


def _commonest_mistake(counts: np.ndarray) -> str:
    """The largest count outside the diagonal, in words; `counts` as in `confusion_table`."""
    wrong = np.where(np.eye(len(counts), dtype=bool), 0, counts)
    if not wrong.any():
        return "makes no mistake."
    true, predicted = np.unravel_index(wrong.argmax(), wrong.shape)
    share = 100 * wrong.max() / counts[true].sum()
    return f"most often takes {EMOTIONS[true]} for {EMOTIONS[predicted]}: {share:.0f} % of the {EMOTIONS[true]} faces."


# ---- Reliability --------------------------------------------------------------------------------------------------


def uncalibrated(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities (N, 7) at temperature 1, from those at a model's temperature; a p of 0 stays 0."""
    with np.errstate(divide="ignore"):
        return to_probabilities(temperature * np.log(probabilities))


def reliability_plots(name: str, predictions: Predictions, temperature: float | None) -> str:
    """A model's reliability diagrams before and after temperature scaling.

    Args:
        name: of the model.
        predictions: on the test split.
        temperature: of the model; None if unknown, and then there is no diagram of the time before.
    """
    after = predictions.probabilities
    drawn = [] if temperature is None else [("before", uncalibrated(after, temperature))]
    plots = "".join(
        _reliability_plot(name, f"{when} temperature scaling", predictions.labels, probabilities)
        for when, probabilities in [*drawn, ("after", after)]
    )
    scaled = "" if temperature is None else f" (temperature {temperature:.2f})"
    return f'<section><h4>{model_title(name)}{scaled}</h4><div class="plots">{plots}</div></section>'


def _reliability_plot(name: str, when: str, labels: np.ndarray, probabilities: np.ndarray) -> str:
    x, y = CONFIDENCE_AXIS, ACCURACY_AXIS
    bins = [bin for bin in zip(*reliability(labels, probabilities), strict=True) if bin[0]]
    marks = line("ideal", x, y, [(0, 0), (100, 100)])
    for images, confidence, accuracy in bins:
        low, high = wilson_interval(round(images * accuracy), int(images))
        place = 100 * confidence
        marks += line("interval", x, y, [(place, 100 * low), (place, 100 * high)])
        marks += f'<circle cx="{x_at(x, place):.1f}" cy="{y_at(y, 100 * accuracy):.1f}" r="4"/>'
    error = expected_calibration_error(labels, probabilities)
    below = sum(accuracy < confidence for _, confidence, accuracy in bins)
    description = (
        f"Accuracy by confidence, {model_title(name)} {when}: ECE {100 * error:.1f} percent; accuracy is lower than "
        f"confidence in {below} of {len(bins)} groups of images"
    )
    caption = f"<figcaption>{when.capitalize()}: ECE <b>{100 * error:.1f} %</b></figcaption>"
    return f"<figure>{caption}{plot(x, y, marks, description)}</figure>"


# ---- Learning curves ----------------------------------------------------------------------------------------------


def learning_curves(histories: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Accuracy and loss of each model over its epochs. All models have the same vertical axes.

    Args:
        histories: rows of history.csv, at least one each, by model name.
    """
    everything = [row for rows in histories.values() for row in rows]
    accuracies = [100 * row[f"{split}_accuracy"] for row in everything for split in CURVES]
    losses = [row[f"{split}_loss"] for row in everything for split in CURVES]
    axes = {
        "accuracy": (round_axis("Accuracy in percent", accuracies), 100),
        "loss": (round_axis("Loss (cross-entropy)", [0, *losses]), 1),
    }
    return "".join(_model_curves(name, rows, axes) for name, rows in histories.items())


def _model_curves(name: str, rows: Sequence[Mapping[str, float]], axes: Mapping[str, tuple[Axis, int]]) -> str:
    x = round_axis("Epoch", [0, rows[-1]["epoch"]])
    ends = ", ".join(f"{text} {100 * rows[-1][f'{split}_accuracy']:.1f} %" for split, text in CURVES.items())
    plots = ""
    for quantity, (y, factor) in axes.items():
        drawing = _size_changes(rows, x)
        for split in CURVES:
            points = [(row["epoch"], factor * row[f"{split}_{quantity}"]) for row in rows]
            drawing += line(split, x, y, points)
        last = ", ".join(f"{text} {factor * rows[-1][f'{split}_{quantity}']:.3g}" for split, text in CURVES.items())
        description = f"{y.title} of {model_title(name)} over {rows[-1]['epoch']:g} epochs; at the end {last}"
        plots += f"<figure>{plot(x, y, drawing, description)}</figure>"
    return (
        f"<section><h4>{model_title(name)}</h4><p>Accuracy at the end: {ends}.</p>"
        f'<div class="plots">{plots}</div></section>'
    )


def _size_changes(rows: Sequence[Mapping[str, float]], x: Axis) -> str:
    """A vertical line, and the new size, wherever the images get larger. A row is the end of an epoch."""
    drawing, epoch, size = "", 0.0, 0.0
    for row in rows:
        if row["size"] != size:
            place = x_at(x, epoch)
            if epoch:
                drawing += f'<line class="change" x1="{place:.1f}" x2="{place:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
            drawing += f'<text x="{place + 2:.1f}" y="{TOP - 7}">{row["size"]:g} px</text>'
        epoch, size = row["epoch"], row["size"]
    return drawing
