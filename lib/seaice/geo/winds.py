"""Which way does a wind blow on the grid? Rotation from east and north to the x and y axes of EASE2."""

import numpy as np
import xarray as xr

from seaice.errors import DataError
from seaice.grid import Hemisphere


def rotate(
    u_east: xr.DataArray, v_north: xr.DataArray, lon: xr.DataArray, *, hemisphere: Hemisphere
) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the components (u', v') along the EASE2 axes x and y of a wind given eastward and northward.

    With l the longitude, a point at distance r from the pole lies, on the plane, at

        north: x = r sin l, y = -r cos l, and northward is towards the pole (r falls):
               east = ( cos l,  sin l), north = (-sin l, cos l)
               u' = u cos l - v sin l,  v' = u sin l + v cos l
        south: x = r sin l, y =  r cos l, and northward is away from the pole (r grows):
               east = ( cos l, -sin l), north = ( sin l, cos l)
               u' = u cos l + v sin l,  v' = -u sin l + v cos l

    so that the angle is the longitude itself, everywhere, and not an approximation near the pole. Being a function of
    longitude alone, it holds on any source grid: winds are rotated first and interpolated afterwards, since only the
    x and y components are continuous across the pole.

    u_east, v_north: m s-1, any dims, lazy stays lazy. lon: degrees east, dims among theirs. Inputs are not changed.
    Speed is preserved. Raises DataError for an unknown hemisphere. Source: Snyder 1987 (USGS PP 1395), eqs 24-3, 24-4
    and 24-13, 24-14 of the polar azimuthal equal-area projection; EPSG:6931 and 6932 have their central meridian at 0.
    """
    signs = {"north": 1.0, "south": -1.0}
    if hemisphere not in signs:
        raise DataError(f"winds: hemisphere {hemisphere!r} is unknown; choose one of {sorted(signs)}")
    angle = np.deg2rad(lon)
    cos, sin = np.cos(angle), signs[hemisphere] * np.sin(angle)
    dims = u_east.dims
    u, v = u_east * cos - v_north * sin, u_east * sin + v_north * cos
    return u.transpose(*dims).astype(u_east.dtype), v.transpose(*dims).astype(v_north.dtype)
