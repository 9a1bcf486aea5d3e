"""What programs can ask: the endpoints /analyse and /models, which are tools for MCP clients as well.

They use the page's own models, queue and limits, so the answers are the page's. An error is a `gr.Error` whose title is
its kind and whose message is a sentence: gradio_client raises it as `AppError` with `title` and `message`; in the event
stream it is {"error": sentence, "title": kind}.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from textwrap import shorten
from typing import Any, Literal, TypeAlias, get_args

import gradio as gr
import numpy as np

from demo.analysis import LAYERS, explain_face, stage_of
from demo.model_choice import MOST
from demo.photo import FaceCrop, Photo, read_photo
from demo.responses import NO_MODELS, UNFORESEEN, WAITING, Responses
from demo.retention import forget_visit, taken_upload
from demo.verdict import judge
from fer_models import EMOTIONS, METHODS, EmotionModel, Explanation
from fer_models.architectures import MODELS, default_choice, model_title
from fer_models.data.pictures import PictureError
from fer_models.evaluation.results import Evaluation
from fer_models.explanations.overlays import data_url, heat_layer, scaled_attention
from fer_models.inference import prediction_set
from fer_models.inference.complexity import count_parameters

Emotion: TypeAlias = Literal[EMOTIONS]  # type: ignore[valid-type]
Method: TypeAlias = Literal[tuple(METHODS)]  # type: ignore[valid-type]
Maps = Literal["none", "arrays", "png"]

# The layers by number, as in a list: -1 is the page's first choice, the last layer with a grid.
LAYER_NUMBERS = dict(zip(range(-1, -1 - len(LAYERS), -1), LAYERS, strict=True))

# One call explains at most so many faces, so that a crowd does not hold a place in the queue for minutes.
MAX_FACES = 32

MEASURES = ("n", "accuracy", "accuracy_interval", "macro_f1", "ece")


class Api:
    """The endpoints of one page.

    Args:
        page: to which they belong.
        responses: the page's, whose models, pool and queue they share.
        results: stored evaluations by model name.
    """

    def __init__(self, page: gr.Blocks, responses: Responses, results: Mapping[str, Evaluation]) -> None:
        self._page, self._responses, self._results = page, responses, results

    def add(self) -> None:
        """Adds the endpoints to the page under construction."""
        gr.api(self.analyse, api_name="analyse", concurrency_id="views", concurrency_limit=WAITING)
        gr.api(self.models, api_name="models", concurrency_id="models", concurrency_limit=WAITING)

    def analyse(
        self,
        image: str,
        request: gr.Request,
        face: int | None = None,
        emotion: Emotion | None = None,
        method: Method = "gradcam",
        layer: int = -1,
        maps: Maps = "none",
        models: list[str] | None = None,
    ) -> dict[str, Any]:
        """Finds the faces in a picture and tells what each facial-emotion model makes of them.

        The labels are raters' guesses of what a face shows, not what a person feels: do not use them to judge people.
        The picture is a file (JPEG, PNG, WebP, HEIC, GIF and others) of at most 20 MB and 50 million pixels.
        The answer has the size of the upright picture, how many faces were found, and for each face its place in
        pixels, each model's opinion, and the mean of the models. An opinion has calibrated probabilities, the answer
        and its confidence, and a set of emotions that contains the raters' label for 90 % of all faces. It is the mean
        over the face as it is and mirrored, which stand beside it; a model that contradicts itself was not sure.

        Args:
            image: The picture's file as base64 or as a data URL, or an upload. Addresses and paths are refused.
            face: Index of a face, the largest is 0; -1: the whole picture as one face; null: all, at most 32.
            emotion: The emotion that the maps explain; null for each model's own answer.
            method: The method of the heat maps.
            layer: The layer explained, -1 (the last one with a grid) to -4; see what "models" says.
            maps: "arrays": maps as rows of unscaled numbers; "png": as data URLs of pictures, coloured from 0 to 1.
            models: Names of the models to ask, at most 6; null for the page's first choice. See what "models" says.
        """
        try:
            content = _received(image)
            _check_arguments(face, emotion, method, layer, maps)
            asked = self._asked(models)
            with self._responses.opening:
                photo = read_photo(content)
            faces = []
            for index in _chosen(photo, face):
                crop = photo.crops[index]
                # As on the page. One face at a time, so that visitors' faces take turns with those of a crowd.
                explained = explain_face(asked, crop, emotion, None, LAYER_NUMBERS[layer], method, self._responses.pool)
                explanations = list(explained)
                faces.append({"face": index if crop.is_face else -1} | self._described(crop, explanations, maps))
            return _answer({"size": photo.size, "found": len(photo.faces), "faces": faces}, request)
        except PictureError as error:
            raise _problem(error.kind, str(error)) from error
        except gr.Error:
            raise
        except Exception as error:
            raise gr.Error(UNFORESEEN, title="internal") from error
        finally:
            forget_visit(self._page, request.session_hash)  # else Gradio would keep the picture

    def models(self, request: gr.Request) -> dict[str, Any]:
        """Tells which facial-emotion models are loaded, how good each one is, and what can be asked of them.

        For each model: input size in pixels, number of parameters, temperatures, SHA-256 of its weights, its names of
        the layers, and under "test" its accuracy on FER-2013's test faces with a 95 % interval, from the mean of each
        face and its mirror image.
        """
        loaded = self._responses.models
        answer = {
            "models": [self._presented(model) for model in loaded.values()],
            "not_loaded": [name for name in MODELS if name not in loaded],
            "emotions": list(EMOTIONS),
            "methods": {name: method.title for name, method in METHODS.items()},
            "layers": {str(number): LAYERS[key] for number, key in LAYER_NUMBERS.items()},
        }
        return _answer(answer, request)

    def _asked(self, names: object) -> dict[str, EmotionModel]:
        """The models that a program asks, by name."""
        loaded = self._responses.models
        if not loaded:
            raise _problem("no_models", NO_MODELS)
        if names is None:
            names = default_choice(loaded)
        elif not (isinstance(names, list) and 0 < len(names) <= MOST and all(str(name) in loaded for name in names)):
            listed = ", ".join(loaded)
            sentence = f"models cannot be {_shown(names)}: give a list of 1 to {MOST} of {listed}, or null."
            raise _problem("bad_argument", sentence)
        return {name: loaded[name] for name in loaded if name in names}

    def _described(self, crop: FaceCrop, explanations: list[Explanation], maps: Maps) -> dict[str, Any]:
        verdict = judge(explanations, self._responses.record(explanations))
        return _place(crop) | {
            "models": {
                each.model_name: _opinion(self._responses.models[each.model_name], each, maps) for each in explanations
            },
            "mean": _distribution(verdict.probabilities)
            | {"verdict": verdict.headline, "named": list(verdict.emotions)},
        }

    def _presented(self, model: EmotionModel) -> dict[str, Any]:
        result = self._results.get(model.checkpoint)
        measured = result.metrics["test_flip_averaged"] if result else {}
        return {
            "name": model.checkpoint,
            "title": model_title(model.checkpoint),
            "is_first_choice": model.checkpoint in default_choice(self._responses.models),
            "input_size": model.input_size,
            "parameters": count_parameters(model),
            "temperature": model.temperature,
            "mirrored_temperature": model.mirrored_temperature,
            "sha256": model.sha256,
            "layers": {str(number): stage_of(model, key) for number, key in LAYER_NUMBERS.items()},
            "test": {name: measured[name] for name in MEASURES} if measured else None,
        }


def _received(image: object) -> bytes:
    """The content of a picture that a program sent: an upload, which is deleted, or base64."""
    if isinstance(image, Mapping):
        try:
            with taken_upload(str(image.get("path", ""))) as path:
                return path.read_bytes()
        except (gr.Error, ValueError) as error:  # a ValueError: no path at all, such as one with a zero byte
            raise _problem(
                "not_uploaded",
                "This file was not uploaded to this page, or has been read already: send the picture itself, as an "
                "upload or as base64. Addresses and paths are not opened.",
            ) from error
    if not isinstance(image, str) or not image:
        raise _problem("no_picture", "There is no picture: send it as an upload, as base64 or as a data URL.")
    encoded = image.partition(",")[2] if image.startswith("data:") else image
    try:
        content = base64.b64decode("".join(encoded.split()), validate=True)
    except ValueError as error:
        raise _problem(
            "not_uploaded",
            "The picture is neither an upload nor base64: send the picture itself. Addresses and paths are not opened.",
        ) from error
    return content


def _chosen(photo: Photo, face: int | None) -> range:
    """The indices of the crops that are asked for."""
    count = len(photo.faces)
    if face is None:
        return range(min(count, MAX_FACES))
    if face == -1:
        return range(len(photo.crops) - 1, len(photo.crops))
    if face >= count:
        faces = "No face was" if count == 0 else "1 face was" if count == 1 else f"{count} faces were"
        raise _problem("no_such_face", f"{faces} found, so there is no face {face}. -1 takes the whole picture.")
    return range(face, face + 1)


def _place(crop: FaceCrop) -> dict[str, Any]:
    """Where the face is, in pixels of the upright picture, and what was cut out for the models."""
    face, square = crop.face, crop.square
    return {
        "box": face and [round(float(edge), 2) for edge in face.box],
        "landmarks": face and np.round(face.landmarks.astype(float), 2).tolist(),
        "rotation": round(float(square.roll), 2),
        "score": face and round(face.score, 4),
        "crop": {"centre": np.round(square.centre, 2).tolist(), "side": int(square.side)},
    }


def _opinion(model: EmotionModel, found: Explanation, maps: Maps) -> dict[str, Any]:
    """What one model makes of a face."""
    opinion = _distribution(found.probabilities) | {
        "prediction_set": list(prediction_set(found.probabilities, model.mirrored_threshold)),
        "as_it_is": _distribution(found.views[0]),
        "mirrored": _distribution(found.views[-1]),
        "changes_when_mirrored": found.changes_when_mirrored,
    }
    if maps == "none":
        return opinion
    attention = found.spatial_attention
    drawn = {
        "heat_map": found.normalised() if maps == "png" else found.heatmap,
        "attention": scaled_attention(attention) if maps == "png" and attention is not None else attention,
    }
    show = _coloured if maps == "png" else _numbers
    return opinion | {
        "explained": EMOTIONS[found.target],
        "method": found.method,
        "layer": found.stage,
        **{name: None if values is None else show(values) for name, values in drawn.items()},
    }


def _distribution(probabilities: np.ndarray) -> dict[str, Any]:
    values = _numbers(probabilities)
    answer = int(probabilities.argmax())
    return {
        "answer": EMOTIONS[answer],
        "confidence": values[answer],
        "probabilities": dict(zip(EMOTIONS, values, strict=True)),
    }


def _numbers(values: np.ndarray) -> list[Any]:
    """float32 of any shape as nested lists, in as few digits as tell them apart."""
    return values.astype(str).astype(float).tolist()


def _coloured(values: np.ndarray) -> str:
    return data_url(heat_layer(values))


def _answer(content: dict[str, Any], request: gr.Request) -> Any:
    """The content; for an MCP client as text, because Gradio would write Python's notation instead of JSON."""
    return json.dumps(content) if request.headers.get("x-gradio-user") == "mcp" else content


def _check_arguments(face: object, emotion: object, method: object, layer: object, maps: object) -> None:
    choices: dict[str, tuple[object, Sequence[object]]] = {
        "emotion": (emotion, (None, *EMOTIONS)),
        "method": (method, list(METHODS)),
        "layer": (layer, list(LAYER_NUMBERS)),
        "maps": (maps, get_args(Maps)),
    }
    for name, (value, known) in choices.items():
        if value not in known or isinstance(value, bool | float):
            listed = ", ".join("null" if choice is None else str(choice) for choice in known)
            raise _problem("bad_argument", f"{name} cannot be {_shown(value)}: choose one of {listed}.")
    if face is not None and (isinstance(face, bool) or not isinstance(face, int) or face < -1):
        sentence = f"face cannot be {_shown(face)}: give an index from 0, -1 for the whole picture, or null for all."
        raise _problem("bad_argument", sentence)


def _shown(value: object) -> str:
    """What a client sent, in its own notation and not at full length."""
    return shorten(json.dumps(value), 60)


def _problem(kind: str, sentence: str) -> gr.Error:
    """An error that a client made, which the server's log does not need."""
    return gr.Error(sentence, title=kind, print_exception=False)
