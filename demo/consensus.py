"""Consensus of the models about a face, and the agreement of their heat maps, as HTML."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import isnan

import numpy as np

from fer_models import EMOTIONS, Explanation
from fer_models.architectures import MODELS
from fer_models.checkpoints import EvaluationError
from fer_models.evaluation.results import Evaluation, mean_predictions
from fer_models.evidence import Agreement, measure_agreement
from fer_models.inference.probabilities import jensen_shannon

NUMBER_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

# From this share of equal answers on, two models are said to count as one.
COUNT_AS_ONE = 0.95


def describe_record(results: Mapping[str, Evaluation]) -> str:
    """Accuracy of the mean of the models' answers, and which models hardly ever differ; "" if not known.

    Args:
        results: stored evaluations of the models that are asked, by name.
    """
    try:
        mean = mean_predictions(list(results.values())) if len(results) > 1 else None
    except EvaluationError:  # they are of different images, which the tab Evaluation reports
        mean = None
    if mean is None:
        return ""
    answers = {name: result.predictions.probabilities.argmax(axis=1) for name, result in results.items()}
    shares = {pair: (answers[pair[0]] == answers[pair[1]]).mean() for pair in combinations(answers, 2)}
    twins = "".join(
        f" {MODELS[first].title} and {MODELS[second].title} give the same answer on {share:.1%} of "
        "them: count these two as one."
        for (first, second), share in shares.items()
        if share >= COUNT_AS_ONE
    )
    return f"On FER-2013's test faces this mean is right {mean.accuracy:.1%} of the time.{twins}"


def render_consensus(explanations: Sequence[Explanation], record: str) -> str:
    """Who agrees in one sentence, then the mean of all answers.

    Args:
        explanations: one per model.
        record: as `describe_record` returns it.
    """
    sentence = f'<p class="verdict" role="status">{agreement_sentence(explanations)}</p>'
    if len(explanations) == 1:
        return sentence
    distributions = np.stack([explanation.probabilities for explanation in explanations])
    mean = distributions.mean(axis=0)
    first, second = np.argsort(-mean)[:2]
    models = _all_of(len(explanations)).lower()
    return f"""{sentence}
    <p class="consensus">The mean of {models}: <b>{EMOTIONS[first]}</b> {mean[first]:.0%}, then
    {EMOTIONS[second]} {mean[second]:.0%}. {record} Their disagreement is {jensen_shannon(distributions):.2f}, on a
    scale from 0 (all say the same) to 1 (no two have an emotion in common; Jensen-Shannon divergence).</p>"""


def agreement_sentence(explanations: Sequence[Explanation]) -> str:
    """One sentence on whether the models give the same answer, and who differs if they do not."""
    camps: dict[str, list[Explanation]] = {}
    for explanation in explanations:
        camps.setdefault(explanation.emotion, []).append(explanation)
    (emotion, majority), *others = sorted(camps.items(), key=lambda camp: -len(camp[1]))

    if len(explanations) == 1:
        return f"{MODELS[majority[0].model_name].title} sees {emotion}; no other model is loaded to compare it with."
    if not others:
        return f"{_all_of(len(majority))} models see {emotion}."
    if len(majority) > len(explanations) / 2:
        dissent = " and ".join(_camp(*camp) for camp in others)
        return (
            f"{in_words(len(majority)).capitalize()} of {in_words(len(explanations))} models see {emotion}; {dissent}."
        )
    return f"The models disagree: {'; '.join(_camp(*camp) for camp in ((emotion, majority), *others))}."


def render_map_agreement(explanations: Sequence[Explanation]) -> str:
    """How alike the heat maps of each two models are, as a table; nothing for a single model."""
    if len(explanations) == 1:
        return ""
    found = {
        (first.model_name, second.model_name): measure_agreement(first.heatmap, second.heatmap)
        for first, second in combinations(explanations, 2)
    }
    names = [explanation.model_name for explanation in explanations]
    head = "".join(f'<th scope="col">{MODELS[name].title}</th>' for name in names[1:])
    rows = "".join(
        f'<tr><th scope="row">{MODELS[row].title}</th>'
        + "".join(f"<td>{_cell(found.get((row, column)))}</td>" for column in names[1:])
        + "</tr>"
        for row in names[:-1]
    )
    return f"""
    <section class="map-agreement">
      <h3>Do the models look at the same places?</h3>
      <div class="scrolling"><table class="plain lined"><tr><td></td>{head}</tr>{rows}</table></div>
      <p class="legend">Rank correlation of two heat maps (1: the same order of places, 0:
      unrelated), and how much their hottest fifths overlap (unrelated maps: 11 %). Faces have the same position in
      every picture, so maps of different faces agree, too: “Trust the maps?” shows by how much.</p>
    </section>"""


def _cell(found: Agreement | None) -> str:
    if found is None:
        return ""
    return (
        "a map is flat" if isnan(found.overlap) else f"{found.rank_correlation:z.2f} <small>{found.overlap:.0%}</small>"
    )


def _all_of(count: int) -> str:
    return "Both" if count == 2 else f"All {in_words(count)}"


def in_words(count: int) -> str:
    """A number as a word, up to ten."""
    return NUMBER_WORDS[count] if count < len(NUMBER_WORDS) else str(count)


def _camp(emotion: str, members: list[Explanation]) -> str:
    names = " and ".join(f"{MODELS[member.model_name].title} ({member.probabilities.max():.0%})" for member in members)
    return f"{names} {'sees' if len(members) == 1 else 'see'} {emotion}"
