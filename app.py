"""Serves the page: python app.py prints its address. Hugging Face Spaces starts this file as well."""

import argparse
from pathlib import Path

from demo.analysis import load_models
from demo.layout import LAUNCH_OPTIONS, build_page


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Serves the page on which four models explain what they see in a face."
    )
    parser.add_argument(
        "--weights",
        type=Path,
        default=Path(__file__).parent / "weights",
        metavar="DIR",
        help="folder with one folder a model in it; default: weights, beside this file",
    )
    weights_dir = parser.parse_args().weights

    models, problems = load_models(weights_dir)
    for problem in problems:
        print(problem)
    build_page(models, problems, weights_dir).queue(max_size=32).launch(**LAUNCH_OPTIONS)


if __name__ == "__main__":
    main()
