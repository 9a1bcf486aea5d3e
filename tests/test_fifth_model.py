"""A fifth model is one class and one recipe: everything else asks the registry."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import train
from demo.analysis import load_models
from demo.layout import build_page
from demo.responses import Responses
from demo.view import View
from fer_models import EMOTIONS, explain, load_model, predict
from fer_models.architectures import MODELS, EmotionModel
from fer_models.data.augmentation import Augmentation
from fer_models.evaluation.results import read_evaluation
from fer_models.evaluation.table import render_tables
from fer_models.evidence import sanity_check
from fer_models.heatmap_study.measure import measure_explanations
from fer_models.heatmap_study.report import render_explanations
from fer_models.training.recipes import RECIPES, Recipe
from tests.helpers import columns, pattern, texts


class Toy(EmotionModel):
    name = "toy"
    title = "Toy network"
    description = "One convolution and a linear layer."
    input_size = 48
    stages = ("stage",)
    head = ("fc",)

    def __init__(self, channels: int = 4) -> None:
        super().__init__(channels=channels)
        self.stage = nn.Sequential(nn.Conv2d(3, channels, 3, stride=8), nn.ReLU())
        self.fc = nn.Linear(channels, len(EMOTIONS))

    def forward_features(self, faces: Tensor) -> Tensor:
        return self.stage(faces)

    def forward_head(self, features: Tensor) -> Tensor:
        return self.fc(features.mean(dim=(2, 3)))


@pytest.fixture
def weights(kaggle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A weights folder with the toy in it, registered and trained for a step by train.py."""
    monkeypatch.setitem(MODELS, "toy", Toy)
    recipe = Recipe(stages=((48, 1),), learning_rate=1e-3, augmentation=Augmentation())
    monkeypatch.setitem(RECIPES["default"], "toy", recipe)
    options = {"--data": kaggle_folder, "--runs": tmp_path / "runs", "--weights": tmp_path / "weights"}
    command = ["train.py", "--model", "toy", "--device", "cpu", *map(str, sum(options.items(), ()))]
    monkeypatch.setattr("sys.argv", command)
    assert train.main() == 0
    return tmp_path / "weights"


def test_it_has_a_card_and_a_row(weights: Path) -> None:
    card = (weights / "toy" / "README.md").read_text()
    assert "# toy: facial emotion recognition" in card and Toy.description in card
    row = next(line for line in render_tables({"toy": read_evaluation(weights / "toy")}).splitlines() if "toy" in line)
    assert row.startswith("| `toy` | – |")  # the paper has none


def test_it_is_explained_and_its_maps_are_tested(weights: Path, small_data) -> None:
    model, face = load_model("toy", weights), pattern(3, 0)
    (explanation,) = explain(model, [face])
    assert explanation.heatmap.shape == (6, 6)
    # An average pool and a linear layer: the cells of a map add up to the logit but for the bias.
    sums = explanation.class_maps.sum(axis=(1, 2)) + model.fc.bias.detach().numpy()
    np.testing.assert_allclose(sums, explanation.logits, rtol=1e-4, atol=1e-5)
    assert sanity_check(model, [face]).steps == ("head", "stage")
    measured = measure_explanations(model, small_data, limit=2)
    assert "`toy`" in render_explanations({"toy": measured})


def test_it_is_on_the_page(weights: Path) -> None:
    models, problems = load_models(weights)
    assert list(models) == ["toy"] and len(problems) == len(MODELS) - 1
    said = texts(build_page(models, problems, weights))
    assert "<h3>Toy network</h3>" in said and "One model guesses which emotion a face shows. See where it looks" in said

    torch.manual_seed(0)
    everybody = {name: architecture().eval() for name, architecture in MODELS.items()}
    for name in ("resnet50", "resnet50_cbam"):
        everybody[name].input_size = 64  # fast
    responses = Responses(everybody)
    _, _, results, *_ = responses.show(View(example="48-pixels"))
    assert list(columns(results)) == [
        architecture.title for architecture in MODELS.values() if architecture.paper_accuracy
    ]
    visit, _, results, *_ = responses.show(View(example="48-pixels", models=tuple(MODELS)))
    titles = [architecture.title for architecture in MODELS.values()]
    assert list(columns(results)) == titles and f"--models: {len(MODELS)}" in results
    toy = predict(everybody["toy"], [visit.crop.pixels], mirrored=True)[0]
    np.testing.assert_allclose(visit.explanations[-1].probabilities, toy, rtol=1e-5)
