"""Serves the page: python app.py prints its address. Hugging Face Spaces starts this file as well."""

import argparse
from pathlib import Path

import torch

from demo.analysis import load_models
from demo.layout import LAUNCH_OPTIONS, build_page
from fer_models.checkpoints import default_weights_dir


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Serves the page that shows what facial-emotion models make of a face, and where they look."
    )
    parser.add_argument(
        "--weights",
        type=Path,
        default=default_weights_dir(),
        metavar="DIR",
        help="folder with one folder per model; default: weights, beside this file, or $FER_LENS_WEIGHTS",
    )
    parser.add_argument(
        "--at-once",
        type=int,
        default=2,
        metavar="N",
        help="how many visitors' analyses run at the same time and share the cores; default: 2",
    )
    arguments = parser.parse_args()
    if arguments.at_once < 1:
        parser.error("--at-once must be 1 or more.")
    weights_dir = arguments.weights

    # The cores are better shared by visitors than by the threads of one network.
    torch.set_num_threads(max(1, torch.get_num_threads() // arguments.at_once))
    models, problems = load_models(weights_dir)
    for problem in problems:
        print(problem)
    build_page(models, problems, weights_dir, arguments.at_once).queue(max_size=100).launch(**LAUNCH_OPTIONS)


if __name__ == "__main__":
    main()
