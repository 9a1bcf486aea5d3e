"""Heat maps measured over many faces: models that can be worked out by hand, and what is said about made-up figures."""

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fer_models.architectures import create_model
from fer_models.architectures.attention import SpatialAttention
from fer_models.architectures.base import EmotionModel
from fer_models.checkpoints import EvaluationError, save_checkpoint
from fer_models.data.fer2013 import FER2013, Split
from fer_models.estimates import Estimate, estimate, estimate_over_draws
from fer_models.evaluation.__main__ import main
from fer_models.evidence import REGIONS, perturbation_curves, predict_with_uniform_attention, region_shares
from fer_models.evidence.baselines import centred_gaussian
from fer_models.evidence.perturbation import perturbed_faces
from fer_models.evidence.pixels import to_pixels
from fer_models.explanations import METHODS, explain
from fer_models.heatmap_study import measure
from fer_models.heatmap_study.measure import (
    BASELINES,
    RIVALS,
    MeasuredExplanations,
    compare_maps,
    layers_of,
    measure_explanations,
)
from fer_models.heatmap_study.report import conclusion, render_explanations
from fer_models.heatmap_study.store import COMMAND, read_explanations, save_explanations
from fer_models.inference import predict, preprocess
from tests.studies import agreement_of, interval, made_up_study

ANGRY, HAPPY = 0, 3
FACES = 5

# Of the 6x6 cells that the models see, the upper left quadrant.
QUADRANT = np.zeros((6, 6), np.float32)
QUADRANT[:3, :3] = 1 / 9


class Cells(EmotionModel):
    """Happy in proportion to a weighted sum of 6x6 cells' brightness, and of nothing else."""

    name = "baseline_cnn"
    input_size = 48
    stages = ("pool",)
    head: tuple[str, ...] = ("fc",)

    def __init__(self, weights: np.ndarray) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(8)
        self.fc = nn.Linear(36, 7)
        nn.init.zeros_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)
        self.fc.weight.data[HAPPY] = torch.from_numpy(4 * weights).flatten()

    def forward_features(self, faces):
        return self.pool(faces)

    def forward_head(self, features):
        return self.fc(features.mean(dim=1).flatten(1))


class AttentiveCells(Cells):
    """Its attention is the greater the brighter a cell is."""

    name = "attn_cnn"
    head = ("attention", "fc")

    def __init__(self, weights: np.ndarray) -> None:
        super().__init__(weights)
        self.attention = SpatialAttention(1)
        nn.init.constant_(self.attention.conv.weight, 1)
        nn.init.ones_(self.attention.bn.weight)

    @property
    def spatial_attention(self):
        return self.attention

    def forward_head(self, features):
        return super().forward_head(self.attention(features))


@pytest.fixture(scope="module", autouse=True)
def _few_fractions() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "FEW_FRACTIONS", (0.2, 0.4))
        yield


@pytest.fixture(scope="module")
def data() -> FER2013:
    """Faces with a bright upper left quadrant and an even brighter lower third; the rest is dark noise."""
    images = np.random.default_rng(0).integers(0, 60, (FACES, 48, 48), dtype=np.uint8)
    images[:, :24, :24] += 140
    images[:, 32:] += 190
    test = Split(torch.from_numpy(images), torch.tensor([HAPPY, HAPPY, HAPPY, ANGRY, ANGRY]))
    return FER2013(test, test, test, layout="synthetic", fingerprint="f")


@pytest.fixture(scope="module")
def measured(data) -> MeasuredExplanations:
    return measure_explanations(Cells(QUADRANT), data)


# ---- Measuring ----------------------------------------------------------------------------------------------------


def test_the_right_map_beats_every_baseline_and_the_text_says_so(measured):
    found = measured.statistics["maps"]
    assert measured.statistics["images"] == FACES
    for method in ("hirescam", "layercam"):  # gradient times activation in each cell: exactly what each one adds
        assert all(found[method]["advantage"][baseline].low > 0.03 for baseline in BASELINES)
        assert abs(found[method]["advantage"]["other_face"].mean) < 0.03  # all faces are bright in the same places
    # The mean gradient is positive everywhere, so Grad-CAM takes the lower third for the hottest place.
    assert found["gradcam"]["cost"].high < found["hirescam"]["cost"].low - 0.03
    text = conclusion({"baseline_cnn": measured})
    against_random = text[text.index("random maps") :]
    assert "HiResCAM" not in against_random.split(";")[0]
    assert "no map is better" not in text[: text.index("the same map of another face")]


def test_an_advantage_is_the_cost_minus_that_of_the_baseline(measured):
    for figures in measured.statistics["maps"].values():
        assert tuple(figures["advantage"]) == RIVALS
        for baseline in BASELINES:
            difference = figures["cost"].mean - measured.statistics["baselines"][baseline]["cost"].mean
            assert figures["advantage"][baseline].mean == pytest.approx(difference)


def test_answers_and_maps_are_means_of_both_views_and_costs_are_those_of_the_face_as_it_is(data):
    # Against what is bright on the left, for what is bright on the right: the mirror image is the happier view.
    model = Cells(np.tile(np.repeat([-1, 1], 3), (6, 1)).astype(np.float32) / 6)
    found = measure_explanations(model, data)
    faces = [data.test.images[image].numpy() for image in found.images]
    assert set(predict(model, faces).argmax(axis=1)) == {ANGRY}
    assert set(predict(model, faces, mirrored=True).argmax(axis=1)) == {HAPPY}

    heatmaps = [one.heatmap for one in explain(model, faces, HAPPY, method="hirescam", mirrored=True)]
    np.testing.assert_allclose(found.maps["heatmap"], heatmaps, rtol=1e-5)

    def mean_cost(maps: list[np.ndarray]) -> float:
        curves = [
            perturbation_curves(model, face, to_pixels(heat), HAPPY, (0.2, 0.4), seed=int(image))
            for face, heat, image in zip(faces, maps, found.images, strict=True)
        ]
        return float(np.mean([one.mean_cost() for one in curves]))

    figures, cost = found.statistics["maps"]["hirescam"], mean_cost(heatmaps)
    assert figures["cost"].mean == pytest.approx(cost, abs=1e-5)
    other = mean_cost([heatmaps[-1], *heatmaps[:-1]])  # each face with the map of the one before it
    assert figures["advantage"]["other_face"].mean == pytest.approx(cost - other, abs=1e-5)


def test_a_map_that_follows_the_face_beats_the_same_map_of_another_face():
    corners = np.zeros((2, 48, 48), np.uint8)
    corners[0, :24, :24], corners[1, 24:, 24:] = 250, 250  # one quarter of each face is bright
    test = Split(torch.from_numpy(corners), torch.tensor([HAPPY, HAPPY]))
    found = measure_explanations(
        Cells(np.full((6, 6), 1 / 36, np.float32)), FER2013(test, test, test, layout="synthetic", fingerprint="f")
    ).statistics["maps"]
    assert found["hirescam"]["advantage"]["other_face"].low > 0.03


def test_a_constant_model_gives_no_evidence(data):
    found = measure_explanations(Cells(np.zeros((6, 6), np.float32)), data, limit=2)
    nothing = Estimate(0, 0, 0)
    for figures in found.statistics["maps"].values():
        assert figures["cost"] == nothing
        assert all(advantage == nothing for advantage in figures["advantage"].values())
    assert found.statistics["maps"]["gradcam"]["flat"] == 2
    assert found.statistics["regions"] == {}
    text = conclusion({"baseline_cnn": found})
    for rival in ("random maps", "the centred Gaussian", "the edges in the face"):
        assert f"Compared with {rival}: no difference found for every map of `baseline_cnn`; no map is better." in text
    assert "Every HiResCAM map is empty" in text


def test_maps_that_rank_the_pixels_alike_are_measured_once(data, monkeypatch):
    calls = []

    def spy(face, heat, *arguments):
        calls.append(heat)
        return perturbed_faces(face, heat, *arguments)

    monkeypatch.setattr(measure, "perturbed_faces", spy)
    # The same gradient in each cell: every method with gradients, and attention, follow the brightness.
    found = measure_explanations(Cells(np.full((6, 6), 1 / 36, np.float32)), data, limit=2).statistics["maps"]
    different = len(["the CAMs with gradients", "Eigen-CAM"])
    assert len(calls) == 2 * (different + len(BASELINES) + different)  # the face's own, baselines, another face's
    assert found["gradcam"]["cost"] == found["layercam"]["cost"] != found["eigencam"]["cost"]


def test_a_smaller_sample_is_part_of_a_larger_one(measured, data):
    smaller = measure_explanations(Cells(QUADRANT), data, limit=2)
    np.testing.assert_array_equal(smaller.images, measured.images[:2])
    np.testing.assert_array_equal(smaller.maps["heatmap"], measured.maps["heatmap"][:2])
    assert sorted(measured.images) == list(range(FACES))


def test_attention_is_measured_as_a_map_and_compared_with_every_method(data):
    found = measure_explanations(AttentiveCells(np.full((6, 6), 1 / 36, np.float32)), data, limit=2)
    maps = found.statistics["maps"]
    assert [*maps] == [*METHODS, *(f"{method}@attention" for method in METHODS), "attention"]
    assert maps["attention"]["sanity"] is None
    assert maps["attention"]["with_attention"] is None
    # Grad-CAM weighs all cells alike, so it has the brightness' order, which is that of the attention.
    for key in ("gradcam", "gradcam@attention"):
        assert maps[key]["with_attention"]["rank_correlation"].mean > 0.99
    assert found.maps["attention"].shape == (2, 6, 6)
    assert found.statistics["uniform_attention"]["same_answer"].mean == 1
    assert maps["gradcam"]["with_other_attention"]["rank_correlation"].mean > 0.5  # both have the same bright parts
    spread = [np.ptp(gates) for gates in found.maps["attention"]]
    assert found.statistics["uniform_attention"]["spread"].mean == pytest.approx(np.mean(spread))
    agreement = "spatial attention agrees well with HiResCAM after attention (rank correlation 1.00"
    assert f"In `attn_cnn`, {agreement}" in conclusion({"attn_cnn": found})


def test_methods_are_measured_in_front_of_attention_and_after_it(data):
    model = AttentiveCells(QUADRANT)
    assert layers_of(model)["layercam"] == ("layercam", "pool")
    assert layers_of(model)["layercam@attention"] == ("layercam", "attention")
    assert layers_of(Cells(QUADRANT)).keys() == METHODS.keys()
    found = measure_explanations(model, data, limit=2)
    faces = [data.test.images[image].numpy() for image in found.images]
    after = explain(model, faces, method="hirescam", stage="attention", mirrored=True)
    np.testing.assert_allclose(found.maps["heatmap"], [one.heatmap for one in after], rtol=1e-5)
    before, after = (found.statistics["maps"][key]["sanity"] for key in ("hirescam", "hirescam@attention"))
    assert before != after


def test_uniform_attention_lets_every_place_through_alike(data):
    faces, model = list(data.test.images.numpy()), AttentiveCells(QUADRANT).eval()
    inputs = preprocess(faces, model)
    with torch.inference_mode():
        cells = model.forward_features(inputs)
        model.forward_head(cells)
        gate = model.spatial_attention.map.mean(dim=(1, 2))[:, None, None, None]
        expected = torch.softmax(Cells.forward_head(model, cells * gate), dim=1)
    uniform = predict_with_uniform_attention(model, faces)
    np.testing.assert_allclose(uniform, expected.numpy(), rtol=1e-5)
    assert np.abs(uniform - predict(model, faces)).max() > 0.005  # the bright quadrant was let through more

    mirror = predict_with_uniform_attention(model, [face[:, ::-1] for face in faces])
    both = predict_with_uniform_attention(model, faces, mirrored=True)
    np.testing.assert_allclose(both, (uniform + mirror) / 2, rtol=1e-5)

    nn.init.zeros_(model.attention.bn.weight)  # now it is the same everywhere by itself
    np.testing.assert_allclose(predict_with_uniform_attention(model, faces), predict(model, faces), rtol=1e-6)
    with pytest.raises(ValueError, match="no spatial attention"):
        predict_with_uniform_attention(Cells(QUADRANT), faces)


def test_heat_is_attributed_to_regions_by_true_emotion(measured):
    regions = measured.statistics["regions"]
    assert {name: found["faces"] for name, found in regions.items()} == {"all": 5, "angry": 2, "happy": 3}
    for found in regions.values():
        assert list(found["shares"]) == list(REGIONS)
        assert sum(found["shares"].values()) == pytest.approx(1)
    assert sum(measured.statistics["area"].values()) == pytest.approx(1)


def test_fewer_than_two_faces_are_refused(data):
    for limit in (1, 0, -3):
        with pytest.raises(EvaluationError, match="--limit 2 or more"):
            measure_explanations(Cells(QUADRANT), data, limit=limit)


def test_draws_that_differ_widen_the_interval_and_more_faces_do_not_narrow_it():
    draws = np.repeat([[0.0], [1.0]], 50, axis=1)  # of two draws all faces say the same: one of the ends, or the middle
    assert estimate_over_draws(draws) == Estimate(0.5, 0.0, 1.0)
    alike = np.tile([0.0, 1.0] * 100, (3, 1))
    assert estimate_over_draws(alike).high == pytest.approx(estimate(alike[0]).high, abs=0.01)
    assert estimate_over_draws(np.array([[0.5, np.nan], [0.5, np.nan]])) is None


def test_an_estimate_is_a_mean_with_its_interval():
    assert estimate([0.25] * 3) == Estimate(0.25, 0.25, 0.25)
    coin = estimate([0, 1] * 200)
    assert coin.mean == 0.5
    assert coin.high - coin.low == pytest.approx(2 * 1.96 * 0.5 / np.sqrt(400), rel=0.05)
    assert estimate([1, np.nan, 3]).mean == 2
    assert estimate([1, np.nan]) is None


# ---- Between models -----------------------------------------------------------------------------------------------


def test_models_are_compared_on_the_faces_that_both_have(measured):
    maps = np.random.default_rng(0).random((4, 7, 7)).astype(np.float32)
    first = replace(measured, images=np.array([7, 3, 5]), maps={"heatmap": maps[:3]})
    second = replace(measured, images=np.array([5, 9, 7]), maps={"heatmap": maps[[2, 3, 0]]})
    found = compare_maps(first, second)
    assert found["faces"] == 2
    assert found["rank_correlation"].mean == pytest.approx(1)
    assert found["overlap"].mean == 1
    assert found["other"]["rank_correlation"].mean < 0.5
    assert compare_maps(first, second, "attention") is None
    assert compare_maps(first, replace(second, images=np.array([5, 9, 8]))) is None
    assert compare_maps(first, replace(second, statistics=second.statistics | {"data_fingerprint": "other"})) is None


# ---- Stored and read again ----------------------------------------------------------------------------------------


@pytest.fixture
def stored(measured, tmp_path) -> Path:
    """weights/ with one measured checkpoint."""
    directory = tmp_path / "baseline_cnn"
    save_checkpoint(Cells(QUADRANT), directory, {})
    save_explanations(measured, directory, json.loads((directory / "config.json").read_text())["sha256"])
    return tmp_path


def test_what_was_stored_is_read_back(measured, stored):
    found = read_explanations(stored / "baseline_cnn")
    assert {key: found.statistics[key] for key in measured.statistics} == measured.statistics
    assert found.statistics["versions"]["torch"] == version("torch")
    np.testing.assert_array_equal(found.images, measured.images)
    assert found.maps.keys() == measured.maps.keys()
    np.testing.assert_array_equal(found.maps["heatmap"], measured.maps["heatmap"])


def test_explanations_of_other_weights_are_refused(stored):
    config = stored / "baseline_cnn" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"sha256": "0" * 64}))
    with pytest.raises(EvaluationError, match="belongs to other weights"):
        read_explanations(stored / "baseline_cnn")


@pytest.mark.parametrize("file", ["explanations.json", "explanation_maps.safetensors"])
def test_a_missing_file_is_named_with_the_command_that_makes_it(stored, file):
    (stored / "baseline_cnn" / file).unlink()
    with pytest.raises(EvaluationError, match=f"{file} is missing. .*{COMMAND}"):
        read_explanations(stored / "baseline_cnn")


# ---- What is said about made-up figures ---------------------------------------------------------------------------


@pytest.mark.parametrize(("share", "expected"), [(0.95, "hardly depend"), (0.94, "depend")])
def test_attention_without_a_part_in_the_answers_is_called_out(made_up, share, expected):
    made_up.statistics["uniform_attention"]["same_answer"] = interval(share, 0.02)
    assert f"of the faces: the trained network's predictions {expected} on where" in conclusion({"attn_cnn": made_up})


@pytest.fixture
def made_up() -> MeasuredExplanations:
    return made_up_study()


def test_good_figures_are_called_good(made_up):
    text = conclusion({"attn_cnn": made_up})
    assert text.startswith("Measured on 40 random faces")
    for rival in ("random maps", "the centred Gaussian", "the edges in the face", "the same map of another face"):
        assert f"Every map beats {rival}." in text
    assert (
        "In `attn_cnn`, spatial attention agrees well with HiResCAM after attention (rank correlation 0.60 [0.55, "
        "0.65]; with other faces' attention 0.10 [0.05, 0.15])." in text
    )
    assert "Its attention depends on the face (rank correlation between different faces 0.30" in text
    assert (
        "As a map of what the model needs, it beats random maps (+20.0 [+15.0, +25.0]), the centred Gaussian (+20.0 "
        "[+15.0, +25.0]), the edges in the face (+20.0 [+15.0, +25.0]), the same map of another face (+20.0 [+15.0, "
        "+25.0]), in points of confidence." in text
    )
    assert "change by 10.0% [5.0%, 15.0%] (total variation distance; " in text
    assert "the prediction's own by -7.0% [-12.0%, -2.0%])" in text
    assert "on 80% [75%, 85%] of the faces: the trained network's predictions depend on where it attends." in text
    assert "No method fails the sanity check" in text
    gaussian = region_shares(centred_gaussian())["mouth"]
    assert f"favours most: mouth in `attn_cnn` (30% of the heat, not {gaussian:.0%})." in text


def test_a_method_is_named_where_no_difference_was_found_and_where_it_is_worse(made_up):
    maps = made_up.statistics["maps"]
    maps["layercam"]["advantage"]["centre"] = interval(0.04)
    maps["eigencam"]["advantage"]["centre"] = interval(-0.06)
    text = conclusion({"attn_cnn": made_up})
    assert "Every map beats random maps." in text
    assert (
        "Compared with the centred Gaussian: no difference found for LayerCAM of `attn_cnn`; worse: Eigen-CAM of "
        "`attn_cnn`; every other map is better." in text
    )


def test_an_advantage_that_the_table_shows_as_zero_is_none(made_up):
    for figures in made_up.statistics["maps"].values():
        figures["advantage"]["random"] = Estimate(0.0003, 0.0002, 0.0004)
    text = conclusion({"attn_cnn": made_up})
    assert "Compared with random maps: no difference found for every map of `attn_cnn`; no map is better." in text


@pytest.mark.parametrize(
    ("correlation", "expected"),
    [
        (0.6, "spatial attention agrees well with HiResCAM after attention"),
        (0.2, "spatial attention agrees only loosely with HiResCAM after attention"),
        (0.04, "no agreement between spatial attention and HiResCAM after attention was found"),
        (-0.04, "no agreement between spatial attention and HiResCAM after attention was found"),
        (-0.2, "spatial attention contradicts HiResCAM after attention"),
    ],
)
def test_agreement_of_attention_in_words(made_up, correlation, expected):
    made_up.statistics["maps"]["hirescam@attention"]["with_attention"] = agreement_of(correlation)
    assert f"In `attn_cnn`, {expected} (rank correlation {correlation:.2f} " in conclusion({"attn_cnn": made_up})


def test_agreement_is_held_against_that_of_different_faces(made_up):
    assert "with other faces' attention 0.10 [0.05, 0.15])." in conclusion({"attn_cnn": made_up})
    made_up.statistics["maps"]["hirescam@attention"]["with_other_attention"] = agreement_of(0.56)
    assert "attention 0.56 [0.51, 0.61], no clear difference)." in conclusion({"attn_cnn": made_up})


def test_attention_that_does_not_depend_on_the_face_is_called_out(made_up):
    attention = made_up.statistics["maps"]["attention"]
    attention["across_faces"] = agreement_of(0.94)
    assert "Its attention highlights the same places in every face" in conclusion({"attn_cnn": made_up})
    attention["across_faces"] = agreement_of(0.89)
    assert "Its attention highlights mostly the same places" in conclusion({"attn_cnn": made_up})
    attention["across_faces"] = agreement_of(0.49)
    assert "Its attention depends on the face" in conclusion({"attn_cnn": made_up})
    attention["across_faces"] = {"rank_correlation": None, "overlap": None}
    assert "There are too few faces to say whether its attention" in conclusion({"attn_cnn": made_up})
    made_up.statistics["uniform_attention"]["spread"] = interval(0.0006, 0.0001)
    text = conclusion({"attn_cnn": made_up})
    assert "is practically uniform: within a face, its weights differ by at most 0.0006 on average" in text
    assert "Its attention" not in text and "HiResCAM after attention (rank" not in text
    attention["advantage"]["random"] = interval(-0.2)
    assert "Every map beats random maps." in conclusion({"attn_cnn": made_up})


def test_what_attention_beats_and_what_it_does_not_is_told_apart(made_up):
    made_up.statistics["maps"]["attention"]["advantage"] |= {"centre": interval(0.01), "other_face": interval(-0.2)}
    assert (
        "it beats random maps (+20.0 [+15.0, +25.0]), the edges in the face (+20.0 [+15.0, +25.0]); it is no better "
        "than the centred Gaussian (+1.0 [-4.0, +6.0]); it is worse than the same map of another face (-20.0 [-25.0, "
        "-15.0]), in points of confidence." in conclusion({"attn_cnn": made_up})
    )


def test_methods_that_fail_the_sanity_check_are_named(made_up):
    maps = made_up.statistics["maps"]
    maps["eigencam"]["sanity"] |= {"head": interval(1.0), "input layers": interval(0.8)}
    maps["gradcam++"]["sanity"] |= {"head": interval(0.7)}
    assert (
        "The sanity check fails: with all weights random, similar maps remain for Eigen-CAM of `attn_cnn`; with a "
        "random head, but not with all weights random, similar maps remain for Grad-CAM++ of `attn_cnn`."
        in conclusion({"attn_cnn": made_up})
    )


def test_a_method_whose_draws_differ_is_undecided(made_up):
    made_up.statistics["maps"]["gradcam"]["sanity"] |= {"head": interval(0.3, 0.4)}
    said = conclusion({"attn_cnn": made_up})
    assert "undecided for Grad-CAM of `attn_cnn`, because draws of random weights differ too much." in said
    assert "sanity check fails" not in said


def test_the_tables_show_the_figures(made_up, measured):
    report = render_explanations({"attn_cnn": made_up, "baseline_cnn": measured})
    assert report.startswith("Measured on 40 (`attn_cnn`), 5 (`baseline_cnn`) random faces")
    cost = "40.0 [35.0, 45.0] | 20.0 | 50.0"
    advantage = "+20.0 [+15.0, +25.0]"
    assert f"| `attn_cnn` | Grad-CAM | {cost} |{f' {advantage} |' * 4} 0 |" in report
    low = "0.10 [0.05, 0.15]"
    dependence = f"0.60 [0.55, 0.65] | {low} | 0.30 [0.25, 0.35] | 0.30 [0.25, 0.35] | {low} | 0.05 [0.00, 0.10]"
    assert f"| `attn_cnn` | LayerCAM | {dependence} |" in report
    assert "| `attn_cnn` | spatial attention | – | – | – | 0.30 [0.25, 0.35] | – | – |" in report
    assert "| `attn_cnn` | happy | 9 | 30% | 10% | 30% | 20% | 10% |" in report
    assert "| `attn_cnn`, `baseline_cnn` | HiResCAM |" in report
    assert "Between models" not in render_explanations({"attn_cnn": made_up})


# ---- The command --------------------------------------------------------------------------------------------------


def test_the_command_measures_stores_and_prints(tmp_path, kaggle_folder, capsys):
    model = create_model("baseline_cnn", widths=(2, 2, 2), hidden=4)
    save_checkpoint(model, tmp_path / "baseline_cnn", {})
    common = ["--explanations", "--models", "baseline_cnn", "--weights", str(tmp_path)]
    main([*common, "--data", str(kaggle_folder), "--limit", "2"])
    printed = capsys.readouterr().out
    assert printed == render_explanations({"baseline_cnn": read_explanations(tmp_path / "baseline_cnn")})
    assert printed.startswith("Measured on 2 random faces")
    main(common)
    assert capsys.readouterr().out == printed


def test_the_command_says_what_is_missing(tmp_path, capsys):
    save_checkpoint(Cells(QUADRANT), tmp_path / "baseline_cnn", {})
    with pytest.raises(SystemExit) as stopped:
        main(["--explanations", "--models", "baseline_cnn", "--weights", str(tmp_path)])
    assert stopped.value.code == 1
    assert "explanations.json is missing" in capsys.readouterr().err
