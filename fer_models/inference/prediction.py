"""Prediction: preprocessing of cropped faces and calibrated probabilities, thread-safe."""

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
from fer_models.inference.probabilities import to_probabilities

FaceImage = Image.Image | np.ndarray

# Limits the memory used for a long list of faces; larger batches are hardly faster per face.
BATCH_SIZE = 16

_locks: weakref.WeakKeyDictionary[EmotionModel, threading.Lock] = weakref.WeakKeyDictionary()
_locks_guard = threading.Lock()


def preprocess(faces: Sequence[FaceImage], model: EmotionModel) -> Tensor:
    """Converts cropped faces to the model's input, on the model's device.

    Each face is first reduced to 48x48 grey pixels, as in FER-2013, and then enlarged. A sharp photo is thus brought to
    the resolution of the training images.

    Args:
        faces: a list of PIL images of any mode, or uint8 arrays (H, W) or (H, W, 3); may be empty.
        model: determines the side S (`input_size`) and the device of the result.

    Returns:
        float32 (N, 3, S, S) in [0, 1].

    Raises:
        TypeError: `faces` is not a list, or a face is neither a PIL image nor a uint8 array.
        ValueError: a face has no pixels, or an array is not (H, W) or (H, W, 3).
    """
    _check_list(faces)
    for position, face in enumerate(faces):
        _check_face(face, position)
    grey = np.array([to_grey48(face) for face in faces], dtype=np.uint8).reshape(-1, FER_SIZE, FER_SIZE)
    return enlarge(torch.from_numpy(grey).to(next(model.parameters()).device), model.input_size)


def predict(model: EmotionModel, faces: Sequence[FaceImage]) -> np.ndarray:
    """Predicts the probability of each emotion for each face.

    Args:
        model: on any device; it runs in eval mode and its modes are restored afterwards.
        faces: as in `preprocess`.

    Returns:
        float32 (N, 7) in the order of EMOTIONS: softmax(logits / model.temperature). (0, 7) for an empty list.

    Raises:
        TypeError, ValueError: as `preprocess`.
    """
    with exclusive(model), torch.inference_mode():
        batches = [model(preprocess(batch, model)).cpu().numpy() for batch in batched(faces)]
    logits = np.concatenate([np.empty((0, len(EMOTIONS)), np.float32), *batches])
    return to_probabilities(logits, model.temperature)


def batched(faces: Sequence[FaceImage]) -> Iterator[Sequence[FaceImage]]:
    """Yields `faces` in lists of at most BATCH_SIZE. Raises a TypeError if it is not a list."""
    _check_list(faces)
    for start in range(0, len(faces), BATCH_SIZE):
        yield faces[start : start + BATCH_SIZE]


@contextmanager
def exclusive(model: EmotionModel) -> Iterator[None]:
    """Locks the model for one thread and sets it to eval mode; restores the mode of each of its modules afterwards.

    Attention modules store the map of their latest forward pass, and an explanation hooks a layer. Without the lock,
    one thread could read the results of another thread's forward pass. The lock is not reentrant.
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
        raise TypeError(f"Pass faces as a list, not as a single {type(faces).__name__}: [face] for one face.")


def _check_face(face: object, position: int) -> None:
    if isinstance(face, Image.Image):
        if 0 in face.size:
            raise ValueError(f"faces[{position}] is empty: an image of {face.width}x{face.height} pixels.")
        return
    if not isinstance(face, np.ndarray):
        raise TypeError(
            f"faces[{position}] is a {type(face).__name__}: pass a PIL image, or a uint8 array (H, W) or (H, W, 3)."
        )
    if face.dtype != np.uint8:
        raise TypeError(
            f"faces[{position}] has dtype {face.dtype}, whose range of values is not defined: convert it to uint8 in "
            "0..255, for example values in [0, 1] with (255 * face).round().astype(np.uint8)."
        )
    if 0 in face.shape or not (face.ndim == 2 or (face.ndim == 3 and face.shape[2] == 3)):
        raise ValueError(f"faces[{position}] has shape {face.shape}: pass (H, W) or (H, W, 3), H and W at least 1.")
