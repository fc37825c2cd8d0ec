"""What do the numbers of OSI SAF's sea ice concentration mean?"""

import logging

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.geo import masks, regrid
from seaice.grid import Grid
from seaice.sources.ice import first_year, ice_dataset, pole_of, standard_dates, variable

log = logging.getLogger(__name__)

# Bits of OSI SAF's status_flag (OSI-450-a product user manual).
LAND, LAKE, INTERPOLATED, MAX_ICE = 1, 2, 32, 128
# Radius in m of the sphere of the first EASE-Grid, on which OSI SAF's records lay before version 3.
EASE1_SPHERE = 6_371_228.0


def osisaf(raw: xr.Dataset, metadata: dict, *, source: str) -> xr.Dataset:
    """Return sea ice in the schema from the OSI SAF SIC records, or data shaped like them.

    These are OSI-450-a, -450-a1, -430-a, -458 and -438 on EASE2 25 km
    (doi:10.15770/EUM_SAF_OSI_0013 and _0014), which have one layout.
    raw: `ice_conc` (%), `status_flag` (bits), xc, yc (km). Cells that the provider interpolated in
    space, and those in the pole hole at their date, become `Flag.FILLED`: they serve as input, but
    not as truth. `max_ice` comes from the maximum-ice climatology bit of each month. It is left
    out unless `raw` has all twelve months, and if a month never has the bit, which is logged.
    Raises DataError.
    """
    raw = raw.rename({old: new for old, new in (("xc", "x"), ("yc", "y")) if old in raw.dims})
    raw = raw.set_coords([name for name in ("lat", "lon") if name in raw.variables])
    _check_projection(raw, pole_of(metadata, source=source), source=source)
    raw = raw.assign_coords(x=_metres(raw, "x", source=source), y=_metres(raw, "y", source=source))
    concentration, status = (
        variable(raw, ("ice_conc",), source=source),
        variable(raw, ("status_flag",), source=source),
    )
    grid = Grid(pole_of(metadata, source=source))
    grid = Grid(grid.hemisphere, regrid.ease2_resolution(raw, grid, source=source))
    bits = status.fillna(0).astype("int16")  # bit 128 is the same for signed and unsigned bytes
    land = first_year(bits & (LAND | LAKE) > 0, "any")
    if not land.any():
        raise DataError(
            f"{source}: no cell of 'status_flag' has the bits of land ({LAND}) or lake ({LAKE}), so land "
            "would pass for open water; were the flags dropped when the file was processed?"
        )
    concentration = concentration.where(~land)
    dates = standard_dates(raw, source=source)
    hole = masks.polar_hole(grid, dates).assign_coords(time=raw["time"], x=raw["x"], y=raw["y"])
    hole = hole.chunk(time=concentration.chunksizes["time"]) if concentration.chunks else hole
    ds = ice_dataset(
        concentration, land, filled=hole | (bits & INTERPOLATED > 0), kind="ease2", source=source
    )
    can_hold_ice = _can_hold_ice(bits, dates.month, source=source)
    if can_hold_ice is not None:
        ds["max_ice"] = can_hold_ice & ~land
    return ds


def _can_hold_ice(bits: xr.DataArray, months: pd.Index, *, source: str) -> xr.DataArray | None:
    """Return where the provider says that ice is possible, bool (month, y, x).

    None if the twelve months are not all there, or if one never has the bit, which is logged.
    bits: `status_flag` (time, y, x). months: calendar month of each step.
    """
    first = {month: int(np.flatnonzero(months == month)[0]) for month in np.unique(months)}
    if len(first) < 12:  # a part of a year cannot say where ice may be in the other months
        return None
    beyond = (bits.isel(time=list(first.values())) & MAX_ICE > 0).compute()
    without = [
        month
        for month, any_beyond in zip(first, beyond.any(("y", "x")).values, strict=True)
        if not any_beyond
    ]
    if without:
        log.warning(
            "%s: 'status_flag' never has bit %d (ice is impossible) in the months %s; the cells that "
            "can hold ice are taken from the ice itself",
            source,
            MAX_ICE,
            " ".join(map(str, without)),
        )
        return None
    return ~beyond.rename(time="month").assign_coords(month=list(first))


def _check_projection(raw: xr.Dataset, hemisphere: str, *, source: str) -> None:
    """Raise DataError for a projection other than EASE2, and for that of the other hemisphere."""
    mapping = next((v.attrs for v in raw.variables.values() if "grid_mapping_name" in v.attrs), {})
    origin = float(mapping.get("latitude_of_projection_origin", 0))
    if origin * (1 if hemisphere == "north" else -1) < 0:
        raise DataError(
            f"{source}: its projection is centred on latitude {origin:g}, and the entry says hemisphere: "
            f"{hemisphere}; is it the file of the other hemisphere?"
        )
    instead = "use OSI-450-a1 and its continuation OSI-438, which lie on EASE2 25 km"
    cells = f"{raw.sizes.get('y', '?')} x {raw.sizes.get('x', '?')} cells"
    if mapping.get("grid_mapping_name") == "polar_stereographic":
        raise DataError(
            f"{source}: lies on OSI SAF's polar stereographic grid ({cells}), as OSI-401 and OSI-408 do, "
            f"which is not read; {instead}"
        )
    if np.isclose(float(mapping.get("semi_major_axis", 0)), EASE1_SPHERE, atol=1):
        raise DataError(
            f"{source}: lies on the first EASE-Grid, of a sphere ({cells}), as OSI-409 does, which is "
            f"not read; {instead}"
        )


def _metres(raw: xr.Dataset, axis: str, *, source: str) -> np.ndarray:
    """Return the coordinate of an axis in m. Raises DataError if there is none."""
    if axis not in raw.coords:
        raise DataError(
            f"{source}: no coordinate '{axis}' or '{axis}c'; the EASE2 grid cannot be checked without it"
        )
    return raw[axis].values * (1000.0 if raw[axis].attrs.get("units") == "km" else 1.0)
