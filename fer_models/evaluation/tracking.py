"""How well faces are followed through clips that are made, so that it is known who is where.

    python -m fer_models.evaluation.tracking --pictures demo/examples/eileen_collins.jpg demo/examples/grace_hopper.jpg
    python -m fer_models.evaluation.tracking --data data/fer2013

Each scenario is played several times with the heads of other people at other places. A face counts as found if its box
and the true one have an intersection over union of 0.5 or more. Frames lost, false faces and switches of identity are
those of Bernardin and Stiefelhagen 2008, "Evaluating Multiple Object Tracking Performance: The CLEAR MOT Metrics".
"""

import argparse
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.optimize import linear_sum_assignment
from tqdm import tqdm

from fer_models.data.fer2013 import load_fer2013
from fer_models.evaluation.clip_scenarios import SCENARIOS
from fer_models.evaluation.made_clips import FPS, HEIGHT, WIDTH, Person, Truth, person_in, person_of_fer2013, play
from fer_models.markdown import markdown_table
from fer_models.video.timeline import TrackedFace
from fer_models.video.tracking import FaceTracker

FOUND = 0.5

# A face of which SEEN or more is visible has to be found. One of less than that may be found or not.
SEEN = 0.75


@dataclass(eq=False)
class Count:
    """What went wrong in a clip, frame by frame.

    Attributes:
        frames: that have been counted.
        faces: faces to be found, over all frames.
        lost: those that were not.
        false: faces where there are none.
        switches: how often a person was given another number than the last time.
        numbers: of the people found, by person.
    """

    frames: int = 0
    faces: int = 0
    lost: int = 0
    false: int = 0
    switches: int = 0
    numbers: dict[int, list[int]] = field(default_factory=dict)

    def add(self, truths: Sequence[Truth], found: Sequence[TrackedFace]) -> None:
        """Counts one frame more."""
        overlaps = np.reshape([[overlap(t.box, f.face.box) for f in found] for t in truths], (len(truths), len(found)))
        # Who had this number the last time keeps it, where that is possible.
        kept = [[self._last(t.person) == f.number for f in found] for t in truths]
        worth = np.where(overlaps >= FOUND, overlaps + np.reshape(kept, overlaps.shape), 0)
        pairs = [(t, f) for t, f in zip(*linear_sum_assignment(-worth), strict=True) if worth[t, f]]
        for t, f in pairs:
            person, number = truths[t].person, found[f].number
            self.switches += self._last(person) not in (None, number)
            self.numbers.setdefault(person, []).append(number)
        seen = {t for t, truth in enumerate(truths) if truth.visible >= SEEN}
        self.frames += 1
        self.faces += len(seen)
        self.lost += len(seen - {t for t, _ in pairs})
        self.false += len(found) - len(pairs)

    def _last(self, person: int) -> int | None:
        return self.numbers.get(person, [None])[-1]

    @property
    def extra(self) -> int:
        """Numbers beyond one for each person found."""
        return sum(len(set(numbers)) - 1 for numbers in self.numbers.values())

    @property
    def shared(self) -> int:
        """Numbers that were given to several people."""
        owners = [number for numbers in self.numbers.values() for number in set(numbers)]
        return len(owners) - len(set(owners))


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Intersection over union of two boxes."""
    width, height = min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0) * max(height, 0)
    areas = sum((right - left) * (bottom - top) for left, top, right, bottom in (one, other))
    return shared / (areas - shared)
