"""The results of all models as Markdown: one table, and what the differences between its rows are worth."""

from itertools import combinations

from fer_models.emotions import EMOTIONS
from fer_models.evaluation.comparison import SIGNIFICANCE, compare
from fer_models.evaluation.markdown import markdown_table
from fer_models.evaluation.metrics import summarise, wilson_interval
from fer_models.evaluation.model_card import describe_schedule
from fer_models.evaluation.results import EvaluationError, Predictions, Result, check_same_images, mean_predictions

# Table I of the student paper that the four models come from: accuracy on FER-2013, in percent.
PAPER_ACCURACY = {"baseline_cnn": 58.9, "resnet50": 43.5, "attn_cnn": 45.4, "resnet50_cbam": 67.4}

# What can be installed today, measured with the packages' own defaults on all of PrivateTest: how many images it gets
# right, its leak-free accuracy where that was measured, and its parameters.
PEER_IMAGES = 3589
PEERS = {
    "[fer](https://pypi.org/project/fer/), mini-XCEPTION": (2364, 0.643, 58_000),
    "[face-api](https://www.npmjs.com/package/@vladmandic/face-api) 1.7.15": (2112, None, 324_000),
}
COLUMNS = (
    "model", "paper", "ours [95 % interval]", "leak-free", "flip-averaged", "macro-F1", "parameters", "multiply-adds",
    "epochs x image size (recipe)",
)  # fmt: skip
MARKERS = ("<!-- results:begin -->\n", "<!-- results:end -->")
FOOTNOTE = """\
Accuracy in percent on FER-2013's test split (PrivateTest): one model, one view of each face, half-precision weights as
they ship. *Leak-free* leaves out the test images that have an identical copy in the training or validation split.
*Flip-averaged* is the mean over the face and its mirror image. Multiply-adds are those of one face. The last rows are
packages that anyone can install, for comparison; mini-XCEPTION's
[published training script](https://github.com/oarriaga/face_classification/blob/master/src/train_emotion_classifier.py)
chooses its checkpoint by images that include PrivateTest, which flatters it."""
RECALL_HEAD = "Recall by emotion: of the test images with a label, the percentage that the model gives that label to."
VARIANTS_HEAD = """\
Trained by other recipes, for comparison only: *paper* is the student paper's settings as they stand,
*without_attention* the default recipe of `attn_cnn` on the same network without its attention."""
COMPARISON_HEAD = f"""\
Is one better than another? Each pair on the same test images: the difference in accuracy with its 95 % interval (paired
bootstrap), and the verdict of McNemar's exact test at {100 * SIGNIFICANCE:.0f} %, not corrected for the number of
pairs. Each model was trained once: what another seed would change is not in these figures."""


def render_results(results: dict[str, Result], variants: dict[str, Result] | None = None) -> str:
    """The table and the comparisons, ready to stand in README.md.

    Args:
        results: stored evaluations by model name.
        variants: those of the same models trained by other recipes, by "<name>, <recipe>". Each gets a row in a table
            of its own, and is compared with the result of its name and with the other models of its recipe.

    Raises:
        EvaluationError: as `check_same_images`.
    """
    variants = variants or {}
    check_same_images(list((results | variants).values()))
    rows = [_model_row(result) for result in results.values()]
    together = {}
    if len(results) > 1:
        mean = mean_predictions(list(results.values()))
        rows.append(_mean_row(list(results.values()), mean))
        together = {f"mean of the {len(results)}": Result({}, mean)}
    rows += [_peer_row(name, *figures) for name, figures in PEERS.items()]
    parts = [markdown_table(COLUMNS, rows), FOOTNOTE, RECALL_HEAD, _recall_table(results)]
    if variants:
        parts += [VARIANTS_HEAD, markdown_table(COLUMNS, [_model_row(variant) for variant in variants.values()])]
    # First the pair whose only difference is CBAM, then the others.
    pairs = sorted(combinations(results, 2), key=lambda pair: pair != ("resnet50", "resnet50_cbam"))
    best = max(results, key=lambda name: results[name].predictions.accuracy, default=None)
    pairs += [(best, mean) for mean in together]
    pairs += [(key, key.partition(",")[0]) for key in variants if key.partition(",")[0] in results]
    pairs += [pair for pair in combinations(variants, 2) if len({key.partition(",")[2] for key in pair}) == 1]
    if pairs:
        compared = results | variants | together
        parts += [COMPARISON_HEAD, "\n".join(_comparison_line(compared, *pair) for pair in pairs)]
    return "\n\n".join(parts) + "\n"


def confidence_table(results: dict[str, Result]) -> str:
    """Whether the models are as sure as they should be: calibration, and how often the 90 % sets hold the label."""
    head = ("model", "ECE before", "ECE after", "emotions in a set", "label in the set [95 % interval]", *EMOTIONS)
    return markdown_table(head, [_confidence_row(result.metrics) for result in results.values()])


def replace_marked_block(document: str, block: str) -> str:
    """Puts `block` between the two marker comments of a Markdown document.

    Raises:
        EvaluationError: the document does not have both markers.
    """
    begin, end = MARKERS
    before, begin_found, rest = document.partition(begin)
    _, end_found, after = rest.partition(end)
    if not (begin_found and end_found):
        raise EvaluationError(f"The document has no place for the results: put {begin.strip()} and {end} into it.")
    return before + begin + block + end + after


def _recall_table(results: dict[str, Result]) -> str:
    rows = []
    for name, result in results.items():
        recalls = result.metrics["test"]["recall"]
        rows.append((f"`{name}`", *(_percent(recalls[emotion]) for emotion in EMOTIONS)))
    return markdown_table(("model", *EMOTIONS), rows)


def _confidence_row(metrics: dict) -> tuple[str, ...]:
    sets = metrics["conformal"]
    low, high = sets["coverage_interval"]
    return (
        f"`{metrics['model']}`",
        _percent(metrics["test_uncalibrated"]["ece"]),
        _percent(metrics["test"]["ece"]),
        f"{sets['mean_size']:.2f}",
        f"{_percent(sets['coverage'])} [{_percent(low)}, {_percent(high)}]",
        *(_percent(sets["coverage_by_emotion"][emotion]) for emotion in EMOTIONS),
    )


def _model_row(result: Result) -> tuple[str, ...]:
    metrics = result.metrics
    training = metrics["training"]
    paper = PAPER_ACCURACY[metrics["model"]]
    recipe = f"{describe_schedule(training)} ({training['recipe']})"
    return (f"`{metrics['model']}`", f"{paper}", *_figures(metrics), *_cost(metrics), recipe)


def _mean_row(results: list[Result], mean: Predictions) -> tuple[str, ...]:
    """The mean of all models' probabilities, at the cost of them all."""
    metrics = {
        "test": summarise(mean.labels, mean.probabilities),
        "test_leak_free": summarise(mean.labels[mean.leak_free], mean.probabilities[mean.leak_free]),
        "test_flip_averaged": summarise(mean.labels, mean.flip_averaged),
        "parameters": sum(result.metrics["parameters"] for result in results),
        "multiply_adds": sum(result.metrics["multiply_adds"] for result in results),
    }
    return (f"mean of the {len(results)}", "–", *_figures(metrics), *_cost(metrics), "–")


def _peer_row(name: str, right: int, leak_free: float | None, parameters: int) -> tuple[str, ...]:
    low, high = wilson_interval(right, PEER_IMAGES)
    accuracy = f"{_percent(right / PEER_IMAGES)} [{_percent(low)}, {_percent(high)}]"
    size = f"{parameters / 1e6:.2f} M"
    return (name, "–", accuracy, _percent(leak_free), "–", "–", size, "–", "not ours")


def _figures(metrics: dict) -> tuple[str, ...]:
    low, high = metrics["test"]["accuracy_interval"]
    return (
        f"**{_percent(metrics['test']['accuracy'])}** [{_percent(low)}, {_percent(high)}]",
        _percent(metrics["test_leak_free"]["accuracy"]),
        _percent(metrics["test_flip_averaged"]["accuracy"]),
        _percent(metrics["test"]["macro_f1"]),
    )


def _cost(metrics: dict) -> tuple[str, ...]:
    return f"{metrics['parameters'] / 1e6:.2f} M", f"{metrics['multiply_adds'] / 1e9:.2f} G"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"


def _comparison_line(results: dict[str, Result], first: str, second: str) -> str:
    labels = results[first].predictions.labels
    found = compare(labels, results[first].predictions.probabilities, results[second].predictions.probabilities)
    difference, low, high = (f"{100 * value:+z.1f}" for value in (found.difference, *found.interval))
    better = second if found.difference > 0 else first
    verdict = f"`{better}` is better" if found.is_significant else "no difference found"
    p_value = "p < 0.001" if found.p_value < 0.001 else f"p = {found.p_value:.3f}"
    return (
        f"- `{second}` minus `{first}`: {difference} points [{low}, {high}], alone right on {found.only_second} and "
        f"{found.only_first} images, the same answer on {found.same_answer:.1%}, {p_value}: {verdict}."
    )
