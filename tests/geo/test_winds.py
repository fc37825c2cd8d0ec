import numpy as np
import pyproj
import pytest
import xarray as xr

from seaice.errors import DataError
from seaice.geo import winds
from seaice.grid import Grid

STEP = 1e-5  # degrees, about a metre: small against the curvature of the map, large against rounding


def directions(grid, lon, lat):
    """Return the unit vectors of east and north on the plane.

    A point is moved a small step each way, and pyproj tells where it goes.
    """
    project = pyproj.Transformer.from_crs(4326, grid.crs, always_xy=True).transform
    out = []
    for dlon, dlat in ((STEP / np.cos(np.deg2rad(lat)), 0), (0, STEP)):
        before, after = project(lon - dlon, lat - dlat), project(lon + dlon, lat + dlat)
        vector = np.array([after[0] - before[0], after[1] - before[1]])
        out.append(vector / np.hypot(*vector))
    return out


@pytest.mark.parametrize("hemisphere", ["north", "south"])
def test_rotation_agrees_with_pyproj(hemisphere):
    grid = Grid(hemisphere, 675.0)
    lon, lat = grid.lonlat
    east, north = directions(grid, lon, lat)
    rng = np.random.default_rng(1)
    u, v = (xr.DataArray(rng.normal(0, 10, lon.shape), dims=("y", "x")) for _ in range(2))
    x, y = winds.rotate(u, v, xr.DataArray(lon, dims=("y", "x")), hemisphere=hemisphere)
    expected = u.values * east + v.values * north
    np.testing.assert_allclose(
        [x, y], expected, atol=1e-6 * 40
    )  # 40 m s-1: the largest wind in the sample, 1e-6 of it


@pytest.mark.parametrize("hemisphere", ["north", "south"])
def test_speed_is_kept_inputs_are_not_touched_and_lazy_stays_lazy(hemisphere):
    lon = xr.DataArray(np.linspace(-180, 350, 6), dims="x")
    u, v = (
        xr.DataArray(np.full((2, 6), 3.0, "float32"), dims=("time", "x")),
        xr.DataArray(np.full((2, 6), 4.0, "float32"), dims=("time", "x")),
    )
    x, y = winds.rotate(u.chunk(time=1), v.chunk(time=1), lon, hemisphere=hemisphere)
    assert x.chunks and y.chunks and x.dtype == "float32" and x.dims == u.dims
    np.testing.assert_allclose(np.hypot(x, y), 5, rtol=1e-6)
    assert (u == 3).all() and (v == 4).all()


def test_a_wind_over_the_pole_is_continuous():
    # A uniform flow along the grid's x axis is a westerly at 0 E and an easterly at 180 E. Rotation
    # must give back the uniform flow.
    u, v = xr.DataArray([5.0, -5.0], dims="x"), xr.DataArray([0.0, 0.0], dims="x")
    for hemisphere in ("north", "south"):
        x, y = winds.rotate(u, v, xr.DataArray([0.0, 180.0], dims="x"), hemisphere=hemisphere)
        np.testing.assert_allclose(x, 5)
        np.testing.assert_allclose(y, 0, atol=1e-12)


def test_an_unknown_hemisphere_is_named():
    with pytest.raises(DataError, match="'arctic' is unknown"):
        winds.rotate(xr.DataArray(1.0), xr.DataArray(1.0), xr.DataArray(1.0), hemisphere="arctic")
