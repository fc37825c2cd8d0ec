"""How does one network learn? A training that gives the same bits again, also when it was killed and started anew."""

import hashlib
import importlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from seaice import batches, channels, losses, planes, progress, samples, unet
from seaice.schema import DataError

LEARNING_RATE = 5e-4  # Adam, Andersson et al. 2021
SCHEDULES = {  # factor on the learning rate in epoch k (from 0) of n
    "constant": lambda k, n: 1.0,
    "decay": lambda k, n: math.exp(-0.1 * max(0, k - 2)),  # fine-tuning of Andersson et al. 2021
    "cosine": lambda k, n: 0.5 * (1 + math.cos(math.pi * k / n)),
}
NETWORK, HISTORY, CHANNELS, KEY, CHECKPOINT = (
    "network.keras",
    "history.csv",
    "channels.json",
    "key.json",
    "checkpoint.npz",
)


def fit(
    data: samples.Samples,
    *,
    splits: Mapping[str, Sequence[str]],
    seed: int,
    folder: Path,
    filters_factor: float = 1.0,
    epochs: int = 50,
    batch_size: int = 2,
    learning_rate: float = LEARNING_RATE,
    schedule: str = "constant",
    patience: int = 10,
) -> pd.DataFrame:
    """Train one network and return its history: a row an epoch with loss and accuracy of both splits and learning rate.

    data: samples. splits: see `samples.split`; train and validation are used. seed: of weights and shuffling.
    schedule: a name in `SCHEDULES`. patience: epochs without a better validation accuracy (3 classes, active cells) before
    training stops; the weights of the best epoch are kept.

    folder then holds `network.keras`, `history.csv`, `channels.json` (what inputs must agree with) and `key.json`, which is
    written last. A finished network is returned at once if its key still holds: data, settings, software and the sources
    of the modules that train it. An unfinished one goes on after its last epoch and ends with the bits it would have had
    without the interruption (same machine and thread count). Raises DataError for bad splits and settings, and for a
    loss that is not finite.
    """
    folder = Path(folder)
    settings = {
        "seed": seed,
        "filters_factor": filters_factor,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "schedule": schedule,
        "patience": patience,
    }
    _check(settings, splits)
    times = samples.split(data, {name: splits[name] for name in ("train", "validation")})
    key = _key(data, times, settings)
    if _read_key(folder) == key:
        (folder / CHECKPOINT).unlink(missing_ok=True)
        return pd.read_csv(folder / HISTORY, index_col="epoch")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / KEY).unlink(missing_ok=True)  # from here on the folder holds no finished network

    deterministic(seed)
    network = unet.build(data.shape, len(data.channels), n_leads=data.n_leads, filters_factor=filters_factor)
    network.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss=losses.FocalLoss(),
        weighted_metrics=[losses.ActiveAccuracy()],
        jit_compile=keras.backend.backend() == "jax",  # TensorFlow's CPU kernels are faster than XLA's
    )
    network.optimizer.build(network.trainable_variables)
    training = batches.Batches(data, times["train"], batch_size=batch_size, seed=seed)
    validation = batches.Batches(data, times["validation"], batch_size=batch_size)

    history, best = _restore(folder, key, network)
    steps = len(training)
    with progress.bar(total=epochs * steps, initial=len(history) * steps, desc=f"seed {seed}", unit="batch") as bar:
        while len(history) < epochs and not _is_exhausted(history, patience):
            rate = learning_rate * SCHEDULES[schedule](len(history), epochs)
            history.append({"learning_rate": rate, **_epoch(network, training, validation, len(history), rate, bar)})
            if _best_epoch(history) == len(history) - 1:
                best = network.get_weights()
            _checkpoint(folder, key, network, history, best)
            bar.set_postfix(epoch=len(history), val_accuracy=f"{history[-1]['val_accuracy']:.4f}")
    network.set_weights(best)
    return _finish(folder, key, network, history, data, settings)


def deterministic(seed: int) -> None:
    """Seed every generator and ask the backend for operations that give the same bits each time."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def is_finished(folder: Path) -> bool:
    """Whether the folder holds a network that was trained to its end."""
    return _read_key(Path(folder)) is not None


def _epoch(network, training, validation, number: int, rate: float, bar) -> dict:
    network.optimizer.learning_rate = rate
    training.shuffle(number)
    scores = {}
    for prefix, data, step in (("", training, network.train_on_batch), ("val_", validation, network.test_on_batch)):
        # Each call starts the metrics anew, so the means of the epoch are taken here: of the loss over all samples, as it is a
        # mean over every cell, and of the accuracy over the cells that count.
        rows = []
        for k in range(len(data)):
            inputs, truth, weight = data[k]
            means = step(inputs, truth, sample_weight=weight, return_dict=True)
            rows.append((means["loss"], means["accuracy"], len(inputs), np.count_nonzero(weight)))
            bar.update(not prefix)
        loss, accuracy, n_samples, n_cells = np.array(rows, dtype="float64").T
        scores[f"{prefix}loss"] = float(np.average(loss, weights=n_samples))
        scores[f"{prefix}accuracy"] = float(np.average(accuracy, weights=n_cells))
    if not np.isfinite(list(scores.values())).all():
        raise DataError(
            f"training left the finite numbers in epoch {number + 1} ({scores}); try a smaller learning_rate than {rate:g}"
        )
    return scores


def _best_epoch(history: list[dict]) -> int:
    return int(np.argmax([row["val_accuracy"] for row in history]))


def _is_exhausted(history: list[dict], patience: int) -> bool:
    return bool(history) and len(history) - 1 - _best_epoch(history) >= patience


def _state(network: keras.Model) -> list:
    return [*network.weights, *network.optimizer.variables]


def _checkpoint(folder: Path, key: str, network: keras.Model, history: list[dict], best: list[np.ndarray]) -> None:
    """Write all that the next epoch depends on, in one file and one rename: a kill leaves the old one or the new one."""
    arrays = {f"state_{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(_state(network))}
    arrays |= {f"best_{i}": array for i, array in enumerate(best)}
    with _replacing(folder / CHECKPOINT) as part:
        np.savez(part, key=key, history=json.dumps(history), **arrays)


def _restore(folder: Path, key: str, network: keras.Model) -> tuple[list[dict], list[np.ndarray]]:
    """Put the state of the last finished epoch into the network; a checkpoint of another key is no state of this one."""
    try:
        saved = np.load(folder / CHECKPOINT)
    except FileNotFoundError:
        return [], network.get_weights()
    with saved:
        if str(saved["key"]) != key:
            return [], network.get_weights()
        for i, variable in enumerate(_state(network)):
            variable.assign(saved[f"state_{i}"])
        return json.loads(str(saved["history"])), [saved[f"best_{i}"] for i in range(len(network.weights))]


def _finish(folder, key, network, history, data, settings) -> pd.DataFrame:
    table = pd.DataFrame(history, index=pd.RangeIndex(1, len(history) + 1, name="epoch"))
    bare = keras.Model.from_config(network.get_config())  # without the optimiser's state, which is twice the weights
    bare.set_weights(network.get_weights())
    with _replacing(folder / NETWORK) as part:
        bare.save(part)
    with _replacing(folder / HISTORY) as part:
        table.to_csv(part)
    with _replacing(folder / CHANNELS) as part:
        part.write_text(json.dumps(data.metadata(), indent=1))
    with _replacing(folder / KEY) as part:
        part.write_text(json.dumps({"key": key, "best_epoch": _best_epoch(history) + 1, **settings}, indent=1))
    (folder / CHECKPOINT).unlink()
    return pd.read_csv(folder / HISTORY, index_col="epoch")


class _replacing:
    """A temporary path with the same ending that takes the place of `path` if the block succeeds."""

    def __init__(self, path: Path):
        self.path, self.part = path, path.with_name(f"part_{path.name}")

    def __enter__(self) -> Path:
        return self.part

    def __exit__(self, kind, error, trace) -> None:
        if kind is None:
            os.replace(self.part, self.path)
        else:
            self.part.unlink(missing_ok=True)


def _key(data: samples.Samples, times: Mapping[str, pd.DatetimeIndex], settings: dict) -> str:
    """SHA-256 over everything the trained weights depend on, but for the machine."""
    sources = [
        hashlib.sha256(Path(m.__file__).read_bytes()).hexdigest()
        for m in (channels, planes, samples, batches, unet, losses)
    ]
    sources.append(hashlib.sha256(Path(__file__).read_bytes()).hexdigest())
    backend = keras.backend.backend()
    software = [backend, importlib.import_module(backend).__version__, keras.__version__, np.__version__]
    parts = [settings, sources, software, {name: data.digest(t) for name, t in times.items()}]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _read_key(folder: Path) -> str | None:
    try:
        return json.loads((folder / KEY).read_text())["key"]
    except FileNotFoundError:
        return None


def _check(settings: dict, splits: Mapping) -> None:
    for name in ("train", "validation"):
        if name not in splits:
            raise DataError(f"training needs the split '{name}'; the splits are {sorted(splits)}")
    for name in ("epochs", "batch_size", "patience"):
        if settings[name] < 1:
            raise DataError(f"{name} {settings[name]} must be at least 1")
    if not 0 < settings["learning_rate"] < 1:
        raise DataError(f"learning_rate {settings['learning_rate']} must lie between 0 and 1")
    if settings["schedule"] not in SCHEDULES:
        raise DataError(f"schedule {settings['schedule']!r} is unknown; choose one of {sorted(SCHEDULES)}")
