"""The rules by which figures of the heat-map study become verdicts, on figures made by hand."""

import pytest

from fer_models.estimates import Estimate
from fer_models.heatmap_study.report import best_maps
from fer_models.heatmap_study.tables import points
from fer_models.heatmap_study.verdicts import Verdict, best_supported, remarks, verdict
from tests.studies import agreement_of, interval, made_up_study

BETTER, NO_DIFFERENCE, WORSE = interval(0.2), interval(0.01), interval(-0.2)


@pytest.mark.parametrize(
    ("random", "centre", "edges", "expected"),
    [
        (BETTER, BETTER, BETTER, Verdict("good", "beats all three")),
        (BETTER, NO_DIFFERENCE, BETTER, Verdict("unclear", "no better than the centre")),
        (BETTER, BETTER, NO_DIFFERENCE, Verdict("unclear", "no better than edges")),
        (BETTER, NO_DIFFERENCE, NO_DIFFERENCE, Verdict("unclear", "no better than the centre")),
        (BETTER, WORSE, NO_DIFFERENCE, Verdict("bad", "worse than the centre")),
        (BETTER, NO_DIFFERENCE, WORSE, Verdict("bad", "worse than edges")),
        (NO_DIFFERENCE, WORSE, WORSE, Verdict("bad", "no better than random")),
        (NO_DIFFERENCE, BETTER, BETTER, Verdict("bad", "no better than random")),
        (WORSE, WORSE, WORSE, Verdict("bad", "worse than random")),
    ],
)
def test_the_most_damning_failure_gives_the_verdict(random, centre, edges, expected):
    # Whether it beats another face's map makes no difference: that one knows the model.
    assert verdict({"random": random, "centre": centre, "edges": edges, "other_face": WORSE}) == expected


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.001, 0.1, "beats all three"),
        (0.0004, 0.1, "no better than random"),  # 0.0 points, as the table shows it
        (-0.1, -0.0004, "no better than random"),
        (-0.1, -0.001, "worse than random"),
    ],
)
def test_an_interval_decides_as_it_is_rounded_in_the_table(low, high, words):
    advantage = {"random": Estimate((low + high) / 2, low, high), "centre": BETTER, "edges": BETTER}
    assert verdict(advantage).words == words
    assert ("+0.0" in points(advantage["random"])) == (words == "no better than random")


def test_a_map_that_is_right_needs_no_remark():
    assert remarks(made_up_study().statistics["maps"]["gradcam"], 40) == {}


def test_remarks_say_what_else_speaks_against_a_map():
    figures = made_up_study().statistics["maps"]["gradcam"]
    same, unsure = interval(0.8), interval(0.5)
    assert remarks(figures | {"sanity": {"head": same, "stage1": same}}, 40) == {
        "weights": "similar with random weights"
    }
    assert remarks(figures | {"sanity": {"head": same, "stage1": unsure}}, 40) == {"head": "similar with a random head"}
    assert remarks(figures | {"sanity": {"head": unsure, "stage1": interval(0)}}, 40) == {
        "undecided": "sanity check undecided"
    }
    assert remarks(figures | {"across_faces": agreement_of(0.56)}, 40) == {"faces": "similar on all faces"}
    assert remarks(figures | {"across_faces": agreement_of(0.54)}, 40) == {}
    assert remarks(figures | {"flat": 8}, 40) == {"flat": "constant on 8 of 40 faces"}
    nothing = {"rank_correlation": None, "overlap": None}
    assert remarks(figures | {"sanity": None, "across_faces": nothing}, 40) == {}


def test_of_the_maps_that_beat_all_the_one_with_the_largest_lead_over_random_is_supported_best():
    study = made_up_study()
    maps = study.statistics["maps"]
    assert best_supported(study) == "gradcam"  # all are equal
    maps["layercam"]["advantage"]["random"] = interval(0.3)
    assert best_supported(study) == "layercam"
    maps["eigencam@attention"]["advantage"]["random"] = interval(0.4)
    assert best_supported(study) == "eigencam@attention"
    assert best_maps({"attn_cnn": study}) == "Best supported: Eigen-CAM after attention for `attn_cnn`."
    maps["eigencam@attention"]["sanity"]["head"] = interval(0.8)
    maps["hirescam"]["advantage"] |= {"random": interval(0.5), "centre": NO_DIFFERENCE}
    maps["attention"]["advantage"]["random"] = interval(0.6)  # not a method
    assert best_supported(study) == "layercam"


def test_a_map_that_fails_the_sanity_check_is_not_supported():
    study = made_up_study()
    maps = study.statistics["maps"]
    maps["gradcam"]["sanity"]["head"] = interval(0.8)
    maps["gradcam++"]["sanity"]["head"] = interval(0.5)  # undecided
    assert best_supported(study) == "gradcam++"
    assert best_maps({"attn_cnn": study}) == "Best supported: Grad-CAM++ for `attn_cnn` (sanity check undecided)."


def test_without_a_map_that_beats_all_one_that_loses_against_none_is_taken():
    study = made_up_study()
    for figures in study.statistics["maps"].values():
        figures["advantage"]["centre"] = WORSE
    assert best_supported(study) is None
    assert best_maps({"attn_cnn": study}).startswith("Best supported: no map for `attn_cnn`, as none")
    study.statistics["maps"]["hirescam"]["advantage"]["centre"] = NO_DIFFERENCE
    assert best_supported(study) == "hirescam"


def test_the_sentence_says_where_plain_gradcam_fails():
    study = made_up_study()
    for figures in study.statistics["maps"].values():
        figures["advantage"]["centre"] = NO_DIFFERENCE
    study.statistics["maps"]["gradcam"] |= {"advantage": dict.fromkeys(("random", "centre", "edges"), WORSE), "flat": 8}
    assert best_maps({"resnet50": made_up_study("resnet50"), "attn_cnn": study}) == (
        "Best supported: Grad-CAM for `resnet50` and Grad-CAM++ for `attn_cnn` (no better than the centre). "
        "Plain Grad-CAM, in front of the attention, fails for `attn_cnn`: it is worse than random, and constant on 8 "
        "of 40 faces."
    )
