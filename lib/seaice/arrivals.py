"""Which steps are known? The stored record as it was at a moment, and the newer months or days that the catalogue offers."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from seaice import catalog, climate, normalise, normals, prior, providers, quality
from seaice.grid import Grid
from seaice.preprocess import ABSOLUTE, EXTENSION, ICE, MISSING, months_of
from seaice.schema import KNOWN_AHEAD, DataError
from seaice.steps import AHEAD, cadence, offset

COMPLETE = (
    0.95  # share of a step's active cells that must have a value; scattered gaps of a satellite's swath stay below it
)
PAST = {  # of the record, that new steps are held against: `quality` looks back ten years, and some weeks of days
    "monthly": pd.DateOffset(years=15),
    "daily": pd.DateOffset(days=90),
}
# Steps in a row without any SIC that are filled between the known ones on either side. Two days on, SIC differs from the last by 0.04
# (docs/daily.md), so that the middle of three filled days is off by less.
BRIDGED = {"monthly": 0, "daily": 3}
REVISED = 0.01  # fraction, mean change of a stored month that is worth telling
FILLED = np.uint8(1)  # siconc_flag of a value that is an input, but no truth
DATES = ("siconc", "siconc_flag", "siconc_anomaly")  # what belongs to the moment it was observed, beside the predictors


class Arrivals(NamedTuple):
    """A record with what is newer than the store, what was left out of it and why, and by variable the steps that are not the store's."""

    ready: xr.Dataset
    notices: list[str]
    arrived: dict[str, pd.DatetimeIndex]


def step(ready: xr.Dataset) -> pd.DateOffset:
    """One time step of a record. Raises DataError for a cadence that is not known."""
    return offset(cadence(ready))


def newest(ready: xr.Dataset) -> pd.Timestamp:
    """The newest time step of a record whose SIC is complete. Raises DataError where there is none."""
    time = ready.indexes["time"]
    for first in range(len(time), 0, -2 * EXTENSION):  # backwards, a few steps at a time
        block = slice(max(0, first - 2 * EXTENSION), first)
        whole = np.flatnonzero(complete(ready.isel(time=block)).values >= COMPLETE)
        if len(whole):
            return time[block][whole[-1]]
    raise DataError("ready store: no time step of siconc is complete; run the preprocessing anew")


def complete(ready: xr.Dataset) -> xr.DataArray:
    """Share of the active cells of each time step (time) that have a value of SIC, 0..1."""
    active = climate.at_months(ready.active, ready.time)
    known = ready.siconc.notnull() & (ready.siconc_flag < MISSING)
    return ((known & active).sum(("y", "x")) / active.sum(("y", "x"))).compute()


def as_of(ready: xr.Dataset, init_time: pd.Timestamp) -> xr.Dataset:
    """Return a record as it was at `init_time`: nothing observed at or after it, lazily.

    What is known ahead (`channels.KNOWN_AHEAD`) is kept for `steps.AHEAD` from there on: it comes from a year before its valid
    time and earlier. Raises DataError where the record does not reach there, or the step before `init_time` is not complete.
    """
    time, one = ready.indexes["time"], step(ready)
    if init_time - one not in time or init_time not in time:
        raise DataError(
            f"init_time {init_time:%Y-%m-%d}: the record {time[0]:%Y-%m-%d} to {time[-1]:%Y-%m-%d} has no step before it"
        )
    kept = ready.isel(time=time < init_time + AHEAD[cadence(ready)] * one)
    observed = [n for n, da in kept.data_vars.items() if "time" in da.dims and (n in DATES or n not in ICE)]
    past = kept.time < np.datetime64(init_time)
    out = kept.assign({name: kept[name].where(past).assign_attrs(kept[name].attrs) for name in observed})
    out["siconc_flag"] = kept.siconc_flag.where(past, MISSING).astype("uint8").assign_attrs(kept.siconc_flag.attrs)
    last = out.sel(time=[init_time - one])
    share = float(complete(last)[0])
    if share < COMPLETE:
        raise DataError(
            f"siconc of {init_time - one:%Y-%m-%d} is {'missing' if share == 0 else 'incomplete'}: {100 * share:.0f} % of the active cells "
            f"have a value, {100 * COMPLETE:.0f} % are needed; choose an earlier init_time, or wait for the data"
        )
    return out


def bridged(known: xr.Dataset) -> xr.Dataset:
    """Return a record, in memory, in which steps without any SIC are filled in a straight line in time, flag 1 (an input, no truth).

    At most `BRIDGED` steps in a row, of which both sides are known: never the newest step of a record as of a moment. Longer gaps stay
    missing. `siconc_anomaly`, where there is one, follows. known: siconc, siconc_flag, siconc_trend (time, y, x), see `as_of`.
    """
    siconc, filled = known.siconc.copy(), []
    seen = np.flatnonzero(siconc.notnull().any(("y", "x")))
    for before, after in zip(seen, seen[1:], strict=False):
        if after - before - 1 <= BRIDGED[cadence(known)]:
            for step in range(before + 1, after):
                share = (step - before) / (after - before)
                siconc[step] = (1 - share) * siconc[before] + share * siconc[after]
                filled.append(step)
    new = xr.DataArray(np.isin(np.arange(siconc.sizes["time"]), filled), dims="time") & siconc.notnull()
    out = known.assign(siconc=siconc, siconc_flag=known.siconc_flag.where(~new, FILLED))
    if "siconc_anomaly" in known:
        out["siconc_anomaly"] = known.siconc_anomaly.where(~new, siconc - known.siconc_trend)
    return out


def filled(known: xr.Dataset) -> pd.DatetimeIndex:
    """Times of the steps that `bridged` filled: they have values of SIC, and none of them was observed."""
    observed = ((known.siconc_flag == 0) & ~known.land & known.siconc.notnull()).any(("y", "x"))
    return known.indexes["time"][(known.siconc.notnull().any(("y", "x")) & ~observed).values]


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
    one, last, notices, load = step(ready), _last(ready), [], load or _offered(now)
    grid = Grid.of(ready.attrs)
    ice, told = _since(sources["siconc"], grid, last, one, now=now, load=load)
    notices += told
    if ice.sizes["time"] and ice.indexes["time"][0] == last:
        notices += _revised(ready, ice.sel(time=last), last, entry=sources["siconc"])
    ice = ice.sel(time=ice.indexes["time"] > last)
    out, end, arrived = ready, last, {}
    if ice.sizes["time"]:
        ice, told = _sound(ready, ice, last)
        notices += told
        end = ice.indexes["time"][-1]
        out, arrived["siconc"] = _with_ice(ready, ice, last, grid, load), ice.indexes["time"]
    # A predictor may come later than the ice of its step: what the store lacks of it is asked for, too.
    for name in predictors(ready):
        late, new = absent(ready[name], (since or {}).get(name, last + one), last), None
        begin = late[0] if len(late) else last + one
        if begin <= end:
            new, told = _predictor(name, sources, statistics, grid, begin, end, counted=cadence(ready), load=load)
            notices += told
        stored = ready[name] if new is None else _patched(ready[name], new, begin, last)
        if new is not None:
            time = new.indexes["time"]
            arrived[name] = time[time.isin(late) | (time > last)]
        if end > last:
            out[name] = _joined(stored, new, last, out.indexes["time"])
        elif new is not None:
            out = out.assign({name: stored})
    return Arrivals(out, notices, arrived)


def predictors(ready: xr.Dataset) -> list[str]:
    """Names of a record's variables along time that are neither ice nor derived from it."""
    return [str(name) for name, da in ready.data_vars.items() if "time" in da.dims and name not in ICE]


def absent(stored: xr.DataArray, since: pd.Timestamp, last: pd.Timestamp) -> pd.DatetimeIndex:
    """Steps of a stored predictor (time, y, x) from `since` to `last` in which it has no value at all."""
    near = stored.sel(time=slice(since, last))
    return near.indexes["time"][near.isnull().all(("y", "x")).values]


def _patched(stored: xr.DataArray, new: xr.DataArray, begin, last) -> xr.DataArray:
    """A stored predictor whose steps from `begin` to `last` without any value are the new ones; all other bits stay."""
    near = stored.sel(time=slice(begin, last))
    late = new.assign_coords(y=stored.y, x=stored.x).reset_coords(drop=True).reindex(time=near.time)
    near = near.reset_coords(drop=True).where(near.notnull().any(("y", "x")), late.astype(stored.dtype))
    parts = [stored.sel(time=stored.indexes["time"] < begin), near, stored.sel(time=stored.indexes["time"] > last)]
    joined = xr.concat([part.reset_coords(drop=True) for part in parts], "time")
    return joined.assign_coords({n: c for n, c in stored.coords.items() if n not in joined.coords}).assign_attrs(
        stored.attrs
    )


def _with_ice(ready: xr.Dataset, ice: xr.Dataset, last: pd.Timestamp, grid: Grid, load) -> xr.Dataset:
    """A record without its predictors, continued with new steps of ice and what is derived from it."""
    end, ahead = ice.indexes["time"][-1], AHEAD[cadence(ready)] * step(ready)
    whole = pd.date_range(ready.indexes["time"][0], end + ahead, freq=step(ready), name="time")
    siconc = _joined(ready.siconc, ice.siconc, last, whole)
    flag = _joined(ready.siconc_flag, ice.siconc_flag, last, whole, missing=MISSING)
    out = ready.drop_dims("time").assign(siconc=siconc, siconc_flag=flag).assign_attrs(ready.attrs)
    # What is valid up to `AHEAD` past the last stored observation is known already; what is newer is computed.
    known = _known_ahead(out, grid, load)
    for name in (n for n in KNOWN_AHEAD if n in ready):
        out[name] = _continued(ready[name], known[name], last + ahead)
    if "siconc_anomaly" in ready:
        anomaly = (out.siconc - out.siconc_trend).astype("float32")
        out["siconc_anomaly"] = _continued(ready.siconc_anomaly, anomaly, last)
    return out


def _known_ahead(out: xr.Dataset, grid: Grid, load) -> xr.Dataset:
    """Trend and frequencies (time, y, x) of a record that has new steps of SIC, from the months that are known then."""
    if cadence(out) == "monthly":
        return xr.Dataset({"siconc_trend": climate.linear_trend(out.siconc), **prior.frequencies(out)})
    fit = {name: out.attrs[name] for name in ("fit_start", "fit_end")}
    entry = out.attrs.get("normals")
    ice, of = months_of(out, out, entry, grid, out.indexes["time"], fit, source="the record", load=load)
    months = xr.Dataset({"siconc": ice.siconc.reindex(time=of["axis"]), "siconc_climatology": out.siconc_climatology})
    months = months.assign(siconc_trend=climate.linear_trend(months.siconc), **prior.frequencies(months))
    return normals.of_days(months, out.time)


def _last(ready: xr.Dataset) -> pd.Timestamp:
    """The newest time step that the store has any SIC of."""
    flags = ready.siconc_flag
    for first in range(flags.sizes["time"], 0, -2 * EXTENSION):
        block = slice(max(0, first - 2 * EXTENSION), first)
        some = np.flatnonzero((flags.isel(time=block) < MISSING).any(("y", "x")).values)
        if len(some):
            return ready.indexes["time"][block][some[-1]]
    raise DataError("ready store: siconc is missing throughout; run the preprocessing anew")


def _offered(now: pd.Timestamp) -> Callable[..., xr.Dataset]:
    """`providers.load` for entries of which nobody knows how far they reach: files that are not there yet are no error."""

    def load(entry: str, grid: Grid, *, start: str | None = None, end: str | None = None, **options) -> xr.Dataset:
        if catalog.metadata(entry).get("one_file_a_step"):
            end, options = end or f"{now:%Y-%m-%d}", options | {"skip_missing": True}
        return providers.load(entry, grid, start=start, end=end, **options)

    return load


def _since(entry, grid, last, one, *, now, load, variables=None) -> tuple[xr.Dataset, list[str]]:
    """Load what an entry has from `last` on that is over by `now`. Raises DataError for dates after `now`."""
    options = {"variables": variables} if variables else {}
    ds = load(entry, grid, start=f"{last:%Y-%m-%d}", **options)
    time = ds.indexes["time"]
    for date in time[~time.isin(pd.date_range(last, time[-1], freq=one))][:1]:
        raise DataError(
            f"entry '{entry}': {date:%Y-%m-%d} is no step of the record; name an entry of the record's cadence"
        )
    for date in time[time > now][:1]:
        raise DataError(
            f"entry '{entry}': holds data of {date:%Y-%m-%d}, which lies in the future of {now:%Y-%m-%d}; is its calendar right?"
        )
    over = time + one <= now
    notices = [f"'{entry}': {date:%Y-%m-%d} is not over and is left out" for date in time[~over]]
    return ds.isel(time=np.flatnonzero(over)), notices


def _revised(ready: xr.Dataset, again: xr.Dataset, last: pd.Timestamp, *, entry: str) -> list[str]:
    change = float(abs(again.siconc - ready.siconc.sel(time=last)).where(ready.siconc_flag.sel(time=last) == 0).mean())
    if not change > REVISED:
        return []
    return [f"'{entry}': {last:%Y-%m-%d} differs from the stored one by {change:.3f} on average; preprocess anew"]


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


def _predictor(name, sources, statistics, grid, begin, end, *, counted, load) -> tuple[xr.DataArray | None, list[str]]:
    """Steps of one predictor from `begin` to `end`, scaled; None, and why, where they can't be had."""
    if name not in sources:
        return None, [f"no source of '{name}' is given; it is missing from {begin:%Y-%m-%d} on"]
    try:
        field = load(sources[name], grid, start=f"{begin:%Y-%m-%d}", end=f"{end:%Y-%m-%d}", variables=[name])[name]
    except DataError as error:
        return None, [f"'{name}' is missing from {begin:%Y-%m-%d} on: {error}"]
    if name not in ABSOLUTE:
        field = normals.anomalies(field, statistics[f"{name}_climatology"].load(), cadence=counted)
    scaling = xr.Dataset({part: statistics[f"{name}_{part}"] for part in ("mean", "std")}).load()
    return normalise.scale(field, scaling), []


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
