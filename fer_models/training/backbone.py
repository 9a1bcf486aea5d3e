"""Backbones: starting a model from pretrained weights, published or from an earlier run."""

import logging
import urllib.error
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError

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
            .safetensors file, or of a .pth file of tensors (only tensors are unpickled).

    Returns:
        Tensors by name. Where a .pth file has them in dicts inside of its dict, the keys on the way come first:
        "state_dict.conv1.weight".

    Raises:
        BackboneError: the file is missing, unreadable or without tensors by name, or there is no network.
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
        content = load_file(file) if file.suffix == ".safetensors" else torch.load(file, "cpu", weights_only=True)
    except UnpicklingError as error:  # its text recommends to unpickle the file, which can run any program
        raise BackboneError(
            f"{file} holds Python objects other than tensors, which are not read. Save the tensors alone: "
            "torch.save(model.state_dict(), FILE)."
        ) from error
    except Exception as error:  # torch.load raises many kinds of errors
        raise BackboneError(f"{file} cannot be read as a file of tensors ({error}).") from error
    tensors = dict(_named_tensors(content))
    if not tensors:
        raise BackboneError(
            f"{file} holds a {type(content).__name__} without tensors by name. Save a model's state: "
            "torch.save(model.state_dict(), FILE)."
        )
    return tensors


def _named_tensors(content: object, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """The tensors in a dict, and in the dicts in it at any depth, with their keys joined by dots."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from _named_tensors(value, f"{name}.{key}" if name else str(key))
    elif isinstance(content, Tensor) and name:
        yield name, content


def load_backbone(model: EmotionModel, tensors: dict[str, Tensor]) -> dict[str, str]:
    """Copies each tensor whose name the model also has; all others keep their initial values.

    Training programs wrap a state in dicts and modules, so its names may have a prefix such as "state_dict.module.": it
    is found by the names and shapes behind it, and logged. A classifier for other classes (the 1000 of ImageNet) is
    skipped.

    Args:
        model: changed in place.
        tensors: as `read_backbone` returns them.

    Returns:
        For each top-level part of the model "loaded", "initial" or "loaded k of n", as in the log.

    Raises:
        BackboneError: no tensor fits, or a tensor of the same name has another shape.
    """
    # Counters of batch normalisation are skipped: torchvision's oldest files lack them, and nothing here uses them.
    own = {name: tensor for name, tensor in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    prefix = _prefix(own, tensors)
    if prefix:
        log.info("Backbone weights: those whose names begin with %r are taken.", prefix)
    behind = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    known = {name: tensor for name, tensor in behind.items() if name in own}
    other_classes = {
        name
        for name, tensor in known.items()
        if name.startswith(f"{model.output_layer}.") and tensor.shape != own[name].shape
    }
    fitting = {name: tensor for name, tensor in known.items() if name not in other_classes}
    for name, tensor in fitting.items():
        if tensor.shape != own[name].shape:
            raise BackboneError(
                f"The backbone weights' {name} is {tuple(tensor.shape)}, but {model.name} needs "
                f"{tuple(own[name].shape)}: they belong to another architecture."
            )
    if not fitting:
        raise BackboneError(
            f"The backbone weights have no tensor of {model.name}: they belong to another model. They have names "
            f"such as {next(iter(tensors), None)!r}, and it needs {next(iter(own))!r}."
        )
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


def _prefix(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> str:
    """What comes before the model's own names in the names of pretrained tensors; "" if nothing does.

    It is the prefix behind which most tensors have a name and shape of the model's, the first of several. Behind it,
    most names must be the model's: every network has some conv1.weight.
    """
    fitting, named = Counter({"": 0}), Counter({"": 0})
    for name, tensor in tensors.items():
        parts = name.split(".")
        for position in range(len(parts)):
            own_name = ".".join(parts[position:])
            if own_name in own:
                prefix = name.removesuffix(own_name)
                named[prefix] += 1
                fitting[prefix] += tensor.shape == own[own_name].shape
    behind = {prefix: sum(name.startswith(prefix) for name in tensors) for prefix in named}
    candidates = [prefix for prefix in named if not prefix or 2 * named[prefix] > behind[prefix]]
    return max(candidates, key=lambda prefix: (fitting[prefix], named[prefix]))
