"""Occlusion by hand: a face to paint over, and all answers before and after."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from demo.markup import all_of, listed, percent
from demo.photo import FaceCrop
from fer_models import EMOTIONS
from fer_models.architectures import model_title
from fer_models.data.images import FER_SIZE
from fer_models.evidence import REGIONS, region_masks
from fer_models.explanations.overlays import data_url

NOT_COVERED = '<p class="hint">Paint over the face, or choose a part: do the answers change?</p>'

# A region counts as covered from this share of its pixels on, and as partly covered from one pixel on.
COVERED = 0.9

SHORT_NAMES = dict(zip(REGIONS[:-1], ("eyes", "nose", "mouth", "cheeks"), strict=True))


def render_cover(crop: FaceCrop) -> str:
    """The face as the models see it, to be painted over by hand, or one of its parts by a button."""
    parts = zip(REGIONS[:-1], region_masks(crop.landmarks), strict=False)
    buttons = "".join(
        f'<button type="button" data-cells="{json.dumps(np.flatnonzero(mask).tolist())}" '
        f'aria-label="Cover {region}">{SHORT_NAMES[region]}</button>'
        for region, mask in parts
    )
    grey = round(float(crop.pixels.mean()))
    face = data_url(Image.fromarray(crop.pixels).convert("P"))  # a palette image is passed on without losses
    return f"""
    <div class="cover">
      <div class="canvas" style="background-image: url({face})">
        <canvas width="{FER_SIZE}" height="{FER_SIZE}" data-grey="rgb({grey} {grey} {grey})" role="img"
          aria-label="The face as the models see it, 48 by 48 pixels; paint over it, or use the buttons"></canvas>
      </div>
      <div><h2>Cover a part</h2>
      <div class="buttons">{buttons}<button type="button" data-cells="">uncover</button></div></div>
    </div>"""


def render_changes(answers: Mapping[str, tuple[np.ndarray, np.ndarray]], cells: Sequence[int], crop: FaceCrop) -> str:
    """What is covered, and each model's answer before and after.

    Args:
        answers: each model's probabilities (7,), before and after, by name.
        cells: indices of the covered pixels.
        crop: the face.
    """
    rows = "".join(_row(model_title(name), *pair) for name, pair in answers.items())
    changed = [name for name, (before, after) in answers.items() if before.argmax() != after.argmax()]
    return f"""
    <p class="changes" data-said>{_covered(cells, crop)} {_who_changes(changed, len(answers))}</p>
    <table class="plain lined">
      <tr><td></td><th scope="col">before</th><th scope="col">covered</th></tr>{rows}
    </table>"""


def _covered(cells: Sequence[int], crop: FaceCrop) -> str:
    mask = np.zeros(crop.pixels.size, dtype=bool)
    mask[list(cells)] = True
    names = []
    for region, pixels in zip(REGIONS, region_masks(crop.landmarks), strict=True):
        share = mask[pixels.ravel()].mean() if pixels.any() else 0
        if share >= COVERED:
            names.append(region)
        elif share > 0:
            names.append(f"part of {region}")
    return f"Covered, {percent(float(mask.mean()))} of the picture: {listed(names)}."


def _who_changes(changed: Sequence[str], count: int) -> str:
    if not changed:
        return "No answer changes."
    if len(changed) == count > 1:
        return f"{all_of(count)} models change their answer."
    verb, their = ("changes", "its") if len(changed) == 1 else ("change", "their")
    return f"{listed([model_title(name) for name in changed])} {verb} {their} answer."


def _row(title: str, before: np.ndarray, after: np.ndarray) -> str:
    is_changed = before.argmax() != after.argmax()
    return f"""
      <tr{" class=changed" if is_changed else ""}>
        <th scope="row">{title}</th><td>{_answer(before)}</td><td>{"→ " if is_changed else ""}{_answer(after)}</td>
      </tr>"""


def _answer(probabilities: np.ndarray) -> str:
    top = probabilities.argmax()
    return f"{EMOTIONS[top]} {percent(float(probabilities[top]))}"
