"""How does a ready store grow by new months or days?

New steps are derived as the stored ones were, and are written behind them. The stored steps keep
every bit.
"""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.files import replacing_folder
from seaice.grid import Grid
from seaice.prepare import arrivals, known_at, ready_store
from seaice.prepare.arrivals import Arrivals
from seaice.steps import AHEAD, NAME, cadence


def append(
    path: Path,
    grid: Grid,
    *,
    now: pd.Timestamp,
    sources: Mapping[str, str] | None = None,
    since: Mapping[str, pd.Timestamp] | None = None,
    load: Callable[..., xr.Dataset] | None = None,
) -> Arrivals:
    """Append the catalogue's newer steps to the ready store at `path`; return the longer record.

    What is fitted (climatologies, scaling, active cells, damping) stays that of the store. See
    `arrivals.extend` for which steps are new, and for `now` and `load`.
    sources: variable to catalogue entry; default those of the store. Where they differ from those
    of the steps before, the attribute `appended` lists them by the first date that they hold for.
    since: first step looked at, by predictor; default the last `steps.AHEAD` steps of every
    predictor.
    Steps at the end without any value of SIC are not stored: a later call appends them once they
    have one. If nothing is new, nothing is written. The longer store replaces the old one when it
    is complete. Holds in memory what is written.

    Raises DataError for a store of another grid, for an entry of another cadence, if between stored
    and new steps more steps in a row lack SIC than `known_at.BRIDGED` allows, and for whatever
    `arrivals.extend` refuses.
    """
    ready = ready_store.open_ready(path)
    grid.check(ready, source=path.name)
    sources, load = sources or ready.attrs["sources"], load or arrivals.tolerant_loader(now)
    ice, notices = arrivals.newer_ice(ready, sources["siconc"], now=now, load=load)
    ice = _cut_empty_end(ice)
    _check_gaps(ready, ice, entry=sources["siconc"])
    statistics = ready_store.open_statistics(path)
    if since is None:
        recent = known_at.last_observed(ready) - AHEAD[cadence(ready)] * known_at.step(ready)
        since = dict.fromkeys(known_at.predictors(ready), recent)
    longer = arrivals.with_newer(ready, ice, statistics, sources, since=since, load=load)
    arrived = _steps_with_values(longer)
    if arrived:
        first = min(times[0] for times in arrived.values())
        with replacing_folder(path) as building:
            shutil.copytree(path, building)
            ready_store.rewrite_from(building, longer.ready, first)
            ready_store.finish(building, ready.attrs | _appended_sources(ready, sources, first))
    return Arrivals(ready_store.open_ready(path), notices + longer.notices, arrived)


def _cut_empty_end(ice: xr.Dataset) -> xr.Dataset:
    """Return the steps of ice (time, y, x) up to the last one that has a value of SIC."""
    has_value = ice.siconc.notnull().any(("y", "x")).values
    return ice.isel(time=slice(0, int(np.flatnonzero(has_value)[-1]) + 1 if has_value.any() else 0))


def _steps_with_values(longer: Arrivals) -> dict[str, pd.DatetimeIndex]:
    """Return, by variable, the steps that did not come from the store and have a value."""
    arrived = {}
    for name, times in longer.arrived.items():
        has_value = longer.ready[name].sel(time=times).notnull().any(("y", "x")).values
        if has_value.any():
            arrived[name] = times[has_value]
    return arrived


def _appended_sources(ready: xr.Dataset, sources: Mapping[str, str], first: pd.Timestamp) -> dict:
    """Return the attribute `appended`, or nothing if it stays empty.

    It names the entries of the appended steps, by first date, where they differ from those before.
    """
    appended = ready.attrs.get("appended", {})
    latest = appended[max(appended)] if appended else ready.attrs["sources"]
    if dict(sources) != latest:
        appended = appended | {f"{first:%Y-%m-%d}": dict(sources)}
    return {"appended": appended} if appended else {}


def _check_gaps(ready: xr.Dataset, ice: xr.Dataset, *, entry: str) -> None:
    """Raise DataError if new steps (time, y, x) follow a gap in SIC that is too long to fill."""
    if not ice.sizes["time"]:
        return
    last, step = known_at.last_observed(ready), known_at.step(ready)
    with_value = ice.indexes["time"][ice.siconc.notnull().any(("y", "x")).values]
    longest_gap, previous = known_at.BRIDGED[cadence(ready)], last
    for time in with_value:
        absent = pd.date_range(previous + step, time - step, freq=step)
        if len(absent) > longest_gap:
            raise DataError(
                f"entry '{entry}': siconc of {absent[0]:%Y-%m-%d} is missing or broken, and that of "
                f"{time:%Y-%m-%d} is there; at most {longest_gap} "
                f"{NAME[cadence(ready)]}s in a row may be missing: wait until they are published, "
                "or run the preprocessing anew, which leaves them out"
            )
        previous = time
