"""What are more members worth? Scores of smaller ensembles, as a table."""

from collections.abc import Sequence
from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.verify.scores import binary_accuracy, brier
from seaice.verify.scoring import BLOCK_CELLS, block_of_truth

SCORES = {"binary_accuracy": binary_accuracy, "brier": brier}


def ensemble_table(
    forecast: xr.Dataset,
    ready: xr.Dataset,
    *,
    lead_times: Sequence[int] = (1, 3, 6),
    subsets: int = 12,
    seed: int = 0,
) -> pd.DataFrame:
    """Score ensembles of 1, 2, ... up to all members.

    Columns members, subset, lead_time, metric, value (mean over the forecasts).
    forecast: `ice_class_probability` with members, of the split to judge. Of each size at most
    `subsets` sets of members are drawn, or all sets where there are no more.
    The probabilities of the members are averaged as they are, without the calibration of the
    ensemble mean.
    Raises DataError for a store without members.
    """
    if "member" not in forecast.sizes:
        raise DataError("the forecast has no members, so there is no smaller ensemble to compare with")
    leads = [lead for lead in lead_times if lead in forecast.lead_time]
    count, rng = forecast.sizes["member"], np.random.default_rng(seed)
    totals = {}
    sets = [chosen for size in _sizes(count) for chosen in _subsets(count, size, subsets, rng)]
    n = max(1, int(BLOCK_CELLS / (count * len(leads) * ready.sizes["y"] * ready.sizes["x"])))
    for first in range(0, forecast.sizes["init_time"], n):
        block = forecast.isel(init_time=slice(first, first + n)).sel(lead_time=leads)
        truth = block_of_truth(ready, block.init_time, block.lead_time)
        open_water = block.ice_class_probability.isel(ice_class=0, drop=True)
        # Read once, and without coordinates: both would cost anew for every score of every set.
        ice_members, ice, weight = (
            da.drop_vars(da.coords).compute() for da in (1 - open_water, truth.ice, truth.weight)
        )
        for number, chosen in enumerate(sets):
            sip = ice_members.isel(member=list(chosen)).mean("member")
            for metric, score in SCORES.items():
                totals.setdefault((len(chosen), number, metric), []).extend(score(sip, ice, weight).values)
    rows = []
    for (members, number, metric), values in totals.items():
        # A step without a truth has no score.
        means = np.nanmean(values, axis=0)
        rows += [(members, number, lead, metric, mean) for lead, mean in zip(leads, means, strict=True)]
    return pd.DataFrame(rows, columns=["members", "subset", "lead_time", "metric", "value"])


def _sizes(count: int) -> list[int]:
    """Return every size of a small ensemble, or about ten sizes of a large one."""
    return sorted(
        {1, 2, count, *np.linspace(1, count, min(count, 10)).round().astype(int).tolist()}
        & set(range(1, count + 1))
    )


def _subsets(count: int, size: int, most: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """Return at most `most` sets of `size` members out of `count`, drawn where there are more."""
    if comb(count, size) <= most:
        return list(combinations(range(count), size))
    return [tuple(sorted(rng.choice(count, size, replace=False).tolist())) for _ in range(most)]
