"""Cascading randomisation: the sanity check whether a method's heat maps depend on the network's weights."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from fer_models.architectures import EmotionModel
from fer_models.evidence.agreement import measure_agreement
from fer_models.explanations import METHODS, Target, explain
from fer_models.inference import Faces, as_list, exclusive

# From this rank correlation on, the maps of a randomised and of the trained network count as similar.
SAME = 0.5


@dataclass(frozen=True, eq=False)
class SanityCheck:
    """The similarity of a method's heat maps before and after the network is randomised from the top down.

    Attributes:
        method: a key of METHODS.
        steps: what each step randomises, in addition to the steps before it: "head", then the stages from deep to
            shallow, then "input layers" if the model has parameters in front of its first stage.
        similarity: float (steps, N), the rank correlation of each face's map with the trained network's map. It is 0
            where the randomised network's map is constant, and NaN where the trained network's map is. Near -1 the map
            is inverted, which a random head does as easily as it keeps the map.
    """

    method: str
    steps: tuple[str, ...]
    similarity: np.ndarray

    @property
    def verdict(self) -> str:
        """A summary in one sentence. It holds for one draw of random weights; other draws can differ a lot."""
        name = METHODS[self.method].title
        if np.isnan(self.similarity).all():
            return f"{name} is constant for the trained network, so there is nothing to test."
        head, everything = np.nanmean(self.similarity[0]), np.nanmean(self.similarity[-1])
        if everything >= SAME:
            return (
                f"{name} hardly depends on the weights: with all weights random, its maps are still similar to "
                f"those of the trained network (rank correlation {everything:.2f})."
            )
        if head >= SAME:
            return (
                f"{name} hardly depends on the emotion: with a random head, its maps stay similar "
                f"(rank correlation {head:.2f}); they change only with the layers below ({everything:.2f})."
            )
        return (
            f"{name} depends on what the network has learned: the rank correlation with the trained network's maps "
            f"falls to {head:.2f} with a random head and to {everything:.2f} with all weights random."
        )


def sanity_check(
    model: nn.Module,
    faces: Faces,
    method: str = "gradcam",
    target: Target | Sequence[Target] = None,
    stage: str | None = None,
    mirrored: bool = False,
    seed: int = 0,
) -> SanityCheck:
    """Randomises a copy of the network step by step and explains the same emotions again after each step.

    Args:
        model: as in `predict`; not changed; the copy takes as much memory again.
        faces, method, stage, mirrored: as in `explain`; at least one face.
        target: as in `explain`; by default the trained network's predictions, for the randomised networks as well.
        seed: of the random weights.

    Raises:
        ValueError, TypeError: as `explain`, or there are no faces.

    Source: Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018, arXiv:1810.03292, section 3.
    """
    faces = as_list(faces)
    originals = explain(model, faces, target, method, stage, mirrored)
    if not originals:
        raise ValueError("There are no faces to explain: pass at least one.")
    targets = [original.target for original in originals]
    with exclusive(model) as trained:
        network = copy.deepcopy(trained)

    steps, similarity = [], []
    for step in _randomised(network, seed):
        randomised = explain(network, faces, targets, method, stage, mirrored)
        steps.append(step)
        similarity.append(
            [_similarity(new.heatmap, old.heatmap) for new, old in zip(randomised, originals, strict=True)]
        )
    return SanityCheck(method, tuple(steps), np.array(similarity))


def _randomised(model: EmotionModel, seed: int) -> Iterator[str]:
    """Randomises the model in place from the top down; yields the name of each part afterwards."""
    parts = {"head": model.head} | {stage: (stage,) for stage in reversed(model.stages)}
    parts["input layers"] = model.input_layers
    for position, (step, names) in enumerate(parts.items()):
        modules = [model.get_submodule(name) for name in names]
        if not any(True for module in modules for _ in module.parameters()):
            continue
        with torch.random.fork_rng():
            torch.manual_seed(100 * seed + position)  # unique for every seed and part
            for module in modules:
                module.apply(_reset)
        yield step


def _reset(module: nn.Module) -> None:
    reset = getattr(module, "reset_parameters", None)
    if callable(reset):
        reset()


def _similarity(random: np.ndarray, trained: np.ndarray) -> float:
    if np.ptp(random) == 0 < np.ptp(trained):
        return 0.0
    return measure_agreement(random, trained).rank_correlation
