"""How is one permutation computed? Forward passes of every member, scored on the cells that count, kept in a file each."""

import json
import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pandas as pd

from seaice import progress
from seaice.errors import DataError
from seaice.files import replacing
from seaice.networks import trained
from seaice.networks.outputs import class_logits
from seaice.samples.assembly import Samples
from seaice.schema import SIP_EDGE

METRICS = ("binary_accuracy", "class_accuracy", "brier")  # of a member: %, % (3 classes), 0..1; see `verify`


class Task(NamedTuple):
    """One permutation of one group: `judged` initialisations whose `channels` (places) come from `donors`."""

    path: Path
    channels: tuple[int, ...]
    judged: pd.DatetimeIndex
    donors: pd.DatetimeIndex
    keys: dict[int, str]  # by member, of all that its result depends on


def perform(
    task: Task, samples: Samples, folders: Mapping[int, Path], unpermuted: np.ndarray | None, batch_size: int
) -> np.ndarray:
    """Change of the scores of one task (member, init_time, lead_time, metric), computed for the members not yet in its file.

    unpermuted: scores of the judged initialisations, the same dims; None returns and keeps the scores themselves. Initialisations
    whose inputs are the same after the permutation are not computed: their change is 0.
    """
    known = _read(task)
    lacking = [member for member in task.keys if member not in known]
    if lacking:
        made = np.zeros((len(lacking), len(task.judged), samples.n_leads, len(METRICS)), "float64")
        places = list(task.channels)
        numbers = [samples.plane_numbers(times)[:, places] for times in (task.judged, task.donors)]
        moved = np.flatnonzero((numbers[0] != numbers[1]).any(axis=1) | (unpermuted is None))
        for first in range(0, len(moved), batch_size):
            here = moved[first : first + batch_size]
            at = np.pad(here, (0, batch_size - len(here)), mode="edge")
            inputs = samples.inputs(task.judged[at])
            if places:
                inputs[..., places] = samples.inputs(task.donors[at])[..., places]
            truth, counts = samples.targets(task.judged[at]), samples.weights(task.judged[at]) > 0
            for row, member in enumerate(lacking):
                logits = class_logits(_network(Path(folders[member])).predict_on_batch(inputs))
                if not np.isfinite(logits).all():
                    raise DataError(
                        f"the network of seed {member} ({folders[member]}) gives values that are not finite; train it again"
                    )
                made[row, here] = scores(logits, truth, counts)[: len(here)]
        for row, member in enumerate(lacking):
            if unpermuted is not None:
                before = unpermuted[list(task.keys).index(member)]
                made[row, moved] -= before[moved]
                made[row][np.isnan(before)] = np.nan
            known[member] = made[row]
        _write(task, known)
    return np.stack([known[member] for member in task.keys])


def scores(logits: np.ndarray, truth: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Scores (init_time, lead_time, metric) of logits (init_time, y, x, lead_time, ice_class), NaN where no cell counts.

    truth (init_time, y, x, lead_time): class numbers; counts: bool, the cells that are scored. `METRICS` as in `verify`.
    """
    ever = counts.any(axis=(0, 3))  # the rest of the map is never looked at
    logits, truth, counts = logits[:, ever], truth[:, ever], counts[:, ever]
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    sip, ice = powers[..., 1:].sum(axis=-1) / powers.sum(axis=-1), truth > 0
    right = [100.0 * ((sip > SIP_EDGE) == ice), 100.0 * (logits.argmax(axis=-1) == truth), (sip - ice) ** 2]
    with np.errstate(invalid="ignore"):
        sums = [(values * counts).sum(axis=1, dtype="float64") / counts.sum(axis=1) for values in right]
    return np.stack(sums, axis=-1)


def perform_all(
    tasks: Mapping[tuple, Task],
    samples: Samples,
    folders: Mapping[int, Path],
    unpermuted: np.ndarray,
    times: pd.DatetimeIndex,
    *,
    batch_size: int,
    workers: int | str | None,
) -> Iterator[tuple]:
    """Give each task's name and result as it comes; a process, this one or each of Dask's workers, loads the networks once.

    unpermuted: scores (member, init_time, lead_time, metric) of `times`. workers: processes, the address of a scheduler, or None.
    """

    def rows(task):
        return unpermuted[:, times.get_indexer(task.judged)]

    with progress.bar(total=len(tasks), desc="permutations") as bar:
        if workers is None:
            for name, task in tasks.items():
                yield name, perform(task, samples, folders, rows(task), batch_size)
                bar.update()
            return
        from distributed import Client, as_completed  # here, not above: one process has no need of it

        with Client(workers) if isinstance(workers, str) else Client(**_local(workers)) as client:
            (given,) = client.scatter([samples], broadcast=True)
            futures = {
                client.submit(perform, task, given, folders, rows(task), batch_size, pure=False): name
                for name, task in tasks.items()
            }
            for future in as_completed(futures):
                yield futures[future], future.result()
                bar.update()


def _local(workers: int) -> dict:
    """Options of a cluster on this machine whose processes share its cores."""
    threads = {"TF_NUM_INTRAOP_THREADS": str(max(1, (os.cpu_count() or 1) // workers))}
    return {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None, "env": threads}


def _network(folder: Path) -> keras.Model:
    path = folder / trained.NETWORK
    return _loaded(path, path.stat().st_mtime_ns)


@cache
def _loaded(path: Path, _written: int) -> keras.Model:
    return keras.saving.load_model(path, compile=False)


def forget_networks() -> None:
    """Free the networks that this process has loaded."""
    _loaded.cache_clear()


def _read(task: Task) -> dict[int, np.ndarray]:
    """Results in the task's file that still hold, by member."""
    try:
        saved = np.load(task.path)
    except FileNotFoundError:
        return {}
    with saved:
        keys = json.loads(str(saved["keys"]))
        return {m: saved[f"member_{m}"] for m, key in task.keys.items() if keys.get(str(m)) == key}


def _write(task: Task, known: Mapping[int, np.ndarray]) -> None:
    """Write all members' results in one rename, so that a killed run leaves whole files only."""
    task.path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(task.path) as part:
        np.savez(part, keys=json.dumps(task.keys), **{f"member_{m}": values for m, values in known.items()})
