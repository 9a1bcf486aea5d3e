"""When the image size changes, how long each part lasts, and the learning rate at every step."""

import math
from dataclasses import dataclass

from fer_models.training.recipes import Recipe

WARM_UP = 0.1
FIRST_RESTART = 10  # epochs


@dataclass(frozen=True)
class Segment:
    """An epoch, or the part of one that a stage has left over; validation follows each.

    Attributes:
        size: side of the images in pixels.
        steps: batches.
        epoch: epochs done when it ends, over all stages.
        new_size: the images were smaller (or there were none) before.
    """

    size: int
    steps: int
    epoch: float
    new_size: bool


def plan(recipe: Recipe, images: int) -> list[Segment]:
    """Cuts a recipe's stages into segments of at most an epoch.

    Args:
        recipe: whose stages and batch size are used.
        images: number of training images.
    """
    steps_an_epoch = max(1, images // recipe.batch_size)
    segments, done = [], 0.0
    for size, epochs in recipe.stages:
        left, new_size = epochs, True
        while left > 1e-9:
            length = min(1.0, left)
            done, left = done + length, left - length
            segments.append(Segment(size, max(1, round(length * steps_an_epoch)), round(done, 6), new_size))
            new_size = False
    return segments


def learning_rate(recipe: Recipe, segments: list[Segment], segment: int, step: int) -> float:
    """The learning rate of one step.

    The one-cycle schedule follows compute (pixels seen), not epochs: so the rate is still high when the size grows,
    and a network whose receptive fields must adapt to larger faces has the time to do so.

    Args:
        recipe: names the schedule and its highest rate.
        segments: the whole plan.
        segment: index of the running segment.
        step: steps done in it.
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
