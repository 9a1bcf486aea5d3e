"""Faithfulness, agreement, face regions and sanity checks of a model's heat maps, measured over many test faces."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from typing import Any

import numpy as np
from tqdm import tqdm

from fer_models.architectures import EmotionModel
from fer_models.checkpoints import EvaluationError
from fer_models.data.fer2013 import FER2013
from fer_models.emotions import EMOTIONS
from fer_models.estimates import Estimate, estimate, estimate_over_draws
from fer_models.evidence import (
    Agreement,
    Curves,
    measure_agreement,
    predict_with_uniform_attention,
    region_shares,
    sanity_check,
)
from fer_models.evidence.baselines import centred_gaussian, edge_map, random_map
from fer_models.evidence.perturbation import FEW_FRACTIONS, curves_of, perturbed_faces
from fer_models.evidence.pixels import to_pixels
from fer_models.explanations import METHODS, explain
from fer_models.inference import predict

# Three maps that know nothing of the model, and all that a map is compared with: they and the same map of another face.
BASELINES = ("random", "centre", "edges")
RIVALS = (*BASELINES, "other_face")
DEFAULT_FACES = 200
SANITY_FACES, SANITY_DRAWS = 16, 5

# Where a model has attention, each method is measured in front of it, as `explain` explains by default, and after it.
AFTER_ATTENTION = "@attention"

# The method whose maps stand for a model's heat maps where only one is measured: what the page shows first.
MAIN_METHOD = "hirescam"

# The maps that are compared between models: the main one, and attention.
COMPARED = ("heatmap", "attention")

# Maps that differ by less than this, scaled to [0, 1], count as the same map: in front of an average pool and a linear
# layer, Grad-CAM and HiResCAM are equal up to rounding.
SAME_MAP = 1e-4


@dataclass(frozen=True, eq=False)
class MeasuredExplanations:
    """One model's heat maps on N faces of the test split, and their statistics.

    Attributes:
        statistics: the contents of explanations.json. "Estimate" means an `Estimate` over faces, or None where fewer
            than two faces have a value; an agreement is {"rank_correlation", "overlap"}, two estimates.
            - model, images, seed, data_fingerprint, fractions: what was measured, and how.
            - maps: by key of `layers_of`, and "attention" for the spatial attention of a model that has one:
              cost (estimate; the loss of probability of the model's own prediction when ROAD removes the hottest
              pixels), areas (under the curves, of `Curves.areas`), advantage (estimates by rival in RIVALS; cost minus
              the rival's cost on the same face, where "other_face" is the same map of another face, which depends on
              the model but not on the face), flat (number of faces on which the map is constant), across_faces
              (agreement of maps of different faces), with_attention (agreement with the same face's attention; None
              for models without attention and for attention itself), with_other_attention (agreement with another
              face's attention, which is due to the similar position of all faces), and sanity (estimates by randomised
              part, over faces and draws of random weights, see `SanityCheck`; None for attention).
            - baselines: by name in BASELINES, cost and areas of maps that know nothing of the model.
            - regions: for "all" and by true emotion, the number of faces whose main map is not empty, and the shares
              of its heat by region.
            - area: each region's share of the picture.
            - uniform_attention: only for a model with spatial attention, the effect of
              `predict_with_uniform_attention`: same_answer (estimate; share of faces with the same prediction), moved
              (estimate; total variation distance of the probabilities), own (estimate; change in the prediction's
              probability) and spread (estimate; largest minus smallest attention weight of a face).
        images: int64 (N,), indices into the test split.
        maps: those of COMPARED that the model has, each float32 (N, h, w).
    """

    statistics: dict[str, Any]
    images: np.ndarray
    maps: dict[str, np.ndarray]


def layers_of(model: EmotionModel) -> dict[str, tuple[str, str]]:
    """The maps that are measured of a model, besides its attention: method and stage, as in `explain`, by key.

    The keys are those of METHODS for the last stage, and the same with AFTER_ATTENTION for the output of the attention.
    """
    layers = {method: (method, model.stages[-1]) for method in METHODS}
    if model.spatial_attention is not None:
        layers |= {method + AFTER_ATTENTION: (method, "attention") for method in METHODS}
    return layers


def main_map(maps: Container[str]) -> str:
    """The key of a model's main map: MAIN_METHOD after attention, or at the last stage of a model without attention."""
    after_attention = MAIN_METHOD + AFTER_ATTENTION
    return after_attention if after_attention in maps else MAIN_METHOD


def measure_explanations(
    model: EmotionModel, data: FER2013, limit: int = DEFAULT_FACES, seed: int = 0
) -> MeasuredExplanations:
    """Explains the model's own predictions with every method, and measures every map.

    Predictions and maps are means over each face and its mirror image. What the removal of pixels costs is measured on
    the face as it is, as in `quick_check`.

    With M different maps, each face takes 18 (2 M + 3) forward passes, because the baselines and the maps of another
    face are measured on it as well, and two for each method and layer. Five sanity checks of each method and layer on
    the first 16 faces come on top. Shows progress bars.

    Args:
        model: as returned by `load_model`.
        data: FER-2013, of which the test split is used.
        limit: number of faces, at least 2. They are the first ones in a fixed random order, so a smaller sample is
            part of a larger one.
        seed: of that order, the random maps and the random weights.

    Raises:
        EvaluationError: there are fewer than two faces, which have no interval.
    """
    images = np.random.default_rng(seed).permutation(len(data.test.labels))[: max(limit, 0)]
    if len(images) < 2:
        raise EvaluationError(f"{len(images)} faces are too few for an interval: pass --limit 2 or more.")
    faces, labels = list(data.test.images[images].cpu().numpy()), data.test.labels[images].cpu().numpy()
    probabilities = predict(model, faces, mirrored=True)
    targets = probabilities.argmax(axis=1).tolist()

    maps = _maps(model, faces, targets)
    curves, curves_of_other_face = _all_curves(model, faces, maps, targets, seed, images)
    costs, costs_of_other_face = _costs(curves), _costs(curves_of_other_face)
    sanity = _sanity(model, faces[:SANITY_FACES], targets[:SANITY_FACES], seed)
    statistics: dict[str, Any] = {
        "model": model.name,
        "images": len(images),
        "seed": seed,
        "data_fingerprint": data.fingerprint,
        "fractions": list(FEW_FRACTIONS),
        "maps": {
            name: {
                "cost": estimate(costs[name]),
                "areas": _mean_areas(curves[name]),
                "advantage": {
                    **{baseline: estimate(costs[name] - costs[baseline]) for baseline in BASELINES},
                    "other_face": estimate(costs[name] - costs_of_other_face[name]),
                },
                "flat": int((np.ptp(heat, axis=(1, 2)) == 0).sum()),
                # each face once, so that the pairs are independent
                "across_faces": _mean_agreement(heat[0:-1:2], heat[1::2]),
                "with_attention": None,
                "with_other_attention": None,
                "sanity": sanity.get(name),
            }
            for name, heat in maps.items()
        },
        "baselines": {name: {"cost": estimate(costs[name]), "areas": _mean_areas(curves[name])} for name in BASELINES},
        "regions": _mean_regions(maps[main_map(maps)], labels),
        "area": region_shares(np.ones((1, 1))),
    }
    compared = {"heatmap": maps[main_map(maps)]}
    if model.spatial_attention is not None:
        attention = compared["attention"] = maps["attention"]
        for name in layers_of(model):
            statistics["maps"][name] |= {
                "with_attention": _mean_agreement(maps[name], attention),
                "with_other_attention": _mean_agreement(maps[name], np.roll(attention, 1, axis=0)),
            }
        uniform = predict_with_uniform_attention(model, faces, mirrored=True)
        statistics["uniform_attention"] = {
            "same_answer": estimate(uniform.argmax(axis=1) == targets),
            "moved": estimate(np.abs(probabilities - uniform).sum(axis=1) / 2),
            "own": estimate((uniform - probabilities)[np.arange(len(faces)), targets]),
            "spread": estimate(np.ptp(attention, axis=(1, 2))),
        }
    return MeasuredExplanations(statistics, images, compared)


def compare_maps(
    first: MeasuredExplanations, second: MeasuredExplanations, name: str = "heatmap"
) -> dict[str, Any] | None:
    """Agreement of two models' maps on the faces that both were measured on.

    Args:
        first, second: of different models.
        name: in COMPARED.

    Returns:
        faces (their number), an agreement, and as "other" the agreement of the first model's map of one face with the
        second model's map of another. None if a model has no such map, or fewer than two faces are in common.
    """
    if name not in first.maps or name not in second.maps:
        return None
    if first.statistics["data_fingerprint"] != second.statistics["data_fingerprint"]:
        return None
    common, in_first, in_second = np.intersect1d(first.images, second.images, return_indices=True)
    if len(common) < 2:
        return None
    firsts, seconds = first.maps[name][in_first], second.maps[name][in_second]
    other = _mean_agreement(firsts, np.roll(seconds, 1, axis=0))
    return {"faces": len(common), "other": other} | _mean_agreement(firsts, seconds)


def _maps(model: EmotionModel, faces: list[np.ndarray], targets: list[int]) -> dict[str, np.ndarray]:
    """Maps (N, h, w) by key of `layers_of`, and "attention" if the model has any."""
    maps, attention = {}, []
    for name, (method, stage) in tqdm(layers_of(model).items(), desc=f"{model.name}, explanations", unit="map"):
        explained = explain(model, faces, targets, method, stage, mirrored=True)
        maps[name] = np.stack([one.heatmap for one in explained])
        attention = [one.spatial_attention for one in explained if one.spatial_attention is not None]
    return maps | ({"attention": np.stack(attention)} if attention else {})


def _all_curves(
    model: EmotionModel,
    faces: list[np.ndarray],
    maps: dict[str, np.ndarray],
    targets: list[int],
    seed: int,
    images: np.ndarray,
) -> tuple[dict[str, list[Curves]], dict[str, list[Curves]]]:
    """For each face the curves of its maps and of the baselines, by name; and those of another face's maps, by name."""
    own: dict[str, list[Curves]] = {name: [] for name in (*maps, *BASELINES)}
    other: dict[str, list[Curves]] = {name: [] for name in maps}
    for i, face in enumerate(tqdm(faces, desc=f"{model.name}, faithfulness", unit="face")):
        random = random_map(maps["gradcam"].shape[1:], np.random.default_rng((seed, int(images[i]))))
        baselines = (random, centred_gaussian(), edge_map(face))
        of_this, of_another = [heat[i] for heat in maps.values()], [heat[i - 1] for heat in maps.values()]
        measured = _curves(model, face, [*of_this, *baselines, *of_another], targets[i], seed=int(images[i]))
        for curves, one in zip((*own.values(), *other.values()), measured, strict=True):
            curves.append(one)
    return own, other


def _curves(model: EmotionModel, face: np.ndarray, maps: Sequence[np.ndarray], target: int, seed: int) -> list[Curves]:
    """The curves of each map (h, w) of one face; equal maps are measured once, and all with one call of the model."""
    different: list[np.ndarray] = []
    positions = []
    for heat in map(to_pixels, maps):
        same = [position for position, known in enumerate(different) if _is_same_map(heat, known)]
        if not same:
            different.append(heat)
        positions.append(same[0] if same else len(different) - 1)
    perturbed = [perturbed_faces(face, heat, FEW_FRACTIONS, seed) for heat in different]
    probabilities = predict(model, list(chain(*perturbed)))[:, target].reshape(len(different), -1)
    curves = [curves_of(of_map, FEW_FRACTIONS) for of_map in probabilities]
    return [curves[position] for position in positions]


def _costs(curves: dict[str, list[Curves]]) -> dict[str, np.ndarray]:
    """The mean cost of each map on each face, (N,), by name."""
    return {name: np.array([one.mean_cost() for one in of_faces]) for name, of_faces in curves.items()}


def _sanity(
    model: EmotionModel, faces: list[np.ndarray], targets: list[int], seed: int
) -> dict[str, dict[str, Estimate | None]]:
    """For each key of `layers_of`, the similarity after each step of randomisation."""
    found = {}
    for name, (method, stage) in tqdm(layers_of(model).items(), desc=f"{model.name}, sanity checks", unit="map"):
        checks = [
            sanity_check(model, faces, method, targets, stage, mirrored=True, seed=seed + draw)
            for draw in range(SANITY_DRAWS)
        ]
        similarity = np.stack([check.similarity for check in checks], axis=1)  # (steps, draws, N)
        found[name] = dict(zip(checks[0].steps, map(estimate_over_draws, similarity), strict=True))
    return found


def _is_same_map(first: np.ndarray, second: np.ndarray) -> bool:
    first, second = ((heat - heat.min()) / (np.ptp(heat) or 1) for heat in (first, second))
    return bool(np.abs(first - second).max() < SAME_MAP)


def _mean_areas(curves: Sequence[Curves]) -> dict[str, float]:
    areas = [one.areas() for one in curves]
    return {name: float(np.mean([of_face[name] for of_face in areas])) for name in areas[0]}


def _mean_agreement(firsts: Iterable[np.ndarray], seconds: Iterable[np.ndarray]) -> dict[str, Estimate | None]:
    found = [measure_agreement(first, second) for first, second in zip(firsts, seconds, strict=True)]
    return {field.name: estimate(getattr(one, field.name) for one in found) for field in fields(Agreement)}


def _mean_regions(maps: np.ndarray, labels: np.ndarray) -> dict[str, dict[str, Any]]:
    """For "all" and each emotion that occurs, the mean shares over the faces whose map is not empty."""
    shares = [region_shares(heat) for heat in maps]
    has_heat = maps.any(axis=(1, 2))
    groups = {"all": has_heat} | {emotion: has_heat & (labels == index) for index, emotion in enumerate(EMOTIONS)}
    return {
        name: {
            "faces": int(members.sum()),
            "shares": {
                region: float(np.mean([shares[i][region] for i in np.flatnonzero(members)])) for region in shares[0]
            },
        }
        for name, members in groups.items()
        if members.any()
    }
