"""What does a training leave in its folder?

While it runs: a checkpoint to continue from. In the end: a network that says what it was made of.
"""

import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import h5py
import keras
import numpy as np
import pandas as pd

from seaice.config.sections import Training
from seaice.errors import DataError
from seaice.files import replacing

# Importing `kinds` registers the layers of every kind with Keras, before a network is loaded.
from seaice.networks import kinds
from seaice.networks.kinds import Kind

NETWORK = "network.keras"
HISTORY = "history.csv"
CHANNELS = "channels.json"
KEY = "key.json"
CHECKPOINT = "checkpoint.npz"
WEIGHTS = "model.weights.h5"  # within the archive of a network
COPIED = 2**20  # bytes copied at a time


def read_key(folder: Path) -> str | None:
    """Return the key of the finished network in a folder, or None if there is none."""
    try:
        return json.loads((Path(folder) / KEY).read_text())["key"]
    except FileNotFoundError:
        return None


def settings(folder: Path) -> dict:
    """Return the settings of a finished network: its seed and the fields of `sections.Training`."""
    return json.loads((Path(folder) / KEY).read_text())


def kind(folder: Path) -> Kind:
    """Return the kind of a finished network. Raises DataError for an unknown kind."""
    trained_with = settings(folder)
    return kinds.of(trained_with.get("network"), siconc_head=bool(trained_with.get("siconc_head")))


def is_finished(folder: Path) -> bool:
    """Return whether the folder holds a network that was trained to its end."""
    return read_key(folder) is not None


def history(folder: Path) -> pd.DataFrame:
    """Return the scores of each validation of a finished training."""
    return pd.read_csv(Path(folder) / HISTORY, index_col=0)


def best(history: Sequence[Mapping], by: Literal["loss", "accuracy"]) -> int:
    """Return the position of the best validation: the one of least loss, or the most accurate one.

    The first of equals is the best. history: a row for each validation, with `val_loss` and
    `val_accuracy`. by: see `sections.Learning.best_by`.
    """
    scores = np.array([row[f"val_{by}"] for row in history])
    return int(np.argmin(scores if by == "loss" else -scores))


def networks(folders: Mapping[int, Path]) -> Iterator[tuple[int, keras.Model]]:
    """Yield the seed and network of every folder, one at a time: the next replaces the last.

    Networks of the same architecture are built and compiled only once; then only weights are read.
    """
    network, built_architecture, places = None, None, None
    with tempfile.TemporaryDirectory(prefix="seaice-") as scratch:
        for seed, folder in folders.items():
            file = Path(folder) / NETWORK
            with zipfile.ZipFile(file) as archive:
                architecture = archive.read("config.json")
            if network is None or architecture != built_architecture:
                network, built_architecture = keras.saving.load_model(file, compile=False), architecture
                places = None
            else:
                places = places or weight_places(network, Path(scratch))
                read_weights(network, file, Path(scratch), places)
            yield seed, network


def weight_places(network: keras.Model, scratch: Path) -> list[str]:
    """Return the dataset of each weight in the HDF5 files of a network's weights, in order.

    Keras looks for each weight anew whenever it loads a file, by a walk over all attributes of all
    layers, which takes longer than reading. So the places are found once: each weight is
    filled with its number, and the numbers are looked up in a file that Keras writes.
    scratch: folder for that file. The weights are the same afterwards.
    """
    weights, places = network.get_weights(), {}
    network.set_weights([np.full_like(weight, number) for number, weight in enumerate(weights)])
    numbered = scratch / f"numbered.{WEIGHTS}"
    network.save_weights(numbered)
    network.set_weights(weights)

    def note(name: str, item) -> None:
        if isinstance(item, h5py.Dataset):
            places[int(np.ravel(item[()])[0])] = name

    with h5py.File(numbered) as file:
        file.visititems(note)
    return [places[number] for number in range(len(weights))]


def read_weights(network: keras.Model, file: Path, scratch: Path, places: Sequence[str]) -> None:
    """Give a network the weights of a saved one of the same architecture.

    HDF5 is read by seeking. Inside a zip archive every seek re-reads it from the start, so the file
    is extracted first, into the folder `scratch`. The next call overwrites that file: another one
    would cost new memory as large as the weights. places: see `weight_places`.
    """
    copy = scratch / WEIGHTS
    copy.touch()
    with zipfile.ZipFile(file) as archive, archive.open(WEIGHTS) as source, open(copy, "r+b") as target:
        shutil.copyfileobj(source, target, COPIED)
        target.truncate()
    with h5py.File(copy) as weights:
        network.set_weights([weights[place][()] for place in places])


def start_from(network: keras.Model, folder: Path) -> None:
    """Give a network the weights of a finished one of the same shape.

    Raises DataError if the folder holds none, or one of another shape.
    """
    if not is_finished(folder):
        raise DataError(
            f"no finished network to start from in {folder}: run its training (pre-training) first"
        )
    other = keras.saving.load_model(folder / NETWORK, compile=False)
    shapes, other_shapes = ([tuple(w.shape) for w in n.weights] for n in (network, other))
    if shapes != other_shapes:
        raise DataError(
            f"the network in {folder} has another shape than the one to train: "
            "pre-train it anew with the same channels, leads, network and filters_factor"
        )
    network.set_weights(other.get_weights())


def _state(network: keras.Model) -> list:
    """Return all variables that the next training step depends on."""
    return [*network.weights, *network.optimizer.variables]


def checkpoint(
    folder: Path, key: str, network: keras.Model, history: list[dict], best: list[np.ndarray]
) -> None:
    """Write all that the next epoch depends on.

    It is one file and one rename, so a kill leaves the old checkpoint or the new one.
    """
    arrays = {f"state_{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(_state(network))}
    arrays |= {f"best_{i}": array for i, array in enumerate(best)}
    with replacing(folder / CHECKPOINT) as file:
        np.savez(file, key=key, history=json.dumps(history), **arrays)


def restore(folder: Path, key: str, network: keras.Model) -> tuple[list[dict], list[np.ndarray]]:
    """Put the state of the last checkpoint into the network; return its history and best weights.

    A checkpoint with another key is ignored. Without one, the history is empty and the weights are
    the network's own.
    """
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


def finish(
    folder: Path,
    key: str,
    network: keras.Model,
    history: list[dict],
    metadata: dict,
    settings: Training,
    *,
    seed: int,
) -> pd.DataFrame:
    """Write the network and its records, the key last; return the history as it can be read again.

    The network has the weights of the best validation. metadata: of the samples; what inputs must
    agree with.
    """
    table = pd.DataFrame(
        history,
        index=pd.RangeIndex(1, len(history) + 1, name="validation" if settings.validate_every else "epoch"),
    )
    # The optimiser's state is left out: it is twice as large as the weights.
    with kinds.DRAWING:
        without_optimizer = keras.Model.from_config(network.get_config())
    without_optimizer.set_weights(network.get_weights())
    with replacing(folder / NETWORK) as file:
        without_optimizer.save(file)
    with replacing(folder / HISTORY) as file:
        table.to_csv(file)
    with replacing(folder / CHANNELS) as file:
        file.write_text(json.dumps(metadata, indent=1))
    with replacing(folder / KEY) as file:
        kept = best(history, settings.best_by) + 1
        content = {"key": key, "best_validation": kept, "seed": seed, **settings.model_dump(mode="json")}
        file.write_text(json.dumps(content, indent=1))
    (folder / CHECKPOINT).unlink()
    return pd.read_csv(folder / HISTORY, index_col=0)
