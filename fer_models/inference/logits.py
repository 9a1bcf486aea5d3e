"""Logits of a model for a whole data set."""

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from fer_models.architectures import EmotionModel
from fer_models.data.images import enlarge


@torch.inference_mode()
def compute_logits(
    model: EmotionModel, images: Tensor, batch_size: int = 64, flip: bool = False, progress: str | None = None
) -> np.ndarray:
    """Computes a model's logits for each face, in float32 throughout.

    Args:
        model: set to eval mode; runs on its own device.
        images: uint8 (N, 48, 48), on any device.
        batch_size: images per forward pass.
        flip: whether each face is mirrored left to right.
        progress: label of a progress bar; None shows no bar.

    Returns:
        float32 (N, 7), not divided by the model's temperature.
    """
    model.eval()
    device = next(model.parameters()).device
    logits = []
    with tqdm(total=len(images), desc=progress, unit="img", disable=progress is None) as bar:
        for batch in images.split(batch_size):
            faces = enlarge((batch.flip(-1) if flip else batch).to(device), model.input_size)
            logits.append(model(faces.contiguous(memory_format=torch.channels_last)).cpu())
            bar.update(len(batch))
    return torch.cat(logits).numpy()
