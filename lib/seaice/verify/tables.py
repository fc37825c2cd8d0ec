"""What do the scores say?

Tables by model, split, sea, lead and month, with intervals over years, and differences of paired
forecasts. Validation years were used to choose networks, calibration and bands; test years were
used for nothing. The two therefore never share a row.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.steps import cadence
from seaice.verify import intervals, rows, table_files
from seaice.verify.scoring import METRICS, OWN_PAIRS
from seaice.verify.targets import common_targets, on_targets

JUDGED = ("validation", "test")  # splits with scores
REGIONAL = (
    "binary_accuracy",
    "iiee",
    "sps",
    "sie_error",
    "brier",
    "brier_skill",
)  # metrics given for single seas; few, to keep the table small
# The better of these is the reference of the Brier skill: the normal year, and the recent ones.
REFERENCES = ("climatology", "recent_frequency")
DIGITS = 6  # significant digits in files
HIGHER_IS_BETTER = ("binary_accuracy", "class_accuracy", "brier_skill")
COLUMNS = ["model", "split", "region", "lead_time", "month", "metric", "value", "low", "high", "n", "blocks"]
PAIR_COLUMNS = ["model", "baseline", "split", "lead_time", "metric", "difference", "low", "high", "n"]
PAIR_COLUMNS += ["blocks", "blocks_ahead"]


def skill_table(
    scores: xr.Dataset, splits: Mapping[str, Sequence[str]], *, own_pairs: Sequence[str] = OWN_PAIRS
) -> pd.DataFrame:
    """Return the mean score by model, split, region, lead and valid month.

    All models are judged on the same forecasts, except those in `own_pairs`, and every lead on the
    same targets, see `targets.same_targets`. A mean over leads is therefore the mean of the rows.
    Columns model, split, region ("all" or a sea), lead_time, month ("all", 1..12), metric, value,
    low, high, n (forecasts averaged), blocks. Units: see each score.
    low, high, blocks: interval over blocks of targets and their number, see `intervals.interval`
    and `intervals.blocks`, for month "all" only. Seas have rows for month "all" only.
    `brier_skill` is 1 - BS / BS of the reference on the same forecasts: 1 is perfect, 0 as good as
    the reference. The reference is that of `REFERENCES` with the smaller mean Brier score, chosen
    for each split, region and lead over all months. It is left out where the reference is perfect.
    scores: see `scoring.forecast_scores`. splits: first and last init_time, "YYYY-MM", of `JUDGED`.
    Raises DataError where a split has no forecast common to all models.
    """
    tables = []
    for split, of_split in parts(scores, splits).items():
        common = common_targets(of_split, own_pairs=own_pairs)
        for metric, (sums, statistic) in _sums(common, on_targets(of_split)).items():
            regions = slice(None) if metric in REGIONAL else slice(1)  # "all" comes first
            coords = {d: common[d].values for d in ("model", "region", "lead_time")}
            coords["region"] = coords["region"][regions]
            sums = sums[:, :, regions]
            labels = {"split": split, "metric": metric}
            tables += [table.assign(**labels) for table in by_month(sums, statistic, coords, common)]
    return pd.concat(tables, ignore_index=True)[COLUMNS]


def by_month(sums: np.ndarray, statistic, coords: Mapping, common: xr.Dataset) -> Iterator[pd.DataFrame]:
    """Give the rows over all months with intervals, then those of each valid month without.

    sums: (target, model, region, lead_time, k), see `rows.values`; the first region is "all", and
    months have rows of it only. coords: of the inner dims. common: see `targets.common_targets`.
    """
    block = intervals.blocks(common.target, cadence(common))
    overall = rows.values(intervals.by_block(sums, block), statistic, coords)
    yield overall.assign(month="all").astype({"blocks": "Int64"})
    whole_map = coords | {"region": coords["region"][:1]}
    months = common.target.dt.month.values
    by_month = {month: sums[months == month][:, :, :1].sum(axis=0) for month in np.unique(months)}
    of_months = np.stack(list(by_month.values()))[None]
    table = rows.values(of_months, statistic, {"month": list(by_month)} | whole_map)
    yield table.assign(blocks=pd.NA).astype({"blocks": "Int64"})


def parts(scores: xr.Dataset, splits: Mapping[str, Sequence[str]]) -> dict[str, xr.Dataset]:
    """Return the scores of each of the `JUDGED` splits, by name."""
    return {name: scores.sel(init_time=slice(*splits[name])) for name in JUDGED if name in splits}


def with_number(values: np.ndarray) -> np.ndarray:
    """Return values (...) and whether they exist, (..., 2), to be added up for a mean."""
    exists = np.isfinite(values)
    return np.stack([np.where(exists, values, 0), exists], axis=-1)


def _sums(common: xr.Dataset, of_split: xr.Dataset) -> dict:
    """Return by metric (sums, statistic).

    sums: (target, model, region, lead_time, k), to be added up. statistic: what is computed from
    the totals. common: the forecasts to average. of_split: all forecasts of the split by target,
    for the reference of the skill.
    """
    dims = ("target", "model", "region", "lead_time")
    values = {metric: common[metric].transpose(*dims).values for metric in METRICS}
    out = {metric: (with_number(array), intervals.mean) for metric, array in values.items()}
    names = [name for name in REFERENCES if name in common.model.values]
    if names:
        # Models with forecasts of their own are compared with the reference there.
        reference = _better(common["brier"].sel(model=names), of_split["brier"].sel(target=common.target))
        reference = reference.transpose("target", "region", "lead_time").values[:, None]
        brier, reference = np.broadcast_arrays(values["brier"], reference)
        exists = np.isfinite(brier) & np.isfinite(reference)
        columns = [np.where(exists, brier, 0), np.where(exists, reference, 0), exists]
        out["brier_skill"] = np.stack(columns, axis=-1), intervals.skill
    return out


def _better(judged: xr.DataArray, everywhere: xr.DataArray) -> xr.DataArray:
    """Return the scores of the model with the smaller mean, chosen by region and lead.

    judged: the scores to choose on, (model, target, region, lead_time). everywhere: the scores of
    all models, same dims, of which those of the chosen one are returned.
    """
    best = judged.mean("target").fillna(np.inf).argmin("model")
    return everywhere.sel(model=judged.model).isel(model=best).drop_vars("model")


def differences_table(
    scores: xr.Dataset,
    splits: Mapping[str, Sequence[str]],
    *,
    model: str = "icenet",
    metrics: Sequence[str] = ("binary_accuracy", "iiee", "sps", "brier", "rps"),
) -> pd.DataFrame:
    """Return the mean score of `model` minus that of each other model, with an interval.

    Only forecasts that both models have are compared, at the same targets at every lead. A positive
    difference is better for binary_accuracy, a negative one for the others. The rows describe:
    with so many of them some intervals miss 0 by chance. Verdicts are those of `contests`.
    Columns model, baseline, split, lead_time, metric, difference, low, high, n, blocks (how many,
    see `intervals.blocks`), blocks_ahead (in how many of them `model` is better).
    Raises KeyError when `model` is not among the models.
    """
    tables = []
    for split, of_split in parts(_with_model(scores, model), splits).items():
        for metric in metrics:
            options = {"model": model, "sign": better(metric), "cadence": cadence(scores)}
            table = rows.differences(of_split, metric, intervals.mean, **options)
            tables.append(table.assign(model=model, split=split, metric=metric))
    return pd.concat(tables, ignore_index=True)[PAIR_COLUMNS]


def with_intervals(differences: pd.DataFrame, metric: str = "binary_accuracy") -> pd.DataFrame:
    """Return differences of the test years as text, "0.12 [-0.30, 0.54]", by baseline and lead.

    A difference of a single block has no interval.

    differences: see `differences_table`. metric: the score that is shown, with two decimals.
    """
    table = select(differences, metric=metric)
    text = [
        f"{row.difference:.2f}" + (f" [{row.low:.2f}, {row.high:.2f}]" if row.blocks > 1 else "")
        for row in table.itertuples()
    ]
    return table.assign(text=text).pivot(index="baseline", columns="lead_time", values="text")


def edge_table(scores: xr.Dataset, ready: xr.Dataset, *, reference: str = "ecmwf_edge") -> pd.DataFrame:
    """Compare every model on exactly the forecasts that `reference` and all the others have.

    Columns model, lead_time, month, period, years, metric, value, low, high, n, blocks (see
    `intervals.interval`).
    period: "all", "fit" (months up to `ready.fit_end`, to which the other models were fitted, so
    that their scores there are too good) or "after_fit".
    Raises DataError when no forecast is common to all, and KeyError when `reference` is not among
    the models.
    """
    common = common_targets(_with_model(scores, reference), own_pairs=()).sel(region="all", drop=True)
    after = common.target > np.datetime64(pd.Timestamp(ready.attrs["fit_end"]))
    coords = {d: common[d].values for d in ("model", "lead_time")}
    tables = []
    for period, chosen in (("all", after | True), ("fit", ~after), ("after_fit", after)):
        of_period = common.sel(target=chosen.values)
        for month in np.unique(of_period.target.dt.month):
            of_month = of_period.sel(target=of_period.target.dt.month == month)
            years, block = of_month.target.dt.year.values, intervals.blocks(of_month.target, cadence(scores))
            labels = {"month": month, "period": period, "years": f"{years.min()}-{years.max()}"}
            for metric in METRICS:
                sums = with_number(of_month[metric].transpose("target", *coords).values)
                table = rows.values(intervals.by_block(sums, block), intervals.mean, coords)
                tables.append(table.assign(metric=metric, **labels))
    columns = ["model", "lead_time", "month", "period", "years", "metric", "value", "low", "high", "n"]
    return pd.concat(tables, ignore_index=True)[[*columns, "blocks"]]


def block_values(
    scores: xr.Dataset,
    splits: Mapping[str, Sequence[str]],
    *,
    model: str = "icenet",
    metric: str = "binary_accuracy",
) -> pd.DataFrame:
    """Return the mean score of one model in each block, of the forecasts of `skill_table`.

    Columns split, block (its number), lead_time, value; whole map.
    """
    tables = []
    for split, of_split in parts(scores, splits).items():
        score = common_targets(of_split)[metric].sel(model=model, region="all", drop=True)
        block = intervals.blocks(score.target, cadence(scores))
        by_block = score.groupby(xr.DataArray(block, dims="target", name="block")).mean()
        tables.append(by_block.rename("value").to_dataframe().reset_index().assign(split=split))
    return pd.concat(tables, ignore_index=True).dropna()


def headline(*tables: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of all months and the whole map: the table that is tracked by git.

    tables: one or more tables of scores with the columns of `skill_table`, such as that one and
    `concentration_tables.skill_table`.
    Columns model, split, lead_time, metric, value, low, high, n, blocks; rows in the order of the
    tables.
    """
    table = pd.concat(tables, ignore_index=True)
    table = table[(table["month"] == "all") & (table["region"] == "all")]
    columns = ["model", "split", "lead_time", "metric", "value", "low", "high", "n", "blocks"]
    return table[columns].reset_index(drop=True)


def write(table: pd.DataFrame, path: Path, *, digits: int = DIGITS) -> pd.DataFrame:
    """Write a table as CSV, with `digits` significant digits, and make its folder; return it."""
    return table_files.write(table, path, float_format=f"%.{digits}g")


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
