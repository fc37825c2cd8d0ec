"""What do the permutations say?

Mean changes with intervals over permutations and years, and the inputs that matter most.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.verify import intervals

LOSS = {"binary_accuracy": -1, "class_accuracy": -1, "brier": 1}  # sign of a change that is a loss of skill
COLUMNS = ("group", "kind", "within_month", "split", "lead_time", "month", "metric")
COLUMNS += ("change", "low", "high", "agreement", "members", "seeds", "n")


def importance_table(changes: xr.Dataset, *, months: Sequence[int]) -> pd.DataFrame:
    """Return the mean change of score with its interval; columns are `COLUMNS`.

    One row for each group, option, split, lead, valid month ("all" and `months`) and metric; rows
    without a forecast are left out.
    changes: see `importance.measure`. months: calendar months with rows of their own; those of the
    paper are the months of least and of most ice.
    change: permuted - unpermuted, mean over members, seeds and forecasts; units as in `changes`.
    low, high: 95 % interval when permutations and years of init_time are both drawn with
    replacement, independently of one another (Owen 2007, doi:10.1214/07-AOAS122). NaN with fewer
    than two years. The interval holds for these members.
    agreement: share 0..1 of the members whose own mean change has the sign of the mean.
    n: forecasts averaged, of one member, over the seeds.
    """
    change = changes["change"].transpose(
        "group", "within_month", "seed", "init_time", "member", "lead_time", "metric"
    )
    tables = [
        table.assign(
            group=str(name), kind=str(changes["kind"].values[g]), within_month=bool(option), split=split
        )
        for split in dict.fromkeys(changes["split"].values.tolist())
        for g, name in enumerate(changes["group"].values)
        for option in changes["within_month"].values
        for table in _rows(
            change.isel(group=g).sel(within_month=option), changes["split"].values == split, months
        )
    ]
    table = pd.concat(tables, ignore_index=True).assign(
        members=changes.sizes["member"], seeds=changes.sizes["seed"], month=lambda t: t["month"].astype(str)
    )
    return table[list(COLUMNS)]


def _rows(change: xr.DataArray, of_split: np.ndarray, months: Sequence[int]) -> Iterator[pd.DataFrame]:
    """Give the tables of one group, option and split, one for each month."""
    change = change.isel(init_time=of_split)
    values, times = change.values.astype("float64"), change.indexes["init_time"]
    leads, metrics = change["lead_time"].values, change["metric"].values
    valid = (times.month.to_numpy()[:, None] + leads - 2) % 12 + 1
    for month in ("all", *months):
        counted = np.isfinite(values) & ((month == "all") | (valid == month))[None, :, None, :, None]
        sums = np.stack(
            [np.where(counted, values, 0), counted], axis=-1
        )  # (seed, init_time, member, lead, metric, 2)
        of_member = _mean(sums.sum(axis=(0, 1)))
        mean = of_member.mean(axis=0)
        by_year = intervals.by_block(np.moveaxis(sums.mean(axis=2), 1, 0), times.year.to_numpy())
        low, high = interval(by_year)
        columns = {
            "change": mean,
            "low": low,
            "high": high,
            "agreement": (np.sign(of_member) == np.sign(mean)).mean(axis=0),
            "n": sums[:, :, 0, ..., 1].sum(axis=(0, 1)),
        }
        grid = xr.Dataset(
            {k: (("lead_time", "metric"), v) for k, v in columns.items()},
            {"lead_time": leads, "metric": metrics},
        )
        table = grid.to_dataframe().reset_index().assign(month=month)
        yield table[table["n"] > 0].astype({"n": int})


def interval(
    sums: np.ndarray, *, level: float = 0.95, n_samples: int = 1000
) -> tuple[np.ndarray, np.ndarray]:
    """Return bounds of the central `level` of means when years and permutations are drawn.

    Both are drawn with replacement, independently of one another.
    sums: (year, seed, ..., 2), sum and number of values. Returns two arrays (...), NaN where fewer
    than two years have values.
    """
    n_years, n_seeds = sums.shape[:2]
    rng = np.random.default_rng(0)
    years, seeds = (rng.multinomial(n, np.full(n, 1 / n), size=n_samples) for n in (n_years, n_seeds))
    weights = (years[:, :, None] * seeds[:, None]).reshape(n_samples, -1).astype(float)
    means = _mean(np.tensordot(weights, sums.reshape(n_years * n_seeds, *sums.shape[2:]), axes=1))
    few = (sums[..., 1].sum(axis=1) > 0).sum(axis=0) < 2
    means[:, few] = 0  # so that no column is all NaN
    low, high = np.nanquantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return np.where(few, np.nan, low), np.where(few, np.nan, high)


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
    chosen = {"split": split, "kind": kind, "metric": metric, "within_month": within_month}
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
