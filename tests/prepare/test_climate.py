import numpy as np
import pandas as pd
import pytest
import xarray as xr

from seaice.errors import DataError
from seaice.prepare import climate, normalise, normals


def series(values, start="1979-01"):
    """Return a field (time, y, x), one cell a column, of an array (time,) or (time, cells)."""
    values = np.asarray(values, "float32").reshape(len(values), 1, -1)
    time = pd.date_range(start, periods=len(values), freq="MS")
    return xr.DataArray(values, dims=("time", "y", "x"), coords={"time": time}, name="siconc")


@pytest.fixture
def decade():
    return series(np.random.default_rng(1).random((120, 3)))


def test_climatology_is_the_mean_of_past_januaries(decade):
    by_month = climate.climatology(decade, fit_end="1985-12")
    januaries = decade.values[0 : 7 * 12 : 12]  # 1979..1985
    np.testing.assert_allclose(by_month.sel(month=1), januaries.mean(axis=0), rtol=1e-6)


def test_climatology_ignores_everything_after_the_fit_period(decade):
    changed = decade.copy()
    changed[dict(time=slice(84, None))] = 99
    a, b = (climate.climatology(d, fit_end="1985-12").values for d in (decade, changed))
    assert a.tobytes() == b.tobytes()


def test_climatology_leaves_missing_out_and_keeps_never_observed_missing(decade):
    decade[dict(time=0, x=0)] = np.nan
    decade[dict(x=1)] = np.nan
    by_month = climate.climatology(decade, fit_end="1985-12").sel(month=1, y=0)
    np.testing.assert_allclose(by_month[0], decade.values[12:84:12, 0, 0].mean(), rtol=1e-6)
    assert np.isnan(by_month[1])


def test_climatology_refuses_a_short_past(decade):
    with pytest.raises(DataError, match="siconc: only 12 months up to 1979-12"):
        climate.climatology(decade, fit_end="1979-12")


def test_anomalies_average_to_zero_over_the_fit_period(decade):
    anomaly = normals.anomalies(decade, climate.climatology(decade, fit_end="1988-12"), cadence="monthly")
    by_month = anomaly.groupby("time.month").mean()
    np.testing.assert_allclose(by_month, 0, atol=1e-6)


def test_trend_continues_a_straight_line_exactly():
    year = np.arange(1979, 1999).repeat(12)
    line = 0.9 - 0.02 * (year - 1979)
    trend = climate.linear_trend(series(line))
    # From the third year on, a line through at least two past years gives the line itself.
    np.testing.assert_allclose(trend.values[24:, 0, 0], line[24:], atol=1e-6)
    np.testing.assert_allclose(trend.values[12:24, 0, 0], line[:12], atol=1e-6)  # one past value: that value
    assert np.isnan(trend.values[:12]).all()  # none: unknown


def test_trend_agrees_with_polyfit_over_a_window_with_gaps():
    rng = np.random.default_rng(2)
    values = 0.5 + 0.1 * rng.standard_normal((30 * 12, 1))
    values[[60, 72]] = np.nan  # two Januaries gone: the others keep their calendar years
    trend = climate.linear_trend(series(values), years=10)
    past = np.arange(18, 28)
    januaries = values[past * 12, 0]
    expected = np.polyval(np.polyfit(past, januaries, 1), 28)  # numpy's least squares as reference
    np.testing.assert_allclose(trend.values[28 * 12, 0, 0], expected, atol=1e-6)


def test_trend_skips_missing_years_without_shifting_the_slope():
    year = np.arange(1979, 1999).repeat(12).astype(float)
    line = 0.9 - 0.02 * (year - 1979)
    gap = line.copy()
    gap[5 * 12 : 7 * 12] = np.nan
    np.testing.assert_allclose(climate.linear_trend(series(gap)).values[120:, 0, 0], line[120:], atol=1e-6)


def test_trend_of_a_month_sees_only_earlier_years(decade):
    changed = decade.copy()
    changed[dict(time=slice(60, None))] = 0.123  # from 1984-01 on
    a, b = (climate.linear_trend(d).sel(time=slice("1984-01", "1984-12")).values for d in (decade, changed))
    assert a.tobytes() == b.tobytes()


def test_trend_stays_a_fraction(decade):
    trend = climate.linear_trend(series(np.linspace(1, 0, 240)))
    assert float(trend.min()) == 0 and float(trend.max()) <= 1


def test_lazy_in_lazy_out_and_equal(decade):
    lazy = decade.chunk({"time": 1})
    for function in (climate.linear_trend, lambda d: climate.climatology(d, fit_end="1985-12")):
        result = function(lazy)
        assert result.chunks is not None
        np.testing.assert_allclose(result, function(decade), rtol=1e-6)


def test_scaling_gives_zero_mean_and_unit_spread(decade):
    scaled = normalise.scale(decade, normalise.statistics(decade))
    assert abs(float(scaled.mean())) < 1e-6
    assert abs(float(scaled.std()) - 1) < 1e-5


def test_scaling_refuses_a_constant_field(decade):
    with pytest.raises(DataError, match="'siconc' has standard deviation 0"):
        normalise.statistics(xr.zeros_like(decade))
