"""Training of one or all models on FER-2013: see `python train.py --help`."""

import argparse
import logging
import os
import platform
import shlex
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed

from fer_models.architectures import MODELS, create_model
from fer_models.checkpoints import (
    CONFIG_FILE,
    CheckpointError,
    load_model,
    read_config,
    read_history,
    save_checkpoint,
    write_history,
)
from fer_models.data.fer2013 import FER2013, DataError, load_fer2013
from fer_models.evaluation.evaluate import evaluate_checkpoint
from fer_models.training.backbone import BackboneError, load_backbone, read_backbone
from fer_models.training.budget import fit_to_minutes
from fer_models.training.loop import LossNotFinite, TrainingStopped, planned_stages, train
from fer_models.training.recipes import RECIPES
from fer_models.training.state import StateError

log = logging.getLogger("train")

EXAMPLES = """
examples:
  python train.py --model attn_cnn --data data/fer2013
  python train.py --model all --data fer2013.csv --recipe paper
  python train.py --model resnet50 --data data/fer2013 --backbone-weights resnet50-0676ba61.pth --resume
  accelerate launch --num_processes 2 train.py --model resnet50_cbam --data data/fer2013      (two GPUs)
  python train.py --model resnet50 --data data/fer2013 --minutes 50                            (an hour of a rented GPU)
  torchrun --nproc_per_node 2 train.py --model attn_cnn --data data/fer2013 --device cpu      (two CPU processes)

Ctrl-C (or SIGTERM) saves the state and stops; the same command with --resume continues from there. After kill -9 or a
power cut, it continues from the last state, at most --save-every minutes old.
"""


def main() -> int:
    arguments = parse_arguments()
    is_main_process = os.environ.get("RANK", "0") == "0"  # set by launchers; Accelerate is not initialised yet
    logging.basicConfig(level=logging.INFO if is_main_process else logging.WARNING, format="%(message)s")
    names = list(RECIPES[arguments.recipe]) if arguments.model == "all" else [arguments.model]
    try:
        backbones = _read_backbones(names, arguments)
        data = load_fer2013(arguments.data)
        for name in names:
            train_one(name, arguments, data, backbones.get(name, {}))
    except (BackboneError, CheckpointError, DataError, StateError, LossNotFinite) as error:
        log.error("%s", error)
        return 1
    except TrainingStopped as error:
        log.warning("%s", error)
        return 130
    return 0


def train_one(name: str, arguments: argparse.Namespace, data: FER2013, backbone: dict[str, torch.Tensor]) -> None:
    """Trains a model, writes its checkpoint and evaluates it once on PrivateTest."""
    recipe = RECIPES[arguments.recipe][name]
    if arguments.epochs:
        recipe = recipe.scaled_to(arguments.epochs)
    precision = _mixed_precision(arguments.precision)
    accelerator = Accelerator(mixed_precision=precision, cpu=arguments.device == "cpu")
    if accelerator.device.type == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
    set_seed(arguments.seed)
    model = create_model(name, **recipe.architecture)
    parts = load_backbone(model, backbone) if backbone else {}
    teacher = load_model(recipe.teacher, arguments.teacher_weights, accelerator.device) if recipe.teacher else None
    run_dir = Path(arguments.runs) / name
    if arguments.minutes:
        planned = planned_stages(run_dir) if arguments.resume else None
        recipe = (
            replace(recipe, stages=planned)
            if planned
            else fit_to_minutes(recipe, model, data, accelerator, arguments.minutes)
        )
    log.info("Training %s for %.3g epochs on %s, %s.", name, recipe.epochs, accelerator.device, precision)
    result = train(
        model,
        recipe,
        data,
        run_dir,
        accelerator,
        seed=arguments.seed,
        resume=arguments.resume,
        save_minutes=arguments.save_every,
        teacher=teacher,
    )
    if not accelerator.is_main_process:
        return
    earlier, earlier_history = _earlier_run(arguments.backbone_weights) if parts else (None, [])
    training = {
        "command": shlex.join(["python", *sys.argv]),
        "recipe": arguments.recipe,
        **asdict(recipe),
        "epochs": result.history[-1]["epoch"],
        "seed": arguments.seed,
        "backbone_weights": Path(arguments.backbone_weights).name if parts else "none",
        "backbone_parts": parts,
        "started_from": earlier,
        "teacher": {
            "name": teacher.name,
            "sha256": read_config(Path(arguments.teacher_weights) / teacher.name)["sha256"],
        }
        if teacher
        else None,
        "precision": precision,
        "processes": accelerator.num_processes,
        "hours": round(result.seconds / 3600, 2),
        "images_seen": result.images,
        "machine": _machine(accelerator.device),
        "date": datetime.now(UTC).date().isoformat(),
        "data_fingerprint": data.fingerprint,
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in ("torch", "torchvision", "accelerate")},
    }
    folder = Path(arguments.weights) / name
    save_checkpoint(result.model, folder, training)
    start = earlier_history[-1]["epoch"] if earlier_history else 0
    history = [{**row, "epoch": round(start + row["epoch"], 6)} for row in result.history]
    write_history(folder, [*earlier_history, *history])
    if recipe.stages[-1][0] != model.input_size:
        log.info(
            "%s ended at %d px but runs at %d px: not tested. %s can start another run (--backbone-weights).",
            name,
            recipe.stages[-1][0],
            model.input_size,
            folder,
        )
        return
    if not arguments.test:
        best = max(row["validation_accuracy"] for row in result.history if row["size"] == model.input_size)
        log.info("%s: PublicTest accuracy %.2f %%, not tested. Written to %s.", name, 100 * best, folder)
        return
    # Evaluated from the checkpoint: half-precision weights, read back and verified.
    shipped = load_model(name, arguments.weights, accelerator.device)
    metrics = evaluate_checkpoint(shipped, data, folder)
    log.info("%s: PrivateTest accuracy %.2f %%. Written to %s.", name, 100 * metrics["test"]["accuracy"], folder)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Trains one model on FER-2013 (or all), tests it once on PrivateTest, and writes "
        "weights, plots and a model card to weights/<model>/.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", required=True, choices=[*MODELS, "all"], help="which model to train")
    parser.add_argument(
        "--data",
        required=True,
        metavar="PATH",
        help="FER-2013: fer2013.csv or icml_face_data.csv, image folders <split>/<emotion>/, or an archive with either",
    )
    parser.add_argument(
        "--recipe",
        default="default",
        choices=list(RECIPES),
        help="default: best accuracy for the compute; paper: the settings of the student paper; "
        "multihead_attention, softmax_attention, sigmoid_attention and without_attention: attn_cnn with each kind of "
        "attention and without, all trained alike and without a teacher; trunk, grow, enlarge and finish: the "
        "ResNets in four parts, for a machine without an accelerator (see docs/training.md)",
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=float, metavar="N", help="scale the recipe to N epochs, e.g. 0.1 for a trial")
    length.add_argument(
        "--minutes",
        type=float,
        metavar="M",
        help="measure a few steps at each image size, then scale the recipe so that training takes about M minutes",
    )
    parser.add_argument(
        "--no-test", dest="test", action="store_false", help="do not evaluate on PrivateTest, for trial runs"
    )
    parser.add_argument(
        "--backbone-weights",
        default="imagenet",
        metavar="FILE",
        help="initial weights of models that start from some: 'imagenet' (from torchvision, downloaded once), 'none', "
        "or a .safetensors or .pth file, complete or partial",
    )
    parser.add_argument("--resume", action="store_true", help="continue from the saved state, if there is one")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random draws (default: 0)")
    parser.add_argument(
        "--save-every", type=float, default=5, metavar="MINUTES", help="minutes between two saved states (default: 5)"
    )
    parser.add_argument(
        "--precision",
        default="auto",
        choices=["auto", "bf16", "no"],
        help="bf16: mixed precision; no: float32; auto: bf16 if the hardware supports it natively",
    )
    parser.add_argument(
        "--device", default="auto", choices=["auto", "cpu"], help="auto: CUDA, MPS or CPU, the first found"
    )
    parser.add_argument("--runs", default="runs", metavar="DIR", help="training states (default: runs)")
    parser.add_argument("--weights", default="weights", metavar="DIR", help="finished checkpoints (default: weights)")
    parser.add_argument(
        "--teacher-weights",
        default="weights/without_attention",
        metavar="DIR",
        help="folder of the teacher's checkpoint (default: weights/without_attention)",
    )
    arguments = parser.parse_args()
    if arguments.model != "all" and arguments.model not in RECIPES[arguments.recipe]:
        parser.error(f"The recipe {arguments.recipe!r} is for {', '.join(RECIPES[arguments.recipe])} only.")
    for option in ("epochs", "minutes"):
        value = getattr(arguments, option)
        if value is not None and value <= 0:
            parser.error(f"--{option} must be above 0.")
    return arguments


def _read_backbones(names: list[str], arguments: argparse.Namespace) -> dict[str, dict[str, torch.Tensor]]:
    """Pretrained tensors by model, for the models that start from some.

    They are read before the data, so that an error appears immediately, and each source once.
    """
    if arguments.backbone_weights == "none":
        return {}
    file = None if arguments.backbone_weights == "imagenet" else arguments.backbone_weights
    sources = {name: file or MODELS[name].pretrained for name in names if MODELS[name].pretrained}
    tensors = {source: read_backbone(source) for source in set(sources.values())}
    return {name: tensors[source] for name, source in sources.items()}


def _earlier_run(backbone_weights: str) -> tuple[dict | None, list[dict[str, float]]]:
    """Returns the training record and history of the backbone weights, if they were trained by train.py.

    The model card and the learning curves then cover the whole training, not only its last part.
    """
    file = Path(backbone_weights)
    history = read_history(file.parent)
    if not (file.is_file() and history and file.with_name(CONFIG_FILE).is_file()):
        return None, []
    return read_config(file.parent)["training"], history


def _mixed_precision(choice: str) -> str:
    if choice != "auto":
        return choice
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    capabilities = torch.cpu.get_capabilities()
    return "bf16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "no"


def _machine(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{torch.cpu.get_capabilities().get('cpu_name', platform.machine())}, {torch.get_num_threads()} thread(s)"


if __name__ == "__main__":
    sys.exit(main())
