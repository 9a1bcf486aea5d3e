"""Benchmark of prediction, explanation, face detection and training on this machine: `python -m fer_models.benchmark`.

Each value is the median over runs after a warm-up, with its quartiles. The runs of the compared columns alternate, so
that a slowdown of the machine affects all of them.
"""

import argparse
import copy
import io
import math
import multiprocessing
import platform
import re
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from fer_models.analysis import analyse, open_pictures
from fer_models.analysis.crops import cut_faces
from fer_models.architectures import MODELS, EmotionModel, create_model
from fer_models.data.augmentation import Augmentation, augment
from fer_models.data.images import BACKGROUND
from fer_models.data.pictures import open_picture
from fer_models.explanations import explain
from fer_models.faces import crop_face, find_faces
from fer_models.inference import batched, predict, preprocess
from fer_models.inference.logits import compute_logits
from fer_models.training.recipes import RECIPES
from fer_models.video.analysis import analyse_clip, tracks_of
from fer_models.video.reading import open_clip
from fer_models.video.tracking import FaceTracker
from fer_models.video.writing import PREVIEW_SIDE, ClipWriter

BATCHES = (1, 8, 32)

# Crowds made of one face: width and height of the picture, number of faces and their square's side, in pixels.
CROWDS = ((1920, 1080, 30, 180), (4000, 3000, 40, 180), (8000, 6000, 40, 180), (8000, 6000, 0, 180))
THREADS = (1, 2)

# A clip: its length and frames per second, and how many of these are analysed.
CLIP_SECONDS, CLIP_RATE, CLIP_FPS = 10, 30, 10


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m fer_models.benchmark", description=__doc__.split("\n")[0])
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--variants", action="store_true", help="measure faster variants of the forward pass")
    instead.add_argument("--memory", action="store_true", help="measure memory before and after 1,000 explanations")
    instead.add_argument(
        "--train", action="store_true", help="measure training steps and the share of data augmentation"
    )
    instead.add_argument(
        "--photo",
        type=Path,
        metavar="FILE",
        help="measure how long finding the faces in a photo takes",
    )
    instead.add_argument(
        "--analyse",
        nargs="+",
        metavar="PATH",
        help="measure `python -m fer_models analyse` of pictures against its parts",
    )
    instead.add_argument(
        "--clip",
        type=Path,
        metavar="PHOTO",
        help="measure where the time goes in the analysis of a clip, made of a photo that moves for 10 seconds",
    )
    parser.add_argument("--whole", action="store_true", help="with --analyse: each picture is one cropped face")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="with --analyse; default: %(default)s")
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS, help="default: all")
    parser.add_argument("--runs", type=int, default=15, help="measured runs per value (default: 15)")
    arguments = parser.parse_args()
    print(conditions(), end="\n\n")
    if arguments.variants:
        print_variants(arguments.models, arguments.runs)
    elif arguments.memory:
        print_memory_growth(arguments.models)
    elif arguments.train:
        print_training(arguments.models, arguments.runs)
    elif arguments.photo:
        print_detection(arguments.photo, arguments.runs)
    elif arguments.analyse:
        print_analysis(arguments.analyse, arguments.models, arguments.whole, arguments.processes)
    elif arguments.clip:
        print_clip(arguments.clip, arguments.models, max(3, arguments.runs // 5))
    else:
        print_explaining(arguments.models, arguments.runs)
        print_batches(arguments.models, arguments.runs)
        print_peak_memory(arguments.models)


def conditions() -> str:
    """Returns one line with the hardware and software of the measurements."""
    cpu = torch.cpu.get_capabilities().get("cpu_name", platform.machine())
    return (
        f"{cpu}, {torch.get_num_threads()} threads, Python {platform.python_version()}, torch {torch.__version__}, "
        f"grad-cam {version('grad-cam')}; float32, untrained weights (which do not affect speed)"
    )


def shipped(name: str) -> EmotionModel:
    """Returns the untrained model of the default recipe."""
    return create_model(name, **RECIPES["default"][name].architecture).eval()


def print_explaining(names: list[str], runs: int) -> None:
    """Times per face: prediction, our explanation of all seven emotions, and the library's of one emotion."""
    print(
        "One face, milliseconds: median [lower quartile, upper quartile]; ours: 7 maps and attention, library: 1 map\n"
    )
    print("| model | bare forward | predict | explain | pytorch-grad-cam | explain / forward | library / explain |")
    print("|---|---|---|---|---|---|---|")
    for name in names:
        model, faces = shipped(name), random_faces(1)
        inputs = preprocess(faces, model)
        columns: list[Callable[[], object]] = [
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
    """Times per face of the forward pass, in variants with equal results."""
    print("One face, milliseconds: median [lower quartile, upper quartile]\n")
    print("| model | threads | plain | folded batch norm | channels last | both | compiled | ONNX Runtime | compile |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in names:
        model = shipped(name)
        inputs, fast = preprocess(random_faces(1), model), folded(model)
        channels_last, both = (copy.deepcopy(m).to(memory_format=torch.channels_last) for m in (model, fast))
        compiled, onnx = torch.compile(model), as_onnx(model, inputs)
        variants: list[Callable[[Tensor], Tensor]] = [model, fast, channels_last, both, compiled]
        columns: list[Callable[[], object]] = [partial(forward, variant, inputs) for variant in variants]
        for threads in THREADS:
            torch.set_num_threads(threads)
            start = time.perf_counter()
            forward(compiled, inputs)  # compiles again for each number of threads
            compilation = time.perf_counter() - start
            ways = [*columns, onnx_forward(onnx, inputs, threads)] if onnx else columns
            cells = [quartiles(times, 1000) for times in measure(ways, runs)] + ([] if onnx else ["not installed"])
            print(f"| `{name}` | {threads} | {' | '.join(cells)} | {compilation:.0f} s |", flush=True)


def print_peak_memory(names: list[str]) -> None:
    """Peak memory, each value from a separate process."""
    if not Path("/proc/self/clear_refs").exists():
        print("\nPeak memory is measured on Linux only.")
        return
    print("\nPeak memory, MiB resident: the process with its model, and the increase during each call\n")
    print("| model | model loaded | + bare forward | + explain | + pytorch-grad-cam | + explain 16 faces |")
    print("|---|---|---|---|---|---|")
    for name in names:
        # "spawn" and one task per process: a forked or reused process would start with memory of other tasks.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as processes:
            peaks = list(processes.map(peak_memory, [name] * 4, ("forward", "explain", "library", "explain 16")))
        cells = [f"{loaded:.0f}" for loaded, _ in peaks[:1]] + [f"{peak - loaded:.0f}" for loaded, peak in peaks]
        print(f"| `{name}` | {' | '.join(cells)} |", flush=True)


def peak_memory(name: str, what: str) -> tuple[float, float]:
    """MiB resident with the model loaded, and the peak while `what` runs three times."""
    model, faces = shipped(name), random_faces(16 if what == "explain 16" else 1)
    inputs = preprocess(faces, model)
    run = {"forward": partial(forward, model, inputs), "library": partial(library_gradcam, model, inputs)}.get(
        what, partial(explain, model, faces)
    )
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak of importing and building the model
    loaded = resident("VmRSS")
    for _ in range(3):
        run()
    return loaded, resident("VmHWM")


def print_memory_growth(names: list[str], calls: int = 1000) -> None:
    """Memory growth over many explanations."""
    print(f"MiB resident after 100 explanations of one face, and after {calls} more\n")
    print("| model | before | after |")
    print("|---|---|---|")
    for name in names:
        model, faces = shipped(name), random_faces(1)
        cells = []
        for count in (100, calls):
            for _ in range(count):
                explain(model, faces)
            cells.append(f"{resident('VmRSS'):.1f}")
        print(f"| `{name}` | {' | '.join(cells)} |", flush=True)


def resident(field: str) -> float:
    """Resident memory of this process in MiB: current (VmRSS) or peak (VmHWM). Linux only."""
    status = Path("/proc/self/status").read_text()
    match = re.search(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE)
    assert match is not None  # Linux always writes both fields
    return int(match[1]) / 1024


def print_batches(names: list[str], runs: int) -> None:
    """Throughput of explanations by batch size."""
    print("Faces explained per second, by batch size: median [lower quartile, upper quartile]\n")
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
    """Training speed in both precisions of train.py, and the share of data augmentation."""
    print(
        "Training, batch 64: images per second, median [lower quartile, upper quartile]; data: augmentation's share\n"
    )
    print("| model | image size | float32 | bfloat16 | data (of the faster) |")
    print("|---|---|---|---|---|")
    for name in names:
        recipe = RECIPES["default"][name]
        model = create_model(name, **recipe.architecture).to(memory_format=torch.channels_last).train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
        images = torch.randint(0, 256, (64, 48, 48), dtype=torch.uint8)
        labels = torch.randint(0, 7, (64,))
        for size in sorted({size for size, _ in recipe.stages}):
            data = partial(augmented, images, size, recipe.augmentation)
            columns = [partial(step, model, optimizer, data, labels, bf16) for bf16 in (False, True)]
            times = measure([*columns, data], max(3, runs // 3))
            speeds = [quartiles([64 / t for t in column], 1) for column in times[:2]]
            share = statistics.median(times[2]) / min(statistics.median(times[0]), statistics.median(times[1]))
            print(f"| `{name}` | {size} px | {' | '.join(speeds)} | {share:.1%} |", flush=True)


def print_detection(photo: Path, runs: int) -> None:
    """Times to find the faces in a photo, in crowds that consist of its largest face, and in these turned."""
    with Image.open(photo) as opened:
        image = opened.convert("RGB")
    faces = find_faces(image)
    if not faces:
        raise SystemExit(f"No face is found in {photo}; give a photo with a face.")
    face = crop_face(image, faces[0])
    print("Finding all faces in a picture, seconds: median [lower quartile, upper quartile]\n")
    print("| picture | faces | found | upright | turned by 90 degrees |")
    print("|---|---|---|---|---|")
    for picture, count in [(image, len(faces)), *((crowd(face, *how), how[2]) for how in CROWDS)]:
        views = [picture, picture.transpose(Image.Transpose.ROTATE_90)]
        found = " / ".join(str(len(find_faces(view))) for view in views)
        times = measure([partial(find_faces, view) for view in views], max(3, runs // 5))
        cells = [f"{picture.width} x {picture.height}", str(count), found, *(quartiles(t, 1) for t in times)]
        print(f"| {' | '.join(cells)} |", flush=True)


def print_analysis(paths: list[str], names: list[str], whole: bool, processes: int) -> None:
    """Times the analysis of pictures, and its parts one after another in this process."""
    models = [shipped(name) for name in names]
    decoding, finding, asking, faces = 0.0, 0.0, 0.0, 0
    with open_pictures(paths) as pictures:
        for some in batched(pictures):
            start = time.perf_counter()
            contents = [picture.read() for picture in some]
            images = [open_picture(content) for content in contents]
            decoded = time.perf_counter()
            for image in [] if whole else images:
                find_faces(image)
            found = time.perf_counter()
            crops = [crop.pixels for content in contents for crop in cut_faces(content, whole, drawn=False)]
            cut = time.perf_counter()
            for model in models if crops else []:
                for flip in (False, True):
                    compute_logits(model, torch.from_numpy(np.stack(crops)), flip=flip)
            decoding += decoded - start
            finding += found - decoded
            asking += time.perf_counter() - cut
            faces += len(crops)
        start = time.perf_counter()
        again = sum(row["face"] is not None for row in analyse(pictures, models, whole=whole, processes=processes))
        together = time.perf_counter() - start
    print(f"{len(pictures)} pictures, {faces} faces (again: {again}), {processes} processes; seconds, and faces/s\n")
    print("| part | seconds | faces/s |")
    print("|---|---|---|")
    parts = {
        "reading and decoding": decoding,
        "finding faces": finding,
        "models, both views": asking,
        "sum of the parts": decoding + finding + asking,
        "`analyse`": together,
    }
    for part, seconds in parts.items():
        print(f"| {part} | {seconds:.1f} | {f'{faces / seconds:.1f}' if seconds > 0.01 else '–'} |")
    if Path("/proc/self/status").exists():
        print(f"\nPeak memory of this process: {resident('VmHWM'):.0f} MiB")


def print_clip(photo: Path, names: list[str], runs: int) -> None:
    """Times the analysis of a clip with maps, and its parts one after another; and its memory by the clip's length."""
    models = [shipped(name) for name in names]
    content = moving(photo, CLIP_SECONDS)
    parts: dict[str, list[float]] = {}
    for _ in range(runs):
        clock = _Clock(parts)
        with open_clip(content) as clip, ClipWriter(io.BytesIO(), clip.size, PREVIEW_SIDE) as copied:
            frames = list(clip.frames(CLIP_FPS, copy=copied))
        clock.stop("reading, and a small copy to play")
        tracker = FaceTracker()
        faces = [crop_face(frame.picture, each.face) for frame in frames for each in tracker.follow(frame)]
        clock.stop("following the faces")
        for model in models:
            for some in batched(faces):
                explain(model, some, method="hirescam", stage=model.last_layer)
            clock.stop(f"`{model.name}`, with maps")
        clock.start()
        threads = torch.get_num_threads()
        torch.set_num_threads(max(1, threads // 2))
        with (
            ThreadPoolExecutor(2) as pool,
            open_clip(content) as clip,
            ClipWriter(io.BytesIO(), clip.size, PREVIEW_SIDE) as copied,
        ):
            tracks_of(list(analyse_clip(clip.frames(CLIP_FPS, copy=copied), models, method="hirescam", pool=pool)))
        torch.set_num_threads(threads)
        clock.stop("all of it, two models at a time")
    print(
        f"A clip of {CLIP_SECONDS} seconds, {clip.size[0]} x {clip.size[1]} at {CLIP_RATE} frames per second, "
        f"{CLIP_FPS} of them analysed: {len(frames)} moments, {len(faces)} faces; seconds, median [quartiles]\n"
    )
    print("| part | seconds |")
    print("|---|---|")
    for part, times in parts.items():
        print(f"| {part} | {quartiles(times, 1)} |")
    if not Path("/proc/self/clear_refs").exists():
        return
    print("\nMemory while a clip is analysed, MiB resident, each in a process of its own\n")
    print("| clip | before | peak |")
    print("|---|---|---|")
    for seconds in (CLIP_SECONDS, 4 * CLIP_SECONDS):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as processes:
            before, peak = processes.submit(clip_memory, photo, seconds, names[0]).result()
        print(f"| {seconds} s | {before:.0f} | {peak:.0f} |", flush=True)


class _Clock:
    """Collects seconds by the name of what took them."""

    def __init__(self, seconds: dict[str, list[float]]) -> None:
        self._seconds = seconds
        self.start()

    def start(self) -> None:
        self._start = time.perf_counter()

    def stop(self, name: str) -> None:
        self._seconds.setdefault(name, []).append(time.perf_counter() - self._start)
        self.start()


def clip_memory(photo: Path, seconds: int, name: str) -> tuple[float, float]:
    """MiB resident before a clip of so many seconds is analysed, and the peak while it is."""
    content, model = moving(photo, seconds), shipped(name)
    with open_clip(content) as clip:
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
        before = resident("VmRSS")
        for _ in analyse_clip(clip.frames(CLIP_FPS), [model], method="hirescam"):
            pass
    return before, resident("VmHWM")


def moving(photo: Path, seconds: int) -> bytes:
    """A clip in 1080p: the photo, enlarged, swings slowly to and fro."""
    width, height = 1920, 1080
    content = io.BytesIO()
    with Image.open(photo) as opened, ClipWriter(content, (width, height)) as writer:
        scale = 1.15 * max(width / opened.width, height / opened.height)
        picture = opened.convert("RGB").resize((round(scale * opened.width), round(scale * opened.height)))
        # The photo's upper part, where the face is in a portrait.
        room = np.array([picture.width - width, min(picture.height - height, height // 6)])
        for number in range(seconds * CLIP_RATE):
            time = number / CLIP_RATE
            left, top = (room * (1 - np.cos(np.array([1.0, 0.7]) * time)) / 2).astype(int).tolist()
            writer.write(picture.crop((left, top, left + width, top + height)), time)
    return content.getvalue()


def crowd(face: Image.Image, width: int, height: int, count: int, side: int) -> Image.Image:
    """Returns a grey picture with `count` copies of a square face, `side` pixels wide each, in a loose grid."""
    picture = Image.new("RGB", (width, height), BACKGROUND)
    columns = math.ceil(math.sqrt(count * width / height))
    for index in range(count):
        row, column = divmod(index, columns)
        across, down = width // columns, height // math.ceil(count / columns)
        picture.paste(face.resize((side, side)), (column * across, row * down))
    return picture


def forward(model: Callable[[Tensor], Tensor], inputs: Tensor) -> None:
    with torch.inference_mode():
        model(inputs)


def folded(model: EmotionModel) -> EmotionModel:
    """Returns a copy with equal results, in which each batch norm is folded into the convolution before it.

    Modules must be registered in the order in which they run.
    """
    fast = copy.deepcopy(model)
    for module in list(fast.modules()):
        for (name, convolution), (norm_name, norm) in pairwise(list(module.named_children())):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(convolution, norm))
                setattr(module, norm_name, nn.Identity())
    return fast


def as_onnx(model: EmotionModel, inputs: Tensor) -> bytes | None:
    """Returns the content of an ONNX file; None without the optional packages onnxruntime and onnxscript."""
    if not (find_spec("onnxruntime") and find_spec("onnxscript")):
        return None
    program = torch.onnx.export(model, (inputs,), dynamo=True, verbose=False)
    assert program is not None  # always a program with dynamo=True
    return program.model_proto.SerializeToString()


def onnx_forward(onnx: bytes, inputs: Tensor, threads: int) -> Callable[[], np.ndarray]:
    """Returns a function that runs the model of `as_onnx` and returns the logits (N, 7)."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: inputs.numpy()}
    return lambda: session.run(None, feed)[0]


def library_gradcam(model: EmotionModel, inputs: Tensor) -> None:
    """Grad-CAM as in pytorch-grad-cam's README: a full forward and backward pass for one class."""
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
    """Seconds per run of each function; the functions alternate, after two warm-up runs."""
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
