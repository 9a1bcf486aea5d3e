"""Faithfulness, agreement, face regions and sanity checks of a model's heat maps, measured over many test faces."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
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
    perturbation_curves,
    predict_with_uniform_attention,
    region_shares,
    sanity_check,
)
from fer_models.evidence.baselines import centred_gaussian, edge_map, random_map
from fer_models.evidence.perturbation import FEW_FRACTIONS
from fer_models.evidence.pixels import to_pixels
from fer_models.explanations import METHODS, explain
from fer_models.inference import predict

BASELINES = ("random", "centre", "edges", "other_face")
DEFAULT_FACES = 200
SANITY_FACES, SANITY_DRAWS = 16, 5

# The maps that are compared between models.
COMPARED = ("gradcam", "attention")

# Maps that differ by less than this, scaled to [0, 1], count as the same map: in front of an average pool and a linear
# layer, Grad-CAM, HiResCAM and XGrad-CAM are equal up to rounding.
SAME_MAP = 1e-4


@dataclass(frozen=True, eq=False)
class MeasuredExplanations:
    """One model's heat maps on N faces of the test split, and their statistics.

    Attributes:
        statistics: the contents of explanations.json. "Estimate" means an `Estimate` over faces, or None where fewer
            than two faces have a value; an agreement is {"rank_correlation", "overlap"}, two estimates.
            - model, images, seed, data_fingerprint, fractions: what was measured, and how.
            - maps: by key of METHODS, and "attention" for the spatial attention of a model that has one:
              cost (estimate; the loss of probability of the model's own prediction when ROAD removes the hottest
              pixels), areas (under the curves, of `Curves.areas`), advantage (estimates by baseline; cost minus the
              baseline's cost on the same face), flat (number of faces on which the map is constant), across_faces
              (agreement of maps of different faces), with_attention (agreement with the same face's attention; None
              for models without attention and for attention itself), with_other_attention (agreement with another
              face's attention, which is due to the similar position of all faces), and sanity (estimates by randomised
              part, over faces and draws of random weights, see `SanityCheck`; None for attention).
            - baselines: by name in BASELINES, cost and areas of maps that do not depend on the model; "other_face" is
              the exception, another face's Grad-CAM, which depends on the model but not on the face.
            - regions: for "all" and by true emotion, the number of faces whose Grad-CAM is not empty, and the shares
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


def measure_explanations(
    model: EmotionModel, data: FER2013, limit: int = DEFAULT_FACES, seed: int = 0
) -> MeasuredExplanations:
    """Explains the model's own predictions with every method, at the last stage, and measures every map.

    Takes 6 + 18 M forward passes per face for M different maps (including the four baselines), two more for a model
    with attention, and five sanity checks of each method on the first 16 faces. Shows progress bars.

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

    maps, targets = _maps(model, faces)
    observed = [
        _curves(
            model,
            face,
            {name: heat[i] for name, heat in maps.items()},
            other=maps["gradcam"][i - 1],
            target=targets[i],
            seeds=(seed, int(images[i])),
        )
        for i, face in enumerate(tqdm(faces, desc=f"{model.name}, explanations", unit="face"))
    ]
    curves = {name: [of_face[name] for of_face in observed] for name in observed[0]}
    costs = {name: np.array([one.mean_cost() for one in many]) for name, many in curves.items()}
    sanity = {}
    for method in tqdm(METHODS, desc=f"{model.name}, sanity checks", unit="method"):
        checks = [sanity_check(model, faces[:SANITY_FACES], method, seed=seed + draw) for draw in range(SANITY_DRAWS)]
        similarity = np.stack([check.similarity for check in checks], axis=1)  # (steps, draws, N)
        sanity[method] = dict(zip(checks[0].steps, map(estimate_over_draws, similarity), strict=True))

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
                "advantage": {baseline: estimate(costs[name] - costs[baseline]) for baseline in BASELINES},
                "flat": int((np.ptp(heat, axis=(1, 2)) == 0).sum()),
                "across_faces": _mean_agreement(
                    heat[0:-1:2], heat[1::2]
                ),  # each face once, so the pairs are independent
                "with_attention": None,
                "with_other_attention": None,
                "sanity": sanity.get(name),
            }
            for name, heat in maps.items()
        },
        "baselines": {name: {"cost": estimate(costs[name]), "areas": _mean_areas(curves[name])} for name in BASELINES},
        "regions": _mean_regions(maps["gradcam"], labels),
        "area": region_shares(np.ones((1, 1))),
    }
    if model.spatial_attention is not None:
        attention = maps["attention"]
        for method in METHODS:
            statistics["maps"][method] |= {
                "with_attention": _mean_agreement(maps[method], attention),
                "with_other_attention": _mean_agreement(maps[method], np.roll(attention, 1, axis=0)),
            }
        statistics["uniform_attention"] = _uniform_attention(model, faces) | {
            "spread": estimate(np.ptp(attention, axis=(1, 2)))
        }
    return MeasuredExplanations(statistics, images, {name: maps[name] for name in COMPARED if name in maps})


def compare_maps(
    first: MeasuredExplanations, second: MeasuredExplanations, name: str = "gradcam"
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


def _maps(model: EmotionModel, faces: list[np.ndarray]) -> tuple[dict[str, np.ndarray], list[int]]:
    """Maps (N, h, w) by method, and "attention" if the model has any; and the emotion that each face's maps explain."""
    explained = {method: explain(model, faces, method=method) for method in METHODS}
    maps = {method: np.stack([one.heatmap for one in many]) for method, many in explained.items()}
    attention = [one.spatial_attention for one in explained["gradcam"] if one.spatial_attention is not None]
    if attention:
        maps["attention"] = np.stack(attention)
    return maps, [one.target for one in explained["gradcam"]]


def _curves(
    model: EmotionModel,
    face: np.ndarray,
    maps: dict[str, np.ndarray],
    other: np.ndarray,
    target: int,
    seeds: tuple[int, int],
) -> dict[str, Curves]:
    """The curves of one face's maps and of the baselines, by name; equal maps are measured once.

    Args:
        model, face, target: as in `perturbation_curves`.
        maps: (h, w) each, by name.
        other: another face's Grad-CAM.
        seeds: of the run and of the image.
    """
    random = random_map(maps["gradcam"].shape, np.random.default_rng(seeds))
    baselines = dict(zip(BASELINES, (random, centred_gaussian(), edge_map(face), other), strict=True))
    heats = {name: to_pixels(heat) for name, heat in (maps | baselines).items()}

    curves: dict[str, Curves] = {}
    for name, heat in heats.items():
        same = (curves[measured] for measured in curves if _is_same_map(heat, heats[measured]))
        curves[name] = next(same, None) or perturbation_curves(model, face, heat, target, FEW_FRACTIONS, seeds[1])
    return curves


def _is_same_map(first: np.ndarray, second: np.ndarray) -> bool:
    first, second = ((heat - heat.min()) / (np.ptp(heat) or 1) for heat in (first, second))
    return bool(np.abs(first - second).max() < SAME_MAP)


def _uniform_attention(model: EmotionModel, faces: list[np.ndarray]) -> dict[str, Estimate | None]:
    original, uniform = predict(model, faces), predict_with_uniform_attention(model, faces)
    return {
        "same_answer": estimate(original.argmax(axis=1) == uniform.argmax(axis=1)),
        "moved": estimate(np.abs(original - uniform).sum(axis=1) / 2),
        "own": estimate((uniform - original)[np.arange(len(faces)), original.argmax(axis=1)]),
    }


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
