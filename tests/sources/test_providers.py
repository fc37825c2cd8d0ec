import logging

import cftime
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import synthetic

from seaice import schema
from seaice.errors import DataError
from seaice.grid import Grid
from seaice.sources import catalog, providers

KM = 225.0
NORTH, SOUTH = Grid("north", KM), Grid("south", KM)


def load(
    raw,
    grid=NORTH,
    *,
    monkeypatch,
    hemisphere=None,
    cadence="monthly",
    provider=None,
    metadata=None,
    **options,
):
    """Call `providers.load` on a dataset in memory, as if the catalogue had opened it."""
    about = {"hemisphere": hemisphere or grid.hemisphere, "cadence": cadence, "provider": provider} | (
        metadata or {}
    )
    monkeypatch.setattr(catalog, "metadata", lambda name: about)
    monkeypatch.setattr(catalog, "open_entry", lambda name, **opening: raw() if callable(raw) else raw)
    return providers.load("entry", grid, **options)


def truth(ds, i):
    return synthetic.ice(ds["lat"].values, ds.indexes["time"][i].month)


ICE = [
    ("nsidc_bytes", lambda h: synthetic.raw_nsidc(hemisphere=h, time=synthetic.months(n=12))),
    ("osisaf", lambda h: synthetic.raw_osisaf(hemisphere=h, resolution_km=75.0)),
    ("cmip6", lambda h: synthetic.raw_cmip6()),
]


@pytest.mark.parametrize("grid", [NORTH, SOUTH], ids=["north", "south"])
@pytest.mark.parametrize(("provider", "raw"), ICE, ids=[name for name, _ in ICE])
def test_every_ice_provider_gives_the_schema_and_the_truth(monkeypatch, provider, raw, grid):
    raw = raw(grid.hemisphere).chunk(time=2)
    assert providers.convention(raw, {}, source="entry") == provider
    ds = load(raw, grid, monkeypatch=monkeypatch)
    grid.check(ds, source="test")
    assert ds["siconc"].dims == ("time", "y", "x") and ds["siconc"].dtype == "float32" and ds["siconc"].chunks
    assert ds["siconc_flag"].dtype == "uint8" and ds["siconc_flag"].chunks
    assert ds["land"].dims == ("y", "x") and ds["land"].dtype == bool
    assert ds["siconc"].attrs == schema.attributes("siconc")
    assert (ds.indexes["time"].day == 1).all() and ds.sizes["time"] == 12
    assert ds["crs"].attrs["grid_mapping_name"] == "lambert_azimuthal_equal_area"
    ds = ds.compute()
    synthetic.assert_in_range(ds["siconc"])
    sea = ~ds["land"].values & (np.abs(ds["lat"].values) > 45)
    for i in (0, 6):
        assert np.abs(ds["siconc"].values[i] - truth(ds, i))[sea].mean() < 0.03
    assert np.isnan(ds["siconc"].values[:, ds["land"].values]).all()
    assert ds["land"].any() and set(np.unique(ds["siconc_flag"])) <= {0, 1}


def test_the_pole_hole_and_a_missing_cell_are_filled_and_flagged(monkeypatch):
    ds = load(synthetic.raw_nsidc(), Grid("north", 75.0), monkeypatch=monkeypatch)
    pole = (ds["lat"].values > 87.8) & ~ds["land"].values
    assert (ds["siconc_flag"].values[:, pole] == 1).all()
    np.testing.assert_allclose(ds["siconc"].values[0][pole], 1, atol=1e-5)


def test_osisaf_flags_the_hole_by_date_and_knows_where_ice_can_be(monkeypatch):
    dates = pd.DatetimeIndex([*pd.date_range("1987-01", periods=12, freq="MS")])
    raw = synthetic.raw_osisaf(time=dates, resolution_km=75.0)
    ds = load(raw, Grid("north", 75.0), monkeypatch=monkeypatch)
    flagged = (ds["siconc_flag"] == 1).sum(("y", "x")).values
    assert flagged[5] > 4 * flagged[6] > 0  # the hole shrinks from 28 to 11 cells between 1987-06 and 1987-07
    assert ds["max_ice"].dims == ("month", "y", "x") and ds["max_ice"].dtype == bool
    assert not ds["max_ice"].values[:, ds["lat"].values < 49].any() and ds["max_ice"].values[:, 72, 72].all()


def test_osisaf_reads_a_part_of_a_year_without_claiming_the_rest(monkeypatch):
    raw = synthetic.raw_osisaf(time=synthetic.months(n=3), resolution_km=75.0)
    assert "max_ice" not in load(raw, monkeypatch=monkeypatch)


def test_the_cdr_is_read_as_fractions_and_as_bytes(monkeypatch):
    codes = synthetic.raw_nsidc()
    stored = xr.where(codes["sic"] > 250, codes["sic"], np.round(codes["sic"] / 2.5)).astype("uint8")
    as_bytes = stored.assign_attrs(units="1").rename("cdr_seaice_conc_monthly").to_dataset()
    fractions = (as_bytes["cdr_seaice_conc_monthly"] / 100).where(stored < 255).to_dataset()
    one, other = (load(raw, monkeypatch=monkeypatch).compute() for raw in (as_bytes, fractions))
    assert providers.convention(as_bytes, {}, source="entry") == "nsidc_cdr"
    xr.testing.assert_allclose(one, other)
    assert float(one["siconc"].max()) == 1.0 and one["land"].any()


FIELDS = [
    ("t2m", "degC", "tas", -5.0, 268.15),
    ("slp", "hPa", "psl", 1013.0, 101_300.0),
    ("sst", "deg C", "tos", 3.0, 276.15),
    ("2m_temperature", "K", "tas", 250.0, 250.0),
    ("ssrd", "J m**-2", "rsds", 8_640_000.0, 100.0),
]


@pytest.mark.parametrize(("name", "units", "expected", "value", "converted"), FIELDS)
@pytest.mark.parametrize("grid", [NORTH, SOUTH], ids=["north", "south"])
def test_names_and_units_become_the_schema(monkeypatch, grid, name, units, expected, value, converted):
    raw = synthetic.raw_latlon(name=name, units=units, value=value).chunk(time=1)
    ds = load(raw, grid, monkeypatch=monkeypatch, hemisphere="both")
    assert (
        ds[expected].attrs == schema.attributes(expected)
        and ds[expected].dtype == "float32"
        and ds[expected].chunks
    )
    np.testing.assert_allclose(ds[expected].values[np.isfinite(ds[expected].values)], converted, rtol=1e-5)


def test_pressure_levels_become_heights_temperature_and_wind(monkeypatch):
    raw = xr.concat(
        [synthetic.raw_latlon(name="z", units="m**2 s**-2", value=v * 9.80665) for v in (10_000.0, 5_500.0)],
        "level",
    )
    raw["t"] = synthetic.raw_latlon(name="t", units="K", value=250.0)["t"].expand_dims(level=2)
    raw["u"] = raw["t"].assign_attrs(units="m s**-1") * 0 + 7
    raw["u"].attrs["units"] = "m s**-1"
    ds = load(raw.assign_coords(level=[250, 500]), monkeypatch=monkeypatch)
    assert float(ds["zg500"].max()) == pytest.approx(5_500) and float(ds["zg250"].max()) == pytest.approx(
        10_000
    )
    assert (
        float(ds["ta500"].max()) == pytest.approx(250) and "ua10" not in ds
    )  # no level of 10 hPa in the file


@pytest.mark.parametrize(
    ("name", "levels", "units"),
    [
        ("level", [25_000.0, 50_000.0], "Pa"),
        ("plev", [250.0, 500.0], "hPa"),
        ("plev", [25_000.0, 50_000.0], None),
    ],
)
def test_levels_are_found_whatever_their_name_and_units(monkeypatch, name, levels, units):
    heights = [10_000.0, 5_500.0]
    raw = xr.concat([synthetic.raw_latlon(name="zg", units="m", value=v) for v in heights], name)
    raw = raw.assign_coords({name: (name, levels, {"units": units} if units else {})})
    ds = load(raw, monkeypatch=monkeypatch)
    assert float(ds["zg500"].max()) == pytest.approx(5_500)


def test_levels_that_are_not_there_are_named(monkeypatch):
    raw = synthetic.raw_latlon(name="z", units="m**2 s**-2", value=1e4).expand_dims(pressure_level=[850.0])
    with pytest.raises(DataError, match=r"'z' has the levels \[850.0\] hPa, zg500 needs 500 hPa"):
        load(raw, monkeypatch=monkeypatch)


def test_upward_shortwave_follows_from_downward_and_net(monkeypatch):
    raw = synthetic.raw_latlon(name="ssrd", units="J m**-2", value=86_400.0 * 100)
    raw["ssr"] = synthetic.raw_latlon(name="ssr", units="J m**-2", value=86_400.0 * 30)["ssr"]
    assert float(load(raw, monkeypatch=monkeypatch)["rsus"].max()) == pytest.approx(70)


@pytest.mark.parametrize("grid", [NORTH, SOUTH], ids=["north", "south"])
def test_winds_are_rotated_before_interpolation(monkeypatch, grid):
    # A uniform flow along the grid's x axis, given as eastward and northward components.
    raw = synthetic.raw_latlon(name="u10", units="m s**-1", value=0.0, step=2.0)
    angle = np.deg2rad(raw["lon"].values)
    sign = 1 if grid.hemisphere == "north" else -1
    raw["u10"] = (raw["u10"] + 5 * np.cos(angle)).assign_attrs(units="m s**-1")
    raw["v10"] = (raw["u10"] * 0 - sign * 5 * np.sin(angle)).assign_attrs(units="m s**-1")
    ds = load(raw, grid, monkeypatch=monkeypatch)
    np.testing.assert_allclose(ds["uas"].values[np.isfinite(ds["uas"])], 5, atol=1e-3)
    np.testing.assert_allclose(ds["vas"].values[np.isfinite(ds["vas"])], 0, atol=1e-3)
    assert ds["uas"].attrs["standard_name"] == "x_wind"
    only = load(raw, grid, monkeypatch=monkeypatch, variables=["uas"])
    assert "vas" not in only and float(only["uas"].max()) == pytest.approx(5, abs=1e-3)


def test_fields_on_ease2_pass_or_are_averaged(monkeypatch):
    grid = Grid("north", 112.5)
    values = np.full((2, *grid.shape), 260, "float32")
    wind = {"units": "m s-1", "standard_name": "x_wind"}
    raw = xr.Dataset(
        {
            "tas": (("time", "y", "x"), values, {"units": "K"}),
            "uas": (("time", "y", "x"), values / 52, wind),
            "vas": (("time", "y", "x"), values * 0, wind | {"standard_name": "y_wind"}),
        },
        coords={"time": synthetic.months(n=2), "x": grid.x, "y": grid.y},
    )
    for target in (grid, NORTH):
        ds = load(raw, target, monkeypatch=monkeypatch, provider="ease2")
        assert float(ds["tas"].min()) == 260 and float(ds["uas"].min()) == pytest.approx(5)


def test_the_september_edge_is_a_forecast_at_lead_3(monkeypatch):
    ds = load(synthetic.raw_edge(), monkeypatch=monkeypatch, cadence="yearly")
    assert ds["sip"].dims == ("init_time", "lead_time", "y", "x") and ds["lead_time"].values.tolist() == [3]
    assert set(np.unique(ds["sip"].values[np.isfinite(ds["sip"])])) == {0, 1}
    assert ds.indexes["init_time"][0] == pd.Timestamp("2000-07-01")
    assert pd.Timestamp(ds["valid_time"].values[0, 0]) == pd.Timestamp("2000-09-01")


@pytest.mark.parametrize("on_ease2", [False, True])
def test_ensemble_forecasts_keep_their_members_and_leads(monkeypatch, on_ease2):
    raw = synthetic.raw_seas5().chunk(forecast_reference_time=1)
    if on_ease2:
        grid = Grid("north", 112.5)
        values = np.broadcast_to(synthetic.ice(grid.lonlat[1], 1), (2, 2, 3, *grid.shape)).astype("float32")
        values[..., (grid.lonlat[0] > 100) & (grid.lonlat[0] < 120)] = np.nan
        raw = xr.Dataset(
            {"siconc": (("init_time", "lead_time", "member", "y", "x"), values, {"units": "1"})},
            coords={
                "init_time": synthetic.months(n=2),
                "lead_time": [1, 2],
                "member": [0, 1, 2],
                "x": grid.x,
                "y": grid.y,
            },
        ).chunk(init_time=1)
    ds = load(raw, monkeypatch=monkeypatch)
    assert ds["siconc"].dims == ("init_time", "lead_time", "member", "y", "x") and ds["siconc"].chunks
    assert ds["siconc"].shape[:3] == (2, 2, 3) and "siconc_flag" not in ds
    assert pd.Timestamp(ds["valid_time"].values[1, 1]) == pd.Timestamp("2000-03-01")
    first = ds["siconc"].isel(init_time=0, lead_time=0, member=0).values
    sea = ~ds["land"].values & (ds["lat"].values > 45)
    assert np.abs(first - synthetic.ice(ds["lat"].values, 1))[sea].mean() < 0.04


def test_a_month_absent_from_the_file_is_put_in_as_missing_and_told(monkeypatch, caplog):
    raw = synthetic.raw_nsidc(time=synthetic.months(n=4)).isel(time=[0, 1, 3]).chunk(time=1)
    with caplog.at_level(logging.WARNING):
        ds = load(raw, monkeypatch=monkeypatch)
    assert "entry: no data for 2000-03" in caplog.text and ds.attrs["missing_times"] == "2000-03"
    month = ds.sel(time="2000-03").isel(time=0)
    assert np.isnan(month["siconc"]).all() and (month["siconc_flag"] == 3).all()
    assert ds["siconc"].chunks and ds["siconc_flag"].dtype == "uint8"


def test_an_all_nan_month_is_missing_and_never_zero(monkeypatch):
    raw = synthetic.raw_nsidc()
    raw["sic"][1] = xr.where(raw["sic"][1] <= 250, 255, raw["sic"][1])
    ds = load(raw, monkeypatch=monkeypatch)
    assert np.isnan(ds["siconc"][1]).all() and (ds["siconc_flag"][1] == 3).all()
    assert np.isfinite(ds["siconc"][0]).any()


@pytest.mark.parametrize("calendar", ["noleap", "360_day", "standard"])
def test_months_of_every_calendar_become_first_days(monkeypatch, calendar):
    ds = load(synthetic.raw_cmip6(calendar=calendar, n_time=2), monkeypatch=monkeypatch)
    assert ds.indexes["time"].tolist() == [pd.Timestamp("2000-01-01"), pd.Timestamp("2000-02-01")]


def test_a_catalogue_can_correct_units(monkeypatch):
    raw = synthetic.raw_cmip6(units="1")
    raw["siconc"].attrs["units"] = "%"
    ds = load(raw, monkeypatch=monkeypatch, metadata={"correct_units": {"siconc": "1"}})
    assert float(ds["siconc"].max()) == pytest.approx(1)


def test_dates_are_passed_on_where_there_is_a_file_a_step(monkeypatch):
    seen = {}

    def open_entry(name, **options):
        seen.update(options)
        return synthetic.raw_osisaf(resolution_km=75.0)

    monkeypatch.setattr(
        catalog,
        "metadata",
        lambda name: {"hemisphere": "north", "cadence": "monthly", "one_file_a_step": True},
    )
    monkeypatch.setattr(catalog, "open_entry", open_entry)
    providers.load("entry", NORTH, start="2000-01", end="2000-12")
    assert seen == {"start": "2000-01", "end": "2000-12"}


# Bad input: the message names the entry, the variable or date, and what to do; nothing is written.


def nsidc(change, **options):
    return lambda: change(synthetic.raw_nsidc(**options))


def latlon(change=lambda ds: ds, **options):
    return lambda: change(synthetic.raw_latlon(**options))


def decoded(ds):
    return ds.assign(sic=(ds["sic"] * 0.004).astype("float32"))


def swapped(ds):
    return ds.assign_coords(lat=ds["lon"], lon=ds["lat"])


def at(ds, *dates):
    return ds.assign_coords(time=pd.to_datetime(list(dates)))


def with_attrs(ds, name, **attrs):
    ds[name].attrs.update(attrs)
    return ds


def set_value(ds, name, step, value):
    ds[name][step] = value
    return ds


def daily_noleap():
    ds = synthetic.raw_cmip6(n_time=3)
    return ds.assign_coords(time=[cftime.DatetimeNoLeap(2000, 2, d) for d in (26, 27, 28)])


BAD = {
    "flag bytes decoded as data": (
        nsidc(decoded),
        {},
        ["'sic'", "flag bytes 251..255", "mask_and_scale=False"],
    ),
    "bytes between 100 % and the flags": (
        lambda: synthetic.raw_nsidc()["sic"].assign_attrs(units="1").rename("cdr_seaice_conc").to_dataset(),
        {},
        ["'siconc'", "2000-01-01", "flags"],
    ),
    "no land flag": (nsidc(lambda ds: ds.assign(sic=ds["sic"].clip(0, 250))), {}, ["'sic'", "no land flag"]),
    "shifted grid": (
        nsidc(lambda ds: ds.assign_coords(x=ds["x"] + 12_500)),
        {},
        ["x is off by up to 12500 m"],
    ),
    "flipped rows": (nsidc(lambda ds: ds.assign_coords(y=ds["y"].values[::-1])), {}, ["y is off"]),
    "coordinates in km": (nsidc(lambda ds: ds.assign_coords(x=ds["x"] / 1000)), {}, ["x is off", "km"]),
    "file of the other hemisphere": (
        nsidc(lambda ds: ds, hemisphere="south"),
        {},
        ["cells along x", "other hemisphere"],
    ),
    "entry of the other hemisphere": (
        nsidc(lambda ds: ds, hemisphere="south"),
        {"hemisphere": "south"},
        ["is of the south, the grid of the north"],
    ),
    "lat and lon swapped on a map": (nsidc(swapped), {}, ["lat and lon lie up to", "swapped"]),
    "lat and lon swapped on axes": (
        latlon(lambda ds: ds.rename(lat="lon", lon="lat")),
        {},
        ["latitudes reach 355", "swapped"],
    ),
    "missing coordinate": (
        nsidc(lambda ds: ds.drop_vars("x")),
        {"provider": "nsidc_bytes"},
        ["no coordinate 'x'"],
    ),
    "missing latitude": (
        latlon(lambda ds: ds.drop_vars("lat")),
        {"provider": "latlon"},
        ["no coordinate 'lat'"],
    ),
    "missing variable": (
        nsidc(lambda ds: ds.drop_vars("sic")),
        {"provider": "nsidc_bytes"},
        ["no variable 'sic'"],
    ),
    "missing variable asked for": (latlon(), {"variables": ["psl"]}, ["variable 'psl' is missing", "tas"]),
    "no known variable": (latlon(name="snow", units="m"), {}, ["snow", "is known", "ALIASES"]),
    "unknown provider": (
        lambda: xr.Dataset({"a": 1}),
        {"provider": "nsidc_byte"},
        ["'nsidc_byte' is none of them", "nsidc_bytes", "no latitudes"],
    ),
    "wrong units": (latlon(units="degF"), {}, ["'t2m'", "'degF'", "degC"]),
    "no units": (latlon(lambda ds: ds.assign(t2m=ds["t2m"].drop_attrs())), {}, ["'t2m'", "units None"]),
    "celsius labelled kelvin": (latlon(units="K"), {}, ["'tas'", "2000-01-01", "K", "170..340"]),
    "pressure in hPa labelled Pa": (latlon(name="slp", units="Pa", value=1000.0), {}, ["'psl'", "1000"]),
    "temperature out of range late": (
        latlon(lambda ds: set_value(ds, "t2m", 1, 9.97e36).chunk(time=1)),
        {"read": True},
        ["'tas'", "2000-02-01", "170..340"],
    ),
    "percent labelled fraction": (
        lambda: with_attrs(synthetic.raw_cmip6(units="%"), "siconc", units="1"),
        {},
        ["'siconc'", "2000-01-01", "100"],
    ),
    "fraction labelled percent": (
        lambda: with_attrs(synthetic.raw_cmip6(units="1"), "siconc", units="%"),
        {},
        ["'siconc'", "it is a fraction", "correct_units"],
    ),
    "duplicate times": (
        nsidc(lambda ds: at(ds, "2000-01-01", "2000-02-01", "2000-02-20")),
        {},
        ["2000-02-01", "twice"],
    ),
    "unsorted times": (
        nsidc(lambda ds: at(ds, "2000-01-01", "2000-03-01", "2000-02-01")),
        {},
        ["2000-02-01", "out of order"],
    ),
    "numbers for dates": (
        nsidc(lambda ds: ds.assign_coords(time=[0, 31, 60])),
        {},
        ["'time' starts with 0", "not a date"],
    ),
    "a missing date": (
        nsidc(lambda ds: at(ds, "2000-01-01", "NaT", "2000-03-01")),
        {},
        ["missing date at position 1"],
    ),
    "no dates": (nsidc(lambda ds: ds.drop_vars("time")), {}, ["no coordinate 'time'"]),
    "days of a model calendar": (daily_noleap, {"cadence": "daily"}, ["'noleap'", "monthly means"]),
    "no time step": (nsidc(lambda ds: ds.isel(time=slice(0, 0))), {}, ["holds no time step"]),
    "empty selection": (
        nsidc(lambda ds: ds),
        {"start": "1950-01", "end": "1950-12"},
        ["1950-01", "2000-01-01 to 2000-03-01"],
    ),
    "part of the longitudes": (latlon(lambda ds: ds.sel(lon=slice(0, 180))), {}, ["degrees of longitude"]),
    "no pole": (latlon(lambda ds: ds.sel(lat=slice(-90, 70))), {}, ["no latitudes beyond 67.5"]),
    "one wind component": (latlon(name="u10", units="m/s", value=5.0), {}, ["'uas' and 'vas'", "both"]),
    "edge without issue date": (
        lambda: synthetic.raw_edge().drop_vars("init_time"),
        {"cadence": "yearly"},
        ["no coordinate 'init_time'"],
    ),
    "ensemble without members": (
        lambda: synthetic.raw_seas5().isel(number=0, drop=True),
        {"provider": "seas5"},
        ["no dimensions ['member']"],
    ),
    "leads counted from 0": (
        lambda: synthetic.raw_seas5().assign_coords(forecastMonth=[0, 1]),
        {},
        ["lead_time", "count months from 1"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_and_leaves_nothing_behind(monkeypatch, own_folders, case):
    raw, options, words = BAD[case]
    options = dict(options)
    reads = options.pop("read", False)
    with pytest.raises(DataError) as error:
        ds = load(raw, monkeypatch=monkeypatch, **options)
        assert reads, "the error should come before anything is computed"
        ds.compute()
    assert str(error.value).startswith("entry: ")
    assert all(word in str(error.value) for word in words), str(error.value)
    assert not list(own_folders.iterdir())


def test_a_file_cut_short_is_named(monkeypatch, own_folders, tmp_path_factory):
    file = tmp_path_factory.mktemp("raw") / "cut.nc"
    raw = synthetic.raw_latlon(value=np.random.default_rng(0).normal(0, 1, (3, 36, 72)))
    raw.to_netcdf(file, engine="netcdf4", encoding={"t2m": {"zlib": True}})
    opened = xr.open_dataset(file, engine="netcdf4", chunks={"time": 1}, cache=False)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(DataError, match="entry: 'tas' cannot be read .*truncated.*fetch it again"):
        load(opened, monkeypatch=monkeypatch)
    assert not list(own_folders.iterdir())


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("entry", "hemisphere", "variable", "low", "high"),
    [
        # These ranges bound the polar climate of 1978-2014. Those of the schema are far wider.
        ("ncep_t2m", "north", "tas", 220, 316),
        ("ncep_t2m", "south", "tas", 195, 310),
        ("ncep_slp", "north", "psl", 96_500, 105_500),
        ("noaa_oisst", "north", "tos", 269, 305),
    ],
)
def test_observed_fields(seaice_data, entry, hemisphere, variable, low, high):
    ds = providers.load(entry, Grid(hemisphere, 75.0), variables=[variable])
    assert ds[variable].chunks and float(ds[variable].min()) > low and float(ds[variable].max()) < high
    assert np.isfinite(ds[variable].isel(time=0).values[72, 72]) or variable == "tos"


@pytest.mark.real_data
def test_the_observed_edge_forecast(seaice_data):
    ds = providers.load("ecmwf_september_edge", Grid("north", 75.0))
    assert ds.sizes["init_time"] == 18 and ds["lead_time"].values.tolist() == [3]
    extent = ds["sip"].sum(("y", "x")).values.ravel() * 75**2 / 1e6
    # September extents of an uncorrected model, near the observed 4.3 to 8 million km2.
    assert (extent > 3).all() and (extent < 9.5).all()


def test_files_that_the_provider_lacks_become_missing_steps_where_a_run_says_so(monkeypatch, caplog):
    raw = synthetic.raw_osisaf(time=synthetic.months("1986-03", 4), resolution_km=75.0)
    asked = []

    def open_entry(name, *, skip_missing=False, **options):
        asked.append(skip_missing)
        return raw.isel(time=[0, 3]) if skip_missing else raw

    about = {"provider": "osisaf", "hemisphere": "north", "cadence": "monthly", "one_file_a_step": True}
    monkeypatch.setattr(providers.catalog, "metadata", lambda name: about)
    monkeypatch.setattr(providers.catalog, "open_entry", open_entry)
    ds = providers.forgiving()("months", Grid("north", 75.0), start="1986-03", end="1986-06")
    assert asked == [True] and ds.attrs["missing_times"] == "1986-04 1986-05"
    assert (ds.siconc_flag.sel(time="1986-04") == 3).all()
