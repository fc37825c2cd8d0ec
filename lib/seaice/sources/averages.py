"""How do hours and days become months? Means over complete months only."""

import logging

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError

log = logging.getLogger(__name__)


def monthly_means(raw: xr.Dataset, *, source: str) -> xr.Dataset:
    """Return the means of the complete months of an hourly (or three-hourly, ...) dataset, lazily.

    Each mean has the date of the first day of its month. Accumulations (J m-2 per step) become
    J m-2 per day, as in ERA5's own monthly means. A month with missing steps is left out and
    logged, because its mean would be biased to one side of the month. Raises DataError when no
    month is complete.
    """
    time = raw.indexes["time"]
    month = time.to_period("M")
    step = (time[1:] - time[:-1]).min() if len(time) > 1 else pd.Timedelta(hours=1)
    days, steps_per_day = month.days_in_month, pd.Timedelta(days=1) / step
    complete = month.value_counts().reindex(month).to_numpy() == days * steps_per_day
    if not complete.any():
        raise DataError(
            f"{source}: no month between {time[0]} and {time[-1]} is complete at steps of {step}; "
            "ask for whole months"
        )
    if not complete.all():
        left_out = " ".join(sorted({str(m) for m in month[~complete]}))
        log.warning("%s: months with missing steps left out: %s", source, left_out)
    whole_months = raw.isel(time=np.flatnonzero(complete))
    means = [
        whole_months.isel(time=np.flatnonzero(month[complete] == m)).mean("time", keep_attrs=True)
        for m in month[complete].unique()
    ]
    out = xr.concat(means, pd.DatetimeIndex(month[complete].unique().to_timestamp(), name="time"))
    sums = [name for name in out.data_vars if out[name].attrs.get("units") in ("J m**-2", "J m-2")]
    return out.assign({name: (out[name] * steps_per_day).assign_attrs(out[name].attrs) for name in sums})


def monthly_leads(raw: xr.Dataset, *, source: str) -> xr.Dataset:
    """Return the monthly means of daily ensemble forecasts, lazily.

    raw: dims forecast_reference_time and forecast_period, and others. forecast_period is in hours
    or a timedelta, and marks the end of the day that a value stands for. Returns dims init_time
    and lead_time in place of these; lead 1 is the month that begins at init_time. Only leads whose
    months are complete in every forecast are kept. Raises DataError when there is none.
    """
    init_times = pd.DatetimeIndex(raw["forecast_reference_time"].values)
    period = np.asarray(raw["forecast_period"])
    period = pd.to_timedelta(period) if period.dtype.kind == "m" else pd.to_timedelta(period, unit="h")
    steps_of_leads = []
    for init in init_times:
        day = init + period - pd.Timedelta(days=1)
        lead = (day.year - init.year) * 12 + day.month - init.month + 1
        days_of_lead = {k: np.flatnonzero(lead == k) for k in sorted(set(lead))}
        steps_of_leads.append(
            {k: i for k, i in days_of_lead.items() if k >= 1 and len(i) == day[i[0]].days_in_month}
        )
    leads = sorted(set.intersection(*(set(steps) for steps in steps_of_leads)))
    if not leads:
        raise DataError(
            f"{source}: no month is complete in every forecast; "
            "are they issued on the 1st, with one step a day?"
        )
    means = [
        xr.concat(
            [
                raw.isel(forecast_reference_time=forecast, forecast_period=steps[k]).mean(
                    "forecast_period", keep_attrs=True
                )
                for k in leads
            ],
            pd.Index(leads, name="lead_time"),
        )
        for forecast, steps in enumerate(steps_of_leads)
    ]
    return xr.concat(means, pd.DatetimeIndex(init_times, name="init_time"))
