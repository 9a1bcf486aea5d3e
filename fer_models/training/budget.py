"""Time budget: scales the epochs of a recipe to a given time, from measured steps at each image size."""

import copy
import logging
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from fer_models.architectures import EmotionModel
from fer_models.data.augmentation import augment
from fer_models.data.fer2013 import FER2013
from fer_models.data.images import enlarge
from fer_models.training.recipes import Recipe

log = logging.getLogger(__name__)

WARM_UP_STEPS, MEASURED_STEPS = 3, 8


def fit_to_minutes(
    recipe: Recipe, model: EmotionModel, data: FER2013, accelerator: Accelerator, minutes: float
) -> Recipe:
    """Scales the epochs of a recipe so that training takes about `minutes` on this device; logs the plan.

    Each stage keeps its share of the epochs. The time includes measuring, training and the validation after each
    epoch, but not the evaluation on the test split.

    Args:
        recipe: the recipe to scale.
        model: the model to be trained; the steps are measured on a copy.
        data: FER-2013, for the number of images and the measured batch.
        accelerator: device, precision and number of processes.
        minutes: above 0.
    """
    start = time.monotonic()
    epoch_seconds = {size: _epoch_seconds(recipe, model, data, accelerator, size) for size, _ in recipe.stages}
    left = max(1.0, 60 * minutes - (time.monotonic() - start))
    seconds = sum(epochs * epoch_seconds[size] for size, epochs in recipe.stages)
    # Each process measures a little differently, but all must train for the same number of steps.
    (epochs_in_all,) = broadcast_object_list([recipe.epochs * left / seconds])
    fitted = recipe.scaled_to(epochs_in_all)
    for size, epochs in fitted.stages:
        log.info(
            "%4d px: %6.2f epochs of %6.1f s = %5.1f min (%.0f images/s)",
            size,
            epochs,
            epoch_seconds[size],
            epochs * epoch_seconds[size] / 60,
            len(data.train) / epoch_seconds[size],
        )
    log.info("Planned: %.2f epochs in %.1f min.", fitted.epochs, left / 60)
    return fitted


def _epoch_seconds(recipe: Recipe, model: EmotionModel, data: FER2013, accelerator: Accelerator, size: int) -> float:
    """Seconds per epoch at one image size, including the validation after it."""
    network = copy.deepcopy(model).to(accelerator.device).to(memory_format=torch.channels_last).train()
    for name in recipe.frozen:
        network.get_submodule(name).requires_grad_(False)
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=True)
    share = max(1, recipe.batch_size // accelerator.num_processes)
    images = data.train.images[:share].to(accelerator.device)
    labels = data.train.labels[:share].to(accelerator.device)

    def step() -> None:
        faces = augment(images, size, recipe.augmentation).contiguous(memory_format=torch.channels_last)
        with accelerator.autocast():
            logits = network(faces)
        F.cross_entropy(logits.float(), labels).backward()
        optimizer.step()
        optimizer.zero_grad()

    @torch.inference_mode()
    def look() -> None:
        with accelerator.autocast():
            network(enlarge(images, size))

    training, validating = (_seconds(run, accelerator.device) / len(images) for run in (step, look))
    shared = accelerator.num_processes
    return (training * len(data.train) + validating * len(data.validation)) / shared


def _seconds(run: Callable[[], None], device: torch.device) -> float:
    """Mean seconds per call over MEASURED_STEPS calls, after WARM_UP_STEPS calls."""
    for count in (WARM_UP_STEPS, MEASURED_STEPS):
        start = time.perf_counter()
        for _ in range(count):
            run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        elif device.type == "mps":
            torch.mps.synchronize()
    return (time.perf_counter() - start) / MEASURED_STEPS
