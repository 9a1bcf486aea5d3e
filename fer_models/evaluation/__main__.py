"""Prints the table of results that README.md shows, after evaluating the checkpoints again where --data is given.

    python -m fer_models.evaluation                    # from what is stored in weights/, in a second
    python -m fer_models.evaluation --data data/fer2013

The second runs every network over the test split, its mirror images and the validation split (about an hour for the
two ResNets on two cores), fits temperatures and thresholds of prediction sets to the validation split, and rewrites
metrics, predictions, figures and model cards in weights/.

    python -m fer_models.evaluation --explanations [--data data/fer2013 --limit N]

prints how far the heat maps can be trusted instead, after measuring it on N random test faces where --data is given
(on one core about 20 s a face for ResNet-50 and 30 s with CBAM, a few seconds for the others).
"""

import argparse
import logging
from pathlib import Path

from fer_models.architectures import MODEL_NAMES
from fer_models.checkpoints import CheckpointError, load_model, read_config
from fer_models.data.fer2013 import FER2013, DataError, load_fer2013
from fer_models.evaluation.evaluate import evaluate_checkpoint
from fer_models.evaluation.explanations import DEFAULT_FACES, measure_explanations
from fer_models.evaluation.explanations_report import render_explanations
from fer_models.evaluation.explanations_store import read_explanations, save_explanations
from fer_models.evaluation.results import EvaluationError, read_result, read_variants
from fer_models.evaluation.table import render_results, replace_marked_block


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m fer_models.evaluation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", metavar="PATH", help="FER-2013; without it, stored evaluations are read")
    parser.add_argument("--models", nargs="+", choices=MODEL_NAMES, default=MODEL_NAMES, metavar="NAME")
    parser.add_argument("--weights", type=Path, default=Path("weights"), metavar="DIR", help="default: weights")
    parser.add_argument("--device", default="cpu", help="where the models run, such as cuda; default: cpu")
    parser.add_argument("--readme", type=Path, metavar="FILE", help="also put the table between this file's markers")
    parser.add_argument("--explanations", action="store_true", help="test the heat maps instead of the predictions")
    parser.add_argument(
        "--limit", type=int, default=DEFAULT_FACES, metavar="N", help="faces to test heat maps on; default: %(default)s"
    )
    options = parser.parse_args(arguments)
    if options.explanations and options.readme:
        parser.error("--readme takes the table of results, which --explanations does not make.")

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        data = load_fer2013(options.data) if options.data else None
        block = _explanations(options, data) if options.explanations else _results(options, data)
        print(block, end="")
        if options.readme:
            document = options.readme.read_text(encoding="utf-8")
            options.readme.write_text(replace_marked_block(document, block), encoding="utf-8")
    except (CheckpointError, DataError, EvaluationError) as error:
        parser.exit(1, f"{error}\n")


def _results(options: argparse.Namespace, data: FER2013 | None) -> str:
    if data:
        for name in options.models:
            model = load_model(name, options.weights, options.device)
            training = read_config(name, options.weights)["training"]
            evaluate_checkpoint(model, data, options.weights / name, training)
    results = {name: read_result(options.weights / name) for name in options.models}
    return render_results(results, read_variants(options.weights))


def _explanations(options: argparse.Namespace, data: FER2013 | None) -> str:
    if data:
        for name in options.models:
            weights_sha256 = read_config(name, options.weights)["sha256"]  # now: another may lie there at the end
            model = load_model(name, options.weights, options.device)
            save_explanations(measure_explanations(model, data, options.limit), options.weights / name, weights_sha256)
    return render_explanations({name: read_explanations(options.weights / name) for name in options.models})


if __name__ == "__main__":
    main()
