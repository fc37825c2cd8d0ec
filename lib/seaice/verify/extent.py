"""Do forecasts tell large ice years from small ones? Scores of sea-ice extent that are no mean over forecasts.

Extent is the area of active cells with SIC above 0.15, cells filled in space included, million km2. A forecast's extent is the observed one
plus its extent error, so that cells without an observed truth never tell two forecasts apart.
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

MIN_YEARS = 10  # years, fewest that a trend of the judged years themselves is taken out of
DECIMALS = 4  # of anomalies in million km2: less than 100 km2 is noise of float32, and a forecast without anomalies has no correlation
COLUMNS = ["model", "split", "lead_time", "month", "metric", "trend", "value", "low", "high", "n", "years"]


def observed(ready: xr.Dataset) -> xr.DataArray:
    """Observed extent of each step, million km2, dims (time); NaN where an active cell has no value."""
    return _extent(ready.siconc, ready)


def _extent(siconc: xr.DataArray, ready: xr.Dataset) -> xr.DataArray:
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
    """Detrended correlation and RMSE of extent by model, split, lead and valid month, all models on the same forecasts.

    Columns model, split, lead_time, month ("all", 1..12), metric, trend, value, low, high (95 %, blocks drawn), n, years (number of
    blocks, see `bootstrap.blocks`).
    `detrended_correlation`: Pearson's, -1..1, perfect 1, between anomalies of forecast and observed extent. Where a split has `MIN_YEARS`
    years or more (trend "judged years"), each calendar month's least-squares line over those years is taken out of either, as usual
    (Bushuk et al. 2024, doi:10.1175/BAMS-D-23-0163.1), and there are rows by month. With fewer years (trend "fit period") that would
    leave next to nothing: then the line of the observed extent up to `ready.fit_end`, extrapolated, is taken out of both, over all months
    only, and a departure from the old trend that forecast and truth share counts as skill. Of a daily record, whose few years tell no
    trend, the extent of the day's normal SIC is taken out (trend "normal of the day"). `rmse`: million km2, perfect 0, nothing taken
    out. scores: see `scoring.forecast_scores`. Raises DataError where a split has no forecast common to all models.
    """
    series = observed(ready)
    tables = []
    for split, part in parts(scores, splits).items():
        error = common_pairs(part, own_pairs=own_pairs)["sie_error"].sel(region="all", drop=True)
        error = error.transpose("init_time", "model", "lead_time")
        valid = error.valid_time.reset_coords(drop=True)
        truth = at(series, valid)
        forecast = (truth + error).transpose(*error.dims)
        truth = truth.broadcast_like(forecast).where(forecast.notnull()).transpose(*error.dims)
        tables += [table.assign(split=split) for table in _tables(forecast, truth, valid, series, ready)]
    return pd.concat(tables, ignore_index=True)[COLUMNS]


def _tables(forecast, truth, valid, series, ready):
    x, y = forecast.values, truth.values
    years = forecast.init_time.dt.year.values
    square = np.stack([(x - y) ** 2, np.isfinite(x)], axis=-1)
    yield _table(square, bootstrap.root_mean, forecast, metric="rmse", trend="", month="all")
    named = {"metric": "detrended_correlation", "month": "all"}
    daily = cadence(ready) == "daily"
    if daily or len(np.unique(years)) < MIN_YEARS:
        normal = (
            at(_extent(ready.siconc_trend, ready), valid)
            if daily
            else past_trend(series, valid, fit_end=ready.attrs["fit_end"])
        )
        products = _products(*(values - normal.values[:, None] for values in (x, y)))
        trend = "normal of the day" if daily else "fit period"
        yield _table(products, bootstrap.correlation, forecast, trend=trend, **named)
        return
    months, own_years = valid.dt.month.values[:, None], valid.dt.year.values[:, None] + 0 * x
    x, y = (_without_own_trend(values, own_years, months + 0 * x) for values in (x, y))
    yield _table(_products(x, y), bootstrap.correlation, forecast, trend="judged years", **named)
    for month in range(1, 13):
        sums = _products(*(np.where(months == month, values, np.nan) for values in (x, y)))
        yield _table(
            sums, bootstrap.correlation, forecast, trend="judged years", **(named | {"month": month})
        )


def _table(sums, statistic, forecast, **named) -> pd.DataFrame:
    """Table of one statistic by model and lead; sums (init_time, model, lead_time, k)."""
    sums = bootstrap.by_block(sums, forecast.block.values)
    made = sums[..., -1] if statistic is bootstrap.root_mean else sums[..., 0]
    n, with_any = made.sum(axis=0), (made > 0).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = statistic(sums.sum(axis=0))
    low, high = bootstrap.interval(sums, statistic)
    # Of two points the correlation is always 1 or -1.
    enough = n > 2
    columns = {"value": np.where(enough, value, np.nan), "low": low, "high": high, "n": n, "years": with_any}
    coords = {"model": forecast.model.values, "lead_time": forecast.lead_time.values}
    table = (
        xr.Dataset({k: (tuple(coords), v) for k, v in columns.items()}, coords).to_dataframe().reset_index()
    )
    return table[table["value"].notna()].assign(**named).astype({"n": int, "years": int})


def past_trend(series: xr.DataArray, valid: xr.DataArray, *, fit_end: str) -> xr.DataArray:
    """Least-squares line of each calendar month of `series (time)` up to `fit_end`, at the months `valid` (any dims)."""
    past = series.sel(time=slice(None, fit_end)).dropna("time")
    out = xr.full_like(valid, np.nan, float)
    for month in range(1, 13):
        same = past[past.time.dt.month == month]
        if same.size > 1:
            slope, start = np.polyfit(same.time.dt.year, same, 1)
            out = xr.where(valid.dt.month == month, start + slope * valid.dt.year, out)
    return out


def _without_own_trend(values: np.ndarray, years: np.ndarray, months: np.ndarray) -> np.ndarray:
    """Take the least-squares line along axis 0 out of each calendar month of each column; NaN is left out."""
    out = np.full(values.shape, np.nan)
    for month in range(1, 13):
        here = np.where(months == month, values, np.nan)
        known = np.isfinite(here)
        n = np.maximum(known.sum(axis=0), 1)
        year = np.where(known, years, 0.0) - np.where(known, years, 0.0).sum(axis=0) / n
        rest = here - np.nansum(here, axis=0) / n
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = np.where(known, year * rest, 0).sum(axis=0) / np.where(known, year**2, 0).sum(axis=0)
        out = np.where(known, np.round(rest - slope * year, DECIMALS), out)
    return out


def _products(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """What `bootstrap.correlation` needs, 0 where either is missing."""
    known = np.isfinite(x) & np.isfinite(y)
    x, y = np.where(known, x, 0), np.where(known, y, 0)
    return np.stack([known, x, y, x * x, y * y, x * y], axis=-1).astype(float)
