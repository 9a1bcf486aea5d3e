"""The photo with a numbered box around each face, what is said below it, and the examples."""

import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from demo.example_pictures import EXAMPLES
from demo.photo import FaceCrop, Photo
from demo.photo_view import BUTTONS, NO_FACE, NO_PHOTO, crop_index, render_examples, render_photo
from fer_models.faces import Square
from tests.helpers import half_black


def face(x: float, y: float, side: int, roll: float = 0.0) -> FaceCrop:
    return replace(half_black(), square=Square(np.array([x, y]), side, roll))


WHOLE = replace(face(100, 50, 100), is_face=False)
PICTURE = Image.new("RGB", (200, 100), "navy")


def photo(*crops: FaceCrop) -> Photo:
    """Of a file of 400 x 200 pixels, of which half as many are shown."""
    return Photo(PICTURE, (400, 200), list(crops))


TWO = photo(face(100, 80, 40), face(300, 100, 80, roll=-30.4), WHOLE)
MANY = photo(*(face(50 * place, 50, 20) for place in range(1, 5)), WHOLE)


def boxes(html: str) -> list[tuple[str, str, str]]:
    """Number, whether it is chosen, and place of each box."""
    return re.findall(r'class="face-box" data-face="(\d+)" aria-pressed="(\w+)" aria-label=".*?" style="(.*?)"', html)


def strip(html: str) -> list[tuple[str, str, str]]:
    """Face, whether it is chosen, and number of each face in the strip below the photo."""
    return re.findall(r'data-face="(\d+)" aria-pressed="(\w+)" aria-label="Face \d+"><img .*?><span>(\d+)</span>', html)


def test_boxes_stand_around_the_faces_and_the_chosen_one_is_marked():
    assert boxes(render_photo(TWO, 1)) == [
        ("0", "false", "left: 20.00%; top: 30.00%; width: 10.00%; height: 20.00%; rotate: 0deg"),
        ("1", "true", "left: 65.00%; top: 30.00%; width: 20.00%; height: 40.00%; rotate: -30deg"),
    ]
    assert 'aria-label="Face 2"' in render_photo(TWO, 1) and "<span>2</span>" in render_photo(TWO, 1)


def test_the_whole_picture_has_a_button_and_no_box():
    html = render_photo(TWO, 2)
    assert [chosen for _, chosen, _ in boxes(html)] == ["false", "false"]
    assert '<button type="button" data-face="-1" aria-pressed="true">Whole picture</button>' in html
    assert 'data-face="-1" aria-pressed="false"' in render_photo(TWO, 0)


def test_several_faces_are_shown_cut_out_too():
    assert strip(render_photo(MANY, 2)) == [
        ("0", "false", "1"),
        ("1", "false", "2"),
        ("2", "true", "3"),
        ("3", "false", "4"),
    ]
    assert [chosen for _, chosen, _ in strip(render_photo(MANY, 4))] == ["false"] * 4


def test_one_face_needs_no_strip():
    assert strip(render_photo(photo(face(100, 80, 40), WHOLE), 0)) == []
    only = render_photo(photo(face(100, 50, 100)), 0)  # the picture is the face
    assert boxes(only) == strip(only) == [] and "Whole picture" not in only


@pytest.mark.parametrize(
    ("crops", "sentence"),
    [
        ([WHOLE], NO_FACE),
        ([face(50, 50, 100)], "The picture is one face already: it is taken whole."),
        ([face(50, 50, 40), WHOLE], "1 face found."),
        ([face(50, 50, 40, 20), WHOLE], "1 face found, turned upright."),
        ([face(50, 50, 40), face(90, 50, 40), WHOLE], "2 faces found: choose one."),
        ([face(50, 50, 40), face(90, 50, 40, 9), WHOLE], "2 faces found, 1 of them turned upright: choose one."),
        ([face(50, 50, 40, 9), face(90, 50, 40, 9), WHOLE], "2 faces found, all turned upright: choose one."),
    ],
)
def test_one_sentence_says_what_was_found(crops, sentence):
    assert f'<div class="choose"><p>{sentence}</p>' in render_photo(photo(*crops), None)


def test_without_a_photo_there_are_the_buttons_and_a_reason():
    assert NO_PHOTO in render_photo(None, None) and 'role="alert" data-problem hidden' in BUTTONS
    html = render_photo(None, None, "It is <broken>.")
    assert html.endswith('<p class="problem" role="alert">It is &lt;broken&gt;.</p>')
    for shown in (html, render_photo(TWO, 0)):
        assert BUTTONS in shown and "data-drop" in shown
    assert "Try your photo" in BUTTONS and "data-camera" in BUTTONS and "data-paste" in BUTTONS


@pytest.mark.parametrize(
    ("shown", "asked", "index"),
    [
        (TWO, None, 0),
        (TWO, 1, 1),
        (TWO, 2, 0),  # the whole picture has no number
        (TWO, 3, 0),  # such as the face of another photo
        (TWO, -1, 2),
        (photo(WHOLE), None, None),
        (photo(WHOLE), 0, None),
        (photo(WHOLE), 5, None),
        (photo(WHOLE), -1, 0),
        (photo(face(50, 50, 100)), -1, 0),
    ],
)
def test_the_first_face_is_shown_unless_another_is_asked_for(shown, asked, index):
    assert crop_index(shown, asked) == index


def test_every_example_has_a_picture_and_words():
    html = render_examples()
    assert re.findall(r'data-example="(.*?)"', html) == list(EXAMPLES)
    for example in EXAMPLES.values():
        assert example.path.is_file() and f'alt="{example.caption}"' in html
    assert html.count('src="data:image/jpeg;base64,') == len(EXAMPLES)
