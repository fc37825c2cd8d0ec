"""How does a network learn from more samples than fit in memory? Batches from many stores, a few blocks of years at a time."""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import NamedTuple

import keras
import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.samples.assembly import Samples
from seaice.samples.splits import BEFORE
from seaice.schema import Flag

LONGEST_BLOCK = (
    5  # years of initialisations; longer ones mix samples less, shorter ones read more months twice
)
MAX_BYTES = 5e8  # bytes of samples held at a time, a quarter of what the demo may use


class Block(NamedTuple):
    """Initialisations of one store that are held together, and the time steps that they need."""

    store: str
    positions: np.ndarray
    steps: slice


class PooledBatches(keras.utils.PyDataset):
    """Batches of (inputs, targets, weights) from many analysis-ready datasets, in an order that only `seed` and `epoch` decide.

    stores: analysis-ready datasets by name, lazy, monthly, with the attribute `key` that says what they were made from.
    make: samples of a part in time of such a dataset; it decides on channels and the like. batch_size, seed: as for
    `batches.Batches`; with seed None the order is that of the stores and of time. max_bytes: of samples held at a time.

    An epoch goes through blocks, each some years of one store, in random order. As many as `max_bytes` holds are drawn from together,
    their samples shuffled, and then let go. A batch may end one such group and begin the next, so that only the last of an epoch
    is smaller. Any batch can be asked for at any time and is the same each time; asked for in order, each block is read once an
    epoch. Initialisations with a missing month among the `BEFORE` before them, or without any truth, are left out.
    Raises DataError without samples, for a store without `key`, for stores that do not fit together, for initialisations that
    `make` drops, and where a year of samples is more than `max_bytes`.
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
        **kwargs,
    ):
        super().__init__(**kwargs)
        if batch_size < 1:
            raise DataError(f"batch_size {batch_size} must be at least 1")
        if not stores:
            raise DataError("no simulations to make batches of; name some in the run file's `simulations`")
        self.stores, self.make = dict(stores), make
        self.batch_size, self.seed, self._held = batch_size, seed, {}
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
        self._content = [self._try(name, positions[name][0]) for name in stores]
        self._divide(positions, bytes_a_step, max_bytes)
        self.shuffle(epoch)

    def shuffle(self, epoch: int) -> None:
        """Put blocks and samples in the order of `epoch`."""
        blocks, groups = np.arange(len(self.blocks)), -(-len(self.blocks) // self._together)
        rng = None if self.seed is None else np.random.default_rng([self.seed, epoch])
        order = blocks if rng is None else rng.permutation(blocks)
        self._group = np.empty_like(blocks)
        self._group[order] = blocks // self._together
        members = [np.flatnonzero(self._group[self._block] == g) for g in range(groups)]
        self.order = np.concatenate(members if rng is None else [rng.permutation(m) for m in members])

    def __len__(self) -> int:
        return -(-len(self.order) // self.batch_size)

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows = self.order[number * self.batch_size : (number + 1) * self.batch_size]
        blocks, batch = self._block[rows], None
        for block in sorted(set(blocks.tolist()), key=lambda b: (self._group[b], b)):
            at = np.flatnonzero(blocks == block)
            samples, times = self._hold(block), self._time[rows[at]]
            parts = samples.inputs(times), samples.targets(times), samples.weights(times)
            batch = batch or tuple(np.empty((len(rows), *part.shape[1:]), part.dtype) for part in parts)
            for whole, part in zip(batch, parts, strict=True):
                whole[at] = part
        return batch

    def digest(self) -> str:
        """SHA-256 over what the samples are made of, and how they are divided: stores by their keys, not read as a whole."""
        divided = [(block.store, len(block.positions)) for block in self.blocks]
        content = [self._content, self._metadata, divided, self._together]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def metadata(self) -> dict:
        """All that a network's inputs must agree with, as `Samples.metadata`."""
        return self._metadata

    def _initialisations(self, name: str) -> np.ndarray:
        """Positions along time of the initialisations that are known well enough."""
        ready = self.stores[name]
        known = (ready["siconc_flag"] != Flag.MISSING).any(("y", "x")).values
        count = np.concatenate([[0], np.cumsum(known)])
        at = np.arange(self._before, len(known))
        ends = np.minimum(at + self.n_leads, len(known))
        good = (count[at] - count[at - self._before] == self._before) & (count[ends] > count[at])
        if not good.any():
            raise DataError(
                f"simulation '{name}': no month has {self._before} known months before it and ice after it"
            )
        return at[good]

    def _try(self, name: str, position: int) -> list:
        """Make one sample of a store, so that what does not fit fails now and not hours later; return what its digest counts."""
        if "key" not in self.stores[name].attrs:
            raise DataError(
                f"simulation '{name}': the store has no attribute 'key'; run the preprocessing notebook again"
            )
        block = self._cut(name, np.array([position]))
        samples = self._samples(block)
        if samples.metadata() != self._metadata:
            different = [k for k, v in samples.metadata().items() if v != self._metadata.get(k)]
            raise DataError(
                f"simulation '{name}': {', '.join(different)} differ from those of '{next(iter(self.stores))}'"
            )
        return [name, self.stores[name].attrs["key"], samples.digest(self._times(block))]

    def _divide(self, positions: Mapping[str, np.ndarray], bytes_a_step: float, max_bytes: float) -> None:
        """Cut the stores into blocks of as many years as leave room for two, and find how many fit together."""
        for years in range(LONGEST_BLOCK, 0, -1):
            size = bytes_a_step * (12 * years + self._before + self._after)
            if 2 * size <= max_bytes:
                break
        if size > max_bytes:
            raise DataError(
                f"a year of samples takes {size / 1e6:.0f} MB, more than max_bytes {max_bytes / 1e6:.0f} MB; raise it"
            )
        self._together = int(max_bytes // size)
        self.blocks = []
        for name, at in positions.items():
            number = (at - at[0]) // (12 * years)
            self.blocks += [self._cut(name, at[number == n]) for n in np.unique(number)]
        self._block = np.repeat(np.arange(len(self.blocks)), [len(block.positions) for block in self.blocks])
        self._time = np.concatenate([self._times(block) for block in self.blocks])

    def _cut(self, name: str, positions: np.ndarray) -> Block:
        return Block(
            name, positions, slice(int(positions[0]) - self._before, int(positions[-1]) + self._after)
        )

    def _times(self, block: Block) -> pd.DatetimeIndex:
        return self.stores[block.store].indexes["time"][block.positions]

    def _hold(self, number: int) -> Samples:
        """Samples of a block; those of other groups are let go before it is read."""
        if number not in self._held:
            self._held = {b: s for b, s in self._held.items() if self._group[b] == self._group[number]}
            self._held[number] = self._samples(self.blocks[number])
        return self._held[number]

    def _samples(self, block: Block) -> Samples:
        samples = self.make(self.stores[block.store].isel(time=block.steps))
        lacking = self._times(block).difference(samples.init_times)
        if len(lacking):
            time = lacking[0]
            why = samples.dropped.get(time, "it is outside the part read")
            raise DataError(
                f"simulation '{block.store}': init_time {time:%Y-%m-%d} has no sample, {why}; set `missing` to 'climatology' for "
                "what the simulation lacks, or choose other dates"
            )
        return samples
