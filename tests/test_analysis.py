"""Explanations of one face by all models, whatever is asked, and evidence for their maps."""

import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor

import numpy as np
import pytest

from demo.analysis import LAYERS, check_maps, examine, explain_face, load_models, stage_of
from demo.photo import FaceCrop, read_photo
from fer_models import EMOTIONS, METHODS, create_model, explain
from fer_models.architectures import MODELS
from fer_models.checkpoints import save_checkpoint
from fer_models.evidence import predict_with_uniform_attention, quick_check
from fer_models.inference import exclusive
from tests.helpers import CROPPED_FACE, tiny_models

HAPPY, SAD = EMOTIONS.index("happy"), EMOTIONS.index("sad")


@pytest.fixture(scope="module")
def crop() -> FaceCrop:
    return read_photo(CROPPED_FACE).crops[0]


@pytest.fixture(scope="module")
def pool() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


def test_layers_are_counted_from_the_last_convolutional_stage():
    models = tiny_models()
    assert list(LAYERS) == ["last", "stage", "earlier", "earliest"]
    assert [stage_of(models["baseline_cnn"], layer) for layer in LAYERS] == ["block3", "block3", "block2", "block1"]
    assert [stage_of(models["attn_cnn"], layer) for layer in LAYERS] == ["attention", "stage3", "stage2", "stage1"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("layer", LAYERS)
def test_every_method_explains_every_layer_of_a_face_and_its_mirror_image(crop, pool, method, layer):
    models = tiny_models()
    found = list(explain_face(models, crop, "happy", "sad", layer, method, pool))
    for each, model in zip(found, models.values(), strict=True):
        assert (each.model_name, each.method, each.stage) == (model.name, method, stage_of(model, layer))
        assert each.target == HAPPY and each.views.shape == (2, 7)
        # Contrasts need the maps of all emotions: elsewhere they are left out.
        assert each.against == (SAD if each.class_maps is not None else None)
        assert (each.class_maps is not None) == (method in ("gradcam", "hirescam") and layer in ("last", "stage"))


def test_by_default_each_answer_is_explained_and_nothing_is_contrasted_with_itself(crop, pool):
    models = tiny_models()
    for each in explain_face(models, crop, None, None, "last", "hirescam", pool):
        assert each.emotion == EMOTIONS[each.target] and each.against is None
    for each in explain_face(models, crop, "sad", "sad", "last", "hirescam", pool):
        assert each.target == SAD and each.against is None


def test_quick_checks_are_those_of_the_maps(crop, pool):
    models = tiny_models()
    found = list(explain_face(models, crop, "happy", None, "last", "layercam", pool))
    checks = check_maps(models, crop, found, pool)
    assert list(checks) == list(models)
    for each in found:
        alone = quick_check(models[each.model_name], crop.pixels, each.heatmap, HAPPY)
        if alone is None:
            assert checks[each.model_name] is None
        else:
            assert checks[each.model_name].shown == pytest.approx(alone.shown, abs=1e-6)


def test_models_that_can_be_loaded_are_and_the_others_are_named(tmp_path):
    save_checkpoint(create_model("attn_cnn", widths=[4, 4, 4]), tmp_path / "attn_cnn", training={})
    lines = []
    models, problems = load_models(tmp_path, lines.append)
    assert list(models) == ["attn_cnn"] and len(problems) == len(MODELS) - 1
    assert lines == [f"Loading {model.title} ..." for model in MODELS.values()]
    assert problems[0].startswith("Baseline CNN is left out: ")


def test_evidence_has_uniform_attention_where_there_is_attention(crop, monkeypatch):
    monkeypatch.setattr("demo.analysis.FEW_FRACTIONS", (0.2,))
    for name, model in tiny_models().items():
        (found,) = explain(model, [crop.pixels], "happy", mirrored=True)
        evidence = examine(model, crop, found, lambda share: None)
        assert evidence.explanation is found and (evidence.uniform is not None) == (name == "attn_cnn")
        if evidence.uniform is not None:  # compared with the explanation's probabilities, so of both views as well
            expected = predict_with_uniform_attention(model, [crop.pixels], mirrored=True)[0]
            np.testing.assert_allclose(evidence.uniform, expected, rtol=1e-5)
        assert evidence.sanity.method == found.method
        np.testing.assert_allclose(evidence.faithfulness.curves.fractions, [0, 0.2])


def test_analyses_do_not_wait_for_a_test_of_the_maps(crop):
    model = tiny_models()["baseline_cnn"]
    (explanation,) = explain(model, [crop.pixels])
    shares: list[float] = []
    begun = threading.Event()

    def progress(share: float) -> None:
        shares.append(share)
        begun.set()

    thread = threading.Thread(target=examine, args=(model, crop, explanation, progress), daemon=True)
    with exclusive(model):  # as an analysis does, whose hooks would come along into a copy that is made now
        thread.start()
        assert not begun.wait(0.3)
    assert begun.wait(60)
    with exclusive(model):
        thread.join(60)
        assert not thread.is_alive() and shares[-1] == 1
