"""How do hours and days become months? Means over complete months only."""

import logging

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError

log = logging.getLogger(__name__)


def monthly_means(raw: xr.Dataset, *, source: str) -> xr.Dataset:
    """Return the means of the complete months of an hourly (or three-hourly, ...) dataset, stamped with their first day; lazy.

    Accumulations (J m-2 a step) become J m-2 a day, as in ERA5's own monthly means. A month that lacks a step is left
    out and told: its mean would lean to one side of the month. Raises DataError when no month is complete.
    """
    time = raw.indexes["time"]
    month = time.to_period("M")
    step = (time[1:] - time[:-1]).min() if len(time) > 1 else pd.Timedelta(hours=1)
    days, a_day = month.days_in_month, pd.Timedelta(days=1) / step
    complete = month.value_counts().reindex(month).to_numpy() == days * a_day
    if not complete.any():
        raise DataError(
            f"{source}: no month between {time[0]} and {time[-1]} is complete at steps of {step}; ask for whole months"
        )
    if not complete.all():
        left_out = " ".join(sorted({str(m) for m in month[~complete]}))
        log.warning("%s: months with missing steps left out: %s", source, left_out)
    kept = raw.isel(time=np.flatnonzero(complete))
    means = [
        kept.isel(time=np.flatnonzero(month[complete] == m)).mean("time", keep_attrs=True)
        for m in month[complete].unique()
    ]
    out = xr.concat(means, pd.DatetimeIndex(month[complete].unique().to_timestamp(), name="time"))
    sums = [name for name in out.data_vars if out[name].attrs.get("units") in ("J m**-2", "J m-2")]
    return out.assign({name: (out[name] * a_day).assign_attrs(out[name].attrs) for name in sums})


def monthly_leads(raw: xr.Dataset, *, source: str) -> xr.Dataset:
    """Return daily ensemble forecasts as means of the months of the forecast, lead 1 = the month that begins at init_time; lazy.

    raw: dims forecast_reference_time and forecast_period (hours or timedelta, at the end of the day they stand for), others.
    Keeps the leads whose months are complete in every forecast. Raises DataError when there is none.
    """
    issued = pd.DatetimeIndex(raw["forecast_reference_time"].values)
    period = np.asarray(raw["forecast_period"])
    period = pd.to_timedelta(period) if period.dtype.kind == "m" else pd.to_timedelta(period, unit="h")
    forecasts = []
    for init in issued:
        day = init + period - pd.Timedelta(days=1)
        lead = (day.year - init.year) * 12 + day.month - init.month + 1
        steps = {k: np.flatnonzero(lead == k) for k in sorted(set(lead))}
        forecasts.append({k: i for k, i in steps.items() if k >= 1 and len(i) == day[i[0]].days_in_month})
    leads = sorted(set.intersection(*(set(f) for f in forecasts)))
    if not leads:
        raise DataError(
            f"{source}: no month is complete in every forecast; are they issued on the 1st, with a step a day?"
        )
    means = [
        xr.concat(
            [
                raw.isel(forecast_reference_time=n, forecast_period=f[k]).mean(
                    "forecast_period", keep_attrs=True
                )
                for k in leads
            ],
            pd.Index(leads, name="lead_time"),
        )
        for n, f in enumerate(forecasts)
    ]
    return xr.concat(means, pd.DatetimeIndex(issued, name="init_time"))
