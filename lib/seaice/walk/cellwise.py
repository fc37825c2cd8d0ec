"""What do models say that treat each cell on its own: trees, and the simple baselines?

Trees are fitted anew each year, or once when the walk begins. The simple baselines follow the
climate by themselves; the numbers that dress them with a probability are fitted each year, as are
damping and climatology.
"""

import time

import numpy as np
import pandas as pd
import xarray as xr

from seaice import progress
from seaice.baselines import features, simple, trees
from seaice.prepare.truth import truth_and_weight
from seaice.steps import valid_time
from seaice.walk import record
from seaice.walk.kept import Store
from seaice.walk.years import Protocol

REFITTED, FROZEN = "trees_refitted", "trees_frozen"
# Simple baselines of the walk. The names of the runs are kept, so that tables can be compared.
SIMPLE = simple.SIMPLE
# Variables of the record that are needed here; without the others there is more room.
USED = (
    *("siconc", "siconc_flag", "siconc_trend", "siconc_anomaly", "ice_frequency", "siconc_damping"),
    *("siconc_climatology", "land", "active", *features.WEATHER),
)


def walk(ready: xr.Dataset, protocol: Protocol, store: Store, *, rows: int) -> None:
    """Make the forecasts of every year that are not kept yet.

    ready: the whole record, in memory. rows: cells that the trees of each lead are fitted to.
    """
    ready = ready[[name for name in USED if name in ready]]
    by_name: dict[str, xr.DataArray] = {}
    for year in progress.bar(protocol.years, desc="trees and simple baselines", unit="year"):
        wanted = {REFITTED: [year], **{model: [year] for model in SIMPLE}}
        if year == protocol.begin:
            wanted[FROZEN] = [*range(year, protocol.last.year + 1)]
        lacking = {m for m, years in wanted.items() if not all(store.has(m, y) for y in years)}
        if lacking:
            # No fit changes the fields that distances to the edge are of: once is enough.
            by_name = by_name or _fields(ready)
            _year(ready, by_name, protocol, store, year, lacking, rows=rows)


def _year(
    ready: xr.Dataset, by_name: dict, protocol: Protocol, store: Store, year: int, lacking: set, *, rows: int
) -> None:
    """Make the forecasts of a year by the models that lack them. by_name: see `features.fields`."""
    of_year = record.refitted(ready, f"{protocol.known(year):%Y-%m}")
    if {REFITTED, FROZEN} & lacking:
        _trees(of_year, by_name | _fitted_fields(of_year), protocol, store, year, rows=rows)
    if {*SIMPLE} & lacking:
        _simple(of_year, protocol, store, year)


def _fields(ready: xr.Dataset) -> dict[str, xr.DataArray]:
    """Return the fields of the features of all initialisations, see `features.fields`."""
    return features.fields(ready, ready.indexes["time"])


def _fitted_fields(of_year: xr.Dataset) -> dict[str, xr.DataArray]:
    """Return those fields of the features that a fit changes: damping, and scaled weather."""
    names = ["siconc_damping", *(name for name in features.WEATHER if name in of_year)]
    return {name: of_year[name].reset_coords(drop=True) for name in names}


def _trees(
    of_year: xr.Dataset, by_name: dict, protocol: Protocol, store: Store, year: int, *, rows: int
) -> None:
    """Fit the trees of a year and keep what they forecast.

    Those of the first judged year are frozen, with the normals of that year, and forecast all years
    at once. by_name: fields of the features, see `features.fields`.
    """
    begin = time.process_time()
    fitted = fit(of_year, by_name, protocol, year, rows=rows)
    spent = time.process_time() - begin
    for model, years in ((REFITTED, [year]), (FROZEN, range(year, protocol.last.year + 1))):
        if model == FROZEN and year != protocol.begin:
            continue
        for forecast_year in years:
            begin = time.process_time()
            times = protocol.forecast([forecast_year])
            sip = trees.forecast(fitted, of_year, times, by_name=by_name).values
            cost = {
                "learn": spent if forecast_year == year else 0.0,
                "forecast": time.process_time() - begin,
            }
            store.put(model, forecast_year, sip, times, **cost)


def fit(of_year: xr.Dataset, by_name: dict, protocol: Protocol, year: int, *, rows: int) -> dict:
    """Return the trees of each lead, fitted to all targets that are known when a year begins.

    Trees learn the probe years, too: they are the bar, and shall not be lowered.
    """
    fitted = {}
    past = protocol.past(year)
    learnable = protocol.learnable(past, year, probes=False)
    for place, lead in enumerate(range(1, protocol.n_leads + 1)):
        inits = past[learnable[:, place]]
        fitted |= trees.fit(of_year, inits, lead_times=[lead], max_rows=rows, by_name=by_name)
    return fitted


def _simple(of_year: xr.Dataset, protocol: Protocol, store: Store, year: int) -> None:
    """Dress the simple baselines with what is known when a year begins; keep the forecasts."""
    begin = time.process_time()
    leads = range(1, protocol.n_leads + 1)
    past = protocol.past(year)
    whole = past[protocol.learnable(past, year, probes=False).all(axis=1)]
    fits = simple.fit(of_year, whole, lead_times=leads)
    spent = time.process_time() - begin
    begin, times = time.process_time(), protocol.forecast([year])
    made = simple.all_forecasts(of_year, times, lead_times=leads, fits=fits)["sip"]
    counts = _cells(of_year, times, leads)
    for model in SIMPLE:
        sip = made.sel(model=model).values
        # A forecast has values in all cells that count, or in none.
        has_all = (np.isfinite(sip) | ~counts).all(axis=(2, 3), keepdims=True)
        cost = {"learn": spent / len(SIMPLE), "forecast": (time.process_time() - begin) / len(SIMPLE)}
        store.put(model, year, np.where(has_all, sip, np.nan), times, **cost)


def _cells(ready: xr.Dataset, times: pd.DatetimeIndex, leads) -> np.ndarray:
    """Return the cells in which forecasts are judged, bool (init_time, lead_time, y, x)."""
    return truth_and_weight(ready, valid_time(times, leads))[1].values > 0
