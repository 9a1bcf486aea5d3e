"""An analysis to take away: a picture, JSON and CSV."""

import base64
import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

from demo.takeaway import make_takeaway
from demo.verdict import Record
from fer_models import EMOTIONS
from tests.helpers import explanation, half_black, tiny_models

MODELS = tiny_models()
MODELS["attn_cnn"].sha256 = "0123456789abcdef"
ATTENTION = np.linspace(0.25, 0.75, 4, dtype=np.float32).reshape(2, 2)
FOUND = [
    explanation("baseline_cnn", "happy", 0.6, mirrored="fear", heatmap=np.zeros((2, 2), np.float32)),
    explanation("attn_cnn", "happy", 0.7, target=4, against=3, spatial_attention=ATTENTION, method="hirescam"),
]


def content(kind: str, found: list = FOUND) -> bytes:
    record = Record(tuple((each.model_name,) for each in found))
    file = make_takeaway(kind, half_black(), MODELS, found, record)
    assert file["name"] == f"fer-lens.{kind}"
    head, code = file["url"].split(";base64,")
    assert head == {"png": "data:image/png", "json": "data:application/json", "csv": "data:text/csv"}[kind]
    return base64.b64decode(code)


@pytest.mark.parametrize(("found", "rows"), [(FOUND, 2), (FOUND[:1], 1)])
def test_the_picture_has_a_column_per_model_and_a_row_for_attention(found, rows):
    picture = Image.open(io.BytesIO(content("png", found)))
    expected = 200 * 2.1 * (1 + len(found)), 200 * (2.6 * rows + 0.6)
    assert picture.size == pytest.approx(expected, abs=1)
    assert len(np.unique(np.asarray(picture.convert("L")))) > 100


def test_json_holds_the_numbers():
    read = json.loads(content("json"))
    assert read["emotions"] == list(EMOTIONS)
    first, second = read["models"]
    assert (first["model"], first["answer"], first["explained"], first["rather_than"]) == (
        "baseline_cnn",
        "happy",
        "happy",
        None,
    )
    assert (second["explained"], second["rather_than"], second["method"]) == ("sad", "happy", "hirescam")
    assert (first["weights_sha256"], second["weights_sha256"]) == ("", "0123456789abcdef")
    assert first["attention"] is None and first["heat_map"] == [[0, 0], [0, 0]]
    np.testing.assert_array_equal(np.float32(second["attention"]), ATTENTION)
    for each, found in zip((first, second), FOUND, strict=True):
        np.testing.assert_array_equal(np.float32(each["probabilities"]), found.probabilities)
        np.testing.assert_array_equal(np.float32(each["probabilities_of_face"]), found.views[0])
        np.testing.assert_array_equal(np.float32(each["probabilities_of_mirror_image"]), found.views[1])


def test_csv_has_a_row_per_model_and_view():
    rows = list(csv.DictReader(io.StringIO(content("csv").decode())))
    assert [(row["model"], row["view"], row["answer"]) for row in rows] == [
        ("baseline_cnn", "mean", "happy"),
        ("baseline_cnn", "face", "happy"),
        ("baseline_cnn", "mirror image", "fear"),
        ("attn_cnn", "mean", "happy"),
        ("attn_cnn", "face", "happy"),
        ("attn_cnn", "mirror image", "happy"),
    ]
    assert rows[0]["happy"] == "0.6000" and rows[2]["fear"] == "0.6000" and rows[3]["weights_sha256"] == "0123456789ab"


@pytest.mark.parametrize("kind", ["", "pdf", "PNG", "None"])
def test_there_is_no_other_kind(kind):
    assert make_takeaway(kind, half_black(), MODELS, FOUND, Record((("baseline_cnn",), ("attn_cnn",)))) == {}
