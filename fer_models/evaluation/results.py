"""What an evaluation leaves behind in weights/<name>/, and reading it again without running a network."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

PREDICTIONS_FILE = "test_predictions.safetensors"


class EvaluationError(RuntimeError):
    """An evaluation is missing, damaged or of another checkpoint; the message says which and what to do."""


@dataclass(frozen=True)
class Predictions:
    """One model on the N images of the test split, in the order of the data set.

    Attributes:
        labels: uint8 (N,), indices into EMOTIONS.
        leak_free: bool (N,), the image has no identical copy in the training or validation split.
        probabilities: float32 (N, 7), of the faces as they are.
        mirrored: float32 (N, 7), of the faces mirrored left to right.
    """

    labels: np.ndarray
    leak_free: np.ndarray
    probabilities: np.ndarray
    mirrored: np.ndarray

    @property
    def accuracy(self) -> float:
        """How often the most probable emotion is the label, in [0, 1]."""
        return float((self.probabilities.argmax(axis=1) == self.labels).mean())

    @property
    def flip_averaged(self) -> np.ndarray:
        """float32 (N, 7), the mean over a face and its mirror image."""
        return (self.probabilities + self.mirrored) / 2


@dataclass(frozen=True)
class Result:
    """A stored evaluation: metrics.json and the predictions that it was computed from."""

    metrics: dict
    predictions: Predictions


def save_predictions(predictions: Predictions, directory: Path, weights_sha256: str) -> None:
    """Writes test_predictions.safetensors, marked with the checkpoint that it belongs to."""
    save_file(vars(predictions), directory / PREDICTIONS_FILE, metadata={"weights_sha256": weights_sha256})


def read_result(directory: str | Path) -> Result:
    """Reads a stored evaluation, and makes sure that it is of the checkpoint that lies beside it.

    Raises:
        EvaluationError: as `read_measured`.
    """
    remedy = "Evaluate the checkpoint again: python -m fer_models.evaluation --data PATH"
    metrics, predictions = read_measured(Path(directory), "metrics.json", PREDICTIONS_FILE, remedy)
    return Result(metrics, Predictions(**predictions))


def read_measured(directory: Path, figures: str, arrays: str, remedy: str) -> tuple[dict, dict[str, np.ndarray]]:
    """Two files that were made together from a checkpoint: figures as JSON, and the arrays behind them.

    Args:
        directory: the checkpoint's folder.
        figures, arrays: names of the JSON and of the safetensors file.
        remedy: what to do if they cannot be used.

    Raises:
        EvaluationError: a file is missing or damaged, or comes from other weights than those that config.json names.
    """
    for file in (directory / name for name in ("config.json", figures, arrays)):
        if not file.is_file():
            raise EvaluationError(f"{file} is missing. {remedy}")
    try:
        config, measured = (json.loads((directory / name).read_text()) for name in ("config.json", figures))
        with safe_open(directory / arrays, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, a file is no mapping
            computed_with = file.metadata()["weights_sha256"]
        weights = config["sha256"], measured["weights_sha256"], computed_with
    except (KeyError, SafetensorError, TypeError, ValueError) as error:
        raise EvaluationError(f"{figures} or {arrays} in {directory} is damaged ({error}). {remedy}") from error
    if len(set(weights)) > 1:
        raise EvaluationError(f"{figures} or {arrays} in {directory} is of other weights than config.json. {remedy}")
    return measured, tensors


def mean_predictions(results: Sequence[Result]) -> Predictions:
    """What the models say together: the mean of their calibrated answers.

    Raises:
        EvaluationError: as `check_same_images`.
    """
    check_same_images(results)
    first = results[0].predictions
    views = ("probabilities", "mirrored")
    means = {view: np.mean([getattr(result.predictions, view) for result in results], axis=0) for view in views}
    return Predictions(first.labels, first.leak_free, **means)


def check_same_images(results: Sequence[Result]) -> None:
    """Raises an EvaluationError if the results are not of the same test images in the same order."""
    labels = [result.predictions.labels for result in results]
    if not all(np.array_equal(labels[0], other) for other in labels):
        raise EvaluationError(
            "The models were evaluated on different test images, or in another order, and cannot be compared. Evaluate "
            "them again together: python -m fer_models.evaluation --data PATH"
        )


def read_variants(weights_dir: str | Path) -> dict[str, Result]:
    """Reads the evaluations of weights/<recipe>/<name>/: models trained by another recipe, for comparison only.

    Returns:
        Stored evaluations by "<name>, <recipe>".

    Raises:
        EvaluationError: as `read_result`.
    """
    folders = [file.parent for file in sorted(Path(weights_dir).glob("*/*/metrics.json"))]
    return {f"{folder.name}, {folder.parent.name}": read_result(folder) for folder in folders}
