"""The mirror test: does a model give a face and its mirror image the same answer, and how often is it right then?

Mirroring changes nothing about the emotion that a face shows, so a model that changes its answer was not sure of it.
"""

from typing import Any

import numpy as np

from fer_models.evaluation.metrics import wilson_interval


def mirror_test(labels: np.ndarray, views: np.ndarray) -> dict[str, Any]:
    """Compares a model's answers for faces and for their mirror images, as stored in metrics.json.

    Args:
        labels: integers (N,), indices into EMOTIONS.
        views: probabilities (2, N, 7) of the faces and of their mirror images. The answer is that of their mean.

    Returns:
        changed: the share of the faces whose mirror image gets another answer.
        where_same, where_changed: n, accuracy and accuracy_interval on the faces of either kind.
        least_confident: the same on the faces with the lowest confidence, as many as change. If it is as low as in
            where_changed, the mirror tells no more than the confidence does.
        All fractions are in [0, 1]; an accuracy without faces is None.
    """
    mean = views.mean(axis=0)
    changed = views[0].argmax(axis=1) != views[1].argmax(axis=1)
    right = mean.argmax(axis=1) == labels
    least_confident = np.argsort(mean.max(axis=1), kind="stable")[: changed.sum()]
    return {
        "changed": float(changed.mean()),
        "where_same": _accuracy(right[~changed]),
        "where_changed": _accuracy(right[changed]),
        "least_confident": _accuracy(right[least_confident]),
    }


def _accuracy(right: np.ndarray) -> dict[str, Any]:
    if len(right) == 0:
        return {"n": 0, "accuracy": None, "accuracy_interval": [None, None]}
    interval = wilson_interval(int(right.sum()), len(right))
    return {"n": len(right), "accuracy": float(right.mean()), "accuracy_interval": list(interval)}
