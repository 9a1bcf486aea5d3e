"""What a visitor wants to see is read forgivingly, for the address of the page can be written by hand."""

import pytest

from demo.view import DEFAULT_METHOD, FIRST_LAYER, View, read_view

NOTHING = View(example=None)


@pytest.mark.parametrize("asked", [None, "", 0, [], {}, "example", {"colour": "red"}, {1: 2}])
def test_whatever_is_not_known_counts_as_not_chosen(asked):
    assert read_view(asked) == NOTHING
    assert (NOTHING.method, NOTHING.layer, NOTHING.source) == (DEFAULT_METHOD, FIRST_LAYER, "")


@pytest.mark.parametrize("key", ["example", "emotion", "against", "method", "layer", "upload", "face"])
@pytest.mark.parametrize("value", [None, 1.5, True, {}, [], ["happy"], {"example": "tilted"}, "eileen-collins.jpg\0"])
def test_a_value_of_any_kind_is_forgiven(key, value):
    view = read_view({key: value, "emotion": "sad"} if key != "emotion" else {key: value})
    if key == "upload" and isinstance(value, str):
        assert view.source == value  # whether it is an upload, `taken_upload` decides
    else:
        assert view == View(example=None, emotion=None if key == "emotion" else "sad")


def test_everything_can_be_chosen():
    chosen = {
        "example": "six-faces",
        "upload": "",
        "face": 4,
        "emotion": "happy",
        "against": "sad",
        "method": "layercam",
        "layer": "earliest",
    }
    assert read_view(chosen) == View(**chosen)
    assert read_view({"emotion": "", "against": ""}) == NOTHING  # each model's own answer, no contrast


@pytest.mark.parametrize(("asked", "face"), [(0, 0), (7, 7), (-1, -1), (-2, None), ("1", None), (False, None)])
def test_a_face_is_a_number_from_minus_one_on(asked, face):
    assert read_view({"face": asked}).face == face


def test_the_photo_is_told_by_its_example_or_upload():
    assert View(example="tilted").source == "tilted"
    assert View(example=None, upload="/tmp/a/photo.jpg").source == "/tmp/a/photo.jpg"
    assert View(example="tilted", emotion="sad", face=1).source == View(example="tilted").source
