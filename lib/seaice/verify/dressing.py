"""What is a fitted threshold worth?

Forecasts of SIC cut at 0.15, beside the same forecasts cut where their fitted probability is one
half. Nothing else differs.
"""

from collections.abc import Mapping, Sequence

import pandas as pd
import xarray as xr

from seaice.baselines.climatology import certain
from seaice.baselines.dressed import DRESSED
from seaice.verify import scoring

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
    forecasts = {}
    for model in DRESSED:
        of_model = baselines.sel(model=model, drop=True)
        forecasts |= {f"{model} cut": certain(of_model["siconc"]), f"{model} dressed": of_model["sip"]}
    scores = scoring.forecast_scores(forecasts, ready)[list(METRICS)].sel(region="all", drop=True)
    tables = []
    for split, ends in splits.items():
        of_split = scores.sel(init_time=slice(*ends)).drop_vars("valid_time")
        rows = (
            of_split.to_dataframe()
            .melt(value_vars=METRICS, var_name="metric", ignore_index=False)
            .reset_index()
        )
        rows[["model", "reading"]] = rows["model"].str.split(" ", expand=True)
        means = rows.groupby(["model", "lead_time", "metric", "reading"])["value"].agg(["mean", "count"])
        table = means["mean"].unstack("reading").assign(n=means["count"].unstack("reading")["cut"])
        tables.append(table.reset_index().assign(split=split))
    return pd.concat(tables, ignore_index=True)[
        ["model", "split", "lead_time", "metric", "cut", "dressed", "n"]
    ]
