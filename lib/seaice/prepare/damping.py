"""How long is an anomaly remembered? The share of it that is left some steps later, fitted to the past."""

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.prepare.normals import at_normal
from seaice.steps import LEADS, along_time, cadence, fit_period, shift

DATES = (
    1_500  # days that a daily slope starts from at most, evenly spread: neighbours in time say the same twice
)
BLOCK = 64  # days of anomalies in memory beside the longest lead
# Years of a cell's anomalies that the slope of all cells counts for in a daily one. On NSIDC-0081, fitted to fifteen months, slopes of
# single cells were nearer to the days that they were fitted to and up to 3 % further from the two months after than one for all.
PRIOR_YEARS = 10
YEAR = 365.25  # days


def normal_ice(ready: xr.Dataset, about: str) -> xr.DataArray:
    """Normal SIC of every step, (time, y, x): the linear-"trend" forecast, or the "climatology" of the fit period."""
    if about == "trend":
        return ready.siconc_trend
    if about == "climatology":
        return at_normal(ready.siconc_climatology, ready.time, cadence=cadence(ready))
    raise DataError(f"anomalies about {about!r} are unknown; choose 'trend' or 'climatology'")


def damping(ready: xr.Dataset, *, lead_times=LEADS, about: str = "trend") -> xr.DataArray:
    """Share of a SIC anomaly that is left `lead_time` steps later, by cell, fitted up to `fit_end`.

    a(lead) = sum A(t) A(t + lead) / sum A(t)^2, the least-squares slope, A the anomaly, kept in 0..1: outside it the few events of a
    cell fit noise. 0 (all is normal again) where the anomaly never varied. Of months, by calendar month that of the last known anomaly:
    (month, lead_time, y, x), lazy where `ready` is. Of days, of which a record may hold only a year or two, over all of them, and drawn
    towards the slope of all cells together, which counts for `PRIOR_YEARS`: (lead_time, y, x), computed at once with some days
    in memory. Source: Van den Dool 2007, Empirical Methods in Short-Term Climate Prediction.
    """
    anomaly = fit_period(ready.siconc - normal_ice(ready, about), ready)
    return (
        _of_days(anomaly, lead_times)
        if cadence(ready) == "daily"
        else _of_months(along_time(anomaly), lead_times)
    )


def _of_months(anomaly: xr.DataArray, lead_times) -> xr.DataArray:
    months = pd.DatetimeIndex(anomaly.time)
    later = [months.get_indexer(pd.DatetimeIndex(shift(months, lead))) for lead in lead_times]
    slope = xr.apply_ufunc(
        _slopes,
        anomaly,
        kwargs={"month": months.month.to_numpy(), "later": later},
        input_core_dims=[["time"]],
        output_core_dims=[["month", "lead_time"]],
        dask="parallelized",
        dask_gufunc_kwargs={"output_sizes": {"month": 12, "lead_time": len(later)}},
        output_dtypes=["float32"],
    )
    return slope.assign_coords(month=range(1, 13), lead_time=list(lead_times)).transpose(
        "month", "lead_time", "y", "x"
    )


def _slopes(anomaly: np.ndarray, *, month: np.ndarray, later: list[np.ndarray]) -> np.ndarray:
    """Least-squares slopes (..., month, lead), within 0..1; later: position along the last axis of each time a lead on, -1 for none."""
    out = np.zeros((*anomaly.shape[:-1], 12, len(later)), "float32")
    for number, positions in enumerate(later):
        for m in range(12):
            at = np.flatnonzero((month == m + 1) & (positions >= 0))
            now, then = anomaly[..., at].astype("float64"), anomaly[..., positions[at]]
            known = np.isfinite(now) & np.isfinite(then)
            products, squares = (np.where(known, now * other, 0).sum(axis=-1) for other in (then, now))
            slope = np.divide(products, squares, out=np.zeros_like(products), where=squares > 0)
            out[..., m, number] = np.clip(slope, 0, 1)
    return out


def _of_days(anomaly: xr.DataArray, lead_times) -> xr.DataArray:
    """Sums over blocks of days, every day of a record that is short, every few of a long one."""
    anomaly, leads = anomaly.transpose("time", "y", "x"), list(lead_times)
    n, every = anomaly.sizes["time"], max(1, anomaly.sizes["time"] // DATES)
    products, squares = (np.zeros((len(leads), *anomaly.shape[1:])) for _ in range(2))
    for first in range(0, n, BLOCK * every):
        values = anomaly.isel(time=slice(first, first + BLOCK * every + max(leads))).values
        known = np.isfinite(values).astype("float32")
        values = np.where(known, values, 0).astype("float32")
        for number, lead in enumerate(leads):
            now = slice(0, min(BLOCK * every, len(values) - lead) if len(values) > lead else 0, every)
            then = slice(lead, lead + now.stop, every)
            products[number] += np.einsum("tyx,tyx->yx", values[now], values[then])
            squares[number] += np.einsum("tyx,tyx,tyx->yx", values[now], values[now], known[then])
    varies = squares > 0
    share = (
        PRIOR_YEARS * YEAR / np.maximum(n * varies.sum(axis=(1, 2), keepdims=True), 1)
    )  # of the sums of all cells
    products, squares = (sums + share * sums.sum(axis=(1, 2), keepdims=True) for sums in (products, squares))
    slope = np.divide(products, squares, out=np.zeros_like(products), where=varies)
    coords = {"lead_time": leads} | {axis: anomaly[axis] for axis in ("y", "x")}
    return xr.DataArray(np.clip(slope, 0, 1).astype("float32"), coords, ("lead_time", "y", "x"))
