"""Clips made of FER-2013's faces: what smoothing over time changes, and whether maps stay where they are.

    python -m fer_models.evaluation.clips --data data/fer2013 [--limit N] [--write]

Each face is held for four seconds under small changes (`held_faces`). From these frames, clips are made in which a face
is held for half a second to four seconds before one with another label follows in the same place. The rate of changes
is chosen on clips of PublicTest with the small models, and reported on clips of PrivateTest with all. With 40 faces of
each split, this takes about a quarter of an hour on one core, most of it for the two ResNets.
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from fer_models.architectures import MODELS, EmotionModel, default_choice
from fer_models.checkpoints import CheckpointError, default_weights_dir, load_model
from fer_models.data.fer2013 import DataError, Split, load_fer2013
from fer_models.estimates import Estimate, estimate
from fer_models.evaluation.averages import Kernel, average, exponential, exponential_online, running_mean
from fer_models.evaluation.held_faces import FRAMES_PER_SECOND, Clip, arrange, hold
from fer_models.evaluation.over_time import Quality, changes_per_second, measure, seconds_until_right
from fer_models.evaluation.table import replace_marked_block
from fer_models.explanations import METHODS, explain
from fer_models.inference import to_probabilities
from fer_models.inference.logits import compute_logits
from fer_models.markdown import code, markdown_table
from fer_models.video.smoothing import DEFAULT, Filter, Smoothing, smooth
from fer_models.video.steadiness import Steadiness, steadiness

RESULTS = Path("docs/results.md")

# From the probabilities (T, 7) and times (T,) of a clip to smoothed probabilities (T, 7).
Smoother = Callable[[np.ndarray, np.ndarray], np.ndarray]

CHOSEN_WITH = ("baseline_cnn", "attn_cnn", "vit")  # the others take far longer, and the rate is the same for all
DURATIONS = (0.5, 1.0, 2.0, 4.0)  # seconds that a face is held
CHOSEN_FOR = DURATIONS[1:]  # those that the choice of a constant is made for
AFFORDABLE = 0.01  # how much accuracy steadier answers may cost
RATES = (1, 2, 3, 4, 5, 7, 10, 20)  # changes per second
DECAYS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.7)  # seconds
WINDOWS = (0.3, 0.5, 0.7, 0.9, 1.1)  # seconds: 3, 5, ... frames
MAP_FACES, MAP_FRAMES = 10, 10  # faces whose maps are compared, and frames of each: the first second
METHOD = "hirescam"  # as on the page, at the last layer with a grid


class Kind(NamedTuple):
    """A kind of smoothing with one constant.

    Attributes:
        title: what it is called.
        unit: of the constant.
        constants: those that are tried.
        smoother: with one of them.
    """

    title: str
    unit: str
    constants: tuple[float, ...]
    smoother: Callable[[float], Smoother]


def _whole_clip(rate: float) -> Smoother:
    return lambda probabilities, times: smooth(probabilities, times, parameters=Smoothing(rate))


def _online(rate: float) -> Smoother:
    def run(probabilities: np.ndarray, times: np.ndarray) -> np.ndarray:
        online = Filter(Smoothing(rate))
        return np.array([online.update(time, one) for time, one in zip(times, probabilities, strict=True)])

    return run


def _averaged(kernel: Callable[[float], Kernel]) -> Callable[[float], Smoother]:
    return lambda constant: lambda probabilities, times: average(probabilities, times, kernel(constant))


KINDS = (
    Kind("hidden Markov model", "per second", RATES, _whole_clip),
    Kind("exponential smoothing", "s", DECAYS, _averaged(exponential)),
    Kind("running mean", "s", WINDOWS, _averaged(running_mean)),
    Kind("hidden Markov model, online", "per second", RATES, _online),
    Kind("exponential smoothing, online", "s", DECAYS, _averaged(exponential_online)),
)

INTRODUCTION = """\
{faces} random faces of each split are held for four seconds at {speed} frames per second. They shift, grow and roll by
a few degrees meanwhile, and light, blur and noise vary. From these frames, clips are made in which a face is held for a
while before one with another label follows in the same place. The models see one view of each frame. *Flicker* is how
often the answer changes per second."""
CHOICE_HEAD = """\
### How to smooth

On PublicTest, averaged over faces held for {durations} seconds and over {models}.
Each kind of smoothing is shown with the constant that has the least flicker among those that cost at most
{affordable:.0f} point of accuracy. *Online* means from the frames so far, as with a camera; the other kinds look ahead.
NLL is the negative log-likelihood in nats."""
REPORT_HEAD = """\
### What smoothing changes

On PrivateTest, with a rate of {rate:g} changes per second for all models: each frame by itself, smoothed with the whole
clip, and online. Accuracy and calibration error (ECE) in percent; what smoothing changes in points with its 95 %
interval (bootstrap over faces). *Delay* is how many seconds later than frame by frame the online answer is right for
the first time after a change, where both become right before the next one."""
MAPS_HEAD = """\
## Clips: maps over time

The maps of {faces} of the PrivateTest faces in their first {frames} frames ({method} of the model's own answer at the
last layer with a grid, as on the page, and attention): the median rank correlation of two neighbouring frames, and of
frames of different faces, as the median over the faces. A map *jumps* if neighbouring frames are more unlike than
halfway between different faces and 1."""


@dataclass(frozen=True, eq=False)
class HeldFaces:
    """Held faces and what the models answer for each frame.

    Attributes:
        frames: uint8 (N, S, 48, 48).
        clips: by the mean number of seconds that a face is held.
        answers: probabilities float32 (N S, 7) from one view, calibrated, by the label of a model or of their mean.
    """

    frames: np.ndarray
    clips: dict[float, Clip]
    answers: dict[str, np.ndarray]


def hold_faces(split: Split, models: Mapping[str, EmotionModel], limit: int) -> HeldFaces:
    """Holds `limit` random faces of a split and asks the models, by name, about all frames."""
    chosen = np.random.default_rng(0).permutation(len(split))[:limit]
    images, labels = split.images[chosen].cpu().numpy(), split.labels[chosen].cpu().numpy()
    rng = np.random.default_rng(0)
    frames = np.stack([hold(image, rng) for image in images])
    clips = {seconds: arrange(labels, seconds, np.random.default_rng(1)) for seconds in DURATIONS}
    every_frame = torch.from_numpy(frames.reshape(-1, *images.shape[1:]))
    answers = {
        name: to_probabilities(compute_logits(model, every_frame, 16, progress=name), model.temperature)
        for name, model in models.items()
    }
    averaged = [answers[name] for name in default_choice(answers)]
    shown = {code(name): one for name, one in answers.items()}
    if len(averaged) > 1:
        shown[f"mean of the {len(averaged)}"] = np.mean(averaged, axis=0)
    return HeldFaces(frames, clips, shown)


def qualities(held: HeldFaces, seconds: float, smoother: Smoother | None) -> dict[str, Quality]:
    """How good the answers are in the clip of that duration, by label; without a smoother, frame by frame."""
    clip = held.clips[seconds]
    return {
        name: measure(clip, smoother(one[clip.frames], clip.times) if smoother else one[clip.frames])
        for name, one in held.answers.items()
    }


class Score(NamedTuple):
    """Means over the models and the durations of CHOSEN_FOR, see `Quality`."""

    accuracy: float
    flicker: float
    nll: float
    ece: float


def score(held: HeldFaces, smoother: Smoother | None) -> Score:
    found = [one for seconds in CHOSEN_FOR for one in qualities(held, seconds, smoother).values()]
    return Score(*(float(np.mean([getattr(one, name) for one in found])) for name in Score._fields))


def choose(scores: Mapping[float, Score], per_frame: Score) -> float:
    """The constant with the least flicker that costs at most AFFORDABLE accuracy; if all cost more, the best there."""
    good = [constant for constant, one in scores.items() if one.accuracy >= per_frame.accuracy - AFFORDABLE]
    if not good:
        return max(scores, key=lambda constant: scores[constant].accuracy)
    return min(good, key=lambda constant: scores[constant].flicker)


def render_choice(held: HeldFaces) -> str:
    """The table of the kinds of smoothing, with the best constant of each, in Markdown."""
    per_frame = score(held, None)
    rows = [("each frame by itself", "–", "–", *_cells(per_frame))]
    for kind in KINDS:
        scores = {constant: score(held, kind.smoother(constant)) for constant in kind.constants}
        best = choose(scores, per_frame)
        tried = f"{min(kind.constants):g} to {max(kind.constants):g}"
        rows.append((kind.title, f"{best:g} {kind.unit}", tried, *_cells(scores[best])))
    head = ("smoothing", "constant", "tried", "accuracy", "flicker", "NLL", "ECE")
    durations = ", ".join(f"{seconds:g}" for seconds in CHOSEN_FOR)
    text = CHOICE_HEAD.format(models=", ".join(held.answers), durations=durations, affordable=100 * AFFORDABLE)
    return f"{text}\n\n{markdown_table(head, rows)}"


def _cells(found: Score) -> tuple[str, ...]:
    return f"{100 * found.accuracy:.1f}", f"{found.flicker:.2f}", f"{found.nll:.3f}", f"{100 * found.ece:.1f}"


def render_report(held: HeldFaces) -> str:
    """The table of each model and duration, in Markdown."""
    rows = []
    smoothers = (None, _whole_clip(DEFAULT.rate), _online(DEFAULT.rate))
    for seconds, clip in held.clips.items():
        found = zip(*(qualities(held, seconds, smoother).values() for smoother in smoothers), strict=True)
        truth = f"{changes_per_second(clip.labels):.2f}"
        rows += [
            (f"{seconds:g} s", name, *_report_cells(clip, truth, *three))
            for name, three in zip(held.answers, found, strict=True)
        ]
    head = (
        "held for", "model", "accuracy per frame", "smoothed", "change", "online",
        "flicker of the truth", "per frame", "smoothed", "online", "ECE per frame", "smoothed", "delay online",
    )  # fmt: skip
    return f"{REPORT_HEAD.format(rate=DEFAULT.rate)}\n\n{markdown_table(head, rows)}"


def _report_cells(clip: Clip, truth: str, raw: Quality, smoothed: Quality, online: Quality) -> tuple[str, ...]:
    gains = smoothed.right.astype(float) - raw.right
    gains_of_faces = np.bincount(clip.faces, gains)
    change = estimate(gains_of_faces * len(gains_of_faces) / len(gains)) or Estimate(0, 0, 0)
    late = seconds_until_right(online.right, clip.changes) - seconds_until_right(raw.right, clip.changes)
    return (
        f"{100 * raw.accuracy:.1f}",
        f"{100 * smoothed.accuracy:.1f}",
        f"{100 * change.mean:+z.1f} [{100 * change.low:+z.1f}, {100 * change.high:+z.1f}]",
        f"{100 * online.accuracy:.1f}",
        truth,
        *(f"{one.flicker:.2f}" for one in (raw, smoothed, online)),
        *(f"{100 * one.ece:.1f}" for one in (raw, smoothed)),
        "–" if np.isnan(late).all() else f"{np.nanmean(late):.2f}",
    )


def measure_maps(frames: np.ndarray, model: EmotionModel) -> dict[str, list[Steadiness]]:
    """How steady a model's maps of held faces (N, S, 48, 48) are: one value for each face, by the kind of map."""
    found = [explain(model, list(held), method=METHOD, stage=model.last_layer) for held in frames]
    maps = {METHODS[METHOD].title: np.array([[one.heatmap for one in face] for face in found])}
    if model.spatial_attention is not None:
        maps["spatial attention"] = np.array([[one.spatial_attention for one in face] for face in found])
    return {
        name: [steadiness(of_face, np.delete(all_maps[:, 0], n, axis=0)) for n, of_face in enumerate(all_maps)]
        for name, all_maps in maps.items()
    }


def render_maps(frames: np.ndarray, models: Mapping[str, EmotionModel]) -> str:
    """The table of how steady the maps are, and what follows from it, in Markdown."""
    frames = frames[:MAP_FACES, :MAP_FRAMES]
    measured = {
        f"{name} of {code(model)}": found
        for model, network in models.items()
        for name, found in measure_maps(frames, network).items()
    }
    rows = [(name, *_map_cells(found)) for name, found in measured.items()]
    head = ("map", "neighbouring frames", "different faces", "jumps", "constant maps")
    text = MAPS_HEAD.format(faces=len(frames), frames=frames.shape[1], method=METHODS[METHOD].title)
    jumping = {name: sum(one.jumps for one in found) for name, found in measured.items()}
    return f"{text}\n\n{markdown_table(head, rows)}\n\n{_conclusion(jumping, len(frames))}"


def _map_cells(found: list[Steadiness]) -> tuple[str, ...]:
    return (
        f"{np.nanmedian([one.neighbours for one in found]):.2f}",
        f"{np.nanmedian([one.strangers for one in found]):.2f}",
        f"{sum(one.jumps for one in found)} of {len(found)} faces",
        str(sum(one.constant for one in found)),
    )


def _conclusion(jumping: Mapping[str, int], faces: int) -> str:
    """What follows, from how many faces each map jumps for."""
    never = ", ".join(name for name, count in jumping.items() if count == 0) or "none"
    often = ", ".join(name for name, count in jumping.items() if 2 * count >= faces) or "none"
    return (
        f"Maps that stay where they are while the face does, for each of the {faces} faces: {never}. "
        f"Maps that jump for half of the faces or more, and are not to be believed: {often}."
    )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m fer_models.evaluation.clips",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", required=True, metavar="PATH", help="path to FER-2013")
    parser.add_argument("--weights", type=Path, default=default_weights_dir(), metavar="DIR")
    parser.add_argument("--models", nargs="+", choices=MODELS, metavar="NAME", help="default: all in DIR")
    parser.add_argument(
        "--limit", type=int, default=40, metavar="N", help="number of faces of each split; default: %(default)s"
    )
    parser.add_argument("--write", action="store_true", help=f"also write the tables into {RESULTS}")
    options = parser.parse_args(arguments)
    names = options.models or [name for name in MODELS if (options.weights / name).is_dir()]
    try:
        data = load_fer2013(options.data)
        models = {name: load_model(name, options.weights) for name in names}
    except (CheckpointError, DataError) as error:
        parser.exit(1, f"{error}\n")

    small = {name: model for name, model in models.items() if name in CHOSEN_WITH} or models
    validation = hold_faces(data.validation, small, options.limit)
    test = hold_faces(data.test, models, options.limit)
    introduction = INTRODUCTION.format(faces=len(test.frames), speed=FRAMES_PER_SECOND)
    parts = (introduction, render_choice(validation), render_report(test), render_maps(test.frames, models))
    tables = "\n\n".join(parts) + "\n"
    print(tables, end="")
    if options.write:
        RESULTS.write_text(replace_marked_block(RESULTS.read_text(encoding="utf-8"), tables, "clips"), encoding="utf-8")


if __name__ == "__main__":
    main()
