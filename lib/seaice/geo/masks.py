"""Which cells count? Land, the pole hole of satellites, inland waters, cells that can hold ice."""

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.grid import NATIVE_KM, Grid
from seaice.schema import Flag
from seaice.thresholds import ICE_EDGE

# Last month and radius (cells of 25 km) of the area around the North Pole that no satellite saw.
# OSI SAF SIC record, as used by Andersson et al. 2021, doi:10.1038/s41467-021-25257-4 (code: Zenodo
# 5176573).
POLE_HOLES = (("1987-06", 28), ("2005-10", 11))

# Waters whose ice is not sea ice, or has no link to the ice of the Arctic. Bounds: west, east,
# south, north (degrees).
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
    """Return True where less than half of a cell is ocean that the provider covers.

    ocean_share: share of such ocean in each cell, 0..1, any shape.
    """
    return ocean_share < 0.5


def polar_hole(grid: Grid, time) -> xr.DataArray:
    """Return the cells inside the OSI SAF pole hole at each date, bool (time, y, x).

    grid: any EASE2 grid; in the south no cell lies in a hole. time: the dates of the data, in any
    form that pandas reads. Source: `POLE_HOLES`.
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
    """Return True in the Caspian Sea, the Black Sea and large lakes, by the boxes of `INLAND`.

    lon, lat: degrees, same dims. Longitudes may run from -180 to 180 or from 0 to 360.
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

    With `max_ice`, these are the cells that the provider says can hold ice (OSI SAF's maximum-ice
    climatology). Without it, they are the cells whose SIC exceeded the ice edge, 0.15, at any time
    of the fit period in that calendar month, the month before or the month after. The two
    neighbouring months stand for years that freeze earlier or melt later than any seen so far.
    Land, the Caspian Sea, the Black Sea and lakes never count.

    siconc: (time, y, x) fraction with coordinates lat, lon. flag: (time, y, x); a missing value
    never counts as ice. land: (y, x) bool. fit: mask over `time`, true in the fit period; other
    steps are not used, so that nothing later leaks in. max_ice: (month, y, x) bool.
    Lazy in, lazy out. Raises DataError when the fit period holds no data.
    """
    if max_ice is None:
        if not np.any(fit):
            raise DataError(
                "active cells: no time step of siconc lies in the fit period; "
                "choose a period inside the record"
            )
        fit_period = siconc.where(flag != Flag.MISSING).isel(time=np.flatnonzero(fit))
        month = fit_period["time"].dt.month
        had_ice = xr.concat(
            [(fit_period.isel(time=np.flatnonzero(month == m)) > ICE_EDGE).any("time") for m in range(1, 13)],
            dim=pd.Index(range(1, 13), name="month"),
        )
        cells = had_ice | _next_month(had_ice, 1) | _next_month(had_ice, -1)
    else:
        cells = max_ice
    sea = ~land & ~inland(siconc["lon"], siconc["lat"])
    active = (cells & sea).transpose("month", "y", "x").rename("active")
    active.attrs = {"long_name": "cells that can hold sea ice in the calendar month"}
    return active


def _next_month(monthly: xr.DataArray, by: int) -> xr.DataArray:
    """Shift monthly values by `by` months along the calendar, past December to January."""
    return monthly.roll(month=by, roll_coords=False)
