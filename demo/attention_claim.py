"""Does attention help in our models, as the student paper reports? Sentences that are written from the figures."""

from collections.abc import Mapping

from fer_models.architectures import model_title
from fer_models.checkpoints import EvaluationError
from fer_models.evaluation.comparison import Comparison, compare
from fer_models.evaluation.results import Evaluation, check_same_images
from fer_models.evaluation.seeds import REPORTED, Seeds, findings, reported_gain

PAPER = "the student paper that FER Lens grew from"

# The models of REPORTED differ only in attention; these two in their other layers as well, so their difference is not
# the effect of attention.
MIXED = ("baseline_cnn", "attn_cnn")

DIFFERENT_IMAGES = "the two models were evaluated on different images"


def claim(results: Mapping[str, Evaluation], seeds: Seeds) -> str:
    """What our accuracies say about the paper's claim, or why they say nothing, in plain text.

    Args:
        results: stored evaluations by model name; any of them may be missing.
        seeds: accuracies over several seeds, as `read_seeds` returns them; {} if there are none.
    """
    return f"{_claim_about_cbam(results)} {findings(seeds)}".strip()


def _claim_about_cbam(results: Mapping[str, Evaluation]) -> str:
    if not results:
        return f"None of our models is evaluated yet, so the chart shows Table I of {PAPER} and public packages only."
    missing = [model_title(name) for name in REPORTED if name not in results]
    if missing:
        what = f"the evaluation of {' and '.join(missing)} is missing"
        return f"Whether attention helps, as Table I of {PAPER} suggests, is open: {what}."
    found = _compare(results, REPORTED)
    if found is None:
        return f"Whether attention helps, as Table I of {PAPER} suggests, is open: {DIFFERENT_IMAGES}."
    plain, attention = (model_title(name) for name in REPORTED)
    return (
        f"{_verdict(found)}: {attention} scores {_points(100 * found.difference.mean)} {plain} (95 % interval "
        f"{_interval(found)}, one training each), where Table I of {PAPER} has it {_points(reported_gain())}."
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


def _verdict(found: Comparison) -> str:
    """The finding in a few words."""
    gain = found.difference
    if not found.is_significant:
        return "CBAM brings no clear gain in our models"
    if gain.mean < 0:
        return "CBAM costs accuracy in our models"
    if reported_gain() > 100 * gain.high:
        return "CBAM helps in our models, but less than reported"
    if reported_gain() < 100 * gain.low:
        return "CBAM helps in our models, and more than reported"
    return "CBAM helps in our models, as reported"


def _points(difference: float) -> str:
    """A difference in percentage points, such as "0.5 points above"."""
    amount = f"{abs(difference):.1f}"
    return "level with" if amount == "0.0" else f"{amount} points {'above' if difference > 0 else 'below'}"


def _interval(found: Comparison) -> str:
    low, high = (f"{100 * end:+z.1f}".replace("-", "−") for end in (found.difference.low, found.difference.high))
    return f"{low} to {high}"
