"""Prediction: preprocessing of cropped faces and calibrated probabilities, thread-safe."""

import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from fer_models.architectures import EmotionModel
from fer_models.data.images import FER_SIZE, enlarge, to_grey48
from fer_models.emotions import EMOTIONS
from fer_models.inference.probabilities import to_probabilities

FaceImage = Image.Image | np.ndarray
Faces = Sequence[FaceImage] | np.ndarray
Item = TypeVar("Item")

# Limits the memory used for a long list of faces; larger batches are hardly faster per face.
BATCH_SIZE = 16

_locks: weakref.WeakKeyDictionary[EmotionModel, threading.Lock] = weakref.WeakKeyDictionary()
_locks_guard = threading.Lock()


def preprocess(faces: Faces, model: nn.Module) -> Tensor:
    """Converts cropped faces to the model's input, on the model's device and in its dtype.

    Each face is first reduced to 48x48 grey pixels, as in FER-2013, and then enlarged. A sharp photo is thus brought to
    the resolution of the training images.

    Args:
        faces: a list of PIL images of any mode, or of uint8 arrays, grey (H, W) or RGB (H, W, 3); or one uint8 array of
            several grey (N, S, S) or RGB (N, H, W, 3) faces. May be empty. OpenCV reads BGR: pass face[..., ::-1].
        model: an `EmotionModel`, which determines the side S (`input_size`), the device and the dtype of the result; it
            may be wrapped by torch.compile, DataParallel or DistributedDataParallel.

    Returns:
        float (N, 3, S, S) in [0, 1]; float32 unless the model was converted, as by `model.half()`.

    Raises:
        TypeError: `faces` is neither a list nor an array of several faces, a face is neither a PIL image nor a uint8
            array, or the model is no `EmotionModel`.
        ValueError: a face has no pixels, or an array is not (H, W) or (H, W, 3).
    """
    return to_input(torch.from_numpy(to_stored(faces)), unwrapped(model))


def to_stored(faces: Faces) -> np.ndarray:
    """Reduces cropped faces to the form in which FER-2013 stores them, uint8 (N, 48, 48); faces as in `preprocess`."""
    grey = [to_grey48(face, f"faces[{position}]") for position, face in enumerate(as_list(faces))]
    return np.array(grey, dtype=np.uint8).reshape(-1, FER_SIZE, FER_SIZE)


def to_input(images: Tensor, model: EmotionModel) -> Tensor:
    """Converts stored grey faces, uint8 (N, 48, 48), as `preprocess` does."""
    parameter = next(model.parameters())
    return enlarge(images.to(parameter.device), model.input_size).to(parameter.dtype)


def predict(model: nn.Module, faces: Faces, mirrored: bool = False) -> np.ndarray:
    """Predicts the probability of each emotion for each face.

    Args:
        model: as in `preprocess`. It runs in eval mode and without autocast; its modes are restored afterwards.
        faces: as in `preprocess`.
        mirrored: whether to predict for each face and its mirror image, in one batch, and return the mean of both:
            about a point more accurate in twice the time.

    Returns:
        float32 (N, 7) in the order of EMOTIONS: softmax(logits / model.temperature), or the mean of
        softmax(logits / model.mirrored_temperature) over both views. (0, 7) for an empty list.

    Raises:
        TypeError, ValueError: as `preprocess`.
    """
    views, temperature = views_of(unwrapped(model), mirrored)
    with exclusive(model) as network, torch.inference_mode():
        batches = [
            model(with_mirror(preprocess(batch, network), views)).float().cpu().numpy().reshape(views, len(batch), -1)
            for batch in batched(as_list(faces))
        ]
    logits = np.concatenate([np.empty((views, 0, len(EMOTIONS)), np.float32), *batches], axis=1)
    return to_probabilities(logits, temperature).mean(axis=0)


def views_of(model: EmotionModel, mirrored: bool) -> tuple[int, float]:
    """The number of views of each face that a prediction averages, and the temperature fitted to that mean."""
    return (2, model.mirrored_temperature) if mirrored else (1, model.temperature)


def with_mirror(inputs: Tensor, views: int) -> Tensor:
    """Inputs (N, 3, S, S) -> (views N, 3, S, S): as they are, followed for two views by their mirror images."""
    return inputs if views == 1 else torch.cat([inputs, inputs.flip(-1)])


def as_list(faces: Faces) -> list[FaceImage]:
    """Returns the faces of a list or of one array.

    Raises:
        TypeError: `faces` is neither, or its shape does not tell a batch from a single face.
    """
    if isinstance(faces, list | tuple):
        return list(faces)
    if isinstance(faces, np.ndarray):
        is_grey_batch = faces.ndim == 3 and faces.shape[1] == faces.shape[2] != 3
        if is_grey_batch or faces.ndim == 4:
            return list(faces)
    kind = f"an array {faces.shape}" if isinstance(faces, np.ndarray) else f"a {type(faces).__name__}"
    raise TypeError(
        f"Pass faces as a list, or as an array of grey (N, S, S) or RGB (N, H, W, 3) faces, not as {kind}: [face] for "
        "one face, list(faces) for several."
    )


def batched(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Yields the items in sequences of at most BATCH_SIZE."""
    for start in range(0, len(items), BATCH_SIZE):
        yield items[start : start + BATCH_SIZE]


def unwrapped(model: nn.Module) -> EmotionModel:
    """Returns the `EmotionModel` inside of what torch.compile, DataParallel and their like return; or itself.

    Raises:
        TypeError: there is none.
    """
    inner: object = model
    while isinstance(inner, nn.Module) and not isinstance(inner, EmotionModel):
        inner = getattr(inner, "_orig_mod", None) or getattr(inner, "module", None)
    if not isinstance(inner, EmotionModel):
        raise TypeError(
            f"The model is a {type(model).__name__}, not an EmotionModel: pass what load_model or create_model returns."
        )
    return inner


@contextmanager
def exclusive(model: nn.Module) -> Iterator[EmotionModel]:
    """Locks the model for one thread and yields the `EmotionModel` in it, ready to run alike everywhere.

    It is in eval mode, and autocast and inference mode of the caller are off: autocast would round its results, and
    inference mode allows no gradients. Afterwards everything is as before, also the mode of each of its modules.

    Attention modules store the map of their latest forward pass, and an explanation hooks a layer. Without the lock,
    one thread could read the results of another thread's forward pass. The lock is not reentrant.
    """
    network = unwrapped(model)
    with _locks_guard:
        lock = _locks.setdefault(network, threading.Lock())
    device = next(network.parameters()).device
    with lock, torch.inference_mode(False), torch.autocast(device.type, enabled=False):
        training = [module for module in network.modules() if module.training]
        for module in training:
            module.training = False
        try:
            yield network
        finally:
            for module in training:
                module.training = True
