"""Starting a model from weights that somebody else (or an earlier run) trained."""

import logging
import urllib.error
from collections import Counter
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torchvision.models import ResNet50_Weights

from fer_models.architectures import EmotionModel

log = logging.getLogger(__name__)


class BackboneError(ValueError):
    """Pretrained weights cannot be had or do not fit; the message says which file and what to do."""


def read_backbone(source: str) -> dict[str, Tensor]:
    """Pretrained tensors by name.

    Args:
        source: "imagenet" for torchvision's ResNet-50 (downloaded on first use, then cached by torch.hub), or the path
            of a .safetensors file, or of a .pth file of tensors as torchvision publishes them (read without unpickling
            anything but tensors).

    Raises:
        BackboneError: the file is missing or unreadable, or there is no network.
    """
    if source == "imagenet":
        try:
            return ResNet50_Weights.IMAGENET1K_V1.get_state_dict(progress=True, check_hash=True)
        except (urllib.error.URLError, OSError, RuntimeError) as error:
            raise BackboneError(
                f"torchvision's ImageNet weights could not be downloaded ({error}). Either connect to the network and "
                "start again, or give a local file, whole or partial: --backbone-weights FILE (or 'none' to train from "
                "scratch)."
            ) from error
    file = Path(source)
    if not file.is_file():
        raise BackboneError(f"There is no file {file}. Give a .safetensors or .pth file with --backbone-weights.")
    try:
        tensors = load_file(file) if file.suffix == ".safetensors" else torch.load(file, "cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever its parser stumbled over
        raise BackboneError(f"{file} cannot be read as a file of tensors ({error}).") from error
    return tensors


def load_backbone(model: EmotionModel, tensors: dict[str, Tensor]) -> dict[str, str]:
    """Copies every tensor that the model has under the same name; the rest keeps its initial values.

    A classifier for other classes (ImageNet's 1000) is passed over.

    Returns:
        For each top-level part of the model, "loaded", "initial" or "loaded k of n": what the log says, for the record.

    Raises:
        BackboneError: no tensor fits, or one of the same name has another shape.
    """
    # Batch normalisation's counters are left out: torchvision's oldest files have none, and nothing here reads them.
    own = {name: tensor for name, tensor in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    tensors = {name: tensor for name, tensor in tensors.items() if name in own}
    classifier = {
        name for name, tensor in tensors.items() if name.startswith("fc.") and tensor.shape != own[name].shape
    }
    fitting = {name: tensor for name, tensor in tensors.items() if name not in classifier}
    for name, tensor in fitting.items():
        if tensor.shape != own[name].shape:
            raise BackboneError(
                f"The backbone weights' {name} is {tuple(tensor.shape)}, but {model.name} needs "
                f"{tuple(own[name].shape)}: they belong to another architecture."
            )
    if not fitting:
        raise BackboneError(f"The backbone weights hold no tensor that {model.name} has: they belong to another model.")
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
