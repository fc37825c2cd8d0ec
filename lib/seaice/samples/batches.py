"""In which order do the samples go through the network?

The order of the batches depends on seed and epoch alone.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import keras
import numpy as np

from seaice.errors import DataError
from seaice.samples.assembly import Samples
from seaice.samples.planes import UNSCALED

Item = TypeVar("Item")
SYMMETRIES = 8  # of a square map: four rotations, each of them mirrored or not
DIRECTED = ("uas", "vas")  # variables with a direction, which would have to be rotated with the map


class Batches(keras.utils.PyDataset):
    """Batches of (inputs, targets, weights) in an order that depends only on `seed` and `epoch`.

    A training that was stopped in epoch k therefore continues with exactly the batches that it
    would have had.

    samples, init_times: what to draw from. batch_size: samples in a batch; the last one may be
    smaller.
    seed: of the shuffling. None keeps the order of `init_times`, as for validation.
    withhold: share of the samples, 0..1, drawn anew each epoch, in which weather and ocean are
        replaced by their climatology. A network so learns to do without them where they arrive
        late.
    turns: rotate and mirror each sample by one of `SYMMETRIES`, drawn anew each epoch. In a short
        record a network can learn by heart where the ice was in a year; rotated maps keep only the
        rules by which ice grows and melts. The grid must be square, and no input may have a
        direction.
    as_numbers: give plane numbers (`Samples.plane_numbers`) in place of inputs, for a network that
        assembles them itself (`device.fed`).

    Raises DataError without samples, for a batch_size below 1, for `turns` of other grids or of
    inputs with a direction, and for `as_numbers` together with `withhold` or `turns`.
    """

    def __init__(
        self,
        samples: Samples,
        init_times,
        *,
        batch_size: int,
        seed: int | None = None,
        epoch: int = 0,
        withhold: float = 0.0,
        turns: bool = False,
        as_numbers: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not len(init_times):
            raise DataError("no init_times to make batches of: is a split empty?")
        if batch_size < 1:
            raise DataError(f"batch_size {batch_size} must be at least 1")
        with_direction = [c.variable for c in samples.channels if c.variable in DIRECTED]
        if turns and (with_direction or samples.shape[0] != samples.shape[1]):
            obstacle = f"a grid of {samples.shape}, which is not square"
            if with_direction:
                obstacle = f"'{with_direction[0]}', which has a direction"
            raise DataError(f"turns: the samples have {obstacle}; leave it out, or train without turns")
        if as_numbers and (withhold or turns):
            setting = "withhold" if withhold else "turns"
            raise DataError(
                f"{setting} is done to assembled inputs; "
                "leave it out, or `gather`, which assembles them later"
            )
        self.samples, self.init_times, self.turns = samples, init_times, turns
        self._assemble = samples.plane_numbers if as_numbers else samples.inputs
        self.batch_size, self.seed, self.withhold = batch_size, seed, withhold
        self._predictors = [
            k for k, c in enumerate(samples.channels) if c.follows == "time" and c.variable not in UNSCALED
        ]
        self.shuffle(epoch)

    def shuffle(self, epoch: int) -> None:
        """Put the samples in the order of `epoch`."""
        self.order = np.arange(len(self.init_times))
        self._withheld = np.zeros(len(self.init_times), bool)
        self._symmetry = np.zeros(len(self.init_times), int)
        if self.seed is not None:
            rng = np.random.default_rng([self.seed, epoch])
            self.order = rng.permutation(self.order)
            self._withheld = rng.random(len(self.order)) < self.withhold
            self._symmetry = rng.integers(SYMMETRIES, size=len(self.order)) if self.turns else self._symmetry

    def __len__(self) -> int:
        return -(-len(self.order) // self.batch_size)

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows = self.order[number * self.batch_size : (number + 1) * self.batch_size]
        times = self.init_times[rows]
        inputs = self._assemble(times)
        for sample in np.flatnonzero(self._withheld[rows]):
            inputs[sample][..., self._predictors] = 0  # the climatology of a scaled anomaly
        batch = inputs, self.samples.targets(times), self.samples.weights(times)
        for array in batch if self.turns else ():
            for sample, symmetry in enumerate(self._symmetry[rows]):
                array[sample] = rotate_and_flip(array[sample], symmetry)
        return batch

    def digest(self) -> str:
        """Return the SHA-256 of all data behind the inputs, targets and weights."""
        return self.samples.digest(self.init_times)


def rotate_and_flip(field: np.ndarray, symmetry: int) -> np.ndarray:
    """Return a copy of a square map (y, x, ...) in one of its `SYMMETRIES`.

    It is rotated by `symmetry % 4` quarter turns and, for 4 to 7, also mirrored.
    """
    rotated = np.rot90(field, symmetry % 4, (0, 1))
    return (rotated[::-1] if symmetry >= 4 else rotated).copy()


def ahead(make: Callable[[int], Item], numbers: Iterable[int]) -> Iterator[Item]:
    """Yield what `make` returns for each number, in order.

    While the caller works with one, the next is made in a thread. On a GPU a training step takes
    about as long as making its batch.
    """
    with ThreadPoolExecutor(1) as thread:
        pending = deque()
        for number in numbers:
            pending.append(thread.submit(make, number))
            if len(pending) > 1:
                yield pending.popleft().result()
        yield from (result.result() for result in pending)
