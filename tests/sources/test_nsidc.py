"""G02202 in the layouts of versions 4 to 6: the same months as bytes of NSIDC-0051 must come out."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import synthetic

from seaice.errors import DataError
from seaice.grid import Grid
from seaice.sources import opening, providers

ABOUT = {"provider": "NOAA/NSIDC", "hemisphere": "north", "cadence": "monthly"}
GRID = Grid("north", 75.0)


def percent(time=None, hemisphere="north") -> xr.Dataset:
    """NASA Team months with G02202's code of 100 %, and the flags of version 4."""
    raw = synthetic.raw_nsidc(time=time, hemisphere=hemisphere).drop_vars(["lat", "lon"])
    codes = xr.where(raw["sic"] > 250, raw["sic"], np.round(raw["sic"] / 2.5)).astype("uint8")
    return codes.assign_attrs(units="1", scale_factor=np.float32(0.01)).to_dataset(
        name="cdr_seaice_conc_monthly"
    )


def version_4(time=None) -> xr.Dataset:
    """Dimensions tdim, y, x, with time, xgrid and ygrid beside them; the pole hole is filled."""
    ds = percent(time)
    codes = xr.where(ds["cdr_seaice_conc_monthly"] == 251, 100, ds["cdr_seaice_conc_monthly"]).astype("uint8")
    axes = {"xgrid": ("x", ds["x"].values), "ygrid": ("y", ds["y"].values)}
    raw = codes.to_dataset(name="cdr_seaice_conc_monthly").drop_vars(["x", "y"]).rename_dims(time="tdim")
    return raw.reset_index("time").reset_coords().assign(axes)


def write_version_6(file, time=None, **surfaces) -> xr.Dataset:
    """Land is 255 in the root, and a code of `surface_type_mask` in the group beside it."""
    ds = percent(time)
    codes = ds["cdr_seaice_conc_monthly"]
    surface = xr.full_like(codes, 50)
    for flag, code in ((251, 100), (253, 200), (254, 250)):
        surface = surface.where(codes != flag, code)
    root = xr.where(codes == 251, 98, xr.where(codes > 251, 255, codes)).astype("uint8")
    root.attrs = codes.attrs
    root.to_dataset(name="cdr_seaice_conc_monthly").to_netcdf(file, engine="netcdf4")
    surface = surface.astype("uint8").drop_vars(["x", "y", "time"])
    surface.to_dataset(name="surface_type_mask").to_netcdf(
        file, group="cdr_supplementary", mode="a", engine="netcdf4"
    )
    return xr.open_dataset(file, mask_and_scale=False, chunks={"time": 1}, engine="netcdf4")


def schema(raw, about=ABOUT) -> xr.Dataset:
    return providers.on_grid(providers.standardise(raw, about, source="cdr"), GRID, source="cdr").compute()


@pytest.mark.parametrize("decoded", [False, True])
def test_versions_5_and_6_take_land_and_pole_hole_from_the_group(tmp_path, decoded):
    raw = write_version_6(tmp_path / "v6.nc")
    if decoded:
        raw = xr.open_dataset(tmp_path / "v6.nc", engine="netcdf4")
    out, expected = schema(raw), schema(percent())
    np.testing.assert_array_equal(out["land"], expected["land"])
    inside = (out["lat"] > 87.8) & ~out["land"]
    assert (out["siconc_flag"].where(inside) == 1).sum() == 3 * inside.sum()
    np.testing.assert_allclose(out["siconc"].where(inside).min(), 0.98, atol=1e-5)  # kept, no truth
    outside = (out["lat"] < 85) & ~out["land"]
    np.testing.assert_allclose(out["siconc"].where(outside), expected["siconc"].where(outside), atol=1e-6)


def test_version_4_has_axes_of_other_names_and_a_hole_by_sensor():
    time = synthetic.months("1987-07", 2)  # the last month of SMMR and the first of SSM/I
    out, expected = schema(version_4(time)), schema(percent(time))
    xr.testing.assert_allclose(out["siconc"], expected["siconc"], atol=0.02)
    assert out.indexes["time"].equals(expected.indexes["time"])
    flagged = (out["siconc_flag"] == 1).sum(("y", "x")).values * GRID.cell_area_km2
    # User guide of NSIDC-0051: holes of 1.19 and 0.31 million km2.
    np.testing.assert_allclose(flagged, [1.19e6, 0.31e6], rtol=0.12)


def test_a_surface_type_that_no_version_is_known_to_use_is_refused(tmp_path):
    raw = write_version_6(tmp_path / "v7.nc").load()
    raw["surface_type_mask"] = xr.full_like(raw["cdr_seaice_conc_monthly"], 60)
    with pytest.raises(DataError, match=r"'surface_type_mask' holds \[60\]"):
        schema(raw)


def test_files_of_a_step_each_join_with_their_groups(tmp_path):
    months = synthetic.months(n=3)
    for month in months:
        write_version_6(tmp_path / f"cdr_{month:%Y%m}.nc", time=pd.DatetimeIndex([month])).close()
    files = sorted(tmp_path.glob("cdr_*.nc"))
    raw = opening.open_files(files, chunks={}, mask_and_scale=False)
    assert raw["surface_type_mask"].sizes["time"] == 3
    xr.testing.assert_allclose(schema(raw), schema(write_version_6(tmp_path / "all.nc", time=months)))


def test_a_file_whose_group_was_dropped_is_refused(tmp_path):
    write_version_6(tmp_path / "v6.nc").load().to_netcdf(tmp_path / "root_only.nc", engine="netcdf4")
    raw = xr.open_dataset(tmp_path / "root_only.nc", mask_and_scale=False, engine="netcdf4")
    with pytest.raises(DataError, match="no land flag .* no 'surface_type_mask'"):
        schema(raw)


def test_a_forgotten_hemisphere_is_asked_for():
    with pytest.raises(DataError, match="cdr: its data lie on a polar grid, but .* hemisphere: None; write"):
        schema(percent(), {"provider": "nsidc_cdr", "cadence": "monthly"})
