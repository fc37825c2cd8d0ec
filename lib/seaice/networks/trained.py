"""What does a training leave in its folder: a checkpoint to go on from, and in the end a network that says what it was made of?"""

import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from seaice.config.sections import Training
from seaice.errors import DataError
from seaice.files import replacing
from seaice.networks import (
    kinds,
)  # with it the layers of every kind are known to Keras before a network is loaded
from seaice.networks.kinds import Kind

NETWORK, HISTORY, CHANNELS, KEY, CHECKPOINT = (
    "network.keras",
    "history.csv",
    "channels.json",
    "key.json",
    "checkpoint.npz",
)
WEIGHTS = "model.weights.h5"  # within a network's archive
COPIED = 2**20  # bytes of it at a time


def read_key(folder: Path) -> str | None:
    """Key of the finished network in a folder, None where there is none."""
    try:
        return json.loads((Path(folder) / KEY).read_text())["key"]
    except FileNotFoundError:
        return None


def settings(folder: Path) -> dict:
    """What a finished network was trained with: its seed and the settings of `sections.Training`."""
    return json.loads((Path(folder) / KEY).read_text())


def kind(folder: Path) -> Kind:
    """Return the kind of a finished network. Raises DataError for one of a kind that is unknown."""
    trained_with = settings(folder)
    return kinds.of(trained_with.get("network"), siconc_head=bool(trained_with.get("siconc_head")))


def is_finished(folder: Path) -> bool:
    """Whether the folder holds a network that was trained to its end."""
    return read_key(folder) is not None


def history(folder: Path) -> pd.DataFrame:
    """Scores of each validation of a finished training."""
    return pd.read_csv(Path(folder) / HISTORY, index_col=0)


def best(history: Sequence[Mapping]) -> int:
    """Place of the best validation: the most accurate, or where SIC is forecast the one of least loss, which knows of its error."""
    if "val_siconc_mse" in history[0]:
        return int(np.argmin([row["val_loss"] for row in history]))
    return int(np.argmax([row["val_accuracy"] for row in history]))


def networks(folders: Mapping[int, Path]) -> Iterator[tuple[int, keras.Model]]:
    """Yield seed and network of every folder, one at a time: the next one takes the place of the last.

    Networks of one architecture are built, and compiled for what is asked of them, once; then only weights are read.
    """
    network, built = None, None
    with tempfile.TemporaryDirectory(prefix="seaice-") as scratch:
        for seed, folder in folders.items():
            file = Path(folder) / NETWORK
            with zipfile.ZipFile(file) as archive:
                architecture = archive.read("config.json")
            if network is None or architecture != built:
                network, built = keras.saving.load_model(file, compile=False), architecture
            else:
                read_weights(network, file, Path(scratch))
            yield seed, network


def read_weights(network: keras.Model, file: Path, scratch: Path) -> None:
    """Give a network the weights of a saved one of the same architecture.

    Out of a file of their own, in the folder `scratch`: within the archive Keras seeks, which reads it from its beginning again and again.
    The next call writes over that file instead of making another, which would cost new memory as large as the weights.
    """
    copy = scratch / WEIGHTS
    copy.touch()
    with zipfile.ZipFile(file) as archive, archive.open(WEIGHTS) as source, open(copy, "r+b") as target:
        shutil.copyfileobj(source, target, COPIED)
        target.truncate()
    network.load_weights(copy)


def start_from(network: keras.Model, folder: Path) -> None:
    """Take the weights of a finished network of the same shape; raises DataError for one that is not."""
    if not is_finished(folder):
        raise DataError(
            f"no finished network to start from in {folder}: run its training (pre-training) first"
        )
    other = keras.saving.load_model(folder / NETWORK, compile=False)
    shapes, others = ([tuple(w.shape) for w in n.weights] for n in (network, other))
    if shapes != others:
        raise DataError(
            f"the network in {folder} has another shape than the one to train: pre-train it anew with the same "
            "channels, leads, network and filters_factor"
        )
    network.set_weights(other.get_weights())


def _state(network: keras.Model) -> list:
    return [*network.weights, *network.optimizer.variables]


def checkpoint(
    folder: Path, key: str, network: keras.Model, history: list[dict], best: list[np.ndarray]
) -> None:
    """Write all that the next epoch depends on, in one file and one rename: a kill leaves the old one or the new one."""
    arrays = {f"state_{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(_state(network))}
    arrays |= {f"best_{i}": array for i, array in enumerate(best)}
    with replacing(folder / CHECKPOINT) as part:
        np.savez(part, key=key, history=json.dumps(history), **arrays)


def restore(folder: Path, key: str, network: keras.Model) -> tuple[list[dict], list[np.ndarray]]:
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


def finish(
    folder: Path,
    key: str,
    network: keras.Model,
    history: list[dict],
    best: int,
    metadata: dict,
    settings: Training,
    *,
    seed: int,
) -> pd.DataFrame:
    """Write the network and all that is to be known of it, the key last; return the history as it can be read again.

    best: place in the history of the weights that the network has. metadata: of the samples, what inputs must agree with.
    """
    table = pd.DataFrame(
        history,
        index=pd.RangeIndex(1, len(history) + 1, name="validation" if settings.validate_every else "epoch"),
    )
    bare = keras.Model.from_config(
        network.get_config()
    )  # without the optimiser's state, which is twice the weights
    bare.set_weights(network.get_weights())
    with replacing(folder / NETWORK) as part:
        bare.save(part)
    with replacing(folder / HISTORY) as part:
        table.to_csv(part)
    with replacing(folder / CHANNELS) as part:
        part.write_text(json.dumps(metadata, indent=1))
    with replacing(folder / KEY) as part:
        content = {"key": key, "best_validation": best + 1, "seed": seed, **settings.model_dump(mode="json")}
        part.write_text(json.dumps(content, indent=1))
    (folder / CHECKPOINT).unlink()
    return pd.read_csv(folder / HISTORY, index_col=0)
