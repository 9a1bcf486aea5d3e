"""Plots of an evaluation: confusion matrix, reliability diagram, learning curves and sample predictions.

Drawn on a Figure of their own, because a library should not change the global state of pyplot. The colours (Okabe and
Ito 2008; the colour map cividis, Nuñez et al. 2018) are safe for colour-blind readers.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from fer_models.emotions import EMOTIONS
from fer_models.evaluation.calibration import BINS, expected_calibration_error, reliability

TRAINING_COLOUR = "#0072B2"
VALIDATION_COLOUR = "#D55E00"
GREY = "#666666"
STYLE: dict[Any, Any] = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10}
DPI = 130


def save(figure: Figure, file: Path) -> None:
    """Writes a PNG for display at a width of about 700 pixels."""
    figure.savefig(file, dpi=DPI)


@matplotlib.rc_context(STYLE)
def draw_confusion_matrix(counts: np.ndarray, title: str) -> Figure:
    """A confusion matrix with row percentages, and the number of images below each.

    Args:
        counts: integers (7, 7), rows are the true emotions.
        title: what was evaluated.
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(6.4, 6), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="cividis", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        share = shares[row, column]
        colour = "black" if share > 0.5 else "white"
        axes.text(column, row - 0.1, f"{share:.0%}", ha="center", va="center", color=colour, size=10)
        axes.text(column, row + 0.25, f"{counts[row, column]}", ha="center", va="center", color=colour, size=7)
    axes.set(title=title, xlabel="predicted emotion", ylabel="true emotion")
    axes.set_xticks(range(len(EMOTIONS)), EMOTIONS)
    axes.set_yticks(range(len(EMOTIONS)), EMOTIONS)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


@matplotlib.rc_context(STYLE)
def draw_reliability(labels: np.ndarray, uncalibrated: np.ndarray, calibrated: np.ndarray, title: str) -> Figure:
    """Reliability diagrams without and with temperature scaling, above histograms of the confidence.

    Args:
        labels: integers (N,), indices into EMOTIONS.
        uncalibrated: probabilities (N, 7) at temperature 1.
        calibrated: the same at the model's temperature.
        title: what was evaluated.
    """
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    grid = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=(3, 1))
    for (above, below), name, probabilities in zip(
        grid.T, ("before temperature scaling", "after temperature scaling"), (uncalibrated, calibrated), strict=True
    ):
        counts, confidence, accuracy = reliability(labels, probabilities)
        middles = (np.arange(BINS) + 0.5) / BINS
        above.bar(middles, accuracy, 0.94 / BINS, color=TRAINING_COLOUR, label="accuracy")
        filled = counts > 0
        above.plot(confidence[filled], confidence[filled], "o", color=VALIDATION_COLOUR, label="mean confidence")
        above.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":")
        above.set_title(f"{name}: ECE {expected_calibration_error(labels, probabilities):.1%}")
        below.bar(middles, counts, 0.94 / BINS, color=GREY)
        below.set(xlim=(0, 1), xlabel="confidence: probability of the predicted emotion")
        below.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    grid[0, 0].set(ylim=(0, 1), ylabel="accuracy")
    grid[0, 0].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    grid[0, 0].legend(frameon=False, loc="upper left")
    grid[1, 0].set_ylabel("images")
    figure.suptitle(title, size=10)
    return figure


@matplotlib.rc_context(STYLE)
def draw_learning_curves(rows: Sequence[Mapping[str, float]], title: str) -> Figure:
    """Accuracy and loss over the epochs, with a line at each change of the image size.

    Args:
        rows: of history.csv, as returned by `read_history`; at least one.
        title: what was trained.
    """
    history = {column: np.array([row[column] for row in rows], dtype=float) for column in rows[0]}
    figure = Figure(figsize=(7, 5.6), layout="constrained")
    accuracy_axes, loss_axes = figure.subplots(2, sharex=True)
    _draw_curves(accuracy_axes, history, "accuracy")
    _draw_curves(loss_axes, history, "loss")
    above = {"transform": accuracy_axes.get_xaxis_transform(), "rotation": 30, "rotation_mode": "anchor"}
    for start, size in _stage_starts(history):
        accuracy_axes.text(start, 1.01, f"{size:.0f} px", color=GREY, size=8, **above)
    accuracy_axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    accuracy_axes.legend(frameon=False, loc="lower right")
    loss_axes.set_xlim(0, 1.02 * history["epoch"][-1])
    loss_axes.set_xlabel("epoch")
    figure.suptitle(title, size=10)
    return figure


def _draw_curves(axes: Axes, history: dict[str, np.ndarray], quantity: str) -> None:
    for split, name, colour in (
        ("train", "training (augmented)", TRAINING_COLOUR),
        ("validation", "validation", VALIDATION_COLOUR),
    ):
        axes.plot(history["epoch"], history[f"{split}_{quantity}"], color=colour, marker=".", markersize=4, label=name)
    for start, _ in _stage_starts(history)[1:]:
        axes.axvline(start, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_ylabel(quantity)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)


def _stage_starts(history: dict[str, np.ndarray]) -> list[tuple[float, float]]:
    """(epochs completed, image size) at each change of the image size. A row of the history is the end of an epoch."""
    begun = np.concatenate([[0], history["epoch"][:-1]])
    changed = np.diff(history["size"], prepend=0) != 0
    return list(zip(begun[changed], history["size"][changed], strict=True))


@matplotlib.rc_context(STYLE)
def draw_samples(images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray, title: str) -> Figure:
    """For each true emotion, the most confident right and wrong predictions and the most ambiguous one.

    Args:
        images: uint8 (N, 48, 48).
        labels: integers (N,), indices into EMOTIONS.
        probabilities: floats (N, 7).
        title: what was evaluated.
    """
    second, first = np.sort(probabilities, axis=1)[:, -2:].T
    right = probabilities.argmax(axis=1) == labels
    # Each row shows the faces with the highest scores.
    rows = {
        "confidently\nright": np.where(right, first, -np.inf),
        "confidently\nwrong": np.where(right, -np.inf, first),
        "ambiguous": second - first,
    }
    figure = Figure(figsize=(7.6, 4.6), layout="constrained")
    grid = figure.subplots(len(rows), len(EMOTIONS))
    for axes_row, (name, scores) in zip(grid, rows.items(), strict=True):
        axes_row[0].set_ylabel(name, rotation=0, ha="right", va="center")
        for emotion, axes in enumerate(axes_row):
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            candidates = np.where(labels == emotion, scores, -np.inf)
            chosen = candidates.argmax()
            if candidates[chosen] == -np.inf:
                axes.text(0.5, 0.5, "none", ha="center", va="center", color=GREY, transform=axes.transAxes)
                continue
            axes.imshow(images[chosen], cmap="gray", vmin=0, vmax=255)
            guesses = probabilities[chosen].argsort()[::-1][: 2 if name == "ambiguous" else 1]
            axes.set_xlabel(
                "\n".join(f"{EMOTIONS[guess]} {probabilities[chosen, guess]:.0%}" for guess in guesses), size=8
            )
    for name, axes in zip(EMOTIONS, grid[0], strict=True):
        axes.set_title(name, weight="bold", size=9)
    figure.suptitle(f"{title}\ncolumns: true emotion; below each face: the model's prediction", size=9)
    return figure
