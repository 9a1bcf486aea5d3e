"""Backbones: starting a model from pretrained weights, published or from an earlier run."""

import logging
import urllib.error
from collections import Counter
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torchvision.models import WeightsEnum

from fer_models.architectures import EmotionModel

log = logging.getLogger(__name__)


class BackboneError(ValueError):
    """Pretrained weights are unavailable or do not fit; the message names the file and a remedy."""


def read_backbone(source: str | Path | WeightsEnum) -> dict[str, Tensor]:
    """Reads pretrained tensors by name.

    Args:
        source: torchvision's weights (downloaded on first use, then cached by torch.hub), or the path of a
            .safetensors file, or of a .pth file of tensors as torchvision publishes them (only tensors are unpickled).

    Raises:
        BackboneError: the file is missing or unreadable, or there is no network.
    """
    if isinstance(source, WeightsEnum):
        try:
            return source.get_state_dict(progress=True, check_hash=True)
        except (urllib.error.URLError, OSError, RuntimeError) as error:
            raise BackboneError(
                f"torchvision's pretrained weights could not be downloaded ({error}). Connect to the network and start "
                "again, or give a local file, complete or partial: --backbone-weights FILE (or 'none' to train from "
                "scratch)."
            ) from error
    file = Path(source)
    if not file.is_file():
        raise BackboneError(f"There is no file {file}. Give a .safetensors or .pth file with --backbone-weights.")
    try:
        tensors = load_file(file) if file.suffix == ".safetensors" else torch.load(file, "cpu", weights_only=True)
    except Exception as error:  # torch.load raises many kinds of errors
        raise BackboneError(f"{file} cannot be read as a file of tensors ({error}).") from error
    return tensors


def load_backbone(model: EmotionModel, tensors: dict[str, Tensor]) -> dict[str, str]:
    """Copies each tensor whose name the model also has; all others keep their initial values.

    A classifier for other classes (the 1000 of ImageNet) is skipped.

    Returns:
        For each top-level part of the model "loaded", "initial" or "loaded k of n", as in the log.

    Raises:
        BackboneError: no tensor fits, or a tensor of the same name has another shape.
    """
    # Counters of batch normalisation are skipped: torchvision's oldest files lack them, and nothing here uses them.
    own = {name: tensor for name, tensor in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    tensors = {name: tensor for name, tensor in tensors.items() if name in own}
    other_classes = {
        name
        for name, tensor in tensors.items()
        if name.startswith(f"{model.output_layer}.") and tensor.shape != own[name].shape
    }
    fitting = {name: tensor for name, tensor in tensors.items() if name not in other_classes}
    for name, tensor in fitting.items():
        if tensor.shape != own[name].shape:
            raise BackboneError(
                f"The backbone weights' {name} is {tuple(tensor.shape)}, but {model.name} needs "
                f"{tuple(own[name].shape)}: they belong to another architecture."
            )
    if not fitting:
        raise BackboneError(f"The backbone weights have no tensor of {model.name}: they belong to another model.")
    model.load_state_dict(fitting, strict=False)

    every = Counter(name.split(".")[0] for name in own)
    loaded = Counter(name.split(".")[0] for name in fitting)
    parts = {
        part: "loaded" if loaded[part] == n else "initial" if not loaded[part] else f"loaded {loaded[part]} of {n}"
        for part, n in every.items()
    }
    log.info(
        "Backbone weights: %d tensors loaded (%s), %d left at their initial values (%s).",
        len(fitting),
        ", ".join(part for part in parts if loaded[part]),
        len(own) - len(fitting),
        ", ".join(part for part, state in parts.items() if state != "loaded") or "none",
    )
    return parts
