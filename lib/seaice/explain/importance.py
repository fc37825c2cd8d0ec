"""Which inputs do the networks need? Permute-and-predict: the loss of skill when an input comes from another initialisation.

Source: Breiman 2001, doi:10.1023/A:1010933404324; for IceNet Andersson et al. 2021, doi:10.1038/s41467-021-25257-4.
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
    """Places of the channels of everything that can be permuted: each channel, each variable (all its lags or leads), and `WIDE`."""
    found = {name: (place,) for place, name in enumerate(samples.channel_names)}
    variables = {name: (name,) for name in dict.fromkeys(c.variable for c in samples.channels)}
    for name, members in (variables | WIDE).items():
        places = tuple(place for place, c in enumerate(samples.channels) if c.variable in members)
        if places:
            found[name] = places
    return found


def donors(times: pd.DatetimeIndex, *, seed: int, within_month: bool) -> np.ndarray:
    """Place among `times` of the initialisation that each one's values come from: one random cycle, so that none keeps its own.

    within_month: one cycle a calendar month, which leaves the seasonal cycle as it is; the only one of a month keeps its own.
    """
    rng = np.random.default_rng([seed, within_month])
    kind = times.month.to_numpy() if within_month else np.zeros(len(times), int)
    out = np.arange(len(times))
    for value in np.unique(kind):
        order = rng.permutation(np.flatnonzero(kind == value))
        out[order] = np.roll(order, 1)
    return out


def drawn(times: pd.DatetimeIndex, n: int | None, *, seed: int) -> pd.DatetimeIndex:
    """At most `n` of `times`, in order, drawn for this seed as evenly over the calendar months as can be; None for all.

    Consecutive seeds begin with different months, so that few initialisations a seed reach every month over the seeds.
    """
    if n is None:
        return times
    months, number = np.unique(times.month, return_inverse=True)
    order = np.random.default_rng([seed, 2]).permutation(len(times))
    turn = pd.Series(number[order], index=order).groupby(number[order]).cumcount().sort_index().to_numpy()
    wanted = turn * len(months) + (number - seed * n) % len(months)
    return times[np.sort(np.argsort(wanted, kind="stable")[:n])]


def measure(
    samples: Samples,
    folders: Mapping[int, Path],
    splits: Mapping[str, Sequence[str]],
    folder: Path,
    settings: Importance,
    *,
    batch_size: int = 8,
) -> xr.Dataset:
    """Permute every group with every seed and return the change of every member's scores, permuted - unpermuted.

    folders: seed to folder of a network that `train.fit` finished. folder: where results are kept, a file a group, option and
    seed; what is there and still holds is not computed again. settings: what is permuted (see `groups`, `donors`) and which
    forecasts are scored (see `drawn`). Values are permuted among all validation and test initialisations.
    batch_size: samples computed together at most.

    Returns `change (group, within_month, seed, member, init_time, lead_time, metric)`, NaN where not judged or without truth, and
    `unpermuted (member, init_time, lead_time, metric)`; units and cells as in `verify`, `METRICS` of the member's probabilities before any
    calibration; coordinates `kind` ("channel" or "group") and `split`. Raises DataError for groups, months, splits or networks that
    are not there, and for a calendar month with a single initialisation, where a permutation within the month changes nothing.
    """
    places, seeds, inits = _chosen(samples, settings.groups), settings.seeds, settings.inits
    if not folders:
        raise DataError("importance of no network: give the folder of at least one")
    for seed, place in folders.items():
        check_network(samples, seed, Path(place))
    pool, candidates = _candidates(samples, splits, settings.judged, settings.init_months)
    options = list(dict.fromkeys(settings.within_month))
    if True in options:
        _check_months(pool, candidates)
    by_seed = [_drawn_of_all(candidates, inits, seed) for seed in range(seeds)]
    times = pd.DatetimeIndex(np.unique(np.concatenate(by_seed)))
    base = _key(samples.digest(pool), Path(permutations.__file__).read_text())
    known = {
        seed: _key(base, json.loads((Path(f) / trained.KEY).read_text())["key"])
        for seed, f in folders.items()
    }

    n = max(map(len, by_seed))
    batch_size = -(-n // -(-n // batch_size))  # one size for all batches, as a network is compiled for a size
    alone = {
        m: Task(Path(folder) / f"unpermuted_{m}.npz", (), times, times, {m: _key(known[m], times)})
        for m in known
    }
    unpermuted = np.concatenate(
        [perform(task, samples, folders, None, batch_size) for task in alone.values()]
    )
    tasks = {
        (channels, option, seed): _task(
            samples, folder, places, channels, pool, judged_now, known, option, seed
        )
        for channels in dict.fromkeys(places.values())  # the ocean may be one variable: not computed twice
        for option in options
        for seed, judged_now in enumerate(by_seed)
    }
    results = perform_all(
        tasks, samples, folders, unpermuted, times, batch_size=batch_size, workers=settings.workers
    )
    change = np.full((len(places), len(options), seeds, *unpermuted.shape), np.nan, "float32")
    for (channels, option, seed), values in results:
        _fill(
            change[:, options.index(option), seed], values, channels, places, times.get_indexer(by_seed[seed])
        )
    forget_networks()
    coords = {"group": list(places), "within_month": options, "seed": range(seeds), "member": list(folders)}
    return _dataset(change, unpermuted, coords | {"init_time": times}, samples, candidates)


def _drawn_of_all(candidates: Mapping[str, pd.DatetimeIndex], n: int | None, seed: int) -> pd.DatetimeIndex:
    """Initialisations of all splits that are judged with this seed, `n` of each, see `drawn`."""
    return pd.DatetimeIndex(np.concatenate([drawn(times, n, seed=seed) for times in candidates.values()]))


def _fill(change: np.ndarray, values: np.ndarray, channels: tuple, places: Mapping, rows: np.ndarray) -> None:
    """Write one permutation's changes (member, init_time, ...) to every group that consists of its channels."""
    for group, own in enumerate(places.values()):
        if own == channels:
            change[group][:, rows] = values


def _dataset(
    change: np.ndarray, unpermuted: np.ndarray, coords: Mapping, samples: Samples, candidates: Mapping
) -> xr.Dataset:
    """Put the scores under their names: the dataset that `measure` returns."""
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


def _task(samples, folder, places, channels, pool, judged, known, option: bool, seed: int) -> Task:
    """The permutation of these channels with this seed, in a file named after the first group that consists of them."""
    given = pool[donors(pool, seed=seed, within_month=option)[pool.get_indexer(judged)]]
    names = [samples.channel_names[place] for place in channels]
    keys = {member: _key(key, names, judged, given) for member, key in known.items()}
    group = next(name for name, own in places.items() if own == channels)
    path = Path(folder) / group / f"{'within' if option else 'across'}_month_seed_{seed}.npz"
    return Task(path, channels, judged, given, keys)


def _chosen(samples: Samples, names: Sequence[str] | None) -> dict[str, tuple[int, ...]]:
    """Places of the groups asked for."""
    there = groups(samples)
    for name in names or ():
        if name not in there:
            raise DataError(f"importance: no group '{name}' among the channels; there are {', '.join(there)}")
    return there if names is None else {name: there[name] for name in dict.fromkeys(names)}


def _candidates(
    samples: Samples, splits: Mapping, judged: Sequence[str], months: Sequence[int] | None
) -> tuple:
    """All validation and test initialisations, and by split those that may be judged."""
    there = {name: times for name, times in split(samples, splits).items() if name in JUDGED}
    candidates = {}
    for name in judged:
        if name not in there:
            raise DataError(f"importance: no split '{name}' to judge; there are {', '.join(there) or 'none'}")
        candidates[name] = there[name] if months is None else there[name][there[name].month.isin(months)]
        for month in months or ():
            if month not in candidates[name].month:
                raise DataError(
                    f"importance: split '{name}' has no initialisation of month {month}; leave it out"
                )
    return pd.DatetimeIndex(np.concatenate(list(there.values()))), candidates


def _check_months(pool: pd.DatetimeIndex, candidates: Mapping[str, pd.DatetimeIndex]) -> None:
    """Refuse to permute within a month that has a single initialisation."""
    counts = pool.month.value_counts()
    for month in sorted({month for times in candidates.values() for month in times.month}):
        if counts[month] < 2:
            raise DataError(
                f"importance: {', '.join(JUDGED)} hold a single initialisation of month {month}, so that a permutation within the "
                "month changes nothing; give more years, leave the month out, or permute across months only"
            )


def _key(*parts) -> str:
    """SHA-256 of all that a result depends on."""
    text = json.dumps([list(map(str, p)) if isinstance(p, pd.DatetimeIndex) else p for p in parts])
    return hashlib.sha256(text.encode()).hexdigest()
