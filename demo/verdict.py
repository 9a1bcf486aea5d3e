"""What all models together say about a face, how sure that is, and what the mirror adds, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from demo.markup import all_of, in_words, listed, percent
from fer_models import EMOTIONS, Explanation
from fer_models.architectures import model_title
from fer_models.checkpoints import EvaluationError
from fer_models.evaluation.conformal import mass_threshold
from fer_models.evaluation.mirror import mirror_test
from fer_models.evaluation.results import Evaluation, check_same_images
from fer_models.inference import likeliest_set
from fer_models.inference.probabilities import mass_before

# From this share of equal answers on, models count as one voice.
COUNT_AS_ONE = 0.95

# The verdict names the likeliest emotions until they contain the label in 80 % of FER-2013's faces, and is unsure if it
# takes more than one. Then even the likeliest is wrong more often than right; where it names one, that is right four
# times of five or more (`Record` holds the figures).
VERDICT_COVERAGE = 0.8

# The verdict names at most so many emotions.
MAX_NAMED = 3

Voices = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Record:
    """What FER-2013 tells about the models' answers, each the mean of a face and its mirror image.

    Attributes:
        voices: names of the models; those that nearly always agree are one voice.
        mass: the probability that the emotions a verdict names must have together, fitted to the validation split; None
            if it is not known.
        sure_share, sure_accuracy, unsure_accuracy: on the test split: how often the verdict names one emotion, and how
            often its likeliest emotion is right where it does and where it does not; None where there is no such face.
        mirror: what `mirror_test` found for each model, by name.
    """

    voices: Voices
    mass: float | None = None
    sure_share: float | None = None
    sure_accuracy: float | None = None
    unsure_accuracy: float | None = None
    mirror: Mapping[str, dict[str, Any]] | None = None


@dataclass(frozen=True)
class Verdict:
    """What all models together say.

    Attributes:
        emotions: those that the verdict names, the likeliest first; more than one where it is unsure.
        probabilities: float32 (7,), the mean over the voices.
    """

    emotions: tuple[str, ...]
    probabilities: np.ndarray

    @property
    def is_sure(self) -> bool:
        return len(self.emotions) == 1

    @property
    def headline(self) -> str:
        """ "Happy", "Unsure: sad or neutral", or that nothing stands out."""
        if self.is_sure:
            return self.emotions[0].capitalize()
        if len(self.emotions) > MAX_NAMED:
            return "Unsure: no emotion stands out"
        return f"Unsure: {listed(self.emotions, 'or')}"

    @property
    def shares(self) -> str:
        """The probabilities of the emotions that the headline names, such as "94 %" or "32 % and 24 %"."""
        named = self.emotions if len(self.emotions) <= MAX_NAMED else self.emotions[:1]
        return listed([percent(float(self.probabilities[EMOTIONS.index(emotion)])) for emotion in named])


def known_record(results: Mapping[str, Evaluation], names: Sequence[str]) -> Record:
    """The record of these models, as far as their stored evaluations tell.

    Args:
        results: stored evaluations by model name.
        names: the models that are asked.
    """
    if not names:
        return Record(())
    try:
        known = [results[name] for name in names]
        check_same_images(known)
    except (KeyError, EvaluationError):  # the tab Evaluation reports it
        return Record(tuple((name,) for name in names))
    predictions = {name: results[name].predictions for name in names}
    test = {name: found.flip_averaged for name, found in predictions.items()}
    voices = _voices(test)
    mirror = {name: mirror_test(found.labels, found.views) for name, found in predictions.items()}

    validation = {name: found.validation_views.mean(axis=0) for name, found in predictions.items()}
    if len({answers.shape for answers in validation.values()}) > 1 or not all(map(len, validation.values())):
        return Record(voices, mirror=mirror)
    first = known[0].predictions
    mass = mass_threshold(first.validation_labels, mean_of_voices(validation, voices), VERDICT_COVERAGE)
    together = mean_of_voices(test, voices)
    sure = (mass_before(together) < mass).sum(axis=1) <= 1
    right = together.argmax(axis=1) == first.labels
    return Record(
        voices,
        mass,
        sure_share=float(sure.mean()),
        sure_accuracy=float(right[sure].mean()) if sure.any() else None,
        unsure_accuracy=float(right[~sure].mean()) if not sure.all() else None,
        mirror=mirror,
    )


def mean_of_voices(probabilities: Mapping[str, np.ndarray], voices: Voices) -> np.ndarray:
    """The mean over the voices of the mean over each voice's models: (..., 7) from the same by model name."""
    return np.mean([np.mean([probabilities[name] for name in voice], axis=0) for voice in voices], axis=0)


def judge(explanations: Sequence[Explanation], record: Record) -> Verdict:
    """The verdict on a face; where `Record.mass` is not known, it names the likeliest emotion."""
    probabilities = mean_of_voices({each.model_name: each.probabilities for each in explanations}, record.voices)
    return Verdict(likeliest_set(probabilities, record.mass or 0.0), probabilities)


def who_says_what(explanations: Sequence[Explanation], voices: Voices) -> str:
    """One sentence on whether the models give the same answer, and who differs if they do not."""
    camps: dict[str, list[str]] = {}
    for explanation in explanations:
        camps.setdefault(explanation.emotion, []).append(explanation.model_name)
    count = len(explanations)
    (emotion, majority), *others = sorted(camps.items(), key=lambda camp: -len(camp[1]))
    if count == 1:
        return f"{model_title(majority[0])} says {emotion}. No other model is shown to compare it with."
    if not others:
        sentence = f"{all_of(count)} models say {emotion}."
    elif len(majority) > count / 2:
        dissent = listed([_camp(*camp) for camp in others])
        sentence = f"{in_words(len(majority)).capitalize()} of {in_words(count)} models say {emotion}; {dissent}."
    else:
        sentence = f"The models disagree: {'; '.join(_camp(*camp) for camp in ((emotion, majority), *others))}."
    twins = [listed([model_title(name) for name in voice]) for voice in voices if len(voice) > 1]
    return " ".join([sentence, *(f"{names} nearly always agree, so they count as one." for names in twins)])


def what_the_mirror_says(explanations: Sequence[Explanation], record: Record) -> str:
    """Which models answer differently for the mirror image, and how often such an answer is right."""
    changed = [each.model_name for each in explanations if each.changes_when_mirrored]
    if not changed:
        who = "The model gives" if len(explanations) == 1 else f"{all_of(len(explanations))} models give"
        return f"{who} the mirror image the same answer."
    who = listed([model_title(name) for name in changed])
    if len(changed) == len(explanations) > 1:
        who = f"{all_of(len(explanations))} models".lower()
    verb, their = ("changes", "its") if len(changed) == 1 else ("change", "their")
    sentence = f"Mirrored, {who} {verb} {their} answer."
    found = [(record.mirror or {}).get(name) for name in changed]
    shares = [
        [one[kind]["accuracy"] for one in found if one and one[kind]["accuracy"] is not None]
        for kind in ("where_changed", "where_same")
    ]
    if not all(shares):
        return sentence
    there, elsewhere = (_range(accuracies) for accuracies in shares)
    return (
        f"{sentence} On FER-2013's test faces, such an answer is right {there} of the time, one that stays the same "
        f"{elsewhere}."
    )


def how_often_right(record: Record, count: int) -> str:
    """How often verdicts of both kinds are right; "" if that is not known."""
    if record.sure_accuracy is None or record.unsure_accuracy is None or record.sure_share is None:
        return ""
    who = "the model is" if count == 1 else f"{all_of(count).lower()} models together are"
    return (
        f"On FER-2013's test faces, {who} right {percent(record.sure_accuracy)} of the time where the verdict names "
        f"one emotion, as it does for {percent(record.sure_share)} of them, and {percent(record.unsure_accuracy)} "
        f"where it is unsure. It names the likeliest emotions until they have {percent(record.mass or 0)} together, so "
        f"that the raters' label is among the named ones for {percent(VERDICT_COVERAGE)} of the faces. Each answer is "
        "the mean over the face and its mirror image."
    )


def _voices(answers: Mapping[str, np.ndarray]) -> Voices:
    """Models whose answers are the same on COUNT_AS_ONE of the faces or more, joined; from probabilities (N, 7)."""
    voices = [{name} for name in answers]
    for first, second in combinations(answers, 2):
        if (answers[first].argmax(axis=1) == answers[second].argmax(axis=1)).mean() >= COUNT_AS_ONE:
            joined = [voice for voice in voices if first in voice or second in voice]
            voices = [voice for voice in voices if voice not in joined] + [set().union(*joined)]
    return tuple(sorted(tuple(name for name in answers if name in voice) for voice in voices))


def _camp(emotion: str, names: Sequence[str]) -> str:
    verb = "says" if len(names) == 1 else "say"
    return f"{listed([model_title(name) for name in names])} {verb} {emotion}"


def _range(shares: Sequence[float]) -> str:
    low, high = percent(min(shares)), percent(max(shares))
    return low if low == high else f"{low.removesuffix(' %')} to {high}"
