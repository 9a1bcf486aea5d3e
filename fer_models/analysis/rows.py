"""Rows: what is known about each face, in columns that are the same for all faces of a run.

| column | what it holds |
| --- | --- |
| `file` | the picture, as it was named; in an archive: the archive, "/", the name inside |
| `faces` | how many faces the picture has, and so how many rows; 0 gives one row as well |
| `face` | the number of this face, from 1, the largest first; empty without a face |
| `status` | `face`: detected; `whole`: the picture was taken as one face; `no face`; `unreadable` |
| `reason` | for `no face` and `unreadable`: a sentence that says why |
| `left`, `top`, `right`, `bottom` | the face's box in pixels, after the rotation that EXIF asks for |
| `roll` | by how many degrees the face is turned clockwise, in (-180, 180]; it was turned back for the models |
| `score` | the detector's confidence in (0, 1]; empty for `whole` |
| `MODEL_answer`, `MODEL_angry`, ... | a model's answer for the face as it is, and its seven calibrated probabilities |
| `MODEL_mirrored_answer`, `MODEL_mirrored_angry`, ... | the same for the mean over the face and its mirror image |
| `mean_...`, `mean_mirrored_...` | the same for the mean of all models |
| `map` | the beginning of the names of the face's maps: DIR/`map`-MODEL.png; empty without maps |
| `settings` | what the answers depend on: faces or whole pictures, each model's weights, the maps |

Probabilities are rounded to six decimals; answers come from the probabilities before that.
"""

import re
from collections.abc import Sequence
from hashlib import sha256

import numpy as np

from fer_models.architectures import MODELS, EmotionModel
from fer_models.emotions import EMOTIONS
from fer_models.faces import Face

Row = dict[str, str | int | float | None]

# The two ways of asking: the face as it is, and the mean over it and its mirror image.
VIEWS = ("", "mirrored_")
MEAN = "mean"


def model_names(models: Sequence[EmotionModel]) -> list[str]:
    """What columns and maps call the models: as `EmotionModel.checkpoint`, with "_" instead of "/"."""
    return [model.checkpoint.replace("/", "_") for model in models]


def columns(models: Sequence[EmotionModel]) -> dict[str, type]:
    """The columns of the rows in their order, each with the type of its values: str, int or float. All may be None."""
    kinds: dict[str, type] = {"file": str, "faces": int, "face": int, "status": str, "reason": str}
    kinds |= dict.fromkeys(("left", "top", "right", "bottom", "roll", "score"), float)
    return kinds | answer_columns((*model_names(models), MEAN), VIEWS) | {"map": str, "settings": str}


def answer_columns(names: Sequence[str], views: Sequence[str]) -> dict[str, type]:
    """The columns of `answer_cells`."""
    kinds: dict[str, type] = {}
    for name in names:
        for view in views:
            kinds |= {f"{name}_{view}answer": str} | {f"{name}_{view}{emotion}": float for emotion in EMOTIONS}
    return kinds


def settings(models: Sequence[EmotionModel], whole: bool = False, maps: str | None = None) -> str:
    """What the rows of a run depend on, in words; rows with other settings do not belong into the same table.

    Args:
        models: as in `analyse`.
        whole: as in `analyse`.
        maps: the method of the maps; None without maps.
    """
    asked = "whole pictures" if whole else "detected faces"
    return "; ".join([asked, *weights_in_words(models), f"maps {maps or 'none'}"])


def weights_in_words(models: Sequence[EmotionModel]) -> list[str]:
    """The name of each model and which weights it has."""
    names = zip(model_names(models), models, strict=True)
    return [f"{name} {model.sha256[:8] or 'untrained'}" for name, model in names]


def face_cells(number: int, box: tuple[float, float, float, float], face: Face | None) -> Row:
    """Where the face with this number is; `face` is None for a picture that was taken as one face."""
    sides = zip(("left", "top", "right", "bottom"), box, strict=True)
    where: Row = {"face": number, **{side: round(float(pixel), 1) for side, pixel in sides}}
    if face is None:
        return where | {"status": "whole", "roll": 0.0}
    return where | {"status": "face", "roll": round(face.roll, 1), "score": round(face.score, 4)}


def answer_cells(names: Sequence[str], probabilities: Sequence[np.ndarray], views: Sequence[str]) -> Row:
    """What each of M models answers in each of V ways of asking.

    Args:
        names: of the models, M.
        probabilities: M times float (V, 7).
        views: what the columns call the ways of asking, V.
    """
    cells: Row = {}
    for name, answers in zip(names, probabilities, strict=True):
        for view, values in zip(views, answers, strict=True):
            cells[f"{name}_{view}answer"] = EMOTIONS[int(values.argmax())]
            for emotion, value in zip(EMOTIONS, values.tolist(), strict=True):
                cells[f"{name}_{view}{emotion}"] = round(value, 6)
    return cells


def map_name(file: str, number: int) -> str:
    """How the maps of a face are called: safe as a file name, readable, and another one for each file and face."""
    stem = re.sub(r"[^A-Za-z0-9]+", "_", file.rpartition("/")[2])[:60].strip("_")
    return f"{stem}-{sha256(file.encode()).hexdigest()[:10]}-{number}"


def is_map(file: str) -> bool:
    """Whether a file is named as a map that the command writes: `map_name`, and the model."""
    return re.search(rf"-[0-9a-f]{{10}}-\d+-(\w+_)?({'|'.join(MODELS)})\.png$", file) is not None
