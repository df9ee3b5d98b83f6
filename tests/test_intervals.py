"""Confidence intervals against scipy's, and by how often they hold the truth."""

import numpy as np
import pytest
from scipy.stats import bootstrap, ttest_1samp

from mocapact_core.intervals import interval_of_few, mean_and_interval


@pytest.mark.parametrize("n", [5, 60])
def test_the_bootstrap_is_that_of_scipy(n):
    values = np.random.default_rng(n).gamma(2.0, size=n)
    ours = mean_and_interval(values, seed=1)
    theirs = bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=2).confidence_interval
    assert ours["mean"] == values.mean()
    width = theirs.high - theirs.low
    assert ours["low"] == pytest.approx(theirs.low, abs=0.05 * width)
    assert ours["high"] == pytest.approx(theirs.high, abs=0.05 * width)


def test_the_bootstrap_covers_the_true_mean_as_often_as_it_says():
    rng, hits = np.random.default_rng(0), 0
    for seed in range(1000):
        interval = mean_and_interval(rng.normal(3.0, 2.0, size=200), seed)
        hits += interval["low"] <= 3.0 <= interval["high"]
    assert 0.925 <= hits / 1000 <= 0.965  # 0.945 for 200 episodes, three standard errors about it


def test_the_bootstrap_repeats_and_has_no_width_where_nothing_varies():
    values = np.random.default_rng(0).normal(size=30)
    assert mean_and_interval(values, seed=1) == mean_and_interval(values, seed=1)
    assert mean_and_interval(values, seed=1) != mean_and_interval(values, seed=2)
    for constant in (np.full(20, 0.1), np.array([0.7])):
        assert list(mean_and_interval(constant, seed=1).values()) == pytest.approx(
            [constant[0]] * 3, rel=1e-15
        )


def test_the_interval_of_few_is_that_of_the_t_test():
    values = np.array([0.671, 0.688, 0.654])
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    assert interval_of_few(values) == pytest.approx((expected.low, expected.high), rel=1e-12)


def test_three_seeds_have_an_interval_that_holds_the_truth_and_one_seed_has_none():
    rng, hits = np.random.default_rng(0), 0
    for _ in range(2000):
        low, high = interval_of_few(rng.normal(0.7, 0.01, size=3))
        hits += low <= 0.7 <= high
    assert 0.935 <= hits / 2000 <= 0.965  # 0.95, three standard errors about it
    assert interval_of_few(np.array([0.7])) is None
