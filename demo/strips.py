"""The part of the browser's code that the tabs Clip and Camera share."""

import base64
import json
from pathlib import Path

import numpy as np

from demo.emotion_colours import COLOURS
from fer_models.explanations.overlays import OPACITY, PALETTE

FOLDER = Path(__file__).parent


def with_strips(name: str) -> str:
    """A script of this folder behind strips.js, which it uses."""
    script = "\n".join((FOLDER / file).read_text(encoding="utf-8") for file in ("strips.js", name))
    for word, value in {
        "EMOTION_NAMES": json.dumps(list(COLOURS)),
        "EMOTION_COLOURS": json.dumps(list(COLOURS.values())),
        "PALETTE_BYTES": base64.b64encode(PALETTE.tobytes()).decode(),
        "LAYER_OPACITY": str(OPACITY),
    }.items():
        script = script.replace(word, value)
    return script


def map_bytes(values: np.ndarray) -> dict[str, object]:
    """One map (h, w) or several (n, h, w) in [0, 1], for `layMap` of strips.js: base64 of the values in 1/255."""
    *_, rows, columns = values.shape
    content = np.rint(255 * values.clip(0, 1)).astype(np.uint8).tobytes()
    return {"rows": rows, "columns": columns, "values": base64.b64encode(content).decode()}
