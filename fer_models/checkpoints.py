"""Checkpoints: the files of a folder weights/<model>/, and functions that write and read them.

A folder holds the weights in half precision (model.safetensors) and their config.json. Training adds history.csv; an
evaluation adds metrics.json, its predictions, plots and the model card; the heat-map study adds explanations.json and
its maps. Measurements are stored with the SHA-256 of the measured weights.
"""

import csv
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as save_arrays
from safetensors.torch import load, save
from torch import nn

from fer_models.architectures import MODEL_NAMES, EmotionModel, create_model, model_class
from fer_models.emotions import EMOTIONS
from fer_models.hub import HubError, fetch
from fer_models.inference import unwrapped

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
HISTORY_FILE = "history.csv"
METRICS_FILE = "metrics.json"
PREDICTIONS_FILE = "predictions.safetensors"
EXPLANATIONS_FILE = "explanations.json"
EXPLANATION_MAPS_FILE = "explanation_maps.safetensors"
CARD_FILE = "README.md"
CONFUSION_FILE = "confusion_matrix.png"
RELIABILITY_FILE = "reliability.png"
CURVES_FILE = "learning_curves.png"
SAMPLES_FILE = "samples.png"

REQUIRED_KEYS = {"name", "architecture", "sha256", "temperature", "conformal_threshold"}
WEIGHTS_VARIABLE = "FER_LENS_WEIGHTS"


class CheckpointError(ValueError):
    """A checkpoint is missing, unreadable, damaged or of another model; the message names the file and a remedy."""


class EvaluationError(RuntimeError):
    """Stored measurements are missing, unreadable, damaged or of other weights; the message names file and remedy."""


def default_weights_dir() -> Path:
    """Returns the folder of the checkpoints, independent of the current folder.

    It is $FER_LENS_WEIGHTS if set. Otherwise it is the folder of the two small networks in an installed package, or
    weights/ in a checkout.
    """
    if os.environ.get(WEIGHTS_VARIABLE):
        return Path(os.environ[WEIGHTS_VARIABLE])
    package = Path(__file__).parent
    packaged = package / "weights"
    return packaged if packaged.is_dir() else package.parent / "weights"


# ---- Weights and configuration ------------------------------------------------------------------------------------


def save_checkpoint(model: nn.Module, directory: str | Path, training: dict) -> None:
    """Writes `model.safetensors` (floating point tensors as float16) and `config.json`.

    Args:
        model: as in `predict`; its weights, architecture, temperature and threshold are stored.
        directory: created if needed; usually weights/<name>.
        training: how the weights were trained (command, recipe, seed, versions, ...), JSON-serialisable.
    """
    model, directory = unwrapped(model), Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous().cpu()
        for name, tensor in model.state_dict().items()
    }
    content = save(tensors, metadata={"format": "pt"})
    _write(directory / WEIGHTS_FILE, content)
    config = {
        "name": model.name,
        "architecture": model.config,
        "emotions": EMOTIONS,
        "input_size": model.input_size,
        "temperature": model.temperature,
        "conformal_threshold": model.conformal_threshold,
        "mirrored_temperature": model.mirrored_temperature,
        "mirrored_threshold": model.mirrored_threshold,
        "sha256": hashlib.sha256(content).hexdigest(),
        "training": training,
    }
    _write_json(directory / CONFIG_FILE, config)


def read_config(directory: str | Path, remedy: str | None = None) -> dict[str, Any]:
    """Reads the config.json of a checkpoint.

    Args:
        directory: the checkpoint's folder.
        remedy: a sentence on what to do if it cannot be used; by default how to get the weights of a model.

    Raises:
        CheckpointError: the file is missing or unreadable, not JSON, or not of a FER Lens model.
    """
    file = Path(directory) / CONFIG_FILE
    remedy = remedy or _remedy(file.parent.name)
    try:
        config = json.loads(_read(file, CheckpointError, remedy))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{file} is not valid JSON ({error}). {remedy}") from error
    if not isinstance(config, dict) or not config.keys() >= REQUIRED_KEYS:
        raise CheckpointError(f"{file} is not the config.json of a FER Lens model. {remedy}")
    return config


def update_config(directory: str | Path, **changes: object) -> dict[str, Any]:
    """Changes values in the config.json of a checkpoint and returns all of its values.

    Raises:
        CheckpointError: as `read_config`.
    """
    config = read_config(directory) | changes
    _write_json(Path(directory) / CONFIG_FILE, config)
    return config


@torch.inference_mode(False)
def load_model(
    name: str,
    weights_dir: str | Path | None = None,
    device: torch.device | str = "cpu",
    revision: str | None = None,
) -> EmotionModel:
    """Loads and verifies a checkpoint; the model is in float32 and eval mode.

    A name with a slash is a repository on the Hugging Face Hub, as `python -m fer_models push` fills it; its files are
    kept in the Hub's cache, so that it loads again without a network. Any other name is one of a model in a folder.

    Args:
        name: one of MODEL_NAMES, or OWNER/NAME.
        weights_dir: folder with one folder per model; by default `default_weights_dir()`. Not for a repository.
        device: device of the model.
        revision: branch, tag or commit of a repository; by default the newest on "main". Not for a folder.

    Raises:
        ValueError: the name is neither in MODEL_NAMES nor that of a repository, a repository is to come from
            `weights_dir`, or a folder is to have a `revision`.
        CheckpointError: a file is missing, unreadable, incomplete, of another model, or does not fit its config.json;
            or the repository or revision does not exist, may not be read, or is neither reachable nor in the cache.

    Example:
        >>> load_model("attn_cnn").sha256 == load_model("OWNER/attn_cnn", revision="v1").sha256
        True
    """
    if "/" in name:
        if weights_dir is not None:
            raise ValueError(
                f"There is no model named {name!r} in a weights_dir. Choose one of: {', '.join(MODEL_NAMES)}; or leave "
                "weights_dir out to load a repository of the Hugging Face Hub, OWNER/NAME."
            )
        return _from_hub(name, revision).to(device)
    model_class(name)  # rejects an unknown name before it becomes part of a path
    if revision is not None:
        raise ValueError(
            f"{name} comes from a folder, which has no revision {revision!r}: name a repository of the Hugging Face "
            f"Hub, such as load_model('OWNER/{name}', revision={revision!r})."
        )
    directory = (default_weights_dir() if weights_dir is None else Path(weights_dir)) / name
    config = read_config(directory)
    if config["name"] != name:
        raise CheckpointError(
            f"{directory / CONFIG_FILE} belongs to the model {config['name']!r}, not {name!r}. {_remedy(name)}"
        )
    return _load_weights(directory, config, _remedy(name)).to(device)


def _from_hub(repository: str, revision: str | None) -> EmotionModel:
    """config.json first: other models are refused before their weights, which may be large, are downloaded."""
    try:
        directory = fetch(repository, CONFIG_FILE, revision).parent
        remedy = (
            f"Delete {directory.parents[1]} and load {repository} again. If that does not help, the repository does "
            "not hold an intact checkpoint of FER Lens: tell its owner."
        )
        config = read_config(directory, remedy)
        if config["name"] not in MODEL_NAMES:
            raise CheckpointError(
                f"{repository} holds the model {config['name']!r}, which this version of FER Lens does not know: "
                f"choose a repository with one of {', '.join(MODEL_NAMES)}, or install a newer version."
            )
        fetch(repository, WEIGHTS_FILE, revision=directory.name)  # the commit that config.json is from
    except HubError as error:
        raise CheckpointError(str(error)) from error
    return _load_weights(directory, config, remedy)


def _load_weights(directory: Path, config: dict[str, Any], remedy: str) -> EmotionModel:
    """The model that a checkpoint's config.json describes, with its weights, on the CPU and in eval mode."""
    name = config["name"]
    file = directory / WEIGHTS_FILE
    content = _read(file, CheckpointError, remedy)
    if hashlib.sha256(content).hexdigest() != config["sha256"]:
        raise CheckpointError(
            f"{file} ({len(content):,} bytes) does not match its {CONFIG_FILE}: the SHA-256 differs, so the file is "
            f"incomplete, changed, or a Git LFS pointer. {remedy}"
        )
    try:
        model = create_model(name, **model_class(name).complete(config["architecture"]))
        model.load_state_dict(load(content))
        model.temperature = float(config["temperature"])
        model.conformal_threshold = float(config["conformal_threshold"])
        model.sha256 = config["sha256"]
        # Older checkpoints have none for the mean of both views: those of a single view are close.
        model.mirrored_temperature = float(config.get("mirrored_temperature", model.temperature))
        model.mirrored_threshold = float(config.get("mirrored_threshold", model.conformal_threshold))
    except (SafetensorError, RuntimeError, TypeError, ValueError) as error:
        problem = shorten(str(error), 200)  # PyTorch lists every tensor
        raise CheckpointError(f"{file} does not fit the model {name!r}: {problem} {remedy}") from error
    return model.eval()


def _remedy(name: str) -> str:
    return (
        f"Download weights/{name} from the repository (the installed package contains only the two small networks) and "
        f"give its parent folder as weights_dir or in ${WEIGHTS_VARIABLE}, or train the model: "
        f"python train.py --model {name} --data PATH."
    )


# ---- Training history ---------------------------------------------------------------------------------------------


def write_history(directory: str | Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Writes the rows of a training history, one per segment, to history.csv; does nothing without rows."""
    if rows:
        with (Path(directory) / HISTORY_FILE).open("w", newline="") as handle:
            writer = csv.DictWriter(handle, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


def read_history(directory: str | Path) -> list[dict[str, float]]:
    """Reads history.csv, with the values given to `write_history`; an empty list if there is no such file.

    Raises:
        CheckpointError: the file cannot be read.
    """
    file = Path(directory) / HISTORY_FILE
    try:
        lines = file.read_text().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as problem:
        raise CheckpointError(f"{file} cannot be read ({problem.strerror}): let this user read it.") from problem
    return [{column: json.loads(value) for column, value in row.items()} for row in csv.DictReader(lines)]


# ---- Measurements -------------------------------------------------------------------------------------------------


def write_measured(
    directory: str | Path,
    statistics_file: str,
    statistics: dict,
    arrays_file: str,
    arrays: dict[str, np.ndarray],
    weights_sha256: str,
) -> None:
    """Writes a JSON and a safetensors file measured from a checkpoint, with the SHA-256 of its weights.

    Args:
        directory: the checkpoint's folder.
        statistics_file, statistics: name and contents of the JSON file.
        arrays_file, arrays: name and contents of the safetensors file.
        weights_sha256: SHA-256 of the measured weights, from config.json at the time they were loaded.
    """
    directory = Path(directory)
    _write(directory / arrays_file, save_arrays(arrays, metadata={"weights_sha256": weights_sha256}))
    _write_json(directory / statistics_file, {"weights_sha256": weights_sha256} | statistics)


def read_measured(
    directory: str | Path, statistics_file: str, arrays_file: str, remedy: str
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The inverse of `write_measured`.

    Args:
        directory: the checkpoint's folder.
        statistics_file, arrays_file: names of the JSON and of the safetensors file.
        remedy: a sentence on what to do if they cannot be used.

    Raises:
        EvaluationError: a file is missing, unreadable, damaged, or of other weights than those in config.json.
    """
    statistics = _read_marked(Path(directory) / statistics_file, _marked_statistics, remedy)
    return statistics, read_arrays(directory, arrays_file, remedy)


def read_arrays(directory: str | Path, arrays_file: str, remedy: str) -> dict[str, np.ndarray]:
    """The arrays of `write_measured` alone, as `read_measured` returns them; the weights need not be there.

    Raises:
        EvaluationError: as `read_measured`.
    """
    return _read_marked(Path(directory) / arrays_file, _marked_arrays, remedy)


def _read_marked(file: Path, parse: Callable[[Path, bytes], tuple[Any, str]], remedy: str) -> Any:
    """What `parse` finds in a file, if the SHA-256 that it finds there, too, is that in the config.json beside it."""
    config_content = _read(file.with_name(CONFIG_FILE), EvaluationError, remedy)
    content = _read(file, EvaluationError, remedy)
    try:
        config = json.loads(config_content)
        found, weights_sha256 = parse(file, content)
        same_weights = weights_sha256 == config["sha256"]
    except (KeyError, SafetensorError, TypeError, ValueError) as error:
        raise EvaluationError(f"{file} or the {CONFIG_FILE} beside it is damaged ({error}). {remedy}") from error
    if not same_weights:
        raise EvaluationError(f"{file} belongs to other weights than the {CONFIG_FILE} beside it. {remedy}")
    return found


def _marked_statistics(_file: Path, content: bytes) -> tuple[dict[str, Any], str]:
    statistics = json.loads(content)
    return statistics, statistics["weights_sha256"]


def _marked_arrays(file: Path, _content: bytes) -> tuple[dict[str, np.ndarray], str]:
    with safe_open(file, framework="numpy") as store:
        arrays = {name: store.get_tensor(name) for name in store.keys()}  # noqa: SIM118, a file is not a mapping
        return arrays, store.metadata()["weights_sha256"]


def _write_json(file: Path, content: dict) -> None:
    _write(file, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode())


def _write(file: Path, content: bytes) -> None:
    """Replaces a file as a whole. The umask says who may read it; safetensors' `save_file` lets only the owner."""
    partial = file.with_name(f"{file.name}.partial")
    partial.write_bytes(content)
    partial.replace(file)


def _read(file: Path, error: type[Exception], remedy: str) -> bytes:
    """Reads a file, or raises `error` with a sentence that ends in what to do."""
    try:
        return file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise error(f"{file} is missing. {remedy}") from None
    except OSError as problem:
        raise error(
            f"{file} cannot be read ({problem.strerror}): let this user read it, or replace it. {remedy}"
        ) from problem
