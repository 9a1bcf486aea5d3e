"""Model complexity: parameters, and multiply-adds per image."""

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from fer_models.architectures import EmotionModel


def count_parameters(model: EmotionModel) -> int:
    """Number of parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_multiply_adds(model: EmotionModel) -> int:
    """Multiply-adds per image in eval mode, in convolutions and matrix products (the rest is below 1 %)."""
    model.eval()
    parameter = next(model.parameters())
    # Of attention, the counter knows the plain products on every device, but not the CPU's fused kernel.
    with FlopCounterMode(display=False) as counter, torch.inference_mode(), sdpa_kernel(SDPBackend.MATH):
        model(torch.zeros(1, 3, model.input_size, model.input_size).to(parameter))
    return counter.get_total_flops() // 2  # the counter counts a multiplication and an addition as two
