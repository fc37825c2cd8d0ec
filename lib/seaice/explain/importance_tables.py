"""What do the permutations say?

Mean changes with intervals over years, and the inputs that matter most.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.explain.icenet import NAME as ICENET
from seaice.verify import intervals

LOSS = {"binary_accuracy": -1, "class_accuracy": -1, "brier": 1}  # sign of a change that is a loss of skill
NETWORKS = "networks"  # in the column model: each member by itself, before calibration, then their mean
COLUMNS = ("group", "kind", "model", "within_month", "split", "lead_time", "month", "metric")
COLUMNS += ("change", "low", "high", "blocks", "agreement", "members", "seeds", "inits", "n")


def importance_table(changes: xr.Dataset, *, months: Sequence[int]) -> pd.DataFrame:
    """Return the mean change of score with its interval; columns are `COLUMNS`.

    One row for each group, model, option, split, lead, valid month ("all" and `months`) and metric;
    rows without a forecast are left out.
    changes: see `importance.measure`. months: calendar months with rows of their own; those of the
    paper are the months of least and of most ice.
    model: "networks" or "icenet".
    change: permuted - unpermuted, mean over members, seeds and forecasts; units as in `changes`.
    low, high: interval of `verify` over the years of init_time, NaN with fewer than two. Each
    initialisation draws its own donors, so the noise of the permutations differs from year to year
    and is part of it. The interval holds for these members.
    blocks: years that the interval rests on.
    agreement: share 0..1 of the members whose own mean change has the sign of the mean.
    inits: initialisations judged. n: forecasts averaged, of one member, over the seeds.
    """
    dims = ("group", "within_month", "seed", "init_time", "model", "lead_time", "metric")
    change = changes["change"].transpose(*dims)
    is_icenet = changes["model"].values == ICENET
    tables = [
        table.assign(
            group=str(name),
            kind=str(changes["kind"].values[g]),
            model=model,
            within_month=bool(option),
            split=split,
            members=int(of_model.sum()),
        )
        for split in dict.fromkeys(changes["split"].values.tolist())
        for g, name in enumerate(changes["group"].values)
        for model, of_model in ((NETWORKS, ~is_icenet), (ICENET, is_icenet))
        if of_model.any()
        for option in changes["within_month"].values
        for table in _rows(
            change.isel(group=g, model=of_model).sel(within_month=option),
            changes["split"].values == split,
            months,
        )
    ]
    table = pd.concat(tables, ignore_index=True).assign(
        seeds=changes.sizes["seed"], month=lambda t: t["month"].astype(str)
    )
    return table[list(COLUMNS)]


def _rows(change: xr.DataArray, of_split: np.ndarray, months: Sequence[int]) -> Iterator[pd.DataFrame]:
    """Give the tables of one group, model, option and split, one for each month."""
    change = change.isel(init_time=of_split)
    values, times = change.values.astype("float64"), change.indexes["init_time"]
    leads, metrics = change["lead_time"].values, change["metric"].values
    valid = (times.month.to_numpy()[:, None] + leads - 2) % 12 + 1
    for month in ("all", *months):
        counted = np.isfinite(values) & ((month == "all") | (valid == month))[None, :, None, :, None]
        sums = np.stack([np.where(counted, values, 0), counted], axis=-1)
        # sums: (seed, init_time, model, lead, metric, 2)
        of_member = _mean(sums.sum(axis=(0, 1)))
        mean = of_member.mean(axis=0)
        by_year = intervals.by_block(sums.mean(axis=2).sum(axis=0), times.year.to_numpy())
        bounds = intervals.interval(by_year, intervals.mean)
        columns = {
            "change": mean,
            "low": bounds.low,
            "high": bounds.high,
            "blocks": bounds.blocks,
            "agreement": (np.sign(of_member) == np.sign(mean)).mean(axis=0),
            "inits": counted.any(axis=0)[:, 0].sum(axis=0),
            "n": sums[:, :, 0, ..., 1].sum(axis=(0, 1)),
        }
        grid = xr.Dataset(
            {k: (("lead_time", "metric"), v) for k, v in columns.items()},
            {"lead_time": leads, "metric": metrics},
        )
        table = grid.to_dataframe().reset_index().assign(month=month)
        yield table[table["n"] > 0].astype({"n": int})


def _mean(sums: np.ndarray) -> np.ndarray:
    """Return the mean from (sum, number), NaN where the number is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return intervals.mean(sums)


def top(
    table: pd.DataFrame,
    *,
    split: str = "test",
    kind: str | None = None,
    metric: str = "class_accuracy",
    months: Sequence[int] | None = None,
    leads: Sequence[int] = (5, 3, 1),
    count: int = 5,
    within_month: bool = False,
    model: str = NETWORKS,
) -> pd.DataFrame:
    """Return the inputs whose permutation costs most, as in the paper's table.

    Columns month, lead_time, rank and those of `table`. There are fewer than `count` inputs where
    fewer cost anything.
    months: None takes those that the table has rows of. kind: "channel" or "group"; None takes
    channels where the table has them, as the paper does.
    Raises DataError where there are no rows, and where no permutation costs anything.
    """
    if metric not in LOSS:
        raise DataError(f"importance: no metric '{metric}'; there are {', '.join(LOSS)}")
    kind = kind or default_kind(table)
    chosen = {"split": split, "kind": kind, "metric": metric, "within_month": within_month, "model": model}
    for column, value in chosen.items():
        table = table[table[column] == value]
    costliest = []
    for month in months or valid_months(table):
        for lead in leads:
            rows = table[(table["month"] == str(month)) & (table["lead_time"] == lead)]
            if rows.empty:
                raise DataError(
                    f"importance: no rows of month {month}, lead {lead} for {chosen}; "
                    f"judge initialisations of month {(month - lead) % 12 + 1}"
                )
            rows = rows.iloc[np.argsort(-LOSS[metric] * rows["change"].to_numpy(), kind="stable")[:count]]
            rows = rows[LOSS[metric] * rows["change"] > 0]
            costliest.append(rows.assign(rank=np.arange(1, len(rows) + 1)))
    costliest = pd.concat(costliest, ignore_index=True)
    if costliest.empty:
        raise DataError(
            f"importance: no permutation costs any {metric} for {chosen}; have the networks learnt anything?"
        )
    leading_columns = ["month", "lead_time", "rank"]
    return costliest[leading_columns + [c for c in COLUMNS if c not in leading_columns]]


def valid_months(table: pd.DataFrame) -> list[int]:
    """Return the calendar months with rows of their own, in the order of the table."""
    return [int(month) for month in dict.fromkeys(table["month"]) if month != "all"]


def default_kind(table: pd.DataFrame) -> str:
    """Return the kind that the paper's table is about.

    That is "channel", or "group" where fewer than five channels were permuted.
    """
    return "channel" if table[table["kind"] == "channel"]["group"].nunique() >= 5 else "group"
