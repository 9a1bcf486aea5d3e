"""Event handlers: from what a visitor wants to see to the page's new values.

The browser holds one object, the view (`demo.view`), and sends all of it with each choice. The answer is made from it
and from what the server remembers of the visit, so the photo's marks and the results cannot differ.

A handler returns a value for each output, and never `gr.skip()`: for each of these Gradio keeps another copy of the
component, with its HTML, until the visitor leaves.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from itertools import count as counter
from threading import Event, Lock

import gradio as gr

from demo.analysis import Evidence, check_maps, examine, explain_face
from demo.badges import render_badge
from demo.cards import render_results
from demo.cover import NOT_COVERED, render_changes, render_cover
from demo.evidence_cards import NOT_TESTED, render_evidence
from demo.example_pictures import EXAMPLES
from demo.model_choice import chosen_models
from demo.photo import FaceCrop, Photo, cover, read_photo
from demo.photo_view import crop_index, render_photo
from demo.retention import taken_upload
from demo.takeaway import Takeaway, make_takeaway
from demo.verdict import Record, known_record
from demo.view import View, read_view
from fer_models import EmotionModel, Explanation, predict
from fer_models.architectures import model_title
from fer_models.data.pictures import PictureError
from fer_models.evaluation.results import Evaluation
from fer_models.faces import Progress

NO_MODELS = "There is no model: train one with python train.py --model attn_cnn --data PATH, then restart the page."

UNFORESEEN = "Something went wrong on the server. Please try again, or use another file."

# How many visitors' events of a kind wait for the models at the same time; the rest wait in Gradio's queue.
WAITING = 16

PROGRESS = gr.Progress()  # as a default value it makes Gradio pass the progress of the running event


@dataclass(frozen=True, eq=False)
class Visit:
    """What the server remembers of a visit. Never changed, so visits may share one, such as the opening example.

    Attributes:
        source: of the photo, see `View.source`.
        photo: None for none.
        problem: why there is none, in a sentence.
        chosen: index of the explained crop; None if nothing is explained.
        explanations: of it, one per model.
        number: identifies the analysis; 0 for none.
    """

    source: str = ""
    photo: Photo | None = None
    problem: str = ""
    chosen: int | None = None
    explanations: list[Explanation] = field(default_factory=list)
    number: int = 0

    def __deepcopy__(self, memo: object) -> "Visit":
        return self

    @property
    def crop(self) -> FaceCrop | None:
        """The explained face; None if nothing is explained."""
        if self.photo is None or self.chosen is None or not self.explanations:
            return None
        return self.photo.crops[self.chosen]


# What the page shows: the visit, and the HTML of the photo, the results, the face to cover, and the evidence.
Shown = tuple[Visit, str, str, str, str]


class Stopped(Exception):
    """A test of the maps is to end."""


class Responses:
    """Answers to events, for all visitors; the values of one visitor come in and go out with each call.

    Args:
        models: by name.
        results: stored evaluations by the same names, where there are any.
        at_once: how many models run at the same time.

    Attributes:
        models: as given.
        accuracies: flip-averaged, as the page asks the models, in [0, 1], by name, where they are known.
        pool: in which the models run.
        opening: held while a photo is opened.
    """

    def __init__(
        self,
        models: dict[str, EmotionModel],
        results: Mapping[str, Evaluation] | None = None,
        at_once: int = 2,
    ) -> None:
        self.models, results = models, results or {}
        self.accuracies = {name: found.metrics["test_flip_averaged"]["accuracy"] for name, found in results.items()}
        self._record_of = lru_cache(maxsize=64)(partial(known_record, results))
        self.pool = ThreadPoolExecutor(at_once, thread_name_prefix="model")
        # Of their own, so that nobody's answers stand in line behind others' checks, which take twice as long.
        self._checking = ThreadPoolExecutor(at_once, thread_name_prefix="check")
        self.opening = Lock()  # one photo at a time, for opening a large one takes much memory
        self._numbers = counter(1)
        self._tests: dict[str, Event] = {}  # set to end a visitor's running test, by session

    def on_view(
        self, asked: object, visit: Visit, request: gr.Request, progress: gr.Progress = PROGRESS
    ) -> Iterator[Shown]:
        """Something was chosen: yields what the page is to show, first the photo if it is new, then everything.

        Args:
            asked: the view, as the browser holds it.
            visit: what is remembered.
        """
        self.on_leave(request)  # a test of what is shown now
        view = read_view(asked)
        with errors_as_a_sentence():
            if view.source != visit.source:
                visit = self._opened(view, partial(_report_search, progress))
                waiting = '<p class="hint" data-waiting>Asking the models …</p>' if visit.photo else _hint(visit)
                yield visit, render_photo(visit.photo, None, visit.problem), _answer(view, waiting), "", ""
            shown = self._shown(view, visit, progress)
            self.on_leave(request)  # a test that was started meanwhile
            yield shown

    def show(self, view: View) -> Shown:
        """What the page is to show when it is opened, with the quick checks of the maps."""
        return self._shown(view, self._opened(view), with_checks=True)

    def on_checks(self, visit: Visit) -> dict:
        """There are new results: returns their quick checks as HTML, by model, and the analysis they belong to."""
        if visit.crop is None:
            return {}
        with errors_as_a_sentence():
            checks = check_maps(self.models, visit.crop, visit.explanations, self._checking)
            badges = {found.model_name: render_badge(found, checks[found.model_name]) for found in visit.explanations}
            return {"analysis": visit.number, "badges": badges}

    def on_cover(self, cells: object, visit: Visit) -> str:
        """The face was painted over: returns what that changes."""
        crop = visit.crop
        if crop is None or not isinstance(cells, list) or not cells:
            return NOT_COVERED if crop else ""
        with errors_as_a_sentence():
            faces = [crop.pixels, cover(crop, cells)]
            names = [each.model_name for each in visit.explanations]
            answers = self.pool.map(lambda name: tuple(predict(self.models[name], faces, mirrored=True)), names)
            return render_changes(dict(zip(names, answers, strict=True)), sorted(set(cells)), crop)

    def on_test(self, visit: Visit, request: gr.Request, progress: gr.Progress = PROGRESS) -> Iterator[str]:
        """The maps on the page are to be tested: yields the evidence after each model."""
        if visit.crop is None:
            yield ""
            return
        session, stop = request.session_hash or "", Event()
        self._tests[session] = stop
        tested: list[Evidence] = []
        yield render_evidence(tested, is_running=True)
        try:
            with errors_as_a_sentence(Stopped):
                for found in visit.explanations:
                    report = partial(
                        _report_test, progress, stop, len(tested), len(visit.explanations), found.model_name
                    )
                    tested.append(examine(self.models[found.model_name], visit.crop, found, report))
                    if self._tests.get(session) is not stop:
                        raise Stopped
                    yield render_evidence(tested, is_running=len(tested) < len(visit.explanations))
        except Stopped:
            # New results, which end a test as well, have put another text in this place. It is said again, because
            # Gradio repeats what a handler yielded last when the handler ends.
            yield render_evidence(tested, was_stopped=True) if self._tests.get(session) is stop else NOT_TESTED
        finally:
            if self._tests.get(session) is stop:
                del self._tests[session]

    def on_leave(self, request: gr.Request) -> None:
        """The visitor has left, or wants to see something else: a running test ends."""
        if running := self._tests.pop(request.session_hash or "", None):
            running.set()

    def on_stop_button(self, request: gr.Request) -> None:
        """The visitor wants a running test to end, and to keep what it has found."""
        if running := self._tests.get(request.session_hash or ""):
            running.set()

    def on_download(self, kind: object, visit: Visit) -> Takeaway:
        """The analysis is to be taken away: returns a file's name and its content as a data URL."""
        if visit.crop is None:
            return {}
        with errors_as_a_sentence():
            found = visit.explanations
            return make_takeaway(str(kind), visit.crop, self.models, found, self.record(found))

    def next_number(self) -> int:
        """Identifies another analysis."""
        return next(self._numbers)

    def record(self, explanations: Sequence[Explanation]) -> Record:
        """What is known of the answers of the models that explained a face, together."""
        return self._record_of(tuple(each.model_name for each in explanations))

    def _opened(self, view: View, progress: Progress | None = None) -> Visit:
        """A visit with the view's photo, and nothing explained."""
        if not view.source:
            return Visit()
        # The file of an upload is deleted as soon as it is read.
        file = nullcontext(EXAMPLES[view.example].path) if view.example else taken_upload(view.upload)
        with file as path, self.opening:
            try:
                return Visit(view.source, read_photo(path, progress))
            except PictureError as error:
                return Visit(view.source, problem=str(error))

    def _shown(
        self,
        view: View,
        visit: Visit,
        progress: gr.Progress | None = None,
        with_checks: bool = False,
    ) -> Shown:
        photo = visit.photo
        if photo is None:
            return visit, render_photo(None, None, visit.problem), _answer(view, _hint(visit)), "", ""
        chosen = crop_index(photo, view.face)
        shown = render_photo(photo, chosen)
        if chosen is None or not self.models:
            visit = replace(visit, chosen=None, explanations=[])
            return visit, shown, _answer(view, _hint(visit) if self.models else _problem(NO_MODELS)), "", ""
        crop = photo.crops[chosen]
        models = {name: self.models[name] for name in chosen_models(view.models, self.models)}
        explained = explain_face(models, crop, view.emotion, view.against, view.layer, view.method, self.pool)
        if progress is not None:
            explained = progress.tqdm(explained, total=len(models), unit="models")
        visit = replace(visit, chosen=chosen, explanations=list(explained), number=self.next_number())
        checks = check_maps(self.models, crop, visit.explanations, self.pool) if with_checks else None
        results = render_results(
            crop, models, visit.explanations, self.record(visit.explanations), self.accuracies, checks, visit.number
        )
        return visit, shown, _answer(view, results), render_cover(crop), NOT_TESTED


def _answer(view: View, results: str) -> str:
    """The results, marked with what they answer: the browser waits until it is the latest that it has asked for."""
    return f'<div data-answers="{view.number}">{results}</div>'


def _hint(visit: Visit) -> str:
    """What to do where there are no results."""
    if visit.photo is None:
        return '<p class="hint">What the models make of a face appears here.</p>'
    return '<p class="hint">No face was found. “Whole picture” shows what the models make of all of it.</p>'


def _problem(sentence: str) -> str:
    return f'<p class="problem">{sentence}</p>'


def _report_search(progress: gr.Progress, done: int, total: int, unit: str) -> None:
    progress((done, total), desc="Looking for faces", unit=unit)


def _report_test(progress: gr.Progress, stop: Event, done: int, models: int, name: str, share: float) -> None:
    if stop.is_set():
        raise Stopped
    progress((done + share) / models, desc=f"Testing the map of {model_title(name)}")


@contextmanager
def errors_as_a_sentence(*expected: type[Exception]) -> Iterator[None]:
    """Turns unforeseen errors into a sentence on the page; the traceback goes to the server's log only."""
    try:
        yield
    except Exception as error:
        if isinstance(error, (gr.Error, *expected)):
            raise
        raise gr.Error(UNFORESEEN) from error
