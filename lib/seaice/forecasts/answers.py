"""What does one network answer to a batch? Its probabilities and SIC."""

import keras
import numpy as np

from seaice.errors import DataError
from seaice.networks.kinds import Kind

# Probabilities, and SIC of a network that forecasts it.
Answer = tuple[np.ndarray, np.ndarray | None]


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
