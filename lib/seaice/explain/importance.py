"""Which inputs do the forecasts need?

Permute-and-predict: the loss of skill when an input is taken from an earlier initialisation. A
later one would tell what is to be forecast: its trend, frequencies and past ice hold the truth.
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

from seaice import fingerprint
from seaice.config.sections import Importance
from seaice.errors import DataError
from seaice.explain import icenet as explain_icenet, permutations
from seaice.explain.draws import drawn, pairs
from seaice.explain.permutations import METRICS, Models, Task, forget_networks, perform, perform_all
from seaice.explain.presence import exists
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


def measure(
    samples: Samples,
    models: Models,
    splits: Mapping[str, Sequence[str]],
    folder: Path,
    settings: Importance,
    *,
    batch_size: int = 8,
) -> xr.Dataset:
    """Permute every group with every seed and return the change of every model's scores.

    models: finished networks of `train.fit` by seed, and what IceNet makes of them.
    folder: where results are kept, one file for each group, option and seed. What is there and
    still valid is not computed again.
    settings: what is permuted (see `groups`) and which forecasts are scored (see `draws.drawn`).
    Values come from earlier years, see `draws.pairs`; training years serve. A group is judged where
    all its time steps exist in both initialisations.
    batch_size: samples computed together at most.
    Returns `change (group, within_month, seed, model, init_time, lead_time, metric)`, permuted -
    unpermuted, NaN where not judged or without truth, and `unpermuted (model, init_time,
    lead_time, metric)`. Units and cells as in `verify`. Models are the members, by the text of
    their seed and before any calibration, and "icenet". `METRICS` are those of their
    probabilities. Coordinates `kind` ("channel" or "group") and `split`.
    Raises DataError for groups, months, splits or networks that do not exist, and for an
    initialisation that nothing is earlier than.
    """
    places, seeds = _chosen(samples, settings.groups), settings.seeds
    if not models.folders:
        raise DataError("importance of no network: give the folder of at least one")
    for seed, network_folder in models.folders.items():
        check_network(samples, seed, Path(network_folder))
    candidates = _candidates(samples, splits, settings.judged, settings.init_months)
    options = list(dict.fromkeys(settings.within_month))
    by_seed = [_drawn_of_all(candidates, settings.inits, seed) for seed in range(seeds)]
    times = pd.DatetimeIndex(np.unique(np.concatenate(by_seed)))
    keys = _model_keys(samples, models)

    n = max(map(len, by_seed))
    batch_size = -(-n // -(-n // batch_size))  # one size for all batches, as a network is compiled for a size
    unpermuted = _unpermuted(samples, models, folder, times, keys, batch_size)
    tasks = _tasks(samples, folder, places, options, by_seed, keys)
    results = perform_all(
        tasks, samples, models, unpermuted, times, batch_size=batch_size, workers=settings.workers
    )
    change = np.full((len(places), len(options), seeds, *unpermuted.shape), np.nan, "float32")
    for (channels, option, seed), values in results:
        rows = times.get_indexer(tasks[channels, option, seed].judged)
        _fill(change[:, options.index(option), seed], values, channels, places, rows)
    forget_networks()
    coords = {"group": list(places), "within_month": options, "seed": range(seeds), "model": models.names}
    return _dataset(change, unpermuted, coords | {"init_time": times}, samples, candidates)


def _tasks(
    samples: Samples,
    folder: Path,
    places: Mapping[str, tuple[int, ...]],
    options: Sequence[bool],
    by_seed: Sequence[pd.DatetimeIndex],
    keys: Mapping[str, str],
) -> dict[tuple, Task]:
    """Return the permutations by channels, option and seed; none where nothing can be judged.

    Groups of the same channels share one, whose file is named after the first of them.
    """
    pool = samples.init_times
    present = exists(samples, pool)
    tasks = {}
    for group, channels in places.items():
        usable = present[:, list(channels)].all(axis=1)
        for option in options:
            for seed, judged in enumerate(by_seed):
                if (channels, option, seed) in tasks:  # the ocean may be one variable
                    continue
                kept, donors = pairs(judged, pool, usable, seed=seed, within_month=option)
                if not len(kept):
                    continue
                names = [samples.channel_names[place] for place in channels]
                own_keys = {model: _key(key, names, kept, donors) for model, key in keys.items()}
                file = f"{'within' if option else 'across'}_month_seed_{seed}.npz"
                path = Path(folder) / group / file
                tasks[channels, option, seed] = Task(path, channels, kept, donors, own_keys)
    return tasks


def _model_keys(samples: Samples, models: Models) -> dict[str, str]:
    """Return by model the key of all that every result of it depends on."""
    imports = [f"import {module.__name__}" for module in (permutations, explain_icenet)]
    base = _key(samples.digest(samples.init_times), fingerprint.modules(imports, source=__name__))
    keys = {
        str(seed): _key(base, json.loads((Path(network_folder) / trained.KEY).read_text())["key"])
        for seed, network_folder in models.folders.items()
    }
    if models.icenet is not None:
        keys[explain_icenet.NAME] = _key([*keys.values()], models.icenet.key)
    return keys


def _unpermuted(
    samples: Samples,
    models: Models,
    folder: Path,
    times: pd.DatetimeIndex,
    keys: Mapping[str, str],
    batch_size: int,
) -> np.ndarray:
    """Return the scores of the unpermuted forecasts (model, init_time, lead_time, metric)."""
    own_keys = {model: _key(key, times) for model, key in keys.items()}
    task = Task(Path(folder) / "unpermuted.npz", (), times, times, own_keys)
    return perform(task, samples, models, None, batch_size)


def _drawn_of_all(candidates: Mapping[str, pd.DatetimeIndex], n: int | None, seed: int) -> pd.DatetimeIndex:
    """Return the initialisations of all splits that are judged with this seed.

    Of each split at most `n` are taken, see `drawn`.
    """
    return pd.DatetimeIndex(np.concatenate([drawn(times, n, seed=seed) for times in candidates.values()]))


def _fill(change: np.ndarray, values: np.ndarray, channels: tuple, places: Mapping, rows: np.ndarray) -> None:
    """Write the changes of one permutation to every group that consists of its channels.

    change: (group, model, init_time, ...), written in place. values: (model, init_time, ...) of the
    initialisations `rows`.
    """
    for group, channels_of_group in enumerate(places.values()):
        if channels_of_group == channels:
            change[group][:, rows] = values


def _dataset(
    change: np.ndarray, unpermuted: np.ndarray, coords: Mapping, samples: Samples, candidates: Mapping
) -> xr.Dataset:
    """Return the dataset of `measure`: the scores with their names and coordinates."""
    dims = ("group", "within_month", "seed", "model", "init_time", "lead_time", "metric")
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
) -> dict[str, pd.DatetimeIndex]:
    """Return by split the validation and test initialisations that may be judged.

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
    return candidates


def _key(*parts) -> str:
    """Return the SHA-256 of all that a result depends on."""
    text = json.dumps([list(map(str, p)) if isinstance(p, pd.DatetimeIndex) else p for p in parts])
    return hashlib.sha256(text.encode()).hexdigest()
