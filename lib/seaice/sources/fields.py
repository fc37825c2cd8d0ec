"""What do reanalyses, climate models and the simulated world mean by their numbers? One small function a provider."""

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.geo import regrid
from seaice.grid import Grid
from seaice.schema import VARIABLES, attributes
from seaice.sources import averages, units
from seaice.sources.observed_ice import first_year, ice_dataset

ALIASES = {  # schema name <- published names: CMIP6, ECMWF short and CDS long names, NCEP/NOAA
    "siconc": ("siconc", "sic", "ci", "sea_ice_cover", "sea_ice_concentration", "ileadfra"),
    "tas": ("tas", "t2m", "2m_temperature"),
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
    """Reanalyses and analyses on regular latitudes and longitudes: ERA5, NCEP, OI SST, HadISST.

    raw: names of `ALIASES` or, on pressure levels, `ON_LEVELS`; longitudes of either convention, latitudes in either order.
    Upward shortwave follows from downward and net. Where there is ice, land is where it is always missing.
    """
    return _fields(_place(raw, source=source), metadata, source=source)


def cmip6(raw: xr.Dataset, metadata: dict, *, source: str) -> xr.Dataset:
    """CMIP6 output on curvilinear or regular grids, in percent or fraction (doi:10.5194/gmd-9-1937-2016)."""
    return _fields(_place(raw, source=source), metadata, source=source)


def ease2(raw: xr.Dataset, metadata: dict, *, source: str) -> xr.Dataset:
    """Fields that lie on the EASE2 grid already, at any spacing, in schema names: the simulated world."""
    grid = Grid(metadata["hemisphere"])
    grid = Grid(grid.hemisphere, regrid.ease2_resolution(raw, grid, source=source))
    return _fields(raw.assign_coords(grid.coords()).assign_attrs(grid_kind="ease2"), metadata, source=source)


def seas5(raw: xr.Dataset, metadata: dict, *, source: str) -> xr.Dataset:
    """Ensemble forecasts of sea ice, SEAS5 (doi:10.24381/cds.68dd14c3, daily doi:10.24381/cds.181d637e) or shaped like it.

    raw: `siconc`, `sea_ice_cover` or the like with dims number (or member), a date of issue, lead month or, daily,
    forecast_period, on lat-lon or EASE2.
    Returns `siconc (init_time, lead_time, member, y, x)`, lead 1 = the month that begins at init_time.
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
            f"{source}: no dimensions {absent}; it has {sorted(map(str, raw.dims))}, an ensemble needs {wanted}"
        )
    leads = np.asarray(raw["lead_time"])
    if not np.issubdtype(leads.dtype, np.integer) or leads.min() < 1:
        raise DataError(
            f"{source}: lead_time is {leads[:3]}...; it must count months from 1, the month that begins at init_time"
        )
    on_ease2 = {"x", "y"} <= set(raw.dims)
    ds = ease2(raw, metadata, source=source) if on_ease2 else latlon(raw, metadata, source=source)
    issued = pd.DatetimeIndex(ds["init_time"].values)
    valid = np.array([issued + pd.DateOffset(months=int(lead) - 1) for lead in leads], "datetime64[ns]").T
    ds = ds.assign_coords(valid_time=(("init_time", "lead_time"), valid))
    return ds.drop_vars("siconc_flag", errors="ignore").transpose(*wanted, ...)


def _place(raw: xr.Dataset, *, source: str) -> xr.Dataset:
    """Name the coordinates lat, lon; drop what else there is; mark regular grids `latlon`, others `curvilinear` with dims y, x."""
    found = {}
    for axis, names in (("lat", LATITUDES), ("lon", LONGITUDES)):
        name = next((n for n in names if n in raw.variables), None)
        if name is None:
            raise DataError(
                f"{source}: no coordinate {' or '.join(map(repr, names))}; it holds {sorted(map(str, raw.coords))}"
            )
        found[name] = axis
    raw = raw.set_coords(list(found)).rename({old: new for old, new in found.items() if old != new})
    lat = np.asarray(raw["lat"], dtype=float)
    lat = lat[np.abs(lat) < 1e10]  # some models mark land by a huge coordinate
    if lat.size == 0 or np.abs(lat).max() > 90.01:
        raise DataError(
            f"{source}: latitudes reach {np.abs(lat).max(initial=0):g}; are lat and lon swapped, or in other units?"
        )
    if raw["lat"].ndim == 1:
        if raw["lat"].dims != ("lat",) or raw["lon"].dims != ("lon",):
            raise DataError(
                f"{source}: lat and lon are no axes of a regular grid (dims {raw['lat'].dims}, {raw['lon'].dims})"
            )
        return raw.assign_attrs(grid_kind="latlon")
    rows, columns = raw["lat"].dims
    raw = raw.drop_vars([c for c in (rows, columns) if c in raw.coords]).rename({rows: "y", columns: "x"})
    return raw.assign_attrs(grid_kind="curvilinear")


def _fields(raw: xr.Dataset, metadata: dict, *, source: str) -> xr.Dataset:
    """Return all schema variables that can be found in `raw`, with land and flags where there is ice."""
    corrected = metadata.get("correct_units", {})
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
                da, land.astype(bool), kind=kind, source=source, published=corrected.get(da.name)
            )
            if "siconc_flag" in raw:
                ice["siconc_flag"] = _bare(raw["siconc_flag"], kind).astype("uint8")
            out = out.merge(ice)
        else:
            out[name] = units.to_schema(da, name, source=source, units=corrected.get(da.name))
    if "rsds" in out and "rsus" not in out:
        net = next((raw[n] for n in NET_SHORTWAVE if n in raw), None)
        if net is not None:
            out["rsus"] = out["rsds"] - units.to_schema(_bare(net, kind), "rsds", source=source)
            out["rsus"].attrs = attributes("rsus")
    if not out.data_vars:
        raise DataError(
            f"{source}: none of its variables {sorted(map(str, raw.data_vars))} is known; add a name to `ALIASES`"
        )
    if "max_ice" in raw:
        out["max_ice"] = raw["max_ice"]
    return out


def _published(raw: xr.Dataset, name: str) -> xr.DataArray | None:
    """Find a schema variable under one of its published names, or cut it from a field on pressure levels."""
    found = next((raw[n] for n in ALIASES[name] if n in raw), None)
    if found is not None or name not in ON_LEVELS:
        return found
    names, wanted = ON_LEVELS[name]
    da = next((raw[n] for n in names if n in raw), None)
    level = next((d for d in LEVELS if da is not None and d in da.dims), None)
    if level is None:
        return None
    hpa = np.asarray(da[level], dtype=float) / (100 if level == "plev" else 1)
    index = np.flatnonzero(np.isclose(hpa, wanted))
    return da.isel({level: index[0]}, drop=True) if index.size else None


def _bare(da: xr.DataArray, kind: str) -> xr.DataArray:
    """Drop coordinates and axes of length one that are not of the schema, and put the two of space last."""
    space = ("lat", "lon") if kind == "latlon" else ("y", "x")
    keep = {"time", "init_time", "lead_time", "member", "month", "lat", "lon", "y", "x"}
    da = da.squeeze([d for d in da.dims if d not in keep and da.sizes[d] == 1], drop=True)
    da = da.drop_vars([c for c in da.coords if c not in keep])
    return da.transpose(..., *space)
