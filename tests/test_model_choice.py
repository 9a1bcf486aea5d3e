"""Which models the page shows."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from demo.analysis import load_models
from demo.model_choice import MOST, chosen_models, render_model_choice
from demo.responses import Responses
from demo.view import View, read_view
from fer_models import MODEL_NAMES, create_model, predict
from fer_models.architectures import default_choice
from fer_models.checkpoints import WEIGHTS_FILE, save_checkpoint
from tests.helpers import columns, tiny_models, words

PAPER = ("baseline_cnn", "resnet50", "attn_cnn", "resnet50_cbam")


def test_the_papers_four_are_shown_unless_others_are_chosen() -> None:
    loaded = [*MODEL_NAMES, "paper/attn_cnn"]
    assert default_choice(loaded) == PAPER
    assert chosen_models((), loaded) == chosen_models(("unknown",), loaded) == PAPER
    assert chosen_models(("paper/attn_cnn", "vit", "unknown"), loaded) == ("vit", "paper/attn_cnn")  # in their order
    assert default_choice(["vit", "paper/attn_cnn"]) == ("vit",)
    assert default_choice(["paper/attn_cnn"]) == ("paper/attn_cnn",)
    assert default_choice([]) == ()


def test_there_are_never_more_than_fit() -> None:
    loaded = [*MODEL_NAMES, *(f"{recipe}/attn_cnn" for recipe in "abc")]
    assert len(loaded) > MOST == len(chosen_models(loaded, loaded))


def test_each_loaded_model_can_be_ticked() -> None:
    html = render_model_choice(["attn_cnn", "vit", "without_attention/attn_cnn"], {"vit": 0.692})
    assert "Attention CNN Vision transformer 69.2 % Attention CNN (without attention)" in words(html)
    assert 'data-model="attn_cnn" data-default' in html and 'data-model="vit">' in html
    assert render_model_choice(["attn_cnn"], {}) == ""  # nothing to choose


def test_the_browsers_words_are_read() -> None:
    assert read_view({"models": "vit,paper/attn_cnn,"}).models == ("vit", "paper/attn_cnn")
    assert read_view({"models": ["vit"]}).models == read_view({}).models == ()


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """The shipped model, the same by another recipe, a folder without weights and one of another project."""
    for folder, widths in (("attn_cnn", [4, 4, 4]), ("narrow_net/attn_cnn", [2, 2, 2])):
        save_checkpoint(create_model("attn_cnn", widths=widths), tmp_path / folder, {})
    shutil.copytree(tmp_path / "attn_cnn", tmp_path / "seeds" / "attn_cnn")
    (tmp_path / "seeds" / "attn_cnn" / WEIGHTS_FILE).unlink()
    shutil.copytree(tmp_path / "attn_cnn", tmp_path / "elsewhere" / "vgg")
    return tmp_path


def test_further_checkpoints_are_loaded_and_shown_beside_the_shipped_one(weights: Path) -> None:
    models, problems = load_models(weights)
    assert list(models) == ["attn_cnn", "narrow_net/attn_cnn"] and len(problems) == len(MODEL_NAMES) - 1
    responses = Responses(models)
    assert list(columns(responses.show(View(example="48-pixels"))[2])) == ["Attention CNN"]

    visit, _, results, *_ = responses.show(View(example="48-pixels", models=tuple(models)))
    assert list(columns(results)) == ["Attention CNN", "Attention CNN (narrow net)"]
    assert "--heat-narrow_net-attn_cnn: url" in results and "--heat-narrow_net/" not in results
    for found in visit.explanations:
        expected = predict(models[found.model_name], [visit.crop.pixels], mirrored=True)[0]
        np.testing.assert_allclose(found.probabilities, expected, rtol=1e-5)
    assert responses.on_checks(visit)["badges"].keys() == models.keys()
    assert "Attention CNN (narrow net)" in responses.on_cover([0, 1], visit)


def test_a_damaged_further_checkpoint_is_named_and_left_out(weights: Path) -> None:
    (weights / "narrow_net" / "attn_cnn" / WEIGHTS_FILE).write_bytes(b"")
    models, problems = load_models(weights)
    assert list(models) == ["attn_cnn"]
    assert "Attention CNN (narrow net) is left out:" in problems[-1] and "SHA-256" in problems[-1]


def test_only_the_chosen_models_are_asked() -> None:
    models = tiny_models()
    models["baseline_cnn"].forward = None  # asking it would fail
    visit, _, results, *_ = Responses(models).show(View(example="48-pixels", models=("attn_cnn",)))
    assert [found.model_name for found in visit.explanations] == ["attn_cnn"]
    assert list(columns(results)) == ["Attention CNN"]
