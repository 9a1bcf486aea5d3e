"""Saving and loading checkpoints, and every way in which a file can be wrong."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from demo.analysis import load_models
from fer_models import CheckpointError, create_model, load_model, predict
from fer_models.architectures import model_class
from fer_models.checkpoints import (
    EvaluationError,
    read_config,
    read_history,
    read_measured,
    save_checkpoint,
    write_history,
    write_measured,
)
from fer_models.data.fer2013 import load_fer2013
from fer_models.evaluation.results import read_evaluation
from fer_models.training.state import write_state

ROOT = Path(__file__).parents[1]
DATA = ROOT / "data" / "fer2013"

CONFIG = {"widths": [4, 8, 8], "hidden": 16}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A weights folder with a tiny baseline_cnn in it."""
    torch.manual_seed(0)
    model = create_model("baseline_cnn", **CONFIG)
    model.temperature = 1.5
    save_checkpoint(model, tmp_path / "baseline_cnn", {"recipe": "test"})
    return tmp_path


def edit_config(weights: Path, **changes: object) -> None:
    file = weights / "baseline_cnn" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_a_checkpoint_comes_back_rounded_to_half_precision(weights: Path) -> None:
    torch.manual_seed(0)
    original = create_model("baseline_cnn", **CONFIG).state_dict()
    model = load_model("baseline_cnn", weights)
    assert not model.training and model.temperature == 1.5
    for name, tensor in model.state_dict().items():
        assert tensor.dtype == original[name].dtype
        assert torch.equal(tensor, original[name].half().to(tensor.dtype))


def test_the_same_weights_give_the_same_file(weights: Path, tmp_path: Path) -> None:
    save_checkpoint(load_model("baseline_cnn", weights), tmp_path / "again" / "baseline_cnn", {})
    first, again = (folder / "baseline_cnn" / "model.safetensors" for folder in (weights, tmp_path / "again"))
    assert first.read_bytes() == again.read_bytes()


def test_missing_files_say_what_to_do(weights: Path) -> None:
    with pytest.raises(CheckpointError, match=r"attn_cnn/config\.json is missing.*train\.py --model attn_cnn"):
        load_model("attn_cnn", weights)
    (weights / "baseline_cnn" / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model\.safetensors is missing"):
        load_model("baseline_cnn", weights)
    with pytest.raises(ValueError, match="no model named '../secret'"):
        load_model("../secret", weights)


def test_a_cut_off_file_is_found_by_its_hash(weights: Path) -> None:
    file = weights / "baseline_cnn" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match="SHA-256"):
        load_model("baseline_cnn", weights)
    file.write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(CheckpointError, match="Git LFS pointer"):
        load_model("baseline_cnn", weights)


def test_foreign_files_are_refused(weights: Path) -> None:
    file = weights / "baseline_cnn" / "model.safetensors"
    save_file({"other.weight": torch.zeros(2)}, file)
    edit_config(weights, sha256=hashlib.sha256(file.read_bytes()).hexdigest())
    with pytest.raises(CheckpointError, match="does not fit the model 'baseline_cnn'"):
        load_model("baseline_cnn", weights)
    file.write_bytes(b"\x80\x04pickle")
    edit_config(weights, sha256=hashlib.sha256(file.read_bytes()).hexdigest())
    with pytest.raises(CheckpointError, match="does not fit the model 'baseline_cnn'"):
        load_model("baseline_cnn", weights)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_a_checkpoint_that_cannot_be_read_is_left_out_with_a_sentence(
    weights: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    def forbidden(path: Path) -> bytes:
        if path.name == file:
            raise PermissionError(13, "Permission denied", str(path))
        return original(path)

    original = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", forbidden)
    with pytest.raises(CheckpointError, match=rf"{file} cannot be read \(Permission denied\): let this user read it"):
        load_model("baseline_cnn", weights)
    models, problems = load_models(weights)
    assert not models
    assert any("Baseline CNN is left out: " in problem and "Permission denied" in problem for problem in problems)
    monkeypatch.undo()
    (weights / "baseline_cnn" / file).unlink()
    (weights / "baseline_cnn" / file).mkdir()
    with pytest.raises(CheckpointError, match=rf"{file} cannot be read \(Is a directory\)"):
        load_model("baseline_cnn", weights)


def test_a_history_that_cannot_be_read_is_a_checkpoint_error(tmp_path: Path) -> None:
    rows = [{"epoch": 1.0, "size": 48}, {"epoch": 1.5, "size": 48}]
    write_history(tmp_path, rows)
    assert read_history(tmp_path) == rows
    (tmp_path / "history.csv").unlink()
    assert read_history(tmp_path) == []
    (tmp_path / "history.csv").mkdir()
    with pytest.raises(CheckpointError, match=r"history.csv cannot be read \(Is a directory\)"):
        read_history(tmp_path)


def test_measurements_that_cannot_be_read_are_an_evaluation_error(weights: Path) -> None:
    folder = weights / "baseline_cnn"
    write_measured(folder, "m.json", {}, "m.safetensors", {"a": np.ones(2)}, read_config(folder)["sha256"])
    assert read_measured(folder, "m.json", "m.safetensors", "Measure again.")[1]["a"].tolist() == [1, 1]
    for file in ("m.json", "m.safetensors"):
        (folder / file).unlink()
        (folder / file).mkdir()
        with pytest.raises(EvaluationError, match=rf"{file} cannot be read .*Measure again\."):
            read_measured(folder, "m.json", "m.safetensors", "Measure again.")
        (folder / file).rmdir()
        write_measured(folder, "m.json", {}, "m.safetensors", {"a": np.ones(2)}, read_config(folder)["sha256"])


def test_the_umask_says_who_may_read_what_is_written(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        save_checkpoint(create_model("baseline_cnn", **CONFIG), tmp_path, {})
        write_measured(tmp_path, "m.json", {}, "m.safetensors", {"a": np.ones(2)}, "0")
        write_state(tmp_path / "state.safetensors", {"model": {"a": torch.ones(2)}}, {})
    finally:
        os.umask(before)
    assert {file.name: oct(file.stat().st_mode & 0o777) for file in tmp_path.iterdir()} == dict.fromkeys(
        ("config.json", "model.safetensors", "m.json", "m.safetensors", "state.safetensors"), "0o640"
    )


def test_a_wrapped_model_is_saved_under_its_own_names(tmp_path: Path) -> None:
    model = create_model("baseline_cnn", **CONFIG)
    save_checkpoint(torch.nn.DataParallel(torch.compile(model)), tmp_path / "baseline_cnn", {})
    assert load_model("baseline_cnn", tmp_path).state_dict().keys() == model.state_dict().keys()


def test_wrong_shapes_and_arguments_are_refused(weights: Path) -> None:
    edit_config(weights, architecture=CONFIG | {"hidden": 32})
    with pytest.raises(CheckpointError, match="size mismatch"):
        load_model("baseline_cnn", weights)
    edit_config(weights, architecture={"depth": 3})
    with pytest.raises(CheckpointError, match="unexpected keyword"):
        load_model("baseline_cnn", weights)


def test_a_config_of_something_else_is_refused(weights: Path) -> None:
    edit_config(weights, temperature=None)
    with pytest.raises(CheckpointError, match="does not fit the model 'baseline_cnn'"):
        load_model("baseline_cnn", weights)
    edit_config(weights, name="attn_cnn")
    with pytest.raises(CheckpointError, match="belongs to the model 'attn_cnn'"):
        load_model("baseline_cnn", weights)
    file = weights / "baseline_cnn" / "config.json"
    for content, complaint in (("{", "not valid JSON"), ("[]", r"not the config\.json of a FER Lens model")):
        file.write_text(content)
        with pytest.raises(CheckpointError, match=complaint):
            load_model("baseline_cnn", weights)


def test_checkpoints_are_found_from_any_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FER_LENS_WEIGHTS", raising=False)
    monkeypatch.chdir(tmp_path)
    assert load_model("attn_cnn").name == "attn_cnn"


def test_an_environment_variable_names_the_weights_folder(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_LENS_WEIGHTS", str(weights))
    assert load_model("baseline_cnn").temperature == 1.5
    with pytest.raises(CheckpointError, match=r"attn_cnn/config\.json is missing.*\$FER_LENS_WEIGHTS"):
        load_model("attn_cnn")


def test_each_attention_checkpoint_has_its_kind_of_attention() -> None:
    kinds = {"": "multihead", "paper": "softmax", "without_attention": "none"}
    for recipe, kind in kinds.items():
        assert load_model("attn_cnn", ROOT / "weights" / recipe).config["attention"] == kind


@pytest.mark.parametrize("older", [{}, {"attention": True}])
def test_an_older_attention_checkpoint_has_sigmoid_gates(older: dict) -> None:
    """In older ones, config.json says True or False or nothing about attention. A softmax is wrong for them."""
    model = model_class("attn_cnn")
    assert model(**model.complete(older)).config["attention"] == "sigmoid"


@pytest.mark.skipif(not DATA.is_dir(), reason="needs FER-2013")
@pytest.mark.parametrize("recipe", ["", "paper", "without_attention"])
def test_the_shipped_checkpoints_give_the_stored_predictions(recipe: str) -> None:
    folder = ROOT / "weights" / recipe
    images = load_fer2013(DATA).test.images[:32]
    for name in ("baseline_cnn", "attn_cnn"):
        if (folder / name).is_dir():
            stored, model = read_evaluation(folder / name).predictions, load_model(name, folder)
            found = predict(model, list(images.numpy()))
            np.testing.assert_allclose(found, stored.probabilities[:32], atol=2e-3)
            found = predict(model, list(images.numpy()), mirrored=True)
            np.testing.assert_allclose(found, stored.flip_averaged[:32], atol=2e-3)


def test_the_shipped_checkpoints_load() -> None:
    for file in sorted((Path(__file__).parents[1] / "weights").rglob("model.safetensors")):
        name = file.parent.name
        assert load_model(name, file.parents[1]).name == name
