"""What is attention worth? Trainings with it and without, over several seeds.

The runs lie in weights/<recipe>/seed<N>/<model>/: the training record, the history and the predictions of the test
split, without the weights. A complete checkpoint weights/<recipe>/<model>/ of such a recipe is one more run of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import ttest_ind

from fer_models.architectures import MODELS, model_title
from fer_models.checkpoints import CONFIG_FILE, PREDICTIONS_FILE, read_arrays, read_config
from fer_models.estimates import Estimate
from fer_models.evaluation.results import Predictions, Variant
from fer_models.markdown import Label, code, markdown_table

REPORTED = ("resnet50", "resnet50_cbam")  # the student paper's case for attention: without and with


@dataclass(frozen=True)
class Study:
    """One kind of training several times, without something and with it.

    Attributes:
        subject: what it is whose worth is asked for.
        trainings: what was trained, in the plural, as it follows a number.
        control: the training without it.
        alternatives: those with it, which differ from the control in nothing else.
    """

    subject: str
    trainings: str
    control: Variant
    alternatives: tuple[Variant, ...]


CBAM = Study(
    "CBAM",
    f"short trainings of {model_title('resnet50')}",
    Variant("resnet50", "short"),
    (Variant("resnet50_cbam", "short"),),
)
SPATIAL_ATTENTION = Study(
    "spatial attention",
    f"trainings of {model_title('attn_cnn')}",
    Variant("attn_cnn", "without_attention"),
    tuple(Variant("attn_cnn", f"{kind}_attention") for kind in ("multihead", "sigmoid", "softmax")),
)
STUDIES = (CBAM, SPATIAL_ATTENTION)

Runs = Mapping[Variant, Mapping[int, float]]  # accuracies in [0, 1] by seed, by training, the control first
Seeds = Mapping[Study, Runs]

HEAD = """\
What attention is worth over several seeds: trainings with the same settings but for the attention (with its learning
rate) and the seed. Accuracy in percent on the test split (PrivateTest); the difference from the first row is that of
the means, in points, with its 95 % interval (Welch's t), not corrected for the number of rows. All runs have the same
test images, so the interval covers the variation between trainings only. Table I of the student paper has
{with_attention} {reported:.1f} points above {without}."""


def read_seeds(weights_dir: str | Path) -> Seeds:
    """The accuracy of each run on the test split, by study.

    Trainings with fewer than two runs are left out, and so is a study whose control is one of them or the only one.

    Raises:
        CheckpointError: as `read_config`.
        EvaluationError: as `read_arrays`.
    """
    seeds = {}
    for study in STUDIES:
        found = {training: _read_runs(Path(weights_dir), training) for training in (study.control, *study.alternatives)}
        runs = {training: accuracies for training, accuracies in found.items() if len(accuracies) > 1}
        if study.control in runs and len(runs) > 1:
            seeds[study] = runs
    return seeds


def _read_runs(weights_dir: Path, training: Variant) -> dict[int, float]:
    """The accuracies of one training by seed."""
    recipe = weights_dir / training.recipe
    files = [file for place in ("", "seed*/") for file in sorted(recipe.glob(f"{place}{training.name}/{CONFIG_FILE}"))]
    return {int(read_config(file.parent)["training"]["seed"]): _accuracy(file.parent) for file in files}


def _accuracy(folder: Path) -> float:
    remedy = "Take its folder from the repository again, or delete it."
    return Predictions(**read_arrays(folder, PREDICTIONS_FILE, remedy)).accuracy


def gain(without: Sequence[float], with_it: Sequence[float]) -> Estimate:
    """The difference of two means with its 95 % interval by Welch's t, which lets the variances differ (Welch 1947).

    Args:
        without, with_it: accuracies in [0, 1], at least two of each.
    """
    interval = ttest_ind(with_it, without, equal_var=False).confidence_interval()
    return Estimate(float(np.mean(with_it) - np.mean(without)), float(interval.low), float(interval.high))


def gains(study: Study, runs: Runs) -> dict[Variant, Estimate]:
    """The gain of each alternative over the control, in [-1, 1]."""
    without = list(runs[study.control].values())
    return {
        training: gain(without, list(accuracies.values()))
        for training, accuracies in runs.items()
        if training != study.control
    }


def reported_gain() -> float:
    """The gain from attention in the paper's Table I, in percentage points: the second model of REPORTED minus the
    first."""
    without, with_attention = (MODELS[name].paper_accuracy for name in REPORTED)
    assert without is not None and with_attention is not None  # both are in Table I
    return with_attention - without


def finding(study: Study, runs: Runs) -> str:
    """What the runs say about the subject of a study, in a sentence of plain text that follows from the figures."""
    found = gains(study, runs)
    means = [estimate.mean for estimate in found.values()]
    low, high = min(estimate.low for estimate in found.values()), max(estimate.high for estimate in found.values())
    if len(found) > 1:
        difference = f"{_points(min(means))} to {_points(max(means))} points (95 % intervals from"
    else:
        difference = f"{_points(means[0])} points (95 % interval"
    return (
        f"{_verdict(study.subject, found)} in {sum(map(len, runs.values()))} {study.trainings}: "
        f"{difference} {_points(low)} to {_points(high)})."
    )


def findings(seeds: Seeds) -> str:
    """The finding of each study, one after the other; "" without seeds."""
    return " ".join(finding(study, runs) for study, runs in seeds.items())


def spread(seeds: Seeds) -> str:
    """The smallest and the largest standard deviation between seeds, such as "0.1 to 0.9 points"."""
    deviations = [_deviation(accuracies) for runs in seeds.values() for accuracies in runs.values()]
    return f"{_percent(min(deviations))} to {_percent(max(deviations))} points"


def _verdict(subject: str, found: Mapping[Variant, Estimate]) -> str:
    helps = ", ".join(_place(training) for training, estimate in found.items() if estimate.low > 0)
    costs = ", ".join(_place(training) for training, estimate in found.items() if estimate.high < 0)
    if helps and costs:
        return f"Some kinds of {subject} helped ({helps}), others cost accuracy ({costs})"
    if helps:
        return f"{subject[0].upper()}{subject[1:]} helped ({helps})"
    if costs:
        return f"{subject[0].upper()}{subject[1:]} cost accuracy ({costs})"
    return f"No gain from {subject} was found"


def _place(training: Variant) -> str:
    """Its folder below weights/, as the page names further checkpoints."""
    return f"{training.recipe}/{training.name}"


def render_seeds(seeds: Seeds, label: Label = code) -> str:
    """For each study a table with a row for each training, and what follows from it, in Markdown; "" without seeds.

    Args:
        seeds: as `read_seeds` returns them.
        label: turns a model's name into the text that is shown for it.
    """
    if not seeds:
        return ""
    without, with_attention = map(label, REPORTED)
    parts = [HEAD.format(with_attention=with_attention, reported=reported_gain(), without=without)]
    for study, runs in seeds.items():
        parts += [_table(study, runs, label), finding(study, runs)]
    return "\n\n".join(parts)


def _table(study: Study, runs: Runs, label: Label) -> str:
    numbers = sorted({seed for accuracies in runs.values() for seed in accuracies})
    columns = ("mean", "standard deviation", "difference [95 % interval]")
    head = ("model", "recipe", *(f"seed {seed}" for seed in numbers), *columns)
    found = gains(study, runs)
    rows = []
    for training, accuracies in runs.items():
        values = [_percent(accuracies[seed]) if seed in accuracies else "–" for seed in numbers]
        mean = f"**{_percent(np.mean(list(accuracies.values())))}**"
        difference = _with_interval(found[training]) if training in found else "–"
        names = (label(training.name), code(training.recipe))
        rows.append((*names, *values, mean, _percent(_deviation(accuracies)), difference))
    return markdown_table(head, rows)


def _deviation(accuracies: Mapping[int, float]) -> float:
    return float(np.std(list(accuracies.values()), ddof=1))


def _percent(share: float | np.floating) -> str:
    return f"{100 * share:.1f}"


def _points(difference: float) -> str:
    return f"{100 * difference:+z.1f}".replace("-", "−")


def _with_interval(estimate: Estimate) -> str:
    return f"{_points(estimate.mean)} [{_points(estimate.low)}, {_points(estimate.high)}]"
