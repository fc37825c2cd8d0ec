"""How is time counted? In steps of a record's cadence, a month or a day, of which leads and lags are numbers."""

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
STAMP = {"monthly": "%Y-%m", "daily": "%Y-%m-%d"}  # how a step is written
MONTH_NAMES = tuple(calendar.month_name)[1:]
LEADS = tuple(range(1, 7))  # months, Andersson et al. 2021
# Steps ahead of an init_time at which normals are known: the newest month in one is of a year before, of a day half a month nearer.
AHEAD = {"monthly": 12, "daily": 93}


def cadence(ready: xr.Dataset) -> str:
    """Return "monthly" or "daily", the cadence of a record. Raises DataError for another one."""
    return cadence_of(ready.attrs)


def cadence_of(attrs: Mapping) -> str:
    """Return the cadence that the attributes of a record, or of samples of it, name; without one it is "monthly".

    Raises DataError for another word than "monthly" or "daily".
    """
    named = attrs.get("cadence", "monthly")
    if named not in FREQUENCY:
        raise DataError(f"ready store: cadence {named!r} is unknown; choose one of {sorted(FREQUENCY)}")
    return named


def offset(cadence: str) -> pd.DateOffset:
    """One step, to be added to dates."""
    return pd.tseries.frequencies.to_offset(FREQUENCY[cadence])


def shift(time: ArrayLike, steps: ArrayLike, *, cadence: str = "monthly") -> np.ndarray:
    """Return `time` (any shape) moved by `steps` (broadcast against it), at the beginning of the step it comes to."""
    return (np.asarray(time).astype(f"datetime64[{UNIT[cadence]}]") + np.asarray(steps)).astype(
        "datetime64[ns]"
    )


def shift_by(time: xr.DataArray, steps: int, *, cadence: str = "monthly") -> xr.DataArray:
    """Return labelled `time` moved by `steps`."""
    return time.copy(data=shift(time, steps, cadence=cadence))


def valid_time(
    init_times: ArrayLike, lead_times: ArrayLike = LEADS, *, cadence: str = "monthly"
) -> xr.DataArray:
    """First moment of the step that each forecast is for: init_time + (lead_time - 1) steps, dims (init_time, lead_time).

    Raises DataError for an `init_time` that does not begin a step: no first day of a month, or no midnight.
    """
    init = pd.DatetimeIndex(np.asarray(init_times, dtype="datetime64[ns]"))
    astray = init[init != shift(init, 0, cadence=cadence)]
    if len(astray):
        raise DataError(
            f"init_time {astray[0]} is not {BEGINS[cadence]}; an init_time starts its first forecast {NAME[cadence]}"
        )
    coords = {"init_time": init, "lead_time": np.asarray(lead_times)}
    valid = shift(np.asarray(init)[:, None], coords["lead_time"] - 1, cadence=cadence)
    return xr.DataArray(valid, coords, ("init_time", "lead_time"))


def last_step(init_times: ArrayLike, *, cadence: str = "monthly") -> xr.DataArray:
    """The newest step known at each `init_time`, dims (init_time)."""
    return shift_by(
        valid_time(init_times, [1], cadence=cadence).isel(lead_time=0, drop=True), -1, cadence=cadence
    )


def at(da: xr.DataArray, time: xr.DataArray) -> xr.DataArray:
    """Return `da (time, ...)` at the steps of `time` (any dims), NaN where the record has no such step."""
    return da.reindex(time=np.unique(time)).sel(time=time).drop_vars("time")


def fit_period(da: xr.DataArray, ready: xr.Dataset) -> xr.DataArray:
    """Return the steps of `da (time, ...)` that may be fitted to: those up to `ready.fit_end`."""
    return da.sel(time=slice(None, ready.attrs["fit_end"]))


def bounds(ends: Sequence[str], cadence: str) -> tuple[pd.Timestamp, pd.Timestamp]:
    """First and last step of a range that is written as "YYYY-MM" or "YYYY-MM-DD"; a month's last day where days are counted.

    Raises ValueError for what is no date.
    """
    first, last = (pd.Period(str(end)) for end in ends)
    return first.start_time, last.end_time.to_period(UNIT[cadence]).start_time


def between(ends: Sequence[str], cadence: str) -> pd.DatetimeIndex:
    """All steps of a range, such as the init_times of a split; ends: as for `bounds`."""
    return pd.date_range(*bounds(ends, cadence), freq=FREQUENCY[cadence])


def season(time: ArrayLike, cadence: str) -> np.ndarray:
    """Angle of the year (radians) at `time` (any shape): 2 pi m / 12 of a month, 2 pi (days since 1 January) / 365.25 of a day."""
    days = np.asarray(time).astype("datetime64[D]")
    if cadence == "monthly":
        return 2 * np.pi * (days.astype("datetime64[M]").astype(int) % 12 + 1) / 12
    return 2 * np.pi * (days - days.astype("datetime64[Y]")).astype(int) / 365.25


def along_time(da: xr.DataArray) -> xr.DataArray:
    """Return lazy `da (time, y, x)` with all of time but a few rows in a chunk, for what runs along time; data in memory as they are."""
    if da.chunks is None:
        return da
    rows = max(1, int(32e6 / (da.sizes["time"] * da.sizes["x"] * 8)))
    return da.chunk({"time": -1, "y": rows, "x": -1})
