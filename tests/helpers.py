"""Small data and hand-made explanations that several test modules share."""

import re
import struct
import zlib

import gradio as gr
import numpy as np
import torch

from demo.responses import OWN_PREDICTION
from fer_models import EMOTIONS, Explanation
from fer_models.data.fer2013 import Split

DEFAULTS = (OWN_PREDICTION, -1, "gradcam")


def pattern(label: int, variant: int) -> np.ndarray:
    """uint8 (48, 48): a bright bar whose row encodes the label, on noise that encodes the variant."""
    image = np.random.default_rng(variant).integers(0, 80, (48, 48), dtype=np.uint8)
    image[6 * label + 3 : 6 * label + 8] = 230
    return image


def make_split(per_class: int, first_variant: int) -> Split:
    pairs = [(label, first_variant + i) for i in range(per_class) for label in range(len(EMOTIONS))]
    images = np.stack([pattern(label, 10 * variant + label) for label, variant in pairs])
    return Split(torch.from_numpy(images), torch.tensor([label for label, _ in pairs]))


def png_start(width: int, height: int) -> bytes:
    """The beginning of a grey PNG of the given size, cut off where its pixels would start."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    checksum = struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + checksum + struct.pack(">I", 1000) + b"IDAT"


def explanation(name: str, emotion: str, share: float, **changes: object) -> Explanation:
    """A hand-made one: `share` for one emotion and the rest evenly for the others."""
    probabilities = np.full(7, (1 - share) / 6, np.float32)
    probabilities[EMOTIONS.index(emotion)] = share
    values = {
        "model_name": name,
        "method": "gradcam",
        "stage": "layer4",
        "target": EMOTIONS.index(emotion),
        "probabilities": probabilities,
        "views": probabilities[None],
        "logits": np.log(probabilities),
        "heatmap": np.eye(7, dtype=np.float32),
        "class_maps": None,
        "spatial_attention": None,
        "channel_attention": None,
        "seconds": 0.05,
    }
    return Explanation(**values | changes)


def cards(results: str) -> dict[str, str]:
    """The HTML of each model's card, by title."""
    found = re.findall(r'<article class="card".*?</article>', results, re.DOTALL)
    return {re.search("<h3>(.*)</h3>", card)[1]: card for card in found}


def texts(page: gr.Blocks) -> str:
    """All that the page says before anything happens."""
    return "\n".join(str(block.value) for block in page.blocks.values() if isinstance(block, gr.HTML | gr.Markdown))
