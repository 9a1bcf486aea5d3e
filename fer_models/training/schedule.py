"""Training schedule: image size and length of each segment, and the learning rate at each step."""

import math
from dataclasses import dataclass

from fer_models.training.recipes import Recipe

WARM_UP = 0.1
FIRST_RESTART = 10  # epochs


@dataclass(frozen=True)
class Segment:
    """An epoch, or the fraction of an epoch at the end of a stage; validation follows each.

    Attributes:
        size: side of the images in pixels.
        steps: number of batches.
        epoch: epochs finished at its end, over all stages.
        new_size: whether it is the first segment of a stage.
    """

    size: int
    steps: int
    epoch: float
    new_size: bool


def plan(recipe: Recipe, images: int) -> list[Segment]:
    """Divides the stages of a recipe into segments of at most one epoch.

    Args:
        recipe: provides the stages and the batch size.
        images: number of training images.
    """
    steps_per_epoch = max(1, images // recipe.batch_size)
    segments, done = [], 0.0
    for size, epochs in recipe.stages:
        left, new_size = epochs, True
        while left > 1e-9:
            length = min(1.0, left)
            done, left = done + length, left - length
            segments.append(Segment(size, max(1, round(length * steps_per_epoch)), round(done, 6), new_size))
            new_size = False
    return segments


def learning_rate(recipe: Recipe, segments: list[Segment], segment: int, step: int) -> float:
    """Returns the learning rate of one step.

    The one-cycle schedule follows compute (pixels processed), not epochs. The rate is therefore still high when the
    size grows, so that the network can adapt to larger faces.

    Args:
        recipe: provides the schedule and its maximum rate.
        segments: the complete plan.
        segment: index of the current segment.
        step: finished steps of that segment.
    """
    here = segments[segment]
    if recipe.schedule == "warm_restarts":
        before = segments[segment - 1].epoch if segment else 0.0
        position, period = before + (here.epoch - before) * step / here.steps, FIRST_RESTART
        while position >= period:
            position, period = position - period, period * 2
        return recipe.learning_rate * (1 + math.cos(math.pi * position / period)) / 2

    total = sum(s.steps * s.size**2 for s in segments)
    done = sum(s.steps * s.size**2 for s in segments[:segment]) + step * here.size**2
    progress = done / total
    if progress < WARM_UP:
        return recipe.learning_rate * max(progress / WARM_UP, 0.01)
    return recipe.learning_rate * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP))) / 2
