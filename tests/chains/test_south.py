"""The Antarctic goes the whole way that the Arctic goes: the same pages, on the simulated Antarctic, at toy size."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import coarse, pages
from support.coarse import different

from seaice import paths
from seaice.config import runfile
from seaice.explain import roi
from seaice.geo import regions

pytestmark = pytest.mark.chain

# All that makes the run small; neither a page nor a module is told which pole it is at but by `hemisphere`.
SMALL = {
    "data.resolution_km": coarse.KM,
    "samples.splits": coarse.YEARS,
    "data.simulations": [
        {"entry": "twin_cmip6_a_south", "members": [1], "start": "1996-01", "end": "1999-12"}
    ],
    "forecast.seeds": [36],
    "training.epochs": 1,
    "training.filters_factor": 0.125,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder of a project in which the southern run is made, up to its scores; the pages after them know a pole by `seasons` only."""
    project = coarse.project(tmp_path_factory.mktemp("south") / "project", "demo", "twin_south")
    settings = [f"{name}={value}" for name, value in SMALL.items()]
    pages.run(project, "twin_south", until="08_uncertainty", settings=settings)
    return project


@pytest.fixture(scope="module")
def ready(made):
    return xr.open_zarr(made / "data" / "twin_south" / "ready.zarr", consolidated=False)


@pytest.fixture(scope="module")
def table(made):
    return lambda name: pd.read_csv(
        made / "results" / "twin_south" / "tables" / f"{name}.csv", dtype={"month": str}
    )


def test_the_run_is_the_demo_at_the_other_pole():
    north, south = (runfile.load(paths.root() / "params" / f"{run}.yaml") for run in ("demo", "twin_south"))
    named = {"data.hemisphere", "data.sources", "data.seasonal", "data.limit", "data.simulations"}
    named |= {"importance.init_months"}
    assert different(north, south) == named
    assert [s.notebook for s in north.steps if s.notebook != "09_published"] == [
        s.notebook for s in south.steps
    ]


def test_the_observed_south_is_judged_on_the_splits_of_the_north():
    north, south = (
        runfile.load(paths.root() / "params" / f"nsidc_{pole}.yaml") for pole in ("north", "south")
    )
    named = {"data.hemisphere", "data.sources", "data.seasonal"}
    assert different(north, south) - {"attribution.cases", "attribution.roi"} == named


def test_the_grid_is_the_south_polar_one(ready):
    assert ready.attrs["hemisphere"] == "south" and float(ready.lat.max()) < 0
    pole = ready.lat == ready.lat.min()
    assert bool(ready.land.where(pole).max()), "the pole lies on land"
    assert not bool((ready.siconc_flag == 1).any()), "there is no hole at this pole that satellites miss"


def test_active_cells_and_ice_follow_the_southern_year(ready):
    extent = (
        (ready.siconc > 0.15).sum(("y", "x")).sel(time=slice("1979", "2020")).groupby("time.month").mean()
    )
    assert int(extent.idxmin()) in (2, 3) and int(extent.idxmax()) in (9, 10)
    active = ready.active.sum(("y", "x"))
    assert int(active.sel(month=9)) > int(active.sel(month=2))
    seas = regions.mask(ready)
    assert set(seas.region.values) == {"weddell", "indian", "west_pacific", "ross", "amundsen_bellingshausen"}
    assert not bool((ready.active.any("month") & ~seas.any("region")).any()), (
        "every cell that counts lies in a sea"
    )


def test_all_models_are_judged_by_southern_seas(table):
    skill = table("skill")
    assert {"icenet", "trees", "seasonal", "linear_trend", "damped_anomaly_persistence"} <= set(
        skill["model"]
    )
    assert set(skill["region"]) == {"all", *regions.names("south")}
    icenet = skill[
        (skill["model"] == "icenet") & (skill["metric"] == "binary_accuracy") & (skill["region"] == "all")
    ]
    assert set(icenet["lead_time"]) == set(range(1, 7)) and np.isfinite(icenet["value"]).all()
    assert set(icenet["month"]) == {"all", *map(str, range(1, 13))}


def test_tables_speak_of_the_months_of_least_and_most_ice(table):
    assert [c for c in table("simulations") if c.endswith("million km2")] == [
        "February, million km2",
        "September, million km2",
    ]


def test_the_record_low_and_its_rebound_are_of_the_month_of_least_ice(ready):
    low, rebound = (pd.Timestamp(month) for month in roi.record_low(ready, until="2020-07"))
    assert low.month == rebound.month == 2 and rebound.year == low.year + 1


def test_every_picture_is_there(made):
    names = {path.stem for path in (made / "results" / "twin_south" / "figures").glob("*.png")}
    expected = {"data_overview", "forecast_map", "summer", "least_ice_edges", "accuracy_by_sea", "extent"}
    assert expected | {"edge_region", "reliability"} <= names and "published" not in names
