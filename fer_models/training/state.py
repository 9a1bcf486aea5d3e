"""Training state: one safetensors file with everything needed to resume a run, replaced atomically.

The state of the random generators is not stored: each step seeds them from (seed, position), so all random draws
depend on the position only.
"""

import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor


class StateError(ValueError):
    """A training state cannot be used; the message names the file and a remedy."""


def write_state(file: Path, parts: dict[str, dict[str, Tensor]], progress: dict) -> None:
    """Replaces the state file atomically: after a power cut, the old or the new state is complete.

    Args:
        file: the state file; its folder is created if needed.
        parts: tensors by part ("model", "average", "optimizer", "best") and name.
        progress: all other values, JSON-serialisable.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    # Cloned, because safetensors rejects tensors that share memory, as the best weights and the average may.
    tensors = {
        f"{part}/{name}": t.detach().clone(memory_format=torch.contiguous_format).cpu()
        for part, named in parts.items()
        for name, t in named.items()
    }
    partial = file.with_suffix(".partial")
    with partial.open("wb") as handle:  # not `save_file`, which lets only the owner read the file
        handle.write(save(tensors, metadata={"progress": json.dumps(progress)}))
        handle.flush()
        os.fsync(handle.fileno())
    partial.replace(file)


def read_state(file: Path) -> tuple[dict[str, dict[str, Tensor]], dict]:
    """The inverse of `write_state`.

    Raises:
        StateError: the file is not a training state.
    """
    parts: dict[str, dict[str, Tensor]] = {}
    with _open(file) as store:
        for key in store.keys():  # noqa: SIM118 (safe_open is not a mapping)
            part, name = key.split("/", 1)
            parts.setdefault(part, {})[name] = store.get_tensor(key)
        return parts, json.loads(store.metadata()["progress"])


def read_progress(file: Path) -> dict:
    """Returns the second value of `read_state` without reading tensors.

    Raises:
        StateError: the file is not a training state.
    """
    with _open(file) as store:
        return json.loads(store.metadata()["progress"])


def _open(file: Path) -> safe_open:
    try:
        store = safe_open(file, framework="pt")
        known = "progress" in (store.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise StateError(f"{file} cannot be read ({error}). Delete it and start the training again.") from error
    if not known:
        raise StateError(f"{file} is not a training state. Move it away and start the training again.")
    return store


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Returns the optimizer's tensors by "<parameter number>.<name>". Recipe and schedule define its settings."""
    return {
        f"{number}.{name}": value
        for number, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
    }


def load_optimizer_tensors(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """The inverse of `optimizer_tensors`."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, name = key.split(".", 1)
        parameter = parameters[int(number)]
        if value.shape == parameter.shape:
            # Fused optimizers need moments with the memory layout of their parameter (channels-last kernels), which a
            # file does not store.
            value = torch.empty_like(parameter, requires_grad=False).copy_(value)
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
