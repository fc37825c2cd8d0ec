"""For which dates can a finished run make an honest forecast, and what is known on them?"""

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
    """Return the stored record, and newer data of the catalogue if they may be needed.

    name: of the run. store: its ready store. sources: catalogue entries by variable. init: as for
    `production.make`. table: of the channels. now: current time. load: as for `arrivals.extend`.
    say: gets the notices of the extension.
    """
    last, step = known_at.newest(store), known_at.step(store)
    dates = init.split(SEPARATOR)
    first, end = dates[0], dates[-1]
    begin = last + step if first == "latest" else min(_date(first), last + step)
    lags = {row["variable"]: row["lags"] for row in table if row.get("lags")}
    since = {
        variable: begin - lags[variable] * step for variable in known_at.predictors(store) if variable in lags
    }
    if end != "latest" and _date(end) <= last + step:
        # The past is used as it is stored. The newest date is the same as "latest" and must give
        # the same forecast, so newer data are needed for it if the store lacks some.
        is_newest = _date(end) > last
        if not (is_newest and _incomplete(store, sources, since, last)):
            return arrivals.Arrivals(store, [], {})
    statistics = ready_store.open_statistics(paths.ready(name))
    extended = arrivals.extend(store, statistics, sources, now=now, since=since, load=load)
    for notice in extended.notices:
        say(f"note: {notice}")
    return extended


def _incomplete(store: xr.Dataset, sources, since, last: pd.Timestamp) -> bool:
    """Return whether the store lacks steps, up to `last`, of a variable that has a source.

    since: first step of each variable that channels reach.
    """
    return any(name in sources and len(arrivals.absent(store[name], since[name], last)) for name in since)


def init_times(init: str, ready: xr.Dataset, settings: Sampling, *, now, say) -> list[pd.Timestamp]:
    """Return the init_times that `init` stands for.

    ready: the record. settings: section `samples` of the run. now: current time.
    Raises DataError for an init_time whose forecast would not be honest, or is not possible.
    """
    step, newest = known_at.step(ready), known_at.newest(ready)
    if init == "latest":
        times = [newest + step]
        if times[0] + step <= now:
            say(
                f"note: the data are late: {newest:%Y-%m-%d} is the newest complete step, "
                f"and today is {now:%Y-%m-%d}"
            )
    else:
        ends = [_date(text) for text in init.split(SEPARATOR)]
        times = list(pd.date_range(ends[0], ends[-1], freq=step))
        if len(ends) > 2 or not times or [times[0], times[-1]] != [ends[0], ends[-1]]:
            raise DataError(
                f"init {init!r}: write latest, YYYY-MM, YYYY-MM-DD, or first{SEPARATOR}last, "
                "which are first days of steps"
            )
    first, end = settings.splits.validation
    validation = pd.date_range(first, pd.Period(end).end_time, freq=step)
    last = validation[-1] + (settings.n_leads - 1) * step
    for time in times:
        if time <= last:
            raise DataError(
                f"init_time {time:%Y-%m-%d}: networks and temperatures of this run know the truth up to "
                f"{last:%Y-%m-%d}; choose a later one"
            )
        if time > now:
            raise DataError(
                f"init_time {time:%Y-%m-%d}: the step before it is not over on {now:%Y-%m-%d}; "
                "wait, or choose latest"
            )
        if time > newest + step:
            raise DataError(
                f"init_time {time:%Y-%m-%d}: the newest complete data are of {newest:%Y-%m-%d}; "
                "wait, or choose latest"
            )
    return times


def _date(text: str) -> pd.Timestamp:
    """Return the date of a text "YYYY-MM" or "YYYY-MM-DD". Raises DataError for any other text."""
    try:
        return pd.to_datetime(text, format="%Y-%m" if len(text) == 7 else "%Y-%m-%d")
    except ValueError:
        raise DataError(f"init {text!r} is no date: write latest, YYYY-MM or YYYY-MM-DD") from None


def inputs(run: Run, ready, init_time) -> tuple[xr.Dataset, xr.Dataset, Samples, dict[str, xr.DataArray]]:
    """Return what a forecast of one init_time is made from.

    That is: the record as it was known at init_time; those of its steps that the channels reach;
    the sample of them that the networks see; and, by name, forecasts of other models that channels
    or the blend need.
    """
    name, settings = run.run, run.samples
    with files.readable(paths.ready(name)):
        record = known_at.as_of(ready, init_time)
        # Read once: the summary, the trees and the checksums all need the record's ice.
        record = record.assign({n: record[n].load() for n in LOADED})
        window = _window(record, init_time, settings)
    forecasts = {}
    if run.forecast.blend or any(channel.variable in channels.FORECASTS for channel in settings.channels):
        # Imported here because scikit-learn takes a second, which other runs do not need.
        from seaice.baselines import kept_trees, tree_arrays, trees

        if (bundled := tree_arrays.read(paths.classifiers(name) / tree_arrays.FILE)) is not None:
            sip = trees.forecast(bundled, record, pd.DatetimeIndex([init_time])).compute()
            forecasts = {"trees": sip}
        else:
            cache = products_store.folder(name) / ".classifiers"
            options = {"boosting": run.boosting}
            forecasts = kept_trees.forecasts(ready, record, init_time, settings, cache, **options)
    return record, window, sampling.of_store(window, settings, forecasts=forecasts), forecasts


def _window(record: xr.Dataset, init_time: pd.Timestamp, settings: Sampling) -> xr.Dataset:
    """Return the steps that the channels of one initialisation reach.

    They are in memory, with short gaps of SIC filled.
    """
    lags = max([channel.lags for channel in settings.channels if channel.lags], default=1)
    at = record.indexes["time"].get_loc(init_time)
    # A channel may look further ahead than the networks forecast.
    leads = max([channel.leads for channel in settings.channels if channel.leads], default=1)
    first, last = max(0, at - lags), at + max(settings.n_leads, leads)
    # A gap at the first lag is filled from the steps before it.
    begin = max(0, first - known_at.BRIDGED[cadence(record)])
    return known_at.bridged(record.isel(time=slice(begin, last)).load()).isel(time=slice(first - begin, None))


def flags(samples: Samples, window: xr.Dataset, init_time: pd.Timestamp) -> list[str]:
    """Return what a reader of the product should know of its inputs.

    These are the values that climatology replaces, and days that were filled from the days around
    them. Raises DataError if an input is missing that nothing can replace.
    """
    time_step = cadence(window)
    if init_time not in samples.init_times:
        longest = known_at.BRIDGED[time_step]
        rule = (
            f"; at most {longest} {NAME[time_step]}s in a row are filled between known ones"
            if longest
            else ""
        )
        raise DataError(
            f"init_time {init_time:%Y-%m-%d} can't be forecast: {samples.dropped.get(init_time)}{rule}"
        )
    absent, interpolated, filled = {}, set(), known_at.filled(window)
    for channel in (channel for channel in samples.channels if channel.follows == "time"):
        at = samples.time.get_loc(init_time) + channel.offset
        if samples.absent[channel.variable][at]:
            absent.setdefault(channel.variable, []).append(f"{samples.time[at]:%Y-%m-%d}")
        elif channel.variable in ("siconc", "siconc_anomaly") and samples.time[at] in filled:
            interpolated.add(f"{samples.time[at]:%Y-%m-%d}")
    notices = [
        f"{name} of {', '.join(sorted(dates))} is missing; climatology stands in"
        for name, dates in absent.items()
    ]
    if interpolated:
        notices.append(
            f"siconc of {', '.join(sorted(interpolated))} is missing; "
            f"filled between the {NAME[time_step]}s beside it"
        )
    return notices
