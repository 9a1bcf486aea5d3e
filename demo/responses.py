"""Event handlers: from the page's values to the page's new values.

A photo goes one way: the file is opened, faces are found and cropped (`demo.photo`), the chosen face is explained
(`demo.analysis`), and the explanations are drawn (`demo.cards`).

A handler returns a value for each output, and never `gr.skip()`: for each of these Gradio keeps another copy of the
component, with its HTML, until the visitor leaves.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from html import escape
from pathlib import Path

import gradio as gr

from demo.analysis import Evidence, examine, explain_face
from demo.cards import render_analysis, render_faces
from demo.evidence_cards import render_evidence
from demo.painter import NOT_PAINTED, render_changes, render_painter
from demo.photo import FaceCrop, cover, read_photo
from demo.retention import taken_upload
from demo.uploads import UploadError
from fer_models import EmotionModel, Explanation, predict
from fer_models.architectures import MODELS
from fer_models.faces import Progress

EXAMPLES_DIR = Path(__file__).parent / "examples"
EXAMPLES = {
    "eileen_collins.jpg": "Eileen Collins",
    "grace_hopper.jpg": "Grace Hopper",
    "tilted.jpg": "tilted head",
    "mouth_covered.jpg": "covered mouth",
    "group.jpg": "six faces",
    "like_fer2013.png": "48 × 48 px",
}

OWN_PREDICTION = "each model's own prediction"
NO_MODELS = "There is no model: train one with python train.py --model attn_cnn --data PATH, then restart the page."
NOTHING_YET = '<p class="hint">Add a photo or choose an example: the models\' answers appear here.</p>'
NOT_TESTED = '<p class="hint">Not tested yet. A test takes up to a minute: several hundred forward passes.</p>'
NO_FACE = "No face was found. If the picture is already cropped to one face, choose “whole picture”."

PROGRESS = gr.Progress()  # as a default value it makes Gradio pass the progress of the running event


class Responses:
    """Answers to events, for all visitors; the values of one visitor come in and go out with each call.

    These values are: `crops`, the faces in the latest photo; `chosen`, the index of the one explained, or None;
    `explanations`, one per model of the chosen face; and `emotion`, `layer` and `method`, the controls.

    Args:
        models: by name.
        accuracies: on FER-2013's test faces, in [0, 1], by name, where they are known.
        record: accuracy of all of them together on these faces, see `describe_record`.
    """

    def __init__(
        self,
        models: dict[str, EmotionModel],
        accuracies: Mapping[str, float] | None = None,
        record: str = "",
    ) -> None:
        self.models, self.accuracies, self.record = models, accuracies, record

    def on_photo(self, file: dict, progress: gr.Progress = PROGRESS) -> tuple[None, list[FaceCrop], int | None, str]:
        """A file was uploaded, pasted or taken: returns (photo, crops, chosen, faces).

        The file is deleted, and removed from the page, as soon as it is read.
        """
        with taken_upload(file) as path:
            return None, *_opened(path, partial(_report_search, progress))

    def on_example(self, event: gr.EventData) -> tuple[list[FaceCrop], int | None, str]:
        """An example was chosen: returns (crops, chosen, faces)."""
        return _opened(EXAMPLES_DIR / list(EXAMPLES)[event.index])

    def on_face(
        self,
        crops: list[FaceCrop],
        emotion: str,
        layer: int | str,
        method: str,
        event: gr.EventData,
        progress: gr.Progress = PROGRESS,
    ) -> tuple[int, list[Explanation], str]:
        """A face was chosen: returns (chosen, explanations, results)."""
        return event.index, *self.on_control(crops, event.index, emotion, layer, method, progress)

    def on_control(
        self,
        crops: list[FaceCrop],
        chosen: int | None,
        emotion: str,
        layer: int | str,
        method: str,
        progress: gr.Progress = PROGRESS,
    ) -> tuple[list[Explanation], str]:
        """A control was changed: returns (explanations, results), or what to do where there is no face."""
        if chosen is None or not crops:
            return [], NOTHING_YET
        if not self.models:
            return [], f'<p class="problem">{NO_MODELS}</p>'
        target = None if emotion == OWN_PREDICTION else emotion
        with _errors_as_a_sentence():
            explained = explain_face(self.models, crops[chosen], target, layer, method)
            explanations = list(progress.tqdm(explained, total=len(self.models), unit="models"))
            return explanations, render_analysis(crops[chosen], self.models, explanations, self.accuracies, self.record)

    def on_results(self, crops: list[FaceCrop], chosen: int | None) -> tuple[str, str, str]:
        """There are new results: returns (painter, changes, evidence), reset for them."""
        if chosen is None or not crops:
            return NOTHING_YET, "", NOTHING_YET
        return render_painter(crops[chosen]), NOT_PAINTED, NOT_TESTED

    def on_paint(self, crops: list[FaceCrop], chosen: int | None, event: gr.EventData) -> str:
        """The face was painted over: returns what that changes."""
        if chosen is None or not crops or not event.index:
            return NOT_PAINTED
        crop = crops[chosen]
        with _errors_as_a_sentence():
            faces = [crop.pixels, cover(crop, event.index)]
            answers = {name: tuple(predict(model, faces)) for name, model in self.models.items()}
            return render_changes(answers, len(set(event.index)) / crop.pixels.size)

    def on_test(
        self,
        crops: list[FaceCrop],
        chosen: int | None,
        explanations: Sequence[Explanation],
        progress: gr.Progress = PROGRESS,
    ) -> Iterator[str]:
        """The maps on the page are to be tested: yields the evidence after each model."""
        if chosen is None or not crops:
            yield NOTHING_YET
            return
        tested: list[Evidence] = []
        with _errors_as_a_sentence():
            for explanation in explanations:
                name = explanation.model_name
                show_progress = partial(_report, progress, len(tested), len(explanations), MODELS[name].title)
                tested.append(examine(self.models[name], crops[chosen], explanation, show_progress))
                yield render_evidence(tested)


def _report(progress: gr.Progress, done: int, models: int, title: str, share: float) -> None:
    progress((done + share) / models, desc=f"Testing the map of {title}")


def _report_search(progress: gr.Progress, done: int, total: int, unit: str) -> None:
    progress((done, total), desc="Looking for faces", unit=unit)


def _opened(path: Path, progress: Progress | None = None) -> tuple[list[FaceCrop], int | None, str]:
    """(crops, chosen, faces) of a photo; `faces` is the row to choose from, or why there is none, as HTML."""
    with _errors_as_a_sentence():
        try:
            crops = read_photo(path, progress)
        except UploadError as error:
            return [], None, f'<p class="problem">{escape(str(error))}</p>'
    if not crops[0].is_face:
        return crops, None, f'<p class="problem">{NO_FACE}</p>{render_faces(crops, None)}'
    return crops, 0, f'<p class="label">{_describe_found(crops)}</p>{render_faces(crops, 0)}'


def _describe_found(crops: list[FaceCrop]) -> str:
    faces = [crop for crop in crops if crop.is_face]
    if len(crops) == 1:
        return "The picture is one face already: it is taken whole"
    turned = sum(face.roll != 0 for face in faces)
    if len(faces) == 1:
        return "1 face found, turned upright" if turned else "1 face found"
    which = "all" if turned == len(faces) else f"{turned} of them"
    return f"{len(faces)} faces found{f', {which} turned upright' if turned else ''}: choose one"


@contextmanager
def _errors_as_a_sentence() -> Iterator[None]:
    """Turns unforeseen errors into a sentence on the page; the traceback goes to the server's log only."""
    try:
        yield
    except Exception as error:
        raise gr.Error("Something went wrong on the server. Please try again, or use another picture.") from error
