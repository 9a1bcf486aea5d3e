"""How fast the models predict, explain and train on this machine: `python -m fer_models.benchmark`.

Every figure is the median over warmed-up runs with its quartiles. The runs of the columns that are compared alternate,
so that a machine that slows down in between slows all of them down.
"""

import argparse
import copy
import multiprocessing
import platform
import re
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from fer_models.architectures import MODEL_NAMES, EmotionModel, create_model
from fer_models.data.augmentation import Augmentation, augment
from fer_models.explain import explain
from fer_models.inference import predict, preprocess
from fer_models.training.recipes import RECIPES

BATCHES = (1, 8, 32)
THREADS = (1, 2)
TRAINING_SIZES = {"baseline_cnn": (128,), "resnet50": (64, 96, 144, 224), "attn_cnn": (128,)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m fer_models.benchmark", description=__doc__.split("\n")[0])
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--variants", action="store_true", help="faster ways to run the same forward pass instead")
    instead.add_argument("--memory", action="store_true", help="memory before and after 1,000 explanations instead")
    instead.add_argument("--train", action="store_true", help="training steps and the data's share of them instead")
    parser.add_argument("--models", nargs="+", default=MODEL_NAMES, choices=MODEL_NAMES, help="default: all")
    parser.add_argument("--runs", type=int, default=15, help="measured runs of each figure (default: 15)")
    arguments = parser.parse_args()
    print(conditions(), end="\n\n")
    if arguments.variants:
        print_variants(arguments.models, arguments.runs)
    elif arguments.memory:
        print_memory_growth(arguments.models)
    elif arguments.train:
        print_training(arguments.models, arguments.runs)
    else:
        print_explaining(arguments.models, arguments.runs)
        print_batches(arguments.models, arguments.runs)
        print_peak_memory(arguments.models)


def conditions() -> str:
    """One line that says where and with what the figures were measured."""
    cpu = torch.cpu.get_capabilities().get("cpu_name", platform.machine())
    return (
        f"{cpu}, {torch.get_num_threads()} threads, Python {platform.python_version()}, torch {torch.__version__}, "
        f"grad-cam {version('grad-cam')}; float32, untrained weights (speed does not depend on them)"
    )


def shipped(name: str) -> EmotionModel:
    """The model as the default recipe builds it, untrained."""
    return create_model(name, **RECIPES["default"][name].architecture).eval()


def print_explaining(names: list[str], runs: int) -> None:
    """One face: prediction, our explanation of all seven emotions, the library's of one."""
    print(
        "One face, milliseconds: median [lower quartile, upper quartile]; ours: 7 maps and attention, library: 1 map\n"
    )
    print("| model | bare forward | predict | explain | pytorch-grad-cam | explain / forward | library / explain |")
    print("|---|---|---|---|---|---|---|")
    for name in names:
        model, faces = shipped(name), random_faces(1)
        inputs = preprocess(faces, model)
        columns = [
            partial(forward, model, inputs),
            partial(predict, model, faces),
            partial(explain, model, faces),
            partial(library_gradcam, model, inputs),
        ]
        times = measure(columns, runs)
        bare, _, ours, library = map(statistics.median, times)
        cells = [*(quartiles(t, 1000) for t in times), f"{ours / bare:.2f}", f"{library / ours:.1f}"]
        print(f"| `{name}` | {' | '.join(cells)} |", flush=True)
    print()


def print_variants(names: list[str], runs: int) -> None:
    """The forward pass of one face, run in different ways that give the same answer."""
    print("One face, milliseconds: median [lower quartile, upper quartile]\n")
    print("| model | threads | plain | folded batch norm | channels last | both | compiled | ONNX Runtime | compile |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in names:
        model = shipped(name)
        inputs, fast = preprocess(random_faces(1), model), folded(model)
        channels_last, both = (copy.deepcopy(m).to(memory_format=torch.channels_last) for m in (model, fast))
        compiled, onnx = torch.compile(model), as_onnx(model, inputs)
        columns = [partial(forward, variant, inputs) for variant in (model, fast, channels_last, both, compiled)]
        for threads in THREADS:
            torch.set_num_threads(threads)
            start = time.perf_counter()
            forward(compiled, inputs)  # compiles, for each number of threads anew
            compilation = time.perf_counter() - start
            ways = [*columns, onnx_forward(onnx, inputs, threads)] if onnx else columns
            cells = [quartiles(times, 1000) for times in measure(ways, runs)] + ([] if onnx else ["not installed"])
            print(f"| `{name}` | {threads} | {' | '.join(cells)} | {compilation:.0f} s |", flush=True)


def print_peak_memory(names: list[str]) -> None:
    """The most memory in use at once, each figure from a process of its own."""
    if not Path("/proc/self/clear_refs").exists():
        print("\nPeak memory is measured on Linux only.")
        return
    print("\nPeak memory, MiB resident: the process with its model, and what comes on top of that\n")
    print("| model | model loaded | + bare forward | + explain | + pytorch-grad-cam | + explain 16 faces |")
    print("|---|---|---|---|---|---|")
    for name in names:
        # "spawn" and one task a process: a forked or used process would start with memory of others.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as processes:
            figures = list(processes.map(peak_memory, [name] * 4, ("forward", "explain", "library", "explain 16")))
        cells = [f"{loaded:.0f}" for loaded, _ in figures[:1]] + [f"{peak - loaded:.0f}" for loaded, peak in figures]
        print(f"| `{name}` | {' | '.join(cells)} |", flush=True)


def peak_memory(name: str, what: str) -> tuple[float, float]:
    """MiB resident with the model loaded, and at most while `what` runs three times."""
    model, faces = shipped(name), random_faces(16 if what == "explain 16" else 1)
    inputs = preprocess(faces, model)
    run = {"forward": partial(forward, model, inputs), "library": partial(library_gradcam, model, inputs)}.get(
        what, partial(explain, model, faces)
    )
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak that importing and building the model had
    loaded = resident("VmRSS")
    for _ in range(3):
        run()
    return loaded, resident("VmHWM")


def print_memory_growth(names: list[str], calls: int = 1000) -> None:
    """Whether explaining leaves something behind."""
    print(f"MiB resident after 100 explanations of one face, and after {calls} more\n")
    print("| model | before | after |")
    print("|---|---|---|")
    for name in names:
        model, faces = shipped(name), random_faces(1)
        figures = []
        for count in (100, calls):
            for _ in range(count):
                explain(model, faces)
            figures.append(f"{resident('VmRSS'):.1f}")
        print(f"| `{name}` | {' | '.join(figures)} |", flush=True)


def resident(field: str) -> float:
    """MiB of this process in memory: now (VmRSS) or at most so far (VmHWM). Linux only."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE)[1]) / 1024


def print_batches(names: list[str], runs: int) -> None:
    """Throughput of explanations by batch size."""
    print("Faces explained a second, by batch size: median [lower quartile, upper quartile]\n")
    print(f"| model | {' | '.join(map(str, BATCHES))} |")
    print("|---" * (1 + len(BATCHES)) + "|")
    for name in names:
        model = shipped(name)
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


def folded(model: EmotionModel) -> EmotionModel:
    """A copy with the same answers, in which each batch norm is part of the convolution in front of it.

    Relies on modules being registered in the order in which they run.
    """
    fast = copy.deepcopy(model)
    for module in list(fast.modules()):
        for (name, convolution), (norm_name, norm) in pairwise(list(module.named_children())):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(convolution, norm))
                setattr(module, norm_name, nn.Identity())
    return fast


def as_onnx(model: EmotionModel, inputs: Tensor) -> bytes | None:
    """The model as an ONNX file's content; None without the packages onnxruntime and onnxscript, which are optional."""
    if not (find_spec("onnxruntime") and find_spec("onnxscript")):
        return None
    return torch.onnx.export(model, (inputs,), dynamo=True, verbose=False).model_proto.SerializeToString()


def onnx_forward(onnx: bytes, inputs: Tensor, threads: int) -> Callable[[], np.ndarray]:
    """A call that runs `as_onnx`'s model and returns the logits (N, 7)."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: inputs.numpy()}
    return lambda: session.run(None, feed)[0]


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
