"""Would the heat map be another one if the network had learned nothing? The cascading randomisation of a network."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from fer_models.architectures import EmotionModel
from fer_models.evidence.agreement import agreement
from fer_models.explain import METHODS, explain
from fer_models.inference import Face, exclusive

# From this rank correlation on, a random network's map is called the same as the trained one's.
SAME = 0.5


@dataclass(frozen=True, eq=False)
class SanityCheck:
    """How much is left of a method's heat maps as the network is randomised from the top down.

    Attributes:
        method: a key of METHODS.
        steps: what is randomised in each step, beside everything in the steps before: "head", then the stages from
            deep to shallow, then "input layers" if the model has parameters in front of its first stage.
        similarity: float (steps, N), the rank correlation of each face's map with the trained network's. 0 where the
            random network's map is the same everywhere: nothing is left to recognise. NaN where the trained one's is:
            there was nothing to begin with. Near -1 the map is the old one turned inside out, which a random head
            does as easily as it leaves it.
    """

    method: str
    steps: tuple[str, ...]
    similarity: np.ndarray

    @property
    def verdict(self) -> str:
        """What the figures say about the method, by name: for one draw of random weights, which decides a lot."""
        name = METHODS[self.method].partition(":")[0]
        if np.isnan(self.similarity).all():
            return f"{name} is the same everywhere to begin with, so there is nothing to test."
        head, everything = np.nanmean(self.similarity[0]), np.nanmean(self.similarity[-1])
        if everything >= SAME:
            return (
                f"{name} does not care about the weights: with all of them random, its maps are still like "
                f"those of the trained network (rank correlation {everything:.2f})."
            )
        if head >= SAME:
            return (
                f"{name} hardly cares about the emotion: with a random head, its maps stay as they "
                f"were (rank correlation {head:.2f}), and change only with the layers below ({everything:.2f})."
            )
        return (
            f"{name} depends on what the network has learned: the rank correlation with its own maps falls to "
            f"{head:.2f} with a random head and to {everything:.2f} with all weights random."
        )


def sanity_check(
    model: EmotionModel,
    faces: Sequence[Face],
    method: str = "gradcam",
    target: int | str | None = None,
    stage: str | None = None,
    seed: int = 0,
) -> SanityCheck:
    """Randomises a copy of the network step by step and explains the same emotions again after each.

    Args:
        model: left as it is; the copy takes as much memory again.
        faces, method, stage: as in `explain`; at least one face.
        target: as in `explain`; by default what the trained network predicts, in the randomised ones too.
        seed: of the random weights.

    Raises:
        ValueError, TypeError: as `explain`, or no faces.

    Source: Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018, arXiv:1810.03292, section 3.
    """
    originals = explain(model, faces, target, method, stage)
    if not originals:
        raise ValueError("There are no faces to explain: pass at least one.")
    with exclusive(model):
        network = copy.deepcopy(model)

    steps, similarity = [], []
    for step in _randomised(network, seed):
        maps = [
            explain(network, [face], original.target, method, stage)[0].heatmap
            for face, original in zip(faces, originals, strict=True)
        ]
        steps.append(step)
        similarity.append([_similarity(new, old.heatmap) for new, old in zip(maps, originals, strict=True)])
    return SanityCheck(method, tuple(steps), np.array(similarity))


def _randomised(model: EmotionModel, seed: int) -> Iterator[str]:
    """Gives the model random weights, from the top down, and yields the name of each part when it is done.

    Relies on modules being registered in the order in which they run, up to the order inside head and input layers.
    """
    children = list(model.named_children())
    names = [name for name, _ in children]
    first, last = names.index(model.stages[0]), names.index(model.stages[-1])
    parts = [
        ("head", [child for _, child in children[last + 1 :]]),
        *((stage, [getattr(model, stage)]) for stage in reversed(model.stages)),
        ("input layers", [child for _, child in children[:first]]),
    ]
    for position, (step, modules) in enumerate(parts):
        if not any(True for module in modules for _ in module.parameters()):
            continue
        with torch.random.fork_rng():
            torch.manual_seed(100 * seed + position)  # no two draws share a part's seed
            for module in modules:
                module.apply(_reset)
        yield step


def _reset(module: nn.Module) -> None:
    if hasattr(module, "reset_parameters"):
        module.reset_parameters()


def _similarity(random: np.ndarray, trained: np.ndarray) -> float:
    if np.ptp(random) == 0 < np.ptp(trained):
        return 0.0
    return agreement(random, trained).rank_correlation
