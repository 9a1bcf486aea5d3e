import copy
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from pytorch_grad_cam import EigenCAM, GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, XGradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

from fer_models.architectures import MODEL_NAMES, create_model
from fer_models.architectures.attention import AttentionPooling, SpatialAttention
from fer_models.architectures.base import EmotionModel
from fer_models.architectures.baseline_cnn import BaselineCNN
from fer_models.architectures.resnet50 import ResNet50
from fer_models.checkpoints import load_model
from fer_models.emotions import EMOTIONS
from fer_models.explanations import METHODS, Explanation, explain
from fer_models.explanations.closed_form import CLOSED_FORMS
from fer_models.inference import exclusive, predict, preprocess
from fer_models.inference.prediction import BATCH_SIZE

LIBRARY = {
    "gradcam": GradCAM,
    "gradcam++": GradCAMPlusPlus,
    "hirescam": HiResCAM,
    "xgradcam": XGradCAM,
    "layercam": LayerCAM,
    "eigencam": EigenCAM,
}
SMALL = {
    "baseline_cnn": {"widths": (4, 8, 8), "hidden": 16},
    "attn_cnn": {"widths": (4, 8, 12)},
    "resnet50": {},
    "resnet50_cbam": {},
}


ARRAYS = ("probabilities", "views", "logits", "heatmap", "class_maps", "spatial_attention", "channel_attention")


def _create(name: str, **config: object) -> EmotionModel:
    """A small model in which every part does something: no zero weights, running statistics of its own."""
    generator = torch.manual_seed(MODEL_NAMES.index(name))
    model = create_model(name, **SMALL.get(name, {}), **config).eval()
    if isinstance(model, ResNet50):
        model.input_size = 64
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
            nn.init.uniform_(module.weight, 0.5, 1, generator=generator)
    for module in model.modules():
        if isinstance(module, AttentionPooling):
            nn.init.normal_(module.score.weight, std=0.2, generator=generator)
        elif isinstance(module, SpatialAttention):
            nn.init.normal_(module.conv.weight, std=0.2, generator=generator)
    if model.channel_attention is not None:
        nn.init.normal_(model.channel_attention.mlp[2].weight, std=0.2, generator=generator)
    return model


@pytest.fixture(scope="module")
def models() -> dict[str, EmotionModel]:
    return {name: _create(name) for name in MODEL_NAMES}


@pytest.fixture
def baseline() -> EmotionModel:
    return _create("baseline_cnn")


def _faces(count: int) -> list[np.ndarray]:
    return list(np.random.default_rng(7).integers(0, 256, (count, 48, 48), dtype=np.uint8))


class Sum(EmotionModel):
    """Two features of a 2x2 picture, its brightness and its darkness, pooled in front of known weights."""

    name = "sum"
    input_size = 2
    stages = ("conv",)

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        self.fc = nn.Linear(2, 7)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([[1 / 3] * 3, [-1 / 3] * 3])[:, :, None, None])
            self.conv.bias.copy_(torch.tensor([0.0, 1.0]))
            self.fc.weight.copy_(torch.tensor([[c, -1.0] for c in range(7)]))
            self.fc.bias.copy_(torch.arange(7.0))

    def forward_features(self, faces):
        return self.conv(faces)

    def forward_head(self, features):
        return self.fc(features.mean(dim=(2, 3)))


# Each quarter of this face is one cell of Sum's map: brightness 0, 0.8, 0.2 and 0.6.
QUARTERS = np.kron(np.array([[0, 204], [51, 153]], np.uint8), np.ones((24, 24), np.uint8))
BRIGHTNESS = np.array([[0, 0.8], [0.2, 0.6]])


class Broken(Sum):
    def forward_head(self, features):
        raise RuntimeError("the head is broken")


def test_the_public_name_is_the_function_and_not_the_package():
    import fer_models.explanations.gradients  # noqa: F401
    from fer_models import explain as public

    assert public is explain


# --- Grad-CAM ------------------------------------------------------------------------------------------------------


def test_gradcam_of_a_model_worked_out_by_hand():
    (explanation,) = explain(Sum(), [QUARTERS], target=3)
    expected = np.stack([(c * BRIGHTNESS - (1 - BRIGHTNESS)) / 4 for c in range(7)])  # sum_k W_ck A_k / (h w)
    np.testing.assert_allclose(explanation.class_maps, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(explanation.heatmap, np.maximum(expected[3], 0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(explanation.logits, [c + 0.4 * c - 0.6 for c in range(7)], rtol=1e-5)
    np.testing.assert_allclose(explanation.normalised(), [[0, 1], [0, 1.4 / 2.2]], rtol=1e-5, atol=1e-6)


def test_a_map_without_evidence_is_empty():
    (explanation,) = explain(Sum(), [QUARTERS], target="angry")  # its weights are 0 and -1
    assert (explanation.class_maps[0] < -0.04).all()
    assert explanation.is_empty
    assert not explanation.normalised().any()


def test_a_contrast_worked_out_by_hand():
    """The maps of 3 and 1 differ by (3 - 1) brightness / 4."""
    for method in ("gradcam", "hirescam"):  # the same in front of an average pool and a linear layer
        (explanation,) = explain(Sum(), [QUARTERS], target=3, method=method)
        contrast = explanation.contrasted(1)
        np.testing.assert_allclose(contrast.heatmap, BRIGHTNESS / 2, rtol=1e-5, atol=1e-6)
        assert (contrast.target, contrast.against, explanation.against) == (3, 1, None)
        assert contrast.class_maps is explanation.class_maps and contrast.probabilities is explanation.probabilities
        assert explain(Sum(), [QUARTERS], target=1, method=method)[0].contrasted(3).is_empty


def test_a_contrast_is_the_map_of_the_difference_of_both_logits(models):
    """By automatic differentiation of z_happy - z_sad, through the attention."""
    model, faces = models["attn_cnn"], _faces(1)
    contrast = explain(model, faces, "happy", "hirescam")[0].contrasted(4)
    with torch.no_grad():
        features = model.forward_features(preprocess(faces, model))
    logits = model.forward_head(features.requires_grad_())
    (gradient,) = torch.autograd.grad(logits[0, 3] - logits[0, 4], features)
    expected = (features * gradient).sum(dim=1)[0].relu().detach().numpy()
    np.testing.assert_allclose(contrast.heatmap, expected, rtol=1e-4, atol=1e-5 * expected.max())


def test_what_cannot_be_contrasted_is_refused_in_a_sentence(baseline):
    (explanation,) = explain(baseline, _faces(1), "happy")
    with pytest.raises(ValueError, match="The target is happy already: pass another emotion"):
        explanation.contrasted(3)
    for arguments in ({"method": "layercam"}, {"stage": "block2"}):
        (explanation,) = explain(baseline, _faces(1), "happy", **arguments)
        with pytest.raises(
            ValueError, match="has no maps of all emotions to contrast: explain with gradcam or hirescam"
        ):
            explanation.contrasted(4)


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_gradcam_equals_the_library_for_every_emotion(models, name):
    model, faces = models[name], _faces(2)
    explanations = explain(model, faces)
    for target in range(7):
        expected = _library_maps("gradcam", model, getattr(model, model.stages[-1]), faces, target)
        _assert_close(np.stack([e.class_maps[target] for e in explanations]), expected, expected)
        heatmaps = np.stack([e.heatmap for e in explain(model, faces, target)])
        _assert_close(heatmaps, np.maximum(expected, 0), expected)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("stage", ["stage2", "stage3", "attention"])
def test_every_method_equals_a_plain_library_call(models, method, stage):
    model, faces = models["attn_cnn"], _faces(2)
    some_are_not_empty = False
    for target in range(7):
        heatmaps = np.stack([e.heatmap for e in explain(model, faces, target, method, stage)])
        expected = _library_maps(method, model, getattr(model, stage), faces, target)
        _assert_close(heatmaps, np.maximum(expected, 0), expected)
        some_are_not_empty |= heatmaps.any()
    assert some_are_not_empty


@pytest.mark.parametrize(
    ("name", "stage"), [("attn_cnn", "stage3"), ("attn_cnn", "attention"), ("baseline_cnn", "block3")]
)
def test_the_positive_part_of_each_emotions_hirescam_equals_the_library(models, name, stage):
    model, faces = models[name], _faces(2)
    explanations = explain(model, faces, method="hirescam", stage=stage)
    for target in range(7):
        expected = np.maximum(_library_maps("hirescam", model, getattr(model, stage), faces, target), 0)
        signed = np.stack([e.class_maps[target] for e in explanations])
        _assert_close(np.maximum(signed, 0), expected, signed)
        _assert_close(signed, _library_maps("hirescam", model, getattr(model, stage), faces, target), signed)
    for each in explanations:
        np.testing.assert_array_equal(each.heatmap, np.maximum(each.class_maps[each.target], 0))


def _library_maps(method: str, model: EmotionModel, layer: nn.Module, faces: list, target: int) -> np.ndarray:
    """The library's own hooks, full backward and formula; only its ReLU and its min-max scaling are left out."""
    with LIBRARY[method](model, [layer]) as cam:
        cam(preprocess(faces, model), [ClassifierOutputTarget(target)] * len(faces))
        activations = cam.activations_and_grads.activations[0].numpy()
        gradients = cam.activations_and_grads.gradients[0].numpy() if cam.uses_gradients else None
        maps = cam.get_cam_image(None, None, None, activations, gradients, False)
    model.zero_grad()
    return maps


def _assert_close(actual: np.ndarray, expected: np.ndarray, signed: np.ndarray) -> None:
    """To 1e-5 of the largest value in the signed map: what a ReLU leaves of a negative map may be all rounding."""
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5 * np.abs(signed).max())


@pytest.mark.parametrize(
    ("name", "stage"), [("resnet50", "layer4"), ("attn_cnn", "attention"), ("resnet50_cbam", "attention")]
)
def test_maps_in_front_of_pooling_and_a_linear_layer_add_up_to_the_logits(models, name, stage):
    for explanation in explain(models[name], _faces(3), stage=stage):
        sums = explanation.class_maps.sum(axis=(1, 2)) + models[name].fc.bias.detach().numpy()
        np.testing.assert_allclose(sums, explanation.logits, rtol=1e-4, atol=1e-4 * np.abs(explanation.logits).max())


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_gradcam_equals_the_library_on_the_shipped_weights(name):
    model, faces = load_model(name, Path(__file__).parents[1] / "weights"), _faces(1)
    (explanation,) = explain(model, faces)
    for target in range(7):
        expected = _library_maps("gradcam", model, getattr(model, model.stages[-1]), faces, target)
        _assert_close(explanation.class_maps[target], expected[0], expected)


@pytest.mark.parametrize("name", [*(cls.name for cls in CLOSED_FORMS), "attn_cnn none", "attn_cnn sigmoid"])
def test_the_closed_forms_equal_automatic_differentiation(models, name):
    """In double precision, with channels that share a maximum and cells in which every channel is zero."""
    name, _, attention = name.partition(" ")
    model = copy.deepcopy(_create(name, attention=attention) if attention else models[name]).double()
    generator = torch.manual_seed(0)
    with torch.no_grad():
        features = model.forward_features(torch.rand(3, 3, model.input_size, model.input_size).double())
    features = features.mul(4).round()
    features[:, :, ::2] = 0
    features *= torch.rand(features.shape, generator=generator) > 0.5

    with torch.no_grad():
        logits, weights = CLOSED_FORMS[type(model)](model, features)
    torch.testing.assert_close(logits, model.forward_head(features.requires_grad_()).detach(), rtol=1e-12, atol=1e-12)
    for target in range(7):
        (gradients,) = torch.autograd.grad(model.forward_head(features)[:, target].sum(), features)
        expected = gradients.mean(dim=(2, 3))
        torch.testing.assert_close(weights[:, target], expected, rtol=0, atol=1e-12 * float(expected.abs().max()))


def test_several_heads_are_differentiated():
    """Grad-CAM of all emotions equals the library's, through the attention's own scores."""
    torch.manual_seed(0)
    model = create_model("attn_cnn", **SMALL["attn_cnn"], attention="multihead").eval()
    nn.init.normal_(model.attention.score.weight)
    (explanation,) = explain(model, _faces(1))
    assert explanation.spatial_attention.mean() == pytest.approx(1, abs=1e-5)
    expected = np.concatenate([_library_maps("gradcam", model, model.stage3, _faces(1), target) for target in range(7)])
    np.testing.assert_allclose(explanation.class_maps, expected, rtol=1e-3, atol=1e-7)


def test_a_subclass_with_another_head_is_differentiated():
    class Doubled(BaselineCNN):
        def forward_head(self, features):
            return 2 * super().forward_head(features)

    torch.manual_seed(0)
    model = Doubled(**SMALL["baseline_cnn"]).eval()
    doubled = explain(model, _faces(1))[0].class_maps
    model.__class__ = BaselineCNN
    np.testing.assert_allclose(doubled, 2 * explain(model, _faces(1))[0].class_maps, rtol=1e-5, atol=1e-7)


def test_in_front_of_cbam_the_gates_are_differentiated_too(models):
    """Its gates depend on the features, so holding them fixed gives another map."""
    before, behind = (explain(models["resnet50_cbam"], _faces(1), stage=stage)[0] for stage in ("layer4", "attention"))
    assert before.heatmap.shape == behind.heatmap.shape
    assert not np.allclose(before.class_maps, behind.class_maps, rtol=1e-2)


def test_shallower_stages_are_finer_and_explain_the_target_only(models):
    for stage, side in [("stem", 32), ("stage1", 16), ("stage2", 8), ("stage3", 8)]:
        (explanation,) = explain(models["attn_cnn"], _faces(1), stage=stage)
        assert explanation.stage == stage
        assert explanation.heatmap.shape == (side, side)
        assert (explanation.class_maps is None) == (stage != "stage3")


# --- what comes with the map ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_the_rest_of_an_explanation_is_of_the_same_forward_pass(models, name):
    model, faces = models[name], _faces(2)
    probabilities = predict(model, faces)
    with torch.no_grad():
        logits = model(preprocess(faces, model)).numpy()
    spatial, channel = model.spatial_attention, model.channel_attention
    for n, explanation in enumerate(explain(model, faces)):
        np.testing.assert_allclose(explanation.probabilities, probabilities[n], rtol=1e-5)
        np.testing.assert_allclose(explanation.logits, logits[n], rtol=1e-4, atol=1e-5)
        assert explanation.target == probabilities[n].argmax() == EMOTIONS.index(explanation.emotion)
        assert (explanation.model_name, explanation.method, explanation.stage) == (name, "gradcam", model.stages[-1])
        assert explanation.seconds > 0
        for array in (explanation.probabilities, explanation.logits, explanation.heatmap, explanation.class_maps):
            assert array.dtype == np.float32
        if spatial is None:
            assert explanation.spatial_attention is None
        else:
            np.testing.assert_array_equal(explanation.spatial_attention, spatial.map[n].numpy())
        if channel is None:
            assert explanation.channel_attention is None
        else:
            np.testing.assert_array_equal(explanation.channel_attention, channel.weights[n].numpy())


def test_the_temperature_scales_the_probabilities_and_not_the_map():
    cold, hot = Sum(), Sum()
    hot.temperature = 5.0
    (one,), (five,) = explain(cold, [QUARTERS]), explain(hot, [QUARTERS])
    np.testing.assert_allclose(five.probabilities, predict(hot, [QUARTERS])[0], rtol=1e-6)
    assert five.probabilities.max() < one.probabilities.max()
    np.testing.assert_array_equal(one.heatmap, five.heatmap)


def test_a_certain_model_still_has_a_map():
    """The softmax is saturated, so its gradient would be zero; the logit's is not."""
    model = Sum()
    with torch.no_grad():
        model.fc.bias[5] = 1000
    (explanation,) = explain(model, [QUARTERS])
    assert explanation.probabilities[5] == 1
    np.testing.assert_allclose(explanation.heatmap, np.maximum(6 * BRIGHTNESS - 1, 0) / 4, rtol=1e-5, atol=1e-6)


def test_target_by_name_index_and_default_agree(baseline):
    faces = _faces(1)
    (own,) = explain(baseline, faces)
    for target in (own.emotion, own.target, np.int64(own.target)):
        (same,) = explain(baseline, faces, target)
        assert same.target == own.target
        np.testing.assert_array_equal(same.heatmap, own.heatmap)


@pytest.mark.parametrize("method", ["gradcam", "hirescam"])
def test_mirrored_everything_is_the_mean_over_both_views(models, method):
    model, faces = models["resnet50_cbam"], _faces(2)
    model.mirrored_temperature = 0.1
    for each, face in zip(explain(model, faces, method=method, mirrored=True), faces, strict=True):
        alone = explain(model, [face, np.fliplr(face)], each.target, method)
        np.testing.assert_allclose(each.probabilities, predict(model, [face], mirrored=True)[0], atol=1e-6)
        np.testing.assert_allclose(each.probabilities, each.views.mean(axis=0))
        assert each.target == each.probabilities.argmax()
        assert each.changes_when_mirrored == (alone[0].emotion != alone[1].emotion)
        assert alone[0].views.shape == (1, 7) and not alone[0].changes_when_mirrored
        np.testing.assert_allclose(each.logits, alone[0].logits, atol=1e-5)
        for name in ("class_maps", "spatial_attention"):
            mean = (getattr(alone[0], name) + getattr(alone[1], name)[..., ::-1]) / 2
            np.testing.assert_allclose(getattr(each, name), mean, atol=1e-5)
        mean = (alone[0].channel_attention + alone[1].channel_attention) / 2
        np.testing.assert_allclose(each.channel_attention, mean, atol=1e-5)
        np.testing.assert_allclose(each.heatmap, np.maximum(each.class_maps[each.target], 0))


def test_no_faces_no_explanations(baseline):
    assert explain(baseline, []) == []


def test_each_face_can_have_a_target_of_its_own(baseline):
    faces = _faces(BATCH_SIZE + 2)  # two batches
    targets = [n % 7 for n in range(len(faces))]
    targets[1], targets[-1] = None, "happy"
    expected = [explain(baseline, [face], target)[0] for face, target in zip(faces, targets, strict=True)]
    assert expected[-1].target == 3
    for found, alone in zip(explain(baseline, faces, targets), expected, strict=True):
        assert found.target == alone.target
        np.testing.assert_allclose(found.heatmap, alone.heatmap, rtol=1e-4, atol=1e-6)
    for labels in (np.array([5, 0]), torch.tensor([5, 0]), (5, 0)):
        assert [e.target for e in explain(baseline, np.stack(faces[:2]), labels, "layercam")] == [5, 0]


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"target": [0, 1]}, ValueError, "There are 2 targets for 1 faces: pass one for each face, or one for all"),
        ({"target": ["bored"]}, ValueError, "no emotion 'bored'. Choose one of: angry, disgust"),
        ({"target": np.array([1.0])}, TypeError, "The target is a float: pass an emotion's name"),
        ({"target": "bored"}, ValueError, "no emotion 'bored'. Choose one of: angry, disgust"),
        ({"target": 7}, ValueError, "no emotion number 7. Choose one from 0 to 6"),
        ({"target": -1}, ValueError, "no emotion number -1"),
        ({"target": True}, TypeError, "The target is a bool"),
        ({"target": 2.0}, TypeError, "The target is a float: pass an emotion's name"),
        ({"method": "magic"}, ValueError, "no method 'magic'. Choose one of: gradcam, gradcam"),
        ({"stage": "block9"}, ValueError, "baseline_cnn has no stage 'block9'. Choose one of: block1, block2, block3"),
        ({"stage": "attention"}, ValueError, "baseline_cnn has no stage 'attention'"),
        ({"faces": _faces(1)[0]}, TypeError, "as a list"),
    ],
)
def test_wrong_arguments_are_refused_in_a_sentence(baseline, arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        explain(baseline, **{"faces": _faces(1), **arguments})


# --- cost, and what is left behind ---------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_one_forward_pass_per_batch(models, method):
    model, batches = models["attn_cnn"], []
    hook = model.stem.register_forward_hook(lambda module, inputs, output: batches.append(len(output)))
    explain(model, _faces(2), method=method)
    assert batches == [2]
    explain(model, _faces(BATCH_SIZE + 1), method=method, stage="attention")
    assert batches == [2, BATCH_SIZE, 1]
    hook.remove()


def test_the_graph_starts_at_the_stage(baseline):
    graphs = {}
    hooks = [
        getattr(baseline, stage).register_forward_hook(
            lambda module, inputs, output, stage=stage: graphs.update({stage: output.grad_fn})
        )
        for stage in baseline.stages
    ]
    explain(baseline, _faces(1), stage="block2")
    assert graphs["block1"] is None and graphs["block2"] is None and graphs["block3"] is not None
    for hook in hooks:
        hook.remove()


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_left_on_the_model(method):
    model = _create("attn_cnn").train()
    model.stem.eval()
    model.fc.weight.requires_grad_(False)
    model.fc.bias.grad = torch.ones(7)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    explain(model, _faces(2), method=method, stage="stage2")
    _assert_untouched(model)
    assert model.training and model.stage1.training and not model.stem.training
    assert [name for name, value in model.named_parameters() if not value.requires_grad] == ["fc.weight"]
    assert [name for name, value in model.named_parameters() if value.grad is not None] == ["fc.bias"]
    assert torch.equal(model.fc.bias.grad, torch.ones(7))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not model.spatial_attention.map.requires_grad


def test_nothing_is_left_behind_by_an_error_in_the_head():
    model = Broken()
    with pytest.raises(RuntimeError, match="the head is broken"):
        explain(model, [QUARTERS])
    _assert_untouched(model)
    assert model.training and all(value.grad is None for value in model.parameters())


def _assert_untouched(model: EmotionModel) -> None:
    assert torch.is_grad_enabled()
    assert not any(module._forward_hooks or module._backward_hooks for module in model.modules())
    with exclusive(model):  # would wait forever if the lock were still held
        pass


def test_explains_where_gradients_are_switched_off(baseline):
    faces = _faces(1)
    expected = explain(baseline, faces)[0].heatmap
    for switched_off in (torch.no_grad(), torch.inference_mode()):
        with switched_off:
            np.testing.assert_array_equal(explain(baseline, faces)[0].heatmap, expected)
            assert not torch.is_grad_enabled()


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_every_method_gives_the_same_wherever_it_is_called(models, name):
    model, faces = models[name], _faces(1)
    for method in METHODS:
        (expected,) = explain(model, faces, method=method)
        for context in (
            torch.autocast("cpu", torch.bfloat16),
            torch.autocast("cpu", torch.float16),
            torch.inference_mode(),
            torch.no_grad(),
        ):
            with context:
                (found,) = explain(model, faces, method=method)
            for field in ARRAYS:
                assert getattr(found, field) is None or getattr(found, field).dtype == np.float32
                np.testing.assert_array_equal(getattr(found, field), getattr(expected, field))


@pytest.mark.parametrize("name", MODEL_NAMES)
@pytest.mark.parametrize(("dtype", "rounding"), [(torch.float16, 0.02), (torch.bfloat16, 0.15), (torch.float64, 1e-5)])
def test_a_model_of_another_dtype_has_the_same_maps_in_float32(models, name, dtype, rounding):
    model, faces = models[name], _faces(1)
    other = copy.deepcopy(model).to(dtype)
    (gradcam,) = explain(model, faces)
    for method in METHODS:
        (expected,), (found,) = (explain(m, faces, gradcam.target, method) for m in (model, other))
        scale = max(np.abs(gradcam.class_maps).max(), expected.heatmap.max())
        np.testing.assert_allclose(found.heatmap, expected.heatmap, rtol=0, atol=rounding * scale)
        for field in ARRAYS:
            assert getattr(found, field) is None or getattr(found, field).dtype == np.float32


def _no_compiler(graph: object, inputs: object) -> None:
    raise AssertionError("what is compiled has no gradients by batches, so it cannot be explained")


def _compiled_in_place(model: EmotionModel) -> EmotionModel:
    model.compile(backend=_no_compiler)
    return model


@pytest.mark.parametrize(
    "wrap", [lambda model: torch.compile(model, backend=_no_compiler), _compiled_in_place, nn.DataParallel]
)
def test_of_a_wrapped_model_the_model_inside_is_explained(wrap):
    model, faces = _create("attn_cnn"), _faces(1)
    wrapped = wrap(copy.deepcopy(model))
    for method in METHODS:
        (expected,), (found,) = (explain(m, faces, method=method) for m in (model, wrapped))
        assert found.model_name == "attn_cnn"
        for field in ARRAYS:
            if getattr(expected, field) is not None:
                np.testing.assert_allclose(getattr(found, field), getattr(expected, field), rtol=1e-5, atol=1e-6)


def test_a_model_made_in_inference_mode_is_explained_or_a_sentence_says_what_to_do():
    weights = Path(__file__).parents[1] / "weights"
    with torch.inference_mode():
        loaded = load_model("attn_cnn", weights)
        changed = create_model("baseline_cnn", **SMALL["baseline_cnn"]).half()
    assert explain(loaded, _faces(1), method="layercam")[0].heatmap.any()
    assert explain(changed, _faces(1))[0].class_maps is not None  # in closed form
    with pytest.raises(ValueError, match=r"baseline_cnn was created or changed under torch.inference_mode\(\)"):
        explain(changed, _faces(1), method="layercam")
    assert explain(copy.deepcopy(changed), _faces(1), method="layercam")[0].heatmap.any()


def test_two_threads_on_one_model_get_their_own_maps(models):
    model, faces = models["attn_cnn"], _faces(4)
    expected = [explain(model, [face], stage="attention")[0] for face in faces]
    wrong, done = [], []

    def work(order: range) -> None:
        for _ in range(8):
            for n in order:
                (explanation,) = explain(model, [faces[n]], stage="attention")
                if not _same(explanation, expected[n]):
                    wrong.append(n)
                predict(model, [faces[-n]])
                done.append(n)

    threads = [threading.Thread(target=work, args=(order,)) for order in (range(4), range(3, -1, -1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 64 and not wrong


def _same(one: Explanation, other: Explanation) -> bool:
    fields = ("heatmap", "class_maps", "spatial_attention", "probabilities")
    return all(np.allclose(getattr(one, field), getattr(other, field), rtol=1e-5, atol=1e-7) for field in fields)


def test_predicting_and_explaining_by_gradcam_never_import_the_library():
    code = (
        "import sys, numpy as np\n"
        "from fer_models.architectures import create_model\n"
        "from fer_models.explanations import explain\n"
        "explain(create_model('baseline_cnn', widths=(1, 1, 1), hidden=1), [np.zeros((48, 48), np.uint8)])\n"
        "assert not {'pytorch_grad_cam', 'cv2', 'sklearn'} & set(sys.modules), 'the library was imported'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
