"""Serves the page: python app.py prints its address. Hugging Face Spaces starts this file as well."""

import argparse
from importlib.util import find_spec
from pathlib import Path


def main() -> None:
    arguments = read_arguments()
    report("Loading PyTorch and Gradio ...")
    # Imported here, because it takes many seconds: the terminal says so first, and --help answers at once.
    import torch

    from demo.analysis import load_models
    from demo.layout import LAUNCH_OPTIONS, build_page
    from fer_models.checkpoints import default_weights_dir

    weights_dir = arguments.weights or default_weights_dir()
    # The cores are better shared by models than by the threads of one network.
    torch.set_num_threads(max(1, torch.get_num_threads() // arguments.at_once))
    models, problems = load_models(weights_dir, report)
    for problem in problems:
        print(problem)
    page = build_page(models, problems, weights_dir, arguments.at_once, report)
    # Nobody skips the queue, neither the page's visitors nor programs.
    page.queue(max_size=100, api_open=False).launch(**LAUNCH_OPTIONS, mcp_server=arguments.mcp or None)


def report(line: str) -> None:
    print(line, flush=True)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Serves the page that shows what facial-emotion models make of a face, and where they look."
    )
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="DIR",
        help="folder with one folder per model; default: weights, beside this file, or $FER_LENS_WEIGHTS",
    )
    parser.add_argument(
        "--at-once",
        type=int,
        default=2,
        metavar="N",
        help="how many models run at the same time and share the cores; default: 2",
    )
    parser.add_argument(
        "--mcp",
        action="store_true",
        help="offer the API's two functions as tools to MCP clients as well; needs: pip install 'gradio[mcp]'",
    )
    arguments = parser.parse_args()
    if arguments.mcp and find_spec("mcp") is None:
        parser.error("--mcp needs a package that is not installed: pip install 'gradio[mcp]'")
    if arguments.at_once < 1:
        parser.error("--at-once must be 1 or more.")
    return arguments


if __name__ == "__main__":
    main()
