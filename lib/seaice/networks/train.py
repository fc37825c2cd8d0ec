"""How does one network learn?

A training gives the same bits each time, also if it was killed and started again.
"""

import hashlib
import importlib
import json
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from threading import Event

import keras
import numpy as np
import pandas as pd

from seaice import fingerprint, progress
from seaice.config.sections import Training
from seaice.errors import DataError
from seaice.networks import kinds, trained
from seaice.samples import assembly, batches, pool

# Modules that define the settings. They are left out of the key, as the settings themselves, with
# their defaults, are part of it.
MODELS = ("seaice.config.sections", "seaice.config.values")
# Factor on the learning rate in epoch k (from 0, with its fraction) of n.
SCHEDULES = {
    "constant": lambda k, n: 1.0,
    "decay": lambda k, n: math.exp(-0.1 * max(0, math.floor(k) - 2)),  # fine-tuning of Andersson et al. 2021
    "cosine": lambda k, n: 0.5 * (1 + math.cos(math.pi * k / n)),
}


def fit(
    data: assembly.Samples,
    times: Mapping[str, pd.DatetimeIndex],
    settings: Training,
    *,
    seed: int,
    folder: Path,
    start: Path | None = None,
    simulated: pool.PooledBatches | None = None,
    stop: Event | None = None,
) -> pd.DataFrame:
    """Train one network and return its history.

    The history has one row for each validation: loss and accuracy of both splits, and learning
    rate.

    data: samples of the observations.
    times: init_times of the splits "train" and "validation", see `splits.split`. With `simulated`,
        "train" is not needed.
    settings: what the network is and how it learns. The weights of the best validation are kept,
        by `best_by`. With `siconc_head` the samples' targets must be SIC.
    seed: of weights and shuffling.
    folder: it gets `network.keras`, `history.csv`, `channels.json` (what inputs must agree with)
        and, written last, `key.json`.
    start: folder of a finished network of the same shape, from whose weights training goes on.
    simulated: batches of climate simulations to train on in place of the split "train". Their
        inputs are always assembled on the host, so `faster.gather` has no effect. Validation stays
        with the observations.
    stop: another thread sets it to end the training at the next batch, see `together`.

    If the folder holds a finished network whose key still holds, it is returned at once. The key
    covers data, settings, software and the sources of the modules that train it. An unfinished
    training continues after its last validation. It ends with the same bits as one that was not
    interrupted, on the same machine and with the same number of threads.
    Raises DataError for a split that is missing, for targets or a `start` that do not fit, and for
    a loss that is not finite; CancelledError if it was stopped.
    """
    folder = Path(folder)
    if simulated is not None:
        settings = settings.model_copy(update={"faster": settings.faster.model_copy(update={"gather": None})})
    training, validation = _batches(data, times, settings, seed=seed, simulated=simulated)
    key = _key(training, validation, settings, seed, start)
    if trained.read_key(folder) == key:
        (folder / trained.CHECKPOINT).unlink(missing_ok=True)
        return trained.history(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / trained.KEY).unlink(missing_ok=True)  # from here on the folder holds no finished network

    with kinds.DRAWING:
        kinds.deterministic(seed)
        network = kinds.untrained(data, settings)
        if start is not None:
            trained.start_from(network, Path(start))
        network.optimizer.build(network.trainable_variables)
        learner = kinds.learner(network, data, settings)

    process = {"seed": seed, "folder": folder, "key": key, "stop": stop or Event()}
    history, best = _learn(network, learner, training, validation, settings, **process)
    network.set_weights(best)
    return trained.finish(folder, key, network, history, data.metadata(), settings, seed=seed)


def _batches(
    data: assembly.Samples,
    times: Mapping[str, pd.DatetimeIndex],
    settings: Training,
    *,
    seed: int,
    simulated: pool.PooledBatches | None,
) -> tuple[batches.Batches | pool.PooledBatches, batches.Batches]:
    """Return the batches for training and for validation.

    Raises DataError for a split that is missing, and for targets or simulated samples that do not
    fit.
    """
    for name in ("validation",) if simulated else ("train", "validation"):
        if name not in times:
            raise DataError(f"training needs the split '{name}'; the splits are {sorted(times)}")
    _check_targets(data, times["validation"][:1], settings.siconc_head)
    if simulated is not None:
        _check_alike(simulated, data)
    options = {"batch_size": settings.batch_size, "as_numbers": settings.faster.gather is not None}
    changes = {"withhold": settings.withhold, "turns": settings.turns}
    training = simulated or batches.Batches(data, times["train"], seed=seed, **changes, **options)
    return training, batches.Batches(data, times["validation"], **options)


def _learn(
    network,
    learner,
    training,
    validation,
    settings: Training,
    *,
    seed: int,
    folder: Path,
    key: str,
    stop: Event,
) -> tuple[list[dict], list[np.ndarray]]:
    """Train round by round from the last checkpoint on.

    Returns the history and the weights of the best validation.
    """
    history, best = trained.restore(folder, key, network)
    epochs, n_between = settings.epochs, settings.validate_every or len(training)
    total = epochs * len(training)
    n_done = min(len(history) * n_between, total)
    with progress.bar(total=total, initial=n_done, desc=f"seed {seed}", unit="batch") as bar:
        while n_done < total and not _is_exhausted(history, settings):
            end = min(n_done + n_between, total)
            shares = [SCHEDULES[settings.schedule](k / len(training), epochs) for k in range(n_done, end)]
            rates = [settings.learning_rate * share for share in shares]
            row, weights = _round(network, learner, training, validation, n_done, rates, bar, stop)
            history.append({"learning_rate": rates[0], **row})
            n_done = end
            if trained.best(history, settings.best_by) == len(history) - 1:
                best = weights
            trained.checkpoint(folder, key, network, history, best)
            postfix = {f"val_{settings.best_by}": f"{history[-1][f'val_{settings.best_by}']:.4f}"}
            bar.set_postfix(validations=len(history), **postfix)
    return history, best


def _round(
    network, learner, training, validation, first: int, rates: Sequence[float], bar, stop: Event
) -> tuple[dict, list[np.ndarray]]:
    """Train on some batches, then validate; return the scores and the weights that were validated.

    first: number of the first batch. rates: learning rate of each batch. learner: the network, or a
    model that shares its weights and optimiser and takes the batches. stop: see `fit`.
    """

    def training_batch(number: int):
        epoch, batch = divmod(number, len(training))
        if batch == 0 or number == first:
            training.shuffle(epoch)
        return _counted(training[batch])

    rows = []
    for rate, batch in zip(
        rates, batches.ahead(training_batch, range(first, first + len(rates))), strict=True
    ):
        if stop.is_set():
            raise CancelledError
        network.optimizer.learning_rate = rate
        rows.append(_step(learner.train_on_batch, *batch))
        bar.update()
    scores = _means(rows, prefix="")
    trained_weights = network.get_weights()
    # If the weights have a running mean, it is what will be used, so it is what is validated.
    network.optimizer.finalize_variable_values(network.trainable_variables)
    validated = network.get_weights()
    # Set copies: on JAX, weights and mean would share an array that the validation overwrites.
    network.set_weights(validated)
    validation_batches = batches.ahead(lambda number: _counted(validation[number]), range(len(validation)))
    scores |= _means([_step(learner.test_on_batch, *batch) for batch in validation_batches], prefix="val_")
    network.set_weights(trained_weights)
    if not np.isfinite(list(scores.values())).all():
        raise DataError(
            f"training gave numbers that are not finite in epoch {first // len(training) + 1} ({scores}); "
            f"try a smaller learning_rate than {rates[0]:g}"
        )
    return scores, validated


def _counted(batch) -> tuple[tuple, int]:
    """Return a batch, and the number of its cells that count."""
    return batch, np.count_nonzero(batch[2])


def _step(step, batch, n_cells: int) -> tuple[dict, int, int]:
    """Return the results of one Keras step, the number of samples, and that of cells that count."""
    inputs, truth, weight = batch
    return step(inputs, truth, sample_weight=weight, return_dict=True), len(inputs), n_cells


def _means(rows: Sequence[tuple], *, prefix: str) -> dict:
    """Return the means over all batches of each result.

    Keras starts its results anew with each batch. The loss, a mean over every cell, is weighted by
    samples; the metrics are weighted by the cells that count.
    """
    results, n_samples, n_cells = zip(*rows, strict=True)
    return {
        f"{prefix}{name}": float(
            np.average(
                np.array([result[name] for result in results], "float64"),
                weights=n_samples if name == "loss" else n_cells,
            )
        )
        for name in ("loss", *(name for name in results[0] if name != "loss"))
    }


def _check_targets(data: assembly.Samples, init_times, siconc_head: bool) -> None:
    """Raise DataError for targets that the network does not learn.

    Classes and SIC are both numbers, so one would silently be taken for the other.
    """
    has_siconc = np.issubdtype(data.targets(init_times).dtype, np.floating)
    if has_siconc != siconc_head:
        expected, target = ("SIC", "siconc") if siconc_head else ("ice classes", "ice_class")
        raise DataError(
            f"this network learns {expected}, but the samples have other targets; "
            f"make them with target='{target}'"
        )


def _check_alike(simulated: pool.PooledBatches, data: assembly.Samples) -> None:
    """Raise DataError for simulated samples that differ from the observations.

    Channels, leads and grid must be the same.
    """
    simulation, observations = simulated.metadata(), data.metadata()
    for name in ("channel_names", "n_leads", "shape"):
        if simulation[name] != observations[name]:
            raise DataError(
                f"simulated samples have {name} {simulation[name]}, the observations {observations[name]}"
            )


def _is_exhausted(history: list[dict], settings: Training) -> bool:
    """Return whether the best validation is `patience` validations ago."""
    if not history or settings.patience is None:
        return False
    return len(history) - 1 - trained.best(history, settings.best_by) >= settings.patience


def _key(training, validation, settings: Training, seed: int, start: Path | None) -> str:
    """Return the SHA-256 of everything that the trained weights depend on, except the machine."""
    sources = fingerprint.modules(
        [f"import {__name__}"], source=__name__, without=(*fingerprint.PLUMBING, *MODELS)
    )
    backend = keras.backend.backend()
    software = [backend, importlib.import_module(backend).__version__, keras.__version__, np.__version__]
    data = [training.digest(), validation.digest(), None if start is None else trained.read_key(Path(start))]
    content = [settings.model_dump(mode="json"), seed, sources, software, data]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
