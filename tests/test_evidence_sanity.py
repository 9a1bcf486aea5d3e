"""The sanity check on networks whose maps depend on the weights, and on one whose maps cannot."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from fer_models.architectures import create_model
from fer_models.architectures.base import EmotionModel
from fer_models.evidence import SanityCheck, measure_agreement, predict_with_uniform_attention, sanity, sanity_check
from fer_models.explanations import explain
from fer_models.inference import predict

STEPS = ("head", "stage3", "stage2", "stage1", "stem")


class Pictures(EmotionModel):
    """Its only stage hands the picture on, a quarter of its side, so that Eigen-CAM sees nothing but the picture."""

    name = "pictures"
    input_size = 48
    input_layers = ("entry",)
    stages = ("pool",)
    head = ("fc",)

    def __init__(self) -> None:
        super().__init__()
        self.entry = nn.Conv2d(3, 4, 1)
        self.pool = nn.AvgPool2d(4)
        self.fc = nn.Linear(3, 7)

    def forward_features(self, faces):
        return self.pool(faces)

    def forward_head(self, features):
        return self.fc(features.mean(dim=(2, 3)))


@pytest.fixture
def network() -> EmotionModel:
    torch.manual_seed(0)
    model = create_model("attn_cnn", widths=(8, 8, 12)).eval()
    for module in model.modules():  # the zeros of an untrained network would hide what depends on them
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1)
    nn.init.normal_(model.attention.conv.weight, std=0.2)
    return model


def _faces(count: int) -> list[np.ndarray]:
    return list(np.random.default_rng(7).integers(0, 256, (count, 48, 48), dtype=np.uint8))


def _check(head: float, everything: float) -> SanityCheck:
    return SanityCheck("eigencam", STEPS, np.array([[head], [0.9], [0.1], [0.9], [everything]]))


def test_a_method_that_does_not_depend_on_the_weights_is_called_out_by_name():
    check = sanity_check(Pictures(), _faces(2), "eigencam")
    assert check.steps == ("head", "input layers")  # its stage has no weights
    np.testing.assert_allclose(check.similarity, 1)
    assert check.verdict.startswith("Eigen-CAM hardly depends on the weights")
    assert "1.00" in check.verdict


def test_eigencam_ignores_the_head_and_gradcam_does_not(network):
    eigencam = sanity_check(network, _faces(3), "eigencam", stage="stage2")
    gradcam = sanity_check(network, _faces(3), "gradcam")
    assert eigencam.steps == gradcam.steps == STEPS
    np.testing.assert_allclose(eigencam.similarity[:2], 1)  # head and stage3 lie behind stage2
    assert abs(eigencam.similarity[2:]).max() < 0.999
    assert abs(gradcam.similarity).max() < 0.999


def test_the_verdict_follows_from_the_figures():
    assert "Eigen-CAM hardly depends on the weights" in _check(0.2, 0.5).verdict
    assert "Eigen-CAM hardly depends on the emotion" in _check(0.81, 0.30).verdict
    assert "(rank correlation 0.81); they change only with the layers below (0.30)" in _check(0.81, 0.30).verdict
    assert "falls to 0.20 with a random head and to -0.10 with all weights random" in _check(0.2, -0.1).verdict


def test_the_model_itself_is_never_touched_and_neither_is_the_global_generator(network):
    faces = _faces(2)
    expected = predict(network, faces)  # leaves an attention map from inference mode on the model
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    torch.manual_seed(5)
    random_state = torch.get_rng_state()
    sanity_check(network, faces)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())
    np.testing.assert_array_equal(predict(network, faces), expected)


def test_each_step_randomises_its_part_and_keeps_the_parts_before(network):
    previous = copy.deepcopy(network.state_dict())
    part_of = {"fc": "head", "attention": "head"}
    for step in sanity._randomised(network, seed=0):
        changed = {name for name, value in network.state_dict().items() if not torch.equal(value, previous[name])}
        assert {part_of.get(name.split(".")[0], name.split(".")[0]) for name in changed} == {step}
        weights = {name for name in previous if previous[name].ndim > 1 and name.startswith(step)}
        assert weights <= changed
        previous = copy.deepcopy(network.state_dict())


def test_resnet_is_randomised_down_to_its_first_convolution():
    model = create_model("resnet50_cbam")
    steps = list(sanity._randomised(model, seed=0))
    assert steps == ["head", "layer4", "layer3", "layer2", "layer1", "input layers"]


def test_the_seed_decides_the_random_weights(network):
    first, again, other = (sanity_check(network, _faces(1), seed=seed).similarity for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_the_emotion_explained_stays_that_of_the_trained_network(network, monkeypatch):
    targets = []

    def spy(model, faces, target, *arguments):
        explanations = explain(model, faces, target, *arguments)
        targets.append([explanation.target for explanation in explanations])
        return explanations

    monkeypatch.setattr(sanity, "explain", spy)
    sanity_check(network, _faces(2))
    trained, *randomised = targets
    assert randomised == [trained] * len(STEPS)


def test_the_means_of_both_views_are_compared(network):
    faces = _faces(2)
    found = sanity_check(network, faces, "hirescam", mirrored=True)
    trained = explain(network, faces, method="hirescam", mirrored=True)
    next(sanity._randomised(network, seed=0))
    randomised = explain(network, faces, [one.target for one in trained], "hirescam", mirrored=True)
    expected = [measure_agreement(one.heatmap, other.heatmap) for one, other in zip(trained, randomised, strict=True)]
    np.testing.assert_allclose(found.similarity[0], [agreement.rank_correlation for agreement in expected])


def test_a_map_that_vanishes_has_changed_and_one_that_was_never_there_cannot():
    assert sanity._similarity(np.zeros((7, 7)), np.eye(7)) == 0
    assert np.isnan(sanity._similarity(np.eye(7), np.zeros((7, 7))))
    assert np.isnan(sanity._similarity(np.zeros((7, 7)), np.zeros((7, 7))))
    empty = SanityCheck("gradcam", STEPS, np.full((5, 1), np.nan))
    assert empty.verdict == "Grad-CAM is constant for the trained network, so there is nothing to test."
    half_empty = replace(empty, similarity=np.array([[0.25, np.nan]] * 5))
    assert "falls to 0.25 with a random head" in half_empty.verdict


@pytest.mark.parametrize(
    "wrap", [lambda model: model.half(), lambda model: model.bfloat16(), lambda model: model.double(), nn.DataParallel]
)
def test_a_model_of_another_dtype_or_in_a_wrapper_is_tested_alike(network, wrap):
    faces = np.stack(_faces(2))
    expected = predict_with_uniform_attention(network, faces)
    steps = sanity_check(network, faces, target=["happy", None]).steps
    model = wrap(network)
    np.testing.assert_allclose(predict_with_uniform_attention(model, faces), expected, rtol=0, atol=0.01)
    check = sanity_check(model, faces, "hirescam", target=["happy", None])
    assert check.steps == steps and np.isfinite(check.similarity).all()


def test_the_check_is_the_same_in_inference_mode_and_under_autocast(network):
    expected = sanity_check(network, _faces(1), "hirescam").similarity
    for context in (torch.inference_mode(), torch.autocast("cpu", torch.bfloat16)):
        with context:
            np.testing.assert_array_equal(sanity_check(network, _faces(1), "hirescam").similarity, expected)


def test_a_check_without_faces_is_refused(network):
    with pytest.raises(ValueError, match="at least one"):
        sanity_check(network, [])
