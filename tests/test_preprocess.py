import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic
import xarray as xr

from seaice import preprocess
from seaice.grid import Grid
from seaice.schema import DataError, attributes

GRID = Grid("north", synthetic.SMALL_KM)
SPAN = {"start": "1979-01", "end": "1990-12", "fit_end": "1988-12", "run": "toy"}


def loader(change=lambda ds: ds):
    """A stand-in for `providers.load`: the synthetic ice, and a temperature with a seasonal cycle in kelvin."""

    def load(entry, grid, *, start, end, variables=None, **options):
        ready = change(synthetic.ready(end="1990-12")).sel(time=slice(start, end))
        if entry == "ice":
            return ready[["siconc", "siconc_flag", "land"]].chunk({"time": 1})
        season = 260 + 15 * np.cos(2 * np.pi * (ready.time.dt.month - 7) / 12)
        tas = (season + 2 * ready["tas"]).astype("float32").rename("tas").assign_attrs(attributes("tas"))
        return tas.to_dataset().chunk({"time": 1})

    return load


def build(folder, *, change=lambda ds: ds, **kwargs):
    arguments = SPAN | {"sources": {"siconc": "ice", "tas": "air"}, "load": loader(change)} | kwargs
    report = preprocess.build(folder / "ready.zarr", GRID, **arguments)
    return report, preprocess.open_ready(folder / "ready.zarr")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build(tmp_path_factory.mktemp("ready"))


def test_store_follows_the_contract(built):
    _, ready = built
    assert set(ready.data_vars) == {
        "siconc",
        "siconc_flag",
        "siconc_trend",
        "siconc_climatology",
        "siconc_anomaly",
        "ice_frequency",
        "full_ice_frequency",
        "siconc_damping",
        "land",
        "active",
        "tas",
    }
    assert ready["siconc"].dims == ("time", "y", "x") and ready["siconc"].dtype == "float32"
    assert ready["siconc_climatology"].dims == ("month", "y", "x")
    assert ready["active"].dtype == bool and ready["land"].dtype == bool
    assert ready.attrs["hemisphere"] == "north" and ready.attrs["fit_end"] == "1988-12"
    assert ready["siconc"].chunks is not None
    GRID.check(ready, source="ready")


def test_time_runs_a_year_past_the_data_with_the_trend_known_there(built):
    _, ready = built
    assert ready.indexes["time"][-1] == pd.Timestamp("1991-12-01")
    future = ready.sel(time="1991-06").isel(time=0)
    assert np.isnan(future["siconc"]).all() and (future["siconc_flag"] == 3).all()
    assert np.isfinite(future["siconc_trend"].where(~ready["land"])).sum() == (~ready["land"]).sum()


def test_anomalies_are_scaled_by_the_fit_period(built):
    _, ready = built
    fitted = ready["tas"].sel(time=slice("1979-01", "1988-12"))
    np.testing.assert_allclose(float(fitted.mean()), 0, atol=1e-5)
    np.testing.assert_allclose(float(fitted.std()), 1, atol=1e-5)
    by_month = fitted.groupby("time.month").mean(("time", "y", "x"))
    np.testing.assert_allclose(by_month, 0, atol=1e-5)  # the seasonal cycle went with the climatology


def test_statistics_are_kept_with_the_store(built, tmp_path):
    _, ready = built
    statistics = xr.open_zarr(ready.encoding["source"], group="statistics", consolidated=False)
    assert set(statistics.data_vars) == {"tas_climatology", "tas_mean", "tas_std"}


def test_nothing_fitted_sees_the_future(built, tmp_path):
    def change(ds):
        later = ds.time > np.datetime64("1988-12-01")
        ds["siconc"] = xr.where(later, 1 - ds["siconc"], ds["siconc"]).transpose("time", "y", "x").astype("float32")
        ds["tas"] = xr.where(later, 5 + ds["tas"], ds["tas"]).transpose("time", "y", "x")
        return ds

    _, a = built
    _, b = build(tmp_path, change=change)
    for name in ("siconc_climatology", "active"):
        assert a[name].values.tobytes() == b[name].values.tobytes(), name
    past = slice("1979-01", "1988-12")
    for name in ("tas", "siconc_trend"):
        assert a[name].sel(time=past).values.tobytes() == b[name].sel(time=past).values.tobytes(), name
    assert a["siconc"].sel(time="1990-01").values.tobytes() != b["siconc"].sel(time="1990-01").values.tobytes()


def test_two_builds_give_the_same_bits(built, tmp_path):
    _, a = built
    _, b = build(tmp_path)
    for name in a.data_vars:
        assert a[name].values.tobytes() == b[name].values.tobytes(), name


def test_a_missing_month_is_missing_and_not_open_water(tmp_path):
    _, ready = build(tmp_path, change=lambda ds: ds.drop_sel(time=[np.datetime64("1986-04-01")]))
    gap = ready.sel(time="1986-04").isel(time=0)
    assert np.isnan(gap["siconc"]).all() and (gap["siconc_flag"] == 3).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sources": {"tas": "air"}}, r"run 'toy': sources has no 'siconc', only \['tas'\]"),
        ({"cadence": "daily"}, "cadence 'daily' can't be preprocessed"),
        ({"fit_end": "1979-06"}, "only 6 months from 1979-01 up to 1979-06"),
    ],
)
def test_bad_requests_are_refused_and_leave_nothing(tmp_path, change, message):
    with pytest.raises(DataError, match=message):
        build(tmp_path, **change)
    assert not list(tmp_path.rglob("*.zarr*"))


def test_a_failure_midway_keeps_the_older_store(tmp_path):
    _, before = build(tmp_path)
    kept = before["siconc"].values.tobytes()

    def failing(entry, *args, **kwargs):
        if entry == "air":
            raise DataError("air: unreadable")
        return loader()(entry, *args, **kwargs)

    with pytest.raises(DataError, match="unreadable"):
        build(tmp_path, load=failing)
    assert preprocess.open_ready(tmp_path / "ready.zarr")["siconc"].values.tobytes() == kept
    assert [p.name for p in tmp_path.iterdir()] == ["ready.zarr"]


def test_what_killed_builds_left_is_removed_by_the_next_but_not_what_another_builds_now(tmp_path):
    dead = subprocess.Popen(["true"])
    dead.wait()
    for owner in (dead.pid, os.getppid(), "0a1b2c3d"):  # the last as an older version named them
        for part in ("", "-raw"):
            (tmp_path / f".ready.zarr-{owner}{part}").mkdir()
    (tmp_path / ".other.zarr-0").mkdir()
    build(tmp_path)
    theirs = {f".ready.zarr-{os.getppid()}{part}" for part in ("", "-raw")}
    assert {p.name for p in tmp_path.iterdir()} == {"ready.zarr", ".other.zarr-0"} | theirs


def test_a_killed_build_keeps_the_older_store_and_its_rest_goes_with_the_next(tmp_path):
    _, before = build(tmp_path)
    kept = before["siconc"].values.tobytes()
    script = f"""
import os, signal
from pathlib import Path
import test_preprocess

def killing(entry, *args, **kwargs):
    if entry == "air":
        os.kill(os.getpid(), signal.SIGKILL)
    return test_preprocess.loader()(entry, *args, **kwargs)

test_preprocess.build(Path({str(tmp_path)!r}), load=killing)
"""
    ended = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parent)
    assert ended.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2
    assert preprocess.open_ready(tmp_path / "ready.zarr")["siconc"].values.tobytes() == kept
    build(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["ready.zarr"]


def test_opening_what_was_never_written_says_what_to_run(tmp_path):
    with pytest.raises(DataError, match="run the preprocessing notebook"):
        preprocess.open_ready(tmp_path / "ready.zarr")
