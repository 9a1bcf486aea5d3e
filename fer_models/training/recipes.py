"""Training recipes, as data. loop.py carries them out; NOTES.md records what was tried."""

from dataclasses import dataclass, field, replace

from fer_models.data.augmentation import Augmentation

STRONG = Augmentation(shift=0.12, zoom=0.12, erase=0.25)
MILD = Augmentation(shift=0.06, zoom=0.1, erase=0.1)  # for short runs, which benefit less from variety


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters of one training.

    Attributes:
        stages: (side in pixels, epochs) in order; epochs may be a fraction.
        learning_rate: the maximum of the schedule.
        rate_factors: factor of the learning rate, by name of a submodule.
        optimizer: "adamw" or "adam".
        schedule: "one_cycle" warms up over a tenth of the compute, then decays to zero as a cosine (Smith & Topin
            2018); "warm_restarts" is a cosine with periods of 10, 20, 40, ... epochs (Loshchilov & Hutter 2017).
        batch_size: images per step, summed over all processes.
        weight_decay: decoupled, on matrices and kernels only.
        label_smoothing: share of the target that is distributed over all classes.
        teacher: the model whose finished checkpoint gives half of each target (Hinton et al. 2015, arXiv:1503.02531):
            its calibrated probabilities carry more information than one noisy label. None uses labels only.
        ema: decay per step of the moving average of the weights, which is validated and kept; 0 uses no average.
        patience: epochs without a better validation accuracy after which training stops early; None never stops.
        frozen: submodules whose weights are fixed. Their batch normalisation keeps updating its running statistics, to
            adapt to the size. If they come first in the network, a step skips their backward pass.
        augmentation: random changes to the training faces.
        architecture: constructor arguments of the model.
    """

    stages: tuple[tuple[int, float], ...]
    learning_rate: float
    optimizer: str = "adamw"
    schedule: str = "one_cycle"
    batch_size: int = 64
    weight_decay: float = 0.02
    label_smoothing: float = 0.1
    teacher: str | None = None
    ema: float = 0.998
    patience: int | None = None
    frozen: tuple[str, ...] = ()
    rate_factors: dict[str, float] = field(default_factory=dict)
    augmentation: Augmentation = STRONG
    architecture: dict = field(default_factory=dict)

    @property
    def epochs(self) -> float:
        return sum(epochs for _, epochs in self.stages)

    def scaled_to(self, epochs: float) -> "Recipe":
        """Returns the recipe with another number of epochs; each stage keeps its share."""
        factor = epochs / self.epochs
        return replace(self, stages=tuple((size, length * factor) for size, length in self.stages))


def _paper(size: int, **architecture: object) -> Recipe:
    """The student paper's recipe: Adam at 1e-3, warm restarts, plain cross-entropy, batch 32, early stopping."""
    return Recipe(
        stages=((size, 30),),
        learning_rate=1e-3,
        optimizer="adam",
        schedule="warm_restarts",
        batch_size=32,
        weight_decay=0.0,
        label_smoothing=0.0,
        ema=0.0,
        patience=7,
        augmentation=Augmentation(),
        architecture=architecture,
    )


# All four models have the same teacher: attn_cnn without attention, trained with the recipe without_attention.
_TEACHER = "attn_cnn"

_BASELINE = Recipe(
    stages=((128, 80),),
    learning_rate=1e-3,
    label_smoothing=0.0,
    teacher=_TEACHER,
    augmentation=MILD,
    architecture={"widths": [32, 64, 128], "dropout": 0.2},
)
# Transformers learn slowly from scratch, so this one has many epochs and the teacher (Touvron et al. 2021, DeiT).
_TRANSFORMER = Recipe(
    stages=((128, 140),),
    learning_rate=1.5e-3,
    batch_size=256,
    weight_decay=0.05,
    label_smoothing=0.0,
    teacher=_TEACHER,
)
_ATTENTION = Recipe(stages=((128, 40),), learning_rate=3e-3, weight_decay=0.05, architecture={"attention": "multihead"})

# The gradient of a spatial gate is small, so with the common learning rate CBAM's gates would hardly change.
_GATES = {"cbam.spatial": 10.0}

# A ResNet is accurate only at the size at which it was last trained, and faces fill the frame in FER-2013, so the size
# grows by a factor of at most 1.5 per stage.
_RESNET = Recipe(
    stages=((96, 18), (144, 12), (224, 9)),
    learning_rate=1.4e-3,
    batch_size=128,
    weight_decay=0.05,
    label_smoothing=0.0,
    teacher=_TEACHER,
)
_CBAM = replace(_RESNET, rate_factors=_GATES)
# The same in four parts for a machine without an accelerator. The first three are the start of both ResNets...
_TRUNK = Recipe(stages=((64, 3), (96, 1)), learning_rate=1.2e-3, label_smoothing=0.05)
_GROW = Recipe(stages=((64, 2), (96, 2), (144, 0.7)), learning_rate=1e-3, label_smoothing=0.05)
# ...the large sizes skip the backward pass through the first layers from ImageNet, which makes a step 1.8x as fast...
_ENLARGE = Recipe(
    stages=((160, 3), (192, 1.3)),
    learning_rate=8e-4,
    batch_size=32,
    label_smoothing=0.0,
    teacher=_TEACHER,
    frozen=("conv1", "bn1", "layer1", "layer2"),
    augmentation=MILD,
)
# ...and the last part trains each separately, with the same budget.
_FINISH = replace(_ENLARGE, stages=((224, 0.75),), learning_rate=5e-4)

RECIPES: dict[str, dict[str, Recipe]] = {
    "default": {
        "baseline_cnn": _BASELINE,
        "resnet50": _RESNET,
        "attn_cnn": replace(_ATTENTION, stages=((128, 80),), label_smoothing=0.0, teacher=_TEACHER),
        "resnet50_cbam": _CBAM,
        "vit": _TRANSFORMER,
    },
    "paper": {
        "baseline_cnn": _paper(128, batch_norm=False),
        "resnet50": _paper(224),
        "attn_cnn": _paper(128, batch_norm=False),
        "resnet50_cbam": _paper(224),
        "vit": _paper(128),
    },
    "multihead_attention": {"attn_cnn": _ATTENTION},
    "without_attention": {"attn_cnn": replace(_ATTENTION, architecture={"attention": "none"})},
    "softmax_attention": {"attn_cnn": replace(_ATTENTION, architecture={"attention": "softmax"})},
    "sigmoid_attention": {"attn_cnn": replace(_ATTENTION, architecture={"attention": "sigmoid"})},
    # Short enough to train both several times: what CBAM is worth beside the variation between seeds.
    "short": {"resnet50": _RESNET.scaled_to(14), "resnet50_cbam": _CBAM.scaled_to(14)},
    "trunk": {"resnet50": _TRUNK},
    "grow": {"resnet50": _GROW},
    "enlarge": {"resnet50": _ENLARGE},
    "finish": {"resnet50": _FINISH, "resnet50_cbam": replace(_FINISH, rate_factors=_GATES)},
}
