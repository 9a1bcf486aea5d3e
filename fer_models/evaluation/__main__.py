"""Prints the tables of results, after evaluating the checkpoints if --data is given.

    python -m fer_models.evaluation                    # from the evaluations stored in weights/, in a second
    python -m fer_models.evaluation --data data/fer2013
    python -m fer_models.evaluation --write            # also into README.md, docs/results.md and the model cards

With --data, every network runs over the test split, its mirror images and the validation split (about an hour for the
two ResNets on two cores). Temperatures and thresholds of prediction sets are fitted to the validation split, and
metrics, predictions, plots and model cards in weights/ are rewritten.

    python -m fer_models.evaluation --explanations [--data data/fer2013 --limit N]

prints the heat-map study instead. With --data, it is measured first, on N random test faces: on one core about a minute
per face for ResNet-50, nearly two with CBAM, and up to seven seconds for the other models. With a GPU (--device cuda),
a hundred faces take less than two minutes.
"""

import argparse
import logging
from pathlib import Path

from fer_models.architectures import MODELS
from fer_models.checkpoints import CheckpointError, EvaluationError, default_weights_dir, load_model, read_config
from fer_models.data.fer2013 import FER2013, DataError, load_fer2013
from fer_models.evaluation.evaluate import evaluate_checkpoint
from fer_models.evaluation.model_card import write_model_card
from fer_models.evaluation.results import read_evaluation, read_variants
from fer_models.evaluation.seeds import read_seeds
from fer_models.evaluation.table import render_summary, render_tables, replace_marked_block
from fer_models.heatmap_study.measure import DEFAULT_FACES, measure_explanations
from fer_models.heatmap_study.report import render_explanations
from fer_models.heatmap_study.store import read_explanations, save_explanations

README, RESULTS = Path("README.md"), Path("docs/results.md")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m fer_models.evaluation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", metavar="PATH", help="path to FER-2013; without it, stored evaluations are read")
    parser.add_argument("--models", nargs="+", choices=MODELS, metavar="NAME", help="default: all in DIR")
    parser.add_argument(
        "--weights", type=Path, default=default_weights_dir(), metavar="DIR", help="default: %(default)s"
    )
    parser.add_argument("--device", default="cpu", help="device for the models, such as cuda; default: %(default)s")
    parser.add_argument(
        "--write",
        action="store_true",
        help="also write the tables into README.md and docs/results.md in the current folder, and all model cards",
    )
    parser.add_argument("--explanations", action="store_true", help="evaluate the heat maps instead of the predictions")
    parser.add_argument(
        "--limit",
        type=int,
        default=DEFAULT_FACES,
        metavar="N",
        help="number of faces for the heat maps; default: %(default)s",
    )
    options = parser.parse_args(arguments)
    if options.explanations and options.write:
        parser.error("--write needs the tables of results, which --explanations does not print: leave one of them out.")

    if options.models is None:
        there = [name for name in MODELS if (options.weights / name).is_dir()]
        options.models = there or list(MODELS)

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        data = load_fer2013(options.data) if options.data else None
        print(_explanations(options, data) if options.explanations else _results(options, data), end="")
    except (CheckpointError, DataError, EvaluationError) as error:
        parser.exit(1, f"{error}\n")


def _results(options: argparse.Namespace, data: FER2013 | None) -> str:
    if data:
        for name in options.models:
            model = load_model(name, options.weights, options.device)
            evaluate_checkpoint(model, data, options.weights / name)
    evaluations = {name: read_evaluation(options.weights / name) for name in options.models}
    variants = read_variants(options.weights)
    tables = render_tables(evaluations, variants, read_seeds(options.weights))
    if options.write:
        for file, block in ((README, render_summary(evaluations)), (RESULTS, tables)):
            file.write_text(replace_marked_block(file.read_text(encoding="utf-8"), block), encoding="utf-8")
        for name, evaluation in evaluations.items():
            write_model_card(options.weights / name, evaluation.metrics)
        for variant, evaluation in variants.items():
            write_model_card(options.weights / variant.recipe / variant.name, evaluation.metrics)
    return tables


def _explanations(options: argparse.Namespace, data: FER2013 | None) -> str:
    if data:
        for name in options.models:
            # Read before measuring, because a training may replace the weights meanwhile.
            weights_sha256 = read_config(options.weights / name)["sha256"]
            model = load_model(name, options.weights, options.device)
            save_explanations(measure_explanations(model, data, options.limit), options.weights / name, weights_sha256)
    return render_explanations({name: read_explanations(options.weights / name) for name in options.models})


if __name__ == "__main__":
    main()
