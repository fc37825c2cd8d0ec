"""What is normal on a day?

Interpolation is worked out by hand, months are made from days, and nothing looks ahead.
"""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import synthetic

from seaice import steps
from seaice.prepare import climate, normals, prior
from seaice.schema import KNOWN_AHEAD


def field(values, dim, labels):
    return xr.DataArray(np.float32(values).reshape(-1, 1, 1), {dim: labels}, (dim, "y", "x"), name="siconc")


@pytest.fixture
def straight():
    """Return a field with the values 0, 1, 2, ... in the months of two years."""
    return field(np.arange(24), "time", pd.date_range("2000-01", periods=24, freq="MS"))


def days(*dates):
    return xr.DataArray(pd.to_datetime(list(dates)), {"time": pd.to_datetime(list(dates))}, ("time",))


def test_a_day_lies_between_the_middles_of_two_months(straight):
    """The middles of April and May are 30.5 days apart.

    That of April (30 days) is the start of the 16th, that of May (31 days) is noon of the 16th.
    """
    normal = normals.at_normal(straight, days("2000-04-16", "2000-05-01", "2000-05-17"), cadence="daily")
    np.testing.assert_allclose(normal.values.ravel(), [3, 3 + 15 / 30.5, 4 + 0.5 / 30.5], rtol=1e-6)
    assert list(normal.time.values) == list(days("2000-04-16", "2000-05-01", "2000-05-17").values)


def test_the_calendar_goes_round_at_new_year():
    """The middles of December and January are both noon of the 16th, 31 days apart."""
    by_month = field(np.arange(1, 13), "month", range(1, 13))
    normal = normals.at_normal(by_month, days("2001-12-17", "2002-01-01"), cadence="daily")
    np.testing.assert_allclose(normal.values.ravel(), [12 - 11 * 0.5 / 31, 12 - 11 * 15.5 / 31], rtol=1e-6)


def test_months_are_taken_as_they_are(straight):
    valid = steps.valid_time(["2000-03-01", "2000-05-01"], [1, 2])
    normal = normals.at_normal(straight, valid, cadence="monthly")
    assert normal.dims == ("init_time", "lead_time", "y", "x") and normal.values.ravel().tolist() == [
        2,
        3,
        4,
        5,
    ]


def test_any_dims_and_laziness(straight):
    valid = steps.valid_time(["2000-03-01", "2000-05-01"], [1, 2, 40], cadence="daily")
    normal = normals.at_normal(straight.chunk(time=3), valid, cadence="daily")
    assert normal.chunks is not None and normal.dims == ("init_time", "lead_time", "y", "x")
    single_day = normals.at_normal(straight, days("2000-06-09"), cadence="daily")
    np.testing.assert_array_equal(normal.isel(init_time=1, lead_time=2).values, single_day.values[0])


def test_monthly_means_need_most_of_a_month():
    time = pd.date_range("2000-01-01", "2000-03-31")
    daily = field(time.day.to_numpy(), "time", time)
    daily[: 31 - normals.FEWEST_DAYS] = np.nan
    daily[31 : 31 + 29 - normals.FEWEST_DAYS + 1] = np.nan
    means = normals.monthly_means(daily)
    assert list(means.time.values) == list(pd.date_range("2000-01", periods=3, freq="MS").values)
    np.testing.assert_allclose(means.values.ravel(), [np.arange(12, 32).mean(), np.nan, 16])
    assert normals.monthly_means(daily.chunk(time=10)).chunks is not None


@pytest.mark.parametrize("hemisphere", ["north", "south"])
def test_no_normal_ahead_knows_the_day_of_the_forecast_nor_any_later(hemisphere):
    """All ice from 1 June 1985 on is changed.

    Normals up to the longest lead keep every bit; later ones change.
    """
    init = pd.Timestamp("1985-06-16")
    record = synthetic.ready(
        hemisphere=hemisphere, start="1979-01", end="1986-12", fit_end="1984-12", variables=()
    )
    changed = record.copy(deep=True)
    changed["siconc"] = record.siconc.where(record.time < np.datetime64("1985-06-01"), 1 - record.siconc)
    time = pd.date_range("1985-01-01", "1986-12-31", name="time")
    normals_of_both = []
    for months in (record, changed):
        months = months.assign(siconc_trend=climate.linear_trend(months.siconc))
        months = months.assign(prior.frequencies(months))
        normals_of_both.append(normals.of_days(months, xr.DataArray(time, {"time": time}, ("time",))))
    last = init + (steps.AHEAD["daily"] - 1) * pd.Timedelta(days=1)
    for name in KNOWN_AHEAD:
        before, after = (ds[name].sel(time=slice(None, last)).values for ds in normals_of_both)
        assert before.tobytes() == after.tobytes(), name
    assert not normals_of_both[0].siconc_trend.equals(normals_of_both[1].siconc_trend)


def test_a_first_year_without_a_past_is_climatological():
    months = synthetic.ready(end="1986-12", fit_end="1984-12", variables=())
    months = months.assign(siconc_trend=climate.linear_trend(months.siconc))
    time = pd.date_range("1979-02-01", "1979-10-31", name="time")
    daily = normals.of_days(months, xr.DataArray(time, {"time": time}, ("time",)))
    climatology = normals.at_normal(months.siconc_climatology, daily.time, cadence="daily")
    np.testing.assert_allclose(daily.siconc_trend.values, climatology.values, atol=1e-6)
