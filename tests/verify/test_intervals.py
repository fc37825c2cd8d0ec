"""Intervals: they hold the true value as often as they say, are exact for few blocks, hold still where blocks agree, and say nothing of a single one."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from seaice.verify import intervals

TRIALS = 2500
SHAPES = {
    "normal": lambda rng, size: rng.normal(size=size),
    "skewed": lambda rng, size: rng.exponential(size=size) - 1,  # mean 0, skewness 2
}


def sums(values, years):
    return intervals.by_block(np.stack([values, np.isfinite(values)], axis=-1).astype(float), years)


def yearly_means(n_blocks, shape):
    """Means of `TRIALS` records, each of n blocks, whose true mean is 0, as sums of one value a block."""
    values = SHAPES[shape](np.random.default_rng(n_blocks), (n_blocks, TRIALS))
    return np.stack([values, np.ones_like(values)], axis=-1)


def percentiles(sums, n_samples=2000):
    """The 95 % of means of blocks drawn with replacement: what too few blocks make too narrow."""
    n = len(sums)
    draws = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=n_samples) / n
    return np.quantile(draws @ sums[..., 0], [0.025, 0.975], axis=0)


@pytest.mark.parametrize("n_blocks, shape", [*((n, "normal") for n in (2, 3, 6, 10, 18, 30)), (18, "skewed")])
def test_an_interval_covers_as_often_as_it_says(n_blocks, shape):
    given = yearly_means(n_blocks, shape)
    found = intervals.interval(given, intervals.mean, n_samples=1000)
    outside = (found.low > 0) | (found.high < 0)
    assert 0.03 <= outside.mean() <= 0.07
    # A p below .05 and an interval without 0 are one thing, but for what lies between two draws.
    assert np.mean(outside == (found.p < 0.05)) > 0.995
    assert (found.blocks == n_blocks).all()


@pytest.mark.parametrize("n_blocks, shape", [(2, "normal"), (3, "normal"), (18, "skewed")])
def test_percentiles_of_drawn_means_do_not(n_blocks, shape):
    low, high = percentiles(yearly_means(n_blocks, shape))
    assert np.mean((low <= 0) & (high >= 0)) < 0.93


def test_months_of_a_year_count_as_one():
    # An interval that took months as independent would be far too narrow.
    rng = np.random.default_rng(3)
    values = np.repeat(rng.normal(size=(20, 400)), 12, axis=0) + 0.1 * rng.normal(size=(240, 400))
    found = intervals.interval(sums(values, np.repeat(range(20), 12)), intervals.mean, n_samples=500)
    assert 0.92 <= np.mean((found.low <= 0) & (found.high >= 0)) <= 0.98


@pytest.mark.parametrize("n_blocks", [2, 3, 9])
def test_few_blocks_have_students_interval_of_their_means(n_blocks):
    means = np.random.default_rng(0).normal(1, 2, size=n_blocks)
    found = intervals.interval(sums(np.repeat(means, 4), np.repeat(range(n_blocks), 4)), intervals.mean)
    test = stats.ttest_1samp(means, 0)
    assert (found.low, found.high) == pytest.approx(tuple(test.confidence_interval(0.95)))
    assert found.p == pytest.approx(test.pvalue) and found.value == pytest.approx(means.mean())


def test_a_skill_of_few_years_is_as_sure_as_its_yearly_parts():
    """The jackknife's error of a ratio is close to that of its linear part (own - ratio reference) / mean reference."""
    rng = np.random.default_rng(2)
    own, reference = rng.uniform(4, 6, size=(2, 8)) * [[1.0], [2.0]]
    found = intervals.interval(np.stack([own, reference, np.ones(8)], axis=-1), intervals.skill)
    ratio = own.sum() / reference.sum()
    error = np.std((own - ratio * reference) / reference.mean(), ddof=1) / np.sqrt(8)
    assert found.value == pytest.approx(1 - ratio)
    assert (found.high - found.low) / 2 == pytest.approx(stats.t.ppf(0.975, 7) * error, rel=0.05)


def test_sums_by_year_leave_missing_values_out():
    found = sums(np.array([1.0, 2, np.nan, 5]), np.array([2001, 2001, 2002, 2002]))
    np.testing.assert_array_equal(found, [[3, 2], [5, 1]])


@pytest.mark.parametrize("n_blocks", [5, 12])
def test_equal_years_have_no_width(n_blocks):
    values, years = np.tile([2.0, 4.0], n_blocks), np.repeat(range(n_blocks), 2)
    found = intervals.interval(sums(values, years), intervals.mean)
    assert (found.low, found.high) == pytest.approx((3.0, 3.0))
    nothing = intervals.interval(sums(0 * values, years), intervals.mean)
    assert (nothing.low, nothing.high, nothing.p) == (0, 0, 1)


def test_one_year_says_nothing():
    found = intervals.interval(sums(np.array([1.0, 2.0]), np.array([2000, 2000])), intervals.mean)
    assert found.value == 1.5 and found.blocks == 1
    assert np.isnan([found.low, found.high, found.p]).all()


@pytest.mark.parametrize("n_given", [1, 4, 11])
def test_an_entry_counts_the_blocks_that_it_has(n_given):
    """Beside an entry with all 14 blocks, one with fewer gets the interval of these alone."""
    means = np.random.default_rng(1).normal(size=14)
    both = np.stack([means, np.where(np.arange(14) < n_given, means, np.nan)], axis=1)
    found = intervals.interval(sums(both, np.arange(14)), intervals.mean)
    alone = intervals.interval(sums(means[:n_given], np.arange(n_given)), intervals.mean)
    assert found.blocks.tolist() == [14, n_given]
    np.testing.assert_allclose([part[1] for part in found], [float(part) for part in alone])
    nothing = intervals.interval(sums(np.full(12, np.nan), np.repeat(range(4), 3)), intervals.mean)
    assert nothing.blocks == 0 and np.isnan([nothing.value, nothing.low, nothing.high, nothing.p]).all()


def test_one_year_of_many_that_differs_has_bounds():
    values = np.zeros(20)
    values[3] = 1.0
    found = intervals.interval(sums(values, np.arange(20)), intervals.mean)
    assert np.isfinite([found.low, found.high]).all() and found.low <= 0 < 0.05 <= found.high


def test_skill_and_correlation_from_sums():
    rng = np.random.default_rng(1)
    x = rng.normal(size=50)
    y = x + rng.normal(size=50)
    products = np.array([x.sum(), y.sum(), (x * x).sum(), (y * y).sum(), (x * y).sum(), 50])
    assert intervals.correlation(products) == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert intervals.skill(np.array([1.0, 4.0, 9.0])) == 0.75


def test_blocks_are_years_of_months_and_months_of_days():
    months = intervals.blocks(pd.date_range("1989-01", "1990-12", freq="MS"), "monthly")
    assert (months[:12] == months[0]).all() and (months[12:] == months[12]).all() and months[0] != months[12]
    days = intervals.blocks(pd.date_range("2015-05-01", "2015-06-30"), "daily")
    assert len(set(days[:31])) == len(set(days[31:])) == 1 and days[0] != days[31]


def test_a_scrap_of_a_year_at_an_end_is_no_block():
    times = pd.date_range("2011-08", "2015-05", freq="MS")  # 5 months, three years, 5 months
    found = intervals.blocks(np.stack([times, times[::-1]]), "monthly")
    assert found.shape == (2, 46) and (found[0] == found[1, ::-1]).all()
    assert np.unique(found[0], return_counts=True)[1].tolist() == [17, 12, 17]
    halves = intervals.blocks(times[:-5].append(pd.date_range("2015-01", "2015-06", freq="MS")), "monthly")
    assert len(set(halves)) == 4, "half a year is one"
    assert len(set(intervals.blocks(pd.date_range("2000-09", "2001-10", freq="MS"), "monthly"))) == 1
