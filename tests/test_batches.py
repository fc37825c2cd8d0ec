"""Batches: every sample once an epoch, in an order that only seed and epoch decide."""

import numpy as np
import pytest
import synthetic

from seaice.batches import Batches
from seaice.samples import Samples
from seaice.schema import DataError

CHANNELS = [{"variable": "siconc", "lags": 1}, {"variable": "land"}]


@pytest.fixture(scope="module")
def samples():
    return Samples(synthetic.ready(end="1981-12", fit_end="1980-12"), CHANNELS)


def test_order_is_that_of_seed_and_epoch(samples):
    times = samples.init_times[:10]
    batches = Batches(samples, times, batch_size=4, seed=3)
    first = batches.order.copy()
    batches.shuffle(1)
    second = batches.order.copy()
    assert sorted(first) == sorted(second) == list(range(10))
    assert (first != second).any() and (Batches(samples, times, batch_size=4, seed=4).order != first).any()
    np.testing.assert_array_equal(Batches(samples, times, batch_size=4, seed=3, epoch=1).order, second)
    batches.shuffle(0)
    np.testing.assert_array_equal(batches.order, first)


def test_batches_hold_each_sample_once(samples):
    times = samples.init_times[:10]
    batches = Batches(samples, times, batch_size=4)
    assert [len(batches[k][0]) for k in range(len(batches))] == [4, 4, 2]
    for part, method in enumerate((samples.inputs, samples.targets, samples.weights)):
        together = np.concatenate([batches[k][part] for k in range(len(batches))])
        np.testing.assert_array_equal(together, method(times))


def test_nothing_to_draw_from_is_an_error(samples):
    with pytest.raises(DataError, match="no init_times"):
        Batches(samples, samples.init_times[:0], batch_size=4)
    with pytest.raises(DataError, match="batch_size 0"):
        Batches(samples, samples.init_times, batch_size=0)


def test_digest_is_that_of_the_samples_drawn(samples):
    times = samples.init_times
    assert Batches(samples, times[:10], batch_size=4, seed=1).digest() == samples.digest(times[:10])
    assert Batches(samples, times[:10], batch_size=4).digest() != Batches(samples, times[:9], batch_size=4).digest()
