"""What do the numbers of reanalyses, climate models and the simulated world mean?

There is one small function for each kind of provider.
"""

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.geo import regrid
from seaice.grid import Grid
from seaice.schema import VARIABLES, attributes
from seaice.sources import averages, coordinates, landmask, units
from seaice.sources.ice import ice_dataset, pole_of

ALIASES = {  # schema name <- published names: CMIP6, ECMWF short and CDS long names, NCEP/NOAA
    "siconc": ("siconc", "siconca", "sic", "ci", "sea_ice_cover", "sea_ice_concentration", "ileadfra"),
    "tas": ("tas", "t2m", "2m_temperature", "air"),
    "tos": ("tos", "sst", "sea_surface_temperature"),
    "psl": ("psl", "msl", "slp", "mean_sea_level_pressure"),
    "uas": ("uas", "u10", "10m_u_component_of_wind"),
    "vas": ("vas", "v10", "10m_v_component_of_wind"),
    "rsds": ("rsds", "ssrd", "surface_solar_radiation_downwards"),
    "rsus": ("rsus",),
    "ta500": ("ta500",),
    "zg500": ("zg500",),
    "zg250": ("zg250",),
    "ua10": ("ua10",),
}
NET_SHORTWAVE = ("ssr", "surface_net_solar_radiation")
ON_LEVELS = {  # schema name: (published names, level in hPa)
    "ta500": (("ta", "t", "temperature"), 500),
    "zg500": (("zg", "z", "geopotential"), 500),
    "zg250": (("zg", "z", "geopotential"), 250),
    "ua10": (("ua", "u", "u_component_of_wind"), 10),
}
# Standard names of winds along the axes of a grid.
GRID_WIND = {"uas": ("x_wind", "grid_eastward_wind"), "vas": ("y_wind", "grid_northward_wind")}
LEVELS = ("plev", "pressure_level", "level", "isobaricInhPa")
RENAMED = {
    "number": "member",
    "forecast_reference_time": "init_time",
    "forecastMonth": "lead_time",
    "realization": "member",
}


def latlon(raw: xr.Dataset, metadata: dict, *, source: str) -> xr.Dataset:
    """Return the schema's fields from a (re)analysis on regular latitudes and longitudes.

    Examples are ERA5, NCEP, OI SST and HadISST. raw: variables named as in `ALIASES` or, on
    pressure levels, `ON_LEVELS`; longitudes -180..180 or 0..360, latitudes in either order. Upward
    shortwave radiation is computed from the downward and the net. If there is sea ice but no
    `land`, land is where ice is always missing. Raises DataError.
    """
    return _fields(coordinates.placed(raw, source=source), metadata, source=source)


def cmip6(raw: xr.Dataset, metadata: dict, *, source: str) -> xr.Dataset:
    """Return the schema's fields from CMIP6 output (doi:10.5194/gmd-9-1937-2016).

    raw: on a curvilinear or regular grid, ice in percent or as a fraction. Raises DataError.
    """
    return _fields(coordinates.placed(raw, source=source), metadata, source=source)


def ease2(raw: xr.Dataset, metadata: dict, *, source: str) -> xr.Dataset:
    """Return the schema's fields from data that already lie on an EASE2 grid: the simulated world.

    raw: in schema names, at any spacing. Raises DataError unless it covers the whole grid of its
    hemisphere.
    """
    grid = Grid(pole_of(metadata, source=source))
    grid = Grid(grid.hemisphere, regrid.ease2_resolution(raw, grid, source=source))
    return _fields(raw.assign_coords(grid.coords()).assign_attrs(grid_kind="ease2"), metadata, source=source)


def seas5(raw: xr.Dataset, metadata: dict, *, source: str) -> xr.Dataset:
    """Return ensemble forecasts of sea ice in the schema, from SEAS5 or data shaped like it.

    SEAS5 is doi:10.24381/cds.68dd14c3 (monthly) or doi:10.24381/cds.181d637e (daily).
    raw: `siconc`, `sea_ice_cover` or the like, on a lat-lon or EASE2 grid. Its dims are number or
    member, a date of issue, and the lead month or, for daily data, forecast_period.
    Returns `siconc (init_time, lead_time, member, y, x)`; lead 1 is the month that begins at
    init_time. Raises DataError if a dimension is missing or leads do not count months from 1.
    """
    raw = _as_forecasts(raw)
    if "forecast_period" in raw.dims:
        raw = averages.monthly_leads(raw, source=source)
    names = {old: new for old, new in RENAMED.items() if old in raw.dims}
    if "init_time" not in raw.dims and "time" in raw.dims:
        names["time"] = "init_time"
    raw = raw.rename(names)
    wanted = ("init_time", "lead_time", "member")
    absent = [d for d in wanted if d not in raw.dims]
    if absent:
        raise DataError(
            f"{source}: no dimensions {absent}; it has {sorted(map(str, raw.dims))}, "
            f"an ensemble needs {wanted}. Ask the Climate Data Store for netCDF of today's layout (number, "
            "forecast_reference_time, and forecastMonth or forecast_period)"
        )
    late = [day for day in pd.DatetimeIndex(raw["init_time"].values) if day.day != 1]
    if late:
        raise DataError(
            f"{source}: the forecast of {late[0]:%Y-%m-%d} was not issued on the 1st of a month, so its "
            "leads are no calendar months; select forecasts of the 1st"
        )
    leads = np.asarray(raw["lead_time"])
    if not np.issubdtype(leads.dtype, np.integer) or leads.min() < 1:
        raise DataError(
            f"{source}: lead_time is {leads[:3]}...; "
            "it must count months from 1, the month that begins at init_time"
        )
    on_ease2 = coordinates.is_projected(raw)
    ds = ease2(raw, metadata, source=source) if on_ease2 else latlon(raw, metadata, source=source)
    init_times = pd.DatetimeIndex(ds["init_time"].values)
    valid = np.array([init_times + pd.DateOffset(months=int(lead) - 1) for lead in leads], "datetime64[ns]").T
    ds = ds.assign_coords(valid_time=(("init_time", "lead_time"), valid))
    return ds.drop_vars("siconc_flag", errors="ignore").transpose(*wanted, ...)


def _as_forecasts(raw: xr.Dataset) -> xr.Dataset:
    """Return `raw` with dates of issue and periods as the Climate Data Store names them today.

    Files that cfgrib wrote name them time and step. One date of issue becomes a dimension.
    """
    if "step" in raw.dims and "time" in raw.coords:
        raw = raw.drop_vars("valid_time", errors="ignore")
        raw = raw.rename(step="forecast_period", time="forecast_reference_time")
    for name in ("forecast_reference_time", "number"):
        if name in raw.coords and raw[name].ndim == 0:
            raw = raw.expand_dims(name)
    return raw


def _fields(raw: xr.Dataset, metadata: dict, *, source: str) -> xr.Dataset:
    """Return all schema variables that `raw` has, and land and flags if there is sea ice.

    metadata: `correct_units` gives units by published name where the file is wrong. Raises
    DataError if no variable is known.
    """
    corrected_units = metadata.get("correct_units", {})
    kind = raw.attrs["grid_kind"]
    out = xr.Dataset(attrs={"grid_kind": kind})
    for name in VARIABLES:
        da = published(raw, name)
        if da is None:
            continue
        da = _bare(da, kind, source=source)
        if name in GRID_WIND and kind == "curvilinear" and da.attrs.get("standard_name") in GRID_WIND[name]:
            raise DataError(
                f"{source}: '{da.name}' is the wind along the axes of its own grid "
                f"({da.attrs['standard_name']}), whose directions the file does not tell; "
                "name a file of eastward and northward wind"
            )
        if name == "siconc":
            unit = corrected_units.get(da.name)
            land, da = landmask.land_and_ice(da, raw, metadata, source=source, published=unit)
            ice = ice_dataset(da, land, kind=kind, source=source, published=unit)
            if "siconc_flag" in raw:
                ice["siconc_flag"] = _bare(raw["siconc_flag"], kind, source=source).astype("uint8")
            out = out.merge(ice)
        else:
            out[name] = units.to_schema(da, name, source=source, units=corrected_units.get(da.name))
    if "rsds" in out and "rsus" not in out:
        net = next((raw[n] for n in NET_SHORTWAVE if n in raw), None)
        if net is not None:
            out["rsus"] = out["rsds"] - units.to_schema(
                _bare(net, kind, source=source), "rsds", source=source
            )
            out["rsus"].attrs = attributes("rsus")
    if not out.data_vars:
        raise DataError(f"{source}: {_why_none(raw)}")
    if "max_ice" in raw:
        out["max_ice"] = raw["max_ice"]
    return out


def published(raw: xr.Dataset, name: str) -> xr.DataArray | None:
    """Return a schema variable by one of its published names, or from a field on pressure levels.

    Returns None if `raw` has neither.
    """
    field = next((raw[n] for n in ALIASES[name] if n in raw), None)
    if field is not None or name not in ON_LEVELS:
        return field
    names, target_hpa = ON_LEVELS[name]
    da = next((raw[n] for n in names if n in raw), None)
    level = next((d for d in LEVELS if da is not None and d in da.dims), None)
    if level is None:
        return None
    index = np.flatnonzero(np.isclose(_hpa(da[level]), target_hpa))
    return da.isel({level: index[0]}, drop=True) if index.size else None


def _hpa(level: xr.DataArray) -> np.ndarray:
    """Return pressure levels in hPa, by their units or, without any, by their size.

    No level of the air lies above 1100 hPa, so that larger numbers are Pa.
    """
    values = np.asarray(level, dtype=float)
    factor = dict.fromkeys(("Pa", "pascal"), 0.01) | dict.fromkeys(("hPa", "mbar", "mb", "millibars"), 1.0)
    return values * factor.get(level.attrs.get("units"), 0.01 if values.max() > 1100 else 1.0)


def _why_none(raw: xr.Dataset) -> str:
    """Return what to say about a dataset of which no variable is one of the schema."""
    lacking = []
    for name, (names, target_hpa) in ON_LEVELS.items():
        da = next((raw[n] for n in names if n in raw), None)
        if da is not None:
            level = next((d for d in LEVELS if d in da.dims), None)
            held = "no axis of levels" if level is None else f"the levels {_hpa(da[level]).tolist()} hPa"
            lacking.append(f"'{da.name}' has {held}, {name} needs {target_hpa} hPa")
    if lacking:
        return f"{'; '.join(lacking)}; name a file that has it"
    return (
        f"none of its variables {sorted(map(str, raw.data_vars))} is known; rename one of them to a name of "
        f"the schema, {', '.join(VARIABLES)}, or add its name to `ALIASES`"
    )


def _bare(da: xr.DataArray, kind: str, *, source: str) -> xr.DataArray:
    """Return `da` with the schema's coordinates and dims only, the two of space last.

    Other coordinates and other dims of length one are dropped. Raises DataError for a field that
    lies on another grid.
    """
    space = ("lat", "lon") if kind == "latlon" else ("y", "x")
    if not set(space) <= set(da.dims):
        raise DataError(
            f"{source}: '{da.name}' has the dims {da.dims}, and the coordinates that place the cells are of "
            f"{space}; name the fields of another grid in an entry of their own"
        )
    keep = {"time", "init_time", "lead_time", "member", "month", "lat", "lon", "y", "x"}
    da = da.squeeze([d for d in da.dims if d not in keep and da.sizes[d] == 1], drop=True)
    da = da.drop_vars([c for c in da.coords if c not in keep])
    return da.transpose(..., *space)
