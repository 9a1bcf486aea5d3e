"""How fast the models predict, explain and train on this machine: `python -m fer_models.benchmark [--train]`.

Every figure is the median over warmed-up runs with its quartiles. The runs of the columns that are compared alternate,
so that a machine that slows down in between slows all of them down.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version

import numpy as np
import torch
import torch.nn.functional as F
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor

from fer_models.architectures import MODEL_NAMES, EmotionModel, create_model
from fer_models.data.augmentation import Augmentation, augment
from fer_models.explain import explain
from fer_models.inference import predict, preprocess
from fer_models.training.recipes import RECIPES

BATCHES = (1, 8, 32)
TRAINING_SIZES = {"baseline_cnn": (128,), "resnet50": (64, 96, 144, 224), "attn_cnn": (128,)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m fer_models.benchmark", description=__doc__.split("\n")[0])
    parser.add_argument("--train", action="store_true", help="training steps and the data's share of them instead")
    parser.add_argument("--models", nargs="+", default=MODEL_NAMES, choices=MODEL_NAMES, help="default: all")
    parser.add_argument("--runs", type=int, default=15, help="measured runs of each figure (default: 15)")
    arguments = parser.parse_args()
    print(conditions(), end="\n\n")
    if arguments.train:
        print_training(arguments.models, arguments.runs)
    else:
        print_explaining(arguments.models, arguments.runs)
        print_batches(arguments.models, arguments.runs)


def conditions() -> str:
    """One line that says where and with what the figures were measured."""
    cpu = torch.cpu.get_capabilities().get("cpu_name", platform.machine())
    return (
        f"{cpu}, {torch.get_num_threads()} threads, Python {platform.python_version()}, torch {torch.__version__}, "
        f"grad-cam {version('grad-cam')}; float32, untrained weights (speed does not depend on them)"
    )


def print_explaining(names: list[str], runs: int) -> None:
    """One face: prediction, our explanation of all seven emotions, the library's of one."""
    print("One face, milliseconds: median [lower quartile, upper quartile]\n")
    print(
        "| model | bare forward | predict | explain: 7 maps + attention | pytorch-grad-cam: 1 map | explain / forward |"
    )
    print("|---|---|---|---|---|---|")
    for name in names:
        model, faces = create_model(name).eval(), random_faces(1)
        inputs = preprocess(faces, model)
        columns = [
            partial(forward, model, inputs),
            partial(predict, model, faces),
            partial(explain, model, faces),
            partial(library_gradcam, model, inputs),
        ]
        times = measure(columns, runs)
        ratio = statistics.median(times[2]) / statistics.median(times[0])
        print(f"| `{name}` | {' | '.join(quartiles(t, 1000) for t in times)} | {ratio:.2f} |", flush=True)
    print()


def print_batches(names: list[str], runs: int) -> None:
    """Throughput of explanations by batch size."""
    print("Faces explained a second, by batch size: median [lower quartile, upper quartile]\n")
    print(f"| model | {' | '.join(map(str, BATCHES))} |")
    print("|---" * (1 + len(BATCHES)) + "|")
    for name in names:
        model = create_model(name).eval()
        cells = []
        for batch in BATCHES:
            faces = random_faces(batch)
            (times,) = measure([partial(explain, model, faces)], max(3, runs // batch))
            cells.append(quartiles([batch / seconds for seconds in times], 1))
        print(f"| `{name}` | {' | '.join(cells)} |", flush=True)


def print_training(names: list[str], runs: int) -> None:
    """A training step in the precision that train.py would choose, and the share of it that goes into data."""
    print("Training, batch 64: images a second, median [lower quartile, upper quartile]; data: augmentation's share\n")
    print("| model | image size | float32 | bfloat16 | data (of the faster) |")
    print("|---|---|---|---|---|")
    for name in (name for name in names if name in TRAINING_SIZES):
        recipe = RECIPES["default"][name]
        model = create_model(name, **recipe.architecture).to(memory_format=torch.channels_last).train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
        images = torch.randint(0, 256, (64, 48, 48), dtype=torch.uint8)
        labels = torch.randint(0, 7, (64,))
        for size in TRAINING_SIZES[name]:
            data = partial(augmented, images, size, recipe.augmentation)
            columns = [partial(step, model, optimizer, data, labels, bf16) for bf16 in (False, True)]
            times = measure([*columns, data], max(3, runs // 3))
            speeds = [quartiles([64 / t for t in column], 1) for column in times[:2]]
            share = statistics.median(times[2]) / min(statistics.median(times[0]), statistics.median(times[1]))
            print(f"| `{name}` | {size} px | {' | '.join(speeds)} | {share:.1%} |", flush=True)


def forward(model: EmotionModel, inputs: Tensor) -> None:
    with torch.inference_mode():
        model(inputs)


def library_gradcam(model: EmotionModel, inputs: Tensor) -> None:
    """What pytorch-grad-cam's README recommends: a full forward and backward for one class."""
    with GradCAM(model, [getattr(model, model.stages[-1])]) as cam:
        cam(inputs, [ClassifierOutputTarget(3)])


def augmented(images: Tensor, size: int, how: Augmentation) -> Tensor:
    return augment(images, size, how).contiguous(memory_format=torch.channels_last)


def step(
    model: EmotionModel, optimizer: torch.optim.Optimizer, data: Callable[[], Tensor], labels: Tensor, bf16: bool
) -> None:
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        logits = model(data())
    loss = F.cross_entropy(logits.float(), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def measure(functions: list[Callable[[], object]], runs: int) -> list[list[float]]:
    """Seconds of each run of each function, taken in turns after two runs of warming up."""
    times: list[list[float]] = [[] for _ in functions]
    for run in range(-2, runs):
        for function, column in zip(functions, times, strict=True):
            start = time.perf_counter()
            function()
            if run >= 0:
                column.append(time.perf_counter() - start)
    return times


def quartiles(values: list[float], factor: float) -> str:
    low, middle, high = statistics.quantiles([value * factor for value in values], n=4, method="inclusive")
    return f"{middle:.1f} [{low:.1f}, {high:.1f}]"


def random_faces(count: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (count, 48, 48), dtype=np.uint8))


if __name__ == "__main__":
    main()
