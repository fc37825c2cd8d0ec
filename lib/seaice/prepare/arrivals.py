"""Which months or days does the catalogue hold beyond the stored record?

New steps continue the record in memory, derived as the stored ones were.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.grid import Grid
from seaice.prepare import derive, known_at, prior, quality
from seaice.schema import KNOWN_AHEAD, Flag
from seaice.sources import catalog, providers
from seaice.steps import AHEAD, cadence

# Span of the stored record that new steps are checked against: `quality` looks back ten years in
# monthly records, and some weeks in daily ones.
PAST = {
    "monthly": pd.DateOffset(years=15),
    "daily": pd.DateOffset(days=90),
}
REVISED = 0.01  # SIC fraction, mean change of a stored month from which on it is reported


class Arrivals(NamedTuple):
    """The stored record extended with newer data.

    notices: what was left out, and why. arrived: time steps, by variable, that did not come from
    the store.
    """

    ready: xr.Dataset
    notices: list[str]
    arrived: dict[str, pd.DatetimeIndex]


def extend(
    ready: xr.Dataset,
    statistics: xr.Dataset,
    sources: Mapping[str, str],
    *,
    now: pd.Timestamp,
    since: Mapping[str, pd.Timestamp] | None = None,
    load: Callable[..., xr.Dataset] | None = None,
) -> Arrivals:
    """Extend a record with the time steps that the catalogue holds beyond it.

    New steps are scaled as those of the record. Lazy where the record is lazy.
    statistics: the store's group of that name, which scales the new steps.
    sources: variable to catalogue entry.
    now: steps that are not over by then are left out.
    since: first step looked at, by predictor; default the one after the last stored. Steps from
    there on that the store lacks are loaded, too.
    load: called in place of `providers.load`.
    Steps of ice that `quality.find_broken` rejects become missing. So do predictors in steps that
    their entries lack.

    Raises DataError for dates in the future, for dates repeated or out of order, and if sea ice
    concentration cannot be loaded.
    """
    load = load or tolerant_loader(now)
    ice, notices = newer_ice(ready, sources["siconc"], now=now, load=load)
    extended = with_newer(ready, ice, statistics, sources, since=since, load=load)
    return extended._replace(notices=notices + extended.notices)


def newer_ice(
    ready: xr.Dataset, entry: str, *, now: pd.Timestamp, load: Callable
) -> tuple[xr.Dataset, list[str]]:
    """Return the ice that an entry holds beyond a record, and notices for the reader.

    Broken steps are missing. Arguments and errors are those of `extend`. Also raises DataError for
    an entry of another cadence.
    """
    last, grid = known_at.last_observed(ready), Grid.of(ready.attrs)
    ice, notices = _load_finished(entry, grid, last, known_at.step(ready), now=now, load=load)
    derive.check_cadence(ice, cadence(ready), entry=entry)
    if ice.sizes["time"] and ice.indexes["time"][0] == last:
        notices += _note_revision(ready, ice.sel(time=last), last, entry=entry)
    ice = ice.sel(time=ice.indexes["time"] > last)
    if not ice.sizes["time"]:
        return ice, notices
    ice, broken = _mask_broken(ready, ice, last)
    return ice, notices + broken


def with_newer(ready: xr.Dataset, ice: xr.Dataset, statistics, sources, *, since, load) -> Arrivals:
    """Return a record continued with newer ice and with its predictors.

    ice: see `newer_ice`; it may have no steps. Other arguments and errors are those of `extend`.
    """
    last, step = known_at.last_observed(ready), known_at.step(ready)
    grid = Grid.of(ready.attrs)
    out, end, notices, arrived = ready, last, [], {}
    if ice.sizes["time"]:
        end = ice.indexes["time"][-1]
        out, arrived["siconc"] = _continue_ice(ready, ice, last, grid, load), ice.indexes["time"]
    # Predictors may arrive later than the ice of the same step, so stored gaps are loaded, too.
    for name in known_at.predictors(ready):
        gaps, new = absent(ready[name], (since or {}).get(name, last + step), last), None
        begin = gaps[0] if len(gaps) else last + step
        if begin <= end:
            new, messages = _load_predictor(
                name, sources, statistics, grid, begin, end, counted=cadence(ready), load=load
            )
            notices += messages
        stored = ready[name] if new is None else _fill_absent(ready[name], new, begin, last)
        if new is not None:
            time = new.indexes["time"]
            arrived[name] = time[time.isin(gaps) | (time > last)]
        if end > last:
            out[name] = _join(stored, new, last, out.indexes["time"])
        elif new is not None:
            out = out.assign({name: stored})
    return Arrivals(out, notices, arrived)


def absent(stored: xr.DataArray, since: pd.Timestamp, last: pd.Timestamp) -> pd.DatetimeIndex:
    """Return the steps from `since` to `last` in which a predictor (time, y, x) has no value."""
    recent = stored.sel(time=slice(since, last))
    return recent.indexes["time"][recent.isnull().all(("y", "x")).values]


def _fill_absent(stored: xr.DataArray, new: xr.DataArray, begin, last) -> xr.DataArray:
    """Return a stored predictor with its empty steps from `begin` to `last` taken from `new`.

    All other values keep every bit.
    """
    recent = stored.sel(time=slice(begin, last))
    filling = new.assign_coords(y=stored.y, x=stored.x).reset_coords(drop=True).reindex(time=recent.time)
    recent = recent.reset_coords(drop=True).where(
        recent.notnull().any(("y", "x")), filling.astype(stored.dtype)
    )
    pieces = [
        stored.sel(time=stored.indexes["time"] < begin),
        recent,
        stored.sel(time=stored.indexes["time"] > last),
    ]
    joined = xr.concat([piece.reset_coords(drop=True) for piece in pieces], "time")
    return joined.assign_coords(
        {n: c for n, c in stored.coords.items() if n not in joined.coords}
    ).assign_attrs(stored.attrs)


def _continue_ice(ready: xr.Dataset, ice: xr.Dataset, last: pd.Timestamp, grid: Grid, load) -> xr.Dataset:
    """Return a record continued with new steps of ice and of all that is derived from ice.

    Its predictors are left out.
    """
    end, ahead = ice.indexes["time"][-1], AHEAD[cadence(ready)] * known_at.step(ready)
    axis = pd.date_range(ready.indexes["time"][0], end + ahead, freq=known_at.step(ready), name="time")
    siconc = _join(ready.siconc, ice.siconc, last, axis)
    flag = _join(ready.siconc_flag, ice.siconc_flag, last, axis, missing=Flag.MISSING)
    out = ready.drop_dims("time").assign(siconc=siconc, siconc_flag=flag).assign_attrs(ready.attrs)
    # The store holds what is valid up to `AHEAD` steps past its last observation; the
    # rest is computed.
    computed = _derive_known_ahead(out, grid, load)
    for name in (n for n in KNOWN_AHEAD if n in ready):
        out[name] = _extend_from(ready[name], computed[name], last + ahead)
    if "siconc_anomaly" in ready:
        out["siconc_anomaly"] = _extend_from(ready.siconc_anomaly, prior.anomaly(out), last)
    return out


def _derive_known_ahead(out: xr.Dataset, grid: Grid, load) -> xr.Dataset:
    """Return trend and frequencies (time, y, x) of a record that has new steps of SIC.

    They are derived from the months that are known then.
    """
    if cadence(out) == "monthly":
        return derive.known_ahead(out)
    fit = {name: out.attrs[name] for name in ("fit_start", "fit_end")}
    options = {"source": "the record", "load": load}
    monthly_ice, monthly = derive.months_of(
        out, out, out.attrs.get("normals"), grid, out.indexes["time"], fit, **options
    )
    months = derive.observed(monthly_ice, monthly["axis"]).assign(siconc_climatology=out.siconc_climatology)
    return derive.known_ahead_of_days(months, out.time)


def tolerant_loader(now: pd.Timestamp) -> Callable[..., xr.Dataset]:
    """Return a `providers.load` for entries that may not reach as far as they are asked for.

    Files that are not there yet, up to `now`, are no error. A file that holds a whole record is
    fetched anew if its server has a newer version.
    """

    def load(
        entry: str, grid: Grid, *, start: str | None = None, end: str | None = None, **options
    ) -> xr.Dataset:
        if catalog.metadata(entry).get("one_file_a_step"):
            end, options = end or f"{now:%Y-%m-%d}", options | {"skip_missing": True}
        elif "fresh" in catalog.options(entry):
            options = options | {"fresh": True}
        return providers.load(entry, grid, start=start, end=end, **options)

    return load


def _load_finished(entry, grid, last, step, *, now, load, variables=None) -> tuple[xr.Dataset, list[str]]:
    """Load the steps of an entry from `last` on that are over by `now`; name those that are not.

    Raises DataError for dates after `now`, and for dates that are no step of the record.
    """
    options = {"variables": variables} if variables else {}
    ds = load(entry, grid, start=f"{last:%Y-%m-%d}", **options)
    time = ds.indexes["time"]
    off_axis = time[~time.isin(pd.date_range(last, time[-1], freq=step))]
    if len(off_axis):
        raise DataError(
            f"entry '{entry}': {off_axis[0]:%Y-%m-%d} is no step of the record; "
            "name an entry of the record's cadence"
        )
    future = time[time > now]
    if len(future):
        raise DataError(
            f"entry '{entry}': holds data of {future[0]:%Y-%m-%d}, which lies in the future of "
            f"{now:%Y-%m-%d}; check its calendar"
        )
    finished = time + step <= now
    notices = [f"'{entry}': {date:%Y-%m-%d} is not over and is left out" for date in time[~finished]]
    return ds.isel(time=np.flatnonzero(finished)), notices


def _note_revision(ready: xr.Dataset, reloaded: xr.Dataset, last: pd.Timestamp, *, entry: str) -> list[str]:
    """Return a notice if the last stored step of ice has changed at its source since, or none."""
    change = float(
        abs(reloaded.siconc - ready.siconc.sel(time=last))
        .where(ready.siconc_flag.sel(time=last) == Flag.OBSERVED)
        .mean()
    )
    if not change > REVISED:
        return []
    return [
        f"'{entry}': siconc of {last:%Y-%m-%d} differs from the stored one by {change:.3f} on average; "
        "run the preprocessing anew"
    ]


def _mask_broken(ready: xr.Dataset, ice: xr.Dataset, last: pd.Timestamp) -> tuple[xr.Dataset, list[str]]:
    """Mask the new steps of ice that are broken, judged by the record before them; name them."""
    names = ("siconc", "siconc_flag")
    past = ready[list(names)].sel(time=slice(last - PAST[cadence(ready)], last))
    attrs = {name: ready.attrs[name] for name in ("hemisphere", "cadence")}
    attrs |= {name: ice.attrs[name] for name in ("outages",) if name in ice.attrs}
    joined = xr.concat(
        [past.drop_vars("crs", errors="ignore"), ice[list(names)].drop_vars("crs", errors="ignore")], "time"
    )
    report = quality.find_broken(joined.assign_attrs(attrs))
    report = report[report["time"] > last]
    notices = [
        f"siconc of {row.time:%Y-%m-%d} is broken ({row.check}: {row.value:.3g}, limit {row.limit:.3g}) "
        "and is left out"
        for row in report.itertuples()
    ]
    return quality.mask_broken(ice, report), notices


def _load_predictor(
    name, sources, statistics, grid, begin, end, *, counted, load
) -> tuple[xr.DataArray | None, list[str]]:
    """Load one predictor from `begin` to `end`, scaled.

    Returns None, and the reason as a notice, if it cannot be loaded.
    """
    if name not in sources:
        return None, [f"no source of '{name}' is given; it is missing from {begin:%Y-%m-%d} on"]
    try:
        field = load(sources[name], grid, start=f"{begin:%Y-%m-%d}", end=f"{end:%Y-%m-%d}", variables=[name])
        field = derive.check_cadence(field, counted, entry=sources[name])[name]
    except DataError as error:
        return None, [f"'{name}' is missing from {begin:%Y-%m-%d} on: {error}"]
    names = [n for n in (f"{name}_climatology", f"{name}_mean", f"{name}_std") if n in statistics]
    return derive.scaled(field, statistics[names].load(), cadence=counted), []


def _extend_from(stored: xr.DataArray, computed: xr.DataArray, until: pd.Timestamp) -> xr.DataArray:
    """Return the stored steps up to `until`, every bit kept, followed by the computed ones."""
    pieces = [stored.sel(time=slice(None, until)), computed.sel(time=computed.indexes["time"] > until)]
    joined = xr.concat([piece.reset_coords(drop=True) for piece in pieces], "time").astype(stored.dtype)
    return joined.assign_attrs(stored.attrs)


def _join(stored: xr.DataArray, new: xr.DataArray | None, last, axis, *, missing=np.nan) -> xr.DataArray:
    """Join the stored steps up to `last` with the new ones after it on the time axis `axis`.

    Steps that neither has are filled with `missing`.
    """
    pieces = [stored.sel(time=slice(None, last))]
    if new is not None:
        new = new.sel(time=new.indexes["time"] > last).assign_coords(y=stored.y, x=stored.x)
        pieces.append(new.reset_coords(drop=True).astype(stored.dtype))
    pieces = [piece.reset_coords(drop=True) for piece in pieces]
    joined = xr.concat(pieces, "time").reindex(time=axis, fill_value=missing).astype(stored.dtype)
    return joined.assign_attrs(stored.attrs)
