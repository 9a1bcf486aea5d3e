"""Stored evaluations: writing and reading metrics and predictions in weights/<name>/."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fer_models.architectures import default_choice
from fer_models.checkpoints import METRICS_FILE, PREDICTIONS_FILE, EvaluationError, read_measured, write_measured


@dataclass(frozen=True)
class Predictions:
    """One model's predictions for the N images of the test split, in the order of the data set.

    Attributes:
        labels: uint8 (N,), indices into EMOTIONS.
        leak_free: bool (N,), whether the image has no identical copy in the training or validation split.
        probabilities: float32 (N, 7), for the faces as they are, with the temperature of a single view.
        views: float32 (2, N, 7), for the faces as they are and mirrored, with the temperature of the mean of both.
        validation_labels, validation_views: the same for the V images of the validation split, from which thresholds
            for several models together can be fitted; empty where they were not stored.
    """

    labels: np.ndarray
    leak_free: np.ndarray
    probabilities: np.ndarray
    views: np.ndarray
    validation_labels: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint8))
    validation_views: np.ndarray = field(default_factory=lambda: np.empty((2, 0, 7), np.float32))

    @property
    def accuracy(self) -> float:
        """The share of images whose most probable emotion is the label, in [0, 1]."""
        return float((self.probabilities.argmax(axis=1) == self.labels).mean())

    @property
    def flip_averaged(self) -> np.ndarray:
        """float32 (N, 7), the mean over each face and its mirror image, as `predict` returns it with `mirrored`."""
        return self.views.mean(axis=0)


@dataclass(frozen=True)
class Evaluation:
    """A stored evaluation: metrics.json and the predictions behind it."""

    metrics: dict[str, Any]
    predictions: Predictions


@dataclass(frozen=True, order=True)
class Variant:
    """A model in weights/<recipe>/<name>/, trained by another recipe than the shipped model of its name."""

    name: str
    recipe: str

    def __str__(self) -> str:
        return f"{self.name}, {self.recipe}"


def save_evaluation(evaluation: Evaluation, directory: str | Path, weights_sha256: str) -> None:
    """Writes metrics.json and the predictions, marked with the SHA-256 of the weights."""
    arrays = vars(evaluation.predictions)
    write_measured(directory, METRICS_FILE, evaluation.metrics, PREDICTIONS_FILE, arrays, weights_sha256)


def read_evaluation(directory: str | Path) -> Evaluation:
    """Reads a stored evaluation, and checks that it belongs to the checkpoint in the same folder.

    Raises:
        EvaluationError: as `read_measured`.
    """
    remedy = "Evaluate the checkpoint again: python -m fer_models.evaluation --data PATH"
    metrics, predictions = read_measured(directory, METRICS_FILE, PREDICTIONS_FILE, remedy)
    return Evaluation(metrics, Predictions(**predictions))


def averaged(results: Mapping[str, Evaluation]) -> list[Evaluation]:
    """The models whose mean is shown beside them: those of the student paper, or all if fewer than two of these exist.

    Args:
        results: stored evaluations by model name.
    """
    of_the_paper = [results[name] for name in default_choice(results)]
    return of_the_paper if len(of_the_paper) > 1 else list(results.values())


def mean_predictions(results: Sequence[Evaluation]) -> Predictions:
    """The mean of the models' calibrated probabilities.

    Raises:
        EvaluationError: as `check_same_images`.
    """
    check_same_images(results)
    first = results[0].predictions
    means = {
        name: np.mean([getattr(result.predictions, name) for result in results], axis=0)
        for name in ("probabilities", "views")
    }
    return Predictions(first.labels, first.leak_free, **means)


def check_same_images(results: Sequence[Evaluation]) -> None:
    """Raises an EvaluationError unless all results are for the same test images in the same order."""
    labels = [result.predictions.labels for result in results]
    if not all(np.array_equal(labels[0], other) for other in labels):
        raise EvaluationError(
            "The models were evaluated on different test images, or in a different order. Evaluate them again "
            "together: python -m fer_models.evaluation --data PATH"
        )


def read_variants(weights_dir: str | Path) -> dict[Variant, Evaluation]:
    """Reads the evaluations in weights/<recipe>/<name>/, of models trained by other recipes for comparison.

    Raises:
        EvaluationError: as `read_evaluation`.
    """
    folders = [file.parent for file in sorted(Path(weights_dir).glob(f"*/*/{METRICS_FILE}"))]
    return {Variant(folder.name, folder.parent.name): read_evaluation(folder) for folder in folders}
