"""What the browser needs to draw a clip's timeline and to lay boxes and maps over its player: JSON, short."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from demo.clip_store import StoredClip
from demo.clip_words import describe, render_steadiness
from demo.strips import map_bytes
from fer_models.analysis.rows import MEAN
from fer_models.architectures import model_title
from fer_models.explanations.overlays import data_url
from fer_models.video.analysis import Track, tracks_of
from fer_models.video.drawing import PERSON_COLOURS, SCALES
from fer_models.video.timeline import FaceMoment, Moment

# A face that is there for less than so many seconds stands behind a click, if others are there for longer.
BRIEF = 0.5


def timeline(clip: StoredClip) -> dict[str, Any]:
    """All faces of a clip over time, as far as it is analysed.

    Returns:
        times and durations in seconds; `moments` are indices into `times`; a square is x and y of its centre, side and
        roll, in pixels of `size` and degrees; probabilities are in thousandths, seven for each moment.
    """
    moments = list(clip.moments)  # it may grow meanwhile
    tracks = tracks_of(moments)
    step = 1 / clip.per_second
    analysed = moments[-1].time + step if moments else 0.0
    # The length that a file names may be wrong.
    duration = analysed if clip.is_done and not clip.was_stopped else max(clip.duration, analysed)
    return {
        "isDone": clip.is_done,
        "duration": round(duration, 3),
        "analysed": round(min(analysed, duration), 3),
        "step": round(step, 4),
        "size": clip.size,
        "times": [round(moment.time, 3) for moment in moments],
        "cuts": [position for position, moment in enumerate(moments) if moment.is_cut],
        "models": [
            {"name": name, "title": model_title(name), "maps": _kinds(tracks, moments, name)} for name in clip.models
        ],
        "faces": [
            _face(track, clip, moments, step, analysed) | {"isBrief": is_brief(track, tracks, step)} for track in tracks
        ],
    }


def maps(clip: StoredClip, model: str, kind: str) -> dict[str, Any]:
    """A model's maps of all faces, scaled for their colours.

    Args:
        clip: as far as it is analysed.
        model: one of `clip.models`.
        kind: a key of SCALES.

    Returns:
        by the number of the face: rows and columns of the maps, and base64 of their values in 1/255, one map after the
        other in the order of the face's moments. Faces without maps are left out.
    """
    found: dict[int, list[np.ndarray]] = {}
    for moment in list(clip.moments):
        for face in moment.faces:
            values = getattr(face, kind).get(model)
            if values is not None:
                found.setdefault(face.number, []).append(SCALES[kind](values))
    return {str(number): map_bytes(np.stack(values)) for number, values in found.items()}


def is_brief(track: Track, tracks: Sequence[Track], step: float) -> bool:
    """Whether a face is there for a moment only, and others for longer."""
    return len(track.moments) * step < BRIEF <= max(len(other.moments) for other in tracks) * step


def _kinds(tracks: Sequence[Track], moments: Sequence[Moment[FaceMoment]], model: str) -> list[str]:
    """The kinds of maps that a model has."""
    if not tracks:
        return []
    first = _of(moments, tracks[0], 0)
    return [kind for kind in SCALES if model in getattr(first, kind)]


def _face(
    track: Track, clip: StoredClip, moments: Sequence[Moment[FaceMoment]], step: float, analysed: float
) -> dict[str, Any]:
    faces = [_of(moments, track, place) for place in range(len(track.moments))]
    squares = [face.face.square for face in faces]
    surest = max(faces, key=lambda face: face.face.score)
    return {
        "number": track.number,
        "colour": PERSON_COLOURS[(track.number - 1) % len(PERSON_COLOURS)],
        "picture": data_url(surest.picture),
        "words": describe(track, [*clip.models], step, analysed),
        "moments": track.moments.tolist(),
        "squares": [
            [*np.round(square.centre, 1).tolist(), int(square.side), round(float(square.roll), 1)] for square in squares
        ],
        "rows": {
            name: {"smoothed": _thousandths(track.smoothed[name]), "raw": _thousandths(track.probabilities[name])}
            for name in (MEAN, *clip.models)
        },
        "badges": {name: render_steadiness(found) for name, found in clip.steadiness.get(track.number, {}).items()},
    }


def _of(moments: Sequence[Moment[FaceMoment]], track: Track, place: int) -> FaceMoment:
    return next(face for face in moments[track.moments[place]].faces if face.number == track.number)


def _thousandths(probabilities: np.ndarray) -> list[int]:
    return np.rint(1000 * probabilities).astype(int).ravel().tolist()
