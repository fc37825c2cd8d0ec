"""Which cells count? Land, the satellites' pole hole, inland waters, and the cells that can hold sea ice."""

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.grid import NATIVE_KM, Grid
from seaice.schema import ICE_EDGE, Flag

# Last month and radius (cells of 25 km) of the area around the North Pole that no satellite saw.
# OSI SAF SIC record, as used by Andersson et al. 2021, doi:10.1038/s41467-021-25257-4 (code, Zenodo 5176573).
POLE_HOLES = (("1987-06", 28), ("2005-10", 11))

# Waters that freeze but are not sea ice, or whose ice has no link to the Arctic's: west, east, south, north (degrees).
INLAND = {
    "Caspian Sea": (46.0, 55.5, 36.0, 48.0),
    "Black Sea and Sea of Azov": (27.0, 42.5, 40.5, 47.5),
    "Great Lakes": (-93.0, -75.5, 41.0, 49.5),
    "Aral Sea": (57.5, 62.5, 43.0, 47.5),
    "Lake Balkhash": (73.0, 80.0, 44.5, 47.0),
    "Lake Baikal": (103.0, 110.5, 51.0, 56.0),
    "Ladoga and Onega": (30.7, 36.6, 59.8, 63.0),
    "Great Bear and Great Slave Lake": (-126.0, -108.5, 60.5, 67.2),
    "Lakes Winnipeg and Athabasca": (-112.0, -95.5, 49.5, 60.0),
}


def land(ocean_share: np.ndarray) -> np.ndarray:
    """Return True where less than half a cell is ocean that the provider covers (`ocean_share`, 0..1, any shape)."""
    return ocean_share < 0.5


def polar_hole(grid: Grid, time) -> xr.DataArray:
    """Return the cells (time, y, x) bool that lay in the OSI SAF pole hole, by date; none in the south.

    grid: any EASE2 grid. time: anything pandas reads as dates, the dates of the data. Source: `POLE_HOLES`.
    """
    time = pd.DatetimeIndex(time)
    radius = np.zeros(len(time))
    if grid.hemisphere == "north":
        for last, cells in reversed(POLE_HOLES):
            radius[time < pd.Timestamp(last) + pd.DateOffset(months=1)] = cells * NATIVE_KM * 1000
    radius = xr.DataArray(radius, {"time": time}, "time")
    x, y = xr.DataArray(grid.x, {"x": grid.x}, "x"), xr.DataArray(grid.y, {"y": grid.y}, "y")
    distance = np.hypot(y, x)
    return ((distance <= radius) & (radius > 0)).transpose("time", "y", "x").rename("polar_hole")


def inland(lon: xr.DataArray, lat: xr.DataArray) -> xr.DataArray:
    """Return True in the Caspian and Black Sea and the large lakes, by the boxes of `INLAND`.

    lon, lat: degrees, same dims; longitudes of either convention.
    """
    lon = (lon + 180) % 360 - 180
    inside = xr.zeros_like(lat, dtype=bool)
    for west, east, south, north in INLAND.values():
        inside = inside | ((lon >= west) & (lon <= east) & (lat >= south) & (lat <= north))
    return inside


def active_cells(
    siconc: xr.DataArray,
    land: xr.DataArray,
    flag: xr.DataArray,
    *,
    fit: np.ndarray,
    max_ice: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the cells (month, y, x) bool that count in loss and scores, for each calendar month.

    Where the provider publishes the cells that can hold ice (`max_ice`, OSI SAF's maximum-ice climatology), those; else
    the cells whose SIC went above the ice edge, 0.15, in that calendar month or the one before or after it at any time
    of the fit period: the neighbours stand for the year that freezes early or melts late but has not yet been seen.
    Land, the Caspian and Black Sea and lakes are taken out.

    siconc: (time, y, x) fraction with coordinates lat, lon; flag: (time, y, x), a missing value never counts as ice.
    land: (y, x) bool. fit: mask over `time`, true where it may be looked at, so that nothing later leaks in.
    Lazy in, lazy out. Raises DataError when the fit period holds no data.
    """
    if max_ice is None:
        if not np.any(fit):
            raise DataError(
                "active cells: no time step of siconc lies in the fit period; choose one inside the record"
            )
        period = siconc.where(flag != Flag.MISSING).isel(time=np.flatnonzero(fit))
        month = period["time"].dt.month
        iced = xr.concat(
            [(period.isel(time=np.flatnonzero(month == m)) > ICE_EDGE).any("time") for m in range(1, 13)],
            dim=pd.Index(range(1, 13), name="month"),
        )
        cells = iced | _next_month(iced, 1) | _next_month(iced, -1)
    else:
        cells = max_ice
    sea = ~land & ~inland(siconc["lon"], siconc["lat"])
    active = (cells & sea).transpose("month", "y", "x").rename("active")
    active.attrs = {"long_name": "cells that can hold sea ice in the calendar month"}
    return active


def _next_month(monthly: xr.DataArray, by: int) -> xr.DataArray:
    """Shift along the calendar, December next to January; labels stay."""
    return monthly.roll(month=by, roll_coords=False)
