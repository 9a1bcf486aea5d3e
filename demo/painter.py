"""Occlusion by hand: a face to paint over, and all answers before and after."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from demo.overlays import data_url
from demo.photo import FaceCrop
from fer_models import EMOTIONS
from fer_models.architectures import MODELS
from fer_models.data.images import FER_SIZE
from fer_models.evidence import REGIONS, region_masks

NOT_PAINTED = '<p class="hint">Nothing is covered yet. New answers will appear here.</p>'

PAINT = Path(__file__).with_name("painter.js").read_text(encoding="utf-8")


def render_painter(crop: FaceCrop) -> str:
    """The face as the models see it, to be painted over by hand, or one of its parts by a button."""
    parts = zip(REGIONS[:-1], region_masks(crop.landmarks), strict=False)
    buttons = "".join(
        f'<button type="button" data-cells="{json.dumps(np.flatnonzero(mask).tolist())}">cover {region}</button>'
        for region, mask in parts
    )
    grey = round(float(crop.pixels.mean()))
    face = data_url(Image.fromarray(crop.pixels).convert("P"))  # a palette image is passed on without losses
    return f"""
    <div class="painter">
      <div class="canvas" style="background-image: url({face})">
        <canvas width="{FER_SIZE}" height="{FER_SIZE}" data-grey="rgb({grey} {grey} {grey})" role="img"
          aria-label="The face in 48 by 48 pixels; paint over it, or use the buttons"></canvas>
      </div>
      <div class="buttons">{buttons}<button type="button">uncover everything</button></div>
    </div>"""


def render_changes(answers: Mapping[str, tuple[np.ndarray, np.ndarray]], covered: float) -> str:
    """Each model's answer with and without the paint.

    Args:
        answers: each model's probabilities (7,), before and after, by name.
        covered: share of the face that is painted over.
    """
    rows = "".join(_row(MODELS[name].title, *pair) for name, pair in answers.items())
    changed = [MODELS[name].title for name, (before, after) in answers.items() if before.argmax() != after.argmax()]
    return f"""
    <p class="verdict" role="status">{_sentence(changed, covered)}</p>
    <div class="scrolling"><table class="plain lined">
      <tr><td></td><th scope="col">before</th><th scope="col">after</th><th scope="col">what moved most</th></tr>{rows}
    </table></div>"""


def _sentence(changed: Sequence[str], covered: float) -> str:
    if not changed:
        return f"With {covered:.0%} of the face covered, no model changes its mind."
    verb = "changes its mind" if len(changed) == 1 else "change their minds"
    return f"With {covered:.0%} of the face covered, {' and '.join(changed)} {verb}."


def _row(title: str, before: np.ndarray, after: np.ndarray) -> str:
    moved = np.abs(after - before).argmax()
    is_changed = before.argmax() != after.argmax()
    return f"""
      <tr{" class=changed" if is_changed else ""}>
        <th scope="row">{title}</th><td>{_answer(before)}</td><td>{_answer(after)}</td>
        <td>{EMOTIONS[moved]} {before[moved]:.0%} → {after[moved]:.0%}</td>
      </tr>"""


def _answer(probabilities: np.ndarray) -> str:
    top = probabilities.argmax()
    return f"{EMOTIONS[top]} {probabilities[top]:.0%}"
