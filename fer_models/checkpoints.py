"""The form in which a model ships: weights/<name>/model.safetensors in half precision, and config.json beside it."""

import hashlib
import json
from pathlib import Path
from textwrap import shorten

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file

from fer_models.architectures import MODEL_NAMES, EmotionModel, create_model
from fer_models.emotions import EMOTIONS

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
REQUIRED_KEYS = {"name", "architecture", "sha256", "temperature", "conformal_threshold"}


class CheckpointError(ValueError):
    """A checkpoint is missing, damaged or not this model's; the message names the file and says what to do."""


def save_checkpoint(model: EmotionModel, directory: str | Path, training: dict) -> None:
    """Writes `model.safetensors` (floating point tensors as float16) and `config.json`.

    Args:
        model: the model whose weights, architecture, temperature and threshold are stored.
        directory: created if it is not there; usually weights/<name>.
        training: how the weights came about (command, recipe, seed, versions, ...), JSON-serialisable.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous().cpu()
        for name, tensor in model.state_dict().items()
    }
    save_file(tensors, directory / WEIGHTS_FILE, metadata={"format": "pt"})
    config = {
        "name": model.name,
        "architecture": model.config,
        "emotions": EMOTIONS,
        "input_size": model.input_size,
        "temperature": model.temperature,
        "conformal_threshold": model.conformal_threshold,
        "sha256": hashlib.sha256((directory / WEIGHTS_FILE).read_bytes()).hexdigest(),
        "training": training,
    }
    (directory / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n")


def read_config(name: str, weights_dir: str | Path = "weights") -> dict:
    """The contents of weights/<name>/config.json.

    Raises:
        ValueError: the name is not a model's.
        CheckpointError: the file is missing, is not JSON, or belongs to another model.
    """
    if name not in MODEL_NAMES:
        raise ValueError(f"There is no model named {name!r}. Choose one of: {', '.join(MODEL_NAMES)}.")
    file = Path(weights_dir) / name / CONFIG_FILE
    if not file.is_file():
        raise CheckpointError(f"{file} is missing. {_remedy(name)}")
    try:
        config = json.loads(file.read_text())
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{file} is not valid JSON ({error}). {_remedy(name)}") from error
    if not isinstance(config, dict) or not config.keys() >= REQUIRED_KEYS:
        raise CheckpointError(f"{file} is not the config.json of a FER Lens model. {_remedy(name)}")
    if config["name"] != name:
        raise CheckpointError(f"{file} belongs to the model {config['name']!r}, not {name!r}. {_remedy(name)}")
    return config


def load_model(name: str, weights_dir: str | Path = "weights", device: torch.device | str = "cpu") -> EmotionModel:
    """The shipped checkpoint, verified, in float32 and eval mode.

    Args:
        name: one of MODEL_NAMES.
        weights_dir: the folder with one folder a model in it.
        device: where the model is put.

    Raises:
        ValueError: the name is not a model's.
        CheckpointError: a file is missing, cut off, foreign or does not fit its config.json.
    """
    config = read_config(name, weights_dir)
    file = Path(weights_dir) / name / WEIGHTS_FILE
    if not file.is_file():
        raise CheckpointError(f"{file} is missing. {_remedy(name)}")
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != config["sha256"]:
        raise CheckpointError(
            f"{file} ({len(content):,} bytes) is not the file that its {CONFIG_FILE} was written for: its SHA-256 "
            f"differs, so it is cut off, changed, or a Git LFS pointer. {_remedy(name)}"
        )
    try:
        model = create_model(name, **config["architecture"])
        model.load_state_dict(load(content))
    except (SafetensorError, RuntimeError, TypeError) as error:
        problem = shorten(str(error), 200)  # PyTorch names every tensor
        raise CheckpointError(f"{file} does not fit the model {name!r}: {problem} {_remedy(name)}") from error
    model.temperature = float(config["temperature"])
    model.conformal_threshold = float(config["conformal_threshold"])
    return model.to(device).eval()


def _remedy(name: str) -> str:
    return f"Fetch weights/{name} again from the repository, or train it: python train.py --model {name} --data PATH."
