"""How is an analysis-ready dataset held in memory? Every variable's time steps as planes (y, x) of one array, and the truth."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.schema import FULL_ICE, ICE_EDGE, Flag

FRACTIONS = (
    "siconc",
    "siconc_trend",
    "ice_frequency",
    "full_ice_frequency",
)  # not anomalies: where they are missing at sea, climatology is not zero
UNSCALED = (*FRACTIONS, "siconc_anomaly")  # along time; all other variables are scaled predictors
NO_TRUTH = 3  # class number of a cell without truth, after the three ice classes
STEPS_AT_ONCE = 24  # time steps read together: bounds the memory used beside the base array


def load_inputs(
    ready: xr.Dataset,
    variables: list[str],
    land: np.ndarray,
    dtype: np.dtype,
    forecasts: Mapping[str, xr.DataArray],
) -> tuple:
    """Read the base planes; also which steps are wholly missing (variable, time), and the share of sea cells filled (%)."""
    n_steps, fixed = ready.sizes["time"], len(variables) * ready.sizes["time"]
    constant = _constant(ready, land)
    given = sum(f.lead_time.size * f.init_time.size for f in forecasts.values())
    planes = np.zeros((fixed + len(constant) + given, *land.shape), dtype)
    planes[fixed : fixed + len(constant)] = constant
    first = fixed + len(constant)
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
    """Planes that belong to no time step, in the order of `channels.FIXED`, then the damping by lead and, where it has one, month."""
    angle = 2 * np.pi * np.arange(1, 13) / 12
    months = np.concatenate([np.cos(angle), np.sin(angle)])[:, None, None] * np.ones(land.shape)
    position = np.meshgrid(*(np.linspace(-1, 1, n) for n in land.shape[::-1]))
    parts = [np.where(land, 1, -1)[None], position, months]
    if "siconc_damping" in ready:
        damping = ready["siconc_damping"].transpose("lead_time", ..., "y", "x").values
        parts.append(np.nan_to_num(damping).reshape(-1, *land.shape))
    return np.concatenate(parts).astype("float32")


def _check_values(values: np.ndarray, name: str, time: pd.DatetimeIndex) -> None:
    low, high = (-1e-3, 1 + 1e-3) if name in FRACTIONS else (np.finfo("float32").min, np.finfo("float32").max)
    outside = ((values < low) | (values > high)).any(axis=(1, 2))
    if outside.any():
        raise DataError(
            f"ready store: '{name}' of {time[outside.argmax()]:%Y-%m-%d} holds infinite values or, as a fraction, leaves 0..1; "
            "are flags or percent read as data?"
        )


def load_truth(ready: xr.Dataset, n_leads: int) -> np.ndarray:
    """Ice class of every step (time, y, x), uint8; `n_leads` steps more than there are times, all without truth."""
    n_steps = ready.sizes["time"]
    truth = np.full((n_steps + n_leads, ready.sizes["y"], ready.sizes["x"]), NO_TRUTH, "uint8")
    for first in range(0, n_steps, STEPS_AT_ONCE):
        block = slice(first, min(first + STEPS_AT_ONCE, n_steps))
        part = ready[["siconc", "siconc_flag"]].isel(time=block).transpose("time", "y", "x").load()
        siconc = part["siconc"].values
        classes = (siconc > ICE_EDGE).astype("uint8") + (siconc >= FULL_ICE)
        truth[block] = np.where(
            np.isnan(siconc) | (part["siconc_flag"].values != Flag.OBSERVED), NO_TRUTH, classes
        )
    return truth
