"""What do the scores say?

Tables by model, split, sea, lead and month, with intervals over years, and differences of paired
forecasts. Validation years were used to choose networks, calibration and bands; test years were
used for nothing. The two therefore never share a row.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.verify import bootstrap, table_files
from seaice.verify.scoring import METRICS, OWN_PAIRS, common_pairs

JUDGED = ("validation", "test")  # splits with scores
REGIONAL = (
    "binary_accuracy",
    "iiee",
    "sps",
    "sie_error",
    "brier",
    "brier_skill",
)  # metrics given for single seas; few, to keep the table small
REFERENCE = "climatology"  # of the Brier skill: the model to beat
DIGITS = 6  # significant digits in files
HIGHER_IS_BETTER = ("binary_accuracy", "class_accuracy", "brier_skill")


def skill_table(
    scores: xr.Dataset, splits: Mapping[str, Sequence[str]], *, own_pairs: Sequence[str] = OWN_PAIRS
) -> pd.DataFrame:
    """Return the mean score by model, split, region, lead and valid month.

    All models are judged on the same forecasts, except those in `own_pairs`.
    Columns model, split, region ("all" or a sea), lead_time, month ("all", 1..12), metric, value,
    low, high, n (forecasts averaged). Units: see each score.
    low, high: 95 % interval by drawing blocks of init_time (`bootstrap.blocks`), for month "all".
    Seas have rows for month "all" only.
    `brier_skill` is 1 - BS / BS of the climatology on the same forecasts: 1 is perfect, 0 as good
    as climatology. It is left out where the climatology is perfect.
    scores: see `scoring.forecast_scores`. splits: first and last init_time, "YYYY-MM", of `JUDGED`.
    Raises DataError where a split has no forecast common to all models.
    """
    tables = []
    for split, of_split in parts(scores, splits).items():
        common = common_pairs(of_split, own_pairs=own_pairs)
        tables += [
            table.assign(split=split) for table in (*_overall(common, of_split), _monthly(common, of_split))
        ]
    table = pd.concat(tables, ignore_index=True)
    table = table[(table["region"] == "all") | table["metric"].isin(REGIONAL)]
    columns = ["model", "split", "region", "lead_time", "month", "metric", "value", "low", "high", "n"]
    return table[columns].reset_index(drop=True)


def parts(scores: xr.Dataset, splits: Mapping[str, Sequence[str]]) -> dict[str, xr.Dataset]:
    """Return the scores of each of the `JUDGED` splits, by name."""
    return {name: scores.sel(init_time=slice(*splits[name])) for name in JUDGED if name in splits}


def _overall(common: xr.Dataset, of_split: xr.Dataset):
    """Give the tables of every metric over all months, with intervals.

    common: the forecasts to average. of_split: all forecasts of the split, for the reference of the
    skill.
    """
    blocks = common.block.values
    for metric, (sums, statistic, n) in _statistics(common, of_split).items():
        sums = bootstrap.by_block(sums, blocks)  # (block, model, region, lead_time, 2)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = statistic(sums.sum(axis=0))
        low, high = bootstrap.interval(sums, statistic)
        columns = {"value": value, "low": low, "high": high, "n": n.sum(axis=0)}
        dims = ("model", "region", "lead_time")
        ds = xr.Dataset({k: (dims, v) for k, v in columns.items()}, {d: common[d] for d in dims})
        table = ds.to_dataframe().reset_index()
        yield table[table["value"].notna()].assign(metric=metric, month="all").astype({"n": int})


def _statistics(common: xr.Dataset, of_split: xr.Dataset) -> dict:
    """Return by metric (sums, statistic, exists).

    sums: (init_time, model, region, lead_time, 2), to be added up. statistic: what is computed from
    the totals. exists: bool, where there is a score, same dims without the last.
    """
    dims = ("init_time", "model", "region", "lead_time")
    out = {}
    for metric in METRICS:
        values = common[metric].transpose(*dims).values
        exists = np.isfinite(values)
        out[metric] = np.stack([values, exists], axis=-1), bootstrap.mean, exists
    if REFERENCE in of_split.model.values:
        brier, exists = common["brier"].transpose(*dims).values, out["brier"][2]
        reference = of_split["brier"].sel(model=[REFERENCE]).transpose(*dims).values
        exists = exists & np.isfinite(reference)
        sums = np.stack([np.where(exists, brier, 0), np.where(exists, reference, 0)], axis=-1)
        out["brier_skill"] = sums, bootstrap.skill, exists
    return out


def _monthly(common: xr.Dataset, of_split: xr.Dataset) -> pd.DataFrame:
    """Return the mean scores by valid month, of the whole map."""
    rows = forecast_rows(common)
    keys = ["model", "lead_time", "metric", "month"]
    table = (
        rows.groupby(keys)["value"]
        .agg(["mean", "size"])
        .reset_index()
        .rename(columns={"mean": "value", "size": "n"})
    )
    table = table.assign(region="all", low=np.nan, high=np.nan)
    if REFERENCE not in of_split.model.values:
        return table
    brier = rows[rows["metric"] == "brier"]
    reference = forecast_rows(of_split.sel(model=[REFERENCE])[["brier"]])[["init_time", "lead_time", "value"]]
    brier = brier.merge(reference, on=["init_time", "lead_time"], suffixes=("", "_reference"))
    means = brier.groupby(["model", "lead_time", "month"]).agg(
        own=("value", "mean"), reference=("value_reference", "mean"), n=("value", "size")
    )
    # Where the climatology is certain and right in every cell there is nothing to gain.
    means = means[means["reference"] > 0].reset_index()
    skill = means.assign(value=1 - means["own"] / means["reference"], metric="brier_skill", region="all")
    return pd.concat([table, skill.drop(columns=["own", "reference"])])


def differences_table(
    scores: xr.Dataset,
    splits: Mapping[str, Sequence[str]],
    *,
    model: str = "icenet",
    metrics: Sequence[str] = ("binary_accuracy", "iiee", "sps", "brier", "rps"),
) -> pd.DataFrame:
    """Return the mean score of `model` minus that of each other model, with an interval.

    Only forecasts that both models have are compared. A positive difference is better for
    binary_accuracy, a negative one for the others.
    Columns model, baseline, split, lead_time, metric, difference, low, high, n, years (how many
    blocks of init_time, see `bootstrap.blocks`).
    Raises KeyError when `model` is not among the models.
    """
    tables = []
    for split, of_split in parts(_with_model(scores, model), splits).items():
        everywhere = of_split.sel(region="all", drop=True)
        blocks = everywhere.block.values
        for metric in metrics:
            paired = everywhere[metric].sel(model=model, drop=True) - everywhere[metric].drop_sel(model=model)
            values = paired.transpose("init_time", "model", "lead_time").values
            sums = bootstrap.by_block(np.stack([values, np.isfinite(values)], axis=-1), blocks)
            low, high = bootstrap.interval(sums, bootstrap.mean)
            total, with_any = sums.sum(axis=0), (sums[..., 1] > 0).sum(axis=0)
            with np.errstate(invalid="ignore"):
                columns = {"difference": bootstrap.mean(total), "low": low, "high": high, "n": total[..., 1]}
            few = with_any < 2
            columns |= {
                "low": np.where(few, np.nan, low),
                "high": np.where(few, np.nan, high),
                "years": with_any,
            }
            coords = {"baseline": paired.model.values, "lead_time": paired.lead_time.values}
            table = (
                xr.Dataset({k: (tuple(coords), v) for k, v in columns.items()}, coords)
                .to_dataframe()
                .reset_index()
            )
            tables.append(table[table["n"] > 0].assign(model=model, split=split, metric=metric))
    columns = ["model", "baseline", "split", "lead_time", "metric", "difference", "low", "high", "n", "years"]
    return pd.concat(tables, ignore_index=True)[columns].astype({"n": int, "years": int})


def edge_table(scores: xr.Dataset, ready: xr.Dataset, *, reference: str = "ecmwf_edge") -> pd.DataFrame:
    """Compare every model on exactly the forecasts that `reference` and all the others have.

    Columns model, lead_time, month, period, years, metric, value, low, high (95 %, years drawn), n.
    period: "all", "fit" (months up to `ready.fit_end`, to which the other models were fitted, so
    that their scores there are too good) or "after_fit".
    Raises DataError when no forecast is common to all, and KeyError when `reference` is not among
    the models.
    """
    rows = forecast_rows(common_pairs(_with_model(scores, reference), own_pairs=()))
    after = rows["valid_time"] > pd.Timestamp(ready.attrs["fit_end"])
    tables = []
    for period, chosen in (("all", rows), ("fit", rows[~after]), ("after_fit", rows[after])):
        if chosen.empty:
            continue
        keys = ["model", "lead_time", "month", "metric"]
        table = chosen.groupby(keys, sort=False).agg(
            value=("value", "mean"), n=("value", "size"), first=("year", "min"), last=("year", "max")
        )
        tables.append(
            table.join(chosen.groupby(keys)[["value", "year"]].apply(_interval))
            .reset_index()
            .assign(period=period)
        )
    table = pd.concat(tables, ignore_index=True)
    table["years"] = table["first"].astype(str) + "-" + table["last"].astype(str)
    return table[["model", "lead_time", "month", "period", "years", "metric", "value", "low", "high", "n"]]


def _interval(rows: pd.DataFrame) -> pd.Series:
    """Return the 95 % interval of the mean of these rows, years drawn."""
    sums = rows.groupby("year")["value"].agg(["sum", "size"]).to_numpy(float)
    low, high = bootstrap.interval(sums, bootstrap.mean)
    return pd.Series({"low": float(low), "high": float(high)})


def forecast_rows(scores: xr.Dataset) -> pd.DataFrame:
    """Return one row for each forecast and metric of the whole map.

    Columns model, init_time, lead_time, metric, value, valid_time, month, year.
    """
    everywhere = scores.sel(region="all", drop=True)
    table = (
        everywhere.drop_vars("block", errors="ignore").to_dataarray("metric").rename("value").to_dataframe()
    )
    table = table.dropna().reset_index()
    return table.assign(month=table["valid_time"].dt.month, year=table["valid_time"].dt.year)


def headline(*tables: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of all months and the whole map: the table that is tracked by git.

    tables: one or more tables of scores with the columns of `skill_table`, such as that one and
    `concentration_tables.skill_table`.
    Columns model, split, lead_time, metric, value, low, high, n; rows in the order of the tables.
    """
    rows = pd.concat(tables, ignore_index=True)
    rows = rows[(rows["month"] == "all") & (rows["region"] == "all")]
    columns = ["model", "split", "lead_time", "metric", "value", "low", "high", "n"]
    return rows[columns].reset_index(drop=True)


def write(table: pd.DataFrame, path: Path, *, digits: int = DIGITS) -> None:
    """Write a table as CSV, with `digits` significant digits, and make its folder."""
    table_files.write(table, path, float_format=f"%.{digits}g")


def select(
    table: pd.DataFrame, *, split: str | None = "test", region: str | None = "all", **equal
) -> pd.DataFrame:
    """Return the rows of a table of scores with this split, region and whatever else is given.

    Values are compared as text, since "all" and 9 may stand in one column. A table without the
    columns `split` and `region` is taken to hold one of each. None keeps all of them.
    Raises DataError when no row is left, with the values that the table has.
    """
    wanted = {k: v for k, v in {"split": split, "region": region}.items() if k in table and v is not None}
    for column, value in (wanted | equal).items():
        chosen = table[table[column].astype(str) == str(value)]
        if chosen.empty:
            present = ", ".join(sorted(map(str, table[column].unique()))) or "nothing"
            raise DataError(f"table of scores: no rows with {column} {value!r}; there are {present}")
        table = chosen
    return table


def better(metric: str) -> int:
    """Return 1 where a higher score is better, -1 where a lower one is.

    Raises DataError for a signed error, where neither is better.
    """
    if metric == "sie_error":
        raise DataError(
            "sie_error has a sign, so a difference of two is not a gain; choose iiee or binary_accuracy"
        )
    return 1 if metric in HIGHER_IS_BETTER else -1


def _with_model(scores: xr.Dataset, model: str) -> xr.Dataset:
    """Return the scores. Raises KeyError where `model` is not among them."""
    if model not in scores.model.values:
        raise KeyError(f"no model '{model}' among {list(map(str, scores.model.values))}")
    return scores
