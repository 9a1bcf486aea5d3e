"""How far a model's heat maps can be trusted, measured over many test faces."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from tqdm import tqdm

from fer_models.architectures import EmotionModel
from fer_models.data.fer2013 import FER2013
from fer_models.emotions import EMOTIONS
from fer_models.evaluation.comparison import RESAMPLES
from fer_models.evaluation.results import EvaluationError
from fer_models.evidence import (
    Agreement,
    Curves,
    agreement,
    perturbation_curves,
    predict_levelled,
    region_shares,
    sanity_check,
)
from fer_models.evidence.baselines import centred_gaussian, edge_map, random_map
from fer_models.evidence.pixels import to_pixels
from fer_models.explain import METHODS, explain
from fer_models.inference import predict

BASELINES = ("random", "centre", "edges", "other_face")
FRACTIONS = (0.1, 0.2, 0.4, 0.7)
DEFAULT_FACES = 200
SANITY_FACES, SANITY_DRAWS = 16, 5

# The maps that models are compared by, where they have them.
COMPARED = ("gradcam", "attention")

# Maps whose values, brought to [0, 1], differ by less rank the pixels alike: in front of an average pool and a linear
# layer, Grad-CAM, HiResCAM and XGrad-CAM are the same map up to rounding.
SAME_MAP = 1e-4


@dataclass(frozen=True, eq=False)
class MeasuredExplanations:
    """One model's heat maps on N faces of the test split, and what they are worth.

    Attributes:
        figures: what stands in explanations.json. An estimate is {"mean", "low", "high"}, a mean over faces with its
            95 % interval, or None where fewer than two faces have a value.
            - model, images, seed, data_fingerprint, fractions: what was measured, and how.
            - maps: by key of METHODS, and "attention" for the spatial attention of a model that has one:
              cost (an estimate; by how much the probability of the model's own prediction falls when the hottest
              pixels are removed by ROAD), areas (under the curves of `Curves.areas`), advantage (by baseline, an
              estimate: cost minus the baseline's on the same face), flat (on how many faces the map is the same
              everywhere), across_faces (agreement of two different faces' maps), with_attention (agreement with the
              same face's attention; None where there is none, or for itself), with_other_attention (with another
              face's: what is due to faces lying alike in the picture), and sanity (by randomised part, an estimate
              over faces and draws of random weights: see `SanityCheck`; None for attention). An agreement is
              {"rank_correlation", "overlap"}, two estimates.
            - baselines: by name in BASELINES, cost and areas of maps that know nothing of the model; "other_face"
              knows the model, but not the face: it is another face's Grad-CAM.
            - regions: for "all" and by true emotion, the faces whose Grad-CAM is not empty, and where its heat lies.
            - area: each region's share of the picture.
            - levelled: only of a model with spatial attention, what changes when its attention is the same everywhere
              (see `predict_levelled`): same_answer (an estimate: the share of faces with the same prediction), moved
              (an estimate: the total variation distance of the probabilities), own (an estimate: by how much that of
              the prediction rises) and spread (an estimate: how far a face's largest and smallest gate lie apart).
        images: int64 (N,), indices into the test split.
        maps: those of COMPARED that the model has, each float32 (N, h, w).
    """

    figures: dict
    images: np.ndarray
    maps: dict[str, np.ndarray]


def measure_explanations(
    model: EmotionModel, data: FER2013, limit: int = DEFAULT_FACES, seed: int = 0
) -> MeasuredExplanations:
    """Explains the model's own predictions by every method, at the last stage, and tests every map.

    Takes 6 + 18 M forward passes a face for M different maps, four baselines among them, two more for a model with
    attention, and on top of that five sanity checks of each method on the first 16 faces. Shows its progress.

    Args:
        model: as `load_model` returns it.
        data: FER-2013, of which the test split is used.
        limit: how many of its faces, at least 2. They are the first of a fixed random order, so that a smaller sample
            is part of a larger one.
        seed: of that order, the random maps and the random weights.

    Raises:
        EvaluationError: fewer than two faces, of which there is no interval.
    """
    images = np.random.default_rng(seed).permutation(len(data.test.labels))[: max(limit, 0)]
    if len(images) < 2:
        raise EvaluationError(f"{len(images)} faces are too few for an interval: ask for --limit 2 or more.")
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

    figures = {
        "model": model.name,
        "images": len(images),
        "seed": seed,
        "data_fingerprint": data.fingerprint,
        "fractions": list(FRACTIONS),
        "maps": {
            name: {
                "cost": estimate(costs[name]),
                "areas": _mean_areas(curves[name]),
                "advantage": {baseline: estimate(costs[name] - costs[baseline]) for baseline in BASELINES},
                "flat": int((np.ptp(heat, axis=(1, 2)) == 0).sum()),
                "across_faces": _mean_agreement(heat[0:-1:2], heat[1::2]),  # no face twice: the pairs are independent
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
            figures["maps"][method] |= {
                "with_attention": _mean_agreement(maps[method], attention),
                "with_other_attention": _mean_agreement(maps[method], np.roll(attention, 1, axis=0)),
            }
        figures["levelled"] = _levelled(model, faces) | {"spread": estimate(np.ptp(attention, axis=(1, 2)))}
    return MeasuredExplanations(figures, images, {name: maps[name] for name in COMPARED if name in maps})


def compare_maps(first: MeasuredExplanations, second: MeasuredExplanations, name: str = "gradcam") -> dict | None:
    """How far two models' maps agree on the faces that both were measured on.

    Args:
        first, second: of different models.
        name: in COMPARED.

    Returns:
        faces (how many), an agreement, and as "other" that of the first model's map of a face with the second's of
        another; None where a model has no such map, or they have no two faces in common.
    """
    if name not in first.maps or name not in second.maps:
        return None
    if first.figures["data_fingerprint"] != second.figures["data_fingerprint"]:
        return None
    common, in_first, in_second = np.intersect1d(first.images, second.images, return_indices=True)
    if len(common) < 2:
        return None
    firsts, seconds = first.maps[name][in_first], second.maps[name][in_second]
    other = _mean_agreement(firsts, np.roll(seconds, 1, axis=0))
    return {"faces": len(common), "other": other} | _mean_agreement(firsts, seconds)


def estimate(values: Iterable[float]) -> dict[str, float] | None:
    """The mean over faces with its 95 % interval, NaN left out; None for fewer than two.

    By percentile bootstrap, whose interval is too narrow for fewer than about ten faces.
    """
    return estimate_over_draws(np.array([list(values)], dtype=np.float64))


def estimate_over_draws(values: np.ndarray) -> dict[str, float] | None:
    """`estimate` where each face was looked at in several random draws, whose choice matters as well.

    Args:
        values: (draws, N). Both are resampled, for all faces share a draw (the pigeonhole bootstrap; Owen 2007).
    """
    values = values[:, ~np.isnan(values).any(axis=0)]
    draws, n = values.shape
    if n < 2:
        return None
    # Drawing n faces with replacement only matters through how often each is drawn: a multinomial.
    rng = np.random.default_rng(0)
    of_draws, of_faces = (rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES) for count in (draws, n))
    low, high = np.percentile(((of_draws @ values) * of_faces).sum(axis=1) / (draws * n), [2.5, 97.5])
    return {"mean": float(values.mean()), "low": float(low), "high": float(high)}


def _maps(model: EmotionModel, faces: list[np.ndarray]) -> tuple[dict[str, np.ndarray], list[int]]:
    """By every method and of the attention, (N, h, w) each; and which emotion each face's maps explain."""
    explained = {method: explain(model, faces, method=method) for method in METHODS}
    maps = {method: np.stack([one.heatmap for one in many]) for method, many in explained.items()}
    if model.spatial_attention is not None:
        maps["attention"] = np.stack([one.spatial_attention for one in explained["gradcam"]])
    return maps, [one.target for one in explained["gradcam"]]


def _curves(
    model: EmotionModel,
    face: np.ndarray,
    maps: dict[str, np.ndarray],
    other: np.ndarray,
    target: int,
    seeds: tuple[int, int],
) -> dict[str, Curves]:
    """The curves of one face's maps and of the baselines by name; none is measured twice.

    Args:
        model, face, target: as in `perturbation_curves`.
        maps: (h, w) each, by name.
        other: another face's Grad-CAM.
        seeds: the run's and the image's.
    """
    random = random_map(maps["gradcam"].shape, np.random.default_rng(seeds))
    baselines = dict(zip(BASELINES, (random, centred_gaussian(), edge_map(face), other), strict=True))
    heats = {name: to_pixels(heat) for name, heat in (maps | baselines).items()}

    curves: dict[str, Curves] = {}
    for name, heat in heats.items():
        twin = next((measured for measured in curves if _rank_alike(heat, heats[measured])), None)
        curves[name] = curves.get(twin) or perturbation_curves(model, face, heat, target, FRACTIONS, seeds[1])
    return curves


def _rank_alike(first: np.ndarray, second: np.ndarray) -> bool:
    first, second = ((heat - heat.min()) / (np.ptp(heat) or 1) for heat in (first, second))
    return bool(np.abs(first - second).max() < SAME_MAP)


def _levelled(model: EmotionModel, faces: list[np.ndarray]) -> dict[str, dict | None]:
    as_it_is, levelled = predict(model, faces), predict_levelled(model, faces)
    return {
        "same_answer": estimate(as_it_is.argmax(axis=1) == levelled.argmax(axis=1)),
        "moved": estimate(np.abs(as_it_is - levelled).sum(axis=1) / 2),
        "own": estimate((levelled - as_it_is)[np.arange(len(faces)), as_it_is.argmax(axis=1)]),
    }


def _mean_areas(curves: Sequence[Curves]) -> dict[str, float]:
    areas = [one.areas() for one in curves]
    return {name: float(np.mean([of_face[name] for of_face in areas])) for name in areas[0]}


def _mean_agreement(firsts: Iterable[np.ndarray], seconds: Iterable[np.ndarray]) -> dict[str, dict | None]:
    found = [agreement(first, second) for first, second in zip(firsts, seconds, strict=True)]
    return {field.name: estimate(getattr(one, field.name) for one in found) for field in fields(Agreement)}


def _mean_regions(maps: np.ndarray, labels: np.ndarray) -> dict[str, dict]:
    """For "all" and each emotion that occurs: the mean shares over the faces whose map has any heat."""
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
