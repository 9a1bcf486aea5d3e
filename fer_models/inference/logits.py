"""Logits of a model for a whole data set."""

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from fer_models.inference.prediction import exclusive, to_input


def compute_logits(
    model: nn.Module, images: Tensor, batch_size: int = 64, flip: bool = False, progress: str | None = None
) -> np.ndarray:
    """Computes a model's logits for each face, in the model's own precision throughout.

    Args:
        model: as in `predict`; runs on its own device.
        images: uint8 (N, 48, 48), on any device.
        batch_size: images per forward pass.
        flip: whether each face is mirrored left to right.
        progress: label of a progress bar; None shows no bar.

    Returns:
        float32 (N, 7), not divided by the model's temperature.
    """
    logits = []
    with (
        exclusive(model) as network,
        torch.inference_mode(),
        tqdm(total=len(images), desc=progress, unit="img", disable=progress is None) as bar,
    ):
        for batch in images.split(batch_size):
            faces = to_input(batch.flip(-1) if flip else batch, network)
            logits.append(model(faces.contiguous(memory_format=torch.channels_last)).float().cpu())
            bar.update(len(batch))
    return torch.cat(logits).numpy()
