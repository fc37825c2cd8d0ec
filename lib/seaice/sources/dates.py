"""Which step does a stamp stand for? Dates of the standard calendar from whatever was published.

A monthly mean is dated by the first of its month, a daily one by midnight.
"""

import logging

import numpy as np
import pandas as pd
import xarray as xr

from seaice import schema
from seaice.errors import DataError

log = logging.getLogger(__name__)

STANDARD = ("standard", "gregorian", "proleptic_gregorian")
# Length in days of the interval that one value may stand for.
LENGTHS = {"monthly": (27.0, 32.0), "daily": (0.5, 1.5)}


def with_dates(raw: xr.Dataset, cadence: str, *, source: str) -> xr.Dataset:
    """Return `raw` with dates of the standard calendar: first of the month, or midnight if daily.

    Where `time` names bounds, the middle of a step's bounds dates it, because models stamp a mean
    with any moment of its interval, the end included. Raises DataError if dates are missing, can't
    be decoded, do not exist in that calendar, contradict their bounds or the cadence, or are out
    of order.
    """
    if "time" not in raw.dims:
        return raw
    if raw.sizes["time"] == 0:
        raise DataError(f"{source}: holds no time step")
    index = standard_index(raw, cadence, source=source)
    published = raw.indexes["time"]
    twice = index[:-1][np.asarray(index[1:] == index[:-1])]
    if len(twice) and not published.has_duplicates and cadence in LENGTHS:
        stamps = " and ".join(map(str, published[index == twice[0]][:2]))
        raise DataError(
            f"{source}: {twice[0]:%Y-%m-%d} appears twice: {stamps} are of one step of a {cadence} "
            f"record, so they are not {cadence}; correct `cadence` in the catalogue entry, or average them"
        )
    schema.check_time(index, source=source)
    return raw.assign_coords(time=("time", index, {"standard_name": "time"}))


def standard_index(raw: xr.Dataset, cadence: str | None, *, source: str) -> pd.DatetimeIndex:
    """Return the dates of `raw` as `with_dates` sets them, without the checks of their order."""
    index = raw.indexes.get("time")
    if index is None:
        raise DataError(
            f"{source}: no coordinate 'time'; without dates its {raw.sizes['time']} steps mean nothing"
        )
    if isinstance(index, xr.CFTimeIndex):
        if cadence == "daily" and index.calendar not in STANDARD:
            raise DataError(
                f"{source}: daily data of the calendar '{index.calendar}' have days that do not exist "
                "or lack some that do; use monthly means"
            )
    elif not isinstance(index, pd.DatetimeIndex):
        raise DataError(
            f"{source}: 'time' starts with {index[0]}, not a date; give it units and a known calendar"
        )
    elif index.hasnans:
        raise DataError(f"{source}: 'time' has a missing date at position {int(np.argmax(index.isna()))}")
    if cadence in LENGTHS:
        index = _middles(raw, index, cadence, source=source)
    if isinstance(index, xr.CFTimeIndex):
        index = pd.DatetimeIndex(
            [f"{t.year:04d}-{t.month:02d}-{t.day if cadence == 'daily' else 1:02d}" for t in index]
        )
    if cadence == "monthly":
        index = index.to_period("M").to_timestamp()
    elif cadence == "daily":
        index = index.normalize()
    return pd.DatetimeIndex(index, name="time")


def _middles(raw: xr.Dataset, index: pd.Index, cadence: str, *, source: str) -> pd.Index:
    """Return the middle of each step's bounds, or the stamps themselves where there are no bounds.

    Bounds shorter than a step are logged if they lie in the step of their stamp. Raises DataError
    for bounds of another length than the cadence's, and for stamps outside them.
    """
    about = raw["time"].attrs | raw["time"].encoding
    name = about.get("bounds") or about.get("climatology")
    if name not in raw.variables or raw[name].dims[:1] != ("time",) or raw[name].shape[1:] != (2,):
        return index
    if raw[name].dtype.kind not in "MO":
        raise DataError(
            f"{source}: the bounds '{name}' of 'time' are {raw[name].dtype}, not dates, so no step can be "
            "dated; give them the units of 'time', or drop them"
        )
    begin, end = (raw[name].values[:, side] for side in (0, 1))
    days = np.array([pd.Timedelta(length).total_seconds() for length in end - begin]) / 86_400
    shortest, longest = LENGTHS[cadence]
    middle = begin + (end - begin) / 2
    middle = type(index)(middle) if isinstance(index, xr.CFTimeIndex) else pd.DatetimeIndex(middle)
    if bad := np.flatnonzero((days < shortest) | (days > longest)).tolist():
        if days.max() <= longest and _steps(middle, cadence) == _steps(index, cadence):
            log.warning(
                "%s: the bounds '%s' span %.3g days, less than a step; the stamps agree",
                source,
                name,
                days[bad[0]],
            )
            return index
        raise DataError(
            f"{source}: the bounds '{name}' of {index[bad[0]]} are {begin[bad[0]]} to {end[bad[0]]}, "
            f"{days[bad[0]]:.4g} days, which is not {cadence}; correct `cadence` in the catalogue entry"
        )
    astray = np.flatnonzero(np.asarray((index < begin) | (index > end)))
    if len(astray):
        raise DataError(
            f"{source}: the stamp {index[astray[0]]} lies outside its bounds '{name}', {begin[astray[0]]} to "
            f"{end[astray[0]]}; which of the two is right? Correct the file"
        )
    return middle


def _steps(index: pd.Index, cadence: str) -> list[tuple[int, ...]]:
    """Return year and month, and day if the cadence is daily, of dates of any calendar."""
    return [(t.year, t.month, t.day if cadence == "daily" else 1) for t in index]
