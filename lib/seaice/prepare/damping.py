"""How long is an anomaly remembered?

The damping is the share of an anomaly that is left some steps later, fitted to the past.
"""

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.prepare.normals import at_normal
from seaice.steps import LEADS, along_time, cadence, fit_period, shift

# Most days, evenly spread, that a daily slope is fitted from: neighbouring days tell the same.
DATES = 1_500
BLOCK = 64  # start days in memory at once, beside the longest lead
# Weight of the slope of all cells in the slope of one cell, in years of that cell's anomalies.
# Fitted to fifteen months of NSIDC-0081, slopes of single cells were nearer than a common slope to
# the days of the fit, and up to 3 % further from those of the two months after.
PRIOR_YEARS = 10
YEAR = 365.25  # days


def normal_ice(ready: xr.Dataset, about: str) -> xr.DataArray:
    """Return the normal SIC (time, y, x) of every step.

    about: "trend" (the linear-trend forecast) or "climatology" (that of the fit period). Raises
    DataError for any other.
    """
    if about == "trend":
        return ready.siconc_trend
    if about == "climatology":
        return at_normal(ready.siconc_climatology, ready.time, cadence=cadence(ready))
    raise DataError(f"anomalies about {about!r} are unknown; choose 'trend' or 'climatology'")


def damping(ready: xr.Dataset, *, lead_times=LEADS, about: str = "trend") -> xr.DataArray:
    """Return the share of a SIC anomaly that is left `lead_time` steps later, 0..1, by cell.

    The share is the least-squares slope a(lead) = sum A(t) A(t + lead) / sum A(t)^2 of the anomaly
    A up to `fit_end`. It is clipped to 0..1, because outside this range the few events of a cell
    fit noise. It is 0 (back to normal) where the anomaly never varied.
    - A monthly record gives (month, lead_time, y, x), by calendar month of the last known anomaly;
      lazy where `ready` is.
    - A daily record may hold only a year or two, so all days share one slope: (lead_time, y, x). It
      is drawn towards the slope of all cells together, which counts for `PRIOR_YEARS`. It is
      computed at once, with some days in memory.
    about: see `normal_ice`.
    Source: Van den Dool 2007, Empirical Methods in Short-Term Climate Prediction.
    """
    anomaly = fit_period(ready.siconc - normal_ice(ready, about), ready)
    return (
        _daily_slopes(anomaly, lead_times)
        if cadence(ready) == "daily"
        else _monthly_slopes(along_time(anomaly), lead_times)
    )


def _monthly_slopes(anomaly: xr.DataArray, lead_times) -> xr.DataArray:
    """Return the slopes (month, lead_time, y, x) of monthly anomalies, lazily."""
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
    """Return the least-squares slopes (..., month, lead) of anomalies (..., time), 0..1.

    month: calendar month of each time. later: for each lead, the position along time of each time
    that much later, -1 for none.
    """
    out = np.zeros((*anomaly.shape[:-1], 12, len(later)), "float32")
    for number, positions in enumerate(later):
        for m in range(12):
            at = np.flatnonzero((month == m + 1) & (positions >= 0))
            now, then = anomaly[..., at].astype("float64"), anomaly[..., positions[at]]
            both_known = np.isfinite(now) & np.isfinite(then)
            products, squares = (np.where(both_known, now * other, 0).sum(axis=-1) for other in (then, now))
            slope = np.divide(products, squares, out=np.zeros_like(products), where=squares > 0)
            out[..., m, number] = np.clip(slope, 0, 1)
    return out


def _daily_slopes(anomaly: xr.DataArray, lead_times) -> xr.DataArray:
    """Return the slopes (lead_time, y, x) of daily anomalies (time, y, x).

    They are summed over blocks of days: from every day of a short record, from every few of a long
    one.
    """
    anomaly, leads = anomaly.transpose("time", "y", "x"), list(lead_times)
    n, every = anomaly.sizes["time"], max(1, anomaly.sizes["time"] // DATES)
    products, squares = (np.zeros((len(leads), *anomaly.shape[1:])) for _ in range(2))
    for first in range(0, n, BLOCK * every):
        values = anomaly.isel(time=slice(first, first + BLOCK * every + max(leads))).values
        observed = np.isfinite(values).astype("float32")
        values = np.where(observed, values, 0).astype("float32")
        for number, lead in enumerate(leads):
            now = slice(0, min(BLOCK * every, len(values) - lead) if len(values) > lead else 0, every)
            then = slice(lead, lead + now.stop, every)
            products[number] += np.einsum("tyx,tyx->yx", values[now], values[then])
            squares[number] += np.einsum("tyx,tyx,tyx->yx", values[now], values[now], observed[then])
    varies = squares > 0
    # How much the sums over all cells add to the sums of each cell.
    share = PRIOR_YEARS * YEAR / np.maximum(n * varies.sum(axis=(1, 2), keepdims=True), 1)
    products, squares = (sums + share * sums.sum(axis=(1, 2), keepdims=True) for sums in (products, squares))
    slope = np.divide(products, squares, out=np.zeros_like(products), where=varies)
    coords = {"lead_time": leads} | {axis: anomaly[axis] for axis in ("y", "x")}
    return xr.DataArray(np.clip(slope, 0, 1).astype("float32"), coords, ("lead_time", "y", "x"))
