"""From cropped faces to a model's input and its calibrated probabilities, safely from several threads."""

import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fer_models.architectures import EmotionModel
from fer_models.data.images import FER_SIZE, enlarge, to_grey48
from fer_models.emotions import EMOTIONS

Face = Image.Image | np.ndarray

# Bounds the memory that a long list of faces takes; larger batches are hardly faster a face.
BATCH_SIZE = 16

_locks: weakref.WeakKeyDictionary[EmotionModel, threading.Lock] = weakref.WeakKeyDictionary()
_locks_guard = threading.Lock()


def preprocess(faces: Sequence[Face], model: EmotionModel) -> Tensor:
    """Cropped faces -> the model's input, on the model's device.

    Every face is reduced to FER-2013's grey 48x48 pixels first and then enlarged, so that a sharp photo looks to the
    model like what it was trained on.

    Args:
        faces: a list of PIL images of any mode, or uint8 arrays (H, W) or (H, W, 3); an empty list is fine.
        model: its `input_size` decides the result's side S, its parameters the device.

    Returns:
        float32 (N, 3, S, S) in [0, 1].

    Raises:
        TypeError: `faces` is not a list, or a face is neither a PIL image nor a uint8 array.
        ValueError: a face has no pixels, or an array that is not (H, W) or (H, W, 3).
    """
    _check_list(faces)
    for position, face in enumerate(faces):
        _check_face(face, position)
    grey = np.array([to_grey48(face) for face in faces], dtype=np.uint8).reshape(-1, FER_SIZE, FER_SIZE)
    return enlarge(torch.from_numpy(grey).to(next(model.parameters()).device), model.input_size)


def predict(model: EmotionModel, faces: Sequence[Face]) -> np.ndarray:
    """The probability of each emotion for each face.

    Args:
        model: on any device, in any mode; it runs in eval mode and is left as it was.
        faces: as in `preprocess`.

    Returns:
        float32 (N, 7) in the order of EMOTIONS: softmax(logits / model.temperature). (0, 7) for an empty list.

    Raises:
        TypeError, ValueError: as `preprocess`.
    """
    with exclusive(model), torch.inference_mode():
        batches = [calibrated(model, model(preprocess(batch, model))) for batch in batched(faces)]
    return np.concatenate([np.empty((0, len(EMOTIONS)), np.float32), *batches])


def calibrated(model: EmotionModel, logits: Tensor) -> np.ndarray:
    """Logits (N, 7) -> probabilities float32 (N, 7), scaled by the model's temperature (Guo et al. 2017)."""
    return torch.softmax(logits.detach() / model.temperature, dim=1).cpu().numpy()


def batched(faces: Sequence[Face]) -> Iterator[Sequence[Face]]:
    """`faces` in lists of at most BATCH_SIZE. Raises a TypeError if it is not a list."""
    _check_list(faces)
    for start in range(0, len(faces), BATCH_SIZE):
        yield faces[start : start + BATCH_SIZE]


@contextmanager
def exclusive(model: EmotionModel) -> Iterator[None]:
    """The model for one thread at a time and in eval mode; each of its modules gets its own mode back afterwards.

    Attention modules keep the map of their latest forward pass and an explanation hooks a layer: a second thread's
    forward pass in between would be read as one's own. The lock is not reentrant.
    """
    with _locks_guard:
        lock = _locks.setdefault(model, threading.Lock())
    with lock:
        training = [module for module in model.modules() if module.training]
        for module in training:
            module.training = False
        try:
            yield
        finally:
            for module in training:
                module.training = True


def _check_list(faces: object) -> None:
    if not isinstance(faces, list | tuple):
        raise TypeError(f"Faces come as a list, not as a single {type(faces).__name__}: pass [face] for one face.")


def _check_face(face: object, position: int) -> None:
    if isinstance(face, Image.Image):
        if 0 in face.size:
            raise ValueError(f"faces[{position}] is a picture of {face.width}x{face.height} pixels: there is no face.")
        return
    if not isinstance(face, np.ndarray):
        raise TypeError(
            f"faces[{position}] is a {type(face).__name__}: pass a PIL image, or a uint8 array (H, W) or (H, W, 3)."
        )
    if face.dtype != np.uint8:
        raise TypeError(
            f"faces[{position}] has dtype {face.dtype}, and its range is anyone's guess: convert it to uint8 in "
            "0..255, for values in [0, 1] with (255 * face).round().astype(np.uint8)."
        )
    if 0 in face.shape or not (face.ndim == 2 or (face.ndim == 3 and face.shape[2] == 3)):
        raise ValueError(f"faces[{position}] has shape {face.shape}: pass (H, W) or (H, W, 3), H and W at least 1.")
