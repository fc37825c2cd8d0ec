"""How good was each forecast of the walk? Did its probabilities and its edge region hold?

The years are judged one after the other, so only one is in memory. What is drawn and tabled comes
from the small arrays that are left: scores of each initialisation and lead, counts of cells by
probability and outcome, and margins of the cells at the observed edge.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from seaice.verify import edge_region, scoring
from seaice.walk import calibration, cellwise, counted
from seaice.walk.kept import Store
from seaice.walk.years import Protocol

# Scores that the walk keeps, see `scoring.forecast_scores`.
KEPT = ("brier", "binary_accuracy", "iiee", "sie_error")
SHARE = edge_region.COVERAGE  # of the edge cells that the region of the moving p' shall hold


@dataclass(frozen=True)
class Judged:
    """What is left of the forecasts of a walk.

    scores: `KEPT` (model, init_time, lead_time) of all initialisations from the first year on.
    counts: `cells` and `sums`, see `counted.counts`, (model, init_time, lead_time, bin, outcome).
    edge: coverage (%) and size (% of the active cells) of the region by the moving p' (model,
    init_time, lead_time), with the number of edge cells. calibration: rows of `calibration.walk`.
    """

    scores: xr.Dataset
    counts: xr.Dataset
    edge: xr.Dataset
    calibration: pd.DataFrame


def judge(
    ready: xr.Dataset,
    protocol: Protocol,
    store: Store,
    *,
    strategies: Sequence[str],
    years: int,
    last_year: int,
) -> Judged:
    """Judge the kept forecasts of all models, to the end of a year.

    ready: with the truth. Other arguments: see `calibration.walk`.
    """
    options = {"strategies": strategies, "years": years, "last_year": last_year}
    scores, counts, edges, tables = [], [], [], []
    margins: dict[str, Margins] = {}
    for year, made, table in calibration.walk(ready, protocol, store, **options):
        inits = protocol.forecast([year])
        others = (
            cellwise.REFITTED,
            *((cellwise.FROZEN,) if year >= protocol.begin else ()),
            *cellwise.SIMPLE,
        )
        sips = made | {model: store.forecasts(model, [year]) for model in others}
        of_year = scoring.forecast_scores(sips, ready)[list(KEPT)].sel(region="all", drop=True)
        scores.append(of_year.drop_vars("valid_time"))
        observed = counted.truth(ready, inits, protocol.n_leads)
        counts.append(_counts(sips, observed))
        edges.append(_edges(sips, observed, margins, protocol, year, years))
        tables.append(table)
    joined = {"join": "outer", "fill_value": np.nan}
    return Judged(
        scoring.with_times(xr.concat(scores, "init_time", **joined), ready),
        xr.concat(counts, "init_time", **joined),
        xr.concat(edges, "init_time", **joined),
        pd.concat(tables, ignore_index=True),
    )


def _counts(sips: dict[str, xr.DataArray], observed: counted.Truth) -> xr.Dataset:
    """Return the counts of a year's forecasts, `cells` and `sums`, by model."""
    both = [counted.counts(sip.values, observed) for sip in sips.values()]
    dims = ("model", "init_time", "lead_time", "bin", "outcome")
    any_sip = next(iter(sips.values()))
    coords = {"model": np.array([*sips], object)} | {d: any_sip[d].values for d in ("init_time", "lead_time")}
    cells, sums = (np.stack(arrays).astype("float32") for arrays in zip(*both, strict=True))
    return xr.Dataset({"cells": (dims, cells), "sums": (dims, sums)}, coords)


class Margins:
    """Margins of the edge cells of one model, year after year, for a p' that moves.

    The margin of a cell is min(SIP, 1 - SIP); the region of p' holds the cells with a larger one.
    """

    def __init__(self, protocol: Protocol, years: int):
        self._protocol, self._years = protocol, years
        self._times = pd.DatetimeIndex([])
        self._sorted: list[list[np.ndarray]] = []

    def add(self, times: pd.DatetimeIndex, margins: list[list[np.ndarray]]) -> None:
        """Add margins by initialisation and lead."""
        self._times = self._times.append(times)
        self._sorted += margins

    def least(self, year: int) -> np.ndarray:
        """Return the p' (lead_time) whose regions would have held `SHARE` of the verified edges.

        0, the whole sea, before anything is verified.
        """
        n_leads = self._protocol.n_leads
        if not len(self._times):
            return np.zeros(n_leads)
        since = year - self._years
        verified = self._protocol.learnable(self._times, year, since=since, probes=False)
        out = np.zeros(n_leads)
        for k in range(n_leads):
            pooled = [self._sorted[i][k] for i in np.flatnonzero(verified[:, k])]
            values = np.concatenate(pooled) if pooled else np.zeros(0)
            out[k] = np.quantile(values, 1 - SHARE, method="lower") if len(values) else 0.0
        return out


def _edges(
    sips: dict[str, xr.DataArray],
    observed: counted.Truth,
    margins: dict[str, Margins],
    protocol: Protocol,
    year: int,
    years: int,
) -> xr.Dataset:
    """Return coverage and size of each model's edge region, with the p' of the years before."""
    any_sip = next(iter(sips.values()))
    dims = ("init_time", "lead_time", "y", "x")
    ice, weight = (xr.DataArray(field, dims=dims) for field in (observed.ice, observed.counts.astype(int)))
    edge = edge_region.edge_cells(ice, weight).values
    shape = (len(sips), *edge.shape[:2])
    held, size, number = (np.full(shape, np.nan) for _ in range(3))
    for m, (model, sip) in enumerate(sips.items()):
        state = margins.setdefault(model, Margins(protocol, years))
        least = state.least(year)
        margin = np.minimum(sip.values, 1 - sip.values)
        kept: list[list[np.ndarray]] = [[] for _ in range(shape[1])]
        for i in range(shape[1]):
            for k in range(shape[2]):
                of_edge = margin[i, k][edge[i, k]]
                of_edge = of_edge[np.isfinite(of_edge)]
                kept[i].append(of_edge.astype("float32"))
                if len(of_edge):
                    counting = margin[i, k][observed.counts[i, k]]
                    held[m, i, k] = 100 * (of_edge >= least[k]).mean()
                    size[m, i, k] = 100 * (counting >= least[k]).mean()
                    number[m, i, k] = len(of_edge)
        state.add(pd.DatetimeIndex(any_sip.init_time.values), kept)
    coords = {"model": np.array([*sips], object)} | {d: any_sip[d].values for d in ("init_time", "lead_time")}
    fields = {"coverage": held, "size": size, "edge_cells": number}
    return xr.Dataset({name: (("model", *dims[:2]), values) for name, values in fields.items()}, coords)
