"""Finds the faces of pictures and writes a row for each, with what each model answers.

    python -m fer_models analyse photos/ --out rows.csv
    python -m fer_models analyse 'photos/**/*.jpg' archive.zip --models attn_cnn --maps maps/
    python -m fer_models analyse crops/ --whole --out rows.parquet
    python -m fer_models analyse clip.mp4 --fps 5 --out timeline.csv

The same command goes on where an earlier one ended. docs/command_line.md describes the columns.
"""

import argparse
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Generator
from contextlib import closing
from glob import has_magic
from pathlib import Path

import torch
from tqdm import tqdm

from fer_models.analysis import Picture, Row, analyse, columns, open_pictures, settings
from fer_models.analysis.row_file import RowFile, RowFileError
from fer_models.architectures import MODELS, EmotionModel, default_choice
from fer_models.checkpoints import CheckpointError, default_weights_dir, load_model
from fer_models.commands.analyse_clips import DEFAULT_FPS, analyse_clips, clips_among
from fer_models.data.source import DataError
from fer_models.explanations import METHODS

log = logging.getLogger(__name__)

# The exit code of a program that Ctrl-C ended.
INTERRUPTED = 130

# Moments per second of a clip: one in a hundred seconds, and more than cameras take.
LEAST_FPS, MOST_FPS = 0.01, 1000

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
DEFAULT_METHOD = "gradcam"
MAX_PROCESSES = 16  # by default: each takes about 300 MB


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", help="pictures, folders, zip and tar archives, clips, 'patterns'"
    )
    parser.add_argument(
        "--models", nargs="+", choices=MODELS, metavar="NAME", help="default: the student paper's, as far as there"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help=".csv, .jsonl or .parquet; default: print short lines")
    parser.add_argument(
        "--fps", type=float, metavar="N", help=f"of clips: moments to look at per second; default: {DEFAULT_FPS:g}"
    )
    parser.add_argument("--whole", action="store_true", help="each picture is one cropped face: find none in it")
    parser.add_argument("--maps", type=Path, metavar="DIR", help="also write each face's and model's heat map as PNG")
    parser.add_argument("--method", choices=METHODS, help=f"of the maps; default: {DEFAULT_METHOD}")
    parser.add_argument(
        "--weights", type=Path, default=default_weights_dir(), metavar="DIR", help="default: %(default)s"
    )
    parser.add_argument(
        "--device", default="auto", choices=("auto", "cpu", "cuda"), help="default: a GPU if there is one"
    )
    parser.add_argument(
        "--processes",
        type=int,
        default=min(max(1, CORES - 1), MAX_PROCESSES),
        metavar="N",
        help="that decode pictures and find faces beside the models; 0 for none; default: %(default)s",
    )


def run(options: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        _analyse(options)
    except (CheckpointError, DataError, RowFileError, _OptionsError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"Stopped.{' The same command goes on from here.' * bool(options.out)}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # who reads the lines has seen enough, such as head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        print(f"{error.filename or options.out} cannot be written ({error.strerror}).", file=sys.stderr)
        return 1
    return 0


class _OptionsError(ValueError):
    """Options that do not fit; the message is a sentence."""


def _analyse(options: argparse.Namespace) -> None:
    _check(options)
    if clips := clips_among(options.paths, options.fps):
        _check_clips(options, clips)
        analyse_clips(clips, _load_models(options), options.fps or DEFAULT_FPS, options.out)
        return
    with open_pictures(options.paths) as pictures:
        models = _load_models(options)
        if options.out is None:
            with closing(_rows(pictures, models, options)) as rows:
                for row in rows:
                    tqdm.write(_line(row))
            return
        run = settings(models, options.whole, options.method if options.maps else None)
        with RowFile(options.out, columns(models), run) as file:
            left = [picture for picture in pictures if picture.file not in file.done]
            if len(left) < len(pictures):
                there, total = len(pictures) - len(left), _count(len(pictures), "picture")
                log.info("%s has %d of %s already.", options.out, there, total)
            with closing(_rows(left, models, options)) as rows:
                for row in rows:
                    file.write(row)
            file.finish()


def _check(options: argparse.Namespace) -> None:
    if options.device == "cuda" and not torch.cuda.is_available():
        raise _OptionsError("PyTorch finds no GPU here: leave --device out, or install PyTorch for CUDA.")
    if options.processes < 0:
        raise _OptionsError(f"--processes is {options.processes}: give 0 or more.")
    if options.fps is not None and not LEAST_FPS <= options.fps <= MOST_FPS:
        raise _OptionsError(f"--fps is {options.fps:g}: give a number from {LEAST_FPS} to {MOST_FPS}.")
    if options.method and not options.maps:
        raise _OptionsError("--method is for maps: say with --maps where to write them.")
    options.method = options.method or DEFAULT_METHOD
    if options.maps:
        options.maps.mkdir(parents=True, exist_ok=True)


def _check_clips(options: argparse.Namespace, clips: list[str]) -> None:
    for clip in clips:
        if not Path(clip).is_file():
            raise _OptionsError(f"There is no file {clip}.")
    others = [path for path in options.paths if not has_magic(path) and path not in clips]
    if others:
        raise _OptionsError(f"{clips[0]} is a clip and {others[0]} is not: give clips or pictures, in two commands.")
    if options.whole or options.maps:
        raise _OptionsError(f"--whole and --maps are for pictures, and {clips[0]} is a clip: leave them out.")


def _load_models(options: argparse.Namespace) -> list[EmotionModel]:
    there = [name for name in MODELS if (options.weights / name).is_dir()]
    chosen = options.models or default_choice(there) or default_choice(MODELS)
    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return [load_model(name, options.weights, device) for name in MODELS if name in chosen]


def _rows(
    pictures: list[Picture], models: list[EmotionModel], options: argparse.Namespace
) -> Generator[Row, None, None]:
    """The rows, with a progress bar, and a sentence at the end."""
    counts: Counter[str] = Counter()
    start = time.perf_counter()
    rows = analyse(
        pictures,
        models,
        whole=options.whole,
        maps=options.maps,
        method=options.method,
        processes=options.processes,
    )
    with closing(rows), tqdm(total=len(pictures), unit=" pictures", file=sys.stderr, dynamic_ncols=True) as bar:
        for row in rows:
            yield row
            counts[str(row["status"])] += 1
            faces = counts["face"] + counts["whole"]
            bar.set_postfix_str(f"{faces / (time.perf_counter() - start):.1f} faces/s", refresh=False)
            if row["face"] in (None, row["faces"]):
                bar.update()
    log.info(
        "%s: %s, %s without a face, %d unreadable.",
        _count(len(pictures), "picture"),
        _count(counts["face"] + counts["whole"], "face"),
        _count(counts["no face"], "picture"),
        counts["unreadable"],
    )


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _line(row: Row) -> str:
    """A row for people: the flip-averaged answers, first of all models together."""
    if row["face"] is None:
        return f"{row['file']}: {row['status']}. {row['reason']}"
    answers = []
    for column in row:
        if column.endswith("_mirrored_answer"):
            share = row[column.replace("answer", str(row[column]))]
            answers.append(f"{column.removesuffix('_mirrored_answer')} {row[column]} {share:.0%}")
    *models, mean = answers
    return f"{row['file']}, face {row['face']} of {row['faces']}: {mean.removeprefix('mean ')} ({', '.join(models)})"
