"""Evaluates one checkpoint and writes all that a reader wants to know into its folder."""

import json
from pathlib import Path

import numpy as np

from fer_models.architectures import EmotionModel
from fer_models.data.fer2013 import FER2013
from fer_models.evaluation import figures
from fer_models.evaluation.calibration import fit_temperature, to_probabilities
from fer_models.evaluation.complexity import count_multiply_adds, count_parameters
from fer_models.evaluation.conformal import conformal_threshold, summarise_sets
from fer_models.evaluation.metrics import summarise
from fer_models.evaluation.model_card import render_model_card
from fer_models.evaluation.predictions import compute_logits
from fer_models.evaluation.results import EvaluationError, Predictions, save_predictions


def evaluate_checkpoint(model: EmotionModel, data: FER2013, output_dir: str | Path, training: dict) -> dict:
    """Runs a model over the test split, its mirror images and the validation split, once each, and writes the results.

    The validation split sets how sure the model is: the temperature, and the threshold of prediction sets. Both are put
    into the model and into config.json; they are fitted to unscaled logits, so that doing it again changes nothing.

    Writes metrics.json, test_predictions.safetensors, confusion_matrix.png, reliability.png, learning_curves.png,
    samples.png and README.md beside the checkpoint's history.csv.

    Args:
        model: as `load_model` returns it: the half-precision weights that ship, not those that were trained.
        data: FER-2013.
        output_dir: the checkpoint's folder, usually weights/<name>.
        training: how the weights came about, as it stands in config.json.

    Returns:
        The contents of metrics.json.

    Raises:
        EvaluationError: config.json or history.csv is missing, which is found out before anything is computed.
    """
    directory = Path(output_dir)
    for file in (directory / "config.json", directory / "history.csv"):
        if not file.is_file():
            raise EvaluationError(f"{file} is missing: an evaluation is written beside a checkpoint. Train it first.")
    config = json.loads((directory / "config.json").read_text())

    validation_labels = data.validation.labels.cpu().numpy()
    validation_logits = compute_logits(model, data.validation.images, progress=f"{model.name}, validation")
    test_logits = compute_logits(model, data.test.images, progress=f"{model.name}, test")
    mirrored_logits = compute_logits(model, data.test.images, flip=True, progress=f"{model.name}, test mirrored")

    model.temperature = fit_temperature(validation_logits, validation_labels)
    validation = to_probabilities(validation_logits, model.temperature)
    model.conformal_threshold = conformal_threshold(validation_labels, validation)
    config |= {"temperature": model.temperature, "conformal_threshold": model.conformal_threshold}

    predictions = Predictions(
        labels=data.test.labels.cpu().numpy().astype(np.uint8),
        leak_free=data.leak_free.cpu().numpy(),
        probabilities=to_probabilities(test_logits, model.temperature),
        mirrored=to_probabilities(mirrored_logits, model.temperature),
    )
    labels, leak_free = predictions.labels, predictions.leak_free
    uncalibrated = to_probabilities(test_logits)
    metrics = {
        "model": model.name,
        "weights_sha256": config["sha256"],
        "parameters": count_parameters(model),
        "multiply_adds": count_multiply_adds(model),
        "test": summarise(labels, predictions.probabilities),
        "test_leak_free": summarise(labels[leak_free], predictions.probabilities[leak_free]),
        "test_flip_averaged": summarise(labels, predictions.flip_averaged),
        "test_uncalibrated": summarise(labels, uncalibrated),
        "validation": summarise(validation_labels, validation),
        "conformal": summarise_sets(labels, predictions.probabilities, model.conformal_threshold),
        "training": training,
    }
    (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    save_predictions(predictions, directory, config["sha256"])
    (directory / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    card = render_model_card(config, metrics, is_variant=directory.parent.name == training["recipe"])
    (directory / "README.md").write_text(card, encoding="utf-8")

    title = f"{model.name} on {len(labels):,} test images"
    counts = np.array(metrics["test"]["confusion_matrix"])
    images = data.test.images.cpu().numpy()
    history = figures.read_history(directory / "history.csv")
    figures.save(figures.draw_confusion_matrix(counts, title), directory / "confusion_matrix.png")
    reliability = figures.draw_reliability(labels, uncalibrated, predictions.probabilities, title)
    figures.save(reliability, directory / "reliability.png")
    figures.save(figures.draw_learning_curves(history, f"{model.name} in training"), directory / "learning_curves.png")
    figures.save(figures.draw_samples(images, labels, predictions.probabilities, title), directory / "samples.png")
    return metrics
