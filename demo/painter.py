"""What would change their mind: a face to paint over, and all answers before and after."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from demo.analysis import TITLES, Crop
from demo.overlays import data_url
from fer_models import EMOTIONS
from fer_models.data.images import FER_SIZE
from fer_models.evidence import REGIONS, region_masks

NOT_PAINTED = '<p class="hint">Nothing is covered yet. What the models say then will be here.</p>'

# In the browser: paints cells of the canvas over the face, and tells the server which ones when the brush is lifted.
# The set of cells lives on the canvas, so that a new face comes with an empty one.
PAINT = """
const dab = (canvas, column, row) => {
    if (column < 0 || row < 0 || column >= 48 || row >= 48) return;
    canvas.cells = canvas.cells ?? new Set();
    canvas.cells.add(48 * row + column);
    const context = canvas.getContext("2d");
    context.fillStyle = canvas.dataset.grey;
    context.fillRect(column, row, 1, 1);
};
const brush = event => {
    const box = event.target.getBoundingClientRect();
    const column = Math.floor(48 * (event.clientX - box.left) / box.width);
    const row = Math.floor(48 * (event.clientY - box.top) / box.height);
    for (let x = -2; x <= 2; x++) for (let y = -2; y <= 2; y++)
        if (x * x + y * y <= 5) dab(event.target, column + x, row + y);
};
const tell = canvas => trigger("select", {index: [...(canvas.cells ?? [])]});
element.addEventListener("pointerdown", event => {
    if (!event.target.matches("canvas")) return;
    event.target.setPointerCapture(event.pointerId);
    brush(event);
});
element.addEventListener("pointermove", event => {
    if (event.target.matches("canvas") && event.buttons) brush(event);
});
element.addEventListener("pointerup", event => {
    if (event.target.matches("canvas")) tell(event.target);
});
element.addEventListener("click", event => {
    const button = event.target.closest("button"), canvas = element.querySelector("canvas");
    if (!button || !canvas) return;
    if (button.dataset.cells) {
        for (const cell of JSON.parse(button.dataset.cells)) dab(canvas, cell % 48, Math.floor(cell / 48));
    } else {
        canvas.cells = new Set();
        canvas.getContext("2d").clearRect(0, 0, 48, 48);
    }
    tell(canvas);
});
"""


def render_painter(crop: Crop) -> str:
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
    """What each model says with and without the paint.

    Args:
        answers: each model's probabilities (7,), before and after, by name.
        covered: share of the face that is painted over.
    """
    rows = "".join(_row(TITLES[name], *pair) for name, pair in answers.items())
    changed = [TITLES[name] for name, (before, after) in answers.items() if before.argmax() != after.argmax()]
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
