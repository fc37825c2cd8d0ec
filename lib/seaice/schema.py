"""The one schema: names, units and ranges of every variable inside the project, and the check that holds them."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError

ICE_EDGE = 0.15  # SIC fraction, Andersson et al. 2021; the field's usual definition of the ice edge
SIP_EDGE = 0.5  # probability above which a forecast says that there is ice, Andersson et al. 2021
FULL_ICE = 0.80  # SIC fraction, Andersson et al. 2021, lower bound of the class "full ice"
SIP_ATTRS = {"long_name": "probability that sea ice concentration exceeds 0.15", "units": "1"}
ICE_CLASSES = ("open_water", "marginal_ice", "full_ice")
MAP = ("y", "x")  # dims of a map
KNOWN_AHEAD = (
    "siconc_trend",
    "ice_frequency",
    "full_ice_frequency",
)  # at a valid time they tell of earlier years only
WITH_LEADS = (
    *KNOWN_AHEAD,
    "siconc_damping",
)  # what a network is given by `leads`: known before init_time, for each valid time
DIMS = ("time", "y", "x", "month", "member", "init_time", "lead_time", "ice_class", "channel")


class Flag(np.uint8, Enum):
    """Origin of a value of `siconc`, as `siconc_flag` stores it (uint8).

    Members behave as NumPy scalars of that type, so that comparing or filling with one keeps the type.
    """

    OBSERVED = 0  # seen by the satellite: an input and a truth; land, too, has this flag
    FILLED = 1  # from its neighbours in space or time: an input, but no truth
    MISSING = 3  # not there


FLAG_ATTRIBUTES = {  # CF attributes of `siconc_flag`
    "flag_values": np.array(list(Flag), "uint8"),
    "flag_meanings": "observed filled_in_space missing",
}


@dataclass(frozen=True)
class Variable:
    """CF description of one variable: standard name, units, valid range (in those units) and long name."""

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
    # After rotation to the grid; before it, providers hand over eastward and northward components.
    "uas": Variable("x_wind", "m s-1", -60.0, 60.0, "10 m wind along the grid's x axis"),
    "vas": Variable("y_wind", "m s-1", -60.0, 60.0, "10 m wind along the grid's y axis"),
}


def attributes(name: str) -> dict:
    """CF attributes of a schema variable. Raises KeyError for a name outside the schema."""
    v = VARIABLES[name]
    return {"standard_name": v.standard_name, "units": v.units, "long_name": v.long_name}


def check(ds: xr.Dataset, *, source: str, variables: Iterable[str] | None = None) -> xr.Dataset:
    """Return `ds` unchanged if it follows the schema, else say what does not.

    ds: dims (time, y, x); variables named as in `VARIABLES`, with those units; time increasing without duplicates.
    source: catalogue entry or file, for messages. variables: those to check, default all known ones in `ds`.
    Values are not looked at, which would read the data: `units.guarded` checks them when they are read. Raises DataError.
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
                f"{source}: '{name}' has units {units!r}, expected {VARIABLES[name].units!r}; convert them in its provider"
            )
        unknown = [d for d in ds[name].dims if d not in DIMS]
        if unknown:
            raise DataError(f"{source}: '{name}' has dimensions {unknown} outside the schema {DIMS}")
    if "time" in ds.dims:
        check_time(ds.indexes["time"], source=source)
    return ds


def check_time(time: pd.Index, *, source: str) -> None:
    """Raise DataError unless `time` (a pandas index) increases strictly, naming the first date that does not."""
    steps = np.asarray(time[1:] > time[:-1])
    if not steps.all():
        bad = time[1:][~steps][0]
        kind = "appears twice" if (time == bad).sum() > 1 else "is out of order"
        raise DataError(f"{source}: time {bad} {kind}; sort the files and drop duplicates before use")
