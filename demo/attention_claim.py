"""Does attention help in our models, as the student paper reports? Sentences that are written from the figures."""

from collections.abc import Mapping

from fer_models.architectures import MODELS, model_title
from fer_models.checkpoints import EvaluationError
from fer_models.evaluation.comparison import Comparison, compare
from fer_models.evaluation.results import Evaluation, check_same_images

PAPER = "the student paper that FER Lens grew from"

# A model without attention and the one that the paper compares with it. These two differ only in attention ...
TEST = ("resnet50", "resnet50_cbam")
# ... and these two in their other layers as well, so their difference is not the effect of attention.
MIXED = ("baseline_cnn", "attn_cnn")

DIFFERENT_IMAGES = "the two models were evaluated on different images"


def claim_sentence(results: Mapping[str, Evaluation]) -> str:
    """What our accuracies say about the paper's claim, or why they say nothing, in plain text.

    Args:
        results: stored evaluations by model name; any of them may be missing.
    """
    if not results:
        return f"None of our models is evaluated yet, so the chart shows Table I of {PAPER} and public packages only."
    missing = [model_title(name) for name in TEST if name not in results]
    if missing:
        what = f"the evaluation of {' and '.join(missing)} is missing"
        return f"Whether attention helps, as Table I of {PAPER} suggests, is open: {what}."
    found = _compare(results, TEST)
    if found is None:
        return f"Whether attention helps, as Table I of {PAPER} suggests, is open: {DIFFERENT_IMAGES}."
    plain, attention = (model_title(name) for name in TEST)
    reported = _reported_gain()
    return (
        f"{_verdict(found, reported)}: {attention} scores {_points(100 * found.difference.mean)} {plain} "
        f"(95 % interval {_interval(found)}), where Table I of {PAPER} has it {_points(reported)}."
    )


def mixed_sentence(results: Mapping[str, Evaluation]) -> str:
    """How the other two models differ, and why that is not the effect of attention; "" if it is not known."""
    found = _compare(results, MIXED) if all(name in results for name in MIXED) else None
    if found is None:
        return ""
    plain, attention = (model_title(name) for name in MIXED)
    return (
        f"{attention} scores {_points(100 * found.difference.mean)} {plain} ({_interval(found)}), but these two differ "
        "in more than attention."
    )


def _compare(results: Mapping[str, Evaluation], pair: tuple[str, str]) -> Comparison | None:
    """The second model against the first; None if they were evaluated on different images."""
    try:
        check_same_images([results[name] for name in pair])
    except EvaluationError:
        return None
    plain, attention = (results[name].predictions for name in pair)
    return compare(plain.labels, plain.probabilities, attention.probabilities)


def _verdict(found: Comparison, reported: float) -> str:
    """The finding in a few words; `reported` is the paper's gain in percentage points."""
    gain = found.difference
    if not found.is_significant:
        return "Attention brings no clear gain in our models"
    if gain.mean < 0:
        return "Attention costs accuracy in our models"
    if reported > 100 * gain.high:
        return "Attention helps in our models, but less than reported"
    if reported < 100 * gain.low:
        return "Attention helps in our models, and more than reported"
    return "Attention helps in our models, as reported"


def _reported_gain() -> float:
    """The paper's accuracy of the second model of TEST minus that of the first, in percentage points."""
    plain, attention = (MODELS[name].paper_accuracy for name in TEST)
    assert plain is not None and attention is not None  # both are in its Table I
    return attention - plain


def _points(difference: float) -> str:
    """A difference in percentage points, such as "0.5 points above"."""
    amount = f"{abs(difference):.1f}"
    return "level with" if amount == "0.0" else f"{amount} points {'above' if difference > 0 else 'below'}"


def _interval(found: Comparison) -> str:
    low, high = (f"{100 * end:+z.1f}".replace("-", "−") for end in (found.difference.low, found.difference.high))
    return f"{low} to {high}"
