"""McNemar's exact test and the paired bootstrap: comparing the accuracy of two models on the same images."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from fer_models.estimates import RESAMPLES, Estimate

SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class Comparison:
    """The comparison of two models on the same images.

    Attributes:
        only_first: number of images on which only the first model is right.
        only_second: number of images on which only the second model is right.
        difference: accuracy of the second model minus that of the first, with its interval by paired bootstrap.
        same_answer: share of the images with the same prediction by both models, right or wrong.
        p_value: McNemar's exact test (two-sided) of the hypothesis that both are equally accurate.
    """

    only_first: int
    only_second: int
    difference: Estimate
    same_answer: float
    p_value: float

    @property
    def is_significant(self) -> bool:
        return self.p_value < SIGNIFICANCE


def compare(labels: np.ndarray, first: np.ndarray, second: np.ndarray, seed: int = 0) -> Comparison:
    """Compares two models image by image.

    Only images on which exactly one model is right show which is better. If both are equally accurate, each is right on
    half of them: a binomial test (McNemar 1947, exact version).

    Args:
        labels: integers (N,), indices into EMOTIONS.
        first: the first model's probabilities, floats (N, 7).
        second: the second model's probabilities for the same images, floats (N, 7).
        seed: of the bootstrap.
    """
    first_right = first.argmax(axis=1) == labels
    second_right = second.argmax(axis=1) == labels
    only_first = int((first_right & ~second_right).sum())
    only_second = int((second_right & ~first_right).sum())
    n, disagreements = len(labels), only_first + only_second
    # A resample is determined by how many images of each kind are drawn, which follows a multinomial distribution.
    shares = np.array([only_first, only_second, n - disagreements]) / n
    draws = np.random.default_rng(seed).multinomial(n, shares, size=RESAMPLES)
    low, high = np.percentile((draws[:, 1] - draws[:, 0]) / n, [2.5, 97.5])
    return Comparison(
        only_first=only_first,
        only_second=only_second,
        difference=Estimate((only_second - only_first) / n, float(low), float(high)),
        same_answer=float((first.argmax(axis=1) == second.argmax(axis=1)).mean()),
        p_value=float(binomtest(only_second, disagreements).pvalue) if disagreements else 1.0,
    )
