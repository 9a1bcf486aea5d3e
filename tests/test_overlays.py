"""Maps as pictures, and pictures as addresses."""

import base64
import io

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from demo.overlays import colour_ramp
from fer_models.explanations.overlays import LAYER_SIDE, OPACITY, data_url, heat_layer, overlay


def test_a_map_is_coloured_at_the_right_places():
    values = np.zeros((8, 8))
    values[2:6, 2:6] = 1
    layer = heat_layer(values)
    colours, indices = np.asarray(layer.convert("RGB")), np.asarray(layer)
    cold, hot = (np.rint(255 * np.array(colormaps["inferno"](end)[:3])) for end in (0.0, 1.0))
    middle, border = LAYER_SIDE // 2, 2 * LAYER_SIDE // 8
    assert colours.shape == (LAYER_SIDE, LAYER_SIDE, 3)
    assert np.array_equal(colours[middle, middle], hot) and np.array_equal(colours[0, 0], cold)
    assert indices[middle, border - 1 : border + 1].mean() == pytest.approx(127.5, abs=1)


def test_smoothing_never_leaves_the_map_range():
    indices = np.asarray(heat_layer(1 - np.eye(7)))  # where bicubic interpolation overshoots
    assert indices.min() == 0 and indices.max() == 255


def test_an_overlay_is_a_mixture_of_face_and_map():
    white = Image.new("L", (48, 48), 255)
    colours = np.asarray(overlay(white, np.zeros((7, 7))), dtype=int)
    cold = np.rint(255 * np.array(colormaps["inferno"](0.0)[:3]))
    assert colours.shape == (LAYER_SIDE, LAYER_SIDE, 3)
    assert np.abs(colours - ((1 - OPACITY) * 255 + OPACITY * cold)).max() <= 1


def test_the_scale_runs_through_the_colour_map():
    assert colour_ramp().startswith("linear-gradient(to right, #000004,") and colour_ramp().endswith(" #fcffa4)")


def test_a_picture_survives_as_an_address():
    layer = heat_layer(np.eye(7))
    kind, content = data_url(layer).split(";base64,")
    assert kind == "data:image/png"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(content)))), np.asarray(layer))
