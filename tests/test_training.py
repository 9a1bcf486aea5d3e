"""Recipes, schedules, the loop and its interruptions, on small networks and small data."""

import copy
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import save_file
from torchvision.models import ResNet50_Weights

from fer_models.architectures import EmotionModel, create_model
from fer_models.data.augmentation import Augmentation
from fer_models.data.fer2013 import FER2013
from fer_models.training import budget
from fer_models.training.backbone import BackboneError, load_backbone, read_backbone
from fer_models.training.loop import LossNotFinite, TrainingResult, TrainingStopped, _Run, _targets, train
from fer_models.training.recipes import RECIPES, Recipe
from fer_models.training.schedule import learning_rate, plan
from fer_models.training.state import StateError, read_progress, read_state
from train import _earlier_run

ROOT = Path(__file__).parents[1]
TINY = {"widths": [4, 8, 8]}
RECIPE = Recipe(
    stages=((48, 2), (72, 1.5)),
    learning_rate=1e-2,
    batch_size=20,
    ema=0.9,
    architecture=TINY,
)


def tiny_model(recipe: Recipe = RECIPE) -> EmotionModel:
    torch.manual_seed(0)
    return create_model("attn_cnn", **recipe.architecture)


def run(data: FER2013, run_dir: Path, recipe: Recipe = RECIPE, **options: object) -> TrainingResult:
    return train(tiny_model(recipe), recipe, data, run_dir, Accelerator(cpu=True), **options)


def interrupt_at(step: int, monkeypatch: pytest.MonkeyPatch, number: int = signal.SIGTERM) -> None:
    """Sends this process a signal while the given step (counted over the whole run) is computed."""
    from fer_models.training import loop

    calls = []
    original = loop.augment

    def counting(*arguments: object) -> torch.Tensor:
        calls.append(1)
        if len(calls) == step:
            os.kill(os.getpid(), number)
        return original(*arguments)

    monkeypatch.setattr(loop, "augment", counting)


def test_plan_cuts_stages_into_epochs() -> None:
    segments = plan(RECIPE, images=140)
    assert [(s.size, s.steps, s.epoch, s.new_size) for s in segments] == [
        (48, 7, 1.0, True),
        (48, 7, 2.0, False),
        (72, 7, 3.0, True),
        (72, 4, 3.5, False),
    ]


def test_one_cycle_follows_compute() -> None:
    recipe = replace(RECIPE, stages=((32, 4), (64, 1)))  # both stages cost the same
    segments = plan(recipe, images=20_000)
    assert learning_rate(recipe, segments, 0, 0) == pytest.approx(0.01 * recipe.learning_rate)
    # Half of the compute is spent when the size changes: (0.5 - 0.1) / 0.9 of the way down the cosine.
    half = (1 + math.cos(math.pi * 0.4 / 0.9)) / 2 * recipe.learning_rate
    assert learning_rate(recipe, segments, 4, 0) == pytest.approx(half)
    assert learning_rate(recipe, segments, 4, 999) < 1e-4 * recipe.learning_rate


def test_warm_restarts_restart_after_10_and_30_epochs() -> None:
    recipe = RECIPES["paper"]["baseline_cnn"]
    segments = plan(replace(recipe, stages=((128, 40),)), images=320)
    rates = [learning_rate(recipe, segments, epoch, 0) / 1e-3 for epoch in range(40)]
    assert [epoch for epoch, rate in enumerate(rates) if rate == 1] == [0, 10, 30]
    assert rates[5] == pytest.approx(0.5) and rates[20] == pytest.approx(0.5)


def test_paper_recipe_is_the_papers() -> None:
    for recipe in RECIPES["paper"].values():
        assert (recipe.optimizer, recipe.learning_rate, recipe.batch_size) == ("adam", 1e-3, 32)
        assert recipe.label_smoothing == recipe.weight_decay == recipe.ema == 0
        assert recipe.patience is not None
        assert recipe.augmentation == Augmentation(flip=0.5, rotation=10, brightness=0.2)
    assert RECIPES["paper"]["attn_cnn"].architecture["batch_norm"] is False


def test_both_resnets_have_the_same_recipes() -> None:
    """Except for the learning rate of CBAM, which only one of them has."""
    for recipe in ("default", "paper", "short", "finish"):
        assert RECIPES[recipe]["resnet50"] == replace(RECIPES[recipe]["resnet50_cbam"], rate_factors={})


def test_a_rate_factor_moves_its_submodule_only(small_data: FER2013, tmp_path: Path) -> None:
    recipe = replace(RECIPE, stages=((48, 1),), ema=0.0, learning_rate=1e-3, weight_decay=0.0)
    faster = replace(recipe, rate_factors={"attention": 0.0})
    before = dict(tiny_model().named_parameters())
    after = dict(run(small_data, tmp_path / "slow", faster).model.named_parameters())
    for name, parameter in before.items():
        assert torch.equal(parameter, after[name]) == name.startswith("attention."), name


def test_it_learns_and_keeps_the_best_weights_of_the_last_size(small_data: FER2013, tmp_path: Path) -> None:
    recipe = replace(RECIPE, stages=((48, 8), (64, 8)), augmentation=Augmentation(flip=0.5, rotation=0))
    result = run(small_data, tmp_path, recipe)
    last_size = [row["validation_accuracy"] for row in result.history if row["size"] == 64]
    assert max(last_size) > 0.9
    from fer_models.training.loop import validate

    _, accuracy = validate(result.model, small_data.validation, 64, Accelerator(cpu=True))
    assert accuracy == pytest.approx(max(last_size), abs=1e-4)
    assert (tmp_path / "history.csv").read_text().count("\n") == 1 + len(result.history)


def test_frozen_parts_keep_their_weights_and_update_their_statistics(small_data: FER2013, tmp_path: Path) -> None:
    before = tiny_model().state_dict()
    recipe = replace(RECIPE, stages=((48, 1),), ema=0.0, frozen=("stem", "stage1"))
    after = run(small_data, tmp_path, recipe).model.state_dict()
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    for name in before:
        kept = name.startswith(("stem.", "stage1.")) and not name.endswith(statistics)
        assert torch.equal(before[name], after[name]) == kept, name


@pytest.mark.parametrize("step", [3, 7, 20, 24])
def test_an_interrupted_run_ends_in_the_same_weights(
    step: int, small_data: FER2013, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(small_data, tmp_path / "whole")
    with monkeypatch.context() as patch:
        interrupt_at(step, patch)
        with pytest.raises(TrainingStopped, match="--resume"):
            run(small_data, tmp_path / "parts")
    resumed = run(small_data, tmp_path / "parts", resume=True)
    assert {k: v.tolist() for k, v in resumed.model.state_dict().items()} == {
        k: v.tolist() for k, v in whole.model.state_dict().items()
    }
    strip = ("seconds", "images_per_second")
    assert [{k: v for k, v in row.items() if k not in strip} for row in resumed.history] == [
        {k: v for k, v in row.items() if k not in strip} for row in whole.history
    ]


def test_signal_handlers_are_put_back(small_data: FER2013, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    interrupt_at(2, monkeypatch, signal.SIGINT)
    with pytest.raises(TrainingStopped):
        run(small_data, tmp_path)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_state_is_neither_overwritten_nor_mixed_up(small_data: FER2013, tmp_path: Path) -> None:
    short = replace(RECIPE, stages=((48, 1),))
    run(small_data, tmp_path, short)
    with pytest.raises(StateError, match="--resume, or delete"):
        run(small_data, tmp_path, short)
    other_start = tiny_model()
    torch.nn.init.zeros_(other_start.fc.bias)
    for model, options in (
        (tiny_model(), {"seed": 1}),
        (other_start, {}),
        (tiny_model(), {"teacher": tiny_model().eval()}),
    ):
        with pytest.raises(StateError, match="another recipe, seed, data set, teacher or weights"):
            train(model, short, small_data, tmp_path, Accelerator(cpu=True), resume=True, **options)
    assert len(run(small_data, tmp_path, short, resume=True).history) == 1  # a finished run is finished

    (tmp_path / "state.safetensors").write_bytes(b"0" * 50)
    with pytest.raises(StateError, match=r"state\.safetensors cannot be read"):
        run(small_data, tmp_path, short, resume=True)


def test_a_date_is_a_seed(small_data: FER2013, tmp_path: Path) -> None:
    assert len(run(small_data, tmp_path, replace(RECIPE, stages=((48, 0.2),)), seed=20_261_125).history) == 1


def test_nan_stops_and_keeps_the_last_good_state(
    small_data: FER2013, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fer_models.training import loop

    original = loop.augment
    calls = []

    def poisoned(*arguments: object) -> torch.Tensor:
        calls.append(1)
        return original(*arguments) * (float("nan") if len(calls) > 10 else 1)

    monkeypatch.setattr(loop, "augment", poisoned)
    with pytest.raises(LossNotFinite, match=r"epoch 2, step 3.*last good state"):
        run(small_data, tmp_path, save_minutes=0)
    parts, progress = read_state(tmp_path / "state.safetensors")
    assert (progress["progress"]["segment"], progress["progress"]["step"]) == (1, 3)
    assert all(tensor.isfinite().all() for tensor in parts["model"].values())


def test_early_stopping(small_data: FER2013, tmp_path: Path) -> None:
    recipe = replace(RECIPE, stages=((48, 30),), learning_rate=0.0, patience=3, ema=0.0)
    history = run(small_data, tmp_path, recipe).history
    assert len(history) == history.index(max(history, key=lambda row: row["validation_accuracy"])) + 1 + 3


def test_early_stopping_begins_with_the_last_size(small_data: FER2013, tmp_path: Path) -> None:
    """Weights of a smaller size are never kept, so a run stopped there would end without any."""
    recipe = replace(RECIPE, stages=((32, 4), (48, 2)), learning_rate=0.0, patience=1, ema=0.0)
    result = run(small_data, tmp_path, recipe)
    assert [row["size"] for row in result.history] == [32, 32, 32, 32, 48, 48]


def test_the_moving_average_by_hand(small_data: FER2013, tmp_path: Path) -> None:
    run = _Run(tiny_model(), replace(RECIPE, ema=0.5), tmp_path, Accelerator(cpu=True), {})
    averaged, weight = run.average.fc.bias, run.model.fc.bias
    expected = []
    for value in (1.0, 3.0, 5.0):
        weight.data.fill_(value)
        run.update_average()
        expected.append(averaged[0].item())
    # Decays 0, 2/11, 3/12: the first value as it is, then 2/11 and 1/4 of what was there.
    second = 1 + (1 - 2 / 11) * 2
    assert expected == pytest.approx([1, second, second / 4 + 5 * 3 / 4])


def test_a_recipe_is_fitted_to_minutes(
    small_data: FER2013, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each stage keeps its share of the epochs; the time is what those cost."""
    seconds = {48: 2.0, 72: 4.0}
    monkeypatch.setattr(budget, "_epoch_seconds", lambda recipe, model, data, accelerator, size: seconds[size])
    recipe, model = replace(RECIPE, stages=((48, 2), (72, 1))), tiny_model()
    with caplog.at_level("INFO"):
        fitted = budget.fit_to_minutes(recipe, model, small_data, Accelerator(cpu=True), minutes=4)
    assert fitted.stages == (pytest.approx((48, 60), rel=1e-3), pytest.approx((72, 30), rel=1e-3))  # 120 + 120 s
    assert "Planned: 90.00 epochs in 4.0 min." in caplog.text


def test_measuring_leaves_the_model_as_it_is(small_data: FER2013) -> None:
    model = tiny_model()
    before = copy.deepcopy(model.state_dict())
    fitted = budget.fit_to_minutes(RECIPE, model, small_data, Accelerator(cpu=True), minutes=1)
    assert fitted.epochs > 0
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_backbone_tensors_are_counted_by_stage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    donor = create_model("resnet50")
    part = {name: t + 1 for name, t in donor.state_dict().items() if name.startswith(("conv1", "bn1", "layer1"))}
    part |= {"fc.weight": torch.zeros(1000, 2048), "unknown.weight": torch.zeros(3)}
    save_file(part, tmp_path / "part.safetensors")
    model = create_model("resnet50_cbam")
    with caplog.at_level("INFO"):
        parts = load_backbone(model, read_backbone(str(tmp_path / "part.safetensors")))
    assert torch.equal(model.conv1.weight, donor.conv1.weight + 1)
    assert parts == dict.fromkeys(("conv1", "bn1", "layer1"), "loaded") | dict.fromkeys(
        ("layer2", "layer3", "layer4", "fc", "cbam"), "initial"
    )
    # conv1 and its norm have 1 + 4 tensors, layer1's ten convolutions 10 * 5.
    assert "55 tensors loaded (conv1, bn1, layer1)" in caplog.text


@pytest.mark.parametrize(
    ("prefix", "wrap"),
    [
        ("state_dict.", lambda state: {"epoch": 3, "state_dict": state, "optimizer": {"state": {0: {"m": state}}}}),
        ("model.", lambda state: {"model": state, "ema": state}),
        ("module.", lambda state: {f"module.{name}": tensor for name, tensor in state.items()}),
        ("_orig_mod.", lambda state: torch.compile(_with(state)).state_dict()),
        ("a.b.module.encoder.", lambda state: {"a": {"b": {f"module.encoder.{n}": t for n, t in state.items()}}}),
        # A backbone with another head: its own layers also have a conv1 and a bn1 each.
        ("backbone.", lambda state: {f"backbone.{n}": t for n, t in state.items()} | {"head.fc.weight": torch.ones(2)}),
    ],
)
def test_backbone_tensors_are_found_behind_any_prefix(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, prefix: str, wrap: Callable[[dict], dict]
) -> None:
    donor = tiny_model()
    state = {name: tensor for name, tensor in donor.state_dict().items() if not name.startswith("fc.")}
    torch.save(wrap(state), tmp_path / "wrapped.pth")
    torch.manual_seed(1)
    model = create_model("attn_cnn", **TINY)
    with caplog.at_level("INFO"):
        parts = load_backbone(model, read_backbone(tmp_path / "wrapped.pth"))
    assert parts == dict.fromkeys(("stem", "stage1", "stage2", "stage3", "attention"), "loaded") | {"fc": "initial"}
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items() if name in state)
    assert f"those whose names begin with {prefix!r} are taken" in caplog.text


def _with(state: dict) -> EmotionModel:
    model = tiny_model()
    model.load_state_dict(state, strict=False)
    del model.fc
    return model


def test_what_holds_no_tensors_by_name_is_refused_in_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "wrong.pth"
    for content, sentence in (
        (torch.zeros(3), "holds a Tensor without tensors by name"),
        ([torch.zeros(3)], "holds a list without tensors by name"),
        ({"epoch": 3}, "holds a dict without tensors by name"),
        (tiny_model(), "holds Python objects other than tensors, which are not read"),
    ):
        torch.save(content, file)
        with pytest.raises(BackboneError, match=rf"wrong.pth {sentence}.*torch.save\(model.state_dict\(\), FILE\)"):
            read_backbone(file)
    # One block of another network, whose conv1 and bn1 fit resnet50's by chance, is not its backbone.
    block = {"conv1.weight": (64, 3, 7, 7), "bn1.weight": (64,), "a.weight": (2,), "b.weight": (2,), "c.weight": (2,)}
    others = {f"blocks.0.{name}": torch.zeros(shape) for name, shape in block.items()}
    with pytest.raises(BackboneError, match=r"no tensor of resnet50.*such as 'blocks.0.conv1.weight'.*'conv1.weight'"):
        load_backbone(create_model("resnet50"), others)


def test_backbone_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BackboneError, match="no file"):
        read_backbone(str(tmp_path / "absent.pth"))
    (tmp_path / "broken.safetensors").write_bytes(b"x")
    with pytest.raises(BackboneError, match="cannot be read"):
        read_backbone(str(tmp_path / "broken.safetensors"))
    with pytest.raises(BackboneError, match="no tensor"):
        load_backbone(create_model("resnet50"), {"features.0.weight": torch.zeros(1)})
    with pytest.raises(BackboneError, match=r"conv1.weight is \(3, 3\)"):
        load_backbone(create_model("resnet50"), {"conv1.weight": torch.zeros(3, 3)})

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing listens there
    with pytest.raises(BackboneError, match="--backbone-weights FILE"):
        read_backbone(ResNet50_Weights.IMAGENET1K_V1)


# ---- The command itself -------------------------------------------------------------------------------------------


def command(kaggle_folder: Path, out: Path, *more: str) -> list[str]:
    return ["train.py", "--model", "baseline_cnn", "--data", str(kaggle_folder), "--device", "cpu", "--precision", "no",
            "--runs", str(out / "runs"), "--weights", str(out / "weights"), *more]  # fmt: skip


def environment(tmp_path: Path) -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path)}


def test_killed_training_resumes_and_writes_a_whole_checkpoint(kaggle_folder: Path, tmp_path: Path) -> None:
    arguments = [sys.executable, *command(kaggle_folder, tmp_path, "--save-every", "0")]
    process = subprocess.Popen(arguments, cwd=ROOT, env=environment(tmp_path))
    state = tmp_path / "runs" / "baseline_cnn" / "state.safetensors"
    deadline = time.monotonic() + 120
    while not state.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert read_progress(state)["progress"]["segment"] < 12

    finished = subprocess.run([*arguments, "--resume"], cwd=ROOT, env=environment(tmp_path), capture_output=True)
    assert finished.returncode == 0, finished.stderr.decode()
    folder = tmp_path / "weights" / "baseline_cnn"
    assert {"model.safetensors", "config.json", "metrics.json", "history.csv", "README.md"} <= set(os.listdir(folder))
    training = json.loads((folder / "config.json").read_text())["training"]
    assert training["command"].startswith("python train.py --model baseline_cnn")
    assert training["seed"] == 0 and training["versions"]["torch"] == torch.__version__.split("+")[0]


def test_a_timed_trial_without_a_test_can_be_resumed(kaggle_folder: Path, tmp_path: Path) -> None:
    arguments = command(kaggle_folder, tmp_path, "--minutes", "0.1", "--no-test")
    options = {"cwd": ROOT, "env": environment(tmp_path), "capture_output": True, "text": True}
    finished = subprocess.run([sys.executable, *arguments], **options)
    assert finished.returncode == 0, finished.stderr
    assert "Planned: " in finished.stderr and "not tested" in finished.stderr
    assert set(os.listdir(tmp_path / "weights" / "baseline_cnn")) == {"config.json", "history.csv", "model.safetensors"}
    # If the steps were measured again, the plan would differ, and the state would be another run's.
    resumed = subprocess.run([sys.executable, *arguments, "--resume"], **options)
    assert resumed.returncode == 0 and "Planned" not in resumed.stderr, resumed.stderr


def test_training_imports_neither_the_page_nor_grad_cam() -> None:
    """A rented GPU machine need not have them."""
    code = "import sys, train\nassert not {'gradio', 'pytorch_grad_cam', 'demo'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_a_run_that_ends_at_another_size_is_a_start_for_the_next(kaggle_folder: Path, tmp_path: Path) -> None:
    arguments = ["train.py", "--data", str(kaggle_folder), "--device", "cpu", "--precision", "no"]
    trunk = [*arguments, "--model", "resnet50", "--recipe", "trunk", "--epochs", "0.1", "--backbone-weights", "none"]
    folder = str(tmp_path / "trunk")
    options = {"cwd": ROOT, "env": environment(tmp_path), "capture_output": True}
    finished = subprocess.run([sys.executable, *trunk, "--runs", folder, "--weights", folder], **options)
    assert finished.returncode == 0, finished.stderr.decode()
    assert b"ended at 96 px but runs at 224 px: not tested" in finished.stderr
    written = set(os.listdir(tmp_path / "trunk" / "resnet50"))
    assert written == {"config.json", "history.csv", "model.safetensors", "state.safetensors"}


def test_a_teacher_gives_half_of_each_target(small_data: FER2013) -> None:
    teacher = tiny_model()
    with torch.no_grad():
        teacher.fc.weight.zero_()  # the same answer for every face:
        teacher.fc.bias[:] = torch.tensor([0.0, 0.0, 0.0, 2 * math.log(4), 0.0, 0.0, 0.0])
    teacher.temperature = 2.0  # happy 4/10, all others 1/10
    targets = _targets(small_data.train, teacher)
    expected = torch.full((len(small_data.train), 7), 0.05)
    expected[:, 3] = 0.2
    expected[torch.arange(len(expected)), small_data.train.labels] += 0.5
    assert torch.allclose(targets, expected)
    assert torch.equal(_targets(small_data.train, None).argmax(dim=1), small_data.train.labels)


def test_the_run_that_made_the_backbone_is_recorded(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    config = {"name": "resnet50", "architecture": {}, "sha256": "0", "temperature": 1.0, "conformal_threshold": 1.0}
    (tmp_path / "config.json").write_text(json.dumps(config | {"training": {"recipe": "trunk"}}))
    (tmp_path / "history.csv").write_text("epoch,size\n1.0,64\n")
    assert _earlier_run(str(weights)) == (None, [])  # torchvision's "imagenet" is not a file either
    weights.touch()
    assert _earlier_run(str(weights)) == ({"recipe": "trunk"}, [{"epoch": 1.0, "size": 64}])


def test_two_processes_train_one_model(kaggle_folder: Path, tmp_path: Path) -> None:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    arguments = [*launch, *command(kaggle_folder, tmp_path, "--minutes", "0.2")]
    finished = subprocess.run(arguments, cwd=ROOT, env=environment(tmp_path), capture_output=True, timeout=240)
    assert finished.returncode == 0, finished.stderr.decode()
    config = json.loads((tmp_path / "weights" / "baseline_cnn" / "config.json").read_text())
    assert config["training"]["processes"] == 2


def test_errors_of_the_command_are_sentences(kaggle_folder: Path, tmp_path: Path) -> None:
    broken = command(tmp_path / "absent", tmp_path)
    finished = subprocess.run([sys.executable, *broken], cwd=ROOT, env=environment(tmp_path), capture_output=True)
    assert finished.returncode == 1
    assert b"There is nothing at" in finished.stderr and b"Traceback" not in finished.stderr
