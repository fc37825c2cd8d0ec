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
SEEDS = [3, 8, 36]


@pytest.fixture(scope="module")
def data():
    table = [
        {"variable": "siconc", "lags": 2},
        {"variable": "siconc_trend", "leads": 3},
        {"variable": "land"},
    ]
    return Samples(synthetic.ready(), table, n_leads=3)


def fit(data, folder, seed, stop=None):
    return train.fit(
        data, split(data, SPLITS), SETTINGS, seed=seed, folder=folder / f"seed_{seed}", stop=stop
    )


def weights(folder):
    return keras.saving.load_model(folder / trained.NETWORK, compile=False).get_weights()


def test_three_networks_get_the_bits_that_each_gets_alone(data, tmp_path):
    histories = together.train(lambda seed, stop: fit(data, tmp_path / "together", seed, stop), SEEDS)
    assert list(histories) == SEEDS
    for seed in SEEDS:
        alone = fit(data, tmp_path / "alone", seed)
        assert histories[seed].equals(alone)
        folders = (tmp_path / how / f"seed_{seed}" for how in ("together", "alone"))
        for ours, theirs in zip(*map(weights, folders), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_when_one_fails_the_others_stop_at_their_next_batch(data, tmp_path):
    learns = threading.Event()

    def one_fails(seed, stop):
        if seed == 3:
            learns.wait()
            raise DataError("the disk of seed 3 is full")
        learns.set()
        stop.wait()  # a training stops at its next batch, so this one has not begun by then
        return fit(data, tmp_path, seed, stop)

    with pytest.raises(DataError, match="seed 3 is full"):
        together.train(one_fails, [3, 8])
    assert not trained.is_finished(tmp_path / "seed_8")


def test_a_stopped_training_goes_on_where_it_was(data, tmp_path):
    stop = threading.Event()
    stop.set()
    with pytest.raises(CancelledError):
        fit(data, tmp_path, 8, stop)
    assert not trained.is_finished(tmp_path / "seed_8")
    assert len(fit(data, tmp_path, 8)) == SETTINGS.epochs
