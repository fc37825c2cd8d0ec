"""How do scores become rows of a table?

Scores are added up by blocks of their targets (see `intervals.blocks`); the sums become values with
intervals, and paired differences with the number of blocks that favour one model.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import xarray as xr

from seaice.verify import intervals
from seaice.verify.targets import on_targets, same_targets

Statistic = Callable[[np.ndarray], np.ndarray]


def values(sums: np.ndarray, statistic: Statistic, coords: Mapping) -> pd.DataFrame:
    """Return one row for each entry: its coordinates, value, low, high, blocks, p and n.

    sums, statistic: see `intervals.interval`; sums has the dims (block, *coords, k). n is the
    number of forecasts. Entries without a forecast, or whose value does not exist, are left out.
    """
    columns = intervals.interval(sums, statistic)._asdict() | {"n": sums[..., -1].sum(axis=0)}
    return _frame(columns, coords)


def differences(
    scores: xr.Dataset, score: str, statistic: Statistic, *, model: str, sign: int, cadence: str
) -> pd.DataFrame:
    """Return `statistic` of `model` minus that of each other model, by lead, over the whole map.

    Columns baseline, lead_time, difference, low, high, n, blocks, blocks_ahead (blocks in which
    `model` is the better one) and p. Only forecasts that both have are compared, see
    `targets.same_targets`.
    scores: see `scoring.forecast_scores`, of one split. sign: 1 where more is better, else -1.
    """
    by_target = on_targets(scores.sel(region="all", drop=True)[[score]])[score]
    sums, coords = pair_sums(by_target, model=model, cadence=cadence)
    return pair_rows(sums, difference(statistic), coords, sign=sign)


def pair_sums(by_target: xr.DataArray, *, model: str, cadence: str) -> tuple[np.ndarray, dict]:
    """Return sums (block, baseline, lead_time, 3), and the coordinates of their inner dims.

    The three are the scores of `model`, those of the baseline, and the number of forecasts that
    both have. by_target: (model, target, lead_time), see `targets.on_targets`.
    """
    others = by_target.drop_sel(model=model).transpose("target", "model", "lead_time")
    own = by_target.sel(model=model, drop=True).broadcast_like(others).transpose(*others.dims)
    both = same_targets(own.notnull() & others.notnull())
    kept = both.any(("model", "lead_time"))
    scores = [part.where(both, 0).sel(target=kept).values for part in (own, others, both)]
    block = intervals.blocks(others.target[kept.values], cadence)
    coords = {"baseline": others.model.values, "lead_time": others.lead_time.values}
    return intervals.by_block(np.stack(scores, axis=-1).astype(float), block), coords


def pair_rows(sums: np.ndarray, statistic: Statistic, coords: Mapping, *, sign: int) -> pd.DataFrame:
    """Return the rows of differences: as `values`, with `blocks_ahead`, and value as `difference`.

    sums: (block, *coords, k). statistic: gives the difference. sign: see `differences`.
    """
    columns = intervals.interval(sums, statistic)._asdict()
    with np.errstate(divide="ignore", invalid="ignore"):
        columns["blocks_ahead"] = (sign * statistic(sums) > 0).sum(axis=0)
    table = _frame(columns | {"n": sums[..., -1].sum(axis=0)}, coords)
    return table.rename(columns={"value": "difference"})


def difference(statistic: Statistic) -> Statistic:
    """Return a function of sums (..., 3), see `pair_sums`: the difference of two statistics."""
    return lambda sums: statistic(sums[..., [0, 2]]) - statistic(sums[..., [1, 2]])


def _frame(columns: Mapping[str, np.ndarray], coords: Mapping) -> pd.DataFrame:
    """Return a row for each entry that has a value; columns are arrays with the dims of coords."""
    columns = {**columns, "n": columns["n"].astype(int)}
    index = pd.MultiIndex.from_product(coords.values(), names=list(coords))
    table = pd.DataFrame({name: column.ravel() for name, column in columns.items()}, index)
    return table[table["value"].notna()].reset_index()
