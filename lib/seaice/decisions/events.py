"""When does the ice go and come, and how likely is it? Counted over equally likely evolutions.

An evolution is one SIC (lead_time, ...) out of the dim `trajectory`. What does not happen within
the leads is censored: it has a probability, and never a date.
"""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from seaice.thresholds import FULL_ICE, ICE_EDGE

# SIC whose crossing is a date: retreat and advance at 15 %, opening and closing at 80 % (Bliss et
# al. 2019, doi:10.1088/1748-9326/aafb84), break-up at 30 % (Cherry et al. 2013).
CROSSED = (ICE_EDGE, 0.30, FULL_ICE)
# SIC below which ships of different kinds go: those of PolarRoute-pipeline's configuration.
OPERATED = (ICE_EDGE, 0.35, FULL_ICE)
DOWN, UP = "break_up", "freeze_up"
EVENTS = (DOWN, UP)
QUANTILES = (0.1, 0.5, 0.9)


def by_when(siconc: xr.DataArray, start: xr.DataArray, threshold: float, event: str) -> xr.DataArray:
    """Return the probability, 0..1, that an event has happened by the end of each step.

    siconc: (trajectory, lead_time, ...), fraction. start: (...), SIC of the last known step. A
    break-up is a step below the threshold after one at or above it, a freeze-up the reverse; the
    first of them counts. Where SIC is missing the result is NaN.
    """
    low, low_before = siconc < threshold, start < threshold
    low = low.transpose("lead_time", "trajectory", ...)
    before = np.concatenate(
        [np.broadcast_to(_like(low_before, low).values, low.shape[1:])[None], low.values[:-1]]
    )
    crossed = low.values & ~before if event == DOWN else ~low.values & before
    happened = np.logical_or.accumulate(crossed, axis=0)
    share = low.isel(trajectory=0, drop=True).copy(data=happened.mean(axis=1, dtype="float32"))
    # A state that is not known can't be left.
    missing = siconc.isnull().any(("trajectory", "lead_time")) | start.isnull()
    return share.where(~missing)


def _like(start: xr.DataArray, low: xr.DataArray) -> xr.DataArray:
    """Return a map with the order of dims that the trajectories have."""
    return start.transpose(*(dim for dim in low.dims if dim in start.dims))


def at_quantile(happened: xr.DataArray, quantiles: Sequence[float] = QUANTILES) -> xr.DataArray:
    """Return the step by which an event has these probabilities, dims (quantile, ...).

    happened: see `by_when`. NaN: censored, or missing. A date "at 0.5" that is censored says that
    the event is less likely than not within the leads.
    """
    steps = [_first(happened >= quantile - 1e-6, happened["lead_time"]) for quantile in quantiles]
    coord = xr.DataArray(list(quantiles), dims="quantile", name="quantile")
    return xr.concat(steps, coord)


def _first(reached: xr.DataArray, lead_time: xr.DataArray) -> xr.DataArray:
    """Return the first lead at which a condition holds, NaN where it never does."""
    number = reached.argmax("lead_time")
    return lead_time.astype("float32")[number].where(reached.any("lead_time")).drop_vars("lead_time")


def share_below(siconc: xr.DataArray, threshold: float) -> xr.DataArray:
    """Return the probability of SIC below a threshold, 0..1, dims (lead_time, ...)."""
    return (siconc < threshold).mean("trajectory", dtype="float32").where(siconc.notnull().all("trajectory"))


def steps_below(siconc: xr.DataArray, threshold: float) -> xr.DataArray:
    """Return the number of steps with SIC below a threshold, of each trajectory."""
    known = siconc.notnull().all("lead_time")
    return (siconc < threshold).sum("lead_time").astype("float32").where(known)


def quantiles(values: xr.DataArray, probabilities: Sequence[float] = QUANTILES) -> xr.DataArray:
    """Return values of the trajectories at these ranks, dims (quantile, ...)."""
    ordered = np.sort(values.transpose("trajectory", ...).values, axis=0)
    number = [max(int(np.ceil(p * len(ordered) - 1e-6)) - 1, 0) for p in probabilities]
    rest = (
        values.transpose("trajectory", ...).isel(trajectory=number).drop_vars("trajectory", errors="ignore")
    )
    renamed = rest.copy(data=ordered[number]).rename(trajectory="quantile")
    return renamed.assign_coords(quantile=list(probabilities))


def mean_over(siconc: xr.DataArray, cells: xr.DataArray, name: str) -> xr.DataArray:
    """Return the mean SIC of the cells of each place or sea, dims (..., name), float32.

    siconc: (..., y, x), fraction; missing cells do not count. cells: bool (name, y, x).
    """
    values, weight = _flat(siconc), cells.values.reshape(len(cells), -1).astype("float32")
    chosen = weight.any(axis=0)
    values, weight = values[..., chosen].astype("float32"), weight[:, chosen]
    there = np.isfinite(values)
    number = there.astype("float32") @ weight.T
    total = np.where(there, values, 0) @ weight.T
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(number > 0, total / number, np.nan).astype("float32")
    return _labelled(mean, siconc, cells, name)


def most_over(siconc: xr.DataArray, cells: xr.DataArray, name: str) -> xr.DataArray:
    """Return the highest SIC in the cells of each place, which a ship must pass, (..., name)."""
    values = _flat(siconc)
    empty = np.full(values.shape[:-1], np.nan, "float32")
    most = [
        np.nanmax(values[..., inside], axis=-1, initial=0) if inside.any() else empty
        for inside in cells.values.reshape(len(cells), -1)
    ]
    return _labelled(np.stack(most, axis=-1).astype("float32"), siconc, cells, name)


def _flat(siconc: xr.DataArray) -> np.ndarray:
    """Return values (..., cell)."""
    values = siconc.transpose(..., "y", "x").values
    return values.reshape(*values.shape[:-2], -1)


def _labelled(values: np.ndarray, siconc: xr.DataArray, cells: xr.DataArray, name: str) -> xr.DataArray:
    """Return values (..., place) with the labels of both arguments."""
    dims = tuple(dim for dim in siconc.transpose(..., "y", "x").dims if dim not in ("y", "x"))
    coords = {dim: siconc[dim] for dim in dims if dim in siconc.coords} | {name: cells[name]}
    return xr.DataArray(values, coords, (*dims, name)).reset_coords(drop=True)
