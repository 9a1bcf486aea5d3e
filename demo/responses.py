"""What happens when a visitor does something: from the page's values to the page's new values."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from html import escape
from pathlib import Path

import gradio as gr
from gradio.utils import get_upload_folder

from demo.analysis import TITLES, Crop, cover, examine, explain_face, read_photo
from demo.cards import render_faces, render_results
from demo.evidence_cards import render_evidence
from demo.painter import NOT_PAINTED, render_changes, render_painter
from demo.uploads import UploadError
from fer_models import EmotionModel, predict

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
NO_MODELS = "There is no model to ask: train one with python train.py --model attn_cnn --data PATH, and start again."
NOTHING_YET = '<p class="hint">Add a photo or choose an example: what the models make of it appears here.</p>'
NOT_TESTED = '<p class="hint">Not tested yet. It takes up to a minute: several hundred looks at the face.</p>'
NO_FACE = "No face was found. If the picture is one face already, choose “whole picture”."

PROGRESS = gr.Progress()  # as a default value it makes Gradio pass the progress of the running event


class Responses:
    """Answers to events, for all visitors; what belongs to one visitor comes in and goes out with each call.

    The values that come and go: `crops` are the faces in the latest photo, `chosen` is the index of the one explained
    or None, and `emotion`, `layer` and `method` are what the controls say.

    Args:
        models: by name.
        accuracies: on FER-2013's test faces, in [0, 1], by name, where they are known.
        record: of all of them together on these faces, see `describe_record`.
    """

    def __init__(
        self,
        models: dict[str, EmotionModel],
        accuracies: Mapping[str, float] | None = None,
        record: str = "",
    ) -> None:
        self.models, self.accuracies, self.record = models, accuracies, record

    def on_photo(
        self, file: dict | None, emotion: str, layer: int | str, method: str, progress: gr.Progress = PROGRESS
    ) -> Iterator[tuple]:
        """A file has been uploaded, pasted or taken: yields (photo, crops, chosen, faces, results) twice.

        The file is deleted, and taken away from the page, as soon as it is read.
        """
        if file is None:  # the page's answer to that
            yield (gr.skip(),) * 5
            return
        path = _uploaded(file)
        try:
            crops, chosen, faces = _read(path)
        finally:
            path.unlink(missing_ok=True)
        yield None, crops, chosen, faces, gr.skip()
        yield *(gr.skip(),) * 4, self.on_control(crops, chosen, emotion, layer, method, progress)

    def on_example(
        self, emotion: str, layer: int | str, method: str, event: gr.EventData, progress: gr.Progress = PROGRESS
    ) -> Iterator[tuple]:
        """An example has been chosen: yields (crops, chosen, faces, results) twice."""
        crops, chosen, faces = _read(EXAMPLES_DIR / list(EXAMPLES)[event.index])
        yield crops, chosen, faces, gr.skip()
        yield *(gr.skip(),) * 3, self.on_control(crops, chosen, emotion, layer, method, progress)

    def on_face(
        self,
        crops: list[Crop],
        emotion: str,
        layer: int | str,
        method: str,
        event: gr.EventData,
        progress: gr.Progress = PROGRESS,
    ) -> tuple[int, str]:
        """A face has been chosen: returns (chosen, results)."""
        return event.index, self.on_control(crops, event.index, emotion, layer, method, progress)

    def on_control(
        self,
        crops: list[Crop],
        chosen: int | None,
        emotion: str,
        layer: int | str,
        method: str,
        progress: gr.Progress = PROGRESS,
    ) -> str:
        """A control has been changed: returns the results, or what to do where there is no face."""
        if chosen is None or not crops:
            return NOTHING_YET
        if not self.models:
            return f'<p class="problem">{NO_MODELS}</p>'
        target = None if emotion == OWN_PREDICTION else emotion
        with _errors_as_a_sentence():
            explanations = explain_face(self.models, crops[chosen], target, layer, method)
            explanations = list(progress.tqdm(explanations, total=len(self.models), unit="models"))
            return render_results(crops[chosen], self.models, explanations, self.accuracies, self.record)

    def on_results(self, crops: list[Crop], chosen: int | None) -> tuple[str, str, str]:
        """There are new results: returns (painter, changes, evidence), which start anew with them."""
        if chosen is None or not crops:
            return NOTHING_YET, "", NOTHING_YET
        return render_painter(crops[chosen]), NOT_PAINTED, NOT_TESTED

    def on_paint(self, crops: list[Crop], chosen: int | None, event: gr.EventData) -> str:
        """The face has been painted over: returns what that changes."""
        if chosen is None or not crops or not event.index:
            return NOT_PAINTED
        crop = crops[chosen]
        with _errors_as_a_sentence():
            faces = [crop.pixels, cover(crop, event.index)]
            answers = {name: tuple(predict(model, faces)) for name, model in self.models.items()}
            return render_changes(answers, len(set(event.index)) / crop.pixels.size)

    def on_test(
        self,
        crops: list[Crop],
        chosen: int | None,
        emotion: str,
        layer: int | str,
        method: str,
        progress: gr.Progress = PROGRESS,
    ) -> Iterator[str]:
        """The maps shown are to be tested: yields the evidence after each model."""
        if chosen is None or not crops:
            yield NOTHING_YET
            return
        target = None if emotion == OWN_PREDICTION else emotion
        tested = []
        with _errors_as_a_sentence():
            for explanation in explain_face(self.models, crops[chosen], target, layer, method):
                name = explanation.model_name
                report = partial(_report, progress, len(tested), len(self.models), TITLES[name])
                tested.append(examine(self.models[name], crops[chosen], explanation, report))
                yield render_evidence(tested)


def _report(progress: gr.Progress, done: int, models: int, title: str, share: float) -> None:
    progress((done + share) / models, desc=f"Testing the map of {title}")


def _uploaded(file: dict) -> Path:
    """Where Gradio has put an upload. The browser names the place, and whoever writes to the server without one could
    name any file: without this check it would be read, and then deleted.
    """
    path = Path(file["path"]).resolve()
    if not path.is_relative_to(Path(get_upload_folder()).resolve()):
        raise gr.Error("That file was not uploaded to this page.")
    return path


def _read(path: Path) -> tuple[list[Crop], int | None, str]:
    """The faces of a photo, the one that is chosen at first, and the choice (or why there is none) as HTML."""
    with _errors_as_a_sentence():
        try:
            crops = read_photo(path)
        except UploadError as error:
            return [], None, f'<p class="problem">{escape(str(error))}</p>'
    if len(crops) == 1:
        return crops, None, f'<p class="problem">{NO_FACE}</p>{render_faces(crops, None)}'
    found = "1 face found" if len(crops) == 2 else f"{len(crops) - 1} faces found: choose one"
    return crops, 0, f'<p class="label">{found}</p>{render_faces(crops, 0)}'


@contextmanager
def _errors_as_a_sentence() -> Iterator[None]:
    """Turns what nobody has foreseen into a sentence on the page; the traceback is for the server's log alone."""
    try:
        yield
    except Exception as error:
        raise gr.Error("Something went wrong on the server. Please try again, or take another picture.") from error
