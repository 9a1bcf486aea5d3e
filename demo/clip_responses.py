"""Event handlers of the tab Clip: analysis of a clip in the queue, and what the models make of a face in one frame.

The browser is told how far the analysis is, and fetches what there is by then from `demo.clip_routes`: so an event's
value stays small, however long the clip is.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import ceil
from threading import Event, Lock
from typing import Any, BinaryIO

import gradio as gr
import numpy as np

from demo.analysis import check_maps, explain_face
from demo.cards import render_results
from demo.clip_store import ClipStore, StoredClip
from demo.example_pictures import EXAMPLE_CLIP, EXAMPLES
from demo.model_choice import chosen_models
from demo.photo import FaceCrop, read_photo
from demo.responses import NO_MODELS, Responses, errors_as_a_sentence
from demo.retention import taken_upload
from demo.view import DEFAULT_METHOD, FIRST_LAYER
from fer_models import explain
from fer_models.faces import landmarks_in_crop
from fer_models.video.analysis import analyse_clip
from fer_models.video.reading import Clip, ClipError, open_clip
from fer_models.video.steadiness import Steadiness, steadiness
from fer_models.video.timeline import FaceMoment, Frame
from fer_models.video.writing import preview

# The largest and the longest clip that is taken.
MEGABYTES, MOST_SECONDS = 100, 120

# Frames that are looked at: so many per second, fewer if a clip would have more of them than this.
PER_SECOND, MOST_MOMENTS = 10, 300

# More frames than this, 120 per second, are not even copied.
MOST_FRAMES = 120 * MOST_SECONDS

# The analysis of a clip ends after so many faces, all frames together, so that a crowd does not hold the queue.
MOST_FACES = 1000

# The example whose faces are compared with those of a clip, to tell whether maps jump.
STRANGERS = "six-faces"

# Seconds between two reports to the browser.
REPORT_INTERVAL = 1.0

TOO_LONG = f"The clip is longer than {MOST_SECONDS // 60} minutes; please cut it first."
TOO_MANY = f"The clip has more than {MOST_FRAMES:,} frames; please cut it first."
STOPPED = "Stopped before anything was analysed."
NO_FACE = "No face was found in this clip."
GONE = "This clip is no longer on the server, which forgets clips after ten minutes without use; please add it again."

# What the browser is told, see `_report`.
Report = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """A clip that is to be analysed.

    Attributes:
        number: counts what the browser has asked for, so that it knows which answer has come.
        upload: path of a file, as the browser was told it; "" for the example.
        models: names of models; those that are not loaded are left out.
    """

    number: int
    upload: str
    models: tuple[str, ...]


def read_wanted(value: object) -> Wanted:
    """What the browser asks for. It may be written by hand, so whatever is not known counts as not chosen."""
    asked = value if isinstance(value, Mapping) else {}
    number, upload, models = (asked.get(key) for key in ("number", "upload", "models"))
    return Wanted(
        number if isinstance(number, int) else 0,
        upload if isinstance(upload, str) else "",
        tuple(filter(None, models.split(","))) if isinstance(models, str) else (),
    )


class ClipResponses:
    """Answers to the events of the tab, for all visitors.

    Args:
        responses: the page's, whose models and pool these share.
        store: where clips are kept.
    """

    def __init__(self, responses: Responses, store: ClipStore) -> None:
        self._responses, self._store = responses, store
        self._others: dict[str, np.ndarray] = {}  # see `_strangers`
        self._lock = Lock()
        self._running: dict[str, Event] = {}  # set to end a visitor's running analysis, by session

    def on_clip(self, asked: object, request: gr.Request) -> Iterator[Report]:
        """A clip was added: yields how far its analysis is, about once per second, and its end."""
        wanted, session, stop = read_wanted(asked), request.session_hash or "", Event()
        self._running[session] = stop
        try:
            with errors_as_a_sentence(ClipError):
                for report in self._analysed(wanted, session, stop):
                    yield {"number": wanted.number} | report
        except ClipError as error:
            yield {"number": wanted.number} | _problem(str(error))
        finally:
            stop.set()
            if self._running.get(session) is stop:
                del self._running[session]

    def on_moment(self, asked: object) -> Iterator[str]:
        """A face in a frame was chosen: yields what the models make of it, as in Analyse, then with the checks."""
        found = self._chosen(asked)
        if isinstance(found, str):
            yield found
            return
        clip, position, face = found
        with errors_as_a_sentence():
            landmarks = landmarks_in_crop(face.face.square, face.face)
            crop = FaceCrop(face.picture, face.pixels, landmarks, face.face.square, face=face.face)
            page = self._responses
            explained = list(explain_face(clip.models, crop, None, None, FIRST_LAYER, DEFAULT_METHOD, page.pool))
            show = partial(render_results, crop, clip.models, explained, page.record(explained), page.accuracies)
            head, number = _heading(clip, position, face), page.next_number()
            yield head + show(None, number)
            yield head + show(check_maps(clip.models, crop, explained, page.pool), number)

    def on_stop(self, request: gr.Request) -> None:
        """The visitor wants a running analysis to end, and to keep what it has found."""
        if running := self._running.get(request.session_hash or ""):
            running.set()

    def on_leave(self, request: gr.Request) -> None:
        """The visitor has left: a running analysis ends, and all clips of the visit are forgotten."""
        self.on_stop(request)
        self._store.forget_visit(request.session_hash)

    def _analysed(self, wanted: Wanted, session: str, stop: Event) -> Iterator[Report]:
        names = chosen_models(wanted.models, self._responses.models)
        if not names:
            yield _problem(NO_MODELS)
            return
        if not wanted.upload and (example := self._store.example(names)):
            yield _report("done", example)
            return
        yield {"state": "reading"}
        with _opened_file(wanted.upload) as file, open_clip(file) as source:
            if source.duration and source.duration > MOST_SECONDS + 1:
                raise ClipError(TOO_LONG)
            content, duration = _read(source, stop)
            per_second = min(PER_SECOND, MOST_MOMENTS / duration)
            models = {name: self._responses.models[name] for name in names}
            clip = StoredClip(session, models, source.size, duration, per_second, content)
            self._store.add(clip)
            yield from self._growing(clip, source, stop)
        if not wanted.upload and not clip.was_stopped:
            clip.session = None  # the next visitor who asks for the example finds it

    def _growing(self, clip: StoredClip, source: Clip, stop: Event) -> Iterator[Report]:
        """Analyses an open clip into a stored one."""
        faces = read = 0

        def frames() -> Iterator[Frame]:
            nonlocal read
            for frame in source.frames(clip.per_second):
                read += 1
                yield frame

        start = reported = time.monotonic()
        yield _report("running", clip)
        for moment in analyse_clip(frames(), [*clip.models.values()], method=DEFAULT_METHOD, pool=self._responses.pool):
            clip.add(moment)
            faces += len(moment.faces)
            clip.was_stopped = stop.is_set() or faces > MOST_FACES
            if clip.was_stopped:
                break
            # Moments come in batches: the browser hears of whole ones.
            if len(clip.moments) == read and time.monotonic() - reported > REPORT_INTERVAL:
                self._store.make_room()
                reported = time.monotonic()
                share = min(1, (moment.time + 1 / clip.per_second) / clip.duration)
                yield _report("running", clip, share=share, left=ceil((reported - start) * (1 / share - 1)))
        clip.steadiness = self._steadiness(clip)
        clip.is_done = True
        yield _report("done", clip, sentence=_closing_words(clip, faces, source.problem))

    def _steadiness(self, clip: StoredClip) -> dict[int, dict[str, Steadiness]]:
        """How steady each model's heat map of each face is."""
        found: dict[int, dict[str, Steadiness]] = {}
        for number in sorted({face.number for moment in clip.moments for face in moment.faces}):
            faces = [face for moment in clip.moments for face in moment.faces if face.number == number]
            found[number] = {
                name: steadiness(np.stack([face.heatmaps[name] for face in faces]), self._strangers(name))
                for name in clip.models
            }
        return found

    def _strangers(self, name: str) -> np.ndarray:
        """A model's heat maps of different faces, (N, h, w): those in the page's example with several."""
        with self._lock:
            if name not in self._others:
                model = self._responses.models[name]
                faces = [crop.pixels for crop in read_photo(EXAMPLES[STRANGERS].path).faces]
                explained = explain(model, faces, method=DEFAULT_METHOD, stage=model.last_layer)
                self._others[name] = np.stack([each.heatmap for each in explained])
            return self._others[name]

    def _chosen(self, asked: object) -> tuple[StoredClip, int, FaceMoment] | str:
        """The clip, the moment and the face that the browser asks for, or what to say where there is none."""
        asked = asked if isinstance(asked, Mapping) else {}
        clip = self._store.get(str(asked.get("token")))
        if clip is None:
            return f'<p class="problem">{GONE}</p>'
        position, number = asked.get("moment"), asked.get("face")
        if not isinstance(position, int) or not 0 <= position < len(clip.moments):
            return ""
        found = [face for face in clip.moments[position].faces if face.number == number]
        return (clip, position, found[0]) if found else ""


def _closing_words(clip: StoredClip, faces: int, problem: str | None) -> str:
    seconds = clip.moments[-1].time if clip.moments else 0.0
    if faces > MOST_FACES:
        return f"There are many faces in this clip: its first {seconds:.1f} s were analysed."
    if clip.was_stopped:
        return f"Stopped after {seconds:.1f} s."
    return " ".join(filter(None, (NO_FACE if faces == 0 else "", problem)))


@contextmanager
def _opened_file(upload: str) -> Iterator[BinaryIO]:
    """An upload, whose file is deleted before it is read, or the example."""
    if not upload:
        with EXAMPLE_CLIP.open("rb") as file:
            yield file
        return
    with taken_upload(upload) as path:
        file = path.open("rb")
    with file:
        yield file


def _read(source: Clip, stop: Event) -> tuple[bytes, float]:
    """The preview of a clip, and its length in seconds, which its file may not tell or tell wrongly."""
    duration, frames = 0.0, 0

    def check(seconds: float, total: float | None) -> None:
        nonlocal duration, frames
        frames += 1
        if stop.is_set():
            raise ClipError(STOPPED)
        if seconds > MOST_SECONDS + 1:
            raise ClipError(TOO_LONG)
        if frames > MOST_FRAMES:
            raise ClipError(TOO_MANY)
        duration = seconds

    content = preview(source, check)
    # The last frame lasts for a while, too, as the file may tell.
    return content, max(duration, 1 / PER_SECOND, min(source.duration or 0.0, duration + 1))


def _report(state: str, clip: StoredClip, **more: object) -> Report:
    return {"state": state, "token": clip.token, "perSecond": round(clip.per_second, 1), **more}


def _problem(sentence: str) -> Report:
    return {"state": "problem", "sentence": sentence}


def _heading(clip: StoredClip, position: int, face: FaceMoment) -> str:
    time = clip.moments[position].time
    several = len({each.number for moment in clip.moments for each in moment.faces}) > 1
    who = f"Face {face.number} at {time:.1f} s" if several else f"The face at {time:.1f} s"
    return f"""
    <h2 class="moment" data-shows="{clip.token} {position} {face.number}">{who}</h2>
    <p class="legend">This frame by itself, as in Analyse: each model is asked twice, about the face as it is and
    mirrored. The timeline asks once and is smoothed over the frames before and after, so the two may differ.</p>"""
