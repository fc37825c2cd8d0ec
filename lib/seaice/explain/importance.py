"""Which inputs do the networks need?

Permute-and-predict: the loss of skill when an input is taken from another initialisation.
Source: Breiman 2001, doi:10.1023/A:1010933404324; for IceNet Andersson et al. 2021,
doi:10.1038/s41467-021-25257-4.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from seaice.config.sections import Importance
from seaice.errors import DataError
from seaice.explain import permutations
from seaice.explain.permutations import METRICS, Task, forget_networks, perform, perform_all
from seaice.forecasts.check import check_network
from seaice.networks import trained
from seaice.samples.assembly import Samples
from seaice.samples.splits import split
from seaice.schema import VARIABLES, WITH_LEADS

JUDGED = ("validation", "test")
WIDE = {  # groups of several variables
    "ice_history": ("siconc", "siconc_anomaly"),
    "known_ahead": WITH_LEADS,
    "atmosphere": tuple(name for name in VARIABLES if name not in ("siconc", "tos")),
    "ocean": ("tos",),
}


def groups(samples: Samples) -> dict[str, tuple[int, ...]]:
    """Return the places of the channels of everything that can be permuted, by name.

    These are each channel, each variable (all its lags or leads), and the groups `WIDE`.
    """
    by_name = {name: (place,) for place, name in enumerate(samples.channel_names)}
    variables = {name: (name,) for name in dict.fromkeys(c.variable for c in samples.channels)}
    for name, members in (variables | WIDE).items():
        places = tuple(place for place, c in enumerate(samples.channels) if c.variable in members)
        if places:
            by_name[name] = places
    return by_name


def donors(times: pd.DatetimeIndex, *, seed: int, within_month: bool) -> np.ndarray:
    """Return for each initialisation the place among `times` of the one that its values come from.

    The permutation is one random cycle, so that none keeps its own values. within_month: one cycle
    for each calendar month, which leaves the seasonal cycle as it is. The only initialisation of a
    calendar month keeps its own values.
    """
    rng = np.random.default_rng([seed, within_month])
    kind = times.month.to_numpy() if within_month else np.zeros(len(times), int)
    out = np.arange(len(times))
    for value in np.unique(kind):
        order = rng.permutation(np.flatnonzero(kind == value))
        out[order] = np.roll(order, 1)
    return out


def drawn(times: pd.DatetimeIndex, n: int | None, *, seed: int) -> pd.DatetimeIndex:
    """Return at most `n` of `times`, in order, drawn for this seed; None returns all.

    They are spread as evenly over the calendar months as possible. Consecutive seeds begin with
    different months, so that a few initialisations for each seed reach every month over the seeds.
    """
    if n is None:
        return times
    months, number = np.unique(times.month, return_inverse=True)
    order = np.random.default_rng([seed, 2]).permutation(len(times))
    draw_in_month = (
        pd.Series(number[order], index=order).groupby(number[order]).cumcount().sort_index().to_numpy()
    )
    rank = draw_in_month * len(months) + (number - seed * n) % len(months)
    return times[np.sort(np.argsort(rank, kind="stable")[:n])]


def measure(
    samples: Samples,
    folders: Mapping[int, Path],
    splits: Mapping[str, Sequence[str]],
    folder: Path,
    settings: Importance,
    *,
    batch_size: int = 8,
) -> xr.Dataset:
    """Permute every group with every seed and return the change of every member's scores.

    folders: seed to folder of a network that `train.fit` finished.
    folder: where results are kept, one file for each group, option and seed. What is there and
    still valid is not computed again.
    settings: what is permuted (see `groups`, `donors`) and which forecasts are scored (see
    `drawn`). Values are permuted among all validation and test initialisations.
    batch_size: samples computed together at most.
    Returns `change (group, within_month, seed, member, init_time, lead_time, metric)`, permuted -
    unpermuted, NaN where not judged or without truth, and `unpermuted (member, init_time,
    lead_time, metric)`. Units and cells as in `verify`. `METRICS` are those of the member's
    probabilities before any calibration. Coordinates `kind` ("channel" or "group") and `split`.
    Raises DataError for groups, months, splits or networks that do not exist, and for a calendar
    month with a single initialisation, where a permutation within the month changes nothing.
    """
    places, seeds = _chosen(samples, settings.groups), settings.seeds
    if not folders:
        raise DataError("importance of no network: give the folder of at least one")
    for seed, network_folder in folders.items():
        check_network(samples, seed, Path(network_folder))
    pool, candidates = _candidates(samples, splits, settings.judged, settings.init_months)
    options = list(dict.fromkeys(settings.within_month))
    if True in options:
        _check_months(pool, candidates)
    by_seed = [_drawn_of_all(candidates, settings.inits, seed) for seed in range(seeds)]
    times = pd.DatetimeIndex(np.unique(np.concatenate(by_seed)))
    keys = _network_keys(samples, folders, pool)

    n = max(map(len, by_seed))
    batch_size = -(-n // -(-n // batch_size))  # one size for all batches, as a network is compiled for a size
    unpermuted = _unpermuted(samples, folders, folder, times, keys, batch_size)
    tasks = {
        (channels, option, seed): _task(samples, folder, places, channels, pool, judged, keys, option, seed)
        for channels in dict.fromkeys(places.values())  # the ocean may be one variable: not computed twice
        for option in options
        for seed, judged in enumerate(by_seed)
    }
    results = perform_all(
        tasks, samples, folders, unpermuted, times, batch_size=batch_size, workers=settings.workers
    )
    change = np.full((len(places), len(options), seeds, *unpermuted.shape), np.nan, "float32")
    for (channels, option, seed), values in results:
        rows = times.get_indexer(by_seed[seed])
        _fill(change[:, options.index(option), seed], values, channels, places, rows)
    forget_networks()
    coords = {"group": list(places), "within_month": options, "seed": range(seeds), "member": list(folders)}
    return _dataset(change, unpermuted, coords | {"init_time": times}, samples, candidates)


def _network_keys(samples: Samples, folders: Mapping[int, Path], pool: pd.DatetimeIndex) -> dict[int, str]:
    """Return by seed the key of all that every result of its network depends on."""
    base = _key(samples.digest(pool), Path(permutations.__file__).read_text())
    return {
        seed: _key(base, json.loads((Path(network_folder) / trained.KEY).read_text())["key"])
        for seed, network_folder in folders.items()
    }


def _unpermuted(
    samples: Samples,
    folders: Mapping[int, Path],
    folder: Path,
    times: pd.DatetimeIndex,
    keys: Mapping[int, str],
    batch_size: int,
) -> np.ndarray:
    """Return the scores of the unpermuted forecasts (member, init_time, lead_time, metric)."""
    tasks = [
        Task(Path(folder) / f"unpermuted_{member}.npz", (), times, times, {member: _key(key, times)})
        for member, key in keys.items()
    ]
    return np.concatenate([perform(task, samples, folders, None, batch_size) for task in tasks])


def _drawn_of_all(candidates: Mapping[str, pd.DatetimeIndex], n: int | None, seed: int) -> pd.DatetimeIndex:
    """Return the initialisations of all splits that are judged with this seed.

    Of each split at most `n` are taken, see `drawn`.
    """
    return pd.DatetimeIndex(np.concatenate([drawn(times, n, seed=seed) for times in candidates.values()]))


def _fill(change: np.ndarray, values: np.ndarray, channels: tuple, places: Mapping, rows: np.ndarray) -> None:
    """Write the changes of one permutation to every group that consists of its channels.

    change: (group, member, init_time, ...), written in place. values: (member, init_time, ...) of
    the initialisations `rows`.
    """
    for group, channels_of_group in enumerate(places.values()):
        if channels_of_group == channels:
            change[group][:, rows] = values


def _dataset(
    change: np.ndarray, unpermuted: np.ndarray, coords: Mapping, samples: Samples, candidates: Mapping
) -> xr.Dataset:
    """Return the dataset of `measure`: the scores with their names and coordinates."""
    dims = ("group", "within_month", "seed", "member", "init_time", "lead_time", "metric")
    kinds = ["channel" if name in samples.channel_names else "group" for name in coords["group"]]
    splits = [
        next(name for name, times in candidates.items() if time in times) for time in coords["init_time"]
    ]
    return xr.Dataset(
        {"change": (dims, change), "unpermuted": (dims[3:], unpermuted)},
        coords={
            **coords,
            "lead_time": np.arange(1, samples.n_leads + 1),
            "metric": list(METRICS),
            "kind": ("group", kinds),
            "split": ("init_time", splits),
        },
    )


def _task(samples, folder, places, channels, pool, judged, network_keys, option: bool, seed: int) -> Task:
    """Return the permutation of these channels with this seed.

    Its file is named after the first group that consists of these channels.
    """
    donor_times = pool[donors(pool, seed=seed, within_month=option)[pool.get_indexer(judged)]]
    names = [samples.channel_names[place] for place in channels]
    keys = {member: _key(key, names, judged, donor_times) for member, key in network_keys.items()}
    group = next(name for name, channels_of_group in places.items() if channels_of_group == channels)
    path = Path(folder) / group / f"{'within' if option else 'across'}_month_seed_{seed}.npz"
    return Task(path, channels, judged, donor_times, keys)


def _chosen(samples: Samples, names: Sequence[str] | None) -> dict[str, tuple[int, ...]]:
    """Return the places of the channels of the chosen groups; None chooses all.

    Raises DataError for a group that does not exist.
    """
    available = groups(samples)
    for name in names or ():
        if name not in available:
            raise DataError(
                f"importance: no group '{name}' among the channels; there are {', '.join(available)}"
            )
    return available if names is None else {name: available[name] for name in dict.fromkeys(names)}


def _candidates(
    samples: Samples, splits: Mapping, judged: Sequence[str], months: Sequence[int] | None
) -> tuple:
    """Return all validation and test initialisations, and by split those that may be judged.

    Raises DataError for a split or a calendar month without initialisations.
    """
    available = {name: times for name, times in split(samples, splits).items() if name in JUDGED}
    candidates = {}
    for name in judged:
        if name not in available:
            raise DataError(
                f"importance: no split '{name}' to judge; there are {', '.join(available) or 'none'}"
            )
        candidates[name] = (
            available[name] if months is None else available[name][available[name].month.isin(months)]
        )
        for month in months or ():
            if month not in candidates[name].month:
                raise DataError(
                    f"importance: split '{name}' has no initialisation of month {month}; leave it out"
                )
    return pd.DatetimeIndex(np.concatenate(list(available.values()))), candidates


def _check_months(pool: pd.DatetimeIndex, candidates: Mapping[str, pd.DatetimeIndex]) -> None:
    """Raise DataError for a calendar month with a single initialisation.

    A permutation within that month would change nothing.
    """
    counts = pool.month.value_counts()
    for month in sorted({month for times in candidates.values() for month in times.month}):
        if counts[month] < 2:
            raise DataError(
                f"importance: {', '.join(JUDGED)} hold a single initialisation of month {month}, so that "
                "a permutation within the month changes nothing; give more years, leave the month out, "
                "or permute across months only"
            )


def _key(*parts) -> str:
    """Return the SHA-256 of all that a result depends on."""
    text = json.dumps([list(map(str, p)) if isinstance(p, pd.DatetimeIndex) else p for p in parts])
    return hashlib.sha256(text.encode()).hexdigest()
