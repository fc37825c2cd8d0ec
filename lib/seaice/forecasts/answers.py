"""What does one network answer? Its probabilities and SIC, for one batch or batch by batch."""

from collections.abc import Callable, Iterator

import keras
import numpy as np
import pandas as pd

from seaice.errors import DataError
from seaice.networks.kinds import Kind
from seaice.samples.assembly import Samples

# Probabilities, and SIC of a network that forecasts it.
Answer = tuple[np.ndarray, np.ndarray | None]


def predictor(kind: Kind, network: keras.Model, name: str, batch_size: int) -> Callable[..., Iterator[tuple]]:
    """Return a function that yields the forecasts of some times at a time.

    It yields the slice of times, the probabilities and SIC, see `answer`.
    """

    def predict(samples: Samples, times: pd.DatetimeIndex):
        for first in range(0, len(times), batch_size):
            batch = slice(first, min(first + batch_size, len(times)))
            yield batch, *answer(kind, network, samples.inputs(times[batch]), name)

    return predict


def answer(kind: Kind, network: keras.Model, inputs: np.ndarray, name: str) -> Answer:
    """Return a network's only answer, its draw 0, to inputs (init_time, y, x, channel).

    Probabilities (init_time, lead_time, ice_class, y, x) and SIC (init_time, lead_time, y, x) or
    None, 0..1. name: of the network in the message. Raises DataError for values that are not
    finite.
    """
    (probability,), siconc = kind.predict(network, inputs, None, 1)
    if not (np.isfinite(probability).all() and (siconc is None or np.isfinite(siconc).all())):
        raise DataError(f"{name} gives values that are not finite; train it again")
    # Rounding in `outputs.Bounded` can put SIC a little outside 0..1.
    return probability, None if siconc is None else np.clip(siconc[0], 0, 1)
