"""How is an analysis-ready dataset held in memory?

Every time step of a variable is a plane (y, x) of one array. The truth is held as ice classes.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.schema import Flag
from seaice.thresholds import FULL_ICE, ICE_EDGE

# These are no anomalies: where one is missing at sea, it is filled with the climatology, not 0.
FRACTIONS = ("siconc", "siconc_trend", "ice_frequency", "full_ice_frequency")
# Variables along time that are not scaled; all others are scaled predictors.
UNSCALED = (*FRACTIONS, "siconc_anomaly")
NO_TRUTH = 3  # class number of a cell without truth, after the three ice classes
STEPS_AT_ONCE = 24  # time steps read together; this limits the memory beside the base array


def load_inputs(
    ready: xr.Dataset,
    variables: list[str],
    land: np.ndarray,
    dtype: np.dtype,
    forecasts: Mapping[str, xr.DataArray],
) -> tuple:
    """Return the base planes, which steps are missing, and how many sea cells were filled.

    Planes (plane, y, x), of `dtype`. Steps that are missing as a whole, bool (variable, time).
    Share of sea cells that were filled (variable,), in percent. Raises DataError for infinite
    values and for fractions outside 0..1.
    """
    n_steps, n_along_time = ready.sizes["time"], len(variables) * ready.sizes["time"]
    constant = _constant(ready, land)
    n_forecasts = sum(f.lead_time.size * f.init_time.size for f in forecasts.values())
    planes = np.zeros((n_along_time + len(constant) + n_forecasts, *land.shape), dtype)
    planes[n_along_time : n_along_time + len(constant)] = constant
    first = n_along_time + len(constant)
    for forecast in forecasts.values():
        for lead in forecast.lead_time.values:
            values = forecast.sel(lead_time=lead).transpose("init_time", "y", "x").values
            planes[first : first + len(values)] = np.nan_to_num(values)
            first += len(values)
    absent, filled = np.zeros((len(variables), n_steps), bool), np.zeros(len(variables))
    climatology = np.nan_to_num(ready["siconc_climatology"].transpose("month", "y", "x").values)
    months = ready["time"].dt.month.values - 1
    sea = ~land
    for v, name in enumerate(variables):
        n_filled = 0
        for first in range(0, n_steps, STEPS_AT_ONCE):
            block = slice(first, min(first + STEPS_AT_ONCE, n_steps))
            values = ready[name].isel(time=block).transpose("time", "y", "x").values
            _check_values(values, name, ready.indexes["time"][block])
            nan = np.isnan(values)
            absent[v, block] = (nan | land).all(axis=(1, 2))
            if name == "siconc":
                absent[v, block] |= (
                    (ready["siconc_flag"].isel(time=block) == Flag.MISSING).all(("y", "x")).values
                )
            n_filled += int((nan & sea)[~absent[v, block]].sum())
            fill = climatology[months[block]] * sea if name in FRACTIONS else np.float32(0)
            planes[v * n_steps + block.start : v * n_steps + block.stop] = np.where(nan, fill, values)
        filled[v] = 100 * n_filled / max(1, (~absent[v]).sum() * sea.sum())
    return planes, absent, filled


def _constant(ready: xr.Dataset, land: np.ndarray) -> np.ndarray:
    """Return the planes (plane, y, x) that belong to no time step, float32.

    They are those of `channels.FIXED`, in its order, then the damping by lead and, if it depends on
    the month, by month.
    """
    angle = 2 * np.pi * np.arange(1, 13) / 12
    months = np.concatenate([np.cos(angle), np.sin(angle)])[:, None, None] * np.ones(land.shape)
    position = np.meshgrid(*(np.linspace(-1, 1, n) for n in land.shape[::-1]))
    groups = [np.where(land, 1, -1)[None], position, months]
    if "siconc_damping" in ready:
        damping = ready["siconc_damping"].transpose("lead_time", ..., "y", "x").values
        groups.append(np.nan_to_num(damping).reshape(-1, *land.shape))
    return np.concatenate(groups).astype("float32")


def _check_values(values: np.ndarray, name: str, time: pd.DatetimeIndex) -> None:
    """Raise DataError, naming the first date, for infinite values and fractions outside 0..1."""
    low, high = (-1e-3, 1 + 1e-3) if name in FRACTIONS else (np.finfo("float32").min, np.finfo("float32").max)
    outside = ((values < low) | (values > high)).any(axis=(1, 2))
    if outside.any():
        raise DataError(
            f"ready store: '{name}' of {time[outside.argmax()]:%Y-%m-%d} holds infinite values or, "
            "as a fraction, leaves 0..1; are flags or percent read as data?"
        )


def load_truth(ready: xr.Dataset, n_leads: int) -> np.ndarray:
    """Return the ice class of every step (time, y, x), uint8, `NO_TRUTH` where it was not observed.

    The array has `n_leads` more steps than the record; these have no truth.
    """
    n_steps = ready.sizes["time"]
    truth = np.full((n_steps + n_leads, ready.sizes["y"], ready.sizes["x"]), NO_TRUTH, "uint8")
    for first in range(0, n_steps, STEPS_AT_ONCE):
        block = slice(first, min(first + STEPS_AT_ONCE, n_steps))
        observed = ready[["siconc", "siconc_flag"]].isel(time=block).transpose("time", "y", "x").load()
        siconc = observed["siconc"].values
        classes = (siconc > ICE_EDGE).astype("uint8") + (siconc >= FULL_ICE)
        truth[block] = np.where(
            np.isnan(siconc) | (observed["siconc_flag"].values != Flag.OBSERVED), NO_TRUTH, classes
        )
    return truth


def cell_weights(active: np.ndarray) -> np.ndarray:
    """Return the weight of each cell by calendar month (month, y, x), float32.

    active: bool (month, y, x). A month's active cells weigh N / n, where n is their number and N
    that of the month with the most. Other cells weigh 0. Raises DataError for a month without any.
    """
    counts = active.sum(axis=(1, 2))
    if not counts.all():
        raise DataError(
            f"ready store: month {int(np.argmin(counts)) + 1} has no active cell, so nothing counts in it"
        )
    return (active * (counts.max() / counts)[:, None, None]).astype("float32")
