"""How does the network learn that draws possible evolutions, and how does it draw?

It sees the samples of the run's other networks. Its first guess is fitted to nothing that the
training years could have told it, so that its errors there are as large as elsewhere.
"""

from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import xarray as xr

from seaice import progress
from seaice.config.possible import Generator
from seaice.errors import DataError
from seaice.files import replacing_folder
from seaice.grid import Grid
from seaice.networks import generator, kinds, windows
from seaice.networks.ensemble_loss import EnsembleLoss
from seaice.networks.train import SCHEDULES
from seaice.samples import batches
from seaice.samples.assembly import Samples
from seaice.trajectories import makers

NETWORK, HISTORY = "network.keras", "history.csv"
AVERAGE = 0.99  # momentum of the running mean of the weights, which is kept
DRAWN_AT_ONCE = 20  # members in a batch


def fit(
    samples: Samples,
    times: Mapping[str, pd.DatetimeIndex],
    settings: Generator,
    seas: xr.DataArray,
    folder: Path,
    *,
    seed: int,
) -> pd.DataFrame:
    """Train the network, write it to a folder and return its history, a row for each epoch.

    samples: with the target "siconc". times: init_times of the splits "train" and "validation"; the
    latter are only looked at, no epoch is chosen. settings: how it learns. seas: bool (region, y,
    x), see `regions.mask`. seed: of weights, order and noise, which give the same bits again.
    Columns `loss`, `val_loss`. Raises DataError for other targets, and a loss that is not finite.
    """
    if samples.target != "siconc":
        raise DataError("the generator learns SIC; make its samples with target='siconc'")
    core, learner = _untrained(samples, settings, seas, seed)
    training = batches.Batches(samples, times["train"], batch_size=settings.batch_size, seed=seed)
    validation = batches.Batches(samples, times["validation"], batch_size=settings.batch_size)
    rows, random = [], np.random.default_rng(seed)
    total = settings.epochs * len(training)
    with progress.bar(total=total, desc="generator", unit="batch") as bar:
        for epoch in range(settings.epochs):
            training.shuffle(epoch)
            losses = []
            for number, batch in enumerate(batches.ahead(training.__getitem__, range(len(training)))):
                share = SCHEDULES["cosine"](epoch + number / len(training), settings.epochs)
                learner.optimizer.learning_rate = settings.learning_rate * share
                losses.append(float(learner.train_on_batch(*_with_noise(batch, settings, random))))
                bar.update()
            rows.append({"loss": np.mean(losses), "val_loss": _validated(learner, validation, settings)})
            if not np.isfinite([*rows[-1].values()]).all():
                raise DataError(f"the generator's loss is {rows[-1]}; try a smaller learning_rate")
    learner.optimizer.finalize_variable_values(learner.trainable_variables)
    history = pd.DataFrame(rows, pd.RangeIndex(1, len(rows) + 1, name="epoch"))
    with replacing_folder(folder) as building:
        building.mkdir(exist_ok=True)
        core.save(building / NETWORK)
        history.to_csv(building / HISTORY)
    return history


def draws(samples: Samples, folder: Path) -> makers.Draws:
    """Return the function that draws from a trained network, see `makers.Draws`.

    samples: of the run, with any target. folder: of the network, see `fit`. Raises DataError where
    there is no network, or one of other channels, and for an init_time without a sample.
    """
    if not (file := Path(folder) / NETWORK).is_file():
        raise DataError(f"there is no {file}: let the page 13_trajectories train it first")
    core = keras.saving.load_model(file, compile=False)
    expected = (None, *samples.shape, len(samples.channel_names))
    if core.inputs[0].shape != expected:
        raise DataError(f"{file} takes inputs {core.inputs[0].shape}, not {expected}; train it again")

    def draw(init_time: pd.Timestamp, members: int, random: np.random.Generator) -> np.ndarray:
        inputs = samples.inputs([init_time])
        noise = random.standard_normal((members, generator.NOISE), "float32")
        drawn = []
        for first in range(0, members, DRAWN_AT_ONCE):
            of_batch = noise[first : first + DRAWN_AT_ONCE]
            repeated = np.repeat(inputs, len(of_batch), axis=0)
            drawn.append(keras.ops.convert_to_numpy(core([repeated, of_batch], training=False)))
        return np.moveaxis(np.concatenate(drawn), -1, 1).clip(0, 1)

    return draw


def _untrained(
    samples: Samples, settings: Generator, seas: xr.DataArray, seed: int
) -> tuple[keras.Model, keras.Model]:
    """Return the network, and a compiled model of the same weights that gives several members."""
    ever_active = samples.active.any(0) & ~samples.land
    regions = np.concatenate([ever_active[None], seas.values & ever_active]).astype("float32")
    loss = EnsembleLoss(np.moveaxis(regions, 0, -1), Grid.of(samples.attrs).cell_area)
    with kinds.DRAWING:
        kinds.deterministic(seed)
        core = generator.build(
            samples.shape,
            samples.channel_names,
            n_leads=samples.n_leads,
            filters_factor=settings.filters_factor,
            margins=windows.around(samples.active, generator.HALVINGS),
        )
        learner = generator.several(core, settings.members)
    optimizer = keras.optimizers.Adam(settings.learning_rate, use_ema=True, ema_momentum=AVERAGE)
    learner.compile(optimizer=optimizer, loss=loss, jit_compile=keras.backend.backend() == "jax")
    optimizer.build(learner.trainable_variables)
    return core, learner


def _with_noise(batch: tuple, settings: Generator, random: np.random.Generator) -> tuple:
    """Return inputs with noise, and SIC with its weights, of a batch."""
    inputs, siconc, weight = batch
    noise = random.standard_normal((len(inputs), settings.members, generator.NOISE), "float32")
    return [inputs, noise], np.stack([siconc, weight], axis=-1).astype("float32")


def _validated(learner: keras.Model, validation: batches.Batches, settings: Generator) -> float:
    """Return the mean loss of the validation samples, with the same noise each time."""
    random = np.random.default_rng(0)
    losses, sizes = [], []
    for number in range(len(validation)):
        inputs, truth = _with_noise(validation[number], settings, random)
        losses.append(float(learner.test_on_batch(inputs, truth)))
        sizes.append(len(truth))
    return float(np.average(losses, weights=sizes))
