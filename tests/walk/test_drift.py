"""Detectors against sequences that are worked out by hand, and against plain restatements of their formulas."""

import numpy as np
import pandas as pd
import pytest

from seaice.walk import drift


def test_cusum_of_a_step_alarms_when_the_sum_passes_the_threshold():
    # After the step each month adds 2 - 0.75: 1.25, 2.5, ..., 8.75 in the seventh month is above 8.
    values = [0.0] * 10 + [2.0] * 10
    assert drift.cusum(values) == [16]
    assert drift.cusum(-np.array(values)) == [16]
    assert drift.cusum([0.7] * 100) == []  # less than the slack


def test_cusum_starts_anew_after_an_alarm_and_passes_over_missing_values():
    assert drift.cusum([3.0] * 8, slack=0, threshold=5) == [1, 3, 5, 7]
    assert drift.cusum([3.0, np.nan, 3.0], slack=0, threshold=5) == [2]


def test_page_hinkley_of_a_step_by_hand():
    """Five zeros, then fours: the means are 4/6, 8/7, 12/8, ...; the sums follow."""
    values = [0.0] * 5 + [4.0] * 5
    ups = np.cumsum(
        [
            x - mean - 0.5
            for x, mean in zip(values, [0, 0, 0, 0, 0, 4 / 6, 8 / 7, 12 / 8, 16 / 9, 2], strict=True)
        ]
    )
    rises = ups - np.minimum.accumulate(np.minimum(ups, 0))
    expected = int(np.argmax(rises > 6))
    assert expected == 7 and drift.page_hinkley(values, threshold=6) == [expected]
    assert drift.page_hinkley(-np.array(values), threshold=6) == [expected]


def test_page_hinkley_is_the_published_test_on_a_long_series():
    """River's definition, restated: m_t = m_{t-1} + x_t - mean_t - delta; alarm where m_t - min m > threshold."""
    x = np.random.default_rng(1).standard_normal(400)
    x[200:] += 1.5
    first = drift.page_hinkley(x, delta=0.05, threshold=40)[0]
    means = np.cumsum(x) / np.arange(1, len(x) + 1)
    up, down = np.cumsum(x - means - 0.05), np.cumsum(x - means + 0.05)
    rise = up - np.minimum.accumulate(np.minimum(up, 0))
    fall = np.maximum.accumulate(np.maximum(down, 0)) - down
    assert first == int(np.argmax((rise > 40) | (fall > 40))) and first > 200


def series(n=240, *, step=0.0, seed=0) -> pd.Series:
    times = pd.date_range("1990-01-01", periods=n, freq="MS")
    season = 3 * np.sin(2 * np.pi * times.month.to_numpy() / 12)
    values = season + 0.1 * np.random.default_rng(seed).standard_normal(n)
    values[n // 2 :] += step
    return pd.Series(values, times)


def test_standard_units_know_nothing_after_the_burn_in():
    one, other = drift.standard(series()), drift.standard(series(step=5.0))
    pd.testing.assert_series_equal(one[:120], other[:120])
    assert abs(one[:60].mean()) < 1e-9 and one[:60].std() == pytest.approx(1, abs=0.15)
    assert abs(one.groupby(one.index.month).mean()).max() < 1  # the season is gone


def test_a_break_is_found_soon_and_nothing_without_one():
    when = pd.Timestamp("2000-01-01")
    table = drift.rates({"a": series()}, {"a": series(step=0.3)}, when)
    assert (table.false_alarms <= 0.7).all()
    assert table.delay.between(0, 12).all()
    none = drift.rates({"a": series()}, {"a": series()}, when)
    assert none.delay.isna().all() or (none.false_alarms > 0).any()
