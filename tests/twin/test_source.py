"""Do the products have the shape of what they stand for?

They come out the same each time, and appear whole or not at all.
"""

import shutil
from functools import partial

import intake
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import synthetic

from seaice import fingerprint, schema
from seaice.errors import DataError
from seaice.geo import winds
from seaice.grid import Grid
from seaice.twin import seasonal, source as twin_source, views, world
from seaice.twin.source import TwinSource

KM = 450.0  # a 24 x 24 grid: products in seconds
SHORT = {"resolution_km": KM, "end": "1980-12"}
FORECASTS = {"resolution_km": KM, "start": "1981-06", "end": "1981-07", "hindcast_start": "1981-05"}
FORECASTS |= {"members": 3, "hindcast_members": 2}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Yield the folder of a cache that all tests of the module share."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("twin")
        patch.setenv("SEAICE_CACHE", str(folder))
        yield folder


@pytest.fixture
def observed(cache):
    return TwinSource("observed", "north", **SHORT).to_dask()


def test_observed_is_shaped_like_osi_saf(observed):
    grid = Grid("north", KM)
    assert observed["ice_conc"].dims == ("time", "yc", "xc")
    assert observed["ice_conc"].attrs["units"] == "%"
    assert observed["ice_conc"].chunks is not None  # lazy
    assert observed["yc"].values == pytest.approx(grid.y / 1000) and observed["yc"].attrs["units"] == "km"
    assert list(observed.indexes["time"]) == list(pd.date_range("1979-01", "1980-12", freq="MS"))
    values = observed["ice_conc"].values
    land = observed["status_flag"].values & 1 > 0
    assert np.isnan(values[land]).all() and np.isfinite(values[~land]).all()
    assert 0 <= values[~land].min() and 50 < values[~land].max() <= 100


def test_observed_flags_the_hole_at_the_pole_and_where_ice_is_not_possible(observed):
    flag = observed["status_flag"].values
    radius = np.hypot(*np.meshgrid(observed["xc"].values, observed["yc"].values))
    hole = flag & 32 > 0
    assert hole.any(0)[radius <= 700].all() and not hole[:, radius > 700].any()
    impossible = flag & 128 > 0
    values = observed["ice_conc"].values
    assert (values[impossible] == 0).all() and not (impossible & (flag & 1 > 0)).any()
    assert impossible[8].sum() > impossible[2].sum()  # September, March
    assert not impossible[:, radius < 1000].any()


@pytest.mark.chain
def test_the_hole_shrinks_by_date(cache):
    observed = TwinSource("observed", "north", resolution_km=360.0, start="1987-06", end="1987-07").to_dask()
    june, july = (observed["status_flag"].values & 32 > 0).sum((1, 2))
    assert june > july > 0


@pytest.mark.chain
def test_the_south_has_its_own_world(cache):
    south = TwinSource("observed", "south", **SHORT).to_dask()
    assert not (south["status_flag"].values & 32).any()
    middle = south["status_flag"].values[0, 10:14, 10:14]
    assert (middle & 1 > 0).all()  # Antarctica
    extent = (south["ice_conc"] > 15).sum(("yc", "xc")).values
    assert extent[8] > extent[1]


def test_atmosphere_has_schema_names_and_units_and_the_same_years(cache, observed):
    air = TwinSource("atmosphere", "north", **SHORT).to_dask()
    schema.check(air, source="twin")
    Grid("north", KM).check(air, source="twin")
    assert set(air.data_vars) == set(schema.VARIABLES) - {"siconc"}
    assert list(air.indexes["time"]) == list(observed.indexes["time"])
    for name in air.data_vars:
        synthetic.assert_in_range(air[name].load())
    assert air["tos"].isnull().values[0].sum() == (observed["status_flag"].values[0] & 1).sum()
    assert float(air["tas"][6].mean()) > float(air["tas"][0].mean()) + 10


def test_observed_and_atmosphere_show_the_same_run_under_their_own_keys(cache):
    ice, air = TwinSource("observed", "north", **SHORT), TwinSource("atmosphere", "north", **SHORT)
    assert ice.path() == air.path() and ice.key() != air.key()
    assert ice.key() == TwinSource("observed", "north", **SHORT).key()
    assert ice.key() != TwinSource("observed", "north", seed=2, **SHORT).key()
    assert len(ice.key()) == 64


@pytest.mark.parametrize(
    ("file", "path_changes", "key_changes"),
    [("twin/weather.py", True, True), ("grid.py", True, True), ("twin/data/parameters.csv", True, True)]
    + [("twin/views.py", False, True), ("twin/source.py", False, True), ("progress.py", False, False)],
)
def test_every_module_that_decides_is_part_of_the_key(tmp_path, monkeypatch, file, path_changes, key_changes):
    source = TwinSource("observed", "north", **SHORT)
    before = source.path(), source.key()
    monkeypatch.setattr(fingerprint, "PACKAGE", shutil.copytree(fingerprint.PACKAGE, tmp_path / "seaice"))
    assert (source.path(), source.key()) == before
    with open(next((tmp_path / "seaice").rglob(file)), "a") as text:
        text.write("\n")
    assert (source.path() != before[0], source.key() != before[1]) == (path_changes, key_changes)


@pytest.mark.chain
def test_a_longer_record_begins_with_the_shorter_one(cache, observed):
    longer = TwinSource("observed", "north", resolution_km=KM, end="1981-12").to_dask()
    assert np.array_equal(
        longer["ice_conc"].sel(time=slice(None, "1980")).values, observed["ice_conc"].values, equal_nan=True
    )


@pytest.mark.chain
def test_simulation_is_shaped_like_cmip6(cache):
    runs = {
        (model, member): TwinSource(
            "simulation",
            "north",
            model=model,
            member=member,
            start="1990-01",
            end="1991-12",
            resolution_km=KM,
        ).to_dask()
        for model, member in (("TWIN-A", 1), ("TWIN-A", 2), ("TWIN-B", 1))
    }
    ds = runs["TWIN-A", 2]
    assert ds["siconc"].dims == ("time", "j", "i") and ds["lat"].dims == ("j", "i")
    assert {"siconc": "%", "tas": "K", "psl": "Pa", "tos": "degC", "uas": "m s-1", "vas": "m s-1"} == {
        name: ds[name].attrs["units"] for name in ds.data_vars
    }
    times = ds["time"].values
    assert times[0].calendar == "noleap" and (times[0].month, times[0].day) == (1, 16)
    assert [t.day for t in ds["time_bnds"].values[1]] == [1, 1]
    assert (ds.attrs["source_id"], ds.attrs["variant_label"]) == ("TWIN-A", "r2i1p1f1")
    ice = [run["siconc"].values for run in runs.values()]
    assert not np.array_equal(ice[0], ice[1], equal_nan=True) and not np.array_equal(
        ice[0], ice[2], equal_nan=True
    )


def test_winds_of_a_simulation_point_east_and_north(cache):
    simulation = TwinSource("simulation", "north", start="1990-01", end="1991-12", resolution_km=KM)
    ds = simulation.to_dask()
    grid = Grid("north", KM)
    u, v = views.wind(xr.open_zarr(simulation.path(), consolidated=False)["psl"], grid)
    lon = ds["lon"].rename(j="y", i="x")
    back = winds.rotate(
        ds["uas"].rename(j="y", i="x"), ds["vas"].rename(j="y", i="x"), lon, hemisphere="north"
    )
    assert np.allclose(back[0].values, u.values, atol=1e-3) and np.allclose(
        back[1].values, v.values, atol=1e-3
    )


@pytest.mark.chain
def test_daily_products_have_every_day_and_noleap_leaves_out_february_29(cache):
    days = TwinSource("observed", "north", cadence="daily", **SHORT).to_dask()
    months = TwinSource("observed", "north", **SHORT).to_dask()
    assert days.sizes["time"] == 365 + 366
    mean = days["ice_conc"].sel(time="1979-05").mean("time").values
    assert np.nanmax(np.abs(mean - months["ice_conc"].sel(time="1979-05-01").values)) < 5
    simulation = TwinSource(
        "simulation", "north", cadence="daily", start="1984-01", end="1984-12", resolution_km=KM
    ).to_dask()
    assert simulation.sizes["time"] == 365


def test_seasonal_is_shaped_like_seas5_and_knows_its_start(cache):
    source = TwinSource("seasonal", "north", **FORECASTS)
    ds = source.to_dask()
    assert ds["siconc"].dims == ("init_time", "lead_time", "member", "y", "x")
    assert dict(ds["siconc"].sizes) == {"init_time": 3, "lead_time": 6, "member": 3, "y": 24, "x": 24}
    assert list(ds["lead_time"].values) == [1, 2, 3, 4, 5, 6]
    assert ds["valid_time"].values[2, 5] == np.datetime64("1981-12-01")
    sea = ~ds["land"].values
    given = np.isfinite(ds["siconc"].values[..., sea]).all(-1)
    assert (
        given[1:].all() and given[0, :, :2].all() and not given[0, :, 2].any()
    )  # a hindcast has fewer members
    assert ds.attrs["compute_seconds"] > 0
    truth = TwinSource("observed", "north", resolution_km=KM, end="1981-12").to_dask()["ice_conc"] / 100
    forecast = ds["siconc"].mean("member").values
    error = [np.nanmean(np.abs(forecast[2, lead] - truth.values[-6 + lead])) for lead in range(6)]
    assert error[0] < 0.06  # the first month still knows the state it began from
    assert (error[5] > error[0]) and ds["siconc"].attrs["units"] == "1"
    spread = ds["siconc"][1:].where(ds["land"] == 0, 0).std("member").mean(("init_time", "y", "x"))
    assert spread.min() > 0


def test_limit_starts_from_the_truth_and_knows_its_equations(cache):
    """It is nearer to the truth than the biased model, and its weather is another one."""
    seasonal, limit = TwinSource("seasonal", "north", **FORECASTS), TwinSource("limit", "north", **FORECASTS)
    assert seasonal.path() == limit.path() and seasonal.key() != limit.key()
    ds = limit.to_dask()
    assert dict(ds["siconc"].sizes) == {"init_time": 2, "lead_time": 6, "member": 3, "y": 24, "x": 24}
    assert np.isfinite(ds["siconc"].values[..., ~ds["land"].values]).all()
    truth = TwinSource("observed", "north", resolution_km=KM, end="1981-12").to_dask()["ice_conc"] / 100

    def errors(forecast):
        months = forecast["siconc"].sel(init_time="1981-07-01").mean("member").values
        return [float(np.nanmean(np.abs(months[lead] - truth.values[-6 + lead]))) for lead in range(6)]

    known, biased = errors(ds), errors(seasonal.to_dask())
    assert known[0] < 0.8 * biased[0] and np.mean(known) < np.mean(biased)
    assert known[0] > 0.005  # a step of packing: with the truth's own weather it would be zero
    members = ds["siconc"].sel(init_time="1981-07-01", lead_time=2)
    assert float(members.std("member").max()) > 0.01


@pytest.mark.chain
def test_two_generations_are_equal_bit_by_bit(cache, tmp_path, monkeypatch):
    first = [TwinSource("observed", "north", **SHORT).to_dask().load()]
    first += [TwinSource(name, "north", **FORECASTS).to_dask().load() for name in ("seasonal", "limit")]
    monkeypatch.setenv("SEAICE_CACHE", str(tmp_path))
    second = [TwinSource("observed", "north", **SHORT).to_dask().load()]
    second += [TwinSource(name, "north", **FORECASTS).to_dask().load() for name in ("seasonal", "limit")]
    for a, b in zip(first, second, strict=True):
        assert a.equals(b)


def test_forecasts_of_several_threads_are_those_of_one(monkeypatch):
    members = dict.fromkeys(pd.date_range("1979-01", periods=5, freq="MS"), 2)
    monkeypatch.setattr(seasonal, "spin_up", partial(world.spin_up, years=1))
    made = []
    for threads in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        (year,) = seasonal.forecasts(Grid("north", 450.0), seed=1, first=1979, members=members, width=2)
        made.append(year)
    xr.testing.assert_identical(*made)
    assert list(made[0].indexes["init_time"]) == list(members)


@pytest.mark.chain
@pytest.mark.parametrize("stop", [RuntimeError("disk"), KeyboardInterrupt()])
def test_interrupted_generation_leaves_nothing(own_folders, monkeypatch, stop):
    whole = world.record

    def dies(*args, **options):
        for year, part in enumerate(whole(*args, **options)):
            if year == 1:
                raise stop
            yield part

    monkeypatch.setattr(twin_source.world, "record", dies)
    source = TwinSource("observed", "north", resolution_km=900.0, end="1981-12")
    with pytest.raises(type(stop)):
        source.to_dask()
    assert not [f for f in source.path().parent.rglob("*") if f.is_dir()]


def test_opens_as_an_intake_driver(cache, tmp_path):
    catalog = tmp_path / "catalog.yml"
    catalog.write_text(
        "sources:\n  twin:\n    driver: seaice.twin.source.TwinSource\n"
        f"    args: {{product: observed, hemisphere: north, resolution_km: {KM}, end: 1980-12}}\n"
    )
    assert intake.open_catalog(str(catalog))["twin"].to_dask().sizes["time"] == 24


@pytest.mark.parametrize(
    "wrong, named",
    [
        ({"product": "observd"}, "product 'observd'.*'observed'"),
        ({"hemisphere": "arctic"}, "hemisphere 'arctic'.*'north'"),
        ({"cadence": "hourly"}, "cadence 'hourly'.*'daily'"),
        ({"product": "simulation", "model": "TWIN-C"}, "model 'TWIN-C'.*'TWIN-B'"),
        ({"product": "simulation", "member": -1}, "member -1"),
        ({"model": "TWIN-A"}, "'observed' takes no model"),
        ({"resolution_km": 110.0}, "resolution_km 110"),
        ({"start": "Janury"}, "start 'Janury'.*1979-01"),
        ({"start": "1990-01", "end": "1980-12"}, "start 1990-01-01 lies after end 1980-12-31"),
        ({"start": "1960-01"}, "starts in 1979"),
        ({"product": "seasonal", "cadence": "daily"}, "'seasonal' has cadence 'monthly'"),
        ({"product": "limit", "cadence": "daily"}, "'limit' has cadence 'monthly'"),
        ({"product": "seasonal", "members": 2, "hindcast_members": 5}, "hindcast_members 5"),
    ],
)
def test_wrong_arguments_are_named_with_the_valid_ones(own_folders, wrong, named):
    with pytest.raises(DataError, match=named):
        TwinSource(**({"product": "observed", "hemisphere": "north"} | wrong))
    assert not (own_folders / "data").exists()


def test_days_go_on_over_the_turn_of_the_year():
    """Fields that grow steadily grow from day to day, and no day equals another.

    Repeated days would pass for a failed satellite.
    """
    steps = np.arange(2 * world.STEPS_A_YEAR, dtype="float32").reshape(1, 2, world.STEPS_A_YEAR, 1, 1)
    first = world.days(steps[:, 0], steps[:, 0, 0] - 1, steps[:, 1, 0], 365)
    second = world.days(steps[:, 1], steps[:, 0, -1], steps[:, 1, -1] + 1, 366)
    growth = np.diff(np.concatenate([first, second], axis=1)[0, :, 0, 0])
    np.testing.assert_allclose(growth, world.STEPS_A_YEAR / 365.5, rtol=0.01)
