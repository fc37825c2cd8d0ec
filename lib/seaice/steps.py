"""How is time counted? In steps of a record's cadence: a month or a day.

Leads and lags are numbers of steps.
"""

import calendar
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike

from seaice.errors import DataError

FREQUENCY = {"monthly": "MS", "daily": "D"}  # pandas offset of one step
UNIT = {"monthly": "M", "daily": "D"}  # numpy and pandas unit of one step
NAME = {"monthly": "month", "daily": "day"}
BEGINS = {"monthly": "the first day of a month", "daily": "the beginning of a day"}
STAMP = {"monthly": "%Y-%m", "daily": "%Y-%m-%d"}  # format in which a step is written
MONTH_NAMES = tuple(calendar.month_name)[1:]
LEADS = tuple(range(1, 7))  # months, Andersson et al. 2021
# How many steps after an init_time the normals are known. The newest month in a monthly normal is
# that of the year before. For a day it may lie half a month nearer.
AHEAD = {"monthly": 12, "daily": 93}


def cadence(ready: xr.Dataset) -> str:
    """Return the cadence of a record, "monthly" or "daily". Raises DataError for another one."""
    return cadence_of(ready.attrs)


def cadence_of(attrs: Mapping) -> str:
    """Return the cadence in the attributes of a record or of its samples; by default "monthly".

    Raises DataError for another word than "monthly" or "daily".
    """
    cadence = attrs.get("cadence", "monthly")
    if cadence not in FREQUENCY:
        raise DataError(f"ready store: cadence {cadence!r} is unknown; choose one of {sorted(FREQUENCY)}")
    return cadence


def offset(cadence: str) -> pd.DateOffset:
    """Return one step, to be added to dates."""
    return pd.tseries.frequencies.to_offset(FREQUENCY[cadence])


def shift(time: ArrayLike, steps: ArrayLike, *, cadence: str = "monthly") -> np.ndarray:
    """Return `time` (any shape), moved by `steps` (broadcast against it).

    The result is the beginning of a step.
    """
    return (np.asarray(time).astype(f"datetime64[{UNIT[cadence]}]") + np.asarray(steps)).astype(
        "datetime64[ns]"
    )


def shift_by(time: xr.DataArray, steps: int, *, cadence: str = "monthly") -> xr.DataArray:
    """Return `time`, moved by `steps`, with its labels."""
    return time.copy(data=shift(time, steps, cadence=cadence))


def valid_time(
    init_times: ArrayLike, lead_times: ArrayLike = LEADS, *, cadence: str = "monthly"
) -> xr.DataArray:
    """Return the first moment of the step that each forecast is for, dims (init_time, lead_time).

    This is init_time + (lead_time - 1) steps. Raises DataError for an `init_time` that is not the
    beginning of a step: the first day of a month, or midnight.
    """
    init = pd.DatetimeIndex(np.asarray(init_times, dtype="datetime64[ns]"))
    invalid = init[init != shift(init, 0, cadence=cadence)]
    if len(invalid):
        raise DataError(
            f"init_time {invalid[0]} is not {BEGINS[cadence]}; "
            f"an init_time starts its first forecast {NAME[cadence]}"
        )
    coords = {"init_time": init, "lead_time": np.asarray(lead_times)}
    valid = shift(np.asarray(init)[:, None], coords["lead_time"] - 1, cadence=cadence)
    return xr.DataArray(valid, coords, ("init_time", "lead_time"))


def last_step(init_times: ArrayLike, *, cadence: str = "monthly") -> xr.DataArray:
    """Return the newest step that is known at each `init_time`, dims (init_time)."""
    return shift_by(
        valid_time(init_times, [1], cadence=cadence).isel(lead_time=0, drop=True), -1, cadence=cadence
    )


def at(da: xr.DataArray, time: xr.DataArray) -> xr.DataArray:
    """Return `da (time, ...)` at the steps of `time` (any dims).

    Values are NaN if the record has no such step.
    """
    return da.reindex(time=np.unique(time)).sel(time=time).drop_vars("time")


def fit_period(da: xr.DataArray, ready: xr.Dataset) -> xr.DataArray:
    """Return the steps of `da (time, ...)` that may be fitted to: those up to `ready.fit_end`."""
    return da.sel(time=slice(None, ready.attrs["fit_end"]))


def bounds(ends: Sequence[str], cadence: str) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Return the first and the last step of a range that is written as "YYYY-MM" or "YYYY-MM-DD".

    A month ends with its last day if steps are days. Raises ValueError for text that is no date.
    """
    first, last = (pd.Period(str(end)) for end in ends)
    return first.start_time, last.end_time.to_period(UNIT[cadence]).start_time


def between(ends: Sequence[str], cadence: str) -> pd.DatetimeIndex:
    """Return all steps of a range, such as the init_times of a split. ends: as for `bounds`."""
    return pd.date_range(*bounds(ends, cadence), freq=FREQUENCY[cadence])


def season(time: ArrayLike, cadence: str) -> np.ndarray:
    """Return the angle of the year (radians) at `time` (any shape).

    Monthly: 2 pi m / 12 for month m (1..12). Daily: 2 pi (days since 1 January) / 365.25.
    """
    days = np.asarray(time).astype("datetime64[D]")
    if cadence == "monthly":
        return 2 * np.pi * (days.astype("datetime64[M]").astype(int) % 12 + 1) / 12
    return 2 * np.pi * (days - days.astype("datetime64[Y]")).astype(int) / 365.25


def along_time(da: xr.DataArray) -> xr.DataArray:
    """Return `da (time, y, x)` in chunks of all time and a few rows, for work along time.

    Data in memory are returned as they are.
    """
    if da.chunks is None:
        return da
    rows = max(1, int(32e6 / (da.sizes["time"] * da.sizes["x"] * 8)))
    return da.chunk({"time": -1, "y": rows, "x": -1})
