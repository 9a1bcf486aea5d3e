"""Following faces through a clip: which face in this frame is whose in the frames before.

Tracking by detection, as in SORT (Bewley et al. 2016, "Simple Online and Realtime Tracking"): each track is expected at
its place by constant velocity, and the Hungarian method assigns the faces found to the tracks, by their landmarks and
their appearance. Someone who was away is recognised by appearance alone, where that is certain.

Looking costs far more than assigning. So the whole frame is searched twice per second only, and in between each face is
looked for in a small crop around the place where it is expected.
"""

import base64
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

import numpy as np
from PIL import Image
from scipy.optimize import linear_sum_assignment

from fer_models.data.images import as_rgb
from fer_models.faces import Face, find_again, find_new_faces
from fer_models.faces.geometry import Square, crop_square, roll_of
from fer_models.video.timeline import Frame, TrackedFace

# Seconds from one search of the whole frame to the next, and to the next thorough one, which also finds small faces.
SEARCH_SECONDS, THOROUGH_SECONDS = 0.5, 5.0

# A face with a lower score counts only when it is found again in the next frame.
CERTAIN = 0.8

# A face that is not seen is expected to go on for COASTING seconds; its speed fades with the time constant FADING.
COASTING, FADING = 1.5, 0.5

# How far a face's landmarks may be from where they are expected, on average, in units of the face's size: at once, and
# more for each second since the face was seen.
REACH, REACH_PER_SECOND = 1.0, 1.5

# What a difference in looks and a second without the face count beside a distance in units of the face's size. Looks of
# two people differ by about 1.4.
LOOK_WEIGHT, GAP_WEIGHT = 0.5, 1.0

# Someone who was away for at most AWAY seconds is recognised wherever it is if the look differs by at most SAME, and by
# MARGIN less than that of anybody else who is away. After GAP seconds, the look has to be the same at any place.
AWAY, SAME, MARGIN, GAP = 10.0, 0.9, 0.3, 0.5

# The part of a face's look that each frame renews.
RENEWAL = 0.2

# The 1-Euro filter of the boxes (Casiez, Roussel and Vogel 2012): the cut-off frequency in Hz at rest, what a speed of
# one face size per second adds to it, and the cut-off frequency of the speed.
REST, PER_SPEED, SPEED_CUTOFF = 1.0, 4.0, 1.0

# A face is cropped upright as soon as it is tilted by more than TILTED degrees, until the tilt is less than LEVEL.
TILTED, LEVEL = 10.0, 7.0

# Width and height of the thumbnails in which cuts are looked for, in pixels.
THUMBNAIL = (32, 18)

# Somebody's look: the middle of the face, as a part of its square, with so many pixels per side, and what a difference
# in chromaticity is divided by.
PATCH, MIDDLE, COLOUR_SCALE = 8, 0.8, 0.12

# At a cut, the correlation of two thumbnails is lower than this, and the distance of their colours (0 to 1) larger.
CUT_CORRELATION, CUT_COLOURS = 0.5, 0.3

# A search is not put off to the next frame because of this part of a second.
TOLERANCE = 0.001


class Search(IntEnum):
    """How a frame was searched for new faces."""

    NONE = 0
    QUICK = 1
    THOROUGH = 2


@dataclass(frozen=True, eq=False)
class Observation:
    """What was seen in a frame: all that `FaceTracker.associate` needs, and little enough to be stored.

    Attributes:
        time: seconds from the start of the clip.
        thumbnail: uint8 (18, 32, 3), the frame.
        is_cut: whether the picture changed as a whole since the frame before.
        search: how the whole frame was searched.
        faces: as found, in no order.
        patches: uint8 (8, 8, 3) for each face: its middle, upright.
    """

    time: float
    thumbnail: np.ndarray
    is_cut: bool
    search: Search
    faces: tuple[Face, ...]
    patches: tuple[np.ndarray, ...]

    def to_json(self) -> dict[str, Any]:
        """The observation in values that JSON knows. `from_json` gives the same one back, to the last bit."""
        return {
            "time": self.time,
            "thumbnail": _packed(self.thumbnail),
            "is_cut": self.is_cut,
            "search": self.search,
            "faces": [[*face.box, face.score, face.roll, *face.landmarks.ravel().tolist()] for face in self.faces],
            "patches": [_packed(patch) for patch in self.patches],
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Observation":
        """The inverse of `to_json`."""
        faces = [
            Face(_box(np.array(box)), score, np.reshape(landmarks, (5, 2)).astype(np.float32), roll)
            for *box, score, roll, landmarks in ((*face[:6], face[6:]) for face in values["faces"])
        ]
        patches = [_unpacked(patch, (PATCH, PATCH, 3)) for patch in values["patches"]]
        thumbnail = _unpacked(values["thumbnail"], (*reversed(THUMBNAIL), 3))
        return cls(values["time"], thumbnail, values["is_cut"], Search(values["search"]), tuple(faces), tuple(patches))


@dataclass(eq=False)
class _Track:
    """A face that is followed.

    Attributes:
        seen: the face as it was last found, at `time`.
        shown: the same with a steadier box and roll.
        look: float (d,), see `_look`.
        number: the person's; None as long as the face is not certain.
        is_placed: whether it is known where the face may be now.
        speed: float (2,), in pixels per second.
    """

    seen: Face
    shown: Face
    time: float
    look: np.ndarray
    number: int | None = None
    is_placed: bool = True
    speed: np.ndarray = field(default_factory=lambda: np.zeros(2))

    def expected(self, time: float) -> Face:
        """The face as it may be expected at this time, with the roll at which to look for it."""
        way = self.speed * FADING * (1 - np.exp((self.time - time) / FADING))
        landmarks = self.seen.landmarks + way.astype(np.float32)
        return replace(self.seen, box=_box(self.seen.box + np.tile(way, 2)), landmarks=landmarks, roll=self.shown.roll)

    def distance(self, time: float, face: Face, look: np.ndarray) -> float:
        """How far this face is from the expected one, in place, look and time; infinite if it cannot be the same."""
        steps = np.linalg.norm(self.expected(time).landmarks - face.landmarks, axis=1)
        apart = float(steps.mean()) / self.seen.area**0.5
        unlike = _difference(self.look, look)
        gap = time - self.time
        if apart > REACH + REACH_PER_SECOND * gap or (gap > GAP and unlike > SAME):
            return np.inf
        return apart + LOOK_WEIGHT * unlike + GAP_WEIGHT * gap

    def update(self, time: float, face: Face, look: np.ndarray) -> None:
        """Goes on with what was found of the face."""
        passed = time - self.time
        speed = (face.centre - self.seen.centre) / passed
        self.speed += _share(SPEED_CUTOFF, passed) * (speed - self.speed)
        pace = float(np.linalg.norm(self.speed)) / face.area**0.5
        share = _share(REST + PER_SPEED * pace, passed)
        expected = self.shown.box + np.tile(self.speed * passed, 2)
        box = expected + share * (face.box - expected)
        tilt = roll_of(face.landmarks)
        bound = LEVEL if self.shown.roll else TILTED
        self.shown = replace(face, box=_box(box), roll=tilt if abs(tilt) > bound else 0.0)
        self.look = self.look + RENEWAL * (look - self.look)
        self.seen, self.time, self.is_placed = face, time, True


class FaceTracker:
    """Follows the faces of one clip, whose frames come in order of time.

        tracker = FaceTracker()
        for frame in frames:
            faces = tracker.follow(frame)

    Where it looks depends on what it associated before, and that on observations alone. So a tracker that associates
    stored observations goes on as if it had seen their frames.
    """

    def __init__(self) -> None:
        self._tracks: list[_Track] = []
        self._people = 0
        self._last: Observation | None = None
        self._searched = dict.fromkeys((Search.QUICK, Search.THOROUGH), -np.inf)  # when it was searched so or better

    def follow(self, frame: Frame) -> list[TrackedFace]:
        """The faces in the next frame, by number. One that is not certain is left out until it is found again."""
        return self.associate(self.observe(frame))

    def observe(self, frame: Frame) -> Observation:
        """Looks for faces in the next frame. Changes nothing."""
        picture = as_rgb(frame.picture)
        thumbnail = _thumbnail(picture)
        is_cut = self._last is not None and _is_cut(self._last.thumbnail, thumbnail)
        followed = [] if is_cut else [track for track in self._tracks if track.is_placed]
        faces = find_again(picture, [track.expected(frame.time) for track in followed])
        is_lost = len(faces) < sum(track.time == self._last.time for track in followed) if self._last else False
        search = Search.NONE
        if is_cut or frame.time - self._searched[Search.THOROUGH] > THOROUGH_SECONDS - TOLERANCE:
            search = Search.THOROUGH
        elif is_lost or frame.time - self._searched[Search.QUICK] > SEARCH_SECONDS - TOLERANCE:
            search = Search.QUICK
        if search:
            faces = faces + find_new_faces(picture, faces, search == Search.THOROUGH)
        faces = [_rounded(face) for face in faces]
        patches = [_patch(picture, face) for face in faces]
        return Observation(frame.time, thumbnail, is_cut, search, tuple(faces), tuple(patches))

    def associate(self, observation: Observation) -> list[TrackedFace]:
        """Whose faces have been observed, by number. Depends on this and all earlier observations alone."""
        time, faces = observation.time, observation.faces
        looks = [_look(patch) for patch in observation.patches]
        for track in self._tracks:
            track.is_placed &= not observation.is_cut and time - track.time <= COASTING
        placed = [track for track in self._tracks if track.is_placed]
        seen = list(zip(faces, looks, strict=True))
        distances = [[track.distance(time, face, look) for face, look in seen] for track in placed]
        found = _assigned(np.reshape(distances, (len(placed), len(faces))))
        new = []
        for index, (face, look) in enumerate(seen):
            if index in found:
                placed[found[index]].update(time, face, look)
            else:
                new.append(_Track(face, face, time, look))
        for track in [*placed, *new]:
            is_certain = track.seen.score >= CERTAIN or track in placed
            if track.number is None and track.time == time and is_certain:
                self._recognise(track)
        self._tracks = [
            track
            for track in [*self._tracks, *new]
            if track.time == time or (track.number is not None and time - track.time <= AWAY)
        ]
        self._last = observation
        self._searched.update((search, time) for search in self._searched if search <= observation.search)
        present = [
            TrackedFace(track.number, track.shown)
            for track in self._tracks
            if track.time == time and track.number is not None
        ]
        return sorted(present, key=lambda tracked: tracked.number)

    def _recognise(self, track: _Track) -> None:
        """Gives a face the number of the person who is away and looks like it, if that is certain; else a new one."""
        away = [other for other in self._tracks if other.time < track.time and other.number is not None]
        away.sort(key=lambda other: _difference(other.look, track.look))
        differences = [_difference(other.look, track.look) for other in away]
        if differences and differences[0] <= SAME and (len(away) == 1 or differences[1] - differences[0] >= MARGIN):
            track.number = away[0].number
            self._tracks.remove(away[0])
        else:
            self._people += 1
            track.number = self._people


def _assigned(distances: np.ndarray) -> dict[int, int]:
    """Which row each column belongs to, with the smallest total; pairs at infinite distance are none."""
    rows, columns = linear_sum_assignment(np.minimum(distances, 1e6))
    return {int(c): int(r) for r, c in zip(rows, columns, strict=True) if np.isfinite(distances[r, c])}


def _box(corners: np.ndarray) -> tuple[float, float, float, float]:
    left, top, right, bottom = corners.tolist()
    return left, top, right, bottom


def _share(cutoff: float, seconds: float) -> float:
    """The part of a new value that a low-pass filter with this cut-off frequency (Hz) takes over after some seconds."""
    return 1 / (1 + 1 / (2 * np.pi * cutoff * seconds))


def _rounded(face: Face) -> Face:
    """Positions in hundredths of a pixel, so that stored observations are short and yet the same."""
    return Face(_box(np.round(face.box, 2)), round(face.score, 4), np.round(face.landmarks, 2), round(face.roll, 2))


def _thumbnail(picture: Image.Image) -> np.ndarray:
    """See `Observation.thumbnail`."""
    width, height = THUMBNAIL
    # Ten pixels in each direction are enough for a mean, and cost a tenth of all.
    return np.asarray(picture.resize((10 * width, 10 * height), Image.Resampling.NEAREST).reduce(10))


def _is_cut(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether the picture has changed as a whole, from thumbnails.

    Motion hardly changes the colours, light and flashes hardly change the pattern: at a cut, both change.
    """
    one, other = (np.float64(thumbnail).mean(axis=2) for thumbnail in (before, after))
    one, other = one - one.mean(), other - other.mean()
    correlation = np.sum(one * other) / max(np.linalg.norm(one) * np.linalg.norm(other), 1e-6)
    distance = np.linalg.norm(_colours(before) - _colours(after)) / np.sqrt(2)
    return bool(correlation < CUT_CORRELATION and distance > CUT_COLOURS)


def _colours(thumbnail: np.ndarray) -> np.ndarray:
    """Roots of the colours' frequencies at a mean brightness of 100, whose distance is Hellinger's, times 1.41."""
    levels = np.minimum(thumbnail * (100 / max(thumbnail.mean(), 1)) // 40, 5).astype(int)
    frequencies = np.bincount((levels @ (36, 6, 1)).ravel(), minlength=216)
    return np.sqrt(frequencies / frequencies.sum())


def _patch(picture: Image.Image, face: Face) -> np.ndarray:
    """See `Observation.patches`."""
    middle = Square(face.square.centre, max(1, round(MIDDLE * face.square.side)), face.roll)
    return np.asarray(crop_square(picture, middle, 4 * PATCH).reduce(4))


def _look(patch: np.ndarray) -> np.ndarray:
    """What a face looks like, float (192,): its grey values without brightness and contrast, and its colours.

    The Euclidean distance of two looks is 1.41 for uncorrelated grey values of the same colour.
    """
    grey = patch @ np.array([0.299, 0.587, 0.114])
    grey -= grey.mean()
    chromaticity = patch[:, :, :2] / (patch.sum(axis=2, keepdims=True) + 30)
    return np.concatenate([grey.ravel() / max(np.linalg.norm(grey), 1e-6), chromaticity.ravel() / PATCH / COLOUR_SCALE])


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.linalg.norm(one - other))


def _packed(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode()


def _unpacked(text: str, shape: tuple[int, ...]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(shape)
