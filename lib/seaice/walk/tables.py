"""Which numbers does a walk come to? Tables of scores, and of paired differences, over whole years.

Intervals draw years as blocks, as everywhere (`verify.intervals`). A year is that of the
initialisations, since a year is what is forecast with one state of knowledge.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from seaice.verify import intervals, rows
from seaice.walk import calibration, cellwise, counted
from seaice.walk.judged import Judged

METRICS = ("brier", "binary_accuracy", "iiee", "sie_error")
PAIRED = ("brier", "binary_accuracy")
LEADS_MEAN = "mean"  # lead_time of the mean over all leads
RELIABILITY_BINS = 10
LEAST_SHARE = 0.01  # of all cells, in a bin whose reliability counts
BASELINES = (cellwise.REFITTED, cellwise.FROZEN, calibration.CALIBRATED, *cellwise.SIMPLE)
# Years that chose neither features nor kinds of network, apart: 2000-2009 did.
PERIODS = {
    "all": (None, None),
    "1995-1999": (1995, 1999),
    "2000-2009": (2000, 2009),
    "2010-2014": (2010, 2014),
}


def summary(judged: Judged, init_times: pd.DatetimeIndex) -> pd.DataFrame:
    """Return scores, reliability and the edge region of every model, with intervals of scores.

    Columns model, lead_time (a number, or "mean" of all leads), metric, value, low, high, n.
    Metrics are those of `METRICS`, `reliability` (the largest |observed frequency - forecast| of
    the bins of 0.1 that hold 1 % of the cells or more), and `edge_coverage` and `edge_size` (% of
    edge cells and of active cells in the region by the moving p'). Only forecasts that all models
    have are judged.
    """
    scores = _common(judged.scores, init_times)
    tables = []
    for metric in METRICS:
        sums, coords = _sums(scores[metric])
        tables.append(rows.values(sums, intervals.mean, coords).assign(metric=metric))
    tables.append(_reliability(judged.counts.sel(init_time=init_times)))
    tables += _edges(judged.edge.sel(init_time=init_times))
    columns = ["model", "lead_time", "metric", "value", "low", "high", "n"]
    return pd.concat(tables, ignore_index=True)[columns]


def differences(judged: Judged, init_times: pd.DatetimeIndex) -> pd.DataFrame:
    """Return the mean score of each strategy minus that of each baseline, with intervals.

    Columns strategy, baseline, lead_time (or "mean"), metric, difference, low, high, n. Strategies
    are all networks and blends; each is also a baseline of the others of its kind. Paired: only
    forecasts that both have. Less is better for `brier`, more for `binary_accuracy`.
    """
    tables = []
    scores = judged.scores.sel(init_time=init_times)
    names = [str(name) for name in scores.model.values]
    strategies = [name for name in names if name not in BASELINES]
    for metric in PAIRED:
        for strategy in strategies:
            blended = strategy.startswith(calibration.ICENET)
            alike = [s for s in strategies if s != strategy and s.startswith(calibration.ICENET) == blended]
            others = [name for name in BASELINES if name in names] + alike
            table = _pairs(scores[metric], strategy, others)
            tables.append(table.assign(strategy=strategy, metric=metric))
    columns = ["strategy", "baseline", "lead_time", "metric", "difference", "low", "high", "n"]
    return pd.concat(tables, ignore_index=True)[columns]


def periods(judged: Judged, init_times: pd.DatetimeIndex, strategies: Sequence[str]) -> pd.DataFrame:
    """Return the `differences` of some strategies in each of `PERIODS` by itself, with `period`."""
    tables = []
    for name, (first, last) in PERIODS.items():
        of_period = init_times[
            (init_times.year >= (first or init_times[0].year))
            & (init_times.year <= (last or init_times[-1].year))
        ]
        if len(of_period):
            table = differences(judged, of_period)
            tables.append(table[table["strategy"].isin(strategies)].assign(period=name))
    return pd.concat(tables, ignore_index=True)


def as_text(differences: pd.DataFrame) -> pd.DataFrame:
    """Return differences of one strategy and metric as text, "-0.0012 [-0.0020, -0.0003]".

    Rows are baselines, columns leads.
    """
    text = [f"{row.difference:.4f} [{row.low:.4f}, {row.high:.4f}]" for row in differences.itertuples()]
    return differences.assign(text=text).pivot(index="baseline", columns="lead_time", values="text")


def ranking(judged: Judged, init_times: pd.DatetimeIndex, strategies: Sequence[str]) -> pd.DataFrame:
    """Return mean Brier score and accuracy of IceNet with each strategy, the best first.

    init_times: those on which a strategy may be chosen. Columns strategy, brier, binary_accuracy.
    """
    scores = _common(judged.scores, init_times)
    means = {
        metric: [
            float(scores[metric].sel(model=calibration.ICENET + s).mean("init_time").mean())
            for s in strategies
        ]
        for metric in PAIRED
    }
    return pd.DataFrame({"strategy": [*strategies], **means}).sort_values("brier", ignore_index=True)


def _common(scores: xr.Dataset, init_times: pd.DatetimeIndex) -> xr.Dataset:
    """Return the scores of the forecasts that every model has, NaN elsewhere."""
    chosen = scores.sel(init_time=init_times)
    return chosen.where(chosen["brier"].notnull().all("model"))


def _blocks(init_time: xr.DataArray) -> np.ndarray:
    return intervals.blocks(init_time.values, "monthly")


def _sums(score: xr.DataArray) -> tuple[np.ndarray, Mapping]:
    """Return sums (block, model, lead_time, 2) of scores and of their number, and coordinates.

    A last lead "mean" has the means over the leads, of initialisations that have all.
    """
    values = with_mean(score.transpose("init_time", "model", "lead_time").values)
    stacked = np.stack([np.nan_to_num(values), np.isfinite(values)], axis=-1).astype(float)
    coords = {"model": score.model.values, "lead_time": leads(score)}
    return intervals.by_block(stacked, _blocks(score.init_time)), coords


def with_mean(values: np.ndarray) -> np.ndarray:
    """Return values (..., lead_time) with their mean over the leads after the last lead."""
    return np.concatenate([values, values.mean(axis=-1, keepdims=True)], axis=-1)


def leads(score: xr.DataArray) -> np.ndarray:
    """Return the lead times, and `LEADS_MEAN` after them."""
    return np.array([*map(int, score.lead_time.values), LEADS_MEAN], object)


def _pairs(score: xr.DataArray, strategy: str, others: Sequence[str]) -> pd.DataFrame:
    """Return the rows of one strategy's differences of a score from those of other models."""
    score = score.transpose("init_time", "model", "lead_time")
    own = with_mean(score.sel(model=[strategy]).values)
    theirs = with_mean(score.sel(model=list(others)).values)
    both = np.isfinite(own) & np.isfinite(theirs)
    own, theirs = (np.where(both, values, 0) for values in (own, theirs))
    sums = intervals.by_block(np.stack([own, theirs, both.astype(float)], axis=-1), _blocks(score.init_time))
    coords = {"baseline": np.array(others, object), "lead_time": leads(score)}
    table = rows.values(sums, rows.difference(intervals.mean), coords)
    return table.rename(columns={"value": "difference"})


def reliability(counts: xr.Dataset) -> xr.Dataset:
    """Return forecast, observed frequency and share of cells by bin (model, lead_time, bin).

    Bins are 0.1 wide. counts: see `judged.Judged`; the initialisations are added up. A last lead
    "mean" pools all leads.
    """
    pooled = counts.sum("init_time")
    whole = pooled.sum("lead_time").expand_dims(lead_time=np.array([LEADS_MEAN], object))
    pooled = xr.concat([pooled.assign_coords(lead_time=pooled.lead_time.astype(object)), whole], "lead_time")
    merged = pooled.coarsen(bin=counted.BINS // RELIABILITY_BINS).sum()
    number = merged.cells.sum("outcome")
    return xr.Dataset(
        {
            "forecast": merged.sums.sum("outcome") / number.where(number > 0),
            "observed": merged.cells.isel(outcome=1) / number.where(number > 0),
            "share": number / number.sum("bin"),
            "number": number.sum("bin"),
        }
    )


def _reliability(counts: xr.Dataset) -> pd.DataFrame:
    """Return the rows of `reliability`: the largest departure of a bin that holds enough cells."""
    table = reliability(counts)
    off = abs(table.observed - table.forecast).where(table.share >= LEAST_SHARE).max("bin")
    rows_of = off.rename("value").to_dataframe().reset_index()
    n_inits = counts.sizes["init_time"]
    return rows_of.assign(metric="reliability", low=np.nan, high=np.nan, n=n_inits)


def _edges(edge: xr.Dataset) -> list[pd.DataFrame]:
    """Return the rows of the region of the edge: its coverage, weighted by edge cells, and size."""
    tables = []
    for name, weight in (("coverage", "edge_cells"), ("size", None)):
        values = edge[name].transpose("init_time", "model", "lead_time")
        has_value = values.notnull()
        weights = (edge[weight] if weight else has_value.astype(float)).transpose(*values.dims)
        pair = [(values * weights).fillna(0).values, weights.where(has_value, 0).values]
        stacked = np.stack(pair, axis=-1).astype(float)
        whole = stacked.sum(axis=2, keepdims=True)
        sums = intervals.by_block(np.concatenate([stacked, whole], axis=2), _blocks(edge.init_time))
        coords = {"model": edge.model.values, "lead_time": leads(edge)}
        table = rows.values(sums, intervals.mean, coords).assign(metric=f"edge_{name}")
        tables.append(table.assign(n=edge.sizes["init_time"]))
    return tables
