"""Is one model better than another, or were the test images kind to it? Two answers from the same images."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

SIGNIFICANCE = 0.05
RESAMPLES = 10_000


@dataclass(frozen=True)
class Comparison:
    """Two models, first and second, on the same images.

    Attributes:
        only_first: images that only the first model gets right.
        only_second: images that only the second model gets right.
        difference: accuracy of the second minus that of the first.
        same_answer: share of the images to which both give the same answer, right or wrong.
        interval: 95 % interval (low, high) of `difference` over test images, by paired bootstrap.
        p_value: McNemar's exact test (two-sided) of the hypothesis that both are equally accurate.
    """

    only_first: int
    only_second: int
    difference: float
    same_answer: float
    interval: tuple[float, float]
    p_value: float

    @property
    def is_significant(self) -> bool:
        return self.p_value < SIGNIFICANCE


def compare(labels: np.ndarray, first: np.ndarray, second: np.ndarray, seed: int = 0) -> Comparison:
    """Compares two models image by image.

    Images that both get right, or both wrong, say nothing about which is better. Of the others each model wins half
    if they are equally good: a binomial test (McNemar 1947, exact version).

    Args:
        labels: integers (N,), indices into EMOTIONS.
        first: the first model's probabilities, (N, 7).
        second: the second model's probabilities of the same images, (N, 7).
        seed: of the bootstrap's resampling.
    """
    first_right = first.argmax(axis=1) == labels
    second_right = second.argmax(axis=1) == labels
    only_first = int((first_right & ~second_right).sum())
    only_second = int((second_right & ~first_right).sum())
    n, disagreements = len(labels), only_first + only_second
    # Drawing n images with replacement only matters through how many of each kind are drawn: a multinomial.
    shares = np.array([only_first, only_second, n - disagreements]) / n
    draws = np.random.default_rng(seed).multinomial(n, shares, size=RESAMPLES)
    low, high = np.percentile((draws[:, 1] - draws[:, 0]) / n, [2.5, 97.5])
    return Comparison(
        only_first=only_first,
        only_second=only_second,
        difference=(only_second - only_first) / n,
        same_answer=float((first.argmax(axis=1) == second.argmax(axis=1)).mean()),
        interval=(float(low), float(high)),
        p_value=float(binomtest(only_second, disagreements).pvalue) if disagreements else 1.0,
    )
