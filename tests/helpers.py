"""Small data and hand-made explanations that several test modules share."""

import io
import re
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import gradio as gr
import numpy as np
import torch
from PIL import Image

from demo.example_pictures import EXAMPLES
from demo.photo import FaceCrop
from fer_models import EMOTIONS, EmotionModel, Explanation, create_model
from fer_models.data.fer2013 import Split
from fer_models.evidence import MEAN_LANDMARKS
from fer_models.faces import Square
from fer_models.video.writing import ClipWriter

PORTRAIT = EXAMPLES["eileen-collins"].path
CROPPED_FACE = EXAMPLES["48-pixels"].path
SMALL_MODELS = ("baseline_cnn", "attn_cnn")


class SmallServer(NamedTuple):
    """A running page: its address, the file with all that it prints, its checkpoints, and where it stores uploads."""

    address: str
    log: Path
    weights: Path
    uploads: Path


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


def made_clip(seconds: float = 0.6, with_face: bool = True, per_second: int = 10) -> bytes:
    """A portrait that moves to the right, or nothing but colour."""
    portrait = Image.open(PORTRAIT).convert("RGB").resize((160, 160))
    content = io.BytesIO()
    with ClipWriter(content, (320, 180)) as writer:
        for frame in range(round(seconds * per_second)):
            picture = Image.new("RGB", (320, 180), "seagreen")
            if with_face:
                picture.paste(portrait, (40 + 5 * frame, 10))
            writer.write(picture, frame / per_second)
    return content.getvalue()


def sure_of(emotion: str, share: float = 1.0) -> np.ndarray:
    """Probabilities: `share` for one emotion and the rest evenly for the others."""
    probabilities = np.full(7, (1 - share) / 6, np.float32)
    probabilities[EMOTIONS.index(emotion)] = share
    return probabilities


def explanation(name: str, emotion: str, share: float, mirrored: str | None = None, **changes: object) -> Explanation:
    """A hand-made one, see `sure_of`; if `mirrored` is given, the views say `emotion` and `mirrored`."""
    probabilities = sure_of(emotion, share)
    values = {
        "model_name": name,
        "face": np.full((48, 48), 128, np.uint8),
        "method": "gradcam",
        "stage": "layer4",
        "target": EMOTIONS.index(emotion),
        "probabilities": probabilities,
        "views": np.stack([probabilities, sure_of(mirrored or emotion, share)]),
        "logits": np.log(probabilities.clip(1e-9)),
        "heatmap": np.eye(7, dtype=np.float32),
        "class_maps": None,
        "spatial_attention": None,
        "channel_attention": None,
        "seconds": 0.05,
    }
    return Explanation(**values | changes)


def make_crop(pixels: np.ndarray) -> FaceCrop:
    return FaceCrop(Image.fromarray(pixels), pixels, np.float32(MEAN_LANDMARKS), Square(np.array([24.0, 24.0]), 48))


def half_black() -> FaceCrop:
    """Upper half black, lower half at 200: a mean grey of 100."""
    return make_crop(np.repeat(np.uint8([0, 200]), 24 * 48).reshape(48, 48))


def tiny_models() -> dict[str, EmotionModel]:
    """Two fast, untrained models, one of them with attention that depends on the face."""
    torch.manual_seed(0)
    models = {name: create_model(name, widths=[4, 4, 4]).eval() for name in ("baseline_cnn", "attn_cnn")}
    torch.nn.init.ones_(models["attn_cnn"].spatial_attention.bn.weight)
    return models


def columns(results: str) -> dict[str, str]:
    """The HTML of each model's column, by title."""
    return _articles("model", results)


def cards(html: str) -> dict[str, str]:
    """The HTML of each model's card, by title."""
    return _articles("card", html)


def _articles(kind: str, html: str) -> dict[str, str]:
    found = re.findall(rf'<article class="{kind}".*?</article>', html, re.DOTALL)
    return {re.search("<h3>(.*)</h3>", article)[1]: article for article in found}


def words(html: str) -> str:
    """What a visitor reads without opening the explanations of terms: no tags, no hints, single spaces."""
    html = re.sub(r'<span class="tip".*?</span>', "", html, flags=re.DOTALL)
    return " ".join(re.sub(r"</?[a-z][^>]*>", " ", html).split())


def texts(page: gr.Blocks) -> str:
    """All that the page says before anything happens."""
    return "\n".join(str(block.value) for block in page.blocks.values() if isinstance(block, gr.HTML | gr.Markdown))
