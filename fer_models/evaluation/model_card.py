"""The model card: weights/<name>/README.md, with the metadata that the Hugging Face Hub reads."""

from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData

TEMPLATE = Path(__file__).with_name("model_card_template.md")

DESCRIPTIONS = {
    "baseline_cnn": "A plain convolutional network, trained from scratch: three blocks of convolution, ReLU and max "
    "pooling, then two fully connected layers.",
    "resnet50": "A ResNet-50 (He et al. 2016) with seven classes, all of its layers fine-tuned.",
    "attn_cnn": "A compact residual network, trained from scratch, with a spatial attention module in front of its "
    "classification head.",
    "resnet50_cbam": "A ResNet-50 (He et al. 2016) with a CBAM (channel, then spatial attention; Woo et al. 2018) "
    "between its last convolutional stage and the pooling, all of its layers fine-tuned.",
}
WITHOUT_ATTENTION = " This one is without that module: it shows what the attention is worth."


def render_model_card(config: dict, metrics: dict, is_variant: bool = False) -> str:
    """The card's Markdown.

    Args:
        config: the checkpoint's config.json.
        metrics: its metrics.json.
        is_variant: it lies in weights/<recipe>/<name>/, for comparison with the one that the page shows.
    """
    name = metrics["model"]
    training = metrics["training"]
    has_its_attention = config["architecture"].get("attention") not in (False, "none")
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
        description=DESCRIPTIONS[name] + ("" if has_its_attention else WITHOUT_ATTENTION),
        config=config,
        metrics=metrics,
        training=training,
        runs=whole_training(training),
        schedule=describe_schedule(training),
        starting_weights=_describe_start(whole_training(training)[0]),
    )
    return str(card) + "\n"


def whole_training(training: dict) -> list[dict]:
    """The runs that made a checkpoint, first to last: a run may have started from the weights of an earlier one."""
    earlier = training.get("started_from")
    return [*(whole_training(earlier) if earlier else []), training]


def describe_schedule(training: dict) -> str:
    """Epochs x image size over all runs, such as "4 x 64 px, 0.5 x 96 px", and where the last was stopped early."""
    stages = [stage for run in whole_training(training) for stage in run["stages"]]
    schedule = ", ".join(f"{epochs:g} x {size} px" for size, epochs in stages)
    stopped_early = training["epochs"] < round(sum(epochs for _, epochs in training["stages"]), 6)
    return f"{schedule}, stopped early after {training['epochs']:g}" if stopped_early else schedule


def _describe_start(training: dict) -> str:
    """Which file the training started from, and which parts of the model it filled."""
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
