"""How is one permutation computed?

By forward passes of every member, scored on the cells that count, and by what IceNet makes of them.
Each result is kept in a file.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import keras
import numpy as np
import pandas as pd
from scipy.special import softmax

from seaice import progress
from seaice.errors import DataError
from seaice.explain import threads
from seaice.explain.icenet import NAME as ICENET, IceNet
from seaice.files import replacing
from seaice.networks import trained
from seaice.networks.outputs import class_logits
from seaice.samples.assembly import Samples
from seaice.thresholds import SIP_EDGE

_LOADING = Lock()  # two threads that need the same network would load it twice
METRICS = ("binary_accuracy", "class_accuracy", "brier")  # in %, % (3 classes), 0..1; see `verify`


class Task(NamedTuple):
    """One permutation of one group.

    The `channels` (places) of the `judged` initialisations are taken from `donors`.
    """

    path: Path
    channels: tuple[int, ...]
    judged: pd.DatetimeIndex
    donors: pd.DatetimeIndex
    keys: dict[str, str]  # by model, the key of all that its result depends on


class Models(NamedTuple):
    """What forecasts: networks, by seed their folder, and the IceNet that is made of them."""

    folders: Mapping[int, Path]
    icenet: IceNet | None = None

    @property
    def names(self) -> list[str]:
        """Names of the models: the seed of each network, then IceNet."""
        return [str(seed) for seed in self.folders] + [ICENET] * (self.icenet is not None)


def perform(
    task: Task, samples: Samples, models: Models, unpermuted: np.ndarray | None, batch_size: int
) -> np.ndarray:
    """Return the change of the scores of one task (model, init_time, lead_time, metric).

    It is computed for the models that are not yet in the file of the task. unpermuted: scores of
    the judged initialisations, same dims; None returns and keeps the scores themselves.
    Initialisations whose inputs are the same after the permutation are not computed: their change
    is 0. Raises DataError for a network whose output is not finite.
    """
    results = _read(task)
    missing = [name for name in task.keys if name not in results]
    if missing:
        computed = np.zeros((len(missing), len(task.judged), samples.n_leads, len(METRICS)), "float64")
        places = list(task.channels)
        numbers = [samples.plane_numbers(times)[:, places] for times in (task.judged, task.donors)]
        moved = np.flatnonzero((numbers[0] != numbers[1]).any(axis=1) | (unpermuted is None))
        cells = samples.active.any(axis=0)
        for first in range(0, len(moved), batch_size):
            batch = moved[first : first + batch_size]
            padded = np.pad(batch, (0, batch_size - len(batch)), mode="edge")
            judged = task.judged[padded]
            truth, counts = samples.targets(judged)[:, cells], samples.weights(judged)[:, cells] > 0
            forecasts = _forecasts(task, samples, models, missing, padded)
            for row, probability in enumerate(forecasts):
                computed[row, batch] = scores(probability, truth, counts)[: len(batch)]
        for row, name in enumerate(missing):
            if unpermuted is not None:
                before = unpermuted[list(task.keys).index(name)]
                computed[row, moved] -= before[moved]
                computed[row][np.isnan(before)] = np.nan
            results[name] = computed[row]
        _write(task, results)
    return np.stack([results[name] for name in task.keys])


def _forecasts(
    task: Task, samples: Samples, models: Models, wanted: Sequence[str], rows: np.ndarray
) -> list[np.ndarray]:
    """Return the probabilities (init_time, cell, lead_time, ice_class) of the wanted models.

    rows: places of initialisations in the task. The cells are those that are ever active: only they
    are scored. Raises DataError as `perform` does.
    """
    cells = samples.active.any(axis=0)
    inputs, places = samples.inputs(task.judged[rows]), list(task.channels)
    if places:
        inputs[..., places] = samples.inputs(task.donors[rows])[..., places]
    members = {}
    for seed, folder in models.folders.items():
        if str(seed) in wanted or ICENET in wanted:
            logits = class_logits(_network(Path(folder)).predict_on_batch(inputs))
            if not np.isfinite(logits).all():
                raise DataError(
                    f"the network of seed {seed} ({folder}) gives values that are not finite; train it again"
                )
            members[seed] = softmax(logits[:, cells], axis=-1)
    by_model = {str(seed): probability for seed, probability in members.items()}
    if models.icenet is not None and ICENET in wanted:
        judged, donors = task.judged[rows], task.donors[rows]
        by_model[ICENET] = models.icenet.probability(members, samples, judged, donors, places)
    return [by_model[name] for name in wanted]


def scores(probability: np.ndarray, truth: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return scores (init_time, lead_time, metric) of probabilities, NaN where no cell counts.

    probability: (init_time, ..., lead_time, ice_class), 0..1, of a map or of chosen cells. truth:
    class numbers (init_time, ..., lead_time). counts: bool, same dims as truth, the cells that are
    scored. `METRICS` as in `verify`.
    """
    ever_counts = counts.any(axis=(0, -1))  # the rest is left out
    probability, truth, counts = probability[:, ever_counts], truth[:, ever_counts], counts[:, ever_counts]
    sip, ice = probability[..., 1:].sum(axis=-1), truth > 0
    measures = [
        100.0 * ((sip > SIP_EDGE) == ice),
        100.0 * (probability.argmax(axis=-1) == truth),
        (sip - ice) ** 2,
    ]
    with np.errstate(invalid="ignore"):
        sums = [(values * counts).sum(axis=1, dtype="float64") / counts.sum(axis=1) for values in measures]
    return np.stack(sums, axis=-1)


def perform_all(
    tasks: Mapping[tuple, Task],
    samples: Samples,
    models: Models,
    unpermuted: np.ndarray,
    times: pd.DatetimeIndex,
    *,
    batch_size: int,
    workers: int | str | None,
) -> Iterator[tuple]:
    """Give the name and the result of each task as it is finished.

    unpermuted: scores (model, init_time, lead_time, metric) of `times`. workers: number of
    processes, the address of a scheduler, or None for this process alone. A process, this one or a
    worker of Dask, loads each network only once.
    """

    def rows(task):
        return unpermuted[:, times.get_indexer(task.judged)]

    with progress.bar(total=len(tasks), desc="permutations") as bar:
        if workers is None:

            def of_name(name):
                return perform(tasks[name], samples, models, rows(tasks[name]), batch_size)

            for name, result in threads.each(of_name, tasks):
                yield name, result
                bar.update()
            return
        from distributed import Client, as_completed  # imported here, as a single process does not need it

        with Client(workers) if isinstance(workers, str) else Client(**_local(workers)) as client:
            scattered = client.scatter([samples, models], broadcast=True)
            futures = {
                client.submit(perform, task, *scattered, rows(task), batch_size, pure=False): name
                for name, task in tasks.items()
            }
            for future in as_completed(futures):
                yield futures[future], future.result()
                bar.update()


def _local(workers: int) -> dict:
    """Return options of a cluster on this machine whose processes share its cores."""
    own_threads = {"TF_NUM_INTRAOP_THREADS": str(max(1, (os.cpu_count() or 1) // workers))}
    return {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None, "env": own_threads}


def _network(folder: Path) -> keras.Model:
    """Return the network of a folder, loaded once as long as its file does not change."""
    path = folder / trained.NETWORK
    with _LOADING:
        return _loaded(path, path.stat().st_mtime_ns)


@cache
def _loaded(path: Path, _written: int) -> keras.Model:
    """Return the network in a file.

    _written: when the file was written. A file that was written again is loaded again.
    """
    return keras.saving.load_model(path, compile=False)


def forget_networks() -> None:
    """Free the networks that this process has loaded."""
    _loaded.cache_clear()


def _read(task: Task) -> dict[str, np.ndarray]:
    """Return the results in the file of the task that are still valid, by model."""
    try:
        saved = np.load(task.path)
    except FileNotFoundError:
        return {}
    with saved:
        keys = json.loads(str(saved["keys"]))
        return {name: saved[name] for name, key in task.keys.items() if keys.get(name) == key}


def _write(task: Task, results: Mapping[str, np.ndarray]) -> None:
    """Write the results of all models at once, so that a killed run leaves no half file."""
    task.path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(task.path) as unfinished:
        np.savez(unfinished, keys=json.dumps(task.keys), **results)
