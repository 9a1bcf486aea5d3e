"""What the page shows about one face: the verdict, and a column per model whose rows line up."""

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from demo.badges import WAITING
from demo.cards import map_caption, render_results
from demo.verdict import Record
from fer_models import EMOTIONS, MODEL_NAMES, create_model
from fer_models.architectures import MODELS
from fer_models.evidence import QuickCheck
from fer_models.explanations.overlays import heat_layer
from tests.helpers import columns, explanation, half_black, sure_of, words

ATTENTION = np.linspace(0.25, 0.75, 49, dtype=np.float32).reshape(7, 7)
SHOWN = MODEL_NAMES[:4]
TITLES = [MODELS[name].title for name in SHOWN]
MODEL = create_model("baseline_cnn", widths=[4, 4, 4])


def of_all(emotion: str = "happy", share: float = 0.9) -> list:
    """An explanation by each of the paper's models; the last two have attention."""
    return [
        explanation(name, emotion, share, spatial_attention=ATTENTION if place > 1 else None)
        for place, name in enumerate(SHOWN)
    ]


def render(explanations: list, record: Record | None = None, **options: object) -> str:
    record = record or Record(tuple((each.model_name,) for each in explanations))
    models = dict.fromkeys(SHOWN, MODEL)
    return render_results(half_black(), models, explanations, record, {}, **options)


def pictures(html: str) -> dict[str, np.ndarray]:
    """The maps of the analysis by the name of their CSS variable."""
    found = re.findall(r"--([\w-]+): url\(data:image/png;base64,([^)]+)\)", html)
    return {name: np.asarray(Image.open(io.BytesIO(base64.b64decode(code)))) for name, code in found}


# --- the grid ------------------------------------------------------------------------------------------------------


def test_columns_are_in_order_and_have_no_empty_box():
    shown = columns(render(of_all()))
    assert list(shown) == TITLES
    assert [re.search(r"--column: (\d)", column)[1] for column in shown.values()] == ["1", "2", "3", "4"]
    assert [column.count('class="overlay"') for column in shown.values()] == [1, 1, 2, 2]
    assert ["attention" in column for column in shown.values()] == [False, False, True, True]


@pytest.mark.parametrize(
    ("with_attention", "place"),
    [
        ([False, False, True, True], "grid-area: 4 / 1 / auto / span 2"),  # below the models without attention
        ([False, False, True], "grid-area: 4 / 1 / auto / span 2"),
        ([False, False, False, True], "grid-area: 4 / 1 / auto / span 3"),
        ([False, True, True], "grid-column: 1 / -1"),  # one column is too narrow
        ([True, False, False, True], "grid-column: 1 / -1"),
        ([False, False], "grid-column: 1 / -1"),
        ([True], "grid-column: 1 / -1"),
    ],
)
def test_the_chart_stands_where_attention_is_missing(with_attention, place):
    found = [
        explanation(name, "sad", 0.9, spatial_attention=ATTENTION if has else None)
        for name, has in zip(SHOWN, with_attention, strict=False)
    ]
    html = render(found)
    assert f'<figure class="probabilities" style="{place}">' in html
    assert f"--models: {len(found)};" in html


def test_a_column_says_the_answer_the_second_and_what_the_mirror_changes():
    probabilities = np.float32([0, 0, 0.1, 0.6, 0.3, 0, 0])
    found = explanation("resnet50", "happy", 0.6, probabilities=probabilities)
    (column,) = columns(render([found])).values()
    assert "<b>happy</b> 60 %" in column and "then sad 30 %" in column and "mirror" not in column
    (column,) = columns(render([explanation("resnet50", "happy", 0.6, mirrored="fear")])).values()
    assert "⇄ happy, mirrored fear" in words(column)


# --- the verdict ---------------------------------------------------------------------------------------------------


def test_the_verdict_stands_above():
    html = render(of_all())
    assert '<div class="verdict">' in html and "<h2>Happy <small>90 %</small></h2>" in html
    said = words(html)
    assert "All four models say happy. All four models give the mirror image the same answer." in said
    assert "How often is that right?" not in said
    names = tuple((name,) for name in SHOWN)
    known = words(render(of_all(), Record(names, 0.5, 0.6, 0.8, 0.5)))
    assert "How often is that right?" in known


def test_an_unsure_verdict_looks_different():
    found = [replace(each, probabilities=(sure_of("sad") + sure_of("fear")) / 2) for each in of_all()]
    html = render(found, Record(tuple((name,) for name in SHOWN), mass=0.6))
    assert (
        '<div class="verdict unsure">' in html and "<h2>Unsure: fear or sad <small>50 % and 50 %</small></h2>" in html
    )


# --- the maps ------------------------------------------------------------------------------------------------------


def test_colours_run_to_the_heat_maps_own_maximum_but_show_attention_as_it_is():
    found = explanation("resnet50_cbam", "fear", 0.4, heatmap=np.full((7, 7), 0.125), spatial_attention=ATTENTION)
    shown = pictures(render([found]))
    assert list(shown) == ["heat-resnet50_cbam", "attention-resnet50_cbam"]
    assert shown["heat-resnet50_cbam"].min() == 255
    assert np.array_equal(shown["attention-resnet50_cbam"], heat_layer(ATTENTION))
    softmax = replace(found, spatial_attention=4 * ATTENTION)  # above 1: to its own maximum
    assert np.array_equal(pictures(render([softmax]))["attention-resnet50_cbam"], heat_layer(ATTENTION / 0.75))


def test_an_empty_map_is_a_sentence_and_not_a_blank():
    found = explanation("resnet50", "fear", 0.4, target=EMOTIONS.index("disgust"), heatmap=np.zeros((7, 7)))
    (column,) = columns(render([found])).values()
    assert "Empty: at this layer, nothing in the picture supports disgust." in column and "overlay" not in column


def test_an_unlikely_emotion_says_so():
    found = explanation("resnet50", "happy", 0.88, target=EMOTIONS.index("fear"))  # the others get 2 % each
    assert "Grad-CAM for fear It gives fear only 2 %." in words(render([found]))
    assert "It gives" not in words(render([explanation("resnet50", "happy", 0.7, target=0)]))  # 5 %


@pytest.mark.parametrize(("values", "is_flat"), [((0.881, 0.882), True), ((0.96, 1.0), True), ((0.9, 1.0), False)])
def test_flat_attention_says_so(values, is_flat):
    attention = np.float32([values, values])
    (column,) = columns(render([explanation("attn_cnn", "sad", 0.9, spatial_attention=attention)])).values()
    assert (": flat, all places count nearly the same" in column) == is_flat


def test_the_caption_names_the_method_and_the_contrast():
    found = explanation("resnet50", "happy", 0.9, method="hirescam")
    assert words(map_caption(found)) == "HiResCAM for happy"
    assert words(map_caption(replace(found, against=4))) == "HiResCAM : happy rather than sad"
    assert "Gradient times activation in each cell, nothing averaged (Draelos and Carin 2020" in map_caption(found)


# --- the badges ----------------------------------------------------------------------------------------------------


def test_badges_are_filled_or_left_open():
    found = of_all()
    waiting = columns(render(found, number=7))
    for name, column in zip(SHOWN, waiting.values(), strict=True):
        assert f'<div class="badge" data-badge="{name}">{WAITING}</div>' in column
    assert 'data-analysis="7"' in render(found, number=7)
    checks = dict.fromkeys(SHOWN, QuickCheck(0.5, (0.1, 0.1, 0.1), 0.2)) | {"attn_cnn": None}
    filled = columns(render(found, checks=checks))
    for title, column in filled.items():
        expected = "constant" if title == "Attention CNN" else "beats chance and the centre"
        assert expected in column
