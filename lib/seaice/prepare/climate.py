"""What do the climatology and the linear trend forecast?

Each forecast comes from a stated span of past data only.
"""

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError

TREND_YEARS = 35  # years, longest past that a trend is fitted to, Andersson et al. 2021


def fit_months(time: xr.DataArray, *, fit_end: str, source: str, fit_start: str | None = None) -> np.ndarray:
    """Return a mask over `time` that is true within the fit period.

    fit_start, fit_end: first and last month ("YYYY-MM") or day, both included; the default start is
    that of the record.
    Raises DataError if the fit period holds fewer than 24 months.
    """
    mask = np.asarray(time.values <= np.datetime64(pd.Period(fit_end).end_time))
    if fit_start is not None:
        mask &= time.values >= np.datetime64(pd.Timestamp(fit_start))
    if (months := len(np.unique(time.values[mask].astype("datetime64[M]")))) < 24:
        since = f"from {fit_start} " if fit_start else ""
        raise DataError(
            f"{source}: only {months} months {since}up to {fit_end}; a climatology needs 24 or more: "
            "move the training split, or use more years"
        )
    return mask


def climatology(da: xr.DataArray, *, fit_end: str, fit_start: str | None = None) -> xr.DataArray:
    """Return the mean of each calendar month from `fit_start` (default the first) to `fit_end`.

    da: (time, y, x), any units. Returns (month, y, x) in the same units, NaN where a month was
    never observed. Lazy in, lazy out.
    Raises DataError if the fit period is shorter than two years.
    """
    past = da.isel(time=fit_months(da.time, fit_start=fit_start, fit_end=fit_end, source=str(da.name)))
    month = past["time"].dt.month.values
    # In float32 the mean would depend on how many steps are summed at a time.
    means = [
        past.isel(time=np.flatnonzero(month == m)).mean("time", skipna=True, dtype="float64")
        for m in range(1, 13)
    ]
    return (
        xr.concat(means, pd.Index(range(1, 13), name="month"))
        .astype(da.dtype)
        .assign_attrs(da.attrs)
        .rename(da.name)
    )


def at_months(by_month: xr.DataArray, time: xr.DataArray) -> xr.DataArray:
    """Return a (month, ...) field at the calendar months of `time`, any array of dates."""
    return by_month.sel(month=time.dt.month).drop_vars("month")


def linear_trend(da: xr.DataArray, *, years: int = TREND_YEARS) -> xr.DataArray:
    """Forecast every month by the linear trend of the same calendar month in earlier years.

    In each cell, the least-squares line is fitted to (calendar year, value) over at most `years`
    years before the valid year, and extrapolated. A missing year leaves a gap and does not shift
    the slope. With one past value, that value is the forecast; with none, the forecast is NaN. The
    newest value used is a year older than the valid month, so the forecast is known at every lead
    of up to 12 months.

    da: monthly SIC (time, y, x), fraction. Returns the same shape, clipped to 0..1. Lazy in, lazy
    out.
    Source: the linear-trend benchmark of Andersson et al. 2021, doi:10.1038/s41467-021-25257-4.
    """
    year, month = da.time.dt.year.values, da.time.dt.month.values
    if da.chunks is not None:
        # The fit needs all of time at once, so the chunks are cut along y.
        rows = max(1, int(32e6 / (da.sizes["time"] * da.sizes["x"] * 8)))
        da = da.chunk({"time": -1, "y": rows, "x": -1})
    trend = xr.apply_ufunc(
        _trend_along_first_axis,
        da,
        kwargs={"year": year, "month": month, "years": years},
        input_core_dims=[["time"]],
        output_core_dims=[["time"]],
        dask="parallelized",
        output_dtypes=[da.dtype],
    )
    return trend.transpose("time", "y", "x").assign_attrs(da.attrs).rename("siconc_trend")


def _trend_along_first_axis(
    values: np.ndarray, *, year: np.ndarray, month: np.ndarray, years: int
) -> np.ndarray:
    """Return the trend forecast of SIC `values` (..., time), same shape, clipped to 0..1.

    year, month: of each time step. All targets of a calendar month are fitted in one matrix
    product.
    """
    out = np.full(values.shape, np.nan, values.dtype)
    for m in np.unique(month):
        in_month = np.flatnonzero(month == m)
        # Years are counted from the valid year, so the forecast is the line's intercept.
        ago = year[in_month][:, None] - year[in_month][None, :]  # (past, valid), negative = past
        window = ((ago < 0) & (ago >= -years)).astype(float)
        observed = np.isfinite(values[..., in_month])
        filled = np.where(observed, values[..., in_month], 0.0).astype(float)
        observed = observed.astype(float)
        # Cells observed in the same years, or in none, share these sums. They are counts of years,
        # so they are exact either way.
        any_year, pattern = observed.any(-1, keepdims=True), observed.reshape(-1, len(in_month)).any(0)
        counted = pattern.astype(float) if (observed == (any_year & (pattern > 0))).all() else observed
        n, sx, sxx = (counted @ weight * any_year for weight in (window, window * ago, window * ago**2))
        sy, sxy = filled @ window, filled @ (window * ago)
        with np.errstate(divide="ignore", invalid="ignore"):
            line = np.where(n > 1.5, (sxx * sy - sx * sxy) / (n * sxx - sx**2), sy / n)
        out[..., in_month] = np.clip(line, 0, 1)
    return out
