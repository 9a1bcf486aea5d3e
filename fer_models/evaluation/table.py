"""Tables of results in Markdown: the accuracy of all models, and pairwise comparisons."""

from dataclasses import dataclass
from itertools import combinations
from typing import Any

from fer_models.architectures import MODELS
from fer_models.checkpoints import EvaluationError
from fer_models.emotions import EMOTIONS
from fer_models.evaluation.comparison import SIGNIFICANCE, compare
from fer_models.evaluation.metrics import summarise, wilson_interval
from fer_models.evaluation.mirror import mirror_test
from fer_models.evaluation.model_card import describe_schedule
from fer_models.evaluation.results import (
    Evaluation,
    Predictions,
    Variant,
    averaged,
    check_same_images,
    mean_predictions,
)
from fer_models.evaluation.seeds import Seeds, render_seeds, spread
from fer_models.markdown import Label, code, markdown_table

PEER_IMAGES = 3589  # PrivateTest


@dataclass(frozen=True)
class Peer:
    """A public package for the same task, measured with its default settings on all of PrivateTest.

    Attributes:
        package: its name.
        url: its page in a package registry.
        detail: the version or network measured, as it follows the name; "" if there is only one.
        right: number of correct predictions for the PEER_IMAGES images.
        leak_free: accuracy on the images without a copy in the other splits, in [0, 1]; None if not measured.
        parameters: number of trained parameters.
    """

    package: str
    url: str
    detail: str
    right: int
    leak_free: float | None
    parameters: int

    @property
    def accuracy(self) -> float:
        """In [0, 1]."""
        return self.right / PEER_IMAGES


@dataclass(frozen=True)
class ReportedPeer:
    """A public model for the same task whose accuracy is its author's own figure, not measured here.

    Attributes:
        name: of the model or its package.
        url: its page.
        accuracy: as its author reports it, in [0, 1].
        parameters: number of trained parameters.
    """

    name: str
    url: str
    accuracy: float
    parameters: int


PEERS = (
    Peer("fer", "https://pypi.org/project/fer/", ", mini-XCEPTION", 2364, 0.643, 58_000),
    Peer("face-api", "https://www.npmjs.com/package/@vladmandic/face-api", " 1.7.15", 2112, None, 324_000),
)
REPORTED_PEERS = (
    ReportedPeer("vit-face-expression", "https://huggingface.co/trpakov/vit-face-expression", 0.7116, 85_800_000),
    ReportedPeer("deepface", "https://github.com/serengil/deepface", 0.5743, 1_490_000),
)
COLUMNS = (
    "model", "paper", "ours [95 % interval]", "leak-free", "flip-averaged", "macro-F1", "parameters", "multiply-adds",
    "epochs x image size (recipe)",
)  # fmt: skip
FOOTNOTE = """\
Accuracy in percent on FER-2013's test split (PrivateTest), with one model, one view of each face and the half-precision
weights in the repository. *Leak-free* leaves out test images with an identical copy in the training or validation
split. *Flip-averaged* is the mean over the face and its mirror image. Multiply-adds are per face. The mean averages the
probabilities of the student paper's models. The last rows are public packages and models, for comparison. The
[published training script](https://github.com/oarriaga/face_classification/blob/master/src/train_emotion_classifier.py)
of mini-XCEPTION chooses its checkpoint on images that include PrivateTest, so its accuracy is too high. *As reported*
is an author's own figure, not measured here. The card of vit-face-expression does not say which images its test set
holds. deepface's author [names](https://github.com/serengil/deepface/issues/247) the result of a tutorial whose
[script](https://github.com/serengil/tensorflow-101/blob/master/python/facial-expression-recognition.py) tests on
PublicTest."""
SUMMARY_FOOTNOTE = """\
Accuracy in percent on FER-2013's test split (PrivateTest), beside Table I of the student paper. *Leak-free* leaves out
test images with an identical copy in the training or validation split. The mean averages the probabilities of the
paper's models. *As reported* is an author's own figure, not measured here, and perhaps on other images."""
MIRROR_HEAD = """\
The mirror test: each face is shown as it is and mirrored, and the answer is the mean of both. *Changes* is the share of
the faces whose mirror image gets another answer. The accuracy follows with its 95 % interval where the answer stays and
where it changes, and for comparison on as many faces with the lowest confidence; all in percent."""
RECALL_HEAD = "Recall by emotion, in percent: the share of the images with a label that the model predicts correctly."
VARIANTS_HEAD = """\
Models trained by other recipes, for comparison only: the last column names the recipe, which docs/training.md explains.
They are not compared with the models above, from which several things set them apart at once, such as the architecture,
the number of epochs and the teacher."""
COMPARISON_HEAD = f"""\
Pairs of models on the same test images: the difference in accuracy with its 95 % interval (paired bootstrap), and
McNemar's exact test at the {100 * SIGNIFICANCE:.0f} % level, not corrected for the number of pairs. The variation
between training seeds is not included{{spread}}."""


def render_tables(
    results: dict[str, Evaluation],
    variants: dict[Variant, Evaluation] | None = None,
    seeds: Seeds | None = None,
    label: Label = code,
) -> str:
    """The tables of results and the comparisons of models, in Markdown.

    Args:
        results: stored evaluations by model name.
        variants: evaluations of the same models trained by other recipes. They get a table of their own, and each is
            compared with the other models of its recipe.
        seeds: accuracies over several seeds, as `read_seeds` returns them.
        label: turns a model's name into the text that is shown for it.

    Raises:
        EvaluationError: as `check_same_images`.
    """
    variants = variants or {}
    everything = list(results.values()) + list(variants.values())
    check_same_images(everything)
    rows = [_model_row(result, label) for result in results.values()]
    # Each pair to compare: two names as shown, and the predictions of both.
    shown = {label(name): result.predictions for name, result in results.items()}
    # Models that differ only by what one adds to the other come first.
    named = sorted(combinations(results, 2), key=lambda pair: not issubclass(MODELS[pair[1]], MODELS[pair[0]]))
    pairs = [(label(first), label(second)) for first, second in named]
    members = averaged(results)
    if len(members) > 1:
        mean, mean_name = mean_predictions(members), f"mean of the {len(members)}"
        rows.append(_mean_row(mean_name, members, mean))
        best = max(shown, key=lambda name: shown[name].accuracy)
        shown[mean_name] = mean
        pairs.append((best, mean_name))
    rows += _peer_rows()
    parts = [markdown_table(COLUMNS, rows), FOOTNOTE, RECALL_HEAD, _recall_table(results, label)]
    parts += [MIRROR_HEAD, _mirror_table(results, label)]
    if variants:
        variant_rows = [_model_row(result, label) for result in variants.values()]
        parts += [VARIANTS_HEAD, markdown_table(COLUMNS, variant_rows)]
    if seeds:
        parts.append(render_seeds(seeds, label))
    names = {variant: f"{label(variant.name)} ({variant.recipe})" for variant in variants}
    shown |= {names[variant]: result.predictions for variant, result in variants.items()}
    pairs += [(names[a], names[b]) for a, b in combinations(variants, 2) if a.recipe == b.recipe]
    if pairs:
        deviation = f"; its standard deviation above is {spread(seeds)}" if seeds else ""
        parts += [COMPARISON_HEAD.format(spread=deviation), "\n".join(_comparison_line(shown, *pair) for pair in pairs)]
    return "\n\n".join(parts) + "\n"


def render_summary(results: dict[str, Evaluation]) -> str:
    """The short table of the README, in Markdown: each model beside the paper, the mean, and the peers.

    Raises:
        EvaluationError: as `check_same_images`.
    """
    rows = [_model_row(result, code)[:4] for result in results.values()]
    members = averaged(results)
    if len(members) > 1:
        rows.append(_mean_row(f"mean of the {len(members)}", members, mean_predictions(members))[:4])
    rows += [row[:4] for row in _peer_rows()]
    return f"{markdown_table(COLUMNS[:4], rows)}\n\n{SUMMARY_FOOTNOTE}\n"


def confidence_table(results: dict[str, Evaluation], label: Label = code) -> str:
    """Expected calibration error before and after temperature scaling; size and coverage of the 90 % prediction sets.

    Args:
        results: stored evaluations by model name.
        label: turns a model's name into the text that is shown for it.
    """
    head = ("model", "ECE before", "ECE after", "emotions per set", "coverage [95 % interval]", *EMOTIONS)
    return markdown_table(head, [_confidence_row(result.metrics, label) for result in results.values()])


def markers(name: str) -> tuple[str, str]:
    """The two comments around the part of a Markdown document that a command writes."""
    return f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"


def replace_marked_block(document: str, block: str, name: str = "results") -> str:
    """Replaces the text between the two markers of this name in a Markdown document by `block`.

    Raises:
        EvaluationError: a marker is missing.
    """
    begin, end = markers(name)
    before, begin_found, rest = document.partition(begin)
    _, end_found, after = rest.partition(end)
    if not (begin_found and end_found):
        raise EvaluationError(f"The document has no markers for the {name}: add {begin.strip()} and {end}.")
    return before + begin + block + end + after


def _recall_table(results: dict[str, Evaluation], label: Label) -> str:
    rows = []
    for name, result in results.items():
        recalls = result.metrics["test"]["recall"]
        rows.append((label(name), *(_percent(recalls[emotion]) for emotion in EMOTIONS)))
    return markdown_table(("model", *EMOTIONS), rows)


def _mirror_table(results: dict[str, Evaluation], label: Label) -> str:
    views = {label(name): result.predictions for name, result in results.items()}
    members = averaged(results)
    if len(members) > 1:
        views[f"mean of the {len(members)}"] = mean_predictions(members)
    rows = []
    for name, predictions in views.items():
        found = mirror_test(predictions.labels, predictions.views)
        kinds = (found[kind] for kind in ("where_same", "where_changed", "least_confident"))
        rows.append((name, _percent(found["changed"]), *map(_with_interval, kinds)))
    head = ("model", "changes", "right where it stays", "right where it changes", "right where least confident")
    return markdown_table(head, rows)


def _with_interval(found: dict[str, Any]) -> str:
    low, high = found["accuracy_interval"]
    return "–" if low is None else f"{_percent(found['accuracy'])} [{_percent(low)}, {_percent(high)}]"


def _confidence_row(metrics: dict[str, Any], label: Label) -> tuple[str, ...]:
    sets = metrics["conformal"]
    low, high = sets["coverage_interval"]
    return (
        label(metrics["model"]),
        _percent(metrics["test_uncalibrated"]["ece"]),
        _percent(metrics["test"]["ece"]),
        f"{sets['mean_size']:.2f}",
        f"{_percent(sets['coverage'])} [{_percent(low)}, {_percent(high)}]",
        *(_percent(sets["coverage_by_emotion"][emotion]) for emotion in EMOTIONS),
    )


def _model_row(result: Evaluation, label: Label) -> tuple[str, ...]:
    metrics = result.metrics
    training = metrics["training"]
    paper = MODELS[metrics["model"]].paper_accuracy
    recipe = f"{describe_schedule(training)} ({training['recipe']})"
    return (
        label(metrics["model"]),
        "–" if paper is None else f"{paper}",
        *_accuracies(metrics),
        *_cost(metrics),
        recipe,
    )


def _mean_row(name: str, results: list[Evaluation], mean: Predictions) -> tuple[str, ...]:
    """The mean of the models' probabilities, with their total cost."""
    metrics = {
        "test": summarise(mean.labels, mean.probabilities),
        "test_leak_free": summarise(mean.labels[mean.leak_free], mean.probabilities[mean.leak_free]),
        "test_flip_averaged": summarise(mean.labels, mean.flip_averaged),
        "parameters": sum(result.metrics["parameters"] for result in results),
        "multiply_adds": sum(result.metrics["multiply_adds"] for result in results),
    }
    return (name, "–", *_accuracies(metrics), *_cost(metrics), "–")


def _peer_rows() -> list[tuple[str, ...]]:
    return [*map(_peer_row, PEERS), *map(_reported_row, REPORTED_PEERS)]


def _peer_row(peer: Peer) -> tuple[str, ...]:
    low, high = wilson_interval(peer.right, PEER_IMAGES)
    accuracy = f"{_percent(peer.accuracy)} [{_percent(low)}, {_percent(high)}]"
    name = f"[{peer.package}]({peer.url}){peer.detail}"
    return (name, "–", accuracy, _percent(peer.leak_free), "–", "–", _millions(peer.parameters), "–", "not ours")


def _reported_row(peer: ReportedPeer) -> tuple[str, ...]:
    """Without an interval, because the number of images is not known."""
    accuracy = f"{_percent(peer.accuracy)}, *as reported*"
    return (f"[{peer.name}]({peer.url})", "–", accuracy, "–", "–", "–", _millions(peer.parameters), "–", "not ours")


def _accuracies(metrics: dict[str, Any]) -> tuple[str, ...]:
    low, high = metrics["test"]["accuracy_interval"]
    return (
        f"**{_percent(metrics['test']['accuracy'])}** [{_percent(low)}, {_percent(high)}]",
        _percent(metrics["test_leak_free"]["accuracy"]),
        _percent(metrics["test_flip_averaged"]["accuracy"]),
        _percent(metrics["test"]["macro_f1"]),
    )


def _cost(metrics: dict[str, Any]) -> tuple[str, ...]:
    return _millions(metrics["parameters"]), f"{metrics['multiply_adds'] / 1e9:.2f} G"


def _millions(parameters: int) -> str:
    return f"{parameters / 1e6:.2f} M"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"


def _comparison_line(predictions: dict[str, Predictions], first: str, second: str) -> str:
    found = compare(predictions[first].labels, predictions[first].probabilities, predictions[second].probabilities)
    gain = found.difference
    difference, low, high = (f"{100 * value:+z.1f}" for value in (gain.mean, gain.low, gain.high))
    better = second if gain.mean > 0 else first
    verdict = f"{better} is better" if found.is_significant else "no difference found"
    p_value = "p < 0.001" if found.p_value < 0.001 else f"p = {found.p_value:.3f}"
    return (
        f"- {second} minus {first}: {difference} points [{low}, {high}]; only the first is right on "
        f"{found.only_second} images, only the second on {found.only_first}; the same prediction on "
        f"{found.same_answer:.1%}; {p_value}: {verdict}."
    )
