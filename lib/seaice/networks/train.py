"""How does one network learn? A training that gives the same bits again, also when it was killed and started anew."""

import hashlib
import importlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from seaice import fingerprint, progress
from seaice.config.sections import Training
from seaice.errors import DataError
from seaice.networks import kinds, trained
from seaice.samples import assembly, batches, pool

# Modules that say which settings there may be. The settings themselves, with their defaults, are part of the key.
MODELS = ("seaice.config.sections", "seaice.config.settings")
SCHEDULES = {  # factor on the learning rate in epoch k (from 0, with its fraction) of n
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
) -> pd.DataFrame:
    """Train one network and return its history: a row a validation with loss and accuracy of both splits and learning rate.

    data: samples of the observations. times: init_times of the splits "train" and "validation", see `splits.split`.
    settings: what the network is and how it learns. The best validation is the one of highest accuracy (3 classes, active
    cells); with `siconc_head`, for which the samples' targets must be SIC, it is the one of least loss (`losses.SiconcLoss`).
    seed: of weights and shuffling. start: folder of a finished network of the same shape whose weights are gone on from.
    simulated: batches of climate simulations to train on in place of the train split. They are always assembled here, so that
    `faster.gather` has no effect; validation stays that of the observations.

    folder then holds `network.keras`, `history.csv`, `channels.json` (what inputs must agree with) and `key.json`, which is
    written last. A finished network is returned at once if its key still holds: data, settings, software and the sources
    of the modules that train it. An unfinished one goes on after its last validation and ends with the bits it would have had
    without the interruption (same machine and thread count). Raises DataError for a split that is not there, for targets or a
    `start` that do not fit, and for a loss that is not finite.
    """
    folder = Path(folder)
    if simulated is not None:
        settings = settings.model_copy(update={"faster": settings.faster.model_copy(update={"gather": None})})
    for name in ("train", "validation"):
        if name not in times:
            raise DataError(f"training needs the split '{name}'; the splits are {sorted(times)}")
    _check_targets(data, times["train"][:1], settings.siconc_head)
    if simulated is not None:
        _check_alike(simulated, data)
    drawn = {"batch_size": settings.batch_size, "as_numbers": settings.faster.gather is not None}
    changed = {"withhold": settings.withhold, "turns": settings.turns}
    training = simulated or batches.Batches(data, times["train"], seed=seed, **changed, **drawn)
    validation = batches.Batches(data, times["validation"], **drawn)
    key = _key(training, validation, settings, seed, start)
    if trained.read_key(folder) == key:
        (folder / trained.CHECKPOINT).unlink(missing_ok=True)
        return trained.history(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / trained.KEY).unlink(missing_ok=True)  # from here on the folder holds no finished network

    kinds.deterministic(seed)
    net = kinds.untrained(data, settings)
    if start is not None:
        trained.start_from(net, Path(start))
    net.optimizer.build(net.trainable_variables)
    learner = kinds.learner(net, data, settings)

    history, best = _learn(net, learner, training, validation, settings, seed=seed, folder=folder, key=key)
    net.set_weights(best)
    return trained.finish(
        folder, key, net, history, trained.best(history), data.metadata(), settings, seed=seed
    )


def _learn(
    net, learner, training, validation, settings: Training, *, seed: int, folder: Path, key: str
) -> tuple[list[dict], list[np.ndarray]]:
    """Train round by round from the last checkpoint on; return the history and the weights of the best validation."""
    history, best = trained.restore(folder, key, net)
    epochs, between = settings.epochs, settings.validate_every or len(training)
    total = epochs * len(training)
    done = min(len(history) * between, total)
    with progress.bar(total=total, initial=done, desc=f"seed {seed}", unit="batch") as bar:
        while done < total and not _is_exhausted(history, settings.patience):
            until = min(done + between, total)
            shares = [SCHEDULES[settings.schedule](k / len(training), epochs) for k in range(done, until)]
            rates = [settings.learning_rate * share for share in shares]
            row, weights = _round(net, learner, training, validation, done, rates, bar)
            history.append({"learning_rate": rates[0], **row})
            done = until
            if trained.best(history) == len(history) - 1:
                best = weights
            trained.checkpoint(folder, key, net, history, best)
            bar.set_postfix(validations=len(history), val_accuracy=f"{history[-1]['val_accuracy']:.4f}")
    return history, best


def _round(
    network, learner, training, validation, first: int, rates: Sequence[float], bar
) -> tuple[dict, list[np.ndarray]]:
    """Train on batches from number `first` on, one a rate, then validate; return the scores and the weights that had them.

    learner: the network, or a model that shares its weights and optimiser and takes what the batches give.
    """

    def drawn(number: int):
        epoch, batch = divmod(number, len(training))
        if batch == 0 or number == first:
            training.shuffle(epoch)
        return _counted(training[batch])

    rows = []
    for rate, batch in zip(rates, batches.ahead(drawn, range(first, first + len(rates))), strict=True):
        network.optimizer.learning_rate = rate
        rows.append(_step(learner.train_on_batch, *batch))
        bar.update()
    scores = _means(rows, prefix="")
    raw = network.get_weights()
    # The running mean of the weights, where there is one, is what will be used, so it is what is judged.
    network.optimizer.finalize_variable_values(network.trainable_variables)
    judged = network.get_weights()
    # As copies: on JAX weights and mean would be one array, which the validation then writes over.
    network.set_weights(judged)
    judges = batches.ahead(lambda number: _counted(validation[number]), range(len(validation)))
    scores |= _means([_step(learner.test_on_batch, *batch) for batch in judges], prefix="val_")
    network.set_weights(raw)
    if not np.isfinite(list(scores.values())).all():
        raise DataError(
            f"training left the finite numbers in epoch {first // len(training) + 1} ({scores}); "
            f"try a smaller learning_rate than {rates[0]:g}"
        )
    return scores, judged


def _counted(batch) -> tuple[tuple, int]:
    """A batch, and how many of its cells count."""
    return batch, np.count_nonzero(batch[2])


def _step(step, batch, n_cells: int) -> tuple[dict, int, int]:
    inputs, truth, weight = batch
    return step(inputs, truth, sample_weight=weight, return_dict=True), len(inputs), n_cells


def _means(rows: Sequence[tuple], *, prefix: str) -> dict:
    """Means over all batches, which Keras starts anew with each: of the loss over samples, as it is a mean over every cell, and of the
    metrics over the cells that count."""
    means, n_samples, n_cells = zip(*rows, strict=True)
    return {
        f"{prefix}{name}": float(
            np.average(
                np.array([m[name] for m in means], "float64"),
                weights=n_samples if name == "loss" else n_cells,
            )
        )
        for name in ("loss", *(name for name in means[0] if name != "loss"))
    }


def _check_targets(data: assembly.Samples, init_times, siconc_head: bool) -> None:
    """Refuse classes where SIC is to be learnt, and SIC where classes are: either would be taken for the other without a word."""
    given = np.issubdtype(data.targets(init_times).dtype, np.floating)
    if given != siconc_head:
        wanted, target = ("SIC", "siconc") if siconc_head else ("ice classes", "ice_class")
        raise DataError(
            f"this network learns {wanted}, the samples' targets are none; make them with target='{target}'"
        )


def _check_alike(simulated: pool.PooledBatches, data: assembly.Samples) -> None:
    """Refuse simulated samples whose channels, leads or grid are not those of the observations."""
    theirs, ours = simulated.metadata(), data.metadata()
    for what in ("channel_names", "n_leads", "shape"):
        if theirs[what] != ours[what]:
            raise DataError(f"simulated samples have {what} {theirs[what]}, the observations {ours[what]}")


def _is_exhausted(history: list[dict], patience: int | None) -> bool:
    return bool(history) and patience is not None and len(history) - 1 - trained.best(history) >= patience


def _key(training, validation, settings: Training, seed: int, start: Path | None) -> str:
    """SHA-256 over everything the trained weights depend on, but for the machine."""
    sources = fingerprint.modules(
        [f"import {__name__}"], source=__name__, without=(*fingerprint.PLUMBING, *MODELS)
    )
    backend = keras.backend.backend()
    software = [backend, importlib.import_module(backend).__version__, keras.__version__, np.__version__]
    data = [training.digest(), validation.digest(), None if start is None else trained.read_key(Path(start))]
    parts = [settings.model_dump(mode="json"), seed, sources, software, data]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
