"""In which unit was it published, and can that be true?

Values are converted to the schema's units and checked.
"""

from functools import partial

import numpy as np
import pandas as pd
import xarray as xr

from seaice import schema
from seaice.errors import DataError

STANDARD_GRAVITY = 9.80665  # m s-2, WMO; geopotential / gravity = geopotential height
DAY = 86_400.0  # s, the accumulation period of ERA5's monthly means of daily sums
TOLERANCE = 1e-3  # share of a variable's valid range by which packing and rounding may exceed it

# Schema unit <- published spelling: (factor, offset).
CONVERSIONS = {
    "K": {"K": (1, 0), "kelvin": (1, 0)}
    | dict.fromkeys(("degC", "deg C", "deg_C", "degrees C", "celsius", "Celsius", "C", "°C"), (1, 273.15)),
    "Pa": {"Pa": (1, 0), "pascal": (1, 0)} | dict.fromkeys(("hPa", "mbar", "mb", "millibars"), (100, 0)),
    "m": {"m": (1, 0), "gpm": (1, 0)}
    | dict.fromkeys(("m**2 s**-2", "m2 s-2", "m^2/s^2", "m2/s2"), (1 / STANDARD_GRAVITY, 0)),
    "m s-1": dict.fromkeys(("m s-1", "m s**-1", "m/s"), (1, 0)),
    "W m-2": dict.fromkeys(("W m-2", "W m**-2", "W/m2"), (1, 0))
    | dict.fromkeys(("J m-2", "J m**-2"), (1 / DAY, 0)),
    "1": dict.fromkeys(("1", "fraction", "(0 - 1)", "0-1"), (1, 0))
    | dict.fromkeys(("%", "percent"), (0.01, 0)),
}


def to_schema(da: xr.DataArray, name: str, *, source: str, units: str | None = None) -> xr.DataArray:
    """Return `da` as the schema variable `name`, in its units, as float32, with CF attributes.

    da: any dims, units in its attributes. units: the units according to the catalogue, used where
    the file's are wrong or missing. The first and last step are read at once, so that a wrong unit
    fails here and not hours later. All other values are checked lazily, block by block, when they
    are read. Raises DataError naming source, variable, date and range.
    """
    published = units or da.attrs.get("units")
    target = schema.VARIABLES[name].units
    if published not in CONVERSIONS[target]:
        accepted = ", ".join(CONVERSIONS[target])
        raise DataError(
            f"{source}: '{da.name}' has units {published!r}, which are not known for '{name}' ({accepted}); "
            "correct the file or give `correct_units` in the catalogue entry"
        )
    factor, offset = CONVERSIONS[target][published]
    out = da.astype("float32")
    out = out if (factor, offset) == (1, 0) else out * np.float32(factor) + np.float32(offset)
    out = out.rename(name)
    out.attrs = schema.attributes(name)
    if "eastward" in da.attrs.get("standard_name", "") or "northward" in da.attrs.get("standard_name", ""):
        out.attrs["standard_name"] = da.attrs["standard_name"]
    _check_ends(out, source=source, published=published)
    return guarded(out, source=source)


def guarded(da: xr.DataArray, *, source: str) -> xr.DataArray:
    """Return `da` with a check that raises DataError on reading values outside the valid range."""
    dim = _date_dim(da)
    dates = da.indexes[dim] if dim else None
    check = partial(
        _check_block, name=str(da.name), source=source, axis=da.dims.index(dim) if dim else None, dates=dates
    )
    if da.chunks is None:
        return da.copy(data=check(da.values))
    return da.copy(data=da.data.map_blocks(check, dtype=da.dtype, meta=da.data._meta))


def _check_block(values, *, name, source, axis, dates, block_info=None):
    """Return one block of values; raises DataError with the first date that has an invalid value.

    axis: the axis of `dates`, None without dates. block_info: Dask's location of the block.
    """
    variable = schema.VARIABLES[name]
    slack = TOLERANCE * (variable.valid_max - variable.valid_min)
    invalid = (values < variable.valid_min - slack) | (values > variable.valid_max + slack)
    if invalid.any():
        at_date = ""
        if dates is not None:
            first = block_info[0]["array-location"][axis][0] if block_info else 0
            at_date = f" at {_day(dates[first + np.argwhere(invalid)[0][axis]])}"
        outside = values[invalid]
        raise DataError(
            f"{source}: '{name}'{at_date} holds {outside.min():.6g}..{outside.max():.6g} {variable.units}, "
            f"outside {variable.valid_min:g}..{variable.valid_max:g}; are flags or another unit read as data?"
        )
    return values


def _check_ends(da: xr.DataArray, *, source: str, published: str) -> None:
    """Read the first and last step to find unreadable files, wrong units and mislabelled fractions.

    Raises DataError for any of them.
    """
    dim = _date_dim(da)
    steps = [da.isel({dim: i}) for i in sorted({0, da.sizes[dim] - 1})] if dim and da.sizes[dim] else [da]
    highest = -np.inf
    for step in steps:
        try:
            values = step.values
        except (OSError, RuntimeError) as error:
            raise DataError(
                f"{source}: '{da.name}' cannot be read ({error}); truncated? delete and fetch it again"
            ) from error
        check_day = pd.Index([step[dim].values]) if dim else None
        _check_block(values[None], name=str(da.name), source=source, axis=0 if dim else None, dates=check_day)
        highest = max(highest, np.nanmax(values, initial=-np.inf))
    # There always is a cell with more than 1.5 % of ice somewhere in a polar ocean.
    if published in ("%", "percent") and 0 < highest <= 0.015:
        raise DataError(
            f"{source}: '{da.name}' has units '%' but at most {100 * highest:.4g} in its first and last "
            "step: it is a fraction; give `correct_units: {siconc: '1'}` in the catalogue entry"
        )


def _date_dim(da: xr.DataArray) -> str | None:
    return next((d for d in ("time", "init_time") if d in da.dims), None)


def _day(date) -> str:
    return str(date)[:10]
