"""Hand-made heat-map studies that several test modules share."""

import copy

import numpy as np

from fer_models.estimates import Estimate
from fer_models.evidence import REGIONS
from fer_models.explanations import METHODS
from fer_models.heatmap_study.measure import AFTER_ATTENTION, BASELINES, RIVALS, MeasuredExplanations


def interval(mean: float, width: float = 0.05) -> Estimate:
    return Estimate(mean, mean - width, mean + width)


def agreement_of(mean: float) -> dict[str, Estimate]:
    return {"rank_correlation": interval(mean), "overlap": interval(0.3)}


def made_up_study(name: str = "attn_cnn") -> MeasuredExplanations:
    """A model with attention of which all is well: each map beats each baseline by 0.2."""
    method = {
        "cost": interval(0.4),
        "areas": {"deletion": 0.2, "insertion": 0.5, "road_most": 0.3, "road_least": 0.6},
        "advantage": {rival: interval(0.2) for rival in RIVALS},
        "flat": 0,
        "across_faces": agreement_of(0.3),
        "with_attention": agreement_of(0.6),
        "with_other_attention": agreement_of(0.1),
        "sanity": {"head": interval(0.1), "stage1": interval(0.7), "input layers": interval(0.05)},
    }
    attention = copy.deepcopy(method) | {"with_attention": None, "with_other_attention": None, "sanity": None}
    baseline = {"cost": interval(0.2), "areas": method["areas"]}
    area = dict(zip(REGIONS, (0.2, 0.1, 0.1, 0.3, 0.3), strict=True))
    shares = dict(zip(REGIONS, (0.3, 0.1, 0.3, 0.2, 0.1), strict=True))
    keys = [key + layer for layer in ("", AFTER_ATTENTION) for key in METHODS]
    figures = {
        "model": name,
        "images": 40,
        "data_fingerprint": "f",
        "maps": {key: copy.deepcopy(method) for key in keys} | {"attention": attention},
        "baselines": {key: baseline for key in BASELINES},
        "regions": {"all": {"faces": 40, "shares": shares}, "happy": {"faces": 9, "shares": shares}},
        "area": area,
        "uniform_attention": {
            "same_answer": interval(0.8),
            "moved": interval(0.1),
            "own": interval(-0.07),
            "spread": interval(0.6),
        },
    }
    return MeasuredExplanations(figures, np.arange(2), {"heatmap": np.eye(7, dtype=np.float32)[None].repeat(2, axis=0)})
