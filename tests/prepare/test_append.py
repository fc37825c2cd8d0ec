"""Does a ready store that grows become the one that the same months make at once?

It grows month by month, or day by day, and a killed append never leaves half of it.
"""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import xarray as xr
from support import environment
from support.entries import DAYS, GRID, SPAN, day_loader, loader

from seaice.errors import DataError
from seaice.grid import Grid
from seaice.prepare import append, arrivals, climate, pipeline, ready_store

SOURCES = {"siconc": "ice", "tas": "air"}
OBSERVED = ("siconc", "siconc_flag")
DERIVED = ("siconc_trend", "siconc_anomaly", "ice_frequency", "full_ice_frequency")
FITTED = ("siconc_climatology", "active", "siconc_damping", "land")


def now(last: str) -> pd.Timestamp:
    """Return a day on which the month `last` is over and the next one is not."""
    return pd.Timestamp(last) + pd.DateOffset(months=1, days=9)


def calm(ds: xr.Dataset) -> xr.Dataset:
    """Return the synthetic record with a tenth of its anomalies.

    So the quality checks do not reject any month of it.
    """
    climatology = climate.at_months(ds.siconc_climatology, ds.time)
    siconc = (climatology + 0.1 * (ds.siconc - climatology)).transpose("time", "y", "x").astype("float32")
    return ds.assign(siconc=siconc)


def offer(last: str, *, air: str | None = None, lost: tuple[str, ...] = ()):
    """Return a stand-in for `providers.load` that has ice up to `last` and air up to `air`.

    lost: months whose ice is missing.
    """

    def load(entry, grid, *, start=None, end=None, variables=None):
        end = (air or last) if entry == "air" else last
        if entry == "air" and pd.Timestamp(start) > pd.Timestamp(end):
            raise DataError(f"air: nothing after {end}")
        ds = loader(calm)(entry, grid, start=start, end=end, variables=variables)
        if entry == "ice" and lost:
            gone = ds.time.isin(pd.DatetimeIndex(lost))
            flag = ds.siconc_flag.where(~gone, 3).astype("uint8")
            ds = ds.assign(siconc=ds.siconc.where(~gone), siconc_flag=flag)
        return ds

    return load


def build(path: Path, end: str, **change) -> xr.Dataset:
    arguments = SPAN | {"end": end, "sources": SOURCES, "load": loader(calm)} | change
    pipeline.build(path, GRID, **arguments)
    return ready_store.open_ready(path)


@pytest.fixture(scope="module")
def february(tmp_path_factory) -> Path:
    """Return the path of a store that reaches to February 1989, which no test changes."""
    place = tmp_path_factory.mktemp("february") / "ready.zarr"
    build(place, "1989-02")
    return place


@pytest.fixture
def path(february, tmp_path) -> Path:
    """Return the path of a copy of that store."""
    return shutil.copytree(february, tmp_path / "ready.zarr")


def grow(path: Path, last: str, **options) -> arrivals.Arrivals:
    return append.append(path, GRID, now=now(last), load=offer(last), **options)


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def same_bits(a: xr.Dataset, b: xr.Dataset, names, time=slice(None)) -> None:
    for name in names:
        first, second = (ds[name].sel(time=time) if "time" in ds[name].dims else ds[name] for ds in (a, b))
        assert first.dtype == second.dtype and first.dims == second.dims, name
        assert first.values.tobytes() == second.values.tobytes(), name


@pytest.mark.chain
def test_month_by_month_it_becomes_what_extending_it_at_once_gives(path):
    before = ready_store.open_ready(path).load()
    at_once = arrivals.extend(
        before, ready_store.open_statistics(path), SOURCES, now=now("1989-06"), load=offer("1989-06")
    ).ready
    for month in ("1989-03", "1989-04", "1989-05", "1989-06"):
        grown = grow(path, month).ready
        assert grown.indexes["time"][-1] == pd.Timestamp(month) + pd.DateOffset(months=12)
    assert grown.indexes["time"].equals(at_once.indexes["time"])
    same_bits(grown, at_once, (*OBSERVED, *DERIVED, *FITTED, "tas"))
    same_bits(grown, before, (*OBSERVED, *DERIVED, "tas"), slice(None, "1989-02"))
    same_bits(grown, before, DERIVED[:1], slice(None, "1990-02"))
    for name in before.variables:
        assert grown[name].attrs == before[name].attrs, name
    assert grown.attrs == before.attrs


def test_what_is_observed_is_what_building_all_of_it_with_the_same_fit_gives(path, tmp_path):
    statistics = ready_store.open_statistics(path).load()
    grown = grow(path, "1989-06").ready
    built_at_once = build(tmp_path / "built_at_once.zarr", "1989-06")
    assert grown.indexes["time"].equals(built_at_once.indexes["time"])
    same_bits(grown, built_at_once, (*OBSERVED, *FITTED))
    for name in (*DERIVED, "tas"):
        xr.testing.assert_allclose(grown[name], built_at_once[name], atol=1e-6)
    xr.testing.assert_identical(ready_store.open_statistics(path).load(), statistics)
    assert grown.siconc.encoding["chunks"] == built_at_once.siconc.encoding["chunks"]


def test_without_anything_new_nothing_is_written(path):
    grow(path, "1989-03")
    inode, files = path.stat().st_ino, content(path)
    again = grow(path, "1989-03")
    assert (
        again.arrived == {} and not again.notices and path.stat().st_ino == inode and content(path) == files
    )


@pytest.mark.chain
def test_days_grow_too(tmp_path):
    path = tmp_path / "ready.zarr"
    span = DAYS | {"end": "1988-05-20", "normals": "months"}
    pipeline.build(path, GRID, sources={"siconc": "days"}, load=day_loader(), **span)

    def until(last):
        def load(entry, grid, *, start=None, end=None, variables=None):
            return day_loader()(entry, grid, start=start or "1979-01", end=end or last)

        return load

    before, statistics = ready_store.open_ready(path).load(), ready_store.open_statistics(path)
    options = {"now": pd.Timestamp("1988-05-25"), "load": until("1988-05-24")}
    at_once = arrivals.extend(before, statistics, {"siconc": "days"}, **options).ready
    for day in ("1988-05-21", "1988-05-24"):
        later = pd.Timestamp(day) + pd.Timedelta(days=1)
        grown = append.append(path, GRID, now=later, load=until(day)).ready
    assert grown.indexes["time"].equals(at_once.indexes["time"]) and len(grown.time) == len(before.time) + 4
    same_bits(grown, at_once, (*OBSERVED, *DERIVED, *FITTED))


@pytest.mark.chain
def test_a_predictor_that_comes_later_than_its_ice_is_put_in_its_place(path, february, tmp_path):
    late = append.append(path, GRID, now=now("1989-03"), load=offer("1989-03", air="1989-02"))
    assert any("'tas' is missing from 1989-03-01 on" in notice for notice in late.notices)
    assert bool(late.ready.tas.sel(time="1989-03").isnull().all())
    grown = grow(path, "1989-04").ready
    in_time = grow(shutil.copytree(february, tmp_path / "other.zarr"), "1989-04").ready
    same_bits(grown, in_time, ("tas", *OBSERVED, *DERIVED))


def test_a_newest_month_that_is_missing_waits_for_its_values(path):
    before = content(path)
    lost = append.append(path, GRID, now=now("1989-03"), load=offer("1989-03", lost=("1989-03",)))
    assert lost.arrived == {} and content(path) == before
    assert grow(path, "1989-03").arrived["siconc"].equals(pd.DatetimeIndex(["1989-03-01"]))


def test_other_sources_are_remembered_by_the_first_step_that_they_gave(path):
    grow(path, "1989-03")
    assert "appended" not in ready_store.open_ready(path).attrs

    def interim(entry, grid, **options):
        return offer("1989-05")("ice" if entry == "interim" else entry, grid, **options)

    other = SOURCES | {"siconc": "interim"}
    append.append(path, GRID, now=now("1989-05"), sources=other, load=interim)
    assert ready_store.open_ready(path).attrs["appended"] == {"1989-04-01": other}


@pytest.mark.parametrize(
    ("grid", "load", "message"),
    [
        (
            GRID,
            offer("1989-04", lost=("1989-03",)),
            "siconc of 1989-03-01 is missing or broken, and that of 1989-04-01",
        ),
        (Grid("north", 900.0), offer("1989-03"), "ready.zarr: 16 cells along x, the 900 km grid has 12"),
        (
            GRID,
            lambda entry, grid, **options: offer("1989-04")(entry, grid, **options).assign_attrs(
                cadence="daily"
            ),
            "entry 'ice' is daily, and the run is monthly",
        ),
    ],
)
def test_a_gap_another_grid_and_another_cadence_are_refused_and_change_nothing(path, grid, load, message):
    before = content(path)
    with pytest.raises(DataError, match=message):
        append.append(path, grid, now=now("1989-04"), load=load)
    assert content(path) == before


@pytest.mark.chain
def test_a_killed_append_leaves_the_old_store_whole_and_the_next_one_succeeds(path):
    before = content(path)
    script = f"""
import os, signal
from pathlib import Path
import test_append
from seaice.prepare import ready_store

write = ready_store.rewrite_from

def killing(*arguments):
    write(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)

ready_store.rewrite_from = killing
test_append.grow(Path({str(path)!r}), "1989-04")
"""
    ended = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parent, env=environment())
    assert ended.returncode == -signal.SIGKILL
    assert content(path) == before
    assert grow(path, "1989-04").ready.siconc.sel(time="1989-04").notnull().any()
    assert [p.name for p in path.parent.iterdir()] == ["ready.zarr"]
