"""How do concentrations of any provider become siconc, its flags and land?"""

import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.grid import EPSG
from seaice.schema import FLAG_ATTRIBUTES, Flag
from seaice.sources import units


def pole_of(metadata: dict, *, source: str) -> str:
    """Return the hemisphere of an entry whose data lie on a polar grid.

    Raises DataError if the entry does not name one.
    """
    hemisphere = metadata.get("hemisphere")
    if hemisphere not in EPSG:
        raise DataError(
            f"{source}: its data lie on a polar grid, but the entry says hemisphere: {hemisphere!r}; write "
            "`hemisphere: north` or `hemisphere: south` into the entry's metadata"
        )
    return hemisphere


def ice_dataset(
    concentration: xr.DataArray,
    land: xr.DataArray,
    *,
    kind: str,
    source: str,
    filled=False,
    published: str | None = None,
) -> xr.Dataset:
    """Return siconc, siconc_flag and land on the source's own grid.

    concentration: in published units, NaN where missing or on land. land: bool. kind: the
    `grid_kind`, see `regrid.to_grid`. filled: cells that may be filled in space; if they have a
    value, it is not an observation. published: units, where those of the file are wrong or
    missing.
    """
    siconc = units.to_schema(concentration, "siconc", source=source, units=published).clip(
        0, 1, keep_attrs=True
    )
    flag = xr.where(
        ~land & filled, Flag.FILLED, xr.where(siconc.isnull() & ~land, Flag.MISSING, Flag.OBSERVED)
    )
    ds = xr.Dataset({"siconc": siconc, "siconc_flag": flag.transpose(*siconc.dims), "land": land})
    ds["land"].attrs = {"long_name": "land, or outside the provider's domain"}
    ds["siconc_flag"].attrs = {"long_name": "origin of siconc", **FLAG_ATTRIBUTES}
    return ds.assign_attrs(grid_kind=kind)


def variable(raw: xr.Dataset, names: tuple[str, ...], *, source: str) -> xr.DataArray:
    """Return the first of the variables `names` that `raw` has.

    Raises DataError if it has none; the message lists its variables.
    """
    for name in names:
        if name in raw:
            return raw[name]
    raise DataError(
        f"{source}: no variable {' or '.join(map(repr, names))}; it holds {sorted(map(str, raw.data_vars))}"
    )


def first_year(where: xr.DataArray, how: str) -> xr.DataArray:
    """Return a fixed map of land, bool (y, x), reduced from the first twelve steps.

    where: bool (..., y, x). how: "any" or "all". The steps are read at once. A coast does not move,
    so twelve steps are enough, and with several of them one bad step does not decide.
    """
    other_dims = [d for d in where.dims if d not in ("y", "x", "lat", "lon")]
    first = where.isel({d: slice(0, 12 if d in ("time", "init_time") else 1) for d in other_dims})
    out = getattr(first, how)(other_dims).compute().rename("land")
    return out.drop_vars([c for c in out.coords if c not in out.dims and out[c].dims != out.dims])


def standard_dates(raw: xr.Dataset, *, source: str) -> pd.DatetimeIndex:
    """Return the dates of `time`. Raises DataError unless they are of the standard calendar."""
    if not isinstance(raw.indexes.get("time"), pd.DatetimeIndex):
        raise DataError(
            f"{source}: 'time' is not decoded to dates of the standard calendar; check its units and calendar"
        )
    return raw.indexes["time"]
