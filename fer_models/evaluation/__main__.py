"""Prints the table of results that README.md shows, after evaluating the checkpoints again where --data is given.

    python -m fer_models.evaluation                    # from what is stored in weights/, in a second
    python -m fer_models.evaluation --data data/fer2013

The second runs every network over the test split, its mirror images and the validation split (about an hour for the
two ResNets on two cores), fits temperatures and thresholds of prediction sets to the validation split, and rewrites
metrics, predictions, figures and model cards in weights/.
"""

import argparse
import logging
from pathlib import Path

from fer_models.architectures import MODEL_NAMES
from fer_models.checkpoints import CheckpointError, load_model, read_config
from fer_models.data.fer2013 import DataError, load_fer2013
from fer_models.evaluation.evaluate import evaluate_checkpoint
from fer_models.evaluation.results import EvaluationError, read_result
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
    options = parser.parse_args(arguments)

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        if options.data:
            data = load_fer2013(options.data)
            for name in options.models:
                model = load_model(name, options.weights, options.device)
                training = read_config(name, options.weights)["training"]
                evaluate_checkpoint(model, data, options.weights / name, training)
        block = render_results({name: read_result(options.weights / name) for name in options.models})
        print(block, end="")
        if options.readme:
            document = options.readme.read_text(encoding="utf-8")
            options.readme.write_text(replace_marked_block(document, block), encoding="utf-8")
    except (CheckpointError, DataError, EvaluationError) as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
