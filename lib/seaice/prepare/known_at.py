"""What was known at a moment? A record as of a date, how complete its steps are, and short gaps filled between known ones."""

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.prepare import climate, derive
from seaice.schema import Flag
from seaice.steps import AHEAD, cadence, offset

COMPLETE = (
    0.95  # share of a step's active cells that must have a value; scattered gaps of a swath stay below it
)
# Steps in a row without any SIC that are filled between the known ones on either side. Two days on, SIC differs from the last by 0.04
# (docs/daily.md), so that the middle of three filled days is off by less.
BRIDGED = {"monthly": 0, "daily": 3}
DATES = (
    "siconc",
    "siconc_flag",
    "siconc_anomaly",
)  # what belongs to the moment it was observed, beside the predictors


def step(ready: xr.Dataset) -> pd.DateOffset:
    """One time step of a record. Raises DataError for a cadence that is not known."""
    return offset(cadence(ready))


def newest(ready: xr.Dataset) -> pd.Timestamp:
    """The newest time step of a record whose SIC is complete. Raises DataError where there is none."""
    time = ready.indexes["time"]
    for first in range(len(time), 0, -2 * derive.EXTENSION):  # backwards, a few steps at a time
        block = slice(max(0, first - 2 * derive.EXTENSION), first)
        whole = np.flatnonzero(complete(ready.isel(time=block)).values >= COMPLETE)
        if len(whole):
            return time[block][whole[-1]]
    raise DataError("ready store: no time step of siconc is complete; run the preprocessing anew")


def last_observed(ready: xr.Dataset) -> pd.Timestamp:
    """The newest time step of a record that has any SIC. Raises DataError where there is none."""
    flags = ready.siconc_flag
    for first in range(flags.sizes["time"], 0, -2 * derive.EXTENSION):
        block = slice(max(0, first - 2 * derive.EXTENSION), first)
        some = np.flatnonzero((flags.isel(time=block) != Flag.MISSING).any(("y", "x")).values)
        if len(some):
            return ready.indexes["time"][block][some[-1]]
    raise DataError("ready store: siconc is missing throughout; run the preprocessing anew")


def complete(ready: xr.Dataset) -> xr.DataArray:
    """Share of the active cells of each time step (time) that have a value of SIC, 0..1."""
    active = climate.at_months(ready.active, ready.time)
    known = ready.siconc.notnull() & (ready.siconc_flag != Flag.MISSING)
    return ((known & active).sum(("y", "x")) / active.sum(("y", "x"))).compute()


def as_of(ready: xr.Dataset, init_time: pd.Timestamp) -> xr.Dataset:
    """Return a record as it was at `init_time`: nothing observed at or after it, lazily.

    What is known ahead (`schema.KNOWN_AHEAD`) is kept for `steps.AHEAD` from there on: it comes from a year before its valid
    time and earlier. Raises DataError where the record does not reach there, or the step before `init_time` is not complete.
    """
    time, one = ready.indexes["time"], step(ready)
    if init_time - one not in time or init_time not in time:
        raise DataError(
            f"init_time {init_time:%Y-%m-%d}: the record {time[0]:%Y-%m-%d} to {time[-1]:%Y-%m-%d} has no step before it"
        )
    kept = ready.isel(time=time < init_time + AHEAD[cadence(ready)] * one)
    observed = [
        n for n, da in kept.data_vars.items() if "time" in da.dims and (n in DATES or n not in derive.ICE)
    ]
    past = kept.time < np.datetime64(init_time)
    out = kept.assign({name: kept[name].where(past).assign_attrs(kept[name].attrs) for name in observed})
    out["siconc_flag"] = (
        kept.siconc_flag.where(past, Flag.MISSING).astype("uint8").assign_attrs(kept.siconc_flag.attrs)
    )
    last = out.sel(time=[init_time - one])
    share = float(complete(last)[0])
    if share < COMPLETE:
        raise DataError(
            f"siconc of {init_time - one:%Y-%m-%d} is {'missing' if share == 0 else 'incomplete'}: {100 * share:.0f} % of the active cells "
            f"have a value, {100 * COMPLETE:.0f} % are needed; choose an earlier init_time, or wait for the data"
        )
    return out


def bridged(known: xr.Dataset) -> xr.Dataset:
    """Return a record, in memory, in which steps without any SIC are filled in a straight line in time, `Flag.FILLED`.

    At most `BRIDGED` steps in a row, of which both sides are known: never the newest step of a record as of a moment. Longer gaps stay
    missing. `siconc_anomaly`, where there is one, follows. known: siconc, siconc_flag, siconc_trend (time, y, x), see `as_of`.
    """
    siconc, filled = known.siconc.copy(), []
    seen = np.flatnonzero(siconc.notnull().any(("y", "x")))
    for before, after in zip(seen, seen[1:], strict=False):
        if after - before - 1 <= BRIDGED[cadence(known)]:
            for step in range(before + 1, after):
                share = (step - before) / (after - before)
                siconc[step] = (1 - share) * siconc[before] + share * siconc[after]
                filled.append(step)
    new = xr.DataArray(np.isin(np.arange(siconc.sizes["time"]), filled), dims="time") & siconc.notnull()
    out = known.assign(siconc=siconc, siconc_flag=known.siconc_flag.where(~new, Flag.FILLED))
    if "siconc_anomaly" in known:
        out["siconc_anomaly"] = known.siconc_anomaly.where(~new, siconc - known.siconc_trend)
    return out


def filled(known: xr.Dataset) -> pd.DatetimeIndex:
    """Times of the steps that `bridged` filled: they have values of SIC, and none of them was observed."""
    observed = ((known.siconc_flag == Flag.OBSERVED) & ~known.land & known.siconc.notnull()).any(("y", "x"))
    return known.indexes["time"][(known.siconc.notnull().any(("y", "x")) & ~observed).values]


def predictors(ready: xr.Dataset) -> list[str]:
    """Names of a record's variables along time that are neither ice nor derived from it."""
    return [str(name) for name, da in ready.data_vars.items() if "time" in da.dims and name not in derive.ICE]
