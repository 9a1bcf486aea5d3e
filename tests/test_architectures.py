"""The models and their attention."""

import gc
import math
import weakref

import pytest
import torch

from fer_models.architectures import MODEL_NAMES, create_model
from fer_models.architectures.attention import (
    CBAM,
    AttentionPooling,
    ChannelAttention,
    MultiHeadSpatialAttention,
    SpatialAttention,
)
from fer_models.architectures.vit import SelfAttention
from fer_models.inference.complexity import count_multiply_adds


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_forward_is_the_head_after_the_features(name: str) -> None:
    model = create_model(name).eval()
    faces = torch.rand(2, 3, model.input_size, model.input_size)
    with torch.inference_mode():
        features = model.forward_features(faces)
        assert torch.equal(model.forward_head(features), model(faces))
    assert model(faces).shape == (2, 7)
    assert features.ndim == 4


def test_names_and_sizes() -> None:
    assert MODEL_NAMES == ("baseline_cnn", "resnet50", "attn_cnn", "resnet50_cbam", "vit")
    assert [create_model(name).input_size for name in MODEL_NAMES] == [128, 224, 128, 224, 128]
    with pytest.raises(ValueError, match="no model named 'vgg'.*baseline_cnn"):
        create_model("vgg")


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_the_parts_of_a_model_name_each_submodule_once(name: str) -> None:
    model = create_model(name)
    parts = [*model.input_layers, *model.stages, *model.head]
    assert sorted(parts) == sorted(child for child, _ in model.named_children())


@pytest.mark.parametrize("name", ["attn_cnn", "vit"])
def test_the_small_attention_models_stay_within_their_budget(name: str) -> None:
    assert count_multiply_adds(create_model(name)) < 0.3e9


def test_without_batch_norm_there_is_none() -> None:
    for name in ("baseline_cnn", "attn_cnn"):
        for batch_norm in (True, False):
            model = create_model(name, batch_norm=batch_norm)
            body = [m for name, m in model.named_modules() if not name.startswith("attention")]
            assert any(isinstance(m, torch.nn.BatchNorm2d) for m in body) == batch_norm


def test_without_attention_the_features_are_pooled_as_they_are() -> None:
    model = create_model("attn_cnn", attention="none").eval()
    assert model.spatial_attention is None
    features = torch.rand(2, 256, 8, 8)
    with torch.inference_mode():
        assert torch.equal(model.forward_head(features), model.fc(features.mean(dim=(2, 3))))


def test_spatial_attention_by_hand() -> None:
    module = SpatialAttention(kernel_size=1)
    with torch.no_grad():
        module.conv.weight[:] = torch.tensor([1.0, 2.0]).view(1, 2, 1, 1)
        module.bn.weight.fill_(1)
        module.bn.bias.zero_()
    module.eval()  # and so, before any training, the normalisation changes (almost) nothing
    features = torch.tensor([[1.0, 0.0], [3.0, 0.0]]).view(1, 2, 1, 2)  # two channels, two places
    result = module(features)
    gate = torch.sigmoid(torch.tensor([2 + 2 * 3.0, 0.0]))  # mean + 2 * maximum
    assert torch.allclose(module.map, gate.view(1, 1, 2))
    assert torch.allclose(result, features * gate)


def test_channel_attention_by_hand() -> None:
    module = ChannelAttention(2, reduction=2)
    with torch.no_grad():
        module.mlp[0].weight[:] = torch.tensor([[1.0, 1.0]])
        module.mlp[0].bias.zero_()
        module.mlp[2].weight[:] = torch.tensor([[1.0], [-1.0]])
        module.mlp[2].bias.zero_()
    features = torch.tensor([[0.0, 2.0], [1.0, 1.0]]).view(1, 2, 1, 2)
    module(features)
    # Means 1 and 1, maxima 2 and 1: the hidden unit is 2 and 3, and the MLP's two outputs add up to +-5.
    assert torch.allclose(module.weights, torch.sigmoid(torch.tensor([[5.0, -5.0]])))


def test_softmax_attention_by_hand() -> None:
    module = SpatialAttention(kernel_size=1, normalisation="softmax").eval()
    with torch.no_grad():
        module.conv.weight[:] = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)  # the mean over channels
        module.bn.weight.fill_(math.sqrt(1 + module.bn.eps))  # undoes the division by the running deviation
    features = torch.tensor([0.0, math.log(3.0)]).view(1, 1, 1, 2)
    result = module(features)
    # Shares 1/4 and 3/4 of two places.
    assert torch.allclose(module.map, torch.tensor([[[0.5, 1.5]]]))
    assert torch.allclose(result, features * torch.tensor([0.5, 1.5]))


def test_softmax_attention_starts_as_plain_pooling() -> None:
    features = torch.rand(2, 32, 8, 8)
    assert torch.allclose(SpatialAttention(normalisation="softmax")(features), features)


def test_older_checkpoints_give_attention_as_a_bool() -> None:
    assert create_model("attn_cnn", attention=True).config["attention"] == "sigmoid"
    assert create_model("attn_cnn", attention=False).config["attention"] == "none"
    assert create_model("attn_cnn").spatial_attention.normalisation == "softmax"


def test_an_unknown_normalisation_is_refused() -> None:
    with pytest.raises(ValueError, match="no normalisation 'hardmax'. Choose one of: softmax, sigmoid"):
        SpatialAttention(normalisation="hardmax")


def test_cbams_gates_differ_between_places_from_the_start() -> None:
    cbam = CBAM(32)
    cbam(torch.rand(2, 32, 7, 7))
    assert torch.allclose(cbam.channel.weights, torch.sigmoid(torch.tensor(2.0)))  # all channels alike
    assert cbam.spatial.map.std() > 0.05 and 0.8 < cbam.spatial.map.mean() < 0.9


def test_attention_maps_hold_neither_a_graph_nor_an_older_batch() -> None:
    module = CBAM(32)
    module(torch.rand(1, 32, 7, 7, requires_grad=True))
    old = weakref.ref(module.spatial.map)
    assert not module.spatial.map.requires_grad and not module.channel.weights.requires_grad
    module(torch.rand(3, 32, 7, 7))
    gc.collect()
    assert old() is None and module.spatial.map.shape == (3, 7, 7)


def test_multi_head_attention_by_hand() -> None:
    """Two heads of one channel each: one ignores the places, the other gives the second three times the weight."""
    module = MultiHeadSpatialAttention(2, heads=2, hidden=1).eval()
    features = torch.tensor([[[[2.0, 4.0]], [[0.0, 1.0]]]])
    with torch.no_grad():
        module.conv.weight.zero_()
        module.conv.weight[0, 1, 1, 1] = math.sqrt(1 + module.bn.eps)  # the second channel as it is
        module.score.weight[:, 0, 0, 0] = torch.tensor([0.0, math.log(3.0)])
        result = module(features)
    assert torch.allclose(result, torch.tensor([[[[2.0, 4.0]], [[0.0, 1.5]]]]))
    assert torch.allclose(module.map, torch.tensor([[[0.75, 1.25]]]))  # the mean of (1, 1) and (0.5, 1.5)


def test_multi_head_attention_starts_as_plain_pooling() -> None:
    features = torch.rand(2, 32, 8, 8)
    assert torch.allclose(MultiHeadSpatialAttention(32)(features), features)
    with pytest.raises(ValueError, match="30 channels cannot be divided among 4 heads"):
        MultiHeadSpatialAttention(30)


def test_attention_pooling_by_hand() -> None:
    module = AttentionPooling(2)
    features = torch.rand(2, 2, 8, 8)
    assert torch.allclose(module(features), features)  # it starts as plain pooling
    with torch.no_grad():
        module.score.weight[:] = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)
    features = torch.tensor([[0.0, math.log(3.0)], [1.0, 2.0]]).view(1, 2, 1, 2)
    result = module(features)
    assert torch.allclose(module.map, torch.tensor([[[0.5, 1.5]]]))  # shares 1/4 and 3/4 of two places
    assert torch.allclose(result, features * torch.tensor([0.5, 1.5]))


def test_self_attention_is_the_weighted_sum_of_values() -> None:
    torch.manual_seed(0)
    module, tokens = SelfAttention(width=8, heads=2), torch.randn(3, 5, 8)
    weights = module.weights(tokens)
    assert weights.shape == (3, 2, 5, 5) and torch.allclose(weights.sum(dim=3), torch.ones(3, 2, 5))
    values = module.query_key_value(tokens)[..., 16:].unflatten(2, (2, 4)).transpose(1, 2)
    mixed = (weights @ values).transpose(1, 2).flatten(2)
    assert torch.allclose(module(tokens), module.output(mixed), atol=1e-6)


def test_a_transformer_without_its_attention_mixes_no_places() -> None:
    """With each self-attention switched off, a place's token depends on its own token in front of the layers only."""
    model = create_model("vit").eval()
    for module in model.modules():
        if isinstance(module, SelfAttention):
            torch.nn.init.zeros_(module.output.weight)
    features = torch.randn(1, 256, 8, 8)
    changed = features.clone()
    changed[0, :, 2, 3] += 1
    with torch.inference_mode():
        moved = (model.stage3(changed) - model.stage3(features)).abs().amax(dim=1)[0]
    assert moved[2, 3] > 0 and moved.count_nonzero() == 1
