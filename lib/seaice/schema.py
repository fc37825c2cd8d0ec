"""What do the variables of the project look like? Their names, units, ranges and classes.

`check` holds a dataset against this schema.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError

SIP_ATTRS = {"long_name": "probability that sea ice concentration exceeds 0.15", "units": "1"}
ICE_CLASSES = ("open_water", "marginal_ice", "full_ice")
MAP = ("y", "x")  # dims of a map
# Their values at a time are computed from earlier years only, so they are known in advance.
KNOWN_AHEAD = ("siconc_trend", "ice_frequency", "full_ice_frequency")
# Channels of these variables are counted in `leads`: for each valid time, known before init_time.
WITH_LEADS = (*KNOWN_AHEAD, "siconc_damping")
DIMS = ("time", "y", "x", "month", "member", "init_time", "lead_time", "ice_class", "channel")


class Flag(np.uint8, Enum):
    """Origin of a value of `siconc`, as `siconc_flag` stores it (uint8).

    Members behave like NumPy scalars of that type: comparing with one, or filling with one, keeps
    it.
    """

    OBSERVED = 0  # seen by the satellite: used as input and as truth; land has this flag, too
    FILLED = 1  # from neighbours in space or time: used as input, but not as truth
    MISSING = 3  # no value


FLAG_ATTRIBUTES = {  # CF attributes of `siconc_flag`
    "flag_values": np.array(list(Flag), "uint8"),
    "flag_meanings": "observed filled_in_space missing",
}


@dataclass(frozen=True)
class Variable:
    """CF description of a variable: standard name, units, valid range and long name.

    The range is in these units.
    """

    standard_name: str
    units: str
    valid_min: float
    valid_max: float
    long_name: str


VARIABLES = {
    "siconc": Variable("sea_ice_area_fraction", "1", 0.0, 1.0, "sea ice concentration"),
    "tas": Variable("air_temperature", "K", 170.0, 340.0, "2 m air temperature"),
    "ta500": Variable("air_temperature", "K", 170.0, 300.0, "air temperature at 500 hPa"),
    "tos": Variable("sea_surface_temperature", "K", 265.0, 320.0, "sea surface temperature"),
    "rsds": Variable(
        "surface_downwelling_shortwave_flux_in_air", "W m-2", -1.0, 700.0, "surface downwelling shortwave"
    ),
    "rsus": Variable(
        "surface_upwelling_shortwave_flux_in_air", "W m-2", -1.0, 600.0, "surface upwelling shortwave"
    ),
    "psl": Variable("air_pressure_at_mean_sea_level", "Pa", 85_000.0, 110_000.0, "mean sea level pressure"),
    "zg500": Variable("geopotential_height", "m", 4_000.0, 6_500.0, "geopotential height at 500 hPa"),
    "zg250": Variable("geopotential_height", "m", 8_000.0, 12_000.0, "geopotential height at 250 hPa"),
    "ua10": Variable("eastward_wind", "m s-1", -150.0, 150.0, "zonal wind at 10 hPa"),
    # After the rotation to the grid. Providers return eastward and northward components.
    "uas": Variable("x_wind", "m s-1", -60.0, 60.0, "10 m wind along the grid's x axis"),
    "vas": Variable("y_wind", "m s-1", -60.0, 60.0, "10 m wind along the grid's y axis"),
}


def attributes(name: str) -> dict:
    """Return the CF attributes of a variable of the schema. Raises KeyError for any other name."""
    variable = VARIABLES[name]
    return {"standard_name": variable.standard_name, "units": variable.units, "long_name": variable.long_name}


def check(ds: xr.Dataset, *, source: str, variables: Iterable[str] | None = None) -> xr.Dataset:
    """Return `ds` unchanged if it follows the schema.

    ds: dims (time, y, x); variables named as in `VARIABLES` and in the units given there; time that
    increases without duplicates. source: catalogue entry or file, for messages. variables: those to
    check; by default all variables of the schema that are in `ds`.
    The values are not checked, because that would read the data: `units.guarded` checks them when
    they are read. Raises DataError that says what does not follow the schema.
    """
    names = list(variables) if variables is not None else [n for n in ds.data_vars if n in VARIABLES]
    for name in names:
        if name not in ds:
            raise DataError(
                f"{source}: variable '{name}' is missing; it holds {sorted(map(str, ds.data_vars))}"
            )
        units = ds[name].attrs.get("units")
        if units != VARIABLES[name].units:
            raise DataError(
                f"{source}: '{name}' has units {units!r}, expected {VARIABLES[name].units!r}; "
                "convert them in its provider"
            )
        unknown = [d for d in ds[name].dims if d not in DIMS]
        if unknown:
            raise DataError(f"{source}: '{name}' has dimensions {unknown} outside the schema {DIMS}")
    if "time" in ds.dims:
        check_time(ds.indexes["time"], source=source)
    return ds


def check_time(time: pd.Index, *, source: str) -> None:
    """Raise DataError, naming the first wrong date, unless `time` increases strictly.

    time: a pandas index.
    """
    increases = np.asarray(time[1:] > time[:-1])
    if not increases.all():
        date = time[1:][~increases][0]
        kind = "appears twice" if (time == date).sum() > 1 else "is out of order"
        raise DataError(f"{source}: time {date} {kind}; sort the files and drop duplicates before use")
