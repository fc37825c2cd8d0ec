"""In which order do the samples go through the network? Batches shuffled by (seed, epoch) alone."""

import keras
import numpy as np

from seaice.planes import ICE
from seaice.samples import Samples
from seaice.schema import DataError


class Batches(keras.utils.PyDataset):
    """Batches of (inputs, targets, weights) in an order that depends on nothing but `seed` and `epoch`.

    samples, init_times: what to draw from. batch_size: samples a batch, the last one may be smaller.
    seed: of the shuffling; None keeps the order of `init_times`, as for validation. withhold: share of the samples, drawn anew each epoch,
    whose weather and ocean are replaced by their climatology, so that a network learns to do without them where they come late.
    So a training that died in epoch k goes on with exactly the batches it would have had. Raises DataError without samples.
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
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not len(init_times):
            raise DataError("no init_times to make batches of: is a split empty?")
        if batch_size < 1:
            raise DataError(f"batch_size {batch_size} must be at least 1")
        self.samples, self.init_times = samples, init_times
        self.batch_size, self.seed, self.withhold = batch_size, seed, withhold
        self._predictors = [k for k, c in enumerate(samples.channels) if c.follows == "time" and c.variable not in ICE]
        self.shuffle(epoch)

    def shuffle(self, epoch: int) -> None:
        """Put the samples in the order of `epoch`."""
        self.order = np.arange(len(self.init_times))
        self._withheld = np.zeros(len(self.init_times), bool)
        if self.seed is not None:
            rng = np.random.default_rng([self.seed, epoch])
            self.order = rng.permutation(self.order)
            self._withheld = rng.random(len(self.order)) < self.withhold

    def __len__(self) -> int:
        return -(-len(self.order) // self.batch_size)

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows = self.order[number * self.batch_size : (number + 1) * self.batch_size]
        times = self.init_times[rows]
        inputs = self.samples.inputs(times)
        for sample in np.flatnonzero(self._withheld[rows]):
            inputs[sample][..., self._predictors] = 0  # the climatology of a scaled anomaly
        return inputs, self.samples.targets(times), self.samples.weights(times)

    def digest(self) -> str:
        """SHA-256 over all that the inputs, targets and weights are made of."""
        return self.samples.digest(self.init_times)
