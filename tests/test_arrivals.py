"""A daily record continued with newer days is the record that preprocessing all of them would have made."""

import pandas as pd
import pytest
import xarray as xr
from test_preprocess import DAYS, GRID, day_loader

from seaice import arrivals, preprocess
from seaice.schema import DataError

SOURCES = {"siconc": "days"}
NOW = pd.Timestamp("1988-06-11T06:00")


def offer(entry, grid, *, start=None, end=None, variables=None):
    """Days up to 10 June 1988; months as they come."""
    return day_loader()(entry, grid, start=start or "1979-01", end=end or "1988-06-10", variables=variables)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = tmp_path_factory.mktemp("stored") / "ready.zarr"
    span = DAYS | {"end": "1988-03", "normals": "months"}
    preprocess.build(path, GRID, sources=SOURCES, load=day_loader(), **span)
    return preprocess.open_ready(path)


@pytest.fixture(scope="module")
def continued(stored):
    return arrivals.extend(stored, xr.Dataset(), SOURCES, now=NOW, load=offer)


def test_it_is_what_preprocessing_all_of_it_makes(continued, tmp_path):
    span = DAYS | {"end": "1988-06-10", "normals": "months"}
    preprocess.build(tmp_path / "ready.zarr", GRID, sources=SOURCES, load=day_loader(), **span)
    whole = preprocess.open_ready(tmp_path / "ready.zarr")
    assert continued.ready.indexes["time"].equals(whole.indexes["time"])
    for name in ("siconc", "siconc_flag", "siconc_trend", "siconc_anomaly", "ice_frequency", "full_ice_frequency"):
        xr.testing.assert_allclose(
            continued.ready[name].drop_vars("crs", errors="ignore"), whole[name].drop_vars("crs"), atol=1e-6
        )


def test_what_is_stored_stays_to_the_bit(stored, continued):
    known = slice(None, "1988-03-31")
    for name in ("siconc", "siconc_flag", "siconc_anomaly"):
        assert continued.ready[name].sel(time=known).values.tobytes() == stored[name].sel(time=known).values.tobytes()
    for name in ("siconc_trend", "ice_frequency"):
        before = stored[name].values.tobytes()
        assert continued.ready[name].sel(time=stored.time).values.tobytes() == before


def test_the_day_that_is_not_over_is_left_out(stored):
    found = arrivals.extend(stored, xr.Dataset(), SOURCES, now=pd.Timestamp("1988-06-10T12:00"), load=offer)
    assert found.notices[0] == "'days': 1988-06-10 is not over and is left out"
    assert arrivals.newest(found.ready) == pd.Timestamp("1988-06-09")


def test_nothing_of_the_day_or_later_is_known(continued):
    day = pd.Timestamp("1988-05-20")
    known = arrivals.as_of(continued.ready, day)
    assert bool(known.siconc.sel(time=slice(day, None)).isnull().all())
    assert bool((known.siconc_flag.sel(time=slice(day, None)) == 3).all())
    assert known.indexes["time"][-1] == day + pd.Timedelta(days=92)
    with pytest.raises(DataError, match="siconc of 1988-06-30 is missing"):
        arrivals.as_of(continued.ready, pd.Timestamp("1988-07-01"))
