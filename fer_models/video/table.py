"""A clip's timeline as rows: one for each face in each moment, in columns that are the same for all clips of a run.

| column | what it holds |
| --- | --- |
| `file` | the clip, as it was named |
| `rows` | how many rows the clip has |
| `time` | seconds from the start of the clip |
| `cut` | 1 where the picture changed as a whole, as at a cut; else 0 |
| `face` | the number of the person, the same throughout the clip; empty without a face |
| `status` | `face`; `no face`: of a moment; `unreadable`: of the clip |
| `reason` | for `no face` and `unreadable`: a sentence that says why |
| `left`, `top`, `right`, `bottom` | the face's box in pixels of the upright picture, of at most 1,280 a side |
| `roll` | by how many degrees the face is turned clockwise, in (-180, 180]; it was turned back for the models |
| `score` | the detector's confidence in (0, 1] |
| `MODEL_answer`, `MODEL_angry`, ... | a model's answer in this moment, and its seven calibrated probabilities |
| `MODEL_smoothed_answer`, `MODEL_smoothed_angry`, ... | the same, smoothed over time (`fer_models.video.smoothing`) |
| `mean_...`, `mean_smoothed_...` | the same for the mean of all models |
| `settings` | what the answers depend on: the moments per second, and each model's weights |
"""

from collections.abc import Iterator, Sequence

import numpy as np

from fer_models.analysis.rows import (
    MEAN,
    Row,
    answer_cells,
    answer_columns,
    face_cells,
    model_names,
    weights_in_words,
)
from fer_models.architectures import EmotionModel
from fer_models.video.analysis import tracks_of
from fer_models.video.timeline import AnsweredFace, Moment

# The two kinds of answers: in the moment alone, and smoothed over time.
VIEWS = ("", "smoothed_")


def columns(models: Sequence[EmotionModel]) -> dict[str, type]:
    """The columns of the rows in their order, each with the type of its values: str, int or float. All may be None."""
    kinds: dict[str, type] = {"file": str, "rows": int, "time": float, "cut": int, "face": int}
    kinds |= {"status": str, "reason": str} | dict.fromkeys(("left", "top", "right", "bottom", "roll", "score"), float)
    return kinds | answer_columns((*model_names(models), MEAN), VIEWS) | {"settings": str}


def settings(models: Sequence[EmotionModel], fps: float) -> str:
    """What the rows of a run depend on, in words; rows with other settings do not belong into the same table."""
    return "; ".join([f"{fps:g} moments per second", *weights_in_words(models)])


def rows(file: str, moments: Sequence[Moment[AnsweredFace]], models: Sequence[EmotionModel], run: str) -> Iterator[Row]:
    """The rows of a clip.

    Args:
        file: what the rows call the clip.
        moments: all of it, at least one.
        models: which were asked.
        run: `settings`.
    """
    keys = [*(model.checkpoint for model in models), MEAN]
    names = [*model_names(models), MEAN]
    # By moment and person: an array (2, 7) for each model and their mean.
    answers = {
        (position, track.number): [
            np.stack([track.probabilities[key][place], track.smoothed[key][place]]) for key in keys
        ]
        for track in tracks_of(moments)
        for place, position in enumerate(track.moments.tolist())
    }
    empty: Row = dict.fromkeys(columns(models))
    empty |= {"file": file, "rows": sum(max(1, len(moment.faces)) for moment in moments), "settings": run}
    for position, moment in enumerate(moments):
        row = empty | {"time": round(moment.time, 3), "cut": int(moment.is_cut)}
        if not moment.faces:
            yield row | {"status": "no face", "reason": "No face was found in this moment."}
        for face in moment.faces:
            where = face_cells(face.number, face.face.box, face.face)
            yield row | where | answer_cells(names, answers[position, face.number], VIEWS)


def problem_row(file: str, models: Sequence[EmotionModel], run: str, sentence: str) -> Row:
    """The only row of a clip that cannot be read."""
    empty: Row = dict.fromkeys(columns(models))
    return empty | {"file": file, "rows": 1, "status": "unreadable", "reason": sentence, "settings": run}
