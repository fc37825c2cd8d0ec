"""Intervals over years: they cover as often as they say, hold still where years agree, and say nothing of a single year."""

import numpy as np
import pytest

from seaice.verify import bootstrap


def sums(values, years):
    return bootstrap.by_block(np.stack([values, np.isfinite(values)], axis=-1).astype(float), years)


def test_sums_by_year_leave_missing_values_out():
    found = sums(np.array([1.0, 2, np.nan, 5]), np.array([2001, 2001, 2002, 2002]))
    np.testing.assert_array_equal(found, [[3, 2], [5, 1]])


def test_equal_years_have_no_width():
    found = bootstrap.interval(sums(np.tile([2.0, 4.0], 5), np.repeat(range(5), 2)), bootstrap.mean)
    assert found == pytest.approx((3.0, 3.0))


def test_one_year_says_nothing():
    assert np.isnan(
        bootstrap.interval(sums(np.array([1.0, 2.0]), np.array([2000, 2000])), bootstrap.mean)
    ).all()


def test_covers_about_as_often_as_it_says():
    # Year effects dominate; an interval that took months as independent would be far too narrow.
    rng = np.random.default_rng(3)
    year = rng.normal(size=(20, 400))
    values = np.repeat(year, 12, axis=0) + 0.1 * rng.normal(size=(240, 400))
    low, high = bootstrap.interval(sums(values, np.repeat(range(20), 12)), bootstrap.mean)
    assert (
        0.88 <= np.mean((low <= 0) & (high >= 0)) <= 0.97
    )  # 95 % nominal, percentiles of 20 blocks fall a little short


def test_paired_differences_keep_their_pairs():
    rng = np.random.default_rng(0)
    a, years = rng.normal(size=60), np.repeat(range(6), 10)
    low, high = bootstrap.interval(sums(a - (a + 0.5), years), bootstrap.mean)
    assert (low, high) == pytest.approx((-0.5, -0.5))


def test_years_without_a_forecast_are_left_out_of_the_draws():
    values = np.where(np.repeat(range(4), 3) == 0, 1.0, np.nan)
    assert bootstrap.interval(sums(values, np.repeat(range(4), 3)), bootstrap.mean) == pytest.approx(
        (1.0, 1.0)
    )
    nothing = bootstrap.interval(sums(np.full(12, np.nan), np.repeat(range(4), 3)), bootstrap.mean)
    assert np.isnan(nothing).all()


def test_skill_and_correlation_from_sums():
    rng = np.random.default_rng(1)
    x = rng.normal(size=50)
    y = x + rng.normal(size=50)
    products = np.array([50, x.sum(), y.sum(), (x * x).sum(), (y * y).sum(), (x * y).sum()])
    assert bootstrap.correlation(products) == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert bootstrap.skill(np.array([1.0, 4.0])) == 0.75
