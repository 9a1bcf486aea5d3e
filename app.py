"""Serves the page: python app.py prints its address. Hugging Face Spaces starts this file as well."""

import argparse
from pathlib import Path

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
    weights_dir = parser.parse_args().weights

    models, problems = load_models(weights_dir)
    for problem in problems:
        print(problem)
    build_page(models, problems, weights_dir).queue(max_size=100).launch(**LAUNCH_OPTIONS)


if __name__ == "__main__":
    main()
