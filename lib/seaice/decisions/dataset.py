"""How are decisions written for others? As CF NetCDF, a long table and sentences."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from seaice import cf
from seaice.decisions import events
from seaice.grid import Grid
from seaice.steps import FREQUENCY, cadence_of, valid_time

ATTRIBUTES = Path(__file__).with_name("dataset.yml")
NETCDF, TABLE, TEXT = "decisions.nc", "decisions.csv", "decisions.txt"
DATES = tuple(f"{prefix}{event}" for prefix in ("", "place_") for event in events.EVENTS)
NAMES = {"place": "place_name", "sea": "sea_name"}  # dims that the file numbers, and their names


def dataset(decided: xr.Dataset, attrs: Mapping, init_time: pd.Timestamp, *, members: int) -> xr.Dataset:
    """Return decisions as a dataset with CF-1.11 attributes; leads of events become dates.

    decided: see `deciding.decide`. attrs: `run`, `hemisphere`, `resolution_km`, `cadence` of the
    record. members: number of evolutions counted.
    """
    grid, cadence = Grid.of(attrs), cadence_of(attrs)
    leads = decided["lead_time"].values
    start = pd.DatetimeIndex(valid_time([init_time], leads, cadence=cadence).values[0])
    bounds = np.stack([start, start + pd.tseries.frequencies.to_offset(FREQUENCY[cadence])], axis=1)
    dims = cf.dims(ATTRIBUTES)
    values = {}
    for name, da in decided.data_vars.items():
        order = ["lead_time" if dim == "time" else dim for dim in dims[name]]
        array = da.transpose(*order).values
        values[name] = days(array, start) if name in DATES else array
    values |= grid.coords() | {"time": start, "lead_time": leads, "forecast_reference_time": init_time}
    values |= {name: decided[name].values for name in ("quantile", "crossing", "limit", "years")}
    values |= {name: decided[name].values for name in decided.coords if str(name).startswith("place_")}
    for dim, name in NAMES.items():
        values[dim], values[name] = np.arange(decided.sizes[dim]), decided[dim].values.astype(object)
    values |= {"time_bounds": bounds, "crs": grid.mapping()}
    ds = cf.dataset(
        ATTRIBUTES,
        values,
        sea="Arctic" if grid.hemisphere == "north" else "Antarctic",
        init=f"{init_time:%Y-%m-%d}",
        id=f"{init_time:%Y%m%d}",
        run=str(attrs.get("run", "")),
        hemisphere=grid.hemisphere,
        resolution_km=grid.resolution_km,
        cadence=cadence,
        members=members,
        n_leads=len(leads),
    )
    for name in DATES:
        ds[name].encoding["_FillValue"] = np.nan  # of the days since the beginning, not of a moment
    return ds


def days(lead: np.ndarray, start: pd.DatetimeIndex) -> np.ndarray:
    """Return the first moments of the steps of some leads, any shape; NaN becomes no time."""
    moments = np.append(start.values.astype("datetime64[ns]"), np.datetime64("NaT", "ns"))
    return moments[np.where(np.isnan(lead), len(start), lead - 1).astype(int)]


def write(ds: xr.Dataset, folder: Path) -> None:
    """Write the dataset as compressed NetCDF into a folder."""
    packed = {
        name: {"zlib": True, "complevel": 4, "shuffle": True}
        for name, da in ds.data_vars.items()
        if da.ndim > 2 and da.dtype.kind in "fM"
    }
    ds.to_netcdf(folder / NETCDF, engine="netcdf4", encoding=packed)
