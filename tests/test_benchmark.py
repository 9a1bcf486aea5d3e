"""What the benchmark compares must give the same answers."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from fer_models.architectures import create_model
from fer_models.benchmark import as_onnx, crowd, folded, onnx_forward


@pytest.mark.parametrize("name", ["baseline_cnn", "attn_cnn"])
def test_a_folded_model_has_no_batch_norm_and_the_same_answers(name: str) -> None:
    torch.manual_seed(0)
    model = create_model(name, widths=[4, 8, 8]).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight)
    fast, faces = folded(model), torch.rand(2, 3, 128, 128)
    assert any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    with torch.inference_mode():
        assert torch.allclose(fast(faces), model(faces), rtol=1e-4, atol=1e-6)


def test_onnx_runtime_gives_the_same_answers() -> None:
    model, faces = create_model("attn_cnn", widths=[4, 8, 8]).eval(), torch.rand(1, 3, 128, 128)
    with torch.inference_mode():
        assert np.allclose(onnx_forward(as_onnx(model, faces), faces, threads=1)(), model(faces), rtol=1e-4, atol=1e-6)


def test_the_crowd_of_the_benchmark_has_as_many_faces_as_it_says() -> None:
    picture = crowd(Image.new("RGB", (50, 50), "white"), 1000, 500, count=9, side=40)
    assert np.sum(np.asarray(picture) == 255) == 9 * 40 * 40 * 3
