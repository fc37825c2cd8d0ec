"""How does a ready store grow? New steps are derived as the old ones were, and stored behind them; the old ones keep every bit."""

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
    """Append to the ready store at `path` the steps that the catalogue has beyond it, and return the record with them.

    What is fitted (climatologies, scaling, active cells, damping) stays that of the store. The new steps are those of
    `arrivals.extend`, which also says what `sources` (default those of the store), `now`, `since` (default the last
    `steps.AHEAD` of every predictor) and `load` are. Steps at the end that have no value of SIC are not stored: a later call
    takes them when they are there. Without anything new, nothing is written. The longer store replaces the old one when it is
    complete. Where `sources` are others than before, the attribute `appended` has them by their first date. Holds in memory
    what is written.

    Raises DataError for a store of another grid, an entry of another cadence, more steps in a row without SIC than
    `known_at.BRIDGED` between stored and new ones, and whatever `arrivals.extend` refuses.
    """
    ready = ready_store.open_ready(path)
    grid.check(ready, source=path.name)
    sources, load = sources or ready.attrs["sources"], load or arrivals.offered_by(now)
    ice, notices = arrivals.newer_ice(ready, sources["siconc"], now=now, load=load)
    ice = _up_to_the_newest_value(ice)
    _check_gaps(ready, ice, entry=sources["siconc"])
    statistics = ready_store.open_statistics(path)
    if since is None:
        recent = known_at.last_observed(ready) - AHEAD[cadence(ready)] * known_at.step(ready)
        since = dict.fromkeys(known_at.predictors(ready), recent)
    longer = arrivals.with_newer(ready, ice, statistics, sources, since=since, load=load)
    arrived = _with_values(longer)
    if arrived:
        first = min(times[0] for times in arrived.values())
        with replacing_folder(path) as building:
            shutil.copytree(path, building)
            ready_store.rewrite_from(building, longer.ready, first)
            ready_store.finish(building, ready.attrs | _origin(ready, sources, first))
    return Arrivals(ready_store.open_ready(path), notices + longer.notices, arrived)


def _up_to_the_newest_value(ice: xr.Dataset) -> xr.Dataset:
    has_value = ice.siconc.notnull().any(("y", "x")).values
    return ice.isel(time=slice(0, int(np.flatnonzero(has_value)[-1]) + 1 if has_value.any() else 0))


def _with_values(longer: Arrivals) -> dict[str, pd.DatetimeIndex]:
    """By variable the steps that are not the store's and have a value."""
    arrived = {}
    for name, times in longer.arrived.items():
        has_value = longer.ready[name].sel(time=times).notnull().any(("y", "x")).values
        if has_value.any():
            arrived[name] = times[has_value]
    return arrived


def _origin(ready: xr.Dataset, sources: Mapping[str, str], first: pd.Timestamp) -> dict:
    """The attribute that says which entries the appended steps come from, where they are not those of the steps before."""
    appended = ready.attrs.get("appended", {})
    before = appended[max(appended)] if appended else ready.attrs["sources"]
    if dict(sources) != before:
        appended = appended | {f"{first:%Y-%m-%d}": dict(sources)}
    return {"appended": appended} if appended else {}


def _check_gaps(ready: xr.Dataset, ice: xr.Dataset, *, entry: str) -> None:
    """Raise DataError for new steps (time) that leave a gap behind the stored ones that nothing may fill."""
    if not ice.sizes["time"]:
        return
    last, one = known_at.last_observed(ready), known_at.step(ready)
    with_value = ice.indexes["time"][ice.siconc.notnull().any(("y", "x")).values]
    most, before = known_at.BRIDGED[cadence(ready)], last
    for time in with_value:
        absent = pd.date_range(before + one, time - one, freq=one)
        if len(absent) > most:
            raise DataError(
                f"entry '{entry}': siconc of {absent[0]:%Y-%m-%d} is missing or broken, and that of {time:%Y-%m-%d} is there; "
                f"at most {most} {NAME[cadence(ready)]}s in a row may lack: wait for them, or preprocess anew, which leaves them out"
            )
        before = time
