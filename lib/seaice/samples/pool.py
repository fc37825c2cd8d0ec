"""How does a network learn from more samples than fit in memory?

Batches are drawn from many stores, a few blocks of years at a time.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import NamedTuple
from weakref import WeakValueDictionary

import keras
import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.samples.assembly import Samples
from seaice.samples.splits import BEFORE
from seaice.schema import Flag

# Years of initialisations in a block. Longer blocks mix samples less; shorter ones read more months
# twice.
LONGEST_BLOCK = 5
MAX_BYTES = 5e8  # bytes of samples held at a time, a quarter of the memory that the demo may use


class Block(NamedTuple):
    """Initialisations of one store that are held together, and the time steps that they need."""

    store: str
    positions: np.ndarray
    steps: slice


class SharedBlocks:
    """Samples of blocks that several trainings use at the same time, each block in memory once.

    A block is kept as long as one of the trainings holds it. They must make samples alike.
    """

    def __init__(self) -> None:
        self._samples: WeakValueDictionary = WeakValueDictionary()
        self._lock = Lock()

    def get(self, block: Block, make: Callable[[Block], Samples]) -> Samples:
        """Return the samples of a block; `make` makes them if no training holds them."""
        key = block.store, block.steps.start, block.steps.stop
        with self._lock:  # nobody reads a block that another training is reading
            samples = self._samples.get(key)
            if samples is None:
                samples = self._samples[key] = make(block)
        return samples


def of_seeds(
    stores: Mapping[str, xr.Dataset],
    make: Callable[[xr.Dataset], Samples],
    seeds: Iterable[int],
    *,
    batch_size: int,
) -> dict[int, "PooledBatches"]:
    """Return batches for trainings of several seeds at the same time, by seed.

    What they hold at the same time is in memory once. stores, make, batch_size: as for
    `PooledBatches`, which says what is refused.
    """
    options = {"batch_size": batch_size, "shared": SharedBlocks()}
    return {seed: PooledBatches(stores, make, seed=seed, **options) for seed in seeds}


class PooledBatches(keras.utils.PyDataset):
    """Batches of (inputs, targets, weights) from many analysis-ready datasets.

    Their order depends only on `seed` and `epoch`.

    stores: analysis-ready datasets by name: lazy, monthly, with an attribute `key` that says what
        they were made from.
    make: function that returns the samples of a stretch of time of such a dataset. It decides on
        channels, leads and the like.
    batch_size, seed: as for `batches.Batches`; with seed None the order is that of stores and time.
    max_bytes: bytes of samples held at a time.
    shared: blocks that trainings of other seeds use at the same time.

    An epoch goes through blocks in random order; a block is some years of one store. As many blocks
    as `max_bytes` holds form a group. The samples of a group are shuffled together, and let go
    after use. A batch may end one group and begin the next, so only the last batch of an epoch is
    smaller. Any batch can be read at any time and is the same each time. Read in order, each block
    is loaded once an epoch. Initialisations with a missing month among the `BEFORE` months before
    them, or without any truth, are left out.
    Raises DataError without samples, for a store without `key`, for stores that do not fit
    together, for initialisations that `make` drops, and where a year of samples takes more than
    `max_bytes`.
    """

    def __init__(
        self,
        stores: Mapping[str, xr.Dataset],
        make: Callable[[xr.Dataset], Samples],
        *,
        batch_size: int,
        seed: int | None = None,
        epoch: int = 0,
        max_bytes: float = MAX_BYTES,
        shared: SharedBlocks | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if batch_size < 1:
            raise DataError(f"batch_size {batch_size} must be at least 1")
        if not stores:
            raise DataError("no simulations to make batches of; name some in the run file's `simulations`")
        self.stores, self.make = dict(stores), make
        self.batch_size, self.seed, self._held = batch_size, seed, {}
        self._shared = shared or SharedBlocks()
        first = make(next(iter(stores.values())).isel(time=slice(0, 2 * BEFORE)))
        self._metadata, self.n_leads = first.metadata(), first.n_leads
        offsets = [c.offset for c in first.channels if c.follows == "time"]
        self._before, self._after = (
            max([BEFORE, *(-o for o in offsets)]),
            max([self.n_leads, *(o + 1 for o in offsets)]),
        )
        bytes_a_step = first.nbytes / len(first.time)
        del first
        positions = {name: self._initialisations(name) for name in stores}
        self._content = [self._check_store(name, positions[name][0]) for name in stores]
        self._divide(positions, bytes_a_step, max_bytes)
        self.shuffle(epoch)

    def shuffle(self, epoch: int) -> None:
        """Put blocks and samples in the order of `epoch`."""
        blocks, groups = np.arange(len(self.blocks)), -(-len(self.blocks) // self._blocks_in_group)
        rng = None if self.seed is None else np.random.default_rng([self.seed, epoch])
        order = blocks if rng is None else rng.permutation(blocks)
        self._group = np.empty_like(blocks)
        self._group[order] = blocks // self._blocks_in_group
        members = [np.flatnonzero(self._group[self._block] == g) for g in range(groups)]
        self.order = np.concatenate(members if rng is None else [rng.permutation(m) for m in members])

    def __len__(self) -> int:
        return -(-len(self.order) // self.batch_size)

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows = self.order[number * self.batch_size : (number + 1) * self.batch_size]
        blocks, batch = self._block[rows], None
        for block in sorted(set(blocks.tolist()), key=lambda b: (self._group[b], b)):
            in_block = np.flatnonzero(blocks == block)
            samples, times = self._hold(block), self._time[rows[in_block]]
            arrays = samples.inputs(times), samples.targets(times), samples.weights(times)
            batch = batch or tuple(np.empty((len(rows), *array.shape[1:]), array.dtype) for array in arrays)
            for full_array, array in zip(batch, arrays, strict=True):
                full_array[in_block] = array
        return batch

    def digest(self) -> str:
        """Return the SHA-256 of the samples' sources and of how they are divided.

        Stores count by their keys; they are not read as a whole.
        """
        blocks = [(block.store, len(block.positions)) for block in self.blocks]
        content = [self._content, self._metadata, blocks, self._blocks_in_group]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def metadata(self) -> dict:
        """Return what a network's inputs must agree with, as `Samples.metadata` does."""
        return self._metadata

    def _initialisations(self, name: str) -> np.ndarray:
        """Return the positions along time of the initialisations that samples are made for.

        Raises DataError for a store without any.
        """
        ready = self.stores[name]
        observed = (ready["siconc_flag"] != Flag.MISSING).any(("y", "x")).values
        count = np.concatenate([[0], np.cumsum(observed)])
        positions = np.arange(self._before, len(observed))
        ends = np.minimum(positions + self.n_leads, len(observed))
        usable = (count[positions] - count[positions - self._before] == self._before) & (
            count[ends] > count[positions]
        )
        if not usable.any():
            raise DataError(
                f"simulation '{name}': no month has {self._before} known months before it and ice after it"
            )
        return positions[usable]

    def _check_store(self, name: str, position: int) -> list:
        """Make one sample of a store and return what its digest counts.

        So data that do not fit are refused now and not hours later. Raises DataError for a store
        without `key`, and for one whose metadata differ from those of the first store.
        """
        if "key" not in self.stores[name].attrs:
            raise DataError(
                f"simulation '{name}': the store has no attribute 'key'; run the preprocessing notebook again"
            )
        block = self._cut(name, np.array([position]))
        samples = self._samples(block)
        if samples.metadata() != self._metadata:
            different = [k for k, v in samples.metadata().items() if v != self._metadata.get(k)]
            raise DataError(
                f"simulation '{name}': {', '.join(different)} differ from those of "
                f"'{next(iter(self.stores))}'"
            )
        return [name, self.stores[name].attrs["key"], samples.digest(self._times(block))]

    def _divide(self, positions: Mapping[str, np.ndarray], bytes_a_step: float, max_bytes: float) -> None:
        """Cut the stores into blocks, and find how many blocks fit in memory together.

        A block has as many years as leave room for two of them, up to `LONGEST_BLOCK`.
        """
        for years in range(LONGEST_BLOCK, 0, -1):
            size = bytes_a_step * (12 * years + self._before + self._after)
            if 2 * size <= max_bytes:
                break
        if size > max_bytes:
            raise DataError(
                f"a year of samples takes {size / 1e6:.0f} MB, more than max_bytes {max_bytes / 1e6:.0f} MB; "
                "raise it"
            )
        self._blocks_in_group = int(max_bytes // size)
        self.blocks = []
        for name, store_positions in positions.items():
            number = (store_positions - store_positions[0]) // (12 * years)
            self.blocks += [self._cut(name, store_positions[number == n]) for n in np.unique(number)]
        self._block = np.repeat(np.arange(len(self.blocks)), [len(block.positions) for block in self.blocks])
        self._time = np.concatenate([self._times(block) for block in self.blocks])

    def _cut(self, name: str, positions: np.ndarray) -> Block:
        return Block(
            name, positions, slice(int(positions[0]) - self._before, int(positions[-1]) + self._after)
        )

    def _times(self, block: Block) -> pd.DatetimeIndex:
        return self.stores[block.store].indexes["time"][block.positions]

    def _hold(self, number: int) -> Samples:
        """Return the samples of a block.

        Before it is read, blocks of other groups are let go.
        """
        if number not in self._held:
            self._held = {b: s for b, s in self._held.items() if self._group[b] == self._group[number]}
            self._held[number] = self._shared.get(self.blocks[number], self._samples)
        return self._held[number]

    def _samples(self, block: Block) -> Samples:
        """Return the samples of a block. Raises DataError where one of them is dropped."""
        samples = self.make(self.stores[block.store].isel(time=block.steps))
        lacking = self._times(block).difference(samples.init_times)
        if len(lacking):
            time = lacking[0]
            reason = samples.dropped.get(time, "it is outside the part read")
            raise DataError(
                f"simulation '{block.store}': init_time {time:%Y-%m-%d} has no sample, {reason}; "
                "set `missing` to 'climatology' for what the simulation lacks, or choose other dates"
            )
        return samples
