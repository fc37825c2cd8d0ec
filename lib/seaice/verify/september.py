"""Whose September ice edge is best?

A published edge lies on a grid of 25 km, and a cell of the run's coarser grid is inside if most of
it is. The other models forecast something else, whether the mean concentration of the coarse cell
exceeds 0.15. Whoever forecasts the one perfectly misses the other by some tenths of a percent. The
contest is therefore judged by both truths.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from seaice.baselines.physics import from_edge
from seaice.grid import Grid
from seaice.schema import MAP, Flag
from seaice.sources import catalog, providers
from seaice.steps import valid_time
from seaice.thresholds import ICE_EDGE
from seaice.verify import scoring, tables

EDGE = "ecmwf_edge"
NOT_JUDGED = ("extent_crps", "rps")  # an edge has neither members nor ice classes


def write(
    sips: Mapping[str, xr.DataArray],
    scores: xr.Dataset,
    ready: xr.Dataset,
    splits: Mapping[str, Sequence[str]],
    *,
    folder: Path,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write and return the scores of all models on the forecasts of the edge, and differences.

    Both tables are of the same forecasts, those that every model has.

    `september_edge.csv` and `september_differences.csv` (IceNet minus each other model) are the
    tables of `tables.edge_table` and `tables.differences_table`, with one more column, `truth`:
    "concentration", the mean SIC of a cell above 0.15, or "edge", see `observed`.
    sips: by model, with `EDGE` among them. scores: of these, see `scoring.forecast_scores`.
    ready: its attribute `sources` names the catalogue entry of the observed ice, which is opened on
    its own grid. folder: of the tables.
    """
    has_edge = sips[EDGE].notnull().any(MAP).compute()
    inits, leads = (
        has_edge.init_time[has_edge.any("lead_time")],
        has_edge.lead_time[has_edge.any("init_time")],
    )
    chosen = {
        name: sip.sel(init_time=sip.init_time.isin(inits), lead_time=leads) for name, sip in sips.items()
    }
    truth = with_edge(ready, observed(ready.attrs["sources"]["siconc"], chosen[EDGE], ready))
    by_truth = {
        "concentration": scores.sel(init_time=scores.init_time.isin(inits), lead_time=leads),
        "edge": scoring.forecast_scores(chosen, truth),
    }
    by_table = {"edge": [], "differences": []}
    for name, of_truth in by_truth.items():
        shared = of_truth["binary_accuracy"].sel(region="all").notnull().all("model").any("lead_time")
        of_truth = of_truth.sel(init_time=shared.values)
        with_edges = {
            split: ends
            for split, ends in splits.items()
            if of_truth.sel(init_time=slice(*ends)).init_time.size
        }
        by_table["edge"].append(tables.edge_table(of_truth, ready).assign(truth=name))
        differences = tables.differences_table(of_truth, with_edges)
        by_table["differences"].append(differences.assign(truth=name))
    edges, differences = (pd.concat(parts, ignore_index=True) for parts in by_table.values())
    edges = edges[~edges["metric"].isin(NOT_JUDGED)]
    tables.write(edges, folder / "september_edge.csv")
    tables.write(differences, folder / "september_differences.csv")
    return edges, differences


def observed(entry: str, forecast: xr.DataArray, ready: xr.Dataset) -> xr.DataArray:
    """Return the edge that would have been right (init_time, lead_time, y, x).

    The observed edge, 1 inside and 0 outside, is brought to the grid of the run on the path of the
    published forecast (`providers.on_grid`, `physics.from_edge`), which scores 100 if it knew it.
    entry: catalogue entry of observed ice. forecast: SIP of the edge, for its init_times and leads.
    """
    native = providers.standardise(catalog.open_entry(entry), catalog.metadata(entry), source=entry)
    ice = (native["siconc"] > ICE_EDGE).where(native["siconc"].notnull())
    by_lead = [
        ice.sel(time=valid_time(forecast.init_time, [lead]).isel(lead_time=0, drop=True)).drop_vars("time")
        for lead in forecast.lead_time.values
    ]
    sip = xr.concat(by_lead, forecast.lead_time.reset_coords(drop=True)).transpose(
        "init_time", "lead_time", ...
    )
    attrs = {**native.attrs, "binary": 1}
    edge = xr.Dataset({"sip": sip.astype("float32"), "land": native["land"]}, attrs=attrs)
    on_grid = providers.on_grid(edge, Grid.of(ready.attrs), source=entry)
    return from_edge(on_grid, ready, forecast.init_time.values, lead_times=forecast.lead_time.values)


def with_edge(ready: xr.Dataset, edge: xr.DataArray) -> xr.Dataset:
    """Return the record at the valid months of `edge`, with 1 and 0 of the edge as its ice.

    What was not observed stays without weight. edge: see `observed`.
    """
    valid = valid_time(edge.init_time, edge.lead_time)
    months = edge.stack(time=("init_time", "lead_time"))
    months = months.drop_vars(["time", "init_time", "lead_time"]).assign_coords(time=valid.values.ravel())
    months = months.transpose("time", ...).sortby("time").compute()
    record = ready.sel(time=months.time)
    flag = record["siconc_flag"].where(months.notnull() | record["land"], Flag.MISSING).astype(np.uint8)
    return record.assign(siconc=months, siconc_flag=flag)
