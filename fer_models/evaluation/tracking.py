"""How well faces are followed through clips that are made, so that it is known who is where.

    python -m fer_models.evaluation.tracking --pictures demo/examples/eileen_collins.jpg demo/examples/grace_hopper.jpg
    python -m fer_models.evaluation.tracking --data data/fer2013

Each scenario is played several times with the heads of other people at other places. A face counts as found if its box
and the true one have an intersection over union of 0.5 or more. Frames lost, false faces and switches of identity are
those of Bernardin and Stiefelhagen 2008, "Evaluating Multiple Object Tracking Performance: The CLEAR MOT Metrics".
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.optimize import linear_sum_assignment
from tqdm import tqdm

from fer_models.data.fer2013 import load_fer2013
from fer_models.evaluation.clip_scenarios import LENGTH, SCENARIOS, Scenario, lineup
from fer_models.evaluation.made_clips import FPS, HEIGHT, WIDTH, Person, Truth, person_in, play
from fer_models.faces import find_new_faces
from fer_models.faces import frame as framed
from fer_models.markdown import markdown_table
from fer_models.video.timeline import TrackedFace
from fer_models.video.tracking import FaceTracker

FOUND = 0.5

# A face of which SEEN or more is visible has to be found. One of less than that may be found or not.
SEEN = 0.75

# Of so many random faces of FER-2013, those take part that are found wherever they stand still.
PEOPLE = 60

HEAD = (
    "scenario",
    "lost, %",
    "false per 100 frames",
    "switches per clip",
    "extra numbers per clip",
    "shared numbers per clip",
    "cuts missed / false",
)


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
        numbers = self.numbers.get(person)
        return numbers[-1] if numbers else None

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


@dataclass(frozen=True, eq=False)
class Clip:
    """How the faces of a clip were followed.

    Attributes:
        count: what went wrong.
        cuts: how many cuts were missed, and how many were seen where there are none.
        seconds: of one processor, per frame.
    """

    count: Count
    cuts: tuple[int, int]
    seconds: float


def found_in_stills(people: Sequence[Person]) -> list[Person]:
    """Those whose heads are found wherever they stand. Others would measure how faces are found, not followed.

    A head made of 48x48 pixels may be found in some frames only, or with a box that fits one time and not the next.
    """
    counts = [Count() for _ in people]
    for frame, truths in play(lineup(len(people)), people, np.random.default_rng(0)):
        faces = find_new_faces(frame.picture, [], thoroughly=False)
        counts[truths[0].person].add(truths, [TrackedFace(number, face) for number, face in enumerate(faces)])
    return [person for person, count in zip(people, counts, strict=True) if not count.lost]


def measure(scenario: Scenario, people: Sequence[Person], seed: int) -> Clip:
    """Plays a scenario with some of the people, and follows them."""
    rng = np.random.default_rng(seed)
    script = scenario(rng)
    chosen = rng.permutation(len(people))[: script.places.shape[1]]
    is_cut = np.diff(script.scene, prepend=script.scene[0]) != 0
    seen_cuts = np.zeros(len(is_cut), bool)
    tracker, count, seconds = FaceTracker(), Count(), 0.0
    for index, (frame, truths) in enumerate(play(script, [people[number] for number in chosen], rng)):
        start = time.process_time()
        observation = tracker.observe(frame)
        faces = tracker.associate(observation)
        seconds += time.process_time() - start
        seen_cuts[index] = observation.is_cut
        count.add(truths, faces)
    cuts = (int(np.sum(is_cut & ~seen_cuts)), int(np.sum(seen_cuts & ~is_cut)))
    return Clip(count, cuts, seconds / len(is_cut))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m fer_models.evaluation.tracking",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    people_from = parser.add_mutually_exclusive_group(required=True)
    people_from.add_argument("--data", metavar="PATH", help="path to FER-2013: its faces are the people, in grey")
    people_from.add_argument("--pictures", nargs="+", type=Path, metavar="FILE", help="portraits of different people")
    parser.add_argument("--clips", type=int, default=10, metavar="N", help="per scenario; default: %(default)s")
    parser.add_argument(
        "--split",
        choices=("validation", "test"),
        default="test",
        help="validation (PublicTest, other places) to choose settings, test (PrivateTest) to report them; default: "
        "%(default)s",
    )
    options = parser.parse_args()
    if options.data:
        images = getattr(load_fer2013(options.data), options.split).images.cpu().numpy()
        chosen = np.random.default_rng(0).permutation(images)[:PEOPLE]
        people = found_in_stills([person for pixels in chosen if (person := person_in(framed(pixels)))])
    else:
        heads = {path: person_in(Image.open(path).convert("RGB")) for path in options.pictures}
        if without := [str(path) for path, head in heads.items() if head is None]:
            parser.error(f"no face was found in {', '.join(without)}: choose portraits.")
        people = [head for head in heads.values() if head]
    first_seed = 0 if options.split == "validation" else 2000
    seeds = range(first_seed, first_seed + options.clips)
    rows, seconds = [], []
    for name, scenario in tqdm(SCENARIOS.items(), desc="scenarios"):
        if scenario(np.random.default_rng(0)).places.shape[1] > len(people):
            continue  # there are too few portraits
        clips = [measure(scenario, people, seed) for seed in seeds]
        rows.append(_row(name, clips))
        seconds += [clip.seconds for clip in clips]
    source = "fer2013" if options.data else "pictures"
    print(f"<!-- following-{source}:begin -->")
    print(markdown_table(HEAD, rows))
    print(f"\n{options.clips} clips of {LENGTH / FPS:.0f} s per scenario, {WIDTH} x {HEIGHT}, {FPS} frames per second.")
    if options.data:
        print(f"{len(people)} of {PEOPLE} heads take part: those that are found wherever they stand still.")
    print(f"Following took {1000 * np.mean(seconds):.0f} ms of processor time per frame.")
    print(f"<!-- following-{source}:end -->")


def _row(name: str, clips: Sequence[Clip]) -> tuple[str, ...]:
    counts = [clip.count for clip in clips]
    faces, lost = sum(count.faces for count in counts), sum(count.lost for count in counts)
    false, frames = sum(count.false for count in counts), sum(count.frames for count in counts)
    missed, seen = (sum(numbers) for numbers in zip(*(clip.cuts for clip in clips), strict=True))
    return (
        name,
        f"{100 * lost / faces:.1f}" if faces else "–",
        f"{100 * false / frames:.1f}",
        f"{np.mean([count.switches for count in counts]):.1f}",
        f"{np.mean([count.extra for count in counts]):.1f}",
        f"{np.mean([count.shared for count in counts]):.1f}",
        f"{missed} / {seen}",
    )


if __name__ == "__main__":
    main()
