import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import environment, synthetic
from support.entries import DAYS, GRID, SPAN, day_loader, loader
from support.loopback import Loopback

from seaice.errors import DataError
from seaice.grid import Grid
from seaice.prepare import pipeline, quality, ready_store
from seaice.run import inputs
from seaice.sources import catalog, providers


def build(folder, *, change=lambda ds: ds, **kwargs):
    arguments = SPAN | {"sources": {"siconc": "ice", "tas": "air"}, "load": loader(change)} | kwargs
    report = pipeline.build(folder / "ready.zarr", GRID, **arguments)
    return report, ready_store.open_ready(folder / "ready.zarr")


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
        ds["siconc"] = (
            xr.where(later, 1 - ds["siconc"], ds["siconc"]).transpose("time", "y", "x").astype("float32")
        )
        ds["tas"] = xr.where(later, 5 + ds["tas"], ds["tas"]).transpose("time", "y", "x")
        return ds

    _, a = built
    _, b = build(tmp_path, change=change)
    for name in ("siconc_climatology", "active"):
        assert a[name].values.tobytes() == b[name].values.tobytes(), name
    past = slice("1979-01", "1988-12")
    for name in ("tas", "siconc_trend"):
        assert a[name].sel(time=past).values.tobytes() == b[name].sel(time=past).values.tobytes(), name
    assert (
        a["siconc"].sel(time="1990-01").values.tobytes() != b["siconc"].sel(time="1990-01").values.tobytes()
    )


def test_two_builds_give_the_same_bits_in_blocks_of_any_size(built, tmp_path, monkeypatch):
    _, a = built
    monkeypatch.setattr(ready_store, "BLOCK_BYTES", 1)
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
        ({"cadence": "daily"}, "entry 'ice' is monthly, and the run is daily"),
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
    assert ready_store.open_ready(tmp_path / "ready.zarr")["siconc"].values.tobytes() == kept
    assert [p.name for p in tmp_path.iterdir()] == ["ready.zarr"]


def test_what_killed_builds_left_is_removed_by_the_next_but_not_what_another_builds_now(tmp_path):
    dead = subprocess.Popen(["true"])
    dead.wait()
    for owner in (dead.pid, os.getppid()):
        for part in ("", "-raw"):
            (tmp_path / f".ready.zarr-part-{owner}-0a1b2c3d{part}").mkdir()
    (tmp_path / ".other.zarr-0").mkdir()
    build(tmp_path)
    theirs = {f".ready.zarr-part-{os.getppid()}-0a1b2c3d{part}" for part in ("", "-raw")}
    assert {p.name for p in tmp_path.iterdir()} == {"ready.zarr", ".other.zarr-0"} | theirs


@pytest.mark.chain
def test_a_killed_build_keeps_the_older_store_and_its_rest_goes_with_the_next(tmp_path):
    _, before = build(tmp_path)
    kept = before["siconc"].values.tobytes()
    script = f"""
import os, signal
from pathlib import Path
import test_pipeline

def killing(entry, *args, **kwargs):
    if entry == "air":
        os.kill(os.getpid(), signal.SIGKILL)
    return test_pipeline.loader()(entry, *args, **kwargs)

test_pipeline.build(Path({str(tmp_path)!r}), load=killing)
"""
    ended = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parent, env=environment())
    assert ended.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2
    assert ready_store.open_ready(tmp_path / "ready.zarr")["siconc"].values.tobytes() == kept
    build(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["ready.zarr"]


def test_opening_what_was_never_written_says_what_to_run(tmp_path):
    with pytest.raises(DataError, match="run the preprocessing notebook"):
        ready_store.open_ready(tmp_path / "ready.zarr")


# ---- days


def build_days(folder, **kwargs):
    arguments = DAYS | {"sources": {"siconc": "days"}, "normals": "months", "load": day_loader()} | kwargs
    report = pipeline.build(folder / "ready.zarr", GRID, **arguments)
    return report, ready_store.open_ready(folder / "ready.zarr")


@pytest.fixture(scope="module")
def built_days(tmp_path_factory):
    return build_days(tmp_path_factory.mktemp("days"))[1]


def test_a_daily_store_follows_the_contract(built_days):
    assert built_days.indexes["time"].equals(pd.date_range("1987-01-01", "1988-10-01", name="time"))
    assert built_days.siconc_damping.dims == ("lead_time", "y", "x") and built_days.sizes["lead_time"] == 93
    assert built_days.siconc_climatology.dims == built_days.active.dims == ("month", "y", "x")
    for name in ("siconc", "siconc_trend", "siconc_anomaly", "ice_frequency", "full_ice_frequency"):
        assert built_days[name].dims == ("time", "y", "x") and built_days[name].dtype == "float32", name
        assert float(abs(built_days[name]).max()) <= 1
    assert built_days.attrs["normals"] == "months" and built_days.attrs["fit_end"] == "1987-12-15"
    sea = ~built_days.land
    assert bool(built_days.siconc_trend.notnull().where(sea, True).all()), (
        "normals are known 93 days past the record"
    )
    xr.testing.assert_allclose(built_days.siconc_anomaly, built_days.siconc - built_days.siconc_trend)


def test_months_up_to_the_last_whole_one_are_fitted_to(built_days):
    """The climatology is the mean of 1979-01..1987-11, as fit_end lies in December 1987.

    Months that the quality checks reject do not count.
    """
    months = day_loader()("months", GRID, end="1988-10")
    sound = quality.mask_broken(months, quality.find_broken(months)).siconc.sel(
        time=slice("1979-01", "1987-11")
    )
    expected = sound.groupby("time.month").mean()
    np.testing.assert_allclose(built_days.siconc_climatology, expected, atol=1e-6)


def test_nothing_of_a_daily_store_that_is_fitted_sees_the_future(built_days, tmp_path):
    def other(after):
        return lambda ds: ds.assign(
            siconc=ds.siconc.where(ds.time <= np.datetime64(after), 0.9 - 0.8 * ds.siconc)
        )

    changed = day_loader(other("1987-12-15"), other("1987-11-30"))
    _, again = build_days(tmp_path, load=changed)
    for name in ("siconc_climatology", "active", "siconc_damping"):
        assert built_days[name].values.tobytes() == again[name].values.tobytes(), name
    known = slice(None, np.datetime64("1987-12-15") + np.timedelta64(93, "D"))
    for name in ("siconc_trend", "ice_frequency", "full_ice_frequency"):
        assert (
            built_days[name].sel(time=known).values.tobytes() == again[name].sel(time=known).values.tobytes()
        ), name


def test_without_other_normals_the_record_s_own_months_serve(tmp_path):
    _, ready = build_days(tmp_path, normals=None, start="1985-01", fit_end="1987-12-31")
    assert "normals" not in ready.attrs
    first = ready.siconc.sel(time="1985-03").mean("time")
    # The trend through one value is that value, so mid-March 1986 has the mean of March 1985.
    middle = ready.siconc_trend.sel(time="1986-03-17").values
    sea = ~ready.land.values
    np.testing.assert_allclose(middle[sea], first.values[sea], atol=0.02)


@pytest.mark.chain
def test_normals_may_be_an_entry_with_a_file_a_month(built_days, tmp_path, own_folders, monkeypatch):
    """All months that the server has are used, whenever they begin, and the others are missing.

    The checksum is that of the same months.
    """
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    entry, asked, checksummed = "osisaf_cdr_monthly_north", {}, {}
    published = [
        f"{month:%Y-%m}"
        for month in pd.date_range("1983-02", "1988-07", freq="MS")
        if f"{month:%Y-%m}" != "1985-05"
    ]
    with Loopback(tmp_path / "site") as site:
        for month in published:
            place = f"thredds/fileServer/osisaf/met.no/reprocessed/ice/conc_450a_files/monthly/{month[:4]}"
            (site.folder / place).mkdir(parents=True, exist_ok=True)
            raw = synthetic.raw_osisaf(time=pd.to_datetime([month]))
            raw.to_netcdf(
                site.folder / place / f"ice_conc_nh_ease2-250_cdr-v3p0_{month.replace('-', '')}.nc",
                engine="h5netcdf",
            )

        def load(name, grid, **options):
            if name != entry:
                return day_loader()(name, grid, **options)
            asked.update(options)
            loaded = providers.load(name, grid, base_url=site.url, **options)
            assert loaded.indexes["time"][[0, -1]].strftime("%Y-%m").tolist() == [published[0], published[-1]]
            assert loaded.attrs["missing_times"] == "1985-05"
            return loaded

        _, ready = build_days(tmp_path, normals=entry, load=load)
    assert ready.attrs["normals"] == entry
    assert bool(ready.siconc_trend.notnull().any()) and ready.indexes["time"].equals(
        built_days.indexes["time"]
    )

    monkeypatch.setattr(catalog, "checksum", lambda name, **options: checksummed.update(options) or "0")
    run = {"start": DAYS["start"], "end": DAYS["end"]}
    inputs.checksum(entry, period=run | {"normals": entry})
    assert checksummed == asked
    inputs.checksum(entry, period=run | {"normals": "another"})
    assert checksummed == asked | run


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"normals": "days"}, "entry 'days' is daily, and the run is monthly"),
        ({"sources": {"siconc": "months"}}, "entry 'months' is monthly, and the run is daily"),
        ({"normals": None}, r"only 11 months from 1987-01 up to 1987-11; a climatology needs 24"),
    ],
)
def test_daily_requests_that_can_not_be_met_leave_nothing(tmp_path, change, message):
    with pytest.raises(DataError, match=message):
        build_days(tmp_path, **change)
    assert not list(tmp_path.rglob("*.zarr*"))


def test_the_end_of_the_fit_is_the_last_training_target():
    splits = {"train": ["2015-01-15", "2016-03-02"]}
    assert pipeline.fit_end(splits, n_leads=30, cadence="daily") == "2016-03-31"
    assert pipeline.fit_end({"train": ["1980-01", "2011-06"]}, n_leads=6) == "2011-11"


@pytest.mark.chain
def test_real_days_have_their_broken_ones_missing_and_a_september_s_extent(seaice_data, tmp_path):
    """In NSIDC-0081, 5 and 6 August 2015 are broken.

    September 2015 had an extent of 4.6 million km2 (Sea Ice Index). The record agrees within what
    cells of 75 km and a mask allow.
    """
    sources, span = (
        {"siconc": "nsidc0081_daily_north"},
        {"start": "2015-07", "end": "2015-09", "fit_end": "2015-08-31"},
    )
    report = pipeline.build(
        tmp_path / "ready.zarr",
        Grid("north", 75.0),
        sources=sources,
        normals="nsidc0051_monthly_north",
        run="real",
        cadence="daily",
        **span,
    )
    assert [f"{time:%Y-%m-%d}" for time in report.time] == ["2015-08-05", "2015-08-06"]
    ready = ready_store.open_ready(tmp_path / "ready.zarr")
    extent = ((ready.siconc > 0.15).sum(("y", "x")) * 75**2 / 1e6).sel(time="2015-09").mean()
    assert abs(float(extent) - 4.6) < 0.3
    assert bool((ready.siconc_flag.sel(time=slice("2015-08-05", "2015-08-06")) == 3).all())
