"""Which step a stamp stands for: bounds, other names of time, dates as numbers, wrong cadence."""

import logging

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import synthetic

from seaice.errors import DataError
from seaice.sources import providers

ABOUT = {"provider": "latlon", "hemisphere": "both", "cadence": "monthly"}


def dates(raw, **about):
    return providers.standardise(raw, ABOUT | about, source="file").indexes["time"]


def cesm(begin, end, stamps) -> xr.Dataset:
    """Means whose `time` names bounds."""
    raw = synthetic.raw_latlon(time=pd.DatetimeIndex(stamps))
    bounds = np.stack([pd.DatetimeIndex(begin), pd.DatetimeIndex(end)], axis=1)
    raw["time_bnds"] = (("time", "bnds"), bounds)
    raw["time"].attrs["bounds"] = "time_bnds"
    return raw


MONTHS = pd.date_range("2000-01", periods=3, freq="MS")


@pytest.mark.parametrize("stamp", ["begin", "middle", "end"])
def test_the_bounds_of_a_mean_say_its_month_wherever_it_is_stamped(stamp):
    following = MONTHS + pd.DateOffset(months=1)
    stamps = {"begin": MONTHS, "middle": MONTHS + pd.Timedelta(days=14), "end": following}[stamp]
    assert dates(cesm(MONTHS, following, stamps)).equals(MONTHS)


def test_a_stamp_outside_its_bounds_is_refused():
    following = MONTHS + pd.DateOffset(months=1)
    with pytest.raises(DataError, match="2000-03-05.* lies outside its bounds 'time_bnds', 2000-01-01"):
        dates(cesm(MONTHS, following, MONTHS + pd.Timedelta(days=64)))


def test_bounds_of_another_length_are_refused_unless_they_only_are_too_short(caplog):
    starts = pd.DatetimeIndex(["2000-01-01", "2001-01-01"])
    with pytest.raises(DataError, match="2000-01-01.* to 2001-01-01.*, 366 days, which is not monthly"):
        dates(cesm(starts, starts + pd.DateOffset(years=1), starts + pd.Timedelta(days=182)))
    middles = MONTHS + pd.Timedelta(days=15)  # as IITM-ESM publishes them
    with caplog.at_level(logging.WARNING):
        assert dates(cesm(middles, middles + pd.Timedelta(days=1), middles)).equals(MONTHS)
    assert "'time_bnds' span 1 days, less than a step" in caplog.text


def test_bounds_that_are_no_dates_are_refused():
    raw = cesm(MONTHS, MONTHS + pd.DateOffset(months=1), MONTHS)
    raw["time_bnds"] = raw["time_bnds"].astype("int64")
    with pytest.raises(DataError, match="bounds 'time_bnds' of 'time' are int64, not dates"):
        dates(raw)


def test_fortnights_in_a_monthly_entry_are_told_from_a_date_that_is_there_twice():
    fortnights = pd.DatetimeIndex(["2000-01-01", "2000-01-15", "2000-02-01"])
    with pytest.raises(
        DataError, match="2000-01-15 00:00:00 are of one step of a monthly record, .*`cadence`"
    ):
        dates(synthetic.raw_latlon(time=fortnights))
    with pytest.raises(DataError, match="2000-01-01 00:00:00 appears twice; sort"):
        dates(synthetic.raw_latlon(time=pd.DatetimeIndex(["2000-01-01", "2000-01-01"])))


@pytest.mark.parametrize("written", [[20000101, 20000201], [200001, 200002]])
def test_dates_as_numbers_are_dates_and_other_numbers_are_refused(written):
    raw = synthetic.raw_latlon(time=synthetic.months(n=2)).rename(time="date")
    assert dates(raw.assign_coords(date=written)).equals(synthetic.months(n=2))
    with pytest.raises(DataError, match="'date' starts with 730486, which is no date as YYYYMMDD"):
        dates(raw.assign_coords(date=[730486, 730517]))


def test_two_streams_of_era5_become_one_and_it_is_told(caplog):
    final, preliminary = (synthetic.raw_latlon(value=v, units="K", time=MONTHS) for v in (250.0, 260.0))
    final["t2m"][2] = np.nan
    raw = xr.concat([final, preliminary], pd.Index([1, 5], name="expver"))
    raw["t2m"].attrs = {"units": "K"}
    with caplog.at_level(logging.WARNING):
        out = providers.standardise(raw, ABOUT, source="file")
    assert out["tas"].mean(("lat", "lon")).values.tolist() == [250.0, 250.0, 260.0]
    assert "file: steps that final ERA5 (expver 1) lacks are preliminary" in caplog.text
    with pytest.raises(DataError, match=r"'expver' is \['7', '8'\], expected 1 .* and 5"):
        providers.standardise(raw.assign_coords(expver=[7, 8]), ABOUT, source="file")
