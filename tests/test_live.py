"""Live pictures: what the library makes of one frame after another."""

import numpy as np
import pytest
from PIL import Image

from fer_models import explain, predict
from fer_models.faces import crop_face
from fer_models.video.live import MOST_FACES, LiveAnalysis
from fer_models.video.smoothing import Filter
from tests.helpers import PORTRAIT, tiny_models

MODELS = tiny_models()
GREY = Image.new("RGB", (480, 360), "gray")


@pytest.fixture(scope="module")
def portrait() -> Image.Image:
    """480 x 360 pixels with one face."""
    with Image.open(PORTRAIT) as photo:
        return photo.convert("RGB").resize((480, 480 * photo.height // photo.width)).crop((0, 0, 480, 360))


def test_a_face_gets_the_models_answer_and_map(portrait):
    model = MODELS["attn_cnn"]
    (face,) = LiveAnalysis(model).look(portrait, 0.0).faces
    assert face.number == 1
    crop = crop_face(portrait, face.face)
    (expected,) = explain(model, [crop], method="hirescam", stage=model.last_layer)
    np.testing.assert_allclose(face.explanation.probabilities, predict(model, [crop])[0], rtol=1e-5)
    np.testing.assert_allclose(face.explanation.heatmap, expected.heatmap, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(face.explanation.spatial_attention, expected.spatial_attention, rtol=1e-5)


def test_answers_are_filtered_over_time_for_each_person(portrait):
    analysis, oracle = LiveAnalysis(MODELS["baseline_cnn"]), Filter()
    for time in (0.0, 0.1, 0.25):
        (face,) = analysis.look(portrait, time).faces
        assert face.number == 1
        expected = oracle.update(time, face.explanation.probabilities)
        np.testing.assert_allclose(face.probabilities, expected, rtol=1e-5)
        assert face.emotion == ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"][expected.argmax()]


def test_another_model_keeps_the_faces_and_starts_the_filter_anew(portrait):
    analysis = LiveAnalysis(MODELS["baseline_cnn"])
    analysis.look(portrait, 0.0)
    analysis.model = MODELS["attn_cnn"]
    (face,) = analysis.look(portrait, 0.1).faces
    assert face.number == 1 and face.explanation.model_name == "attn_cnn"
    expected = Filter().update(0.1, face.explanation.probabilities)
    np.testing.assert_allclose(face.probabilities, expected, rtol=1e-5)


def test_a_frame_without_a_face_has_none():
    moment = LiveAnalysis(MODELS["attn_cnn"]).look(GREY, 3.0)
    assert moment.time == 3.0 and moment.faces == [] and set(moment.seconds) == {"faces", "model"}


def test_of_a_crowd_only_the_largest_faces_are_asked_about(portrait):
    (face,) = LiveAnalysis(MODELS["baseline_cnn"]).look(portrait, 0.0).faces
    around = crop_face(portrait, face.face)
    crowd = Image.new("RGB", (640, 480), "gray")
    sides = [60, 70, 80, 90, 100, 110]
    for index, side in enumerate(sides):
        crowd.paste(around.resize((side, side)), (20 + 210 * (index % 3), 40 + 220 * (index // 3)))
    faces = LiveAnalysis(MODELS["baseline_cnn"]).look(crowd, 0.0).faces
    assert len(faces) == MOST_FACES
    for face, side in zip(faces, sorted(sides, reverse=True), strict=False):
        assert face.face.square.side == pytest.approx(side, rel=0.15), "the largest comes first"


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="There is no method 'cam'"):
        LiveAnalysis(MODELS["attn_cnn"], "cam")
