"""Do forecasts tell years with much ice from years with little?

Scores of sea-ice extent that cannot be averaged forecast by forecast. Extent is the area of active
cells with SIC above 0.15, in million km2; cells that were filled in space are included. The extent
of a forecast is the observed extent plus the forecast's extent error, so that cells without an
observed truth never make a difference between two forecasts.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from seaice.geo import ice_area
from seaice.grid import Grid
from seaice.prepare.climate import at_months
from seaice.steps import cadence
from seaice.verify import intervals, rows
from seaice.verify.scoring import OWN_PAIRS
from seaice.verify.tables import parts, with_number
from seaice.verify.targets import common_targets

MIN_YEARS = 10  # with fewer judged years there is no correlation
# Anomalies in million km2 are rounded. Less than 100 km2 is noise of float32, and without rounding
# a forecast that has no anomalies would get a correlation.
DECIMALS = 4
COLUMNS = ["model", "split", "lead_time", "month", "metric", "value", "low", "high", "n", "blocks", "years"]


def observed(ready: xr.Dataset) -> xr.DataArray:
    """Return the observed extent of each step, million km2, dims (time).

    NaN where an active cell has no value.
    """
    active = at_months(ready.active, ready.time)
    area = Grid.of(ready.attrs).cell_area
    extent = ice_area.extent(ready.siconc, area, within=active, complete_in=active)
    return extent.compute().reset_coords(drop=True)


def extent_table(
    scores: xr.Dataset,
    ready: xr.Dataset,
    splits: Mapping[str, Sequence[str]],
    *,
    own_pairs: Sequence[str] = OWN_PAIRS,
) -> pd.DataFrame:
    """Return detrended correlation and RMSE of extent by model, split, lead and valid month.

    All models are judged on the same forecasts, except those in `own_pairs`, and every lead on the
    same targets, see `targets.common_targets`.
    Columns model, split, lead_time, month ("all", 1..12), metric, value, low, high, blocks (see
    `intervals.interval`), n, years (calendar years of the targets).
    `rmse`: million km2, perfect 0, for month "all"; no trend is removed.
    `detrended_correlation`: Pearson's correlation between the anomalies of forecast and observed
    extent, -1..1, perfect 1. From both series the least-squares line of each calendar month over
    the judged years is removed, as in Bushuk et al. 2024, doi:10.1175/BAMS-D-23-0163.1.
    With fewer than `MIN_YEARS` years there is none: a line through few points leaves next to
    nothing, and about an older line the departure that all these years share would count as skill.
    scores: see `scoring.forecast_scores`. Raises DataError where a split has no forecast common to
    all models.
    """
    series = observed(ready)
    tables = []
    for split, of_split in parts(scores, splits).items():
        error = common_targets(of_split, own_pairs=own_pairs)["sie_error"].sel(region="all", drop=True)
        error = error.transpose("target", "model", "lead_time")
        truth = series.reindex(time=error.target.values).values[:, None, None]
        tables += [table.assign(split=split) for table in _tables(error, truth, cadence(ready))]
    return pd.concat(tables, ignore_index=True)[COLUMNS]


def _tables(error: xr.DataArray, truth: np.ndarray, time_cadence: str) -> Iterator[pd.DataFrame]:
    """Give the tables of one split, RMSE first.

    error: extent of the forecast minus that observed, (target, model, lead_time). truth: observed
    extent, (target, 1, 1).
    """
    time = pd.DatetimeIndex(error.target.values)
    coords = {"model": error.model.values, "lead_time": error.lead_time.values}
    block, years = intervals.blocks(time, time_cadence), time.year.nunique()

    def table(sums, statistic, metric, month):
        rows_of = rows.values(intervals.by_block(sums, block), statistic, coords)
        # The correlation of two points is always 1 or -1.
        return rows_of[rows_of["n"] > 2].assign(metric=metric, month=month, years=years)

    yield table(with_number(error.values**2), intervals.root_mean, "rmse", "all")
    if years < MIN_YEARS:
        return
    forecast = truth + error.values
    truth = np.where(np.isfinite(forecast), truth, np.nan)
    year, month = (
        np.broadcast_to(label.to_numpy()[:, None, None], truth.shape) for label in (time.year, time.month)
    )
    products = _products(*(_without_own_trend(extent, year, month) for extent in (forecast, truth)))
    yield table(products, intervals.correlation, "detrended_correlation", "all")
    for of_month in range(1, 13):
        sums = np.where((month == of_month)[..., None], products, 0)
        yield table(sums, intervals.correlation, "detrended_correlation", of_month)


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
    """Return the terms that `intervals.correlation` sums up; 0 where x or y is missing."""
    both = np.isfinite(x) & np.isfinite(y)
    x, y = np.where(both, x, 0), np.where(both, y, 0)
    return np.stack([x, y, x * x, y * y, x * y, both], axis=-1).astype(float)
