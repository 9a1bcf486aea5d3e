"""How long one visitor waits: `python -m demo.timing` prints a table for docs/speed.md.

It times what follows the decoding of a photo and the search for faces: the answers of all models for a face and its
mirror image with their maps, the quick checks of the maps, and the HTML. Nothing else should run meanwhile.
"""

import argparse
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from demo.analysis import check_maps, explain_face, load_models
from demo.cards import render_results
from demo.example_pictures import EXAMPLES, OPENING
from demo.load_test import describe_conditions, spread
from demo.photo import read_photo
from demo.verdict import Record
from demo.view import DEFAULT_METHOD, FIRST_LAYER
from fer_models import Explanation
from fer_models.architectures import default_choice
from fer_models.checkpoints import default_weights_dir
from fer_models.evidence import QuickCheck
from fer_models.markdown import markdown_table

REPEATS = 20


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.timing", description=__doc__.split("\n")[0])
    parser.add_argument("--weights", type=Path, default=default_weights_dir(), help="the page's checkpoints")
    parser.add_argument("--at-once", type=int, default=2, help="models that run at the same time (default: 2)")
    arguments = parser.parse_args()
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // arguments.at_once))
    print(describe_conditions(arguments.weights, arguments.at_once), end="\n\n")
    print(measure(arguments.weights, arguments.at_once))


def measure(weights: Path, at_once: int, repeats: int = REPEATS) -> str:
    """The table, in Markdown: the parts of an analysis and all of it, in milliseconds."""
    loaded, _ = load_models(weights)
    models = {name: loaded[name] for name in default_choice(loaded)}
    crop = read_photo(EXAMPLES[OPENING].path).crops[0]
    record = Record(tuple((name,) for name in models))

    with ThreadPoolExecutor(at_once) as pool:

        def answer() -> list[Explanation]:
            return list(explain_face(models, crop, None, None, FIRST_LAYER, DEFAULT_METHOD, pool))

        def check() -> dict[str, QuickCheck | None]:
            return check_maps(models, crop, explanations, pool)

        def draw() -> str:
            return render_results(crop, models, explanations, record, {})

        explanations = answer()
        parts: dict[str, Callable[[], object]] = {
            "answers and maps of all models, of the face and its mirror image": answer,
            "quick checks of all maps": check,
            "HTML": draw,
        }
        seconds = {name: [_time(part) for _ in range(repeats)] for name, part in parts.items()}
    seconds["together"] = np.sum(list(seconds.values()), axis=0).tolist()
    rows = [(name, spread(1000 * np.array(taken), digits=0)) for name, taken in seconds.items()]
    return markdown_table(("", "milliseconds: quartiles"), rows)


def _time(part: Callable[[], object]) -> float:
    start = time.perf_counter()
    part()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
