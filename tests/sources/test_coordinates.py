"""Where cells lie: two sets of coordinates, cells without any, lists of cells, index coordinates."""

import numpy as np
import pytest
import xarray as xr
from support import synthetic

from seaice.errors import DataError
from seaice.grid import Grid
from seaice.sources import coordinates, providers

GRID = Grid("north", 150.0)
ABOUT = {"provider": "anyone", "hemisphere": "both", "cadence": "monthly"}


def on_grid(raw):
    return providers.on_grid(providers.standardise(raw, ABOUT, source="file"), GRID, source="file").compute()


def tripolar() -> xr.Dataset:
    """A curvilinear field, and beside its true coordinates nominal ones named as axes."""
    raw = synthetic.raw_cmip6(n_time=2)
    nominal = {"lat": ("j", np.linspace(-89, 89, raw.sizes["j"])), "lon": ("i", np.arange(0, 360, 2.0))}
    return raw.assign_coords(nominal)


@pytest.mark.parametrize("named_as_dims", [False, True])
def test_maps_of_coordinates_win_over_nominal_axes(named_as_dims):
    raw = tripolar()
    if named_as_dims:  # as a tripolar file of BCC-CSM2-HR has them
        raw = raw.swap_dims(j="lat", i="lon")
    xr.testing.assert_allclose(on_grid(raw)["siconc"], on_grid(synthetic.raw_cmip6(n_time=2))["siconc"])


def test_maps_that_agree_with_the_axes_leave_a_regular_grid():
    raw = synthetic.raw_latlon()
    lat, lon = xr.broadcast(raw["lat"], raw["lon"])
    placed = coordinates.placed(raw.assign_coords(latitude=lat + 1e-4, longitude=lon), source="file")
    assert placed.attrs["grid_kind"] == "latlon" and "latitude" not in placed.variables


def two_points() -> xr.Dataset:
    """Latitudes of cell centres and, on the same dims, of corners, as ocean models write them."""
    raw = synthetic.raw_cmip6(n_time=2).rename(latitude="TLAT", longitude="TLONG")
    corners = {n: raw[t].copy(data=raw[t].values + 1.0) for n, t in (("ULAT", "TLAT"), ("ULONG", "TLONG"))}
    corners["ULAT"].attrs, corners["ULONG"].attrs = {"units": "degrees_north"}, {"units": "degrees_east"}
    return raw.assign_coords({n: da.clip(-90, 361).assign_attrs(da.attrs) for n, da in corners.items()})


def test_of_two_maps_the_one_that_the_variable_names_is_used_and_without_a_name_none():
    raw = two_points()
    raw["siconc"].encoding["coordinates"] = "TLONG TLAT"
    xr.testing.assert_allclose(on_grid(raw)["siconc"], on_grid(synthetic.raw_cmip6(n_time=2))["siconc"])
    with pytest.raises(
        DataError, match=r"several sets of coordinates, \('TLAT', 'TLONG'\) and .*`coordinates`"
    ):
        on_grid(two_points())


@pytest.mark.parametrize("missing", [np.nan, 1e20])
def test_land_without_coordinates_stays_land(missing):
    raw = synthetic.raw_cmip6(n_time=1)
    land = np.isnan(raw["siconc"].values[0])
    out, whole = raw.copy(deep=True), on_grid(raw)
    for name in ("latitude", "longitude"):
        out[name] = out[name].where(~land, missing)
    placed = on_grid(out)
    assert int((placed["land"] != whole["land"]).sum()) <= 0.01 * whole["land"].sum()
    both = ~placed["land"] & ~whole["land"]
    xr.testing.assert_allclose(placed["siconc"].where(both), whole["siconc"].where(both), atol=0.03)


def test_numbers_of_rows_and_columns_are_no_projection():
    raw = synthetic.raw_cmip6(n_time=1).rename(j="y", i="x")
    numbered = raw.assign_coords(x=np.arange(0, 2 * raw.sizes["x"], 2.0), y=np.arange(raw.sizes["y"]))
    assert providers.convention(numbered, ABOUT, source="file") == "cmip6"
    degrees = raw.assign_coords(x=np.linspace(-279.5, 78.5, raw.sizes["x"]), y=np.arange(raw.sizes["y"]))
    xr.testing.assert_allclose(on_grid(degrees)["siconc"], on_grid(synthetic.raw_cmip6(n_time=1))["siconc"])


def test_a_list_of_cells_is_read_cell_by_cell():
    raw = synthetic.raw_cmip6(n_time=2)
    cells = raw.stack(cell=("j", "i")).reset_index("cell").drop_vars(["j", "i"])
    for name in ("siconc", "land", "siconc_flag"):
        xr.testing.assert_allclose(on_grid(cells)[name], on_grid(raw)[name])


def test_axes_of_other_names_than_their_dimensions_are_axes():
    raw = synthetic.raw_latlon()
    renamed = raw.rename_dims(lat="row", lon="column").reset_index(["lat", "lon"])
    xr.testing.assert_allclose(on_grid(renamed)["tas"], on_grid(raw)["tas"])


def test_a_thinned_or_partial_curvilinear_file_is_refused():
    with pytest.raises(DataError, match=r"cover \d+% of the area poleward of 60 degrees north, .*thinned"):
        on_grid(synthetic.raw_cmip6(n_time=1).isel(j=slice(None, None, 12), i=slice(None, None, 12)))


def test_half_a_globe_is_refused():
    raw = synthetic.raw_cmip6(n_time=1)
    half = raw.where((raw["longitude"] < 180) | (abs(raw["latitude"]) < 50))
    for name in ("latitude", "longitude"):
        half[name] = raw[name].where((raw["longitude"] < 180) | (abs(raw["latitude"]) < 50))
    half["siconc"].attrs = raw["siconc"].attrs
    with pytest.raises(DataError, match="and 1% in some of its longitudes; is it a part of the globe"):
        on_grid(half)


def test_coordinates_in_radians_are_turned_to_degrees():
    raw = synthetic.raw_cmip6(n_time=1)
    radians = raw.assign_coords(
        {n: np.deg2rad(raw[n]).assign_attrs(units="radian") for n in ("latitude", "longitude")}
    )
    xr.testing.assert_allclose(on_grid(radians)["siconc"], on_grid(raw)["siconc"])


def test_land_marked_by_zeros_stays_land():
    raw = synthetic.raw_cmip6(n_time=1)
    land = np.isnan(raw["siconc"].values[0])
    out, whole = raw.copy(deep=True), on_grid(raw)
    for name in ("latitude", "longitude"):
        out[name] = out[name].where(~land, 0.0)
    assert int((on_grid(out)["land"] != whole["land"]).sum()) <= 0.01 * whole["land"].sum()


def test_a_wind_along_the_axes_of_its_own_grid_is_refused():
    raw = synthetic.raw_cmip6(n_time=1).rename(siconc="uas")
    raw["uas"].attrs = {"units": "m s-1", "standard_name": "x_wind"}
    raw["vas"] = raw["uas"].assign_attrs(standard_name="y_wind")
    with pytest.raises(DataError, match="'uas' is the wind along the axes of its own grid .x_wind."):
        on_grid(raw)
