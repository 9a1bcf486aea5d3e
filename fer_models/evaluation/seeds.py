"""Is spatial attention worth anything? `attn_cnn` with each kind of attention and without, over several seeds.

The runs lie in weights/<recipe>/seed<N>/attn_cnn/: the training record, the history and the predictions of the test
split, without the weights. A complete checkpoint weights/<recipe>/attn_cnn/ of such a recipe is one more run of it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import ttest_ind

from fer_models.architectures import MODELS, model_title
from fer_models.checkpoints import CONFIG_FILE, PREDICTIONS_FILE, read_arrays, read_config
from fer_models.estimates import Estimate
from fer_models.evaluation.results import Predictions
from fer_models.markdown import Label, code, markdown_table

MODEL = "attn_cnn"
CONTROL = "without_attention"  # the recipe that the others are compared with
REPORTED = ("resnet50", "resnet50_cbam")  # the student paper's case for attention: without and with

# Accuracies in [0, 1] by seed, by recipe.
Seeds = Mapping[str, Mapping[int, float]]

HEAD = """\
Spatial attention over several seeds: {model} with each kind of attention and without, trained with the same
settings but for the attention and the seed. Accuracy in percent on the test split (PrivateTest); the difference is that
of the means, in points, with its 95 % interval (Welch's t), not corrected for the number of kinds. All runs have the
same test images, so the interval covers the variation between trainings only."""


def read_seeds(weights_dir: str | Path) -> Seeds:
    """The accuracy of each run on the test split, the control first.

    Recipes with fewer than two runs are left out, and {} is returned if the control is one of them or the only one.

    Raises:
        CheckpointError: as `read_config`.
        EvaluationError: as `read_arrays`.
    """
    recipes = {folder.parents[1] for folder in Path(weights_dir).glob(f"*/seed*/{MODEL}")}
    seeds = {}
    for recipe in sorted(recipes, key=lambda recipe: (recipe.name != CONTROL, recipe.name)):
        folders = [file.parent for place in ("", "seed*/") for file in recipe.glob(f"{place}{MODEL}/{CONFIG_FILE}")]
        runs = {int(read_config(folder)["training"]["seed"]): _accuracy(folder) for folder in folders}
        if len(runs) > 1:
            seeds[recipe.name] = runs
    return seeds if CONTROL in seeds and len(seeds) > 1 else {}


def _accuracy(folder: Path) -> float:
    remedy = "Take its folder from the repository again, or delete it."
    return Predictions(**read_arrays(folder, PREDICTIONS_FILE, remedy)).accuracy


def gain(without: Sequence[float], with_attention: Sequence[float]) -> Estimate:
    """The difference of two means with its 95 % interval by Welch's t, which lets the variances differ (Welch 1947).

    Args:
        without, with_attention: accuracies in [0, 1], at least two of each.
    """
    interval = ttest_ind(with_attention, without, equal_var=False).confidence_interval()
    return Estimate(float(np.mean(with_attention) - np.mean(without)), float(interval.low), float(interval.high))


def gains(seeds: Seeds) -> dict[str, Estimate]:
    """The gain of each kind of attention over the control, in [-1, 1], by recipe."""
    without = list(seeds[CONTROL].values())
    return {recipe: gain(without, list(runs.values())) for recipe, runs in seeds.items() if recipe != CONTROL}


def reported_gain() -> float:
    """The gain from attention in the paper's Table I, in percentage points: the second model of REPORTED minus the
    first."""
    without, with_attention = (MODELS[name].paper_accuracy for name in REPORTED)
    assert without is not None and with_attention is not None  # both are in Table I
    return with_attention - without


def finding(seeds: Seeds) -> str:
    """What the seeds say about spatial attention, in a sentence of plain text that follows from the figures."""
    found = gains(seeds)
    means = [estimate.mean for estimate in found.values()]
    low, high = min(estimate.low for estimate in found.values()), max(estimate.high for estimate in found.values())
    return (
        f"{_verdict(found)}: in {sum(map(len, seeds.values()))} trainings of {model_title(MODEL)}, the kinds "
        f"of attention change the mean accuracy by {_points(min(means))} to {_points(max(means))} points "
        f"(95 % intervals from {_points(low)} to {_points(high)})."
    )


def _verdict(found: Mapping[str, Estimate]) -> str:
    helps = ", ".join(recipe for recipe, estimate in found.items() if estimate.low > 0)
    costs = ", ".join(recipe for recipe, estimate in found.items() if estimate.high < 0)
    if helps and costs:
        return f"Some kinds of spatial attention help ({helps}), others cost accuracy ({costs})"
    if helps:
        return f"Spatial attention helps ({helps})"
    if costs:
        return f"Spatial attention costs accuracy ({costs})"
    return "No gain from spatial attention was found"


def render_seeds(seeds: Seeds, label: Label = code) -> str:
    """A table with a row for each kind of attention, and what follows from it, in Markdown; "" without seeds.

    Args:
        seeds: as `read_seeds` returns them.
        label: turns a model's name into the text that is shown for it.
    """
    if not seeds:
        return ""
    numbers = sorted({seed for runs in seeds.values() for seed in runs})
    head = ("recipe", *(f"seed {seed}" for seed in numbers), "mean", "standard deviation", "difference [95 % interval]")
    found = gains(seeds)
    rows = []
    for recipe, runs in seeds.items():
        accuracies = list(runs.values())
        values = [_percent(runs[seed]) if seed in runs else "–" for seed in numbers]
        spread = (f"**{_percent(np.mean(accuracies))}**", _percent(np.std(accuracies, ddof=1)))
        rows.append((code(recipe), *values, *spread, _with_interval(found[recipe]) if recipe in found else "–"))
    without, with_attention = map(label, REPORTED)
    reported = f"Table I of the student paper has {with_attention} {reported_gain():.1f} points above {without}."
    return "\n\n".join([HEAD.format(model=label(MODEL)), markdown_table(head, rows), f"{finding(seeds)} {reported}"])


def _percent(share: float | np.floating) -> str:
    return f"{100 * share:.1f}"


def _points(difference: float) -> str:
    return f"{100 * difference:+z.1f}".replace("-", "−")


def _with_interval(estimate: Estimate) -> str:
    return f"{_points(estimate.mean)} [{_points(estimate.low)}, {_points(estimate.high)}]"
