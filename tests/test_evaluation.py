"""Evaluating a checkpoint: predictions, cost, the files that it leaves, and the tables made from them."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from PIL import Image
from torch import nn

from fer_models import predict
from fer_models.architectures import MODEL_NAMES, MODELS, EmotionModel, create_model
from fer_models.checkpoints import EvaluationError, load_model, read_history, save_checkpoint
from fer_models.data.fer2013 import FER2013, Split
from fer_models.emotions import EMOTIONS
from fer_models.evaluation.__main__ import main
from fer_models.evaluation.conformal import summarise_sets
from fer_models.evaluation.evaluate import evaluate_checkpoint
from fer_models.evaluation.metrics import summarise
from fer_models.evaluation.mirror import mirror_test
from fer_models.evaluation.model_card import describe_schedule, render_model_card, whole_training
from fer_models.evaluation.plots import draw_learning_curves, draw_samples
from fer_models.evaluation.results import Evaluation, Predictions, Variant, read_evaluation, read_variants
from fer_models.evaluation.seeds import read_seeds
from fer_models.evaluation.table import confidence_table, markers, render_summary, render_tables, replace_marked_block
from fer_models.inference.complexity import count_multiply_adds, count_parameters
from fer_models.inference.logits import compute_logits
from fer_models.inference.probabilities import to_probabilities

ROOT = Path(__file__).parent.parent
TRAINING = {
    "command": "python train.py --model baseline_cnn --data fer2013.csv",
    "recipe": "default",
    "seed": 7,
    "stages": [[64, 2], [128, 0.5]],
    "epochs": 2.5,
    "backbone_weights": "none",
    "backbone_parts": {},
    "hours": 1.25,
    "machine": "a machine",
    "data_fingerprint": "ab" * 32,
    "versions": {"python": "3.11.0", "torch": "2.14.1"},
}
HISTORY = """\
epoch,size,train_loss,train_accuracy,validation_loss,validation_accuracy,learning_rate,seconds,images_per_second
1.0,64,1.8,0.25,1.7,0.3,0.003,10.0,100.0
2.0,64,1.6,0.35,1.5,0.4,0.002,20.0,100.0
2.5,128,1.4,0.45,1.3,0.5,0.001,30.0,100.0
"""


class LeftBrightness(EmotionModel):
    """A model worked out by hand: its first logit is the mean of the left half, the others are 0."""

    name = "baseline_cnn"
    input_size = 48

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))
        self.batches: list[int] = []

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        assert not self.training
        self.batches.append(len(faces))
        logits = torch.zeros(len(faces), 7)
        logits[:, 0] = self.scale * faces[..., :24].mean(dim=(1, 2, 3))
        return logits


def first_of_seven(logit: float) -> float:
    """The first probability where the other six logits are 0."""
    return np.exp(logit) / (np.exp(logit) + 6)


def test_probabilities_of_a_model_worked_out_by_hand():
    faces = torch.zeros(5, 48, 48, dtype=torch.uint8)
    faces[1, :, :24] = 255
    faces[2, :, 24:] = 255
    model = LeftBrightness().train()
    model.temperature = 0.5

    plain = to_probabilities(compute_logits(model, faces, batch_size=2), model.temperature)
    mirrored = to_probabilities(compute_logits(model, faces, batch_size=2, flip=True), model.temperature)

    assert model.batches == [2, 2, 1] * 2, "each face goes through the model once per view"
    assert plain.dtype == np.float32
    np.testing.assert_allclose(plain.sum(axis=1), 1, rtol=1e-6)
    expected = [first_of_seven(logit / 0.5) for logit in (0, 1, 0, 0, 0)]
    np.testing.assert_allclose(plain[:, 0], expected, rtol=1e-6)
    np.testing.assert_allclose(mirrored[:, 0], [expected[i] for i in (0, 2, 1, 3, 4)], rtol=1e-6)

    both = Predictions(np.zeros(5, np.uint8), np.ones(5, bool), plain, np.stack([plain, mirrored])).flip_averaged
    np.testing.assert_allclose(both[1], both[2], rtol=1e-6)
    np.testing.assert_allclose(both[1, 0], (expected[0] + expected[1]) / 2, rtol=1e-6)


def test_cost_of_a_small_network_counted_by_hand():
    model = create_model("baseline_cnn", widths=(4, 8, 8), hidden=16, batch_norm=False)
    # 128 px, stride 2, then three pools: convolutions at 64, 32 and 16 px, 8 x 8 cells in front of the classifier.
    convolutions = [(1 * 4 * 9, 64), (4 * 8 * 9, 32), (8 * 8 * 9, 16)]
    linear = [8 * 8 * 8 * 16, 16 * 7]
    assert count_multiply_adds(model) == sum(w * side**2 for w, side in convolutions) + sum(linear)
    assert count_parameters(model) == sum(w for w, _ in convolutions) + (4 + 8 + 8) + sum(linear) + (16 + 7)


def test_cost_of_resnet50_is_the_published_one():
    # torchvision: 25,557,032 parameters and 4.09 billion multiply-adds with 1000 classes; 7 need 993 x 2049 fewer.
    model = create_model("resnet50")
    assert count_parameters(model) == 25_557_032 - 993 * 2049
    assert count_multiply_adds(model) / 1e9 == pytest.approx(4.09, abs=0.005)


def test_the_products_of_self_attention_are_counted_on_a_cpu():
    three, four = (create_model("vit", width=32, layers=layers, heads=4) for layers in ((1, 1, 1), (2, 1, 1)))
    # A layer more: query, key, value and output, then the MLP, for 64 tokens; each token with each, twice.
    assert count_multiply_adds(four) - count_multiply_adds(three) == 64 * (4 + 4) * 32**2 + 2 * 64 * 64 * 32


@pytest.fixture(scope="module")
def data() -> FER2013:
    """Three random faces per emotion and split; test images 0 and 20 are copies from other splits."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(7).repeat(3)

    def split() -> Split:
        return Split(torch.randint(0, 256, (21, 48, 48), dtype=torch.uint8, generator=generator), labels)

    train, validation, test = split(), split(), split()
    test.images[0] = train.images[5]
    test.images[20] = validation.images[3]
    return FER2013(train, validation, test, layout="csv", fingerprint="ab" * 32)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory, data) -> Path:
    """The folder of a small baseline, stored and evaluated as a training does at its end."""
    directory = tmp_path_factory.mktemp("weights") / "baseline_cnn"
    save_checkpoint(create_model("baseline_cnn", widths=(4, 8, 8), hidden=16), directory, TRAINING)
    (directory / "history.csv").write_text(HISTORY)
    evaluate_checkpoint(load_model("baseline_cnn", directory.parent), data, directory)
    return directory


def test_metrics_are_those_of_the_stored_predictions(evaluated, data):
    result = read_evaluation(evaluated)
    stored, metrics = result.predictions, result.metrics
    shipped = load_model("baseline_cnn", evaluated.parent)
    plain = to_probabilities(compute_logits(shipped, data.test.images), shipped.temperature)
    both = np.stack([compute_logits(shipped, images) for images in (data.test.images, data.test.images.flip(2))])
    views = to_probabilities(both, shipped.mirrored_temperature)
    labels = data.test.labels.numpy()

    np.testing.assert_allclose(stored.probabilities, plain, atol=1e-6)
    np.testing.assert_allclose(stored.views, views, atol=1e-6)
    mean = predict(shipped, list(data.test.images.numpy()), mirrored=True)
    np.testing.assert_allclose(stored.flip_averaged, mean, atol=1e-6)
    np.testing.assert_array_equal(stored.validation_labels, data.validation.labels)
    mean = predict(shipped, list(data.validation.images.numpy()), mirrored=True)
    np.testing.assert_allclose(stored.validation_views.mean(axis=0), mean, atol=1e-6)
    np.testing.assert_array_equal(stored.labels, labels)
    assert metrics["test"] == summarise(labels, stored.probabilities)
    assert metrics["test_flip_averaged"] == summarise(labels, stored.flip_averaged)
    assert metrics["mirror_test"] == mirror_test(labels, stored.views)
    sets = summarise_sets(labels, stored.flip_averaged, shipped.mirrored_threshold)
    assert metrics["conformal_flip_averaged"] == sets
    assert metrics["validation"]["n"] == 21
    assert metrics["parameters"] == count_parameters(shipped)
    assert metrics["training"] == TRAINING


def test_copies_from_the_other_splits_are_left_out_of_the_leak_free_figures(evaluated):
    result = read_evaluation(evaluated)
    np.testing.assert_array_equal(np.flatnonzero(~result.predictions.leak_free), [0, 20])
    middle = slice(1, 20)
    expected = summarise(result.predictions.labels[middle], result.predictions.probabilities[middle])
    assert result.metrics["test_leak_free"] == expected
    assert result.metrics["test_leak_free"]["n"] == 19


def test_pictures_fit_a_page_and_hold_more_than_one_colour(evaluated):
    for name in ("confusion_matrix", "reliability", "learning_curves", "samples"):
        with Image.open(evaluated / f"{name}.png") as picture:
            assert 700 <= picture.width <= 1100
            assert len(picture.convert("L").getcolors()) > 50


def test_learning_curves_mark_where_the_size_changes(tmp_path):
    (tmp_path / "history.csv").write_text(HISTORY)
    figure = draw_learning_curves(read_history(tmp_path), "title")
    accuracy, loss = figure.axes
    training, validation, size_change = (line.get_xydata() for line in accuracy.lines)
    np.testing.assert_array_equal(training, [[1, 0.25], [2, 0.35], [2.5, 0.45]])
    np.testing.assert_array_equal(validation, [[1, 0.3], [2, 0.4], [2.5, 0.5]])
    np.testing.assert_array_equal(size_change[:, 0], [2, 2])
    assert [(text.get_position()[0], text.get_text()) for text in accuracy.texts] == [(0, "64 px"), (2, "128 px")]
    assert len(loss.lines) == 3


def test_samples_show_the_most_confident_right_and_wrong_and_the_most_ambiguous():
    images = np.arange(4, dtype=np.uint8)[:, None, None].repeat(48, 1).repeat(48, 2)
    probabilities = np.zeros((4, 7))
    probabilities[0, [0, 1]] = 0.7, 0.3
    probabilities[1, [0, 1]] = 0.9, 0.1
    probabilities[2, [0, 1]] = 0.2, 0.8
    probabilities[3, [0, 1]] = 0.45, 0.55
    figure = draw_samples(images, np.zeros(4, dtype=int), probabilities, "title")
    right, wrong, ambiguous = (figure.axes[row * 7] for row in range(3))
    assert [int(axes.images[0].get_array()[0, 0]) for axes in (right, wrong, ambiguous)] == [1, 2, 3]
    assert [axes.get_xlabel() for axes in (right, wrong, ambiguous)] == [
        "angry 90%",
        "disgust 80%",
        "disgust 55%\nangry 45%",
    ]
    assert all(axes.texts[0].get_text() == "none" for axes in figure.axes[1:7])


def test_model_card_says_what_metrics_json_says(evaluated):
    metrics = read_evaluation(evaluated).metrics
    card = ModelCard.load(evaluated / "README.md")
    metadata = card.data.to_dict()
    assert metadata["license"] == "mit"
    assert metadata["pipeline_tag"] == "image-classification"
    values = {metric["name"]: metric["value"] for metric in metadata["model-index"][0]["results"][0]["metrics"]}
    assert values == {
        "Accuracy": round(metrics["test"]["accuracy"], 4),
        "Macro-F1": round(metrics["test"]["macro_f1"], 4),
        "Accuracy without duplicates": round(metrics["test_leak_free"]["accuracy"], 4),
        "Accuracy, flip-averaged": round(metrics["test_flip_averaged"]["accuracy"], 4),
    }

    low, high = (100 * bound for bound in metrics["test"]["accuracy_interval"])
    assert f"| **{100 * metrics['test']['accuracy']:.1f} %** [{low:.1f}, {high:.1f}] |" in card.text
    recalls = " | ".join(f"{100 * recall:.1f} %" for recall in metrics["test"]["recall"].values())
    assert f"| {' | '.join(EMOTIONS)} |\n|{'---|' * 7}\n| {recalls} |" in card.text
    for fact in (TRAINING["command"], "2 x 64 px, 0.5 x 128 px", "| 7 |", "1.2 hours", "python 3.11.0, torch 2.14.1"):
        assert fact in card.text
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", card.text):
        assert (evaluated / picture).is_file()


def test_model_card_names_the_uses_that_european_law_forbids_or_restricts(evaluated):
    text = (evaluated / "README.md").read_text(encoding="utf-8")
    for law in ("Regulation (EU) 2024/1689", "Article 5(1)(f)", "Annex III, point 1(c)", "Article 50(3)"):
        assert law in text


def test_a_checkpoint_that_started_from_an_earlier_one_tells_both_runs():
    earlier = TRAINING | {
        "command": "python train.py --recipe trunk",
        "recipe": "trunk",
        "stages": [[64, 3]],
        "epochs": 3,
        "hours": 1,
    }
    later = TRAINING | {"recipe": "finish", "stages": [[224, 0.5]], "epochs": 0.5, "started_from": earlier}
    assert [run["recipe"] for run in whole_training(later)] == ["trunk", "finish"]
    assert describe_schedule(later) == "3 x 64 px, 0.5 x 224 px"
    assert describe_schedule(earlier) == "3 x 64 px"
    assert describe_schedule(later | {"epochs": 0.4}) == "3 x 64 px, 0.5 x 224 px, stopped early after 0.4"


def test_a_card_names_teachers_and_frozen_parts_of_each_run(evaluated):
    teacher = {"name": "attn_cnn", "sha256": "12" * 32}
    earlier = TRAINING | {"recipe": "enlarge", "teacher": teacher, "frozen": ["conv1", "bn1"]}
    later = TRAINING | {"recipe": "finish", "started_from": earlier, "teacher": None, "frozen": []}
    config = json.loads((evaluated / "config.json").read_text())
    card = render_model_card(config, read_evaluation(evaluated).metrics | {"training": later})
    frozen = "the weights of conv1, bn1; their batch normalisation statistics are still updated"
    assert f"| frozen in enlarge | {frozen} |\n" in card
    assert (
        "| teacher in enlarge | half of each target is the prediction of attn_cnn (weights `121212121212`) |\n" in card
    )
    assert "in finish |" not in card


def test_the_card_of_a_variant_tells_where_it_lies_and_what_it_lacks(evaluated):
    config = json.loads((evaluated / "config.json").read_text())
    metrics = read_evaluation(evaluated).metrics
    shipped = render_model_card(config, metrics)
    assert 'load_model("baseline_cnn")' in shipped and "for comparison" not in shipped

    variant = render_model_card(config, metrics, is_variant=True)
    assert 'load_model("baseline_cnn", "weights/default")' in variant
    assert "where this folder is `weights/default/baseline_cnn`" in variant
    assert "for comparison: the page shows the model in `weights/baseline_cnn`." in variant

    complete, without = (MODELS["attn_cnn"].describe({"attention": attention}) for attention in (True, False))
    config["architecture"]["attention"] = False
    assert without in render_model_card(config, metrics | {"model": "attn_cnn"}, is_variant=True)
    assert without != complete


def test_an_evaluation_of_other_weights_is_refused_until_it_is_made_again(tmp_path, evaluated, data, monkeypatch):
    directory = shutil.copytree(evaluated, tmp_path / "baseline_cnn")
    save_checkpoint(create_model("baseline_cnn", widths=(4, 8, 8), hidden=16), directory, TRAINING)
    with pytest.raises(EvaluationError, match="other weights.*--data PATH"):
        read_evaluation(directory)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    csv_file = write_csv(data, tmp_path / "fer2013.csv")
    main(["--data", str(csv_file), "--models", "baseline_cnn", "--weights", str(tmp_path)])
    stored = read_evaluation(directory).predictions
    model = load_model("baseline_cnn", tmp_path)
    expected = to_probabilities(compute_logits(model, data.test.images), model.temperature)
    np.testing.assert_allclose(stored.probabilities, expected, atol=1e-6)
    np.testing.assert_array_equal(np.flatnonzero(~stored.leak_free), [0, 20])


def write_csv(data: FER2013, file: Path) -> Path:
    """The data in the form of fer2013.csv."""
    rows = ["emotion,pixels,Usage"]
    for usage, split in (("Training", data.train), ("PublicTest", data.validation), ("PrivateTest", data.test)):
        for image, label in zip(split.images, split.labels, strict=True):
            rows.append(f"{label},{' '.join(map(str, image.flatten().tolist()))},{usage}")
    file.write_text("\n".join(rows) + "\n")
    return file


@pytest.mark.parametrize("missing", ["config.json", "metrics.json", "predictions.safetensors"])
def test_a_missing_file_is_named(tmp_path, evaluated, missing):
    directory = shutil.copytree(evaluated, tmp_path / "baseline_cnn")
    (directory / missing).unlink()
    with pytest.raises(EvaluationError, match=missing):
        read_evaluation(directory)


@pytest.mark.parametrize("damaged", ["config.json", "metrics.json", "predictions.safetensors"])
def test_a_damaged_file_is_an_evaluation_error(tmp_path, evaluated, damaged):
    directory = shutil.copytree(evaluated, tmp_path / "baseline_cnn")
    (directory / damaged).write_bytes((directory / damaged).read_bytes()[:100])
    with pytest.raises(EvaluationError, match="is damaged .*--data PATH"):
        read_evaluation(directory)


def test_nothing_is_computed_without_a_checkpoint_to_put_it_beside(tmp_path, data):
    model = LeftBrightness()
    with pytest.raises(EvaluationError, match="lacks config.json"):
        evaluate_checkpoint(model, data, tmp_path)
    assert model.batches == []


def result_of(name: str, right: list[bool]) -> Evaluation:
    """A stored evaluation of faces that are all angry; a wrong answer is disgust. All but the last are leak-free."""
    right = np.array(right)
    labels, leak_free = np.zeros(len(right), np.uint8), np.arange(len(right)) < len(right) - 1
    probabilities = np.zeros((len(right), 7), np.float32)
    probabilities[:, 0], probabilities[:, 1] = np.where(right, 0.9, 0.4), np.where(right, 0.1, 0.6)
    predictions = Predictions(labels, leak_free, probabilities, np.stack([probabilities, probabilities]))
    metrics = {
        "model": name,
        "parameters": 1_500_000,
        "multiply_adds": 250_000_000,
        "test": summarise(labels, probabilities),
        "test_leak_free": summarise(labels[leak_free], probabilities[leak_free]),
        "test_flip_averaged": summarise(labels, probabilities),
        "training": TRAINING,
    }
    return Evaluation(metrics, predictions)


def test_table_row_and_mean_row_worked_out_by_hand():
    results = {
        "resnet50": result_of("resnet50", [True] * 6 + [False] * 4),
        "resnet50_cbam": result_of("resnet50_cbam", [True] * 5 + [False] * 3 + [True] * 2),
    }
    head, _, first, second, mean, fer, face_api, vit, deepface = render_tables(results).split("\n\n")[0].splitlines()
    assert head.startswith("| model | paper | ours")
    # 6 of 10: Wilson's interval is 31.3 to 83.2; without the last image 6 of 9. F1 of angry 12/16, of disgust 0.
    assert first == (
        "| `resnet50` | 43.5 | **60.0** [31.3, 83.2] | 66.7 | 60.0 | 10.7 | 1.50 M | 0.25 G "
        "| 2 x 64 px, 0.5 x 128 px (default) |"
    )
    assert second.startswith("| `resnet50_cbam` | 67.4 | **70.0** ")
    # Whoever is right is surer than who is wrong: the mean is right on all images but the two that both get wrong.
    assert mean.startswith("| mean of the 2 | – | **80.0** ")
    assert "| 77.8 | 80.0 |" in mean
    assert mean.endswith("| 3.00 M | 0.50 G | – |")
    # 2,364 and 2,112 of 3,589.
    assert "| 65.9 [64.3, 67.4] | 64.3 |" in fer and "| 58.8 [57.2, 60.4] | – |" in face_api
    assert "| 71.2, *as reported* | – |" in vit and "| 57.4, *as reported* | – |" in deepface


def test_the_mean_is_that_of_the_papers_models():
    right = {"baseline_cnn": [True, False], "resnet50": [True, False], "vit": [True, True]}
    results = {name: result_of(name, right) for name, right in right.items()}
    assert "| mean of the 2 | – | **50.0** " in render_tables(results)
    assert "| mean of the 2 | – | **50.0** " in render_summary(results)
    one_of_them = {name: results[name] for name in ("resnet50", "vit")}  # then it is that of all
    assert "| mean of the 2 | – | **100.0** " in render_summary(one_of_them)
    assert "mean of" not in render_summary({"vit": results["vit"]})


def test_recall_and_confidence_by_emotion_worked_out_by_hand():
    result = result_of("resnet50", [True] * 6 + [False] * 4)
    (row,) = [
        line for line in render_tables({"resnet50": result}).splitlines() if line.startswith("| `resnet50` | 60.0 |")
    ]
    assert row == "| `resnet50` | 60.0 | – | – | – | – | – | – |"  # all ten are labelled angry, six are found

    coverage = dict.fromkeys(EMOTIONS, 0.9) | {"disgust": None}
    sets = {"coverage": 0.9, "coverage_interval": [0.89, 0.91], "mean_size": 2.345, "coverage_by_emotion": coverage}
    metrics = result.metrics | {"test_uncalibrated": {"ece": 0.075}, "conformal": sets, "test": {"ece": 0.0212}}
    row = confidence_table({"resnet50": replace(result, metrics=metrics)}).splitlines()[2]
    assert row.startswith("| `resnet50` | 7.5 | 2.1 | 2.35 | 90.0 [89.0, 91.0] | 90.0 | – | 90.0 |")


def test_comparisons_say_in_words_whether_a_difference_was_found():
    results = {
        "baseline_cnn": result_of("baseline_cnn", [False] * 20 + [True] * 20),
        "resnet50": result_of("resnet50", [True] * 20 + [True] * 20),
        "resnet50_cbam": result_of("resnet50_cbam", [True] * 20 + [False] + [True] * 19),
    }
    lines = [line for line in render_tables(results).splitlines() if line.startswith("- ")]
    assert len(lines) == 4
    assert lines[0].startswith("- `resnet50_cbam` minus `resnet50`: -2.5 points [")
    assert lines[0].endswith(
        "only the first is right on 0 images, only the second on 1; the same prediction on 97.5%; p = 1.000: "
        "no difference found."
    )
    assert lines[1].startswith("- `resnet50` minus `baseline_cnn`: +50.0 points [")
    assert lines[1].endswith(
        "only the first is right on 20 images, only the second on 0; the same prediction on 50.0%; p < 0.001: "
        "`resnet50` is better."
    )
    # The best of them beside the mean of all, which is right wherever two are.
    assert lines[3].startswith("- mean of the 3 minus `resnet50`: +0.0 points [+0.0, +0.0]; only the first")


def test_models_evaluated_on_different_images_are_not_compared():
    first, second = result_of("resnet50", [True, False]), result_of("resnet50_cbam", [True, True])
    second = replace(second, predictions=replace(second.predictions, labels=np.array([0, 1], np.uint8)))
    with pytest.raises(EvaluationError, match="different test images"):
        render_tables({"resnet50": first, "resnet50_cbam": second})


def test_the_command_prints_the_table_and_puts_it_into_a_document(evaluated, tmp_path, capsys, monkeypatch):
    begin, end = markers("results")
    monkeypatch.chdir(tmp_path)
    readme, document = tmp_path / "README.md", tmp_path / "docs" / "results.md"
    document.parent.mkdir()
    for file in (readme, document):
        file.write_text(f"before\n{begin}old\n{end}\nafter\n")
    card = evaluated / "README.md"
    expected = card.read_text(encoding="utf-8")
    card.write_text("stale")
    main(["--models", "baseline_cnn", "--weights", str(evaluated.parent), "--write"])
    printed, evaluation = capsys.readouterr().out, read_evaluation(evaluated)
    assert printed == render_tables({"baseline_cnn": evaluation})
    assert document.read_text(encoding="utf-8") == f"before\n{begin}{printed}{end}\nafter\n"
    summary = render_summary({"baseline_cnn": evaluation})
    assert readme.read_text(encoding="utf-8") == f"before\n{begin}{summary}{end}\nafter\n"
    assert card.read_text(encoding="utf-8") == expected


def test_a_variant_has_a_row_in_a_table_of_its_own(tmp_path, evaluated):
    shutil.copytree(evaluated, tmp_path / "paper" / "baseline_cnn")
    shipped, (key, variant) = read_evaluation(evaluated), *read_variants(tmp_path).items()
    assert str(key) == "baseline_cnn, paper"
    shown = render_tables({"baseline_cnn": shipped}, {key: variant}).split("\n\n")
    assert len(shown[7].splitlines()) == 3 and shown[7].splitlines()[2] == shown[0].splitlines()[2]
    assert "trained by other recipes" not in render_tables({"baseline_cnn": shipped})


def test_only_variants_of_the_same_recipe_are_compared():
    """A variant and the shipped model of its name differ in the whole recipe, so their difference has no one cause."""
    results = {"baseline_cnn": result_of("baseline_cnn", [True] * 4), "attn_cnn": result_of("attn_cnn", [True] * 4)}
    variants = {
        Variant("attn_cnn", "paper"): result_of("attn_cnn", [True] * 4),
        Variant("baseline_cnn", "paper"): result_of("baseline_cnn", [True, True, True, False]),
        Variant("attn_cnn", "without_attention"): result_of("attn_cnn", [True] * 4),
    }
    pairs = [line.partition(":")[0] for line in render_tables(results, variants).splitlines() if line[:2] == "- "]
    assert len(pairs) == 1 + 1 + 1  # the shipped two, the best beside the mean, those of one recipe
    assert pairs[-1] == "- `baseline_cnn` (paper) minus `attn_cnn` (paper)"


def test_a_document_without_markers_is_left_alone():
    with pytest.raises(EvaluationError, match="results:begin"):
        replace_marked_block("no markers", "block")


def test_the_command_says_in_a_sentence_what_is_missing(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--weights", str(tmp_path)])
    assert stopped.value.code == 1
    error = capsys.readouterr().err
    assert "config.json is missing" in error
    assert "Traceback" not in error


def test_the_documentation_shows_the_tables_that_the_command_prints():
    results = {name: read_evaluation(ROOT / "weights" / name) for name in MODEL_NAMES}
    tables = render_tables(results, read_variants(ROOT / "weights"), read_seeds(ROOT / "weights"))
    for file, block in ((ROOT / "README.md", render_summary(results)), (ROOT / "docs" / "results.md", tables)):
        document = file.read_text(encoding="utf-8")
        assert document == replace_marked_block(document, block), "Run: python -m fer_models.evaluation --write"


def test_model_cards_are_those_of_the_metrics_beside_them():
    for file in sorted(ROOT.glob("weights/**/metrics.json")):
        config = json.loads(file.with_name("config.json").read_text())
        is_variant = file.parent.parent != ROOT / "weights"
        expected = render_model_card(config, json.loads(file.read_text()), is_variant)
        assert file.with_name("README.md").read_text(encoding="utf-8") == expected
