"""Faithfulness, agreement and face regions on models and maps that can be worked out by hand."""

import numpy as np
import pytest
import torch
from pytorch_grad_cam.metrics.road import NoisyLinearImputer
from scipy.ndimage import gaussian_filter
from torch import nn

from fer_models.architectures.base import EmotionModel
from fer_models.evidence import (
    MEAN_LANDMARKS,
    REGIONS,
    Curves,
    Faithfulness,
    measure_agreement,
    measure_faithfulness,
    perturbation,
    perturbation_curves,
    region_masks,
    region_shares,
)
from fer_models.evidence.baselines import centred_gaussian, edge_map, random_map
from fer_models.evidence.imputation import impute
from fer_models.evidence.pixels import hottest_first, to_pixels
from fer_models.inference import predict

HAPPY = 3


class Brightness(EmotionModel):
    """Happy in proportion to the mean brightness of some pixels, and of nothing else."""

    name = "brightness"
    input_size = 48
    stages = ("conv",)

    def __init__(self, pixels: np.ndarray, gain: float) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 1)  # not used: says where the model lives
        self.pixels, self.gain = torch.from_numpy(pixels), gain

    def forward(self, faces):
        logits = faces.new_zeros(len(faces), 7)
        logits[:, HAPPY] = self.gain * faces[:, 0, self.pixels].mean(dim=1)
        return logits


# One cell of a 6x6 map, 8x8 pixels off the centre, is all that the model looks at.
CELL = np.zeros((6, 6), np.float32)
CELL[1, 1] = 1
PATCH = np.kron(CELL, np.ones((8, 8))) > 0


def _face() -> np.ndarray:
    """A smooth bright patch; elsewhere dark, with edges everywhere."""
    face = np.random.default_rng(0).integers(0, 100, (48, 48), dtype=np.uint8)
    face[6:18, 6:18] = 50
    face[PATCH] = 250
    return face


def _halves() -> np.ndarray:
    """200 in the upper half and 100 in the lower."""
    return np.repeat(np.array([200, 100], np.uint8), 24)[:, None].repeat(48, axis=1)


def _happiness(brightness: float, gain: float) -> float:
    return 1 / (1 + 6 * np.exp(-gain * brightness / 255))


def _curves(cost: float, confidence: float = 0.9) -> Curves:
    """Made up: everything costs the same, whatever the fraction above 0."""
    heights = np.array([confidence, *[confidence - cost] * 3])
    return Curves(np.array([0, 0.1, 0.2, 0.3]), heights, heights, heights, heights)


# --- pixels and their order ----------------------------------------------------------------------------------------


def test_ranking_is_a_permutation_from_hot_to_cold():
    heat = np.random.default_rng(1).integers(0, 5, (48, 48)).astype(float)
    order = hottest_first(heat, np.random.default_rng(0))
    assert sorted(order) == list(range(2304))
    assert (np.diff(heat.ravel()[order]) <= 0).all()


def test_equally_hot_pixels_come_in_random_order():
    heat = np.zeros((48, 48))
    heat[:24] = 1
    first, again, other = (hottest_first(heat, np.random.default_rng(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert set(first[:1152]) == set(other[:1152]) == set(range(1152))
    assert abs(first[1152:1652].mean() - (1152 + 2303) / 2) < 60  # no row of the other half comes first


def test_a_map_of_the_faces_size_stays_as_it_is():
    heat = np.random.default_rng(0).random((48, 48), dtype=np.float32)
    np.testing.assert_array_equal(to_pixels(heat), heat)


def test_a_coarse_map_is_interpolated_between_the_centres_of_its_cells():
    pixels = to_pixels(np.array([[0.0, 1.0]]))
    np.testing.assert_allclose(pixels[0], np.clip((np.arange(48) + 0.5) / 24 - 0.5, 0, 1), rtol=1e-6)
    assert (pixels == pixels[0]).all()


@pytest.mark.parametrize("value", [0.1, 1.0, np.float32(0.7), 12345.678])
def test_rounding_gives_equal_cells_no_order(value):
    assert np.ptp(to_pixels(np.full((7, 7), value))) == 0


@pytest.mark.parametrize(
    ("heatmap", "sentence"),
    [(np.zeros((1, 6, 6)), "pass one map"), (np.zeros((0, 6)), "pass one map"), (np.full((6, 6), np.nan), "finite")],
)
def test_what_is_no_heat_map_is_refused_in_a_sentence(heatmap, sentence):
    for use in (to_pixels, region_shares, lambda heatmap: measure_agreement(heatmap, CELL)):
        with pytest.raises(ValueError, match=sentence):
            use(heatmap)


# --- imputation ----------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the library hands a tensor to NumPy
@pytest.mark.parametrize("count", [1, 230, 1152, 2073, 2303])
def test_imputation_equals_the_library_up_to_rounding(count):
    face = np.random.default_rng(2).integers(0, 256, (48, 48), dtype=np.uint8)
    removed = np.zeros((48, 48), bool)
    removed.ravel()[hottest_first(random_map((7, 7), np.random.default_rng(3)), np.random.default_rng(0))[:count]] = (
        True
    )
    library = NoisyLinearImputer(noise=0)(torch.from_numpy(face)[None].float(), torch.from_numpy(~removed).float())
    imputed = impute(face, removed, np.zeros((48, 48)))
    np.testing.assert_allclose(imputed, library[0], atol=0.501)
    np.testing.assert_array_equal(imputed[~removed], face[~removed])


def test_imputation_continues_a_gradient_and_adds_the_noise_only_where_it_imputes():
    face = np.tile(np.arange(0, 240, 5, dtype=np.uint8), (48, 1))
    removed = np.zeros((48, 48), bool)
    removed[10:20, 10:30] = True
    np.testing.assert_array_equal(impute(face, removed, np.zeros((48, 48))), face)
    np.testing.assert_array_equal(impute(face, removed, np.full((48, 48), 7.0)), face + 7 * removed)
    assert impute(face, removed, np.full((48, 48), 1000.0))[removed].min() == 255


# --- baselines -----------------------------------------------------------------------------------------------------


def test_random_maps_are_as_coarse_as_the_map_and_seeded():
    first, again, other = (random_map((3, 3), np.random.default_rng(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    np.testing.assert_array_equal(first, to_pixels(np.random.default_rng(0).random((3, 3))))


def test_the_centred_gaussian_ranks_pixels_by_their_distance_from_the_centre():
    heat = centred_gaussian()
    distance = np.hypot(*np.meshgrid(np.arange(48) - 23.5, np.arange(48) - 23.5))
    by_distance = heat.ravel()[np.argsort(distance.ravel(), kind="stable")]
    assert (np.diff(by_distance) <= 1e-15).all()
    assert heat.argmax() == 23 * 48 + 23


def test_the_edge_map_is_hot_along_an_edge_only():
    heat = edge_map(_halves())
    assert (heat[23:25] == 400).all()  # Sobel's weights add up to 4, for a step of 100
    assert not heat[:23].any() and not heat[25:].any()


# --- curves --------------------------------------------------------------------------------------------------------


def test_deletion_and_insertion_worked_out_by_hand():
    """Deleting a quarter of the picture out of its brighter half turns 576 pixels from 200 to 150."""
    model, face, gain = Brightness(np.ones((48, 48), bool), 3.0), _halves(), 3.0
    heat = face.astype(float)
    curves = perturbation_curves(model, face, heat, HAPPY, (0.25, 0.5, 0.75))
    deleted = [150, 137.5, 125, 137.5]  # means of the whole picture
    np.testing.assert_allclose(curves.deletion, [_happiness(b, gain) for b in deleted], rtol=1e-5)
    blurred = gaussian_filter(face, perturbation.BLUR)
    half_in = np.where(heat > 150, face, blurred)
    np.testing.assert_allclose(
        curves.insertion[[0, 2]], [_happiness(b.mean(), gain) for b in (blurred, half_in)], rtol=1e-5
    )
    np.testing.assert_array_equal(curves.fractions, [0, 0.25, 0.5, 0.75])
    assert curves.confidence == pytest.approx(_happiness(150, gain), rel=1e-5)


def test_areas_and_costs_worked_out_by_hand():
    curves = Curves(
        np.array([0, 0.1, 0.5]), np.full(3, 0.3), np.array([0, 0.4, 0.8]), np.array([0.9, 0.5, 0.5]), np.full(3, 0.9)
    )
    assert curves.areas() == pytest.approx(
        {"deletion": 0.3, "insertion": (0.02 + 0.24) / 0.5, "road_most": (0.07 + 0.2) / 0.5, "road_least": 0.9}
    )
    np.testing.assert_allclose(curves.costs, [0, 0.4, 0.4])
    assert curves.mean_cost() == pytest.approx(0.9 - 0.54)


def test_curves_are_monotone_where_the_model_only_adds_up_brightness():
    """A bright blob on black: everything that is taken away from it makes the picture darker."""
    face = (250 * centred_gaussian()).astype(np.uint8)
    curves = perturbation_curves(Brightness(np.ones((48, 48), bool), 8.0), face, face.astype(float), HAPPY)
    assert (np.diff(curves.deletion[:4]) < 0).all()  # until what is left is darker than the mean
    assert (np.diff(curves.insertion[:4]) > 0).all()
    assert (np.diff(curves.road_most) < 0).all()
    assert (curves.road_least > curves.road_most)[1:].all()


@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.5, 0.9, 1 / 2304])
def test_a_half_empty_map_removes_exactly_as_many_pixels_as_asked(monkeypatch, fraction):
    masks = []
    monkeypatch.setattr(perturbation, "impute", lambda face, removed, noise: masks.append(removed) or face)
    heat = np.zeros((48, 48))
    heat[:12] = np.random.default_rng(0).random((12, 48))
    perturbation_curves(Brightness(PATCH, 1.0), _face(), heat, HAPPY, [fraction])
    hottest, coldest = masks
    assert hottest.sum() == coldest.sum() == round(2304 * fraction)
    if fraction <= 0.5:
        assert not (hottest & coldest).any()
    if fraction <= 0.25:
        assert heat[hottest].min() >= heat[~hottest].max()
    if fraction <= 0.75:
        assert not heat[coldest].any()


def test_what_is_no_face_is_refused_in_a_sentence():
    for face, sentence in (
        (_face() / 255, "The face has dtype float64"),
        (_face()[None], r"The face has shape \(1, 48"),
    ):
        for measure in (perturbation_curves, measure_faithfulness):
            with pytest.raises((TypeError, ValueError), match=sentence):
                measure(Brightness(PATCH, 6.0), face, CELL, HAPPY)


def test_curves_are_calibrated_probabilities_of_the_target():
    model = Brightness(PATCH, 5.0)
    model.temperature = 2.0
    for target in (HAPPY, 0):
        curves = perturbation_curves(model, _face(), to_pixels(CELL), target, (0.2,))
        assert curves.confidence == pytest.approx(predict(model, [_face()])[0, target])
    assert perturbation_curves(model, _face(), to_pixels(CELL), HAPPY).confidence == pytest.approx(
        _happiness(250, 2.5), rel=1e-5
    )


def test_the_seed_decides_everything_random():
    model, heat = Brightness(PATCH, 5.0), np.zeros((48, 48))
    first, again, other = (perturbation_curves(model, _face(), heat, HAPPY, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.road_most, again.road_most)
    assert (first.road_most != other.road_most).any()


@pytest.mark.parametrize("fractions", [(), (0.0,), (1.0,), (0.2, 0.1), (0.2, 0.2), (-0.1, 0.5), (0.00001,)])
def test_fractions_that_change_no_pixel_or_all_are_refused(fractions):
    with pytest.raises(ValueError, match="fractions are"):
        perturbation_curves(Brightness(PATCH, 1.0), _face(), to_pixels(CELL), HAPPY, fractions)


# --- faithfulness --------------------------------------------------------------------------------------------------


def test_a_map_right_by_construction_beats_every_baseline():
    result = measure_faithfulness(Brightness(PATCH, 6.0), _face(), CELL, HAPPY)
    rivals = [*result.random, result.centre, result.edges]
    for name in ("deletion", "road_most"):
        assert result.curves.areas()[name] < min(rival.areas()[name] for rival in rivals) - 0.05
    assert result.curves.areas()["insertion"] > max(rival.areas()["insertion"] for rival in rivals) + 0.05
    np.testing.assert_allclose(result.curves.road_least, result.curves.confidence, atol=0.01)  # it needs no other pixel
    loss = f"{result.curves.costs[2]:.2f}"
    assert result.verdict.startswith(f"Removing the hottest 20 % of the pixels lowers the confidence by {loss}; ")
    assert result.verdict.endswith("on this face, this map beats all baselines.")


def test_the_reverse_of_the_right_map_is_worse_than_random():
    result = measure_faithfulness(Brightness(PATCH, 6.0), _face(), -CELL, HAPPY)
    assert abs(result.curves.mean_cost()) < 0.01 < min(curves.mean_cost() for curves in result.random)
    assert result.verdict.startswith("Removing the hottest 20 % of the pixels does not change the confidence; ")
    assert result.verdict.endswith("this map is worse than random maps and the centred Gaussian.")


def test_a_constant_model_gives_no_evidence_and_says_so():
    result = measure_faithfulness(Brightness(PATCH, 0.0), _face(), CELL, HAPPY)
    assert result.curves.mean_cost() == pytest.approx(0, abs=1e-7)
    assert "confidence of 0.14 changes by less than 0.02: there is no evidence for or against" in result.verdict


@pytest.mark.parametrize("heatmap", [np.zeros((6, 6)), np.ones((6, 6))])
def test_a_map_without_an_order_is_not_tested(heatmap):
    result = measure_faithfulness(Brightness(PATCH, 6.0), _face(), heatmap, HAPPY, (0.2,), random_maps=1)
    assert result.is_flat
    assert "nothing to test" in result.verdict


@pytest.mark.parametrize(
    ("own", "random", "centre", "edges", "end"),
    [
        (0.40, (0.1, 0.2), 0.3, 0.2, "more than for random maps (0.08 to 0.17), "),
        (0.40, (0.1, 0.2), 0.3, 0.2, ": on this face, this map beats all baselines."),
        (0.40, (0.1, 0.2), 0.4, 0.2, ": this map is no better than the centred Gaussian."),
        (0.40, (0.1, 0.2), 0.6, 0.4, ": this map is worse than the centred Gaussian."),
        (0.40, (0.1, 0.2), 0.4, 0.39, ": this map is no better than the centred Gaussian and the edges in the face."),
        (0.40, (0.1, 0.5), 0.1, 0.1, "about as much as for random maps (0.08 to 0.42), "),
        (0.40, (0.1, 0.5), 0.1, 0.1, ": this map is no better than random maps."),
        (0.10, (0.3, 0.2), 0.0, 0.1, "less than for random maps (0.17 to 0.25), "),
        (0.10, (0.3, 0.2), 0.0, 0.1, ": this map is worse than random maps."),
        (0.00, (-0.3, -0.2), -0.1, -0.1, ": the model needs nothing that this map shows."),
        (-0.12, (-0.001, -0.001), 0.0, 0.1, "raises the confidence by 0.12; removing a random 20 % does not change"),
        (-0.12, (-0.001, -0.001), 0.0, 0.1, "for random maps (0.00), "),
    ],
)
def test_the_verdict_follows_from_the_figures(own, random, centre, edges, end):
    """The mean over fractions is 5/6 of the made-up cost: the curve falls from 0 % to 10 %, a third of the range."""
    random_curves = tuple(_curves(cost) for cost in random)
    result = Faithfulness(_curves(own), random_curves, _curves(centre), _curves(edges), is_flat=False)
    assert end in result.verdict


def test_the_verdict_names_the_fraction_that_was_measured():
    result = measure_faithfulness(Brightness(PATCH, 6.0), _face(), CELL, HAPPY, (0.05, 0.25, 0.8), random_maps=1)
    assert result.verdict.startswith("Removing the hottest 25 % of the pixels lowers")


def test_forward_passes_and_progress_are_as_promised(monkeypatch):
    sizes, progress = [], []
    monkeypatch.setattr(perturbation, "predict", lambda model, faces: sizes.append(len(faces)) or predict(model, faces))
    measure_faithfulness(
        Brightness(PATCH, 6.0), _face(), CELL, HAPPY, (0.1, 0.2), random_maps=2, progress=progress.append
    )
    assert sizes == [10] * 5  # (3 + 2) (2 + 4 * 2)
    np.testing.assert_allclose(progress, [0.2, 0.4, 0.6, 0.8, 1])


def test_a_comparison_without_random_maps_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        measure_faithfulness(Brightness(PATCH, 6.0), _face(), CELL, HAPPY, random_maps=0)


# --- agreement -----------------------------------------------------------------------------------------------------


def test_rank_correlation_follows_spearmans_formula():
    rng = np.random.default_rng(4)
    first, second = rng.permutation(2304), rng.permutation(2304)
    expected = 1 - 6 * ((first - second) ** 2).sum() / (2304 * (2304**2 - 1))
    result = measure_agreement(np.exp(first / 1000).reshape(48, 48), second.reshape(48, 48))
    assert result.rank_correlation == pytest.approx(expected, abs=1e-12)


def test_equal_values_share_their_mean_rank():
    """Half of the picture against a quarter: ranks are two-valued, so Spearman's is Pearson's of the indicators."""
    half, quarter = np.zeros((48, 48)), np.zeros((48, 48))
    half[:24], quarter[:12] = 1, 1
    expected = (1 / 4 - 1 / 8) / np.sqrt(1 / 4 * 3 / 16)
    assert measure_agreement(half, quarter).rank_correlation == pytest.approx(expected)


def test_overlap_is_the_intersection_over_the_union_of_the_hottest_fifths():
    ranks = np.arange(2304)  # a fifth is 461 pixels
    first, second = ranks.reshape(48, 48), np.roll(ranks, 100).reshape(48, 48)
    assert measure_agreement(first, second).overlap == pytest.approx(361 / 561)
    assert measure_agreement(first, first[::-1, ::-1]).overlap == 0


def test_cold_pixels_are_never_among_the_hottest():
    """Two maps that are zero nearly everywhere have nothing in common but their zeros."""
    first, second = np.zeros((48, 48)), np.zeros((48, 48))
    first[0, :10], second[5, :10] = 1, 1
    assert measure_agreement(first, second).overlap == 0
    assert measure_agreement(first, first).overlap == 1


def test_maps_of_different_sizes_are_compared_on_the_faces_pixels():
    heat = np.random.default_rng(0).random((7, 7))
    same = measure_agreement(heat, to_pixels(heat))
    assert (same.rank_correlation, same.overlap) == (pytest.approx(1), 1)
    assert measure_agreement(heat, -heat).rank_correlation == pytest.approx(-1)


def test_a_constant_map_agrees_with_nothing_and_disagrees_with_nothing():
    result = measure_agreement(np.ones((7, 7)), CELL)
    assert np.isnan(result.rank_correlation) and np.isnan(result.overlap)


# --- regions -------------------------------------------------------------------------------------------------------


def _turned(landmarks: np.ndarray, degrees: float, scale: float = 1.0) -> np.ndarray:
    angle = np.deg2rad(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (np.asarray(landmarks) - 0.5) @ rotation.T * scale + 0.5


@pytest.mark.parametrize("degrees", [0, 20, -45, 90])
@pytest.mark.parametrize("scale", [0.5, 1, 1.5])
def test_regions_are_disjoint_and_cover_the_frame(degrees, scale):
    masks = region_masks(_turned(MEAN_LANDMARKS, degrees, scale))
    assert masks.shape == (5, 48, 48)
    assert (masks.sum(axis=0) == 1).all()
    assert masks.any(axis=(1, 2)).all()


@pytest.mark.parametrize("degrees", [0, 20, -30])
def test_each_landmark_lies_in_its_region(degrees):
    landmarks = _turned(MEAN_LANDMARKS, degrees)
    masks = region_masks(landmarks)
    for (x, y), region in zip(landmarks, (0, 0, 1, 2, 2), strict=True):
        assert masks[region, int(48 * y), int(48 * x)]
    assert masks[REGIONS.index("outside the face"), [0, 0, -1, -1], [0, -1, 0, -1]].all()


@pytest.mark.parametrize("shift", [-0.14, 0.14])
def test_the_nose_follows_its_tip_in_a_face_that_looks_aside(shift):
    landmarks = np.array(MEAN_LANDMARKS)
    landmarks[2, 0] += shift
    x, y = landmarks[2]
    assert region_masks(landmarks)[REGIONS.index("nose"), int(48 * y), int(48 * x)]


def test_regions_turn_and_mirror_with_the_face():
    masks = region_masks()
    np.testing.assert_array_equal(masks, masks[:, :, ::-1])  # the mean face is symmetric
    turned = region_masks(_turned(MEAN_LANDMARKS, 90))  # clockwise in a picture, where y points down
    assert (turned != np.rot90(masks, -1, axes=(1, 2))).mean() < 0.002  # rounding at the borders


def test_shares_of_a_map_whose_heat_is_known():
    masks = region_masks()
    assert region_shares(masks[2] * 3.0) == pytest.approx(dict(zip(REGIONS, (0, 0, 1, 0, 0), strict=True)))
    two = masks[0] / masks[0].sum() + 3 * masks[4] / masks[4].sum() - masks[3]
    assert region_shares(two) == pytest.approx(dict(zip(REGIONS, (0.25, 0, 0, 0, 0.75), strict=True)))
    assert list(region_shares(np.ones((7, 7))).values()) == pytest.approx(masks.mean(axis=(1, 2)))
    assert region_shares(-np.ones((7, 7))) == dict.fromkeys(REGIONS, 0.0)


@pytest.mark.parametrize(
    ("landmarks", "sentence"),
    [(np.zeros((5, 2)), "span no face"), (np.zeros((4, 2)), "two eyes"), (np.full((5, 2), [[0.5, 0.1]]), "span")],
)
def test_landmarks_that_are_no_face_are_refused(landmarks, sentence):
    with pytest.raises(ValueError, match=sentence):
        region_masks(landmarks)
