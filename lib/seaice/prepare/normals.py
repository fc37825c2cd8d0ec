"""What is normal on a day?

What is known of calendar months is interpolated in a straight line from the middle of one month to
the middle of the next.
"""

import numpy as np
import pandas as pd
import xarray as xr

from seaice.prepare.climate import at_months
from seaice.schema import KNOWN_AHEAD
from seaice.steps import at, shift

FEWEST_DAYS = 20  # days that a monthly mean needs; fewer may lie on one side of the month


def at_normal(field: xr.DataArray, time: xr.DataArray, *, cadence: str) -> xr.DataArray:
    """Return a monthly field at the steps of `time` (any dims).

    Steps of months get the field of their month. Days get the field interpolated between the
    middles of two months.
    field: (month, ...) by calendar month, or (time, ...) of a monthly record. The result is NaN
    where a month that it needs is NaN. Lazy in, lazy out.
    """
    gather = at_months if "month" in field.dims else at
    if cadence == "monthly":
        return gather(field, time)
    days = np.asarray(time.values).astype("datetime64[ns]")
    month = shift(days, 0)
    before = shift(month, np.where(days < _middle(month), -1, 0))
    after = shift(before, 1)
    share = (days - _middle(before)) / (_middle(after) - _middle(before))
    neighbours = (gather(field, time.copy(data=first_days)) for first_days in (before, after))
    first, second = (neighbour.drop_vars("time", errors="ignore") for neighbour in neighbours)
    normal = (first + (second - first) * xr.DataArray(share, dims=time.dims)).astype(field.dtype)
    return normal.assign_coords({d: time[d] for d in time.dims if d in time.coords}).assign_attrs(field.attrs)


def _middle(month: np.ndarray) -> np.ndarray:
    """Return the middle of each month, given its first day."""
    return month + (shift(month, 1) - month) / 2


def anomalies(da: xr.DataArray, by_month: xr.DataArray, *, cadence: str) -> xr.DataArray:
    """Return `da` (time, y, x) minus the climatology (month, y, x) of its time of year.

    Same units as `da`. Lazy in, lazy out.
    """
    # Without a chunk of its own, the array would be copied into the task graph for every step.
    chunked = by_month if da.chunks is None else by_month.chunk()
    normal = at_normal(chunked, da.time, cadence=cadence)
    return (da - normal).astype(da.dtype).rename(da.name).assign_attrs(da.attrs)


def of_days(months: xr.Dataset, days: xr.DataArray) -> xr.Dataset:
    """Return `KNOWN_AHEAD` (time, y, x) of a monthly record on each of `days` (time), lazily.

    The result is float32, fractions 0..1.
    months: `KNOWN_AHEAD` (time, y, x) and `siconc_climatology` (month, y, x), up to a month after
    the last day.
    The newest month used for the normal of a day ends 10.4 months before that day, so the normal is
    known at every lead of `steps.AHEAD`. Where no earlier year was observed, as in the first year
    of a record, the trend is the climatology.
    """
    climatology = at_months(months.siconc_climatology, months.time)
    complete = months[[*KNOWN_AHEAD]].assign(siconc_trend=months.siconc_trend.fillna(climatology))
    daily = {name: at_normal(complete[name], days, cadence="daily").astype("float32") for name in KNOWN_AHEAD}
    return xr.Dataset(
        {n: da.reset_coords(drop=True).assign_attrs(months[n].attrs) for n, da in daily.items()}
    )


def monthly_means(days: xr.DataArray) -> xr.DataArray:
    """Return the monthly means (time, y, x) of a daily field (time, y, x).

    Each is stamped with the first day of its month. A cell with fewer than `FEWEST_DAYS` values in
    a month is NaN in that month. Lazy in, lazy out.
    """
    months = pd.DatetimeIndex(shift(days.time.values, 0))
    means = []
    for month in months.unique():
        days_of_month = days.isel(time=np.flatnonzero(months == month))
        enough = days_of_month.notnull().sum("time") >= FEWEST_DAYS
        means.append(days_of_month.mean("time", skipna=True).where(enough))
    return (
        xr.concat(means, pd.DatetimeIndex(months.unique(), name="time"))
        .astype(days.dtype)
        .assign_attrs(days.attrs)
    )
