"""What is normal on a day? What is known of calendar months, carried on in a straight line from one month's middle to the next's."""

import numpy as np
import pandas as pd
import xarray as xr

from seaice.prepare.climate import at_months
from seaice.schema import KNOWN_AHEAD
from seaice.steps import at, shift

FEWEST_DAYS = 20  # days of a month that its mean must rest on; fewer lean to one side of the month


def at_normal(known: xr.DataArray, time: xr.DataArray, *, cadence: str) -> xr.DataArray:
    """Return a field of months at the steps of `time` (any dims): of months as it is, of days between the middles of two months.

    known: (month, ...) by calendar month, or (time, ...) of a monthly record; NaN where a month that is needed is. Lazy in, lazy out.
    """
    gather = at_months if "month" in known.dims else at
    if cadence == "monthly":
        return gather(known, time)
    days = np.asarray(time.values).astype("datetime64[ns]")
    month = shift(days, 0)
    before = shift(month, np.where(days < _middle(month), -1, 0))
    after = shift(before, 1)
    share = (days - _middle(before)) / (_middle(after) - _middle(before))
    parts = (gather(known, time.copy(data=months)) for months in (before, after))
    first, second = (part.drop_vars("time", errors="ignore") for part in parts)
    normal = (first + (second - first) * xr.DataArray(share, dims=time.dims)).astype(known.dtype)
    return normal.assign_coords({d: time[d] for d in time.dims if d in time.coords}).assign_attrs(known.attrs)


def _middle(month: np.ndarray) -> np.ndarray:
    return month + (shift(month, 1) - month) / 2


def anomalies(da: xr.DataArray, by_month: xr.DataArray, *, cadence: str) -> xr.DataArray:
    """Return `da` (time, y, x) minus the climatology (month, y, x) of its time of year, same units; lazy in, lazy out."""
    once = (
        by_month if da.chunks is None else by_month.chunk()
    )  # as an array it would go into the graph for every step
    normal = at_normal(once, da.time, cadence=cadence)
    return (da - normal).astype(da.dtype).rename(da.name).assign_attrs(da.attrs)


def of_days(months: xr.Dataset, days: xr.DataArray) -> xr.Dataset:
    """Return `KNOWN_AHEAD` (time, y, x) of a monthly record on each of `days` (time), float32, fractions 0..1, lazily.

    months: `KNOWN_AHEAD` (time, y, x) and `siconc_climatology` (month, y, x), a month past the last day included. The newest month
    in the normal of a day ends 10.4 months before it, so that it is known at every lead of `steps.AHEAD`. Where no earlier year was
    observed, as in the first of a record, the trend is the climatology.
    """
    usual = at_months(months.siconc_climatology, months.time)
    known = months[[*KNOWN_AHEAD]].assign(siconc_trend=months.siconc_trend.fillna(usual))
    found = {name: at_normal(known[name], days, cadence="daily").astype("float32") for name in KNOWN_AHEAD}
    return xr.Dataset(
        {n: da.reset_coords(drop=True).assign_attrs(months[n].attrs) for n, da in found.items()}
    )


def monthly_means(days: xr.DataArray) -> xr.DataArray:
    """Return the means (time, y, x) of the months of a daily field (time, y, x), stamped with their first day; lazy in, lazy out.

    A month of which a cell has fewer than `FEWEST_DAYS` values is NaN there.
    """
    months = pd.DatetimeIndex(shift(days.time.values, 0))
    parts = []
    for month in months.unique():
        part = days.isel(time=np.flatnonzero(months == month))
        enough = part.notnull().sum("time") >= FEWEST_DAYS
        parts.append(part.mean("time", skipna=True).where(enough))
    return (
        xr.concat(parts, pd.DatetimeIndex(months.unique(), name="time"))
        .astype(days.dtype)
        .assign_attrs(days.attrs)
    )
