"""Model cards, weights/<name>/README.md, with metadata for the Hugging Face Hub."""

from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from fer_models.architectures import MODELS
from fer_models.checkpoints import CARD_FILE, read_config

TEMPLATE = Path(__file__).with_name("model_card_template.md")


def render_model_card(config: dict, metrics: dict, is_variant: bool = False, repository: str | None = None) -> str:
    """The model card in Markdown.

    Args:
        config: the checkpoint's config.json.
        metrics: its metrics.json.
        is_variant: whether it is stored in weights/<recipe>/<name>/, for comparison with the model on the page.
        repository: OWNER/NAME on the Hugging Face Hub for a card that is to stand there; None for one in a checkout.
    """
    name = metrics["model"]
    training = metrics["training"]
    metadata = ModelCardData(
        license="mit",
        library_name="pytorch",
        pipeline_tag="image-classification",
        tags=["facial-emotion-recognition", "facial-expression-recognition", "fer2013", "grad-cam", "attention"],
        datasets=["fer2013"],
        metrics=["accuracy", "f1"],
        model_name=name,
        eval_results=[
            _eval_result("accuracy", "Accuracy", metrics["test"]["accuracy"]),
            _eval_result("f1", "Macro-F1", metrics["test"]["macro_f1"]),
            _eval_result("accuracy", "Accuracy without duplicates", metrics["test_leak_free"]["accuracy"]),
            _eval_result("accuracy", "Accuracy, flip-averaged", metrics["test_flip_averaged"]["accuracy"]),
        ],
    )
    card = ModelCard.from_template(
        metadata,
        template_path=str(TEMPLATE),
        name=name,
        weights_dir=f"weights/{training['recipe']}" if is_variant else "weights",
        is_variant=is_variant,
        repository=repository,
        description=MODELS[name].describe(config["architecture"]),
        config=config,
        metrics=metrics,
        training=training,
        runs=whole_training(training),
        schedule=describe_schedule(training),
        starting_weights=_describe_start(whole_training(training)[0]),
    )
    return str(card) + "\n"


def write_model_card(directory: str | Path, metrics: dict[str, Any]) -> None:
    """Writes the card into a checkpoint's folder; in weights/<recipe>/<name>/ it is that of a variant.

    Raises:
        CheckpointError: as `read_config`.
    """
    directory = Path(directory)
    card = render_model_card(read_config(directory), metrics, is_variant_folder(directory, metrics))
    (directory / CARD_FILE).write_text(card, encoding="utf-8")


def is_variant_folder(directory: Path, metrics: dict[str, Any]) -> bool:
    """Whether a checkpoint's folder is weights/<recipe>/<name>/, see `render_model_card`."""
    return directory.absolute().parent.name == metrics["training"]["recipe"]


def whole_training(training: dict) -> list[dict]:
    """The training runs of a checkpoint, first to last: a run may start from the weights of an earlier one."""
    earlier = training.get("started_from")
    return [*(whole_training(earlier) if earlier else []), training]


def describe_schedule(training: dict) -> str:
    """Epochs x image size over all runs, such as "4 x 64 px, 0.5 x 96 px", and when the last run stopped early."""
    stages = [stage for run in whole_training(training) for stage in run["stages"]]
    schedule = ", ".join(f"{epochs:.3g} x {size} px" for size, epochs in stages)
    stopped_early = training["epochs"] < round(sum(epochs for _, epochs in training["stages"]), 6)
    return f"{schedule}, stopped early after {training['epochs']:g}" if stopped_early else schedule


def _describe_start(training: dict) -> str:
    """The file that the training started from, and the state of the model's parts."""
    if not training["backbone_parts"]:
        return "none, trained from scratch"
    parts = ", ".join(f"{part} {state}" for part, state in training["backbone_parts"].items())
    return f"{training['backbone_weights']}: {parts}"


def _eval_result(metric: str, metric_name: str, value: float) -> EvalResult:
    return EvalResult(
        task_type="image-classification",
        dataset_type="fer2013",
        dataset_name="FER-2013",
        dataset_split="test",
        metric_type=metric,
        metric_name=metric_name,
        metric_value=round(value, 4),
    )
