"""Days go the whole way that months go: the pages of a daily run on the simulated world, at toy size, then its forecasts in real time."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from support import coarse, pages, realtime_run
from support.realtime_run import without

from seaice import paths
from seaice.baselines import simple as baselines_simple
from seaice.config import runfile
from seaice.errors import DataError
from seaice.forecasts import ensemble
from seaice.geo import regions
from seaice.networks import train
from seaice.prepare import pipeline, ready_store
from seaice.realtime import production
from seaice.run import estimates
from seaice.samples import sampling
from seaice.samples.splits import split
from seaice.sources import providers
from seaice.verify import concentration as verify_concentration, concentration_tables

pytestmark = pytest.mark.chain

LEADS = 2
# All that makes the run small; the record ends a month before that of the catalogue, which continues it in real time.
SMALL = {
    "data": {"resolution_km": coarse.KM, "start": "1983-01", "end": "1984-09"},
    "samples": {
        "splits": {
            "train": ["1983-02-01", "1984-01-31"],
            "validation": ["1984-03-10", "1984-04-15"],
            "test": ["1984-06-20", "1984-07-25"],
        },
        "channels": [
            {"variable": "siconc", "lags": 3},
            {"variable": "siconc_anomaly", "lags": 1},
            {"variable": "siconc_trend", "leads": LEADS},
            {"variable": "siconc_damping", "leads": LEADS},
            {"variable": "land"},
        ],
        "n_leads": LEADS,
    },
    "training": {"epochs": 1, "batch_size": 16, "filters_factor": 0.125},
    "forecast": {"seeds": [36, 37]},
}
INIT, NOW = "1984-07-10", pd.Timestamp("1984-11-01T06:00")


def project(folder, pole: str):
    """A coarse project with the run `toy`: `twin_daily_<pole>`, small."""
    made = coarse.project(
        folder / "project", "nsidc_daily_north", "twin_daily_north", "twin_daily_south", end="1984-10"
    )
    toy = {"base": f"twin_daily_{pole}", "run": "toy", **SMALL}
    (made / "params" / "toy.yaml").write_text(yaml.safe_dump(toy))
    return made


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder of a project in which the northern run is made."""
    folder = project(tmp_path_factory.mktemp("north"), "north")
    pages.run(folder, "toy")
    return folder


def test_the_headline_has_the_scores_of_both_tables_and_a_digest(made):
    results = made / "results" / "toy"
    both = pd.concat([pd.read_csv(results / "tables" / f"{name}.csv") for name in ("skill", "concentration")])
    rows = both[(both["month"] == "all") & (both["region"] == "all")]
    headline = pd.read_csv(results / "headline.csv")
    assert {"brier", "siconc_rmse"} <= set(headline["metric"])
    pd.testing.assert_frame_equal(
        headline, rows[list(headline)].reset_index(drop=True).astype({"blocks": "int64"})
    )
    outputs = json.loads((results / "record.json").read_text())["outputs"]
    network = "data/toy/networks/generation_0/seed_36"
    assert {"results/toy/headline.csv", "results/toy/tables/skill.csv", network} <= set(outputs)


def enter(folder, monkeypatch) -> runfile.Run:
    """Work in a project as its user would; returns the run."""
    monkeypatch.chdir(folder)
    for name in ("SEAICE_CACHE", "SEAICE_RESULTS"):
        monkeypatch.delenv(name, raising=False)
    return runfile.load(folder / "params" / "toy.yaml")


@pytest.fixture
def inside(made, monkeypatch):
    return enter(made, monkeypatch)


def prepared(run: runfile.Run, load=providers.load) -> xr.Dataset:
    """Write the store as 02_preprocess does, and open it."""
    pipeline.build(
        paths.ready("toy"),
        run.data.grid,
        fit_end=pipeline.fit_end(run.samples.splits.ranges, n_leads=LEADS, cadence="daily"),
        run="toy",
        load=load,
        **{name: getattr(run.data, name) for name in ("sources", "start", "end", "cadence", "normals")},
    )
    return ready_store.open_ready(paths.ready("toy"))


def test_every_page_made_its_tables_and_pictures(made):
    results = made / "results" / "toy"
    pages = [step.notebook for step in runfile.load(made / "params" / "toy.yaml").steps]
    assert pages[0] == "01_catalogue" and pages[-1] == "13_trajectories"
    executed = {path.stem for path in (results / "notebooks").glob("*.ipynb")}
    assert {page for page in pages if page != "05_train"} | {
        "05_train-seed_36",
        "05_train-seed_37",
    } <= executed
    tables = {path.stem for path in (results / "tables").glob("*.csv")}
    assert {
        "skill",
        "differences",
        "concentration",
        "concentration_differences",
        "edge_region",
        "quality",
    } <= tables
    pictures = {path.stem for path in (results / "figures").glob("*.png")}
    assert {"forecast_map", "concentration", "concentration_maps", "extent", "edge_region"} <= pictures
    assert "trajectory_fan" in pictures and "trajectories" in tables
    assert not {"summer", "least_ice_edges"} & pictures, "these are of months"


def test_what_it_wrote_is_what_a_dry_run_counts(inside):
    for name in ("ready", "baselines", "forecast"):
        written = xr.open_zarr(getattr(paths, name)("toy"), consolidated=False)
        assert getattr(estimates, f"{name}_bytes")(inside) == pytest.approx(written.nbytes, rel=0.01), name


def test_concentrations_are_judged_day_by_day_and_sea_by_sea(made):
    table = pd.read_csv(made / "results" / "toy" / "tables" / "concentration.csv", dtype={"month": str})
    assert set(table.region) == {"all", *regions.names("north")}
    whole = table[(table.region == "all") & (table.split == "test") & (table.metric == "siconc_rmse")]
    assert set(whole.month) == {"all", "6", "7"}
    rmse = whole[whole.month == "all"].pivot(index="lead_time", columns="model", values="value")
    assert list(rmse.index) == [1, 2]
    assert (rmse["icenet"] < 1.2 * rmse["damped_anomaly_persistence"]).all(), (
        "the network forgot its first guess"
    )
    assert rmse["persistence"].is_monotonic_increasing


def test_the_command_forecasts_the_day_after_the_newest_of_the_catalogue(made):
    done = coarse.run(made, "toy", "--init", "latest", module="seaice.realtime")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the data are late: 1984-10-31 is the newest complete step" in done.stderr
    product = made / "data" / "toy" / "forecasts" / "1984-11-01"
    assert done.stdout.strip().endswith("1984-11-01") and product.is_dir()
    forecast = xr.open_dataset(product / "forecast.nc")
    assert forecast.siconc.dims == ("member", "time", "y", "x")
    assert forecast.time.values.astype("datetime64[D]").astype(str).tolist() == ["1984-11-01", "1984-11-02"]
    with xr.open_dataset(product / "north_daily_forecast.1984-10-31.nc") as ships:
        assert ships.leadtime.values.tolist() == [1, 2] and int(ships.ensemble_members[0]) == 2
        np.testing.assert_allclose(ships.sic_mean[0], forecast.siconc.mean("member"), atol=1e-6)
        np.testing.assert_allclose(ships.sic_stddev[0], forecast.siconc.std("member"), atol=1e-6)
        assert float(ships.sic_stddev.max()) > 0, "two networks never agree to the bit"


def test_a_day_s_product_is_the_run_s_own_forecast_and_nothing_from_that_day_on_influences_it(
    made, inside, tmp_path, monkeypatch
):
    """The store is made anew from days, and months, that are others from INIT on: every byte of the product stays the same."""
    [product] = production.make(inside, INIT, now=NOW)
    first = realtime_run.sha(product.folder)
    own = xr.open_zarr(paths.forecast("toy"), consolidated=False).sel(init_time=INIT)
    forecast = xr.open_dataset(product.folder / "forecast.nc")
    np.testing.assert_allclose(forecast.sip, own.sip, atol=1e-6)
    np.testing.assert_allclose(
        forecast.siconc, own.siconc.transpose("member", "lead_time", "y", "x"), atol=1e-6
    )

    ignored = shutil.ignore_patterns("forecasts", "baselines.zarr", "ready.zarr")
    shutil.copytree(made / "data" / "toy", tmp_path / "toy", ignore=ignored)
    (tmp_path / "cache").symlink_to(made / "data" / "cache")
    before = ready_store.open_ready(paths.ready("toy"))
    monkeypatch.setenv("SEAICE_CACHE", str(tmp_path))
    since = {"daily": INIT, "monthly": INIT[:7]}

    def changed(entry, grid, **options):
        ds = providers.load(entry, grid, **options)
        earlier = ds.time < np.datetime64(since[ds.attrs["cadence"]])
        return ds.assign(siconc=ds.siconc.where(earlier, 1 - ds.siconc))

    after = prepared(inside, changed)
    assert not after.siconc.sel(time=INIT).equals(before.siconc.sel(time=INIT))
    [again] = production.make(inside, INIT, now=NOW)
    assert not again.fresh and again.folder != product.folder
    assert realtime_run.sha(again.folder) == first


def test_a_missing_day_inside_is_filled_and_flagged_and_a_missing_last_one_refused(
    made, inside, tmp_path, monkeypatch
):
    for name in ("ready.zarr", "forecast.zarr", "networks", "records"):
        shutil.copytree(made / "data" / "toy" / name, tmp_path / "toy" / name)
    monkeypatch.setenv("SEAICE_CACHE", str(tmp_path))
    lose(tmp_path / "toy", "1984-07-08")
    [product] = production.make(inside, INIT, now=NOW)
    flag = "siconc of 1984-07-08 is missing; filled between the days beside it"
    assert flag in (product.folder / "summary.txt").read_text()
    for name in ("forecast.nc", "north_daily_forecast.1984-07-09.nc"):
        assert flag in xr.open_dataset(product.folder / name).attrs["comment"]
    for day in ("1984-07-05", "1984-07-06", "1984-07-07"):
        lose(tmp_path / "toy", day)
    with pytest.raises(
        DataError, match="siconc of 1984-07-0[78] is missing; at most 3 days in a row are filled"
    ):
        production.make(inside, INIT, now=NOW)
    lose(tmp_path / "toy", "1984-07-09")
    with pytest.raises(DataError, match="siconc of 1984-07-09 is missing: 0 % of the active cells"):
        production.make(inside, INIT, now=NOW)


def lose(run, day: str) -> None:
    """Make a day of the store one that the provider has not."""
    for name, value in (("siconc", np.nan), ("siconc_anomaly", np.nan), ("siconc_flag", 3)):
        without(run, day, name, value)


def test_the_south_goes_from_data_to_scores_by_the_same_modules(tmp_path, monkeypatch):
    run = enter(project(tmp_path, "south"), monkeypatch)
    ready = prepared(run)
    assert (ready.attrs["hemisphere"], ready.attrs["cadence"]) == ("south", "daily") and float(
        ready.lat.max()
    ) < 0
    extent = (ready.siconc > 0.15).sum(("y", "x"))
    assert int(extent.sel(time="1983-09-15")) > int(extent.sel(time="1983-02-15"))
    assert bool(ready.siconc_trend.notnull().where(~ready.land, True).all())
    seas = regions.mask(ready)
    assert not bool((ready.active.any("month") & ~seas.any("region")).any()), (
        "every cell that counts lies in a sea"
    )

    data = sampling.of_run("toy", run.samples, ready=ready, target=run.training.target)
    splits, leads = run.samples.splits.ranges, range(1, LEADS + 1)
    times = split(data, splits)
    train.fit(data, times, run.training, seed=36, folder=paths.network("toy", 36))
    judged = times["validation"].append(times["test"])
    folders, until = {36: paths.network("toy", 36)}, times["validation"]
    icenet = ensemble.write(data, folders, judged, paths.forecast("toy"), calibrate_on=until)
    others = baselines_simple.all_forecasts(ready, judged, lead_times=leads)
    errors = verify_concentration.forecast_scores(
        verify_concentration.forecasts(icenet, others), ready, seas=seas
    )
    table = concentration_tables.skill_table(errors, splits)
    assert set(table.region) == {"all", *regions.names("south")}
    whole = table[(table.region == "all") & (table.metric == "siconc_rmse") & (table.month == "all")]
    rmse = whole[whole.split == "test"].pivot(index="lead_time", columns="model", values="value")
    assert (rmse["icenet"] < 0.5 * rmse["climatology"]).all(), "the network forgot its first guess"
