"""A daily record continued with newer days is the record that preprocessing all of them would have made; short gaps are filled."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support.entries import DAYS, GRID, day_loader

from seaice.errors import DataError
from seaice.prepare import arrivals, climate, known_at, normals, pipeline, ready_store

SOURCES = {"siconc": "days"}
NOW = pd.Timestamp("1988-06-11T06:00")


def offer(entry, grid, *, start=None, end=None, variables=None):
    """Days up to 10 June 1988; months as they come."""
    return day_loader()(entry, grid, start=start or "1979-01", end=end or "1988-06-10", variables=variables)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = tmp_path_factory.mktemp("stored") / "ready.zarr"
    span = DAYS | {"end": "1988-03", "normals": "months"}
    pipeline.build(path, GRID, sources=SOURCES, load=day_loader(), **span)
    return ready_store.open_ready(path)


@pytest.fixture(scope="module")
def continued(stored):
    return arrivals.extend(stored, xr.Dataset(), SOURCES, now=NOW, load=offer)


def test_it_is_what_preprocessing_all_of_it_makes(continued, tmp_path):
    span = DAYS | {"end": "1988-06-10", "normals": "months"}
    pipeline.build(tmp_path / "ready.zarr", GRID, sources=SOURCES, load=day_loader(), **span)
    whole = ready_store.open_ready(tmp_path / "ready.zarr")
    assert continued.ready.indexes["time"].equals(whole.indexes["time"])
    for name in (
        "siconc",
        "siconc_flag",
        "siconc_trend",
        "siconc_anomaly",
        "ice_frequency",
        "full_ice_frequency",
    ):
        xr.testing.assert_allclose(
            continued.ready[name].drop_vars("crs", errors="ignore"), whole[name].drop_vars("crs"), atol=1e-6
        )


def test_what_is_stored_stays_to_the_bit(stored, continued):
    known = slice(None, "1988-03-31")
    for name in ("siconc", "siconc_flag", "siconc_anomaly"):
        assert (
            continued.ready[name].sel(time=known).values.tobytes()
            == stored[name].sel(time=known).values.tobytes()
        )
    for name in ("siconc_trend", "ice_frequency"):
        before = stored[name].values.tobytes()
        assert continued.ready[name].sel(time=stored.time).values.tobytes() == before


def test_the_day_that_is_not_over_is_left_out(stored):
    found = arrivals.extend(stored, xr.Dataset(), SOURCES, now=pd.Timestamp("1988-06-10T12:00"), load=offer)
    assert found.notices[0] == "'days': 1988-06-10 is not over and is left out"
    assert known_at.newest(found.ready) == pd.Timestamp("1988-06-09")


def gap(*days):
    """The days of `offer` as a provider has them who lost some: they are put in as missing."""

    def load(entry, grid, **options):
        ds = offer(entry, grid, **options)
        lost = ds.time.isin(pd.DatetimeIndex(days)) & (ds.attrs["cadence"] == "daily")
        return ds.assign(
            siconc=ds.siconc.where(~lost), siconc_flag=ds.siconc_flag.where(~lost, 3).astype("uint8")
        )

    return load


def last_week(stored, load) -> xr.Dataset:
    """20 to 31 May 1988, continued and known on 1 June."""
    ready = arrivals.extend(stored, xr.Dataset(), SOURCES, now=NOW, load=load).ready
    return (
        known_at.as_of(ready, pd.Timestamp("1988-06-01")).sel(time=slice("1988-05-20", "1988-05-31")).load()
    )


def test_a_gap_of_a_few_days_is_a_straight_line_and_said_to_be_filled(stored, continued):
    lost = pd.date_range("1988-05-25", "1988-05-27")
    known = last_week(stored, gap(*lost))
    assert bool((known.siconc_flag.sel(time=lost) == 3).all()), "as the provider has it"
    found = known_at.bridged(known)
    sides = [known.siconc.sel(time=day) for day in ("1988-05-24", "1988-05-28")]
    expected = sides[0] + (sides[1] - sides[0]) / 4
    np.testing.assert_allclose(found.siconc.sel(time=lost[0]), expected, atol=1e-6)
    sea = found.siconc.sel(time=lost).notnull()
    assert bool((found.siconc_flag.sel(time=lost).where(sea, 1) == 1).all())
    anomaly = found.siconc - found.siconc_trend
    xr.testing.assert_allclose(found.siconc_anomaly.sel(time=lost), anomaly.sel(time=lost), atol=1e-6)
    assert known_at.filled(found).equals(pd.DatetimeIndex(lost))
    others = ~found.time.isin(lost)
    for name in ("siconc", "siconc_flag", "siconc_anomaly"):
        assert found[name].dtype == known[name].dtype
        xr.testing.assert_equal(found[name][others], known[name][others])


def test_a_longer_gap_and_the_newest_day_stay_missing(stored):
    lost = pd.date_range("1988-05-25", "1988-05-28")
    found = known_at.bridged(last_week(stored, gap(*lost)))
    assert bool(found.siconc.sel(time=lost).isnull().all()) and not len(known_at.filled(found))
    with pytest.raises(DataError, match="siconc of 1988-05-31 is missing"):
        last_week(stored, gap("1988-05-31"))


def test_nothing_of_the_day_or_later_is_known(continued):
    day = pd.Timestamp("1988-05-20")
    known = known_at.as_of(continued.ready, day)
    assert bool(known.siconc.sel(time=slice(day, None)).isnull().all())
    assert bool((known.siconc_flag.sel(time=slice(day, None)) == 3).all())
    assert known.indexes["time"][-1] == day + pd.Timedelta(days=92)
    with pytest.raises(DataError, match="siconc of 1988-06-30 is missing"):
        known_at.as_of(continued.ready, pd.Timestamp("1988-07-01"))


def air(time) -> xr.DataArray:
    """Air that is a degree above what is normal on the day."""
    time = xr.DataArray(time, {"time": time}, ("time",))
    usual = normals.at_normal(warm(), time, cadence="daily")
    return (usual + 1).astype("float32").rename("tas")


def warm() -> xr.DataArray:
    """A climatology (month, y, x) that has a step from month to month, degrees."""
    size = GRID.size
    month = np.arange(1, 13)
    values = np.broadcast_to(np.float32(month**2)[:, None, None], (12, size, size))
    return xr.DataArray(values, {"month": month, "y": GRID.y, "x": GRID.x}, ("month", "y", "x"))


def with_air(load, *, last="1988-06-10"):
    """The days of a loader, and air on them."""

    def both(entry, grid, *, start=None, end=None, variables=None):
        if entry != "air":
            return load(entry, grid, start=start, end=end, variables=variables)
        time = pd.date_range(start, min(end or last, last), name="time")
        if not len(time):
            raise DataError(f"air: nothing between {start} and {end}")
        asked.append(start)
        return air(time).to_dataset().assign_attrs(cadence="daily")

    asked = both.asked = []
    return both


STATISTICS = xr.Dataset({"tas_climatology": warm(), "tas_mean": 0.0, "tas_std": 1.0})


@pytest.fixture
def stored_air(stored):
    """The stored days with air on them, one degree above normal."""
    past = stored.indexes["time"] <= pd.Timestamp("1988-03-31")
    return stored.assign(tas=xr.ones_like(stored.siconc).where(xr.DataArray(past, dims="time")))


def test_new_days_of_a_predictor_are_held_against_the_normal_of_the_day(stored_air):
    """Not against the calendar month's, which has a step at its ends."""
    sources = SOURCES | {"tas": "air"}
    found = arrivals.extend(stored_air, STATISTICS, sources, now=NOW, load=with_air(offer)).ready
    np.testing.assert_allclose(found.tas.sel(time=slice("1988-04-01", "1988-06-10")), 1, atol=1e-4)
    month = climate.at_months(warm(), found.time.sel(time=["1988-05-31"]))
    assert float(abs(air(pd.DatetimeIndex(["1988-05-31"])) - 1 - month).max()) > 5


def test_a_predictor_that_comes_later_than_its_ice_is_fetched_and_all_else_stays_to_the_bit(stored_air):
    """The store has the ice of 29 to 31 March and no air on 30 and 31; the catalogue has no newer ice."""
    late = pd.DatetimeIndex(["1988-03-30", "1988-03-31"])
    lacking = stored_air.assign(tas=stored_air.tas.where(~stored_air.time.isin(late)))
    sources, now = SOURCES | {"tas": "air"}, pd.Timestamp("1988-04-01T06:00")
    load = with_air(lambda entry, grid, **options: offer(entry, grid, **options | {"end": "1988-03-31"}))
    since = {"tas": pd.Timestamp("1988-03-25")}
    found = arrivals.extend(lacking, STATISTICS, sources, now=now, since=since, load=load)
    np.testing.assert_allclose(found.ready.tas.sel(time=late), 1, atol=1e-4)
    assert (
        load.asked == ["1988-03-30"] and list(found.arrived) == ["tas"] and found.arrived["tas"].equals(late)
    )
    assert found.ready.indexes["time"].equals(lacking.indexes["time"])
    others = ~lacking.time.isin(late)
    xr.testing.assert_identical(found.ready.drop_vars("tas"), lacking.drop_vars("tas"))
    assert found.ready.tas[others].values.tobytes() == lacking.tas[others].values.tobytes()
    before = arrivals.extend(
        lacking, STATISTICS, sources, now=now, since={"tas": late[1] + known_at.step(stored_air)}, load=load
    )
    assert before.ready is lacking, "what no channel looks at is not asked for"


def test_with_newer_ice_too_the_late_days_of_a_predictor_come(stored_air):
    late = pd.DatetimeIndex(["1988-03-30"])
    lacking = stored_air.assign(tas=stored_air.tas.where(~stored_air.time.isin(late)))
    sources, since = SOURCES | {"tas": "air"}, {"tas": pd.Timestamp("1988-03-20")}
    found = arrivals.extend(lacking, STATISTICS, sources, now=NOW, since=since, load=with_air(offer)).ready
    np.testing.assert_allclose(found.tas.sel(time=slice("1988-03-20", "1988-06-10")), 1, atol=1e-4)
    assert found.tas.dims == ("time", "y", "x") and found.tas.dtype == lacking.tas.dtype
