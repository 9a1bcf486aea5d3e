"""Uploads a model to the Hugging Face Hub, where load_model("OWNER/NAME") finds it."""

import argparse
import sys
from pathlib import Path

from fer_models.architectures import MODEL_NAMES
from fer_models.checkpoints import (
    CARD_FILE,
    CONFIG_FILE,
    CONFUSION_FILE,
    CURVES_FILE,
    RELIABILITY_FILE,
    WEIGHTS_FILE,
    CheckpointError,
    EvaluationError,
    default_weights_dir,
    load_model,
    read_config,
)
from fer_models.hub import MISSING_PACKAGE, HubError, check_name, upload

# samples.png stays here: it shows FER-2013's faces, which this project may not hand on.
FIGURES = (CURVES_FILE, CONFUSION_FILE, RELIABILITY_FILE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, choices=MODEL_NAMES, help="the model to upload")
    parser.add_argument("--to", required=True, metavar="OWNER/NAME", help="the repository, created if there is none")
    parser.add_argument("--weights", type=Path, metavar="DIR", help="folder with a folder per model; default: weights")
    parser.add_argument("--private", action="store_true", help="if the repository is created, only its owner sees it")
    parser.add_argument("--dry-run", action="store_true", help="list the files and their sizes, and upload nothing")


def run(options: argparse.Namespace) -> int:
    try:
        check_name(options.to)
        files = files_to_push(options.weights or default_weights_dir(), options.model, options.to)
        for name, content in files.items():
            print(f"{len(content):12,} bytes  {name}")
        print(f"{sum(map(len, files.values())):12,} bytes  in {len(files)} files")
        if options.dry_run:
            print("A dry run: nothing was uploaded.")
        else:
            print(upload(options.to, files, options.private, f"{options.model} of FER Lens"))
        return 0
    except (CheckpointError, EvaluationError, HubError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1


def files_to_push(weights_dir: Path, name: str, repository: str) -> dict[str, bytes]:
    """The files of a checkpoint that belong on the Hub, by their names there: weights, config, card and figures.

    Args:
        weights_dir: folder with one folder per model.
        name: one of MODEL_NAMES.
        repository: OWNER/NAME, which the card tells readers to load.

    Raises:
        CheckpointError: the checkpoint cannot be loaded, or a figure is missing.
        EvaluationError: it was not evaluated, so there are no figures for a card.
        HubError: the package that writes cards is not installed.
    """
    try:
        from fer_models.evaluation.model_card import is_variant_folder, render_model_card
        from fer_models.evaluation.results import read_evaluation
    except ImportError as error:
        raise HubError(MISSING_PACKAGE) from error

    load_model(name, weights_dir)  # what cannot be loaded here cannot be loaded from the Hub either
    directory = weights_dir / name
    metrics = read_evaluation(directory).metrics
    card = render_model_card(read_config(directory), metrics, is_variant_folder(directory, metrics), repository)
    missing = [figure for figure in FIGURES if not (directory / figure).is_file()]
    if missing:
        raise CheckpointError(
            f"{directory} has no {', '.join(missing)}, which the model card shows. Evaluate the checkpoint again: "
            f"python -m fer_models.evaluation --data PATH --models {name} --weights {weights_dir}"
        )
    files = {file: (directory / file).read_bytes() for file in (WEIGHTS_FILE, CONFIG_FILE, *FIGURES)}
    return files | {CARD_FILE: card.encode()}
