"""Of which moment can a finished run make an honest forecast, and what is known then?"""

from collections.abc import Callable

import pandas as pd
import xarray as xr

from seaice import files, paths
from seaice.config.runfile import Run
from seaice.config.sections import Sampling
from seaice.errors import DataError
from seaice.prepare import arrivals, known_at, ready_store
from seaice.products import store as products_store
from seaice.samples import channels, sampling
from seaice.samples.assembly import Samples
from seaice.steps import NAME, cadence

SEPARATOR = ":"  # between first and last of a range of init_times
LOADED = ("siconc", "siconc_flag", "siconc_trend", "siconc_climatology", "active", "land")
Say = Callable[[str], None]


def record(name, store, sources, init, *, table, now, load, say) -> arrivals.Arrivals:
    """The stored record, and what the catalogue has beyond it where that may be needed. table: of the channels."""
    last, one = known_at.newest(store), known_at.step(store)
    dates = init.split(SEPARATOR)
    first, asked = dates[0], dates[-1]
    begin = last + one if first == "latest" else min(_date(first), last + one)
    lags = {row["variable"]: row["lags"] for row in table if row.get("lags")}
    since = {n: begin - lags[n] * one for n in known_at.predictors(store) if n in lags}
    if asked != "latest" and _date(asked) <= last + one:
        # The past is taken as it is stored; the newest moment is that of "latest", and has to be forecast alike.
        is_newest = _date(asked) > last
        late = (
            [n for n in since if n in sources and len(arrivals.absent(store[n], since[n], last))]
            if is_newest
            else []
        )
        if not late:
            return arrivals.Arrivals(store, [], {})
    statistics = ready_store.open_statistics(paths.ready(name))
    extended = arrivals.extend(store, statistics, sources, now=now, since=since, load=load)
    for notice in extended.notices:
        say(f"note: {notice}")
    return extended


def init_times(init: str, ready: xr.Dataset, settings: Sampling, *, now, say) -> list[pd.Timestamp]:
    """The init_times asked for. Raises DataError for those that are not honest or not possible."""
    one, newest = known_at.step(ready), known_at.newest(ready)
    if init == "latest":
        times = [newest + one]
        if times[0] + one <= now:
            say(
                f"note: the data are late: {newest:%Y-%m-%d} is the newest complete step, and it is {now:%Y-%m-%d}"
            )
    else:
        ends = [_date(text) for text in init.split(SEPARATOR)]
        times = list(pd.date_range(ends[0], ends[-1], freq=one))
        if len(ends) > 2 or not times or [times[0], times[-1]] != [ends[0], ends[-1]]:
            raise DataError(
                f"init {init!r}: write latest, YYYY-MM, YYYY-MM-DD, or first{SEPARATOR}last, first days of steps"
            )
    first, end = settings.splits.validation
    judged = pd.date_range(first, pd.Period(end).end_time, freq=one)
    last = judged[-1] + (settings.n_leads - 1) * one
    for time in times:
        if time <= last:
            raise DataError(
                f"init_time {time:%Y-%m-%d}: networks and temperatures of this run know the truth up to {last:%Y-%m-%d}; choose a later one"
            )
        if time > now:
            raise DataError(
                f"init_time {time:%Y-%m-%d}: the step before it is not over on {now:%Y-%m-%d}; wait, or choose latest"
            )
        if time > newest + one:
            raise DataError(
                f"init_time {time:%Y-%m-%d}: the newest complete data are of {newest:%Y-%m-%d}; wait, or choose latest"
            )
    return times


def _date(text: str) -> pd.Timestamp:
    try:
        return pd.to_datetime(text, format="%Y-%m" if len(text) == 7 else "%Y-%m-%d")
    except ValueError:
        raise DataError(f"init {text!r} is no date: write latest, YYYY-MM or YYYY-MM-DD") from None


def inputs(run: Run, ready, init_time) -> tuple[xr.Dataset, xr.Dataset, Samples, dict[str, xr.DataArray]]:
    """The record as of an init_time, the steps of it that the channels reach, the sample that the networks see of them, and the other
    models' forecasts that channels or the blend ask for, by name."""
    name, settings = run.run, run.samples
    with files.readable(paths.ready(name)):
        known = known_at.as_of(ready, init_time)
        # Read once: the record's ice goes into the summary, the trees and the checksums.
        known = known.assign({n: known[n].load() for n in LOADED})
        window = _window(known, init_time, settings)
    forecasts = {}
    if run.forecast.blend or any(channel.variable in channels.FORECASTS for channel in settings.channels):
        from seaice.baselines import (
            kept_trees,
        )  # scikit-learn takes a second to import, which other runs can spare

        cache = products_store.folder(name) / ".classifiers"
        forecasts = kept_trees.forecasts(ready, known, init_time, settings, cache)
    return known, window, sampling.of_store(window, settings, forecasts=forecasts), forecasts


def _window(known: xr.Dataset, init_time: pd.Timestamp, settings: Sampling) -> xr.Dataset:
    """The steps that one initialisation's channels reach, in memory, short gaps of SIC filled."""
    lags = max([channel.lags for channel in settings.channels if channel.lags], default=1)
    at = known.indexes["time"].get_loc(init_time)
    # A channel may look further ahead than the networks forecast.
    leads = max([channel.leads for channel in settings.channels if channel.leads], default=1)
    first, last = max(0, at - lags), at + max(settings.n_leads, leads)
    # A gap at the first lag is filled from before it.
    begin = max(0, first - known_at.BRIDGED[cadence(known)])
    return known_at.bridged(known.isel(time=slice(begin, last)).load()).isel(time=slice(first - begin, None))


def flags(samples: Samples, window: xr.Dataset, init_time: pd.Timestamp) -> list[str]:
    """What a reader of the product should know of its inputs: what climatology stands in for, and days filled between others.

    Raises DataError where an input is missing that nothing stands in for.
    """
    counted = cadence(window)
    if init_time not in samples.init_times:
        most = known_at.BRIDGED[counted]
        rule = f"; at most {most} {NAME[counted]}s in a row are filled between known ones" if most else ""
        raise DataError(
            f"init_time {init_time:%Y-%m-%d} can't be forecast: {samples.dropped.get(init_time)}{rule}"
        )
    absent, between, filled = {}, set(), known_at.filled(window)
    for channel in (channel for channel in samples.channels if channel.follows == "time"):
        at = samples.time.get_loc(init_time) + channel.offset
        if samples._absent[samples.variables.index(channel.variable)][at]:
            absent.setdefault(channel.variable, []).append(f"{samples.time[at]:%Y-%m-%d}")
        elif channel.variable in ("siconc", "siconc_anomaly") and samples.time[at] in filled:
            between.add(f"{samples.time[at]:%Y-%m-%d}")
    told = [
        f"{name} of {', '.join(sorted(dates))} is missing; climatology stands in"
        for name, dates in absent.items()
    ]
    if between:
        told.append(
            f"siconc of {', '.join(sorted(between))} is missing; filled between the {NAME[counted]}s beside it"
        )
    return told
