"""Pooled batches: every sample once an epoch, the same for any order of access, and never more held than allowed."""

import weakref

import numpy as np
import pytest
from support import synthetic

from seaice.errors import DataError
from seaice.samples.assembly import Samples
from seaice.samples.batches import Batches
from seaice.samples.pool import PooledBatches

CHANNELS = [
    {"variable": "siconc", "lags": 2},
    {"variable": "siconc_trend", "leads": 6},
    {"variable": "tas", "lags": 1},
]
BOUND = 1e6  # bytes; a block of five years of 16 x 16 cells has about 0.3 MB


def make(ready):
    return Samples(ready, CHANNELS)


def stores(n=3, **kwargs):
    made = {
        f"model_{i}": synthetic.ready(start="1979-01", end="2000-12", seed=i, **kwargs).chunk()
        for i in range(n)
    }
    return {name: ready.assign_attrs(key=name) for name, ready in made.items()}


@pytest.fixture(scope="module")
def pool():
    return PooledBatches(stores(), make, batch_size=4, seed=3, max_bytes=BOUND)


def drawn(pool):
    """Store and time of each sample of an epoch, in order."""
    return [(pool.blocks[pool._block[i]].store, pool._time[i]) for i in pool.order]


def test_an_epoch_holds_every_sample_of_every_store_once(pool):
    wanted = Samples(stores(1)["model_0"], CHANNELS)
    times = wanted.init_times[wanted.has_truth(wanted.init_times)]
    times = times[times >= "1980-01-01"]  # twelve months are known before each, whatever the channels
    for epoch in (0, 1):
        pool.shuffle(epoch)
        found = drawn(pool)
        assert len(found) == len(set(found)) == 3 * len(times)
        assert sorted(t for name, t in found if name == "model_1") == list(times)
    assert [len(pool[k][0]) for k in range(len(pool))] == [4] * (len(found) // 4) + [len(found) % 4] * (
        len(found) % 4 > 0
    )


def test_samples_are_those_of_the_whole_store(pool):
    pool.shuffle(0)
    whole = {name: Samples(ready, CHANNELS) for name, ready in stores().items()}
    found = drawn(pool)
    for k in (0, len(pool) // 2, len(pool) - 1):
        for row, (name, time) in enumerate(found[4 * k : 4 * k + 4]):
            for part, method in enumerate(("inputs", "targets", "weights")):
                np.testing.assert_array_equal(pool[k][part][row], getattr(whole[name], method)([time])[0])


def test_order_is_that_of_seed_and_epoch_and_mixes_stores(pool):
    pool.shuffle(0)
    first = drawn(pool)
    pool.shuffle(1)
    second = drawn(pool)
    assert first != second and sorted(first) == sorted(second)
    assert drawn(PooledBatches(stores(), make, batch_size=4, seed=3, epoch=1, max_bytes=BOUND)) == second
    assert drawn(PooledBatches(stores(), make, batch_size=4, seed=4, max_bytes=BOUND)) != first
    assert len({name for name, _ in first[:30]}) > 1
    unshuffled = drawn(PooledBatches(stores(), make, batch_size=4, max_bytes=BOUND))
    assert unshuffled == sorted(unshuffled)


def test_any_batch_is_the_same_in_any_order_of_access(pool):
    pool.shuffle(2)
    forward = [pool[k] for k in range(len(pool))]
    resumed = PooledBatches(stores(), make, batch_size=4, seed=3, epoch=2, max_bytes=BOUND)
    for k in (len(pool) - 1, 7, 8, 0, len(pool) // 2):
        for a, b in zip(forward[k], resumed[k], strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.chain
def test_no_more_than_the_bound_is_held():
    alive, most, made = weakref.WeakSet(), [], []

    def counting(ready):
        samples = make(ready)
        alive.add(samples)
        made.append(1)
        most.append(sum(s.nbytes for s in alive))
        return samples

    pool = PooledBatches(stores(4), counting, batch_size=4, seed=0, max_bytes=BOUND)
    assert 2 <= pool._blocks_in_group < len(pool.blocks)  # there is something to let go
    at_start = len(made)
    for epoch in (0, 1):
        pool.shuffle(epoch)
        for k in range(len(pool)):
            pool[k]
    assert max(most) <= BOUND
    assert len(alive) <= pool._blocks_in_group
    assert len(made) - at_start <= 2 * len(pool.blocks)  # each block is read once an epoch


def test_what_fits_is_read_once_for_all_epochs():
    made = []
    pool = PooledBatches(stores(2), lambda ready: made.append(1) or make(ready), batch_size=8, seed=0)
    at_start = len(made)
    for epoch in (0, 1):
        pool.shuffle(epoch)
        for k in range(len(pool)):
            pool[k]
    assert len(made) - at_start == len(pool.blocks)


def test_gaps_are_left_out():
    (ready,) = stores(1).values()
    gap = ready.time == np.datetime64("1990-04-01")
    ready["siconc"], ready["siconc_flag"] = (
        ready["siconc"].where(~gap),
        ready["siconc_flag"].where(~gap, 3).astype("uint8"),
    )
    times = [time for _, time in drawn(PooledBatches({"a": ready}, make, batch_size=4))]
    lost = np.arange("1990-05", "1991-05", dtype="datetime64[M]")
    assert not set(np.array(times, "datetime64[M]")) & set(lost) and np.datetime64("1990-04-01") in times


def test_digest_tells_what_and_how(pool):
    same = PooledBatches(stores(), make, batch_size=4, seed=9, max_bytes=BOUND)
    assert pool.digest() == same.digest() and len(pool.digest()) == 64
    other = stores()
    other["model_1"].attrs["key"] = "remade"
    fewer = lambda ready: Samples(ready, CHANNELS[:2])  # noqa: E731
    for changed in (
        PooledBatches(other, make, batch_size=4, max_bytes=BOUND),
        PooledBatches(stores(2), make, batch_size=4, max_bytes=BOUND),
        PooledBatches(stores(), fewer, batch_size=4, max_bytes=BOUND),
        PooledBatches(stores(), make, batch_size=4, max_bytes=2 * BOUND),
    ):
        assert changed.digest() != pool.digest()


def test_metadata_is_that_of_samples(pool):
    assert pool.metadata() == make(stores()["model_0"]).metadata()


def test_a_batch_has_the_shape_of_other_batches(pool):
    samples = make(stores()["model_0"])
    for a, b in zip(pool[0], Batches(samples, samples.init_times[:4], batch_size=4)[0], strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        (dict, {}, "no simulations"),
        (stores, {"batch_size": 0}, "batch_size 0"),
        (stores, {"max_bytes": 1e4}, "a year of samples takes"),
        (lambda: {"a": synthetic.ready()}, {}, "simulation 'a': the store has no attribute 'key'"),
        (
            lambda: {"a": stores(1)["model_0"].isel(time=slice(0, 12))},
            {},
            "'a': no month has 12 known months",
        ),
        (
            lambda: stores(1) | {"b": stores(1, fit_end="1987-12")["model_0"]},
            {},
            "simulation 'b': fit_end differ",
        ),
        (
            lambda: {"a": stores(1)["model_0"].assign(tas=stores(1)["model_0"]["tas"] * np.nan)},
            {},
            "simulation 'a': init_time 1980-01-01 has no sample, tas of 1979-12-01 is missing; set `missing`",
        ),
    ],
)
def test_what_can_not_be_drawn_from_is_refused(given, options, message):
    with pytest.raises(DataError, match=message):
        PooledBatches(given(), make, **({"batch_size": 4} | options))
