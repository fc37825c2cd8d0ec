import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import synthetic

from seaice.errors import DataError
from seaice.geo import masks
from seaice.grid import Grid


def cells(hole):
    return hole.sum(("y", "x")).values.tolist()


def test_the_pole_hole_shrinks_with_time_and_is_in_the_north_only():
    dates = pd.to_datetime(["1980-01-01", "1987-06-01", "1987-07-01", "2005-10-31", "2005-11-01"])
    hole = masks.polar_hole(Grid("north"), dates)
    # Radii from Andersson et al. 2021: 28 cells of 25 km until 1987-06, 11 cells until 2005-10. The
    # counts are the areas of these circles, but for cells cut by their edges.
    wide, narrow = np.pi * 28**2, np.pi * 11**2
    assert cells(hole) == pytest.approx([wide, wide, narrow, narrow, 0], rel=0.03)
    assert not masks.polar_hole(Grid("south"), dates).any()


def test_the_pole_hole_has_the_same_area_on_coarse_grids():
    date = ["1980-01-01"]
    fine, coarse = (masks.polar_hole(Grid("north", km), date).sum() * km**2 for km in (25.0, 75.0))
    assert float(coarse) == pytest.approx(float(fine), rel=0.06)


@pytest.mark.parametrize(
    ("lon", "lat", "taken"),
    [
        (51.0, 42.0, True),  # Caspian
        (34.0, 43.0, True),  # Black Sea
        (-87.0, 44.0, True),  # Lake Michigan
        (272.0, 47.5, True),  # Lake Superior, longitude from 0 to 360
        (108.0, 53.5, True),  # Baikal
        (19.0, 60.0, False),  # Baltic
        (27.0, 60.0, False),  # Gulf of Finland
        (-85.0, 58.0, False),  # Hudson Bay
        (-80.5, 53.0, False),  # James Bay
        (-94.0, 59.0, False),  # Hudson Bay off Churchill
        (37.5, 65.5, False),  # White Sea
        (-115.0, 68.2, False),  # Coronation Gulf
        (150.0, 58.0, False),  # Okhotsk
        (-66.0, 48.8, False),  # Gulf of St Lawrence
        (140.0, 46.5, False),  # Tatar Strait
        (-60.0, -70.0, False),  # Weddell Sea
    ],
)
def test_inland_waters_are_taken_and_seas_are_not(lon, lat, taken):
    assert bool(masks.inland(xr.DataArray([lon], dims="x"), xr.DataArray([lat], dims="x"))) is taken


def observed(**options):
    ds = synthetic.ready(**options).isel(time=slice(0, -12))
    return ds, (ds.time <= np.datetime64("1988-12-01")).values


def test_active_cells_follow_the_ice_of_the_month_and_its_neighbours():
    ds, fit = observed()
    active = masks.active_cells(ds.siconc, ds.land, ds.siconc_flag, fit=fit)
    assert (
        active.dims == ("month", "y", "x")
        and active.dtype == bool
        and active.month.values.tolist() == list(range(1, 13))
    )
    assert not active.where(ds.land, False).any()
    counts = active.sum(("y", "x"))
    assert counts.sel(month=3) > counts.sel(month=9)
    iced = [
        (ds.siconc.isel(time=fit & (ds.time.dt.month.values == m)) > 0.15).any("time") for m in (8, 9, 10)
    ]
    expected = (iced[0] | iced[1] | iced[2]) & ~ds.land & ~masks.inland(ds.lon, ds.lat)
    assert (active.sel(month=9) == expected).all()


def test_what_comes_after_the_fit_period_changes_no_bit():
    ds, fit = observed()
    later = xr.DataArray(~fit, dims="time")
    changed = ds.siconc.where(~later, 1.0)
    before, after = (masks.active_cells(s, ds.land, ds.siconc_flag, fit=fit) for s in (ds.siconc, changed))
    assert (before == after).all()


def test_missing_steps_never_make_a_cell_active():
    ds, fit = observed()
    active = masks.active_cells(ds.siconc.fillna(0) + 1, ds.land, xr.full_like(ds.siconc_flag, 3), fit=fit)
    assert not active.any()


def test_a_published_maximum_is_used_where_there_is_one():
    ds, fit = observed()
    maximum = xr.zeros_like(ds.active)
    maximum[dict(month=2, y=8, x=7)] = True
    active = masks.active_cells(ds.siconc, ds.land, ds.siconc_flag, fit=fit, max_ice=maximum)
    assert active.sum() == 1 and active.sel(month=3).sum() == 1


def test_lazy_in_lazy_out():
    ds, fit = observed()
    lazy = ds.chunk(time=12)
    active = masks.active_cells(lazy.siconc, lazy.land, lazy.siconc_flag, fit=fit)
    assert active.chunks
    assert (active == masks.active_cells(ds.siconc, ds.land, ds.siconc_flag, fit=fit)).all()


def test_an_empty_fit_period_is_an_error():
    ds, fit = observed()
    with pytest.raises(DataError, match="no time step of siconc lies in the fit period"):
        masks.active_cells(ds.siconc, ds.land, ds.siconc_flag, fit=np.zeros_like(fit))


def test_land_is_where_the_ocean_has_less_than_half():
    assert masks.land(np.array([0.0, 0.49, 0.5, 1.0])).tolist() == [True, True, False, False]
