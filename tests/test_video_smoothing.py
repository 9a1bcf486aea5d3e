"""Smoothing over time against the definition, and the steadiness of maps."""

from itertools import pairwise, product

import numpy as np
import pytest

from fer_models.evidence import measure_agreement
from fer_models.video.smoothing import Filter, Smoothing, smooth
from fer_models.video.steadiness import steadiness
from tests.helpers import sure_of


def random_probabilities(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(7), count)


def by_enumeration(probabilities: np.ndarray, times: np.ndarray, how: Smoothing) -> np.ndarray:
    """The definition: sums over all 7^T paths of emotions."""
    prior, stays = np.array(how.prior), np.exp(-how.rate * np.diff(times))
    shared = np.array([0, *(stays / (1 + stays)), 0])
    likelihoods = (probabilities / prior) ** (1 - shared[:-1] - shared[1:])[:, None]
    transitions = [s * np.eye(7) + (1 - s) * prior for s in stays]
    sums = np.zeros_like(probabilities)
    for path in product(range(7), repeat=len(probabilities)):
        weight = prior[path[0]] * np.prod(likelihoods[range(len(path)), path])
        weight *= np.prod([matrix[step] for matrix, step in zip(transitions, pairwise(path), strict=True)])
        sums[range(len(path)), path] += weight
    return sums / sums.sum(axis=1, keepdims=True)


def online(probabilities: np.ndarray, times: np.ndarray, how: Smoothing) -> np.ndarray:
    chain = Filter(how)
    return np.array([chain.update(time, one) for time, one in zip(times, probabilities, strict=True)])


@pytest.mark.parametrize("rate", [0.3, 3.0])
def test_equals_the_sum_over_all_paths(rate):
    probabilities, times = random_probabilities(4), np.array([1.0, 1.1, 1.5, 3.5])
    how = Smoothing(rate)
    expected = by_enumeration(probabilities, times, how)
    np.testing.assert_allclose(smooth(probabilities, times, parameters=how), expected, rtol=1e-5)
    for count in (1, 2, 3, 4):
        so_far = by_enumeration(probabilities[:count], times[:count], how)
        np.testing.assert_allclose(online(probabilities, times, how)[count - 1], so_far[-1], rtol=1e-5)


def test_a_lone_frame_keeps_its_probabilities():
    lone = random_probabilities(1)
    np.testing.assert_allclose(smooth(lone, np.zeros(1)), lone, rtol=1e-6)
    np.testing.assert_allclose(Filter().update(5.0, lone[0]), lone[0], rtol=1e-6)
    assert smooth(np.empty((0, 7)), np.empty(0)).shape == (0, 7)


def test_frames_far_apart_keep_their_probabilities():
    probabilities, times = random_probabilities(5), np.arange(5.0)
    often, gaps = Smoothing(1e6), 1e6 * times
    np.testing.assert_allclose(smooth(probabilities, times, parameters=often), probabilities, rtol=1e-5)
    np.testing.assert_allclose(smooth(probabilities, gaps), probabilities, rtol=1e-5)
    np.testing.assert_allclose(online(probabilities, gaps, Smoothing()), probabilities, rtol=1e-5)


def test_without_changes_all_frames_together_count_as_one():
    first, second = random_probabilities(2)
    never = Smoothing(1e-9)
    both = smooth(np.array([first, second]), np.array([0, 0.1]), parameters=never)
    np.testing.assert_allclose(both, [np.sqrt(first * second) / np.sqrt(first * second).sum()] * 2, rtol=1e-5)
    same = smooth(np.array([first] * 50), np.arange(50) / 10, parameters=never)
    np.testing.assert_allclose(same, [first] * 50, rtol=1e-5)


def test_one_odd_frame_does_not_change_the_answer_but_a_longer_change_does():
    frames = [sure_of("happy", 0.8)] * 10 + [sure_of("sad", 0.5)] + [sure_of("happy", 0.8)] * 9
    frames += [sure_of("sad", 0.8)] * 10
    smoothed = smooth(np.array(frames), np.arange(30) / 10)
    assert smoothed.dtype == np.float32
    assert (smoothed.argmax(axis=1) == np.argmax(frames[0])).tolist() == [True] * 20 + [False] * 10


def test_more_frames_per_second_of_the_same_do_not_change_the_answer():
    slowly, fast = np.repeat(random_probabilities(2), 10, axis=0), np.repeat(random_probabilities(2), 100, axis=0)
    coarse = smooth(slowly, np.arange(20) / 10)
    fine = smooth(fast, np.arange(200) / 100)
    np.testing.assert_allclose(fine[::10], coarse, atol=0.06)


def test_backwards_in_time_is_the_same():
    probabilities, times = random_probabilities(20), np.cumsum(np.random.default_rng(1).exponential(0.2, 20))
    cuts = np.arange(20) == 8
    backwards = smooth(probabilities[::-1], -times[::-1], np.arange(20) == 12)
    np.testing.assert_allclose(smooth(probabilities, times, cuts), backwards[::-1], rtol=1e-5)


def test_at_a_cut_the_chain_starts_anew():
    probabilities, times = random_probabilities(9), np.arange(9) / 10
    parts = [smooth(probabilities[part], times[part]) for part in (slice(0, 4), slice(4, 9))]
    np.testing.assert_allclose(smooth(probabilities, times, np.arange(9) == 4), np.concatenate(parts), rtol=1e-6)


@pytest.mark.parametrize(("rate", "step"), [(1e-9, 0.1), (1.0, 0.0)])
def test_stays_finite_over_many_certain_and_contradicting_frames(rate, step):
    frames = np.eye(7)[np.random.default_rng(0).integers(0, 7, 10_000)]
    frames[5000:6000] = np.eye(7)[3]
    times, how = step * np.arange(10_000), Smoothing(rate)
    for answer in (smooth(frames, times, parameters=how), online(frames, times, how)):
        assert np.isfinite(answer).all()
        np.testing.assert_allclose(answer.sum(axis=1), 1, rtol=1e-5)


def test_says_what_does_not_fit():
    three = random_probabilities(3)
    with pytest.raises(ValueError, match=r"\(3, 7\), times \(2,\)"):
        smooth(three, np.arange(2))
    with pytest.raises(ValueError, match="do not ascend"):
        smooth(three, np.array([0, 2, 1]))
    with pytest.raises(ValueError, match="comes after the one at 1.0 s"):
        online(three, np.array([0, 1, 0.5]), Smoothing())
    with pytest.raises(ValueError, match="above 0"):
        Smoothing(0)
    with pytest.raises(ValueError, match="add up to 1"):
        Smoothing(prior=(0.5,) * 7)


def test_steadiness_is_the_median_over_pairs():
    maps = np.random.default_rng(0).random((4, 3, 3))
    others = np.random.default_rng(1).random((2, 5, 5))
    found = steadiness(maps, others)
    correlations = [measure_agreement(*pair).rank_correlation for pair in pairwise(maps)]
    assert found.neighbours == np.median(correlations)
    turns = [measure_agreement(one, others[t % 2]).rank_correlation for t, one in enumerate(maps)]
    assert found.strangers == np.median(turns)


def test_a_map_jumps_if_it_changes_more_than_half_as_much_as_between_faces():
    rng = np.random.default_rng(0)
    common, own, others = rng.random((7, 7)), rng.random((7, 7)), rng.random((9, 7, 7))
    noise = rng.random((9, 7, 7))
    still, jumping = common + own + 0.1 * noise, common + noise
    assert not steadiness(still, common + others).jumps
    assert steadiness(jumping, common + others).jumps


def test_constant_maps_are_left_out_and_counted():
    maps = np.random.default_rng(0).random((4, 3, 3))
    maps[3] = 0
    assert steadiness(maps, maps[::-1]).constant == 1
    assert steadiness(maps, maps[:1]).neighbours == steadiness(maps[:3], maps[:1]).neighbours
    nothing = steadiness(np.ones((3, 2, 2)), np.empty((0, 2, 2)))
    assert np.isnan(nothing.neighbours) and np.isnan(nothing.strangers) and not nothing.jumps
