"""Is a record continued with newer days the one that preprocessing them all would make?

Short gaps in it are filled.
"""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import synthetic
from support.entries import DAYS, GRID, day_loader

from seaice.errors import DataError
from seaice.prepare import arrivals, climate, known_at, normals, pipeline, ready_store

SOURCES = {"siconc": "days"}
NOW = pd.Timestamp("1988-06-11T06:00")


def offer(entry, grid, *, start=None, end=None, variables=None):
    """Stand in for `providers.load`: days up to 10 June 1988, and all months."""
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


@pytest.mark.chain
def test_it_is_what_preprocessing_all_of_it_makes(continued, tmp_path):
    span = DAYS | {"end": "1988-06-10", "normals": "months"}
    pipeline.build(tmp_path / "ready.zarr", GRID, sources=SOURCES, load=day_loader(), **span)
    built_at_once = ready_store.open_ready(tmp_path / "ready.zarr")
    assert continued.ready.indexes["time"].equals(built_at_once.indexes["time"])
    for name in (
        "siconc",
        "siconc_flag",
        "siconc_trend",
        "siconc_anomaly",
        "ice_frequency",
        "full_ice_frequency",
    ):
        xr.testing.assert_allclose(
            continued.ready[name].drop_vars("crs", errors="ignore"),
            built_at_once[name].drop_vars("crs"),
            atol=1e-6,
        )


def test_what_is_stored_stays_to_the_bit(stored, continued):
    days = slice(None, "1988-03-31")
    for name in ("siconc", "siconc_flag", "siconc_anomaly"):
        assert (
            continued.ready[name].sel(time=days).values.tobytes()
            == stored[name].sel(time=days).values.tobytes()
        )
    for name in ("siconc_trend", "ice_frequency"):
        before = stored[name].values.tobytes()
        assert continued.ready[name].sel(time=stored.time).values.tobytes() == before


def test_the_day_that_is_not_over_is_left_out(stored):
    extended = arrivals.extend(
        stored, xr.Dataset(), SOURCES, now=pd.Timestamp("1988-06-10T12:00"), load=offer
    )
    assert extended.notices[0] == "'days': 1988-06-10 is not over and is left out"
    assert known_at.newest(extended.ready) == pd.Timestamp("1988-06-09")


def gap(*days):
    """Return a loader of the days of `offer` in which `days` are missing."""

    def load(entry, grid, **options):
        ds = offer(entry, grid, **options)
        lost = ds.time.isin(pd.DatetimeIndex(days)) & (ds.attrs["cadence"] == "daily")
        return ds.assign(
            siconc=ds.siconc.where(~lost), siconc_flag=ds.siconc_flag.where(~lost, 3).astype("uint8")
        )

    return load


def last_week(stored, load) -> xr.Dataset:
    """Return 20 to 31 May 1988 of the continued record, as known on 1 June."""
    ready = arrivals.extend(stored, xr.Dataset(), SOURCES, now=NOW, load=load).ready
    return (
        known_at.as_of(ready, pd.Timestamp("1988-06-01")).sel(time=slice("1988-05-20", "1988-05-31")).load()
    )


def test_a_gap_of_a_few_days_is_a_straight_line_and_said_to_be_filled(stored, continued):
    lost = pd.date_range("1988-05-25", "1988-05-27")
    record = last_week(stored, gap(*lost))
    assert bool((record.siconc_flag.sel(time=lost) == 3).all()), "the provider has these days as missing"
    filled = known_at.bridged(record)
    sides = [record.siconc.sel(time=day) for day in ("1988-05-24", "1988-05-28")]
    expected = sides[0] + (sides[1] - sides[0]) / 4
    np.testing.assert_allclose(filled.siconc.sel(time=lost[0]), expected, atol=1e-6)
    sea = filled.siconc.sel(time=lost).notnull()
    assert bool((filled.siconc_flag.sel(time=lost).where(sea, 1) == 1).all())
    anomaly = filled.siconc - filled.siconc_trend
    xr.testing.assert_allclose(filled.siconc_anomaly.sel(time=lost), anomaly.sel(time=lost), atol=1e-6)
    assert known_at.filled(filled).equals(pd.DatetimeIndex(lost))
    others = ~filled.time.isin(lost)
    for name in ("siconc", "siconc_flag", "siconc_anomaly"):
        assert filled[name].dtype == record[name].dtype
        xr.testing.assert_equal(filled[name][others], record[name][others])


def test_a_longer_gap_and_the_newest_day_stay_missing(stored):
    lost = pd.date_range("1988-05-25", "1988-05-28")
    filled = known_at.bridged(last_week(stored, gap(*lost)))
    assert bool(filled.siconc.sel(time=lost).isnull().all()) and not len(known_at.filled(filled))
    with pytest.raises(DataError, match="siconc of 1988-05-31 is missing"):
        last_week(stored, gap("1988-05-31"))


def test_nothing_of_the_day_or_later_is_known(continued):
    day = pd.Timestamp("1988-05-20")
    record = known_at.as_of(continued.ready, day)
    assert bool(record.siconc.sel(time=slice(day, None)).isnull().all())
    assert bool((record.siconc_flag.sel(time=slice(day, None)) == 3).all())
    assert record.indexes["time"][-1] == day + pd.Timedelta(days=92)
    with pytest.raises(DataError, match="siconc of 1988-06-30 is missing"):
        known_at.as_of(continued.ready, pd.Timestamp("1988-07-01"))


def air(time) -> xr.DataArray:
    """Return air temperature that is one degree above the normal of the day."""
    time = xr.DataArray(time, {"time": time}, ("time",))
    normal = normals.at_normal(warm(), time, cadence="daily")
    return (normal + 1).astype("float32").rename("tas")


def warm() -> xr.DataArray:
    """Return a climatology (month, y, x) with a step from month to month, degrees."""
    size = GRID.size
    month = np.arange(1, 13)
    values = np.broadcast_to(np.float32(month**2)[:, None, None], (12, size, size))
    return xr.DataArray(values, {"month": month, "y": GRID.y, "x": GRID.x}, ("month", "y", "x"))


def with_air(load, *, last="1988-06-10"):
    """Return a loader of the days of another loader, with air on them up to `last`.

    Its attribute `requested_starts` lists the first days that air was asked for from.
    """

    def both(entry, grid, *, start=None, end=None, variables=None):
        if entry != "air":
            return load(entry, grid, start=start, end=end, variables=variables)
        time = pd.date_range(start, min(end or last, last), name="time")
        if not len(time):
            raise DataError(f"air: nothing between {start} and {end}")
        starts.append(start)
        return air(time).to_dataset().assign_attrs(cadence="daily")

    starts = both.requested_starts = []
    return both


STATISTICS = xr.Dataset({"tas_climatology": warm(), "tas_mean": 0.0, "tas_std": 1.0})


@pytest.fixture
def stored_air(stored):
    """Return the stored record with air on its days, one degree above normal."""
    past = stored.indexes["time"] <= pd.Timestamp("1988-03-31")
    return stored.assign(tas=xr.ones_like(stored.siconc).where(xr.DataArray(past, dims="time")))


def test_new_days_of_a_predictor_are_held_against_the_normal_of_the_day(stored_air):
    """The normal of the calendar month would not do: it has a step at the ends of the month."""
    sources = SOURCES | {"tas": "air"}
    extended = arrivals.extend(stored_air, STATISTICS, sources, now=NOW, load=with_air(offer)).ready
    np.testing.assert_allclose(extended.tas.sel(time=slice("1988-04-01", "1988-06-10")), 1, atol=1e-4)
    month = climate.at_months(warm(), extended.time.sel(time=["1988-05-31"]))
    assert float(abs(air(pd.DatetimeIndex(["1988-05-31"])) - 1 - month).max()) > 5


def test_a_predictor_that_comes_later_than_its_ice_is_fetched_and_all_else_stays_to_the_bit(stored_air):
    """The store has ice for 29 to 31 March, but no air for 30 and 31 March.

    The catalogue has no newer ice.
    """
    late = pd.DatetimeIndex(["1988-03-30", "1988-03-31"])
    lacking = stored_air.assign(tas=stored_air.tas.where(~stored_air.time.isin(late)))
    sources, now = SOURCES | {"tas": "air"}, pd.Timestamp("1988-04-01T06:00")
    load = with_air(lambda entry, grid, **options: offer(entry, grid, **options | {"end": "1988-03-31"}))
    since = {"tas": pd.Timestamp("1988-03-25")}
    extended = arrivals.extend(lacking, STATISTICS, sources, now=now, since=since, load=load)
    np.testing.assert_allclose(extended.ready.tas.sel(time=late), 1, atol=1e-4)
    assert (
        load.requested_starts == ["1988-03-30"]
        and list(extended.arrived) == ["tas"]
        and extended.arrived["tas"].equals(late)
    )
    assert extended.ready.indexes["time"].equals(lacking.indexes["time"])
    others = ~lacking.time.isin(late)
    xr.testing.assert_identical(extended.ready.drop_vars("tas"), lacking.drop_vars("tas"))
    assert extended.ready.tas[others].values.tobytes() == lacking.tas[others].values.tobytes()
    before = arrivals.extend(
        lacking, STATISTICS, sources, now=now, since={"tas": late[1] + known_at.step(stored_air)}, load=load
    )
    assert before.ready is lacking, "steps that no channel looks at are not loaded"


def test_with_newer_ice_too_the_late_days_of_a_predictor_come(stored_air):
    late = pd.DatetimeIndex(["1988-03-30"])
    lacking = stored_air.assign(tas=stored_air.tas.where(~stored_air.time.isin(late)))
    sources, since = SOURCES | {"tas": "air"}, {"tas": pd.Timestamp("1988-03-20")}
    extended = arrivals.extend(lacking, STATISTICS, sources, now=NOW, since=since, load=with_air(offer)).ready
    np.testing.assert_allclose(extended.tas.sel(time=slice("1988-03-20", "1988-06-10")), 1, atol=1e-4)
    assert extended.tas.dims == ("time", "y", "x") and extended.tas.dtype == lacking.tas.dtype


@pytest.mark.parametrize("outages, masked", [({}, 0), ({"outages": "1990-08-05/1990-08-28"}, 1)])
def test_a_new_month_of_few_days_is_left_out_as_it_is_in_batch(outages, masked):
    record, last = synthetic.ready(end="1990-12"), pd.Timestamp("1990-06-01")
    new = record[["siconc", "siconc_flag"]].sel(time=slice("1990-07", "1990-08")).assign_attrs(outages)
    ice, notices = arrivals._mask_broken(record.sel(time=slice(None, last)), new, last)
    of_few_days = [notice for notice in notices if "(days: 7, limit 15.5)" in notice]
    assert len(of_few_days) == masked and all("1990-08-01" in notice for notice in of_few_days)
    if masked:
        assert ice.siconc.sel(time="1990-08-01").isnull().all()
