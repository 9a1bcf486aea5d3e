"""What an evaluation leaves behind in weights/<name>/, and reading it again without running a network."""

import json
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

PREDICTIONS_FILE = "test_predictions.safetensors"


class EvaluationError(RuntimeError):
    """An evaluation is missing or does not belong to its checkpoint; the message says which and what to do."""


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
        EvaluationError: a file is missing, or comes from other weights than those that config.json names.
    """
    directory = Path(directory)
    remedy = "Evaluate the checkpoint again: python -m fer_models.evaluation --data PATH"
    for file in (directory / name for name in ("config.json", "metrics.json", PREDICTIONS_FILE)):
        if not file.is_file():
            raise EvaluationError(f"{file} is missing. {remedy}")
    config = json.loads((directory / "config.json").read_text())
    metrics = json.loads((directory / "metrics.json").read_text())
    with safe_open(directory / PREDICTIONS_FILE, framework="numpy") as file:
        predictions = Predictions(**{field.name: file.get_tensor(field.name) for field in fields(Predictions)})
        predicted_with = file.metadata()["weights_sha256"]
    if not config["sha256"] == metrics["weights_sha256"] == predicted_with:
        raise EvaluationError(f"The evaluation in {directory} is of other weights than config.json names. {remedy}")
    return Result(metrics, predictions)


def read_variants(weights_dir: str | Path) -> dict[str, Result]:
    """Reads the evaluations of weights/<recipe>/<name>/: models trained by another recipe, for comparison only.

    Returns:
        Stored evaluations by "<name>, <recipe>".

    Raises:
        EvaluationError: as `read_result`.
    """
    folders = [file.parent for file in sorted(Path(weights_dir).glob("*/*/metrics.json"))]
    return {f"{folder.name}, {folder.parent.name}": read_result(folder) for folder in folders}
