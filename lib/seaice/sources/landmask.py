"""Which cells of a model or a reanalysis are land, and is its open water there?"""

import numpy as np
import xarray as xr

from seaice.errors import DataError
from seaice.geo import coast

# Variables that tell land (CMIP6 tables; ERA5) and whether they count it or the sea.
MASKS = {"land": "land", "lsm": "land", "sftlf": "land", "sftof": "sea"}
FIRST_STEPS = 12  # a year; a coast does not move, and with several steps a bad one does not decide
OPEN_WATER = 0.005  # fraction of ice at most in a cell of open water; there always is some in a year
GAPS = 0.01  # share of the sea that may lack a value here and there
CURE = (
    f"name a file with one of the masks {', '.join(MASKS)} beside it (urlpath: [ice.nc, sftof.nc]), or write "
    "`land: coastline` into the entry's metadata"
)


def land_and_ice(
    ice: xr.DataArray, raw: xr.Dataset, metadata: dict, *, source: str, published: str | None
) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the land, bool (y, x), and the concentration with a value wherever there is sea.

    ice: the concentration, in `published` units, by default its own; with coordinates lat and lon.
    Land is what a mask beside it says (`MASKS`), or the coastlines in an entry with `land:
    coastline`, or else where the ice is always missing. In an entry with `missing_is_open_water`,
    sea without a value is open water; one of the first two must then say what is land. The first
    year is read at once. Raises DataError if no cell is land, and if ice is missing where there is
    none, because open water would then pass for land.
    """
    space = ice.dims[-2:]
    first = ice.isel({d: slice(0, FIRST_STEPS if d in ("time", "init_time") else 1) for d in ice.dims[:-2]})
    first = first.compute()
    mask = _mask(raw, space, source=source)
    if mask is None and metadata.get("land") == "coastline":
        mask = _coast(first)
    land = ~first.notnull().any(first.dims[:-2]) if mask is None else mask
    land = land.rename("land").drop_vars([c for c in land.coords if c not in land.dims and c in first.dims])
    if metadata.get("missing_is_open_water"):
        if mask is None:
            raise DataError(f"{source}: `missing_is_open_water` needs to know what is land; {CURE}")
        return land, ice.where(land | ice.notnull(), 0).assign_attrs(ice.attrs)
    if "siconc_flag" not in raw:
        _check_open_water(first, land, source=source, published=str(published or ice.attrs.get("units")))
    return land, ice


def _coast(ice: xr.DataArray) -> xr.DataArray:
    """Return the cells whose centre lies on land according to the coastlines of `geo.coast`."""
    lat, lon = xr.broadcast(ice["lat"], ice["lon"])
    lat, lon = (da.transpose(*ice.dims[-2:]) for da in (lat, lon))
    known = (np.abs(lat) <= 90) & np.isfinite(lon)
    turned = (lon.where(known, 0).values.ravel() + 180) % 360 - 180
    on_land = coast.on_land(turned, lat.where(known, 0).values.ravel()).reshape(lat.shape)
    return xr.where(known, on_land, True).drop_vars(["lat", "lon"], errors="ignore")


def _mask(raw: xr.Dataset, space: tuple, *, source: str) -> xr.DataArray | None:
    """Return the land that a mask in `raw` tells, bool over the dims `space`; None without one."""
    name = next((n for n in MASKS if n in raw), None)
    if name is None:
        return None
    da = raw[name].squeeze([d for d in raw[name].dims if d not in space and raw.sizes[d] == 1], drop=True)
    for dim in [d for d in da.dims if d not in space]:
        da = da.isel({dim: 0}, drop=True)
    if set(da.dims) != set(space):
        raise DataError(f"{source}: the mask '{name}' has the dims {da.dims}, the ice has {space}")
    da = da.transpose(*space).compute()
    share = da.astype(float) / (100 if da.attrs.get("units") in ("%", "percent") else 1)
    if float(share.max()) > 1.01 or float(share.min()) < -0.01:
        raise DataError(
            f"{source}: the mask '{name}' holds {float(share.min()):g}..{float(share.max()):g} "
            f"{da.attrs.get('units', 'without units')}, expected 0..1 or percent; correct its units"
        )
    return share > 0.5 if MASKS[name] == "land" else ~(share > 0.5)


def _check_open_water(first: xr.DataArray, land: xr.DataArray, *, source: str, published: str) -> None:
    """Raise DataError if no cell is land, or if open water seems to be missing.

    first: concentrations of the first steps, in `published` units.
    """
    if not bool(land.any()):
        raise DataError(
            f"{source}: '{first.name}' has a value in every cell, so its land would pass for open "
            f"water; {CURE}"
        )
    has_value = first.notnull()
    has_any = has_value.any(first.dims[-2:])
    lacking = float((~has_value & ~land & has_any).sum() / max(int((~land & has_any).sum()), 1))
    factor = 0.01 if published in ("%", "percent") else 1.0
    lowest = float(first.min()) * factor
    if has_value.any() and (lacking > GAPS or lowest > OPEN_WATER):
        why = (
            f"is missing in {lacking:.0%} of the sea, here in one step and there in another"
            if lacking > GAPS
            else f"is nowhere below {lowest:.2g}"
        )
        raise DataError(
            f"{source}: '{first.name}' {why}; it seems to be missing where there is no ice, and open "
            f"water would pass for land. Write `missing_is_open_water: true` into the entry's metadata, and "
            f"{CURE}"
        )
