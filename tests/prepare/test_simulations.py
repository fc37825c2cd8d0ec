"""Are simulations stored with their own climate, and the observations' scaling and masks?

Their stores are kept while nothing that they are made from changes.
"""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import synthetic

from seaice import paths
from seaice.config.values import Simulation
from seaice.errors import DataError
from seaice.grid import Grid
from seaice.prepare import pipeline, ready_store, simulations
from seaice.samples.assembly import Samples
from seaice.schema import attributes
from seaice.sources import providers

GRID = Grid("north", synthetic.SMALL_KM)
FIT = slice("1979-01", "1988-12")
WORLD = Grid("north", 300.0)  # coarse, but fine enough for neighbours to be found
SOURCES = {"siconc": "ice", "tas": "air"}
CHANNELS = [
    {"variable": "siconc", "lags": 12},
    {"variable": "siconc_trend", "leads": 6},
    {"variable": "tas", "lags": 3},
]


def loader(*, start="1979-01", seed=0, warmer=0.0, spread=2.0, change=lambda ds: ds):
    """Return a stand-in for `providers.load`: synthetic ice, and a seasonal temperature in kelvin.

    warmer, spread: kelvin, by which a model is warmer than the truth, and size of its anomalies.
    """
    whole = change(synthetic.ready(start=start, end="1990-12", seed=seed, fit_end="1988-12"))

    def load(entry, grid, *, start, end, variables=None):
        ready = whole.sel(time=slice(start, end))
        if entry == "ice":
            return ready[["siconc", "siconc_flag", "land"]].chunk({"time": 12})
        season = 260 + warmer + 15 * np.cos(2 * np.pi * (ready.time.dt.month - 7) / 12)
        tas = (season + spread * ready["tas"]).astype("float32").rename("tas").assign_attrs(attributes("tas"))
        return tas.to_dataset().chunk({"time": 12})

    return load


@pytest.fixture(scope="module")
def observed(tmp_path_factory):
    path = tmp_path_factory.mktemp("observed") / "ready.zarr"
    span = {"start": "1979-01", "end": "1990-12", "fit_end": "1988-12", "run": "toy"}
    pipeline.build(path, GRID, sources=SOURCES, load=loader(), **span)
    return path


def build(folder, observed, *, sources=SOURCES, start="1970-01", load=None, **kwargs):
    load = load or loader(start="1970-01", seed=1, warmer=10.0, spread=6.0, **kwargs)
    path = folder / "member.zarr"
    pipeline.build_simulation(
        path, GRID, sources=sources, start=start, end="1990-12", like=observed, key="k", load=load
    )
    return ready_store.open_ready(path)


@pytest.fixture(scope="module")
def unchanged(observed, tmp_path_factory):
    """Return the path of a member that no test changes."""
    folder = tmp_path_factory.mktemp("member")
    build(folder, observed)
    return folder / "member.zarr"


def statistics(path):
    return xr.open_zarr(path, group="statistics", consolidated=False)


def test_same_layout_as_the_observations(observed, unchanged):
    truth, member = map(ready_store.open_ready, (observed, unchanged))
    assert set(member.data_vars) == set(truth.data_vars)
    for name in truth.data_vars:
        assert (member[name].dims, member[name].dtype) == (truth[name].dims, truth[name].dtype), name
        assert member[name].attrs == truth[name].attrs, name
    assert member.indexes["time"][[0, -1]].equals(pd.DatetimeIndex(["1970-01-01", "1991-12-01"]))
    assert {k: member.attrs[k] for k in ("fit_start", "fit_end", "run")} == {
        k: truth.attrs[k] for k in ("fit_start", "fit_end", "run")
    }
    assert Samples(member, CHANNELS).metadata() == Samples(truth, CHANNELS).metadata()


def test_own_climatology_over_the_same_years_with_the_observations_scaling(observed, unchanged):
    member = ready_store.open_ready(unchanged)
    theirs, own = statistics(observed), statistics(unchanged)
    assert float(own["tas_std"]) == float(theirs["tas_std"]) and float(own["tas_mean"]) == float(
        theirs["tas_mean"]
    )
    raw = loader(start="1970-01", seed=1, warmer=10.0, spread=6.0)(
        "air", GRID, start="1970-01", end="1990-12"
    )["tas"]
    climatology = raw.sel(time=FIT).astype("float64").groupby("time.month").mean("time").astype("float32")
    np.testing.assert_allclose(own["tas_climatology"], climatology, rtol=1e-6)
    expected = (raw - climatology.sel(month=raw.time.dt.month) - float(theirs["tas_mean"])) / float(
        theirs["tas_std"]
    )
    np.testing.assert_allclose(member["tas"].sel(time=slice(None, "1990-12")), expected, atol=2e-5)
    # Three times the weather of the observations shows as such: it is not scaled away.
    assert 2.8 < float(member["tas"].sel(time=FIT).std()) < 3.2
    ice = member["siconc"].sel(time=FIT).groupby("time.month").mean("time")
    np.testing.assert_allclose(member["siconc_climatology"], ice, atol=1e-6)


def test_masks_are_those_of_the_observations_and_nothing_of_the_models_land_is_left(observed, tmp_path):
    truth = ready_store.open_ready(observed)

    def other_land(ds):
        land = ds["land"].roll(y=1, roll_coords=False)  # one row of land too far, one too short
        land[2, 3] = True  # and an island that is not there
        flag = ds["siconc_flag"].where(~land, 0).astype("uint8")
        return ds.assign(
            land=land,
            siconc=ds["siconc"].fillna(0.5).where(~land & (ds["siconc_flag"] != 3)),
            siconc_flag=flag,
        )

    member = build(tmp_path, observed, change=other_land)
    for name in ("land", "active"):
        assert member[name].values.tobytes() == truth[name].values.tobytes()
    land, known = truth["land"], member.sel(time=slice(None, "1990-12"))
    assert (
        np.isnan(known["siconc"].where(land, np.nan)).all()
        and (known["siconc_flag"].where(land, 0) == 0).all()
    )
    assert (
        known["siconc"].notnull().where(~land, True).all()
    )  # the model's land is filled from the sea around it
    assert (known["siconc_flag"][:, 2, 3] == 1).all()  # an input, no truth
    weights = Samples(member, CHANNELS).weights(["1985-01-01"])
    assert (weights[0, 2, 3] == 0).all() and weights[0][truth["active"][0].values].any()


def test_the_trend_comes_from_its_own_past_only(observed, unchanged, tmp_path):
    def later(ds):
        return ds.assign(
            siconc=ds["siconc"].where(ds.time < np.datetime64("1985-01-01"), 0.3).where(~ds["land"])
        )

    a, b = ready_store.open_ready(unchanged), build(tmp_path, observed, change=later)
    past = slice("1970-01", "1985-12")
    assert (
        a["siconc_trend"].sel(time=past).values.tobytes() == b["siconc_trend"].sel(time=past).values.tobytes()
    )
    assert (
        a["siconc_trend"].sel(time="1987").values.tobytes()
        != b["siconc_trend"].sel(time="1987").values.tobytes()
    )


def test_months_of_a_models_own_calendar(observed, tmp_path):
    time = xr.date_range("1979-01-01", periods=48, freq="MS", calendar="noleap", use_cftime=True)
    raw = synthetic.raw_cmip6().isel(time=np.arange(48) % 12).assign_coords(time=time)

    def load(entry, grid, *, start, end, variables=None):
        native = providers.standardise(raw, {"provider": "cmip6", "hemisphere": "both"}, source=entry)
        return providers.on_grid(native, grid, source=entry, start=start, end=end, variables=variables)

    path = tmp_path / "noleap.zarr"
    span = {"start": "1979-01", "end": "1982-12"}
    pipeline.build_simulation(
        path, GRID, sources={"siconc": "ice"}, like=observed, key="k", load=load, **span
    )
    member = ready_store.open_ready(path)
    assert member.indexes["time"].equals(pd.date_range("1979-01", "1983-12", freq="MS"))
    sea = ~member["land"] & (abs(member["lat"]) < 80)
    for month in (3, 9):
        values = member["siconc"].sel(time=f"1980-{month:02d}").isel(time=0)
        np.testing.assert_allclose(
            values.where(sea), xr.where(sea, synthetic.ice(member["lat"], month), np.nan), atol=0.35
        )
    assert (
        (member["siconc"].sel(time="1980-03-01") >= member["siconc"].sel(time="1980-09-01") - 1e-3)
        .where(sea, True)
        .all()
    )


def test_a_predictor_that_a_simulation_lacks_is_missing_throughout(observed, tmp_path):
    member = build(tmp_path, observed, sources={"siconc": "ice"})
    assert np.isnan(member["tas"]).all()
    with_climatology = Samples(member, CHANNELS, missing="climatology")
    tas = [name.startswith("tas") for name in with_climatology.channel_names]
    assert (with_climatology.inputs(["1985-01-01"])[..., tas] == 0).all()
    assert not len(Samples(member, CHANNELS, missing="error").init_times)


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ({"tas": "air"}, "sources has no 'siconc'"),
        (SOURCES | {"psl": "air"}, "'psl' can't be scaled, the observations have none"),
    ],
)
def test_what_can_not_be_made_is_refused_and_leaves_nothing(observed, tmp_path, sources, message):
    with pytest.raises(DataError, match=message):
        build(tmp_path, observed, sources=sources)
    assert not list(tmp_path.iterdir())


def test_years_outside_the_fit_period_are_refused(observed, tmp_path):
    with pytest.raises(DataError, match="only 12 months from 1979-01 up to 1988-12"):
        build(tmp_path, observed, start="1988-01")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("entry", ["ice", "air"])
def test_a_field_without_any_value_is_refused(observed, tmp_path, entry):
    def load(asked, *args, **kwargs):
        ds = loader(start="1970-01")(asked, *args, **kwargs)
        return (
            ds.where(asked != entry)
            if asked == "air"
            else ds.assign(siconc=ds["siconc"].where(asked != entry))
        )

    with pytest.raises(DataError, match=f"{entry}: no value on the grid between 1979-01 and 1988-12"):
        build(tmp_path, observed, load=load)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Yield options of `simulations.build_all` for a tiny run in the simulated world."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEAICE_CACHE", str(tmp_path_factory.mktemp("world")))
        span = {"start": "1979-01", "end": "1984-12", "fit_end": "1983-12", "run": "toy"}
        sources = {"siconc": "twin_observed_north", "psl": "twin_atmosphere_north"}
        few = {"resolution_km": WORLD.resolution_km, "end": "1984-12"}
        simulated_load = dict.fromkeys(sources.values(), few)

        def load(entry, grid, **kwargs):
            return simulations._load(entry, grid, options=simulated_load, **({"variables": None} | kwargs))

        pipeline.build(paths.ready("toy"), WORLD, sources=sources, load=load, **span)
        yield {"variables": [*sources, "ta500"], "like": paths.ready("toy")}


MEMBERS = [Simulation(entry="twin_cmip6_a_north", members=(1, 2), start="1978-01", end="1984-12")]


def with_(**changes) -> Simulation:
    return MEMBERS[0].model_copy(update=changes)


@pytest.mark.chain
def test_members_are_made_once_and_again_when_something_changed(world):
    table = simulations.build_all("toy", WORLD, MEMBERS, **(world | {"variables": ["siconc", "psl"]}))
    assert (
        list(table.index) == ["twin_cmip6_a_north_1", "twin_cmip6_a_north_2"]
        and (table["months"] == 84).all()
    )
    one, two = simulations.open_all("toy", MEMBERS).values()
    assert not np.array_equal(one["psl"], two["psl"], equal_nan=True)
    assert float(one["siconc"].max()) > 0.9 and np.isfinite(one["psl"].sel(time="1980")).all()
    assert one.sizes["time"] == 84 + 12 and one.attrs["key"] != two.attrs["key"]

    store = paths.simulation("toy", "twin_cmip6_a_north_1")
    made = store.stat().st_ino
    simulations.build_all("toy", WORLD, MEMBERS, **(world | {"variables": ["siconc", "psl"]}))
    assert store.stat().st_ino == made
    later = [with_(start="1979-01")]
    simulations.build_all("toy", WORLD, later, **(world | {"variables": ["siconc", "psl"]}))
    assert store.stat().st_ino != made and ready_store.open_ready(store).indexes["time"][0] == pd.Timestamp(
        "1979-01-01"
    )


def test_variables_that_an_entry_does_not_offer_are_named(world):
    table = simulations.build_all("toy", WORLD, [with_(members=(1,))], **world)
    assert table["without"].tolist() == ["ta500"]
    by_variable = [with_(entry={"siconc": "twin_cmip6_a_north"}, members=(1,))]
    table = simulations.build_all("toy", WORLD, by_variable, **world)
    assert table["without"].tolist() == ["psl, ta500"]
    assert np.isnan(simulations.open_all("toy", by_variable)["twin_cmip6_a_north_1"]["psl"]).all()


def test_observations_of_another_grid_are_refused(world):
    with pytest.raises(DataError, match="ready.zarr: 36 cells along x, the 675 km grid has 16"):
        simulations.build_all("toy", GRID, MEMBERS, **world)


def test_no_simulations_is_no_error(world):
    assert (
        simulations.build_all("toy", WORLD, None, **world).empty and simulations.open_all("toy", None) == {}
    )


def test_an_entry_without_members_or_ice_is_refused(world):
    with pytest.raises(DataError, match="takes no member, so that its members can't differ"):
        simulations.build_all("toy", WORLD, [with_(entry={"siconc": "oras5", "psl": "oras5"})], **world)
    with pytest.raises(DataError, match="offers no 'siconc'"):
        simulations.build_all("toy", WORLD, [with_(entry="twin_atmosphere_north")], **world)


def test_climates_are_compared_by_extent_and_its_trend():
    ready = synthetic.ready()
    area = GRID.cell_area_km2 / 1e6
    of_month = ready["siconc"].sel(time=slice("1980", "1989"))
    of_month = of_month.isel(time=of_month.time.dt.month == 9)
    extent = (of_month > 0.15).sum(("y", "x")) * area
    table = simulations.compare({"observed": ready}, years=(1980, 1989))
    assert table.loc["observed", "September, million km2"] == pytest.approx(float(extent.mean()))
    slope = 10 * np.polyfit(np.arange(10), extent, 1)[0]
    assert table.loc["observed", "September, change a decade"] == pytest.approx(slope)
    assert simulations.compare({"late": ready}, years=(1995, 2000)).isna().all(axis=None)
