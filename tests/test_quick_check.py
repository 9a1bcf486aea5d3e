"""The quick check of a heat map, on a model that looks at one known place."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from fer_models.architectures import EmotionModel
from fer_models.evidence import QuickCheck, quick_check
from fer_models.evidence.quick import FIFTH
from fer_models.inference import predict

HAPPY, SAD = 3, 4


class Brightness(EmotionModel):
    """Happy in proportion to the mean brightness of some pixels, and of nothing else."""

    name = "brightness"
    input_size = 48
    stages = ("conv",)

    def __init__(self, pixels: np.ndarray, gain: float = 6.0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 1)  # not used: says where the model lives
        self.pixels, self.gain, self.batches = torch.from_numpy(pixels), gain, []

    def forward(self, faces):
        self.batches.append(len(faces))
        logits = faces.new_zeros(len(faces), 7)
        logits[:, HAPPY] = self.gain * faces[:, 0, self.pixels].mean(dim=1)
        return logits


CORNER = np.zeros((48, 48), bool)
CORNER[:12, :12] = True  # less than a fifth
MIDDLE = np.zeros((48, 48), bool)
MIDDLE[16:32, 16:32] = True
FACE = np.zeros((48, 48), np.uint8)
FACE[CORNER | MIDDLE] = 255
BRIGHT, DARK = np.exp(6) / (np.exp(6) + 6), 1 / 7  # the probability of happy


def test_what_the_model_looks_at_costs_all_and_the_rest_nothing():
    """Removed, the bright corner is filled in from its dark surroundings."""
    model = Brightness(CORNER)
    check = quick_check(model, FACE, CORNER.astype(float), HAPPY)
    assert model.batches == [1, 5]  # the face; without the map's fifth, the centre and three random fifths
    known = quick_check(model, FACE, CORNER.astype(float), HAPPY, intact=0.5)
    assert known.shown == pytest.approx(0.5 - DARK, abs=0.02)
    assert model.batches[2:] == [5]
    assert check.shown == pytest.approx(BRIGHT - DARK, abs=0.02)
    assert abs(check.centre) < 1e-6  # the corner stays as it is
    assert len(check.random) == 3 and max(check.random) < check.shown - 0.02
    assert check.finding == "beats all"
    assert quick_check(model, FACE, CORNER.astype(float), SAD).shown < 0  # the others gain what happy loses


def test_a_map_of_the_centre_is_no_better_than_the_centre():
    heatmap = np.zeros((6, 6))
    heatmap[2:4, 2:4] = 1
    check = quick_check(Brightness(MIDDLE), FACE, heatmap, HAPPY)
    assert check.shown == pytest.approx(check.centre, abs=0.02) and check.shown == pytest.approx(
        BRIGHT - DARK, abs=0.02
    )
    assert check.finding == "not the centre"


def test_a_map_of_the_wrong_place_is_worse():
    dots = np.zeros((48, 48), bool)
    dots[:36:4, ::4] = True
    bottom = np.zeros((48, 48))
    bottom[38:] = 1
    check = quick_check(Brightness(dots, gain=3), np.where(dots, 255, 0).astype(np.uint8), bottom, HAPPY)
    assert check.shown == pytest.approx(0, abs=0.001) and check.finding == "worse"
    even = np.full((48, 48), 200, np.uint8)  # is filled in as it was
    assert quick_check(Brightness(CORNER), even, CORNER.astype(float), HAPPY).finding == "nothing"


def test_random_fifths_remove_a_fifth_each_and_follow_the_seed(monkeypatch):
    removed = []

    def impute(face: np.ndarray, mask: np.ndarray, noise: np.ndarray) -> np.ndarray:
        removed.append(mask)
        return np.where(mask, 0, face).astype(np.uint8)

    monkeypatch.setattr("fer_models.evidence.quick.impute", impute)
    model, heatmap = Brightness(CORNER), np.eye(4)
    check = quick_check(model, FACE, heatmap, HAPPY, random_fifths=2, seed=1)
    assert [mask.sum() for mask in removed] == [round(FIFTH * 48 * 48)] * 4
    expected = predict(model, [FACE, *(np.where(mask, 0, FACE).astype(np.uint8) for mask in removed)])[:, HAPPY]
    assert [check.shown, check.centre, *check.random] == pytest.approx(list(expected[0] - expected[1:]))
    assert (removed[1] & MIDDLE).sum() > 200  # the centre's fifth
    assert quick_check(model, FACE, heatmap, HAPPY, random_fifths=2, seed=1) == check
    assert quick_check(model, FACE, heatmap, HAPPY, random_fifths=2, seed=2) != check


@pytest.mark.parametrize("heatmap", [np.zeros((7, 7)), np.ones((7, 7)), np.full((1, 1), 0.3)])
def test_a_constant_map_has_no_hottest_fifth(heatmap):
    assert quick_check(Brightness(CORNER), FACE, heatmap, HAPPY) is None


def test_findings_are_decided_by_two_points():
    check = QuickCheck(0.22, (0.1, 0.2, 0.0), 0.2)
    assert check.finding == "beats all"
    assert replace(check, centre=0.21).finding == "not the centre"
    assert replace(check, shown=0.215).finding == "not chance"
    assert replace(check, shown=-0.01).finding == "not chance"
    assert replace(check, shown=-0.02).finding == "worse"
    assert replace(check, shown=0.0, random=(0.0, 0.0), centre=0.02).finding == "not chance"
    assert QuickCheck(0.019, (0.019, -0.019), 0.019).finding == "nothing"
