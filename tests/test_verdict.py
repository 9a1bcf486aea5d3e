"""What all models together say, in words, and how often that is right; all of it worked out by hand."""

import numpy as np
import pytest

from demo.verdict import (
    Record,
    Verdict,
    how_often_right,
    judge,
    known_record,
    mean_of_voices,
    what_the_mirror_says,
    who_says_what,
)
from fer_models import EMOTIONS, MODEL_NAMES
from fer_models.evaluation.results import Evaluation, Predictions
from tests.helpers import explanation, sure_of

BASELINE, RESNET, ATTENTION, CBAM = "baseline_cnn", "resnet50", "attn_cnn", "resnet50_cbam"
APART = tuple((name,) for name in MODEL_NAMES)
HAPPY, SAD = EMOTIONS.index("happy"), EMOTIONS.index("sad")


def all_say(*emotions: str) -> list:
    return [explanation(name, emotion, 0.6) for name, emotion in zip(MODEL_NAMES, emotions, strict=False)]


# --- the headline --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("emotions", "headline"),
    [
        (("happy",), "Happy"),
        (("sad", "neutral"), "Unsure: sad or neutral"),
        (("sad", "neutral", "fear"), "Unsure: sad, neutral or fear"),
        (("sad", "neutral", "fear", "angry"), "Unsure: no emotion stands out"),
    ],
)
def test_the_headline_names_few_emotions_or_none(emotions, headline):
    verdict = Verdict(emotions, np.full(7, 1 / 7))
    assert verdict.headline == headline and verdict.is_sure == (len(emotions) == 1)


def test_the_verdict_is_on_the_mean_of_the_voices():
    found = [explanation(BASELINE, "happy", 1.0), explanation(RESNET, "sad", 1.0), explanation(CBAM, "sad", 1.0)]
    apart = judge(found, Record(((BASELINE,), (RESNET,), (CBAM,))))
    np.testing.assert_allclose(apart.probabilities[[HAPPY, SAD]], [1 / 3, 2 / 3], rtol=1e-6)
    assert apart.emotions == ("sad",)  # where it is not known, only the likeliest
    twins = judge(found, Record(((BASELINE,), (RESNET, CBAM)), mass=0.6))
    np.testing.assert_allclose(twins.probabilities[[HAPPY, SAD]], [0.5, 0.5], rtol=1e-6)
    assert twins.headline == "Unsure: happy or sad"


def test_the_mean_of_voices_weighs_voices_and_not_models():
    probabilities = {"a": np.full((2, 7), 0.0), "b": np.full((2, 7), 0.4), "c": np.full((2, 7), 0.8)}
    np.testing.assert_allclose(mean_of_voices(probabilities, (("a",), ("b", "c"))), np.full((2, 7), 0.3))
    np.testing.assert_allclose(mean_of_voices(probabilities, (("a",), ("b",), ("c",))), np.full((2, 7), 0.4))


# --- who says what -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("emotions", "sentence"),
    [
        (["happy"] * 4, "All four models say happy."),
        (["sad"] * 2, "Both models say sad."),
        (["happy", "happy", "fear", "happy"], "Three of four models say happy; Attention CNN says fear."),
        (["happy", "fear", "happy"], "Two of three models say happy; ResNet-50 says fear."),
        (
            ["sad", "happy", "sad", "happy"],
            "The models disagree: Baseline CNN and Attention CNN say sad; ResNet-50 and ResNet-50 + CBAM say happy.",
        ),
        (
            ["fear", "sad", "sad", "angry"],
            "The models disagree: ResNet-50 and Attention CNN say sad; Baseline CNN says fear; "
            "ResNet-50 + CBAM says angry.",
        ),
        (["fear"], "Baseline CNN says fear. No other model is shown to compare it with."),
    ],
)
def test_one_sentence_says_who_agrees(emotions, sentence):
    assert who_says_what(all_say(*emotions), APART) == sentence


def test_twins_are_told_to_count_once():
    said = who_says_what(all_say(*["happy"] * 4), ((BASELINE,), (ATTENTION,), (RESNET, CBAM)))
    assert (
        said == "All four models say happy. ResNet-50 and ResNet-50 + CBAM nearly always agree, so they count as one."
    )


# --- the mirror ----------------------------------------------------------------------------------------------------


def mirror_record(**accuracies: tuple[float | None, float | None]) -> Record:
    """Of models whose answers are right so often where the mirror changes them, and elsewhere."""
    mirror = {
        name: {"where_changed": {"accuracy": changed}, "where_same": {"accuracy": same}}
        for name, (changed, same) in accuracies.items()
    }
    return Record(APART, mirror=mirror)


def test_the_mirror_changes_nothing():
    assert what_the_mirror_says(all_say(*["sad"] * 4), Record(APART)) == (
        "All four models give the mirror image the same answer."
    )
    assert what_the_mirror_says(all_say("sad"), Record(APART)) == "The model gives the mirror image the same answer."


def test_the_mirror_changes_one_answer():
    found = [explanation(BASELINE, "sad", 0.6), explanation(RESNET, "sad", 0.6, mirrored="fear")]
    sentence = "Mirrored, ResNet-50 changes its answer."
    assert what_the_mirror_says(found, Record(APART)) == sentence
    assert what_the_mirror_says(found, mirror_record(resnet50=(None, 0.7))) == sentence
    assert what_the_mirror_says(found, mirror_record(baseline_cnn=(0.3, 0.6), resnet50=(0.41, 0.74))) == (
        f"{sentence} On FER-2013's test faces, such an answer is right 41 % of the time, one that stays the same 74 %."
    )


def test_the_mirror_changes_several_answers():
    changing = [explanation(name, "sad", 0.6, mirrored="fear") for name in (BASELINE, RESNET)]
    found = [*changing, explanation(ATTENTION, "sad", 0.6)]
    record = mirror_record(baseline_cnn=(0.35, 0.74), resnet50=(0.41, 0.74))
    assert what_the_mirror_says(found, record) == (
        "Mirrored, Baseline CNN and ResNet-50 change their answer. On FER-2013's test faces, such an answer is right "
        "35 to 41 % of the time, one that stays the same 74 %."
    )
    assert what_the_mirror_says(changing, Record(APART)) == "Mirrored, both models change their answer."


# --- what is known of the answers ----------------------------------------------------------------------------------


def happy_or_sad(*happy: float) -> np.ndarray:
    """Probabilities (N, 7) of faces that are happy with so much probability, and else sad."""
    probabilities = np.zeros((len(happy), 7), np.float32)
    probabilities[:, HAPPY], probabilities[:, SAD] = happy, 1 - np.float32(happy)
    return probabilities


def evaluation(face: tuple, mirrored: tuple, validation: tuple = ()) -> Evaluation:
    """Of four test faces, the first happy and the others sad, and of happy validation faces."""
    views = np.stack([happy_or_sad(*face), happy_or_sad(*mirrored)])
    known = happy_or_sad(*validation)
    labels = np.uint8([HAPPY, SAD, SAD, SAD])
    happy = np.full(len(validation), HAPPY, np.uint8)
    return Evaluation({}, Predictions(labels, np.ones(4, bool), views[0], views, happy, np.stack([known, known])))


SURE = (0.95,) * 7  # of the validation faces
RESULTS = {
    ATTENTION: evaluation((0.9, 0.9, 0.8, 0.2), (0.9, 0.9, 0.4, 0.2), (*SURE, 0.5, 0.1)),  # the third: 0.6
    RESNET: evaluation((0.9, 0.7, 0.4, 0.2), (0.9, 0.7, 0.4, 0.2), (*SURE, 0.2, 0.1)),
    CBAM: evaluation((0.7, 0.9, 0.2, 0.4), (0.7, 0.9, 0.2, 0.4), (*SURE, 0.4, 0.1)),
}


def test_the_record_of_three_models():
    """The ResNets always agree, so the voices say happy with (0.9 + 0.8) / 2, 0.85, (0.6 + 0.3) / 2 and 0.25."""
    record = known_record(RESULTS, list(RESULTS))
    assert record.voices == ((ATTENTION,), (RESNET, CBAM))
    # The eighth of nine scores, for 80 % of ten: of the face to which the voices give 0.5 and 0.3, so 0.6 to sad.
    assert record.mass == pytest.approx(0.6)
    # On the third face only, the likeliest emotion has less: 0.55. Wrong is the second face.
    assert (record.sure_share, record.sure_accuracy) == (0.75, pytest.approx(2 / 3))
    assert record.unsure_accuracy == 1.0
    assert [record.mirror[name]["changed"] for name in RESULTS] == [0.25, 0, 0]
    assert record.mirror[ATTENTION]["where_changed"]["accuracy"] == 0  # happy 0.6, but sad
    assert how_often_right(record, 3).startswith(
        "On FER-2013's test faces, all three models together are right 67 % of the time where the verdict names one "
        "emotion, as it does for 75 % of them, and 100 % where it is unsure."
    )
    assert "the model is right" in how_often_right(record, 1)


def test_without_validation_faces_the_mass_is_not_known():
    results = {name: evaluation((0.9,) * 4, (0.9,) * 4) for name in (BASELINE, RESNET)}
    record = known_record(results, list(results))
    assert record.voices == ((BASELINE, RESNET),) and record.mass is None and record.mirror
    assert how_often_right(record, 2) == ""
    some = known_record(results | {RESNET: RESULTS[RESNET]}, list(results))
    assert some.mass is None


def test_models_that_are_always_sure_leave_the_other_case_open():
    results = {RESNET: evaluation((1, 1, 0, 0), (1, 1, 0, 0), (1.0,) * 9)}
    record = known_record(results, [RESNET])
    assert (record.sure_share, record.sure_accuracy, record.unsure_accuracy) == (1, 0.75, None)
    assert how_often_right(record, 1) == ""


def test_where_an_evaluation_is_missing_or_of_other_images_nothing_is_known():
    assert known_record(RESULTS, [RESNET, BASELINE]) == Record(((RESNET,), (BASELINE,)))
    other = Predictions(np.uint8([0, 1, 2, 3]), np.ones(4, bool), sure_of("sad"), RESULTS[CBAM].predictions.views)
    assert known_record(RESULTS | {CBAM: Evaluation({}, other)}, [RESNET, CBAM]) == Record(((RESNET,), (CBAM,)))
    assert known_record({}, []) == Record(())
