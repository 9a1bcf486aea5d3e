"""An analysis to take away: one picture, or the numbers as JSON or CSV. Made in memory; nothing is stored."""

import base64
import csv
import io
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from demo.markup import percent
from demo.photo import FaceCrop
from demo.verdict import Record, judge
from fer_models import EMOTIONS, METHODS, EmotionModel, Explanation
from fer_models.architectures import model_title
from fer_models.explanations.overlays import COLOUR_MAP, OPACITY, heat_layer, scaled_attention

# A file's name and its content as a data URL; empty for none.
Takeaway = dict[str, str]

SMALL_PRINT = """\
FER Lens, models trained on FER-2013 (Goodfellow et al. 2013). Labels are raters' guesses of what a face shows, not
what a person feels. Answers: mean over the face and its mirror image. Colours run from 0 to each map's own maximum."""


def make_takeaway(
    kind: str,
    crop: FaceCrop,
    models: Mapping[str, EmotionModel],
    explanations: Sequence[Explanation],
    record: Record,
) -> Takeaway:
    """The file "fer-lens.png", ".json" or ".csv"; none for any other kind.

    Args:
        kind: "png", "json" or "csv".
        crop, models, explanations, record: as in `render_results`.
    """
    if kind == "png":
        buffer = io.BytesIO()
        draw(crop, models, explanations, record).savefig(buffer, format="png", dpi=200)
        return _file("png", "image/png", buffer.getvalue())
    if kind == "json":
        return _file("json", "application/json", json.dumps(to_record(models, explanations), indent=1).encode())
    if kind == "csv":
        return _file("csv", "text/csv", to_csv(models, explanations).encode())
    return {}


def to_record(models: Mapping[str, EmotionModel], explanations: Sequence[Explanation]) -> dict[str, Any]:
    """All numbers of an analysis, JSON-serialisable."""
    return {
        "note": "Probabilities are the mean of those of the face and of its mirror image, both at the temperature that "
        "is fitted to this mean. predict(model, [face]) uses the temperature of a single view.",
        "emotions": EMOTIONS,
        "models": [
            {
                "model": each.model_name,
                "weights_sha256": models[each.model_name].sha256,
                "answer": each.emotion,
                "probabilities": each.probabilities.tolist(),
                "probabilities_of_face": each.views[0].tolist(),
                "probabilities_of_mirror_image": each.views[-1].tolist(),
                "method": each.method,
                "layer": each.stage,
                "explained": EMOTIONS[each.target],
                "rather_than": None if each.against is None else EMOTIONS[each.against],
                "heat_map": each.heatmap.tolist(),
                "attention": None if each.spatial_attention is None else each.spatial_attention.tolist(),
            }
            for each in explanations
        ],
    }


def to_csv(models: Mapping[str, EmotionModel], explanations: Sequence[Explanation]) -> str:
    """One row per model and view: "mean", "face" and "mirror image"."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["model", "weights_sha256", "view", "answer", *EMOTIONS])
    for each in explanations:
        for view, values in (("mean", each.probabilities), ("face", each.views[0]), ("mirror image", each.views[-1])):
            answer = EMOTIONS[values.argmax()]
            shares = [f"{value:.4f}" for value in values]
            writer.writerow([each.model_name, models[each.model_name].sha256[:12], view, answer, *shares])
    return text.getvalue()


@matplotlib.rc_context({"font.size": 8, "font.family": "sans-serif"})
def draw(
    crop: FaceCrop, models: Mapping[str, EmotionModel], explanations: Sequence[Explanation], record: Record
) -> Figure:
    """The face, then each model's answer, heat map and attention, in columns; 2.1 inches per column."""
    attention = any(each.spatial_attention is not None for each in explanations)
    columns, rows = 1 + len(explanations), 1 + attention
    figure = Figure(figsize=(2.1 * columns, 2.6 * rows + 0.6), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    face = np.asarray(crop.picture)
    grid[0, 0].imshow(face, cmap="gray", vmin=0, vmax=255)
    grid[0, 0].set_title(judge(explanations, record).headline, weight="bold")
    for column, each in zip(grid.T[1:], explanations, strict=True):
        top = percent(float(each.probabilities.max()))
        column[0].set_title(f"{model_title(each.model_name)}\n{each.emotion} {top}", weight="bold")
        against = "" if each.against is None else f" rather than {EMOTIONS[each.against]}"
        _show(column[0], face, each.normalised(), f"{METHODS[each.method].title}, {EMOTIONS[each.target]}{against}")
        if each.spatial_attention is not None:
            _show(column[1], face, scaled_attention(each.spatial_attention), "its own attention")
    names = [each.model_name for each in explanations]
    weights = ", ".join(f"{name} {models[name].sha256[:8] or 'untrained'}" for name in names)
    figure.supxlabel(f"{SMALL_PRINT}\nfer-lens {_version()}; weights {weights}", size=5.5, color="#555555", wrap=True)
    return figure


def _show(axes: Axes, face: np.ndarray, values: np.ndarray, label: str) -> None:
    side = face.shape[0]
    axes.imshow(face, cmap="gray", vmin=0, vmax=255)
    layer = heat_layer(values).resize((side, side))
    axes.imshow(np.asarray(layer), cmap=COLOUR_MAP, vmin=0, vmax=255, alpha=OPACITY)
    axes.set_xlabel(label)


def _version() -> str:
    try:
        return version("fer-lens")
    except ImportError:  # a checkout that is not installed
        return "(checkout)"


def _file(extension: str, kind: str, content: bytes) -> Takeaway:
    return {"name": f"fer-lens.{extension}", "url": f"data:{kind};base64,{base64.b64encode(content).decode()}"}
