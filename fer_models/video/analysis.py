"""Analysis of a clip: from its frames to moments, and from moments to what each person shows over time."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from PIL import Image

from fer_models.analysis.rows import MEAN
from fer_models.architectures import EmotionModel
from fer_models.data.images import to_grey48
from fer_models.emotions import EMOTIONS
from fer_models.explanations import METHODS, explain
from fer_models.faces import crop_face
from fer_models.inference import predict
from fer_models.video.smoothing import smooth
from fer_models.video.timeline import AnsweredFace, FaceMoment, Frame, Moment, TrackedFace
from fer_models.video.tracking import FaceTracker

# Faces that the models are asked about together. Larger batches are hardly faster, and their answers come later.
BATCH = 8

# Longest side in pixels of a face's picture, which is there to be looked at.
PICTURE_SIDE = 224


@dataclass(frozen=True, eq=False)
class Track:
    """One person's face over time, with gaps where it was not found. T is the number of moments in which it was.

    Attributes:
        number: identifies the person within the clip.
        moments: int (T,), indices into the clip's moments.
        times: float (T,), in seconds.
        probabilities: float32 (T, 7) by model, and by MEAN for the mean of all models; calibrated, as they are.
        smoothed: the same after `smooth`.
    """

    number: int
    moments: np.ndarray
    times: np.ndarray
    probabilities: dict[str, np.ndarray]
    smoothed: dict[str, np.ndarray]


@dataclass(frozen=True)
class Stretch:
    """Moments in a row in which a person's answer is the same; the times are in seconds."""

    emotion: str
    start: float
    end: float

    @property
    def seconds(self) -> float:
        return round(self.end - self.start, 6)  # 1.4 - 1.0 is 0.4


def analyse_clip(
    frames: Iterable[Frame],
    models: Sequence[EmotionModel],
    *,
    method: str | None = None,
    pool: Executor | None = None,
    tracker: FaceTracker | None = None,
) -> Iterator[Moment[FaceMoment]]:
    """Follows the faces of a clip and asks each model about them, as they are (one view).

    Memory does not grow with the clip: frames are read one after the other, and moments are yielded batch by batch.

    Args:
        frames: in the order of time, see `Clip.frames`.
        models: one or more, each with another `checkpoint`; they run on their own devices.
        method: of heat maps for each model's own answer at its last layer with a grid, a key of METHODS; None for none.
        pool: in which the models run beside each other; None for this thread.
        tracker: one that has followed the clip's earlier frames; None for a new one.

    Yields:
        A moment for each frame.

    Raises:
        ValueError: there is no model, two have the same name, or the method is unknown.
    """
    names = [model.checkpoint for model in models]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"Give one or more models with different names, not {names}.")
    if method is not None and method not in METHODS:
        raise ValueError(f"There is no method {method!r}. Choose one of: {', '.join(METHODS)}.")
    return _moments(frames, models, method, pool, tracker or FaceTracker())


def tracks_of(moments: Sequence[Moment[AnsweredFace]]) -> list[Track]:
    """What each person shows over time, by number. A cut ends the memory of the smoothing."""
    cuts = np.cumsum([moment.is_cut for moment in moments])  # the number of the scene that each moment belongs to
    found: dict[int, list[tuple[int, AnsweredFace]]] = {}
    for position, moment in enumerate(moments):
        for face in moment.faces:
            found.setdefault(face.number, []).append((position, face))
    return [_track(number, seen, moments, cuts) for number, seen in sorted(found.items())]


def stretches_of(track: Track, name: str, step: float) -> list[Stretch]:
    """A person's smoothed answers by one model, or by MEAN; a gap in which the face is not there ends a stretch.

    Args:
        track: the person.
        name: of the model.
        step: seconds from one moment to the next, for which an answer lasts.
    """
    answers = track.smoothed[name].argmax(axis=1)
    is_new = np.diff(answers, prepend=-1) != 0
    is_new[1:] |= np.diff(track.moments) > 1
    starts = np.flatnonzero(is_new)
    ends = [*starts[1:], len(answers)]
    return [
        Stretch(EMOTIONS[answers[start]], float(track.times[start]), float(track.times[end - 1]) + step)
        for start, end in zip(starts, ends, strict=True)
    ]


def _track(number: int, seen: list[tuple[int, AnsweredFace]], moments: Sequence[Moment], scenes: np.ndarray) -> Track:
    positions = np.array([position for position, _ in seen])
    times = np.array([moments[position].time for position in positions])
    is_cut = np.diff(scenes[positions], prepend=scenes[positions[0]]) > 0
    probabilities = {
        name: np.stack([face.probabilities[name] for _, face in seen]) for name in seen[0][1].probabilities
    }
    probabilities[MEAN] = np.mean(list(probabilities.values()), axis=0)
    smoothed = {name: smooth(values, times, is_cut) for name, values in probabilities.items()}
    return Track(number, positions, times, probabilities, smoothed)


def _moments(
    frames: Iterable[Frame],
    models: Sequence[EmotionModel],
    method: str | None,
    pool: Executor | None,
    tracker: FaceTracker,
) -> Iterator[Moment[FaceMoment]]:
    batch: list[tuple[float, bool, list[_CutFace]]] = []
    for frame in frames:
        observation = tracker.observe(frame)
        faces = [_CutFace.of(frame.picture, tracked) for tracked in tracker.associate(observation)]
        batch.append((frame.time, observation.is_cut, faces))
        if sum(len(faces) for _, _, faces in batch) >= BATCH or len(batch) >= 4 * BATCH:
            yield from _answered(batch, models, method, pool)
            batch = []
    yield from _answered(batch, models, method, pool)


@dataclass(frozen=True, eq=False)
class _CutFace:
    """A face of a frame whose models have not been asked yet."""

    tracked: TrackedFace
    pixels: np.ndarray
    picture: Image.Image

    @classmethod
    def of(cls, picture: Image.Image, tracked: TrackedFace) -> "_CutFace":
        crop = crop_face(picture, tracked.face)
        pixels = to_grey48(crop)
        shown = crop.convert("L")
        shown.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
        return cls(tracked, pixels, shown)


def _answered(
    batch: list[tuple[float, bool, list[_CutFace]]],
    models: Sequence[EmotionModel],
    method: str | None,
    pool: Executor | None,
) -> Iterator[Moment[FaceMoment]]:
    """The moments of a batch, with what the models say."""
    pixels = [face.pixels for _, _, faces in batch for face in faces]
    run: Callable = pool.map if pool else map
    answers = list(run(lambda model: _ask(model, pixels, method), models)) if pixels else []
    by_face = iter(zip(*answers, strict=True))
    names = [model.checkpoint for model in models]
    for time, is_cut, faces in batch:
        found = []
        for face in faces:
            probabilities, heatmaps, attention = (
                {name: value for name, value in zip(names, values, strict=True) if value is not None}
                for values in zip(*next(by_face), strict=True)
            )
            tracked = face.tracked
            found.append(
                FaceMoment(tracked.number, tracked.face, probabilities, face.pixels, face.picture, heatmaps, attention)
            )
        yield Moment(time, is_cut, sorted(found, key=lambda face: face.number))


# Of one face: probabilities (7,), heat map and attention; None for a map that is not wanted or does not exist.
_Answer = tuple[np.ndarray, np.ndarray | None, np.ndarray | None]


def _ask(model: EmotionModel, pixels: Sequence[np.ndarray], method: str | None) -> list[_Answer]:
    if method is None:
        return [(probabilities, None, None) for probabilities in predict(model, list(pixels))]
    return [
        (found.probabilities, found.heatmap, found.spatial_attention)
        for found in explain(model, list(pixels), method=method, stage=model.last_layer)
    ]
