"""Networks that learn at the same time get the bits that each gets alone, and stop together."""

import threading
from concurrent.futures import CancelledError

import keras
import numpy as np
import pytest
from support import synthetic

from seaice.config.sections import Training
from seaice.errors import DataError
from seaice.networks import together, train, trained
from seaice.samples.assembly import Samples
from seaice.samples.splits import split

SETTINGS = Training(network="icenet_2021", filters_factor=1 / 32, epochs=2, batch_size=4)
SPLITS = {"train": ("1985-01", "1985-12"), "validation": ("1987-01", "1987-04")}
SEEDS = [3, 36]


@pytest.fixture(scope="module")
def data():
    table = [
        {"variable": "siconc", "lags": 2},
        {"variable": "siconc_trend", "leads": 3},
        {"variable": "land"},
    ]
    return Samples(synthetic.ready(), table, n_leads=3)


def weights(folder):
    return keras.saving.load_model(folder / trained.NETWORK, compile=False).get_weights()


def test_networks_that_learn_together_get_the_bits_that_one_gets_alone(data, tmp_path):
    times, folders = split(data, SPLITS), {seed: tmp_path / f"seed_{seed}" for seed in SEEDS}
    histories = together.fit(data, times, SETTINGS, folders=folders)
    assert list(histories) == SEEDS
    seed, alone = SEEDS[-1], tmp_path / "alone"  # what came first must not have touched the last one
    assert histories[seed].equals(train.fit(data, times, SETTINGS, seed=seed, folder=alone))
    for ours, theirs in zip(*map(weights, (folders[seed], alone)), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_when_one_fails_the_others_stop_at_their_next_batch(data, tmp_path, monkeypatch):
    learns, stopped, fit = threading.Event(), [], train.fit

    def one_fails(data, times, settings, *, seed, stop, **own):
        if seed == 3:
            learns.wait()
            raise DataError("the disk of seed 3 is full")
        learns.set()
        stop.wait()  # a training stops at its next batch, so this one has not begun by then
        try:
            return fit(data, times, settings, seed=seed, stop=stop, **own)
        except CancelledError:
            stopped.append(seed)
            raise

    monkeypatch.setattr(train, "fit", one_fails)
    folders = {seed: tmp_path / f"seed_{seed}" for seed in (3, 8)}
    with pytest.raises(DataError, match="seed 3 is full"):
        together.fit(data, split(data, SPLITS), SETTINGS, folders=folders)
    assert stopped == [8] and not trained.is_finished(folders[8])
    # Started again, it is trained to its end.
    monkeypatch.setattr(train, "fit", fit)
    assert (
        len(together.fit(data, split(data, SPLITS), SETTINGS, folders={8: folders[8]})[8]) == SETTINGS.epochs
    )
