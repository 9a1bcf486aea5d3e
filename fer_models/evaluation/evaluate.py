"""Evaluation of a checkpoint: calibration, metrics, plots and model card, written into its folder."""

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from fer_models.architectures import EmotionModel
from fer_models.checkpoints import (
    CONFIG_FILE,
    CONFUSION_FILE,
    CURVES_FILE,
    HISTORY_FILE,
    RELIABILITY_FILE,
    SAMPLES_FILE,
    EvaluationError,
    read_config,
    read_history,
    update_config,
)
from fer_models.data.fer2013 import FER2013
from fer_models.evaluation import plots
from fer_models.evaluation.calibration import fit_temperature
from fer_models.evaluation.conformal import conformal_threshold, summarise_sets
from fer_models.evaluation.metrics import summarise
from fer_models.evaluation.mirror import mirror_test
from fer_models.evaluation.model_card import write_model_card
from fer_models.evaluation.results import Evaluation, Predictions, save_evaluation
from fer_models.inference.complexity import count_multiply_adds, count_parameters
from fer_models.inference.logits import compute_logits
from fer_models.inference.probabilities import to_probabilities


def evaluate_checkpoint(model: EmotionModel, data: FER2013, output_dir: str | Path) -> dict[str, Any]:
    """Runs a model over the validation and the test split and their mirror images, and writes the results.

    Temperatures and thresholds of prediction sets, for one view and for the mean over a face and its mirror image, are
    fitted to the validation split, and stored in the model and in config.json. Evaluating again gives the same values,
    because temperatures are fitted to unscaled logits.

    Writes metrics.json, predictions.safetensors, confusion_matrix.png, reliability.png, learning_curves.png,
    samples.png and README.md beside the checkpoint's history.csv.

    Args:
        model: as returned by `load_model`, with the stored half-precision weights instead of those in training.
        data: FER-2013.
        output_dir: the checkpoint's folder, usually weights/<name>.

    Returns:
        The contents of metrics.json.

    Raises:
        EvaluationError: config.json or history.csv is missing. Checked before anything is computed.
    """
    directory = Path(output_dir)
    history = read_history(directory)
    if not (history and (directory / CONFIG_FILE).is_file()):
        raise EvaluationError(
            f"{directory} lacks {CONFIG_FILE} or {HISTORY_FILE}, which training writes: train the model first."
        )
    training = read_config(directory)["training"]

    validation_labels = data.validation.labels.cpu().numpy().astype(np.uint8)
    validation_logits = _both_views(model, data.validation.images, "validation")
    test_logits = _both_views(model, data.test.images, "test")

    model.temperature = fit_temperature(validation_logits[0], validation_labels)
    model.mirrored_temperature = fit_temperature(validation_logits, validation_labels)
    validation = to_probabilities(validation_logits[0], model.temperature)
    validation_views = to_probabilities(validation_logits, model.mirrored_temperature)
    model.conformal_threshold = conformal_threshold(validation_labels, validation)
    model.mirrored_threshold = conformal_threshold(validation_labels, validation_views.mean(axis=0))
    calibration = ("temperature", "conformal_threshold", "mirrored_temperature", "mirrored_threshold")
    config = update_config(directory, **{name: getattr(model, name) for name in calibration})

    predictions = Predictions(
        labels=data.test.labels.cpu().numpy().astype(np.uint8),
        leak_free=data.leak_free.cpu().numpy(),
        probabilities=to_probabilities(test_logits[0], model.temperature),
        views=to_probabilities(test_logits, model.mirrored_temperature),
        validation_labels=validation_labels,
        validation_views=validation_views,
    )
    labels, leak_free = predictions.labels, predictions.leak_free
    uncalibrated = to_probabilities(test_logits[0])
    metrics = {
        "model": model.name,
        "parameters": count_parameters(model),
        "multiply_adds": count_multiply_adds(model),
        "test": summarise(labels, predictions.probabilities),
        "test_leak_free": summarise(labels[leak_free], predictions.probabilities[leak_free]),
        "test_flip_averaged": summarise(labels, predictions.flip_averaged),
        "test_uncalibrated": summarise(labels, uncalibrated),
        "validation": summarise(validation_labels, validation),
        "conformal": summarise_sets(labels, predictions.probabilities, model.conformal_threshold),
        "conformal_flip_averaged": summarise_sets(labels, predictions.flip_averaged, model.mirrored_threshold),
        "mirror_test": mirror_test(labels, predictions.views),
        "training": training,
    }
    save_evaluation(Evaluation(metrics, predictions), directory, config["sha256"])
    write_model_card(directory, metrics)

    title = f"{model.name} on {len(labels):,} test images"
    counts = np.array(metrics["test"]["confusion_matrix"])
    images = data.test.images.cpu().numpy()
    plots.save(plots.draw_confusion_matrix(counts, title), directory / CONFUSION_FILE)
    reliability = plots.draw_reliability(labels, uncalibrated, predictions.probabilities, title)
    plots.save(reliability, directory / RELIABILITY_FILE)
    plots.save(plots.draw_learning_curves(history, f"{model.name} in training"), directory / CURVES_FILE)
    plots.save(plots.draw_samples(images, labels, predictions.probabilities, title), directory / SAMPLES_FILE)
    return metrics


def _both_views(model: EmotionModel, images: Tensor, split: str) -> np.ndarray:
    """Logits (2, N, 7) of the faces as they are and of their mirror images."""
    views = {False: split, True: f"{split} mirrored"}
    return np.stack(
        [compute_logits(model, images, flip=flip, progress=f"{model.name}, {name}") for flip, name in views.items()]
    )
