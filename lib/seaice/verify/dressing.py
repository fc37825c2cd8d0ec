"""What is a fitted threshold worth?

Forecasts of SIC cut at 0.15, beside the same forecasts cut where their fitted probability is one
half. Nothing else differs.
"""

from collections.abc import Mapping, Sequence

import pandas as pd
import xarray as xr

from seaice.baselines.climatology import certain
from seaice.baselines.dressed import DRESSED
from seaice.grid import Grid
from seaice.schema import MAP
from seaice.verify import scores as verify_scores
from seaice.verify.scoring import block_of_truth, blocks, pick

METRICS = ("binary_accuracy", "iiee")


def threshold_table(
    baselines: xr.Dataset, ready: xr.Dataset, splits: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """Return the scores of the dressed models cut at 0.15 and as they are, by split and lead.

    Columns model, split, lead_time, metric (`METRICS`: %, million km2), cut (at SIC 0.15), dressed
    (at a probability of one half), n (forecasts averaged). Means over the whole map of all
    forecasts of a model that have a truth.
    baselines: see `baselines.simple.all_forecasts`. splits: first and last init_time of those that
    are judged.
    """
    sips, sics = (
        {model: baselines[name].sel(model=model, drop=True) for model in DRESSED}
        for name in ("sip", "siconc")
    )
    parts = []
    for init_times in blocks(sips, ready):
        truth = block_of_truth(ready, init_times, baselines["lead_time"].values)
        for model in DRESSED:
            forecasts = {
                "cut": certain(pick(sics[model], init_times)),
                "dressed": pick(sips[model], init_times),
            }
            for reading, sip in forecasts.items():
                rows = _scores(sip, truth, ready).to_dataframe().stack().rename("value").reset_index()
                parts.append(rows.rename(columns={"level_2": "metric"}).assign(model=model, reading=reading))
    rows, tables = pd.concat(parts), []
    for split, (first, last) in splits.items():
        within = rows[(rows["init_time"] >= first) & (rows["init_time"] <= pd.Period(last).end_time)]
        means = within.groupby(["model", "lead_time", "metric", "reading"])["value"].agg(["mean", "count"])
        table = means["mean"].unstack("reading").assign(n=means["count"].unstack("reading")["cut"])
        tables.append(table.reset_index().assign(split=split))
    return pd.concat(tables, ignore_index=True)[
        ["model", "split", "lead_time", "metric", "cut", "dressed", "n"]
    ]


def _scores(sip: xr.DataArray, truth: xr.Dataset, ready: xr.Dataset) -> xr.Dataset:
    """Return the `METRICS` (init_time, lead_time) of forecasts, NaN where there is none."""
    edge = verify_scores.iiee(sip, truth.ice, truth.weight, cell_area_km2=Grid.of(ready.attrs).cell_area_km2)
    accuracy = verify_scores.binary_accuracy(sip, truth.ice, truth.weight)
    there = (sip.notnull() & (truth.weight > 0)).any(MAP)
    return xr.Dataset({"binary_accuracy": accuracy, "iiee": edge["iiee"]}).where(there)
