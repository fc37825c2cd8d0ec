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
    logged, because its mean would be biased to one side of the month. So are steps past the last
    one with data, if the attributes of `raw` tell it. A cell that lacks a value in a step has no
    mean. Raises DataError when no month is complete.
    """
    raw = _with_values(raw, source=source)
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
        # A step without a value makes the mean one of other hours, so it has none.
        whole_months.isel(time=np.flatnonzero(month[complete] == m)).mean(
            "time", skipna=False, keep_attrs=True
        )
        for m in month[complete].unique()
    ]
    out = xr.concat(means, pd.DatetimeIndex(month[complete].unique().to_timestamp(), name="time"))
    sums = [name for name in out.data_vars if out[name].attrs.get("units") in ("J m**-2", "J m-2")]
    return out.assign({name: (out[name] * steps_per_day).assign_attrs(out[name].attrs) for name in sums})


def _with_values(raw: xr.Dataset, *, source: str) -> xr.Dataset:
    """Return the steps that the attributes of a store say are filled.

    Stores such as ARCO-ERA5 have an axis that goes on past their data. Their attributes name the
    last day of final and of preliminary data (its README; both days are included).
    """
    days = [raw.attrs[name] for name in ("valid_time_stop", "valid_time_stop_era5t") if name in raw.attrs]
    if not days:
        return raw
    end = max(pd.Timestamp(day) for day in days) + pd.Timedelta(days=1)
    time = raw.indexes["time"]
    beyond = time[time >= end]
    if len(beyond):
        log.warning(
            "%s: its data end on %s; the %d steps after that, to %s, are empty and left out",
            source,
            f"{end - pd.Timedelta(days=1):%Y-%m-%d}",
            len(beyond),
            beyond[-1],
        )
    if len(beyond) == len(time) and len(time):
        raise DataError(f"{source}: nothing from {time[0]} on; its data end before {end:%Y-%m-%d}")
    return raw.isel(time=np.flatnonzero(time < end))


def monthly_leads(raw: xr.Dataset, *, source: str) -> xr.Dataset:
    """Return the monthly means of daily ensemble forecasts, lazily.

    raw: dims forecast_reference_time and forecast_period, and others. forecast_period is a
    timedelta, or in the hours or days that its units say (hours without any). It marks the end of
    the day that a value stands for. Returns dims init_time
    and lead_time in place of these; lead 1 is the month that begins at init_time. Only leads whose
    months are complete in every forecast are kept. Raises DataError when there is none.
    """
    init_times = pd.DatetimeIndex(raw["forecast_reference_time"].values)
    period = _as_timedelta(raw["forecast_period"], source=source)
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


def _as_timedelta(period: xr.DataArray, *, source: str) -> pd.TimedeltaIndex:
    """Return forecast periods as timedeltas. Raises DataError for units but hours or days."""
    values, unit = np.asarray(period), str(period.attrs.get("units", "hours"))
    if values.dtype.kind == "m":
        return pd.to_timedelta(values)
    if unit.rstrip("s") not in ("hour", "day", "h", "d"):
        raise DataError(f"{source}: '{period.name}' has units {unit!r}; expected hours or days")
    return pd.to_timedelta(values, unit={"h": "h", "d": "D"}[unit[0]])
