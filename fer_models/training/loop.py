"""Training loop, which can be resumed at any step.

Each random draw (data order, augmentation, dropout) is seeded from the position in the run. From the saved weights,
average, optimizer and position, a resumed run therefore ends in exactly the same weights as an uninterrupted one (on
one CPU with the same number of threads).
"""

import copy
import hashlib
import logging
import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor, nn
from tqdm import tqdm

from fer_models.architectures import EmotionModel
from fer_models.checkpoints import write_history
from fer_models.data.augmentation import augment
from fer_models.data.fer2013 import FER2013, Split
from fer_models.data.images import enlarge
from fer_models.emotions import EMOTIONS
from fer_models.inference.logits import compute_logits
from fer_models.inference.probabilities import to_probabilities
from fer_models.training.recipes import Recipe
from fer_models.training.schedule import Segment, learning_rate, plan
from fer_models.training.state import (
    StateError,
    load_optimizer_tensors,
    optimizer_tensors,
    read_progress,
    read_state,
    write_state,
)

log = logging.getLogger(__name__)

# Steps between checks of the loss, the clock and the signals: on an accelerator each check waits for the device.
CHECK_EVERY = {"cpu": 1, "mps": 20, "cuda": 20}


STATE_FILE = "state.safetensors"

# Images per forward pass in validation.
BATCH = 128


class TrainingStopped(Exception):
    """A signal stopped the training; the state is saved."""


class LossNotFinite(ArithmeticError):
    """The loss became NaN or infinite; the last good state is kept."""


@dataclass(frozen=True)
class TrainingResult:
    """A finished training. The model has the weights with the best validation accuracy.

    Attributes:
        history: one row per segment, as in history.csv.
        seconds: training time, over all resumed runs.
        images: number of training images processed.
    """

    model: EmotionModel
    history: list[dict]
    seconds: float
    images: int


def train(
    model: EmotionModel,
    recipe: Recipe,
    data: FER2013,
    run_dir: Path,
    accelerator: Accelerator,
    *,
    seed: int = 0,
    resume: bool = False,
    save_minutes: float = 5.0,
    teacher: EmotionModel | None = None,
) -> TrainingResult:
    """Trains a model to the end of its recipe, or until a signal.

    Args:
        model: newly initialised (or started from a backbone); trained in place.
        recipe: how to train.
        data: FER-2013; all of its uint8 images are moved to the training device.
        run_dir: folder of the state and of the history so far.
        accelerator: device, precision and number of processes.
        seed: seed of all random draws.
        resume: continue from the state in `run_dir`, if there is one.
        save_minutes: minutes between two saved states.
        teacher: its probabilities for the unaugmented face, computed once, are half of each target.

    Raises:
        StateError: there is a state although `resume` is false, or it belongs to another run.
        TrainingStopped: SIGINT or SIGTERM was received; the state is saved.
        LossNotFinite: the loss is NaN or infinite.
    """
    training, validation = data.train.to(accelerator.device), data.validation.to(accelerator.device)
    segments = plan(recipe, len(training))
    identity = {
        "model": model.name,
        "seed": seed,
        "data": data.fingerprint,
        "recipe": _plain(asdict(recipe)),
        "start": _digest(model),
        "teacher": _digest(teacher) if teacher else None,
    }
    targets = _targets(training, teacher)
    run = _Run(model, recipe, run_dir, accelerator, identity)
    run.restore(resume)
    progress = run.progress

    with _stop_on_signal() as stop_requested, _progress_bar(model.name, segments, progress, accelerator) as bar:
        last_save = time.monotonic()
        for index, segment in list(enumerate(segments))[progress.segment :]:
            if progress.step == 0 and segment.new_size:
                progress.averaged = 0  # weights averaged at another size do not fit this one
            order = _shuffled(len(training), seed, index).to(accelerator.device)
            run.wrapped.train()
            loss_sum: Tensor | float = progress.loss
            correct: Tensor | int = progress.correct
            first, seconds_before, started = progress.step, progress.seconds, time.monotonic()
            for step in range(first, segment.steps):
                _seed_step(seed, index, step, accelerator.process_index)
                batch = _share(order, step, recipe.batch_size, accelerator)
                faces = augment(training.images[batch], segment.size, recipe.augmentation)
                rate = learning_rate(recipe, segments, index, step)
                loss, logits = run.step(faces, targets[batch], rate)
                hits = (logits.argmax(dim=1) == training.labels[batch]).sum()
                loss_sum, correct = loss_sum + loss, correct + hits

                is_last = step + 1 == segment.steps
                if not (is_last or (step + 1) % CHECK_EVERY[accelerator.device.type] == 0):
                    continue
                loss_sum, correct = float(loss_sum), int(correct)
                _check_loss(loss_sum, run.state_file, segment, step)
                seconds, steps = time.monotonic() - started, step + 1 - progress.step
                progress.step, progress.loss, progress.correct = step + 1, loss_sum, correct
                progress.seconds = seconds_before + seconds
                progress.images += steps * recipe.batch_size
                bar.set_postfix_str(
                    f"{(step + 1 - first) * recipe.batch_size / seconds:.0f} images/s, {segment.size} px, "
                    f"loss {loss_sum / (step + 1):.3f}, best validation {progress.best_accuracy:.1%}",
                    refresh=False,
                )
                bar.update(steps * segment.size**2)
                if is_last:
                    break
                if _any(accelerator, stop_requested()):
                    run.save()
                    raise TrainingStopped(f"Stopped in epoch {math.ceil(segment.epoch)}. Continue with --resume.")
                if _any(accelerator, time.monotonic() - last_save > save_minutes * 60):
                    run.save()
                    last_save = time.monotonic()

            row = run.validate(validation, segment, learning_rate(recipe, segments, index, segment.steps - 1))
            if accelerator.is_main_process:
                bar.write(_sentence(model.name, row))
            # Only weights of the last size can be the best, because the model runs at that size.
            if segment.size == segments[-1].size:
                run.keep_if_best(row["validation_accuracy"], index)
            progress.segment, progress.step, progress.loss, progress.correct = index + 1, 0, 0.0, 0
            # Smaller sizes only prepare for the last one: patience starts with its first segment.
            waited = index - progress.best_segment if progress.best_segment >= 0 else 0
            out_of_patience = recipe.patience is not None and waited >= recipe.patience
            if out_of_patience:
                progress.segment = len(segments)
            finished, stopping = progress.segment == len(segments), _any(accelerator, stop_requested())
            # An accelerator may need a few seconds for an epoch, and as long to write the state of a ResNet.
            if finished or stopping or _any(accelerator, time.monotonic() - last_save > save_minutes * 60):
                run.save()
                last_save = time.monotonic()
            if out_of_patience:
                log.info("Validation accuracy has not improved for %d epochs: stopped early.", recipe.patience)
                break
            if stopping and not finished:
                raise TrainingStopped(f"Stopped after epoch {segment.epoch:g}. Continue with --resume.")

    model.load_state_dict(run.best)
    return TrainingResult(model.eval(), progress.history, progress.seconds, progress.images)


def planned_stages(run_dir: Path) -> tuple[tuple[int, float], ...] | None:
    """Returns the planned stages of the run saved in `run_dir`, for resuming it; None if there is no state.

    Raises:
        StateError: the file is not a training state.
    """
    file = run_dir / STATE_FILE
    if not file.exists():
        return None
    return tuple((size, epochs) for size, epochs in read_progress(file)["identity"]["recipe"]["stages"])


@dataclass
class _Progress:
    """The position in a run and the totals so far.

    Attributes:
        segment, step: finished segments, and finished steps of the next one.
        loss, correct: sums over those steps.
        seconds, images: totals since the start of the run.
        averaged: number of steps in the moving average.
        best_accuracy, best_segment: validation accuracy and segment of the best weights; segment -1 if there are none.
        history: one row per finished segment.
    """

    segment: int = 0
    step: int = 0
    loss: float = 0.0
    correct: int = 0
    seconds: float = 0.0
    images: int = 0
    averaged: int = 0
    best_accuracy: float = 0.0
    best_segment: int = -1
    history: list[dict] = field(default_factory=list)


class _Run:
    """The state of a training that is saved and restored: weights, average, optimizer and position."""

    def __init__(
        self, model: EmotionModel, recipe: Recipe, run_dir: Path, accelerator: Accelerator, identity: dict
    ) -> None:
        self.recipe, self.accelerator, self.identity = recipe, accelerator, identity
        self.run_dir, self.state_file = run_dir, run_dir / STATE_FILE
        self.model = model.to(accelerator.device).to(memory_format=torch.channels_last)
        for name in recipe.frozen:
            self.model.get_submodule(name).requires_grad_(False)
        self.average = copy.deepcopy(self.model)
        self._averaged, self._current = _tensors_by_kind(self.average), _tensors_by_kind(self.model)
        self.wrapped, self.optimizer = accelerator.prepare(self.model, _optimizer(self.model, recipe))
        self.progress = _Progress()
        self.best: dict[str, Tensor] = {}

    def restore(self, resume: bool) -> None:
        """Continues from the saved state, if there is one and it belongs to this run."""
        if not self.state_file.exists():
            return
        if not resume:
            raise StateError(f"{self.state_file} already holds a run. Continue it with --resume, or delete it.")
        if read_progress(self.state_file)["identity"] != self.identity:
            raise StateError(
                f"{self.state_file} belongs to a run with another recipe, seed, data set, teacher or weights to start "
                "from. Use the options of that run, or delete the file."
            )
        parts, saved = read_state(self.state_file)
        self.model.load_state_dict(parts["model"])
        self.average.load_state_dict(parts["average"])
        load_optimizer_tensors(self.optimizer, parts["optimizer"])
        self.best = parts.get("best", {})
        self.progress = _Progress(**saved["progress"])
        log.info("Resumed after %d epochs and %d steps.", len(self.progress.history), self.progress.step)

    def save(self) -> None:
        """Saves the state. All processes call it at the same step; the main process writes."""
        if self.accelerator.is_main_process:
            parts = {"model": self.model.state_dict(), "average": self.average.state_dict()}
            parts |= {"optimizer": optimizer_tensors(self.optimizer), "best": self.best}
            write_state(self.state_file, parts, {"identity": self.identity, "progress": asdict(self.progress)})
            write_history(self.run_dir, self.progress.history)
        self.accelerator.wait_for_everyone()

    def step(self, faces: Tensor, targets: Tensor, rate: float) -> tuple[Tensor, Tensor]:
        """Updates the weights for targets (N, 7). Returns the loss and the logits (N, 7)."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["rate_factor"]
        logits = self.wrapped(faces.contiguous(memory_format=torch.channels_last)).float()
        loss = F.cross_entropy(logits, targets, label_smoothing=self.recipe.label_smoothing)
        self.optimizer.zero_grad()
        self.accelerator.backward(loss)
        self.optimizer.step()
        self.update_average()
        return loss.detach(), logits.detach()

    @torch.no_grad()
    def update_average(self) -> None:
        """Updates the exponential moving average, with decay min(d, n / (9 + n)) at step n to forget the start quickly.

        torch's AveragedModel keeps its counter on the device, and reading it makes each step wait for the device.
        """
        self.progress.averaged += 1
        n = self.progress.averaged
        weight = 1.0 if n == 1 else 1 - min(self.recipe.ema, n / (9 + n))
        torch._foreach_lerp_(self._averaged[True], self._current[True], weight)
        if self._averaged[False]:
            torch._foreach_copy_(self._averaged[False], self._current[False])  # counters of batch normalisation

    @property
    def kept(self) -> nn.Module:
        """The weights that are validated and kept."""
        return self.average if self.recipe.ema else self.model

    def validate(self, validation: Split, segment: Segment, rate: float) -> dict:
        """Validates after a segment and adds a row to the history, summed over all processes."""
        progress, accelerator = self.progress, self.accelerator
        sums = torch.tensor([progress.loss, progress.correct], device=accelerator.device)
        loss, correct = accelerator.reduce(sums, "sum").tolist()
        validation_loss, validation_accuracy = validate(self.kept, validation, segment.size, accelerator)
        row = {
            "epoch": segment.epoch,
            "size": segment.size,
            "train_loss": round(loss / (segment.steps * accelerator.num_processes), 4),
            "train_accuracy": round(correct / (segment.steps * self.recipe.batch_size), 4),
            "validation_loss": round(validation_loss, 4),
            "validation_accuracy": round(validation_accuracy, 4),
            "learning_rate": rate,
            "seconds": round(progress.seconds, 1),
            "images_per_second": round(progress.images / progress.seconds, 1),
        }
        progress.history.append(row)
        return row

    def keep_if_best(self, accuracy: float, segment: int) -> None:
        if self.progress.best_segment < 0 or accuracy > self.progress.best_accuracy:
            self.progress.best_accuracy, self.progress.best_segment = accuracy, segment
            self.best = {name: tensor.detach().clone() for name, tensor in self.kept.state_dict().items()}


@torch.inference_mode()
def validate(model: nn.Module, split: Split, size: int, accelerator: Accelerator) -> tuple[float, float]:
    """Returns mean cross-entropy and accuracy over a split, which the processes share."""
    model.eval()
    loss, correct, count = torch.zeros(3, device=accelerator.device)
    for start in range(accelerator.process_index * BATCH, len(split), accelerator.num_processes * BATCH):
        labels = split.labels[start : start + BATCH]
        with accelerator.autocast():
            logits = model(enlarge(split.images[start : start + BATCH], size)).float()
        loss += F.cross_entropy(logits, labels, reduction="sum")
        correct += (logits.argmax(dim=1) == labels).sum()
        count += len(labels)
    loss, correct, count = accelerator.reduce(torch.stack([loss, correct, count]), "sum").tolist()
    return loss / count, correct / count


def _targets(training: Split, teacher: EmotionModel | None) -> Tensor:
    """Returns training targets, float32 (N, 7): one-hot labels, or their mean with the teacher's probabilities."""
    labels = F.one_hot(training.labels, len(EMOTIONS)).float()
    if teacher is None:
        return labels
    logits = compute_logits(teacher, training.images, progress=f"{teacher.name} as teacher")
    taught = torch.from_numpy(to_probabilities(logits, teacher.temperature)).to(labels)
    return (labels + taught) / 2


# ---- Optimizer ----------------------------------------------------------------------------------------------------


def _optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Creates the optimizer, with weight decay on matrices and kernels only and the recipe's rate factors."""
    groups = []
    faster = {p: factor for name, factor in recipe.rate_factors.items() for p in model.get_submodule(name).parameters()}
    for factor in sorted({1.0, *recipe.rate_factors.values()}):
        members = [p for p in model.parameters() if p.requires_grad and faster.get(p, 1.0) == factor]
        for is_matrix, decay in ((True, recipe.weight_decay), (False, 0.0)):
            parameters = [p for p in members if (p.ndim > 1) == is_matrix]
            if parameters:
                groups.append({"params": parameters, "weight_decay": decay, "rate_factor": factor})
    kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[recipe.optimizer]
    return kind(groups, lr=recipe.learning_rate, fused=True)


def _tensors_by_kind(model: nn.Module) -> dict[bool, list[Tensor]]:
    """Weights and buffers by kind: floating point under True, integer counters under False."""
    tensors = model.state_dict().values()
    return {kind: [tensor for tensor in tensors if tensor.is_floating_point() == kind] for kind in (True, False)}


# ---- Randomness and the share of each process ---------------------------------------------------------------------


def _shuffled(count: int, seed: int, segment: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed * 10_000 + segment))


def _seed_step(seed: int, segment: int, step: int, process: int) -> None:
    position = ((seed * 10_000 + segment) * 100_000 + step) * 1_000 + process
    torch.manual_seed(position % 2**64)  # torch accepts no larger seed; a date as a seed would exceed it


def _share(order: Tensor, step: int, batch_size: int, accelerator: Accelerator) -> Tensor:
    """This process's part of a batch."""
    batch = order[step * batch_size : (step + 1) * batch_size]
    return batch[accelerator.process_index :: accelerator.num_processes]


# ---- Interruptions ------------------------------------------------------------------------------------------------


@contextmanager
def _stop_on_signal() -> Iterator[Callable[[], bool]]:
    """Turns Ctrl-C and SIGTERM into a flag that is checked between steps; a second Ctrl-C stops immediately."""
    received: list[int] = []

    def note(number: int, _frame: object) -> None:
        if received and number == signal.SIGINT:
            raise KeyboardInterrupt
        received.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _any(accelerator: Accelerator, flag: bool) -> bool:
    """Returns True in all processes if `flag` is true in one: all must save or stop at the same step."""
    if accelerator.num_processes == 1:
        return flag
    return bool(accelerator.reduce(torch.tensor(float(flag), device=accelerator.device), "sum") > 0)


def _check_loss(loss: float, state_file: Path, segment: Segment, step: int) -> None:
    if not math.isfinite(loss):
        kept = f" The last good state is kept in {state_file}." if state_file.exists() else ""
        raise LossNotFinite(
            f"The loss is NaN or infinite at epoch {segment.epoch:g}, step {step}.{kept} A lower learning rate, or "
            "full precision (--precision no), usually helps."
        )


# ---- Reports ------------------------------------------------------------------------------------------------------


def _progress_bar(name: str, segments: list[Segment], progress: _Progress, accelerator: Accelerator) -> tqdm:
    """Progress bar in pixels, so that its estimate of the remaining time stays valid when the size grows."""
    pixels = [segment.steps * segment.size**2 for segment in segments]
    done = sum(pixels[: progress.segment])
    if progress.segment < len(segments):
        done += progress.step * segments[progress.segment].size ** 2
    return tqdm(
        desc=name,
        total=sum(pixels),
        initial=done,
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed} < {remaining}{postfix}",
        disable=not accelerator.is_main_process,
        mininterval=_bar_interval(),
    )


def _bar_interval() -> float:
    """Seconds between two updates of the bar; long if the output is a file."""
    return 0.5 if os.isatty(2) else 60.0


def _sentence(name: str, row: dict) -> str:
    return (
        f"{name}: epoch {row['epoch']:g} at {row['size']} px: training loss {row['train_loss']:.3f}, accuracy "
        f"{row['train_accuracy']:.1%}; validation loss {row['validation_loss']:.3f}, accuracy "
        f"{row['validation_accuracy']:.2%}"
    )


def _digest(model: nn.Module) -> str:
    """SHA-256 over all weights and buffers, which identifies the start or the teacher of a run."""
    digest = hashlib.sha256()
    for tensor in model.state_dict().values():
        digest.update(tensor.cpu().numpy().tobytes())
    return digest.hexdigest()


def _plain(value: object) -> object:
    """Converts tuples to lists, as JSON does, so that a recipe compares equal to a stored one."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
