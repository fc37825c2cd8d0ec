"""Which way does a wind blow on the grid? Rotation from east and north to the axes of EASE2."""

import numpy as np
import xarray as xr

from seaice.errors import DataError
from seaice.grid import Hemisphere


def rotate(
    u_east: xr.DataArray, v_north: xr.DataArray, lon: xr.DataArray, *, hemisphere: Hemisphere
) -> tuple[xr.DataArray, xr.DataArray]:
    """Return a wind's components (u', v') along the EASE2 axes x and y from eastward and northward.

    Let l be the longitude. On the plane, a point at distance r from the pole lies at

        north: x = r sin l, y = -r cos l, and northward is towards the pole (r decreases):
               east = ( cos l,  sin l), north = (-sin l, cos l)
               u' = u cos l - v sin l,  v' = u sin l + v cos l
        south: x = r sin l, y =  r cos l, and northward is away from the pole (r increases):
               east = ( cos l, -sin l), north = ( sin l, cos l)
               u' = u cos l + v sin l,  v' = -u sin l + v cos l

    The angle of rotation is therefore the longitude itself, exactly and everywhere. It depends on
    longitude alone, so it holds on any source grid. Winds are rotated first and interpolated
    afterwards, because only the x and y components are continuous across the pole.

    u_east, v_north: m s-1, any dims; lazy in, lazy out. lon: degrees east, its dims among those of
    the wind. Inputs are not changed and speed is preserved. Raises DataError for an unknown
    hemisphere. Source: Snyder 1987 (USGS PP 1395), equations 24-3, 24-4, 24-13 and 24-14 of the
    polar azimuthal equal-area projection; EPSG:6931 and 6932 have their central meridian at 0.
    """
    signs = {"north": 1.0, "south": -1.0}
    if hemisphere not in signs:
        raise DataError(f"winds: hemisphere {hemisphere!r} is unknown; choose one of {sorted(signs)}")
    angle = np.deg2rad(lon)
    cos, sin = np.cos(angle), signs[hemisphere] * np.sin(angle)
    dims = u_east.dims
    u, v = u_east * cos - v_north * sin, u_east * sin + v_north * cos
    return u.transpose(*dims).astype(u_east.dtype), v.transpose(*dims).astype(v_north.dtype)
