"""In which order do the samples go through the network? Batches shuffled by (seed, epoch) alone."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import keras
import numpy as np

from seaice.errors import DataError
from seaice.samples.assembly import Samples
from seaice.samples.planes import UNSCALED

Made = TypeVar("Made")
WAYS = 8  # in which a square map can be laid: four quarters of a turn, each of them mirrored or not
DIRECTED = ("uas", "vas")  # variables with a direction, which a turned map would have to turn too


class Batches(keras.utils.PyDataset):
    """Batches of (inputs, targets, weights) in an order that depends on nothing but `seed` and `epoch`.

    samples, init_times: what to draw from. batch_size: samples a batch, the last one may be smaller.
    seed: of the shuffling; None keeps the order of `init_times`, as for validation. withhold: share of the samples, drawn anew each epoch,
    whose weather and ocean are replaced by their climatology, so that a network learns to do without them where they come late.
    turns: whether each sample is laid in one of `WAYS`, drawn anew each epoch: a short record tells a network where the ice was that
    year, and turned maps leave it the rules by which ice comes and goes. Of square grids, and of inputs without a direction.
    as_numbers: whether inputs are plane numbers (`Samples.plane_numbers`), for a network that assembles them itself (`device.fed`).
    So a training that died in epoch k goes on with exactly the batches it would have had. Raises DataError without samples, for
    turns of maps that have none, and for plane numbers together with what is done to assembled inputs.
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
        directed = [c.variable for c in samples.channels if c.variable in DIRECTED]
        if turns and (directed or samples.shape[0] != samples.shape[1]):
            what = (
                f"'{directed[0]}', which has a direction"
                if directed
                else f"a grid of {samples.shape}, no square"
            )
            raise DataError(f"turns: the samples have {what}; leave it out, or train without turns")
        if as_numbers and (withhold or turns):
            what = "withhold" if withhold else "turns"
            raise DataError(
                f"{what} is done to assembled inputs; leave it out, or `gather`, which assembles them later"
            )
        self.samples, self.init_times, self.turns = samples, init_times, turns
        self._given = samples.plane_numbers if as_numbers else samples.inputs
        self.batch_size, self.seed, self.withhold = batch_size, seed, withhold
        self._predictors = [
            k for k, c in enumerate(samples.channels) if c.follows == "time" and c.variable not in UNSCALED
        ]
        self.shuffle(epoch)

    def shuffle(self, epoch: int) -> None:
        """Put the samples in the order of `epoch`."""
        self.order = np.arange(len(self.init_times))
        self._withheld = np.zeros(len(self.init_times), bool)
        self._way = np.zeros(len(self.init_times), int)
        if self.seed is not None:
            rng = np.random.default_rng([self.seed, epoch])
            self.order = rng.permutation(self.order)
            self._withheld = rng.random(len(self.order)) < self.withhold
            self._way = rng.integers(WAYS, size=len(self.order)) if self.turns else self._way

    def __len__(self) -> int:
        return -(-len(self.order) // self.batch_size)

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows = self.order[number * self.batch_size : (number + 1) * self.batch_size]
        times = self.init_times[rows]
        inputs = self._given(times)
        for sample in np.flatnonzero(self._withheld[rows]):
            inputs[sample][..., self._predictors] = 0  # the climatology of a scaled anomaly
        batch = inputs, self.samples.targets(times), self.samples.weights(times)
        for part in batch if self.turns else ():
            for sample, way in enumerate(self._way[rows]):
                part[sample] = laid(part[sample], way)
        return batch

    def digest(self) -> str:
        """SHA-256 over all that the inputs, targets and weights are made of."""
        return self.samples.digest(self.init_times)


def laid(field: np.ndarray, way: int) -> np.ndarray:
    """A square map (y, x, ...) turned by `way % 4` quarters, and mirrored from the fifth of the `WAYS` on; a copy."""
    turned = np.rot90(field, way % 4, (0, 1))
    return (turned[::-1] if way >= 4 else turned).copy()


def ahead(make: Callable[[int], Made], numbers: Iterable[int]) -> Iterator[Made]:
    """Yield what `make` gives for each number, in order; the next is made in a thread while the last is at work.

    On a GPU a step takes about as long as the making of its batch.
    """
    with ThreadPoolExecutor(1) as thread:
        coming = deque()
        for number in numbers:
            coming.append(thread.submit(make, number))
            if len(coming) > 1:
                yield coming.popleft().result()
        yield from (made.result() for made in coming)
