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
from seaice.sources import averages, units
from seaice.sources.ice import first_year, ice_dataset

ALIASES = {  # schema name <- published names: CMIP6, ECMWF short and CDS long names, NCEP/NOAA
    "siconc": ("siconc", "sic", "ci", "sea_ice_cover", "sea_ice_concentration", "ileadfra"),
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
LEVELS = ("plev", "pressure_level", "level", "isobaricInhPa")
LATITUDES, LONGITUDES = ("lat", "latitude", "nav_lat"), ("lon", "longitude", "nav_lon")
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
    return _fields(_place(raw, source=source), metadata, source=source)


def cmip6(raw: xr.Dataset, metadata: dict, *, source: str) -> xr.Dataset:
    """Return the schema's fields from CMIP6 output (doi:10.5194/gmd-9-1937-2016).

    raw: on a curvilinear or regular grid, ice in percent or as a fraction. Raises DataError.
    """
    return _fields(_place(raw, source=source), metadata, source=source)


def ease2(raw: xr.Dataset, metadata: dict, *, source: str) -> xr.Dataset:
    """Return the schema's fields from data that already lie on an EASE2 grid: the simulated world.

    raw: in schema names, at any spacing. Raises DataError unless it covers the whole grid of its
    hemisphere.
    """
    grid = Grid(metadata["hemisphere"])
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
            f"an ensemble needs {wanted}"
        )
    leads = np.asarray(raw["lead_time"])
    if not np.issubdtype(leads.dtype, np.integer) or leads.min() < 1:
        raise DataError(
            f"{source}: lead_time is {leads[:3]}...; "
            "it must count months from 1, the month that begins at init_time"
        )
    on_ease2 = {"x", "y"} <= set(raw.dims)
    ds = ease2(raw, metadata, source=source) if on_ease2 else latlon(raw, metadata, source=source)
    init_times = pd.DatetimeIndex(ds["init_time"].values)
    valid = np.array([init_times + pd.DateOffset(months=int(lead) - 1) for lead in leads], "datetime64[ns]").T
    ds = ds.assign_coords(valid_time=(("init_time", "lead_time"), valid))
    return ds.drop_vars("siconc_flag", errors="ignore").transpose(*wanted, ...)


def _place(raw: xr.Dataset, *, source: str) -> xr.Dataset:
    """Return `raw` with coordinates named lat and lon and with the attribute `grid_kind`.

    The kind is `latlon` for a regular grid. Other grids are `curvilinear`; their dims become y, x,
    without coordinates. Raises DataError if latitudes and longitudes are missing or impossible.
    """
    axis_of_name = {}
    for axis, names in (("lat", LATITUDES), ("lon", LONGITUDES)):
        name = next((n for n in names if n in raw.variables), None)
        if name is None:
            raise DataError(
                f"{source}: no coordinate {' or '.join(map(repr, names))}; "
                f"it holds {sorted(map(str, raw.coords))}"
            )
        axis_of_name[name] = axis
    raw = raw.set_coords(list(axis_of_name))
    raw = raw.rename({old: new for old, new in axis_of_name.items() if old != new})
    lat = np.asarray(raw["lat"], dtype=float)
    lat = lat[np.abs(lat) < 1e10]  # some models mark land by a huge coordinate
    if lat.size == 0 or np.abs(lat).max() > 90.01:
        raise DataError(
            f"{source}: latitudes reach {np.abs(lat).max(initial=0):g}; "
            "are lat and lon swapped, or in other units?"
        )
    if raw["lat"].ndim == 1:
        if raw["lat"].dims != ("lat",) or raw["lon"].dims != ("lon",):
            raise DataError(
                f"{source}: lat and lon are not the axes of a regular grid "
                f"(dims {raw['lat'].dims}, {raw['lon'].dims})"
            )
        return raw.assign_attrs(grid_kind="latlon")
    rows, columns = raw["lat"].dims
    raw = raw.drop_vars([c for c in (rows, columns) if c in raw.coords]).rename({rows: "y", columns: "x"})
    return raw.assign_attrs(grid_kind="curvilinear")


def _fields(raw: xr.Dataset, metadata: dict, *, source: str) -> xr.Dataset:
    """Return all schema variables that `raw` has, and land and flags if there is sea ice.

    metadata: `correct_units` gives units by published name where the file is wrong. Raises
    DataError if no variable is known.
    """
    corrected_units = metadata.get("correct_units", {})
    kind = raw.attrs["grid_kind"]
    out = xr.Dataset(attrs={"grid_kind": kind})
    for name in VARIABLES:
        da = _published(raw, name)
        if da is None:
            continue
        da = _bare(da, kind)
        if name == "siconc":
            land = _bare(raw["land"], kind).compute() if "land" in raw else first_year(da.isnull(), "all")
            ice = ice_dataset(
                da, land.astype(bool), kind=kind, source=source, published=corrected_units.get(da.name)
            )
            if "siconc_flag" in raw:
                ice["siconc_flag"] = _bare(raw["siconc_flag"], kind).astype("uint8")
            out = out.merge(ice)
        else:
            out[name] = units.to_schema(da, name, source=source, units=corrected_units.get(da.name))
    if "rsds" in out and "rsus" not in out:
        net = next((raw[n] for n in NET_SHORTWAVE if n in raw), None)
        if net is not None:
            out["rsus"] = out["rsds"] - units.to_schema(_bare(net, kind), "rsds", source=source)
            out["rsus"].attrs = attributes("rsus")
    if not out.data_vars:
        raise DataError(
            f"{source}: none of its variables {sorted(map(str, raw.data_vars))} is known; "
            "add a name to `ALIASES`"
        )
    if "max_ice" in raw:
        out["max_ice"] = raw["max_ice"]
    return out


def _published(raw: xr.Dataset, name: str) -> xr.DataArray | None:
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
    hpa = np.asarray(da[level], dtype=float) / (100 if level == "plev" else 1)
    index = np.flatnonzero(np.isclose(hpa, target_hpa))
    return da.isel({level: index[0]}, drop=True) if index.size else None


def _bare(da: xr.DataArray, kind: str) -> xr.DataArray:
    """Return `da` with the schema's coordinates and dims only, the two of space last.

    Other coordinates and other dims of length one are dropped.
    """
    space = ("lat", "lon") if kind == "latlon" else ("y", "x")
    keep = {"time", "init_time", "lead_time", "member", "month", "lat", "lon", "y", "x"}
    da = da.squeeze([d for d in da.dims if d not in keep and da.sizes[d] == 1], drop=True)
    da = da.drop_vars([c for c in da.coords if c not in keep])
    return da.transpose(..., *space)
