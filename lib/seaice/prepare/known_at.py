"""What was known at a moment?

A record as of a date, how complete its time steps are, and short gaps filled between known steps.
"""

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.prepare import climate, derive
from seaice.schema import Flag
from seaice.steps import AHEAD, cadence, offset

# Share of a step's active cells that must have a value. Scattered gaps between swaths are smaller
# than the other 5 %.
COMPLETE = 0.95
# Most steps in a row without any SIC that are filled from the known steps on both sides. After two
# days SIC has changed by 0.04 (docs/daily.md), so the middle of three filled days is off by less.
BRIDGED = {"monthly": 0, "daily": 3}
# Variables that, like the predictors, are only known once their step is observed.
DATES = ("siconc", "siconc_flag", "siconc_anomaly")


def step(ready: xr.Dataset) -> pd.DateOffset:
    """Return the length of one time step of a record. Raises DataError for an unknown cadence."""
    return offset(cadence(ready))


def newest(ready: xr.Dataset) -> pd.Timestamp:
    """Return the newest time step of a record whose SIC is complete.

    Raises DataError if there is none.
    """
    time = ready.indexes["time"]
    for first in range(len(time), 0, -2 * derive.EXTENSION):  # backwards, a few steps at a time
        block = slice(max(0, first - 2 * derive.EXTENSION), first)
        enough = np.flatnonzero(complete(ready.isel(time=block)).values >= COMPLETE)
        if len(enough):
            return time[block][enough[-1]]
    raise DataError("ready store: no time step of siconc is complete; run the preprocessing anew")


def last_observed(ready: xr.Dataset) -> pd.Timestamp:
    """Return the newest time step of a record that has any SIC.

    Raises DataError if there is none.
    """
    flags = ready.siconc_flag
    for first in range(flags.sizes["time"], 0, -2 * derive.EXTENSION):
        block = slice(max(0, first - 2 * derive.EXTENSION), first)
        observed = np.flatnonzero((flags.isel(time=block) != Flag.MISSING).any(("y", "x")).values)
        if len(observed):
            return ready.indexes["time"][block][observed[-1]]
    raise DataError("ready store: siconc is missing throughout; run the preprocessing anew")


def complete(ready: xr.Dataset) -> xr.DataArray:
    """Return the share of active cells that have a value of SIC at each step (time), 0..1."""
    active = climate.at_months(ready.active, ready.time)
    has_value = ready.siconc.notnull() & (ready.siconc_flag != Flag.MISSING)
    return ((has_value & active).sum(("y", "x")) / active.sum(("y", "x"))).compute()


def as_of(ready: xr.Dataset, init_time: pd.Timestamp) -> xr.Dataset:
    """Return a record as it was at `init_time`, lazily: nothing observed at or after it is kept.

    What is known ahead (`schema.KNOWN_AHEAD`) is kept for `steps.AHEAD` from `init_time` on,
    because it comes from a year before its valid time and earlier.
    Raises DataError if the record does not reach `init_time`, or if the step before it is not
    complete.
    """
    time, step_length = ready.indexes["time"], step(ready)
    if init_time - step_length not in time or init_time not in time:
        raise DataError(
            f"init_time {init_time:%Y-%m-%d}: the record {time[0]:%Y-%m-%d} to {time[-1]:%Y-%m-%d} "
            "has no step before it"
        )
    kept = ready.isel(time=time < init_time + AHEAD[cadence(ready)] * step_length)
    observed_names = [
        n for n, da in kept.data_vars.items() if "time" in da.dims and (n in DATES or n not in derive.ICE)
    ]
    past = kept.time < np.datetime64(init_time)
    out = kept.assign(
        {name: kept[name].where(past).assign_attrs(kept[name].attrs) for name in observed_names}
    )
    out["siconc_flag"] = (
        kept.siconc_flag.where(past, Flag.MISSING).astype("uint8").assign_attrs(kept.siconc_flag.attrs)
    )
    last = out.sel(time=[init_time - step_length])
    share = float(complete(last)[0])
    if share < COMPLETE:
        raise DataError(
            f"siconc of {init_time - step_length:%Y-%m-%d} is {'missing' if share == 0 else 'incomplete'}: "
            f"{100 * share:.0f} % of the active cells have a value, {100 * COMPLETE:.0f} % are needed; "
            "choose an earlier init_time, or wait for the data"
        )
    return out


def bridged(record: xr.Dataset) -> xr.Dataset:
    """Return a record, in memory, whose short gaps in SIC are filled, with `Flag.FILLED`.

    Steps without any SIC are filled in a straight line in time, at most `BRIDGED` in a row and only
    between two known steps. So the newest step of a record as of a moment is never filled. Longer
    gaps stay missing. `siconc_anomaly`, if there is one, is filled to match.
    record: siconc, siconc_flag, siconc_trend (time, y, x), see `as_of`.
    """
    siconc, filled_steps = record.siconc.copy(), []
    observed_steps = np.flatnonzero(siconc.notnull().any(("y", "x")))
    for before, after in zip(observed_steps, observed_steps[1:], strict=False):
        if after - before - 1 <= BRIDGED[cadence(record)]:
            for step in range(before + 1, after):
                share = (step - before) / (after - before)
                siconc[step] = (1 - share) * siconc[before] + share * siconc[after]
                filled_steps.append(step)
    is_filled = (
        xr.DataArray(np.isin(np.arange(siconc.sizes["time"]), filled_steps), dims="time") & siconc.notnull()
    )
    out = record.assign(siconc=siconc, siconc_flag=record.siconc_flag.where(~is_filled, Flag.FILLED))
    if "siconc_anomaly" in record:
        out["siconc_anomaly"] = record.siconc_anomaly.where(~is_filled, siconc - record.siconc_trend)
    return out


def filled(record: xr.Dataset) -> pd.DatetimeIndex:
    """Return the times of the steps that `bridged` filled.

    They have values of SIC, but no observed ones.
    """
    observed = ((record.siconc_flag == Flag.OBSERVED) & ~record.land & record.siconc.notnull()).any(
        ("y", "x")
    )
    return record.indexes["time"][(record.siconc.notnull().any(("y", "x")) & ~observed).values]


def predictors(ready: xr.Dataset) -> list[str]:
    """Return the names of a record's variables along time that do not come from sea ice."""
    return [str(name) for name, da in ready.data_vars.items() if "time" in da.dims and name not in derive.ICE]
