"""Explanations in a notebook, and the example notebook."""

import base64
import io
import os
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

from fer_models import EMOTIONS, Explanations, explain
from fer_models.data.images import to_grey48
from tests.helpers import PORTRAIT, explanation, pattern, tiny_models

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "docs" / "notebook.ipynb"


def pictures(html: str) -> list[Image.Image]:
    sources = re.findall(r'<img [^>]*src="data:image/\w+;base64,([^"]+)"', html)
    return [Image.open(io.BytesIO(base64.b64decode(source))) for source in sources]


def test_an_explanation_shows_the_face_the_map_and_the_probabilities() -> None:
    found = explanation("attn_cnn", "happy", 0.7)
    html = found._repr_html_()
    face, overlay = pictures(html)
    assert face.mode == "L" and abs(np.asarray(face).astype(int) - 128).max() <= 1
    reds = np.asarray(overlay.convert("RGB"))[..., 0].astype(int)
    assert reds[16, 16] > reds[16, -16] + 80  # the map is a diagonal
    widths = [float(width) for width in re.findall(r"width:([\d.]+)%", html)]
    assert widths == pytest.approx([5, 5, 5, 70, 5, 5, 5])
    assert "<b>happy</b> 70% · " in html and "Grad-CAM at layer4, for happy" in html
    assert re.findall(r"width:([\d.]+)%;min-width:1px;background:#d9622b", html) == ["70.0"]


def test_it_is_self_contained_and_takes_its_text_colour_from_the_notebook() -> None:
    html = explanation("attn_cnn", "happy", 0.7, stage="<script>")._repr_html_()
    assert "<script" not in html and "&lt;script&gt;" in html
    assert "http" not in html and "<style" not in html
    assert not re.search(r"[;\"]color:|background:(?!currentColor|#d9622b)", html)


def test_an_empty_map_and_a_contrast_say_so() -> None:
    empty = explanation("attn_cnn", "happy", 0.7, heatmap=np.zeros((7, 7), np.float32))
    assert "for happy: empty, nothing supports it" in empty._repr_html_()
    maps = np.zeros((7, 7, 7), np.float32)
    maps[EMOTIONS.index("happy")] = 1
    contrast = explanation("attn_cnn", "happy", 0.7, class_maps=maps).contrasted(EMOTIONS.index("sad"))
    assert "for happy rather than sad" in contrast._repr_html_()


def test_explain_returns_a_list_that_shows_all_its_faces() -> None:
    model = tiny_models()["attn_cnn"]
    photo = Image.open(PORTRAIT)
    found = explain(model, [pattern(3, 0), photo])
    assert isinstance(found, list) and found[:1] == [found[0]]
    np.testing.assert_array_equal(found[0].face, pattern(3, 0))
    np.testing.assert_array_equal(found[1].face, to_grey48(photo))
    assert len(pictures(found._repr_html_())) == 4
    assert pictures(Explanations()._repr_html_()) == []
    assert "array" not in repr(found)  # the text beside the pictures is short


def kinds_of_output(cell: nbformat.NotebookNode) -> set[str]:
    return {kind for output in cell.get("outputs", []) for kind in (output.output_type, *output.get("data", {}))}


# ---- The example ----------------------------------------------------------------------------------------------------


def test_the_example_shows_its_results_and_nothing_of_the_machine() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert not any(output.output_type == "error" for output in outputs)
    html = [output.data["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    assert len(html) == 3 and all(map(pictures, html))
    assert len(text) < 300_000
    assert not re.search(r"(/home/|/root/|/tmp/|/work/|/Users/|\\\\Users)", text)


@pytest.mark.slow
def test_the_example_runs() -> None:
    """As `jupyter execute` does it, from the notebook's own folder."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    stored = [kinds_of_output(cell) for cell in notebook.cells]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": NOTEBOOK.parent}}).execute(env=environment)
    assert [kinds_of_output(cell) for cell in notebook.cells] == stored
