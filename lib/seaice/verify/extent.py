"""Do forecasts tell years with much ice from years with little?

Scores of sea-ice extent that cannot be averaged forecast by forecast. Extent is the area of active
cells with SIC above 0.15, in million km2; cells that were filled in space are included. The extent
of a forecast is the observed extent plus the forecast's extent error, so that cells without an
observed truth never make a difference between two forecasts.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from seaice.geo import ice_area
from seaice.grid import Grid
from seaice.prepare.climate import at_months
from seaice.steps import at, cadence
from seaice.verify import bootstrap
from seaice.verify.scoring import OWN_PAIRS, common_pairs
from seaice.verify.tables import parts

MIN_YEARS = 10  # with fewer judged years their own trend is not removed
# Anomalies in million km2 are rounded. Less than 100 km2 is noise of float32, and without rounding
# a forecast that has no anomalies would get a correlation.
DECIMALS = 4
COLUMNS = ["model", "split", "lead_time", "month", "metric", "trend", "value", "low", "high", "n", "years"]


def observed(ready: xr.Dataset) -> xr.DataArray:
    """Return the observed extent of each step, million km2, dims (time).

    NaN where an active cell has no value.
    """
    return _extent(ready.siconc, ready)


def _extent(siconc: xr.DataArray, ready: xr.Dataset) -> xr.DataArray:
    """Return the extent of `siconc` (time, y, x), million km2, dims (time).

    NaN where an active cell has no value.
    """
    active = at_months(ready.active, siconc.time)
    area = Grid.of(ready.attrs).cell_area
    return ice_area.extent(siconc, area, within=active, complete_in=active).compute().reset_coords(drop=True)


def extent_table(
    scores: xr.Dataset,
    ready: xr.Dataset,
    splits: Mapping[str, Sequence[str]],
    *,
    own_pairs: Sequence[str] = OWN_PAIRS,
) -> pd.DataFrame:
    """Return detrended correlation and RMSE of extent by model, split, lead and valid month.

    All models are judged on the same forecasts, except those in `own_pairs`.
    Columns model, split, lead_time, month ("all", 1..12), metric, trend, value, low, high (95 %,
    blocks drawn), n, years (how many blocks, see `bootstrap.blocks`).
    `rmse`: million km2, perfect 0; no trend is removed.
    `detrended_correlation`: Pearson's correlation between the anomalies of forecast and observed
    extent, -1..1, perfect 1. How anomalies are made depends on the split, and the column trend says
    it:
    - "judged years", with `MIN_YEARS` years or more: from both series the least-squares line of
    each calendar month over these years is removed, as in Bushuk et al. 2024,
    doi:10.1175/BAMS-D-23-0163.1. There are rows by month.
    - "fit period", with fewer years, where removing their own line would leave next to nothing:
    from both series the line of the observed extent up to `ready.fit_end` is removed, extrapolated.
    There are rows for all months only. A departure from the old trend that forecast and truth share
    then counts as skill.
    - "normal of the day", for a daily record, which is too short for a trend: the extent of the
    normal SIC of the day is removed.
    scores: see `scoring.forecast_scores`. Raises DataError where a split has no forecast common to
    all models.
    """
    series = observed(ready)
    tables = []
    for split, of_split in parts(scores, splits).items():
        error = common_pairs(of_split, own_pairs=own_pairs)["sie_error"].sel(region="all", drop=True)
        error = error.transpose("init_time", "model", "lead_time")
        valid = error.valid_time.reset_coords(drop=True)
        truth = at(series, valid)
        forecast = (truth + error).transpose(*error.dims)
        truth = truth.broadcast_like(forecast).where(forecast.notnull()).transpose(*error.dims)
        tables += [table.assign(split=split) for table in _tables(forecast, truth, valid, series, ready)]
    return pd.concat(tables, ignore_index=True)[COLUMNS]


def _tables(forecast, truth, valid, series, ready):
    """Give the tables of one split, RMSE first.

    forecast, truth: extent (init_time, model, lead_time). valid: valid time (init_time, lead_time).
    series: observed extent (time).
    """
    x, y = forecast.values, truth.values
    years = forecast.init_time.dt.year.values
    square = np.stack([(x - y) ** 2, np.isfinite(x)], axis=-1)
    yield _table(square, bootstrap.root_mean, forecast, metric="rmse", trend="", month="all")
    labels = {"metric": "detrended_correlation", "month": "all"}
    daily = cadence(ready) == "daily"
    if daily or len(np.unique(years)) < MIN_YEARS:
        normal = (
            at(_extent(ready.siconc_trend, ready), valid)
            if daily
            else past_trend(series, valid, fit_end=ready.attrs["fit_end"])
        )
        products = _products(*(values - normal.values[:, None] for values in (x, y)))
        trend = "normal of the day" if daily else "fit period"
        yield _table(products, bootstrap.correlation, forecast, trend=trend, **labels)
        return
    months, own_years = valid.dt.month.values[:, None], valid.dt.year.values[:, None] + 0 * x
    x, y = (_without_own_trend(values, own_years, months + 0 * x) for values in (x, y))
    yield _table(_products(x, y), bootstrap.correlation, forecast, trend="judged years", **labels)
    for month in range(1, 13):
        sums = _products(*(np.where(months == month, values, np.nan) for values in (x, y)))
        yield _table(
            sums, bootstrap.correlation, forecast, trend="judged years", **(labels | {"month": month})
        )


def _table(sums, statistic, forecast, **labels) -> pd.DataFrame:
    """Return a table of one statistic by model and lead; sums (init_time, model, lead_time, k).

    labels: further columns, each with one value.
    """
    sums = bootstrap.by_block(sums, forecast.block.values)
    counts = sums[..., -1] if statistic is bootstrap.root_mean else sums[..., 0]
    n, with_any = counts.sum(axis=0), (counts > 0).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = statistic(sums.sum(axis=0))
    low, high = bootstrap.interval(sums, statistic)
    # The correlation of two points is always 1 or -1.
    enough = n > 2
    columns = {"value": np.where(enough, value, np.nan), "low": low, "high": high, "n": n, "years": with_any}
    coords = {"model": forecast.model.values, "lead_time": forecast.lead_time.values}
    table = (
        xr.Dataset({k: (tuple(coords), v) for k, v in columns.items()}, coords).to_dataframe().reset_index()
    )
    return table[table["value"].notna()].assign(**labels).astype({"n": int, "years": int})


def past_trend(series: xr.DataArray, valid: xr.DataArray, *, fit_end: str) -> xr.DataArray:
    """Return the past trend of `series (time)` at the months `valid` (any dims).

    It is the least-squares line of each calendar month over the years up to `fit_end`,
    extrapolated. NaN for a calendar month with fewer than two past values.
    """
    past = series.sel(time=slice(None, fit_end)).dropna("time")
    out = xr.full_like(valid, np.nan, float)
    for month in range(1, 13):
        same = past[past.time.dt.month == month]
        if same.size > 1:
            slope, start = np.polyfit(same.time.dt.year, same, 1)
            out = xr.where(valid.dt.month == month, start + slope * valid.dt.year, out)
    return out


def _without_own_trend(values: np.ndarray, years: np.ndarray, months: np.ndarray) -> np.ndarray:
    """Remove the least-squares line along axis 0 from each calendar month of each column.

    NaN is left out of the fit and stays NaN.
    """
    out = np.full(values.shape, np.nan)
    for month in range(1, 13):
        of_month = np.where(months == month, values, np.nan)
        has_value = np.isfinite(of_month)
        n = np.maximum(has_value.sum(axis=0), 1)
        year = np.where(has_value, years, 0.0) - np.where(has_value, years, 0.0).sum(axis=0) / n
        anomaly = of_month - np.nansum(of_month, axis=0) / n
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = np.where(has_value, year * anomaly, 0).sum(axis=0) / np.where(has_value, year**2, 0).sum(
                axis=0
            )
        out = np.where(has_value, np.round(anomaly - slope * year, DECIMALS), out)
    return out


def _products(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the terms that `bootstrap.correlation` sums up; 0 where x or y is missing."""
    both = np.isfinite(x) & np.isfinite(y)
    x, y = np.where(both, x, 0), np.where(both, y, 0)
    return np.stack([both, x, y, x * x, y * y, x * y], axis=-1).astype(float)
