"""Which months or days has the catalogue beyond the stored record? They continue it in memory, derived as the record was."""

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

PAST = {  # of the record, that new steps are held against: `quality` looks back ten years, and some weeks of days
    "monthly": pd.DateOffset(years=15),
    "daily": pd.DateOffset(days=90),
}
REVISED = 0.01  # fraction, mean change of a stored month that is worth telling


class Arrivals(NamedTuple):
    """A record with what is newer than the store, what was left out of it and why, and by variable the steps that are not the store's."""

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
    """Append to a record the time steps that the catalogue has beyond it, scaled as the record is, lazily where that is.

    statistics: the store's group of that name, which scales the new steps. sources: variable to catalogue entry. now: steps that
    are not over then are left out. since: by predictor the first step that will be looked at: those from there on that the store lacks
    are asked for, too. load: in place of `providers.load`. Steps that `quality.find_broken` rejects become missing, and so
    do predictors in steps that they do not have.
    Raises DataError for dates in the future, repeated or unordered dates, and where sea ice concentration can't be had.
    """
    load = load or offered_by(now)
    ice, notices = newer_ice(ready, sources["siconc"], now=now, load=load)
    extended = with_newer(ready, ice, statistics, sources, since=since, load=load)
    return extended._replace(notices=notices + extended.notices)


def newer_ice(
    ready: xr.Dataset, entry: str, *, now: pd.Timestamp, load: Callable
) -> tuple[xr.Dataset, list[str]]:
    """Return the steps of ice that an entry has beyond a record, broken ones as missing, and what a reader should know of them.

    Arguments and errors as for `extend`; raises DataError, too, for an entry of another cadence.
    """
    last, grid = known_at.last_observed(ready), Grid.of(ready.attrs)
    ice, notices = _since(entry, grid, last, known_at.step(ready), now=now, load=load)
    derive.check_cadence(ice, cadence(ready), entry=entry)
    if ice.sizes["time"] and ice.indexes["time"][0] == last:
        notices += _revised(ready, ice.sel(time=last), last, entry=entry)
    ice = ice.sel(time=ice.indexes["time"] > last)
    if not ice.sizes["time"]:
        return ice, notices
    ice, broken = _sound(ready, ice, last)
    return ice, notices + broken


def with_newer(ready: xr.Dataset, ice: xr.Dataset, statistics, sources, *, since, load) -> Arrivals:
    """Return a record continued with steps of ice that are newer (see `newer_ice`; there may be none) and with its predictors.

    Other arguments and errors as for `extend`.
    """
    last, one = known_at.last_observed(ready), known_at.step(ready)
    grid = Grid.of(ready.attrs)
    out, end, notices, arrived = ready, last, [], {}
    if ice.sizes["time"]:
        end = ice.indexes["time"][-1]
        out, arrived["siconc"] = _with_ice(ready, ice, last, grid, load), ice.indexes["time"]
    # A predictor may come later than the ice of its step: what the store lacks of it is asked for, too.
    for name in known_at.predictors(ready):
        late, new = absent(ready[name], (since or {}).get(name, last + one), last), None
        begin = late[0] if len(late) else last + one
        if begin <= end:
            new, why_not = _predictor(
                name, sources, statistics, grid, begin, end, counted=cadence(ready), load=load
            )
            notices += why_not
        stored = ready[name] if new is None else _patched(ready[name], new, begin, last)
        if new is not None:
            time = new.indexes["time"]
            arrived[name] = time[time.isin(late) | (time > last)]
        if end > last:
            out[name] = _joined(stored, new, last, out.indexes["time"])
        elif new is not None:
            out = out.assign({name: stored})
    return Arrivals(out, notices, arrived)


def absent(stored: xr.DataArray, since: pd.Timestamp, last: pd.Timestamp) -> pd.DatetimeIndex:
    """Steps of a stored predictor (time, y, x) from `since` to `last` in which it has no value at all."""
    near = stored.sel(time=slice(since, last))
    return near.indexes["time"][near.isnull().all(("y", "x")).values]


def _patched(stored: xr.DataArray, new: xr.DataArray, begin, last) -> xr.DataArray:
    """A stored predictor whose steps from `begin` to `last` without any value are the new ones; all other bits stay."""
    near = stored.sel(time=slice(begin, last))
    late = new.assign_coords(y=stored.y, x=stored.x).reset_coords(drop=True).reindex(time=near.time)
    near = near.reset_coords(drop=True).where(near.notnull().any(("y", "x")), late.astype(stored.dtype))
    parts = [
        stored.sel(time=stored.indexes["time"] < begin),
        near,
        stored.sel(time=stored.indexes["time"] > last),
    ]
    joined = xr.concat([part.reset_coords(drop=True) for part in parts], "time")
    return joined.assign_coords(
        {n: c for n, c in stored.coords.items() if n not in joined.coords}
    ).assign_attrs(stored.attrs)


def _with_ice(ready: xr.Dataset, ice: xr.Dataset, last: pd.Timestamp, grid: Grid, load) -> xr.Dataset:
    """A record without its predictors, continued with new steps of ice and what is derived from it."""
    end, ahead = ice.indexes["time"][-1], AHEAD[cadence(ready)] * known_at.step(ready)
    whole = pd.date_range(ready.indexes["time"][0], end + ahead, freq=known_at.step(ready), name="time")
    siconc = _joined(ready.siconc, ice.siconc, last, whole)
    flag = _joined(ready.siconc_flag, ice.siconc_flag, last, whole, missing=Flag.MISSING)
    out = ready.drop_dims("time").assign(siconc=siconc, siconc_flag=flag).assign_attrs(ready.attrs)
    # What is valid up to `AHEAD` past the last stored observation is known already; what is newer is computed.
    computed = _known_ahead(out, grid, load)
    for name in (n for n in KNOWN_AHEAD if n in ready):
        out[name] = _continued(ready[name], computed[name], last + ahead)
    if "siconc_anomaly" in ready:
        out["siconc_anomaly"] = _continued(ready.siconc_anomaly, prior.anomaly(out), last)
    return out


def _known_ahead(out: xr.Dataset, grid: Grid, load) -> xr.Dataset:
    """Trend and frequencies (time, y, x) of a record that has new steps of SIC, from the months that are known then."""
    if cadence(out) == "monthly":
        return derive.known_ahead(out)
    fit = {name: out.attrs[name] for name in ("fit_start", "fit_end")}
    options = {"source": "the record", "load": load}
    ice, of_months = derive.months_of(
        out, out, out.attrs.get("normals"), grid, out.indexes["time"], fit, **options
    )
    months = derive.observed(ice, of_months["axis"]).assign(siconc_climatology=out.siconc_climatology)
    return derive.known_ahead_of_days(months, out.time)


def offered_by(now: pd.Timestamp) -> Callable[..., xr.Dataset]:
    """`providers.load` for entries of which nobody knows how far they reach: files that are not there yet are no error."""

    def load(
        entry: str, grid: Grid, *, start: str | None = None, end: str | None = None, **options
    ) -> xr.Dataset:
        if catalog.metadata(entry).get("one_file_a_step"):
            end, options = end or f"{now:%Y-%m-%d}", options | {"skip_missing": True}
        return providers.load(entry, grid, start=start, end=end, **options)

    return load


def _since(entry, grid, last, one, *, now, load, variables=None) -> tuple[xr.Dataset, list[str]]:
    """Load what an entry has from `last` on that is over by `now`. Raises DataError for dates after `now`."""
    options = {"variables": variables} if variables else {}
    ds = load(entry, grid, start=f"{last:%Y-%m-%d}", **options)
    time = ds.indexes["time"]
    between = time[~time.isin(pd.date_range(last, time[-1], freq=one))]
    if len(between):
        raise DataError(
            f"entry '{entry}': {between[0]:%Y-%m-%d} is no step of the record; name an entry of the record's cadence"
        )
    future = time[time > now]
    if len(future):
        raise DataError(
            f"entry '{entry}': holds data of {future[0]:%Y-%m-%d}, which lies in the future of {now:%Y-%m-%d}; "
            "is its calendar right?"
        )
    over = time + one <= now
    notices = [f"'{entry}': {date:%Y-%m-%d} is not over and is left out" for date in time[~over]]
    return ds.isel(time=np.flatnonzero(over)), notices


def _revised(ready: xr.Dataset, again: xr.Dataset, last: pd.Timestamp, *, entry: str) -> list[str]:
    change = float(
        abs(again.siconc - ready.siconc.sel(time=last))
        .where(ready.siconc_flag.sel(time=last) == Flag.OBSERVED)
        .mean()
    )
    if not change > REVISED:
        return []
    return [
        f"'{entry}': {last:%Y-%m-%d} differs from the stored one by {change:.3f} on average; preprocess anew"
    ]


def _sound(ready: xr.Dataset, ice: xr.Dataset, last: pd.Timestamp) -> tuple[xr.Dataset, list[str]]:
    """Mask the new steps that are broken, judged by the record before them."""
    kept = ("siconc", "siconc_flag")
    past = ready[list(kept)].sel(time=slice(last - PAST[cadence(ready)], last))
    attrs = {name: ready.attrs[name] for name in ("hemisphere", "cadence")}
    both = xr.concat(
        [past.drop_vars("crs", errors="ignore"), ice[list(kept)].drop_vars("crs", errors="ignore")], "time"
    )
    report = quality.find_broken(both.assign_attrs(attrs))
    report = report[report["time"] > last]
    told = [
        f"siconc of {row.time:%Y-%m-%d} is broken ({row.check}: {row.value:.3g}, limit {row.limit:.3g}) and is left out"
        for row in report.itertuples()
    ]
    return quality.mask_broken(ice, report), told


def _predictor(
    name, sources, statistics, grid, begin, end, *, counted, load
) -> tuple[xr.DataArray | None, list[str]]:
    """Steps of one predictor from `begin` to `end`, scaled; None, and why, where they can't be had."""
    if name not in sources:
        return None, [f"no source of '{name}' is given; it is missing from {begin:%Y-%m-%d} on"]
    try:
        field = load(sources[name], grid, start=f"{begin:%Y-%m-%d}", end=f"{end:%Y-%m-%d}", variables=[name])
        field = derive.check_cadence(field, counted, entry=sources[name])[name]
    except DataError as error:
        return None, [f"'{name}' is missing from {begin:%Y-%m-%d} on: {error}"]
    used = [n for n in (f"{name}_climatology", f"{name}_mean", f"{name}_std") if n in statistics]
    return derive.scaled(field, statistics[used].load(), cadence=counted), []


def _continued(stored: xr.DataArray, computed: xr.DataArray, until: pd.Timestamp) -> xr.DataArray:
    """The stored steps up to `until`, to the bit, then the computed ones."""
    parts = [stored.sel(time=slice(None, until)), computed.sel(time=computed.indexes["time"] > until)]
    joined = xr.concat([part.reset_coords(drop=True) for part in parts], "time").astype(stored.dtype)
    return joined.assign_attrs(stored.attrs)


def _joined(stored: xr.DataArray, new: xr.DataArray | None, last, whole, *, missing=np.nan) -> xr.DataArray:
    """The stored steps up to `last`, then the new ones, on the axis `whole`; missing where neither has a value."""
    parts = [stored.sel(time=slice(None, last))]
    if new is not None:
        new = new.sel(time=new.indexes["time"] > last).assign_coords(y=stored.y, x=stored.x)
        parts.append(new.reset_coords(drop=True).astype(stored.dtype))
    parts = [part.reset_coords(drop=True) for part in parts]
    whole_of_it = xr.concat(parts, "time").reindex(time=whole, fill_value=missing).astype(stored.dtype)
    return whole_of_it.assign_attrs(stored.attrs)
