"""Batches: every sample once an epoch, in an order that only seed and epoch decide."""

import time

import numpy as np
import pytest
from support import synthetic

from seaice.errors import DataError
from seaice.samples.assembly import Samples
from seaice.samples.batches import SYMMETRIES, Batches, ahead, rotate_and_flip

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


def test_plane_numbers_stand_for_the_inputs(samples):
    """In the same order, with the same targets and weights."""
    times = samples.init_times[:10]
    whole, numbers = (
        Batches(samples, times, batch_size=4, seed=3, as_numbers=given) for given in (False, True)
    )
    for k in range(len(whole)):
        order = numbers.order[4 * k : 4 * k + 4]
        np.testing.assert_array_equal(numbers[k][0], samples.plane_numbers(times[order]))
        assert all(map(np.array_equal, whole[k][1:], numbers[k][1:]))


def test_the_next_is_made_while_the_last_is_at_work_and_errors_come_through():
    made = []

    def make(number):
        if number == 3:
            raise DataError("no third")
        made.append(number)
        return number

    coming = ahead(make, range(5))
    assert next(coming) == 0 and next(coming) == 1
    wait_until(lambda: made == [0, 1, 2])
    assert next(coming) == 2
    with pytest.raises(DataError, match="no third"):
        next(coming)
    assert list(ahead(str, [])) == [] and list(ahead(str, [7])) == ["7"]


def wait_until(condition) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_nothing_to_draw_from_is_an_error(samples):
    with pytest.raises(DataError, match="no init_times"):
        Batches(samples, samples.init_times[:0], batch_size=4)
    with pytest.raises(DataError, match="batch_size 0"):
        Batches(samples, samples.init_times, batch_size=0)


def test_digest_is_that_of_the_samples_drawn(samples):
    times = samples.init_times
    assert Batches(samples, times[:10], batch_size=4, seed=1).digest() == samples.digest(times[:10])
    assert (
        Batches(samples, times[:10], batch_size=4).digest()
        != Batches(samples, times[:9], batch_size=4).digest()
    )


def test_turned_maps_are_the_samples_rotated_and_flipped(samples):
    """Inputs, truth and weights are turned alike; the symmetry is drawn anew each epoch, and only in training."""
    times = samples.init_times[:16]
    plain = Batches(samples, times, batch_size=16, seed=3)
    turned = Batches(samples, times, batch_size=16, seed=3, turns=True)
    symmetries = []
    for epoch in (0, 1):
        plain.shuffle(epoch)
        turned.shuffle(epoch)
        np.testing.assert_array_equal(plain.order, turned.order)
        for before, after in zip(plain[0], turned[0], strict=True):
            for sample, symmetry in enumerate(turned._symmetry[turned.order]):
                np.testing.assert_array_equal(after[sample], rotate_and_flip(before[sample], symmetry))
        symmetries.append(turned._symmetry.tolist())
        assert len(set(symmetries[-1])) > 3
    assert symmetries[0] != symmetries[1]
    kept = Batches(samples, times, batch_size=16, turns=True)
    np.testing.assert_array_equal(kept[0][0], samples.inputs(times))


def test_the_symmetries_are_eight_and_all_different():
    corner = np.arange(9).reshape(3, 3)
    assert len({rotate_and_flip(corner, symmetry).tobytes() for symmetry in range(SYMMETRIES)}) == SYMMETRIES


def test_maps_with_a_direction_are_not_turned():
    ready = synthetic.ready(end="1981-12", fit_end="1980-12", variables=("uas",))
    samples = Samples(ready, [*CHANNELS, {"variable": "uas", "lags": 1}])
    with pytest.raises(DataError, match="'uas', which has a direction"):
        Batches(samples, samples.init_times[:4], batch_size=2, seed=1, turns=True)
