"""What do the errors of concentration say?

Tables by model, split, sea, lead and month, and differences of paired forecasts. All models are
judged on the same forecasts. An RMSE is the root of the mean over forecasts, never a mean of roots.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from seaice.verify import bootstrap
from seaice.verify.scoring import common_pairs
from seaice.verify.tables import parts

STATISTICS = {  # metric of the table: (score that is summed, statistic of its sum and number)
    "siconc_rmse": ("siconc_mse", bootstrap.root_mean),
    "siconc_mae": ("siconc_mae", bootstrap.mean),
    "siconc_iiee": ("siconc_iiee", bootstrap.mean),
    "siconc_iiee_over": ("siconc_iiee_over", bootstrap.mean),
    "siconc_iiee_under": ("siconc_iiee_under", bootstrap.mean),
}
REGIONAL = ("siconc_rmse", "siconc_iiee")  # metrics given for single seas; few, to keep the table small
REFERENCE = "damped_anomaly_persistence"  # of the skill: the model to beat


def skill_table(scores: xr.Dataset, splits: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return the error by model, split, region, lead and valid month.

    Columns as in `tables.skill_table`; metrics are those of `STATISTICS`.
    low, high: 95 % interval by drawing blocks of initialisations, see `bootstrap.blocks`, for month
    "all". Seas have rows for month "all" only.
    scores: see `verify.concentration.forecast_scores`. splits: first and last init_time of those
    that are judged.
    Raises DataError where a split has no forecast common to all models.
    """
    tables = []
    for split, of_split in parts(scores, splits).items():
        common = common_pairs(of_split, by="siconc_mse", own_pairs=())
        for metric, (score, statistic) in STATISTICS.items():
            regions = common if metric in REGIONAL else common.sel(region=["all"])
            table = _by_lead(regions[score], statistic)
            by_month = _by_month(common[score].sel(region="all", drop=True), statistic)
            tables += [t.assign(split=split, metric=metric) for t in (table, by_month)]
    columns = ["model", "split", "region", "lead_time", "month", "metric", "value", "low", "high", "n"]
    return pd.concat(tables, ignore_index=True)[columns].astype({"n": int})


def differences_table(
    scores: xr.Dataset, splits: Mapping[str, Sequence[str]], *, model: str = "icenet"
) -> pd.DataFrame:
    """Return the error of `model` minus that of each other model, with an interval.

    Only forecasts that both models have are compared. A negative difference means that `model` is
    better.
    Columns model, baseline, split, lead_time, metric, difference, low, high, n, blocks (how many,
    see `bootstrap.blocks`). With one block there is no interval. The same blocks are drawn for both
    models.
    Raises KeyError when `model` is not among the models.
    """
    tables = []
    for split, of_split in parts(scores, splits).items():
        everywhere = of_split.sel(region="all", drop=True)
        block_numbers = everywhere.block.values
        for metric, (score, statistic) in STATISTICS.items():
            others = everywhere[score].drop_sel(model=model).transpose("init_time", "model", "lead_time")
            errors_of_model = (
                everywhere[score]
                .sel(model=model, drop=True)
                .transpose("init_time", "lead_time")
                .values[:, None]
            )
            both = np.isfinite(errors_of_model) & np.isfinite(others.values)
            pair = [np.where(both, values, 0) for values in (errors_of_model, others.values)]
            sums = bootstrap.by_block(np.stack([*pair, both], axis=-1), block_numbers)
            statistic_of_pair = _difference(statistic)
            with np.errstate(invalid="ignore"):
                columns = {"difference": statistic_of_pair(sums.sum(axis=0)), "n": both.sum(axis=0)}
            low, high = bootstrap.interval(sums, statistic_of_pair)
            with_any = (sums[..., -1] > 0).sum(axis=0)
            columns |= {name: np.where(with_any < 2, np.nan, v) for name, v in (("low", low), ("high", high))}
            coords = {"baseline": others.model.values, "lead_time": others.lead_time.values}
            columns["blocks"] = with_any
            table = (
                xr.Dataset({k: (tuple(coords), v) for k, v in columns.items()}, coords)
                .to_dataframe()
                .reset_index()
            )
            tables.append(table[table["n"] > 0].assign(model=model, split=split, metric=metric))
    columns = [
        "model",
        "baseline",
        "split",
        "lead_time",
        "metric",
        "difference",
        "low",
        "high",
        "n",
        "blocks",
    ]
    return pd.concat(tables, ignore_index=True)[columns].astype({"n": int, "blocks": int})


def skill(table: pd.DataFrame, *, metric: str = "siconc_rmse", reference: str = REFERENCE) -> pd.DataFrame:
    """Return 1 - error / error of the reference, for the whole map and all months; perfect 1.

    0 means no better than the reference. Rows are (split, lead_time), columns are the models.
    table: see `skill_table`. Raises KeyError where the reference was not scored.
    """
    chosen = table[(table["metric"] == metric) & (table["month"] == "all") & (table["region"] == "all")]
    errors = chosen.pivot(index=["split", "lead_time"], columns="model", values="value")
    return 1 - errors.div(errors[reference], axis=0)


def _difference(statistic):
    """Return a function of sums (..., 3) that gives the difference of the statistic of two models.

    The sums are those of the model, of the other model, and the number of forecasts.
    """
    return lambda sums: statistic(sums[..., [0, 2]]) - statistic(sums[..., [1, 2]])


def _by_lead(score: xr.DataArray, statistic) -> pd.DataFrame:
    """Return a table of one score by model, region and lead over all months, with its interval."""
    dims = ("model", "region", "lead_time")
    values = score.transpose("init_time", *dims).values
    exists = np.isfinite(values)
    sums = bootstrap.by_block(np.stack([values, exists], axis=-1), score.block.values)
    with np.errstate(invalid="ignore"):
        columns = {"value": statistic(sums.sum(axis=0)), "n": exists.sum(axis=0)}
    columns["low"], columns["high"] = bootstrap.interval(sums, statistic)
    ds = xr.Dataset({k: (dims, v) for k, v in columns.items()}, {d: score[d] for d in dims})
    table = ds.to_dataframe().reset_index()
    return table[table["value"].notna()].assign(month="all")


def _by_month(score: xr.DataArray, statistic) -> pd.DataFrame:
    """Return a table of one score by model, lead and valid month over the whole map."""
    rows = score.drop_vars("block").rename("value").to_dataframe().dropna().reset_index()
    rows = rows.assign(month=rows["valid_time"].dt.month)
    sums = rows.groupby(["model", "lead_time", "month"])["value"].agg(["sum", "size"])
    value = statistic(sums.to_numpy(float))
    table = sums.assign(value=value, n=sums["size"], region="all", low=np.nan, high=np.nan).reset_index()
    return table.drop(columns=["sum", "size"])
