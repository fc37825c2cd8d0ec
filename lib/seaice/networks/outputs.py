"""How does a network forecast the concentration itself?

It corrects a first guess between persistence and the damped anomaly, and keeps the sum in 0..1. The
output of such a network is (y, x, lead, 4): the logits of the three ice classes, then SIC.
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers, ops

from seaice.networks.shapes import CLASSES


def class_logits(output):
    """Return the logits (..., class) of the ice classes in a network's output.

    output: (..., class) or (..., class and SIC).
    """
    return output[..., :CLASSES]


def siconc(output):
    """Return SIC (...), 0..1 but for rounding, in a network's output (..., class and SIC)."""
    return output[..., CLASSES]


def channels(inputs, places: Sequence[int]):
    """Return some channels (..., place) of inputs (..., channel).

    Neighbouring channels are cut out, which is faster than gathering them one by one.
    """
    first, n_places = places[0], len(places)
    if list(places) == list(range(first, first + n_places)):
        return inputs[..., first : first + n_places]
    return ops.take(inputs, np.array(places), axis=-1)


@keras.saving.register_keras_serializable(package="seaice")
class SiconcPrior(layers.Layer):
    """First guess of SIC, between the damped anomaly and persistence.

    It is D + w (P - D), with D = trend + damping * anomaly and P = last SIC. The weight w is
    trained for each lead and is 0 before training.

    inputs (y, x, channel). trend, damping: places of their channels, one for each lead. anomaly,
    last: places of the last step's SIC anomaly and SIC. Returns (y, x, lead), fraction, not yet
    kept in 0..1.
    """

    def __init__(self, *, trend, damping, anomaly, last, **kwargs):
        super().__init__(**{"dtype": "float32"} | kwargs)
        self.places = {
            "trend": list(trend),
            "damping": list(damping),
            "anomaly": list(anomaly),
            "last": list(last),
        }

    def build(self, input_shape):
        """Make the weights (lead)."""
        self.persistence = self.add_weight(
            shape=(len(self.places["trend"]),), initializer="zeros", name="persistence"
        )

    def call(self, inputs):
        """Return the first guess of every lead."""
        fields = {name: channels(inputs, places) for name, places in self.places.items()}
        damped = fields["trend"] + fields["damping"] * fields["anomaly"]
        return damped + self.persistence * (fields["last"] - damped)

    def compute_output_shape(self, input_shape):
        """Return the shape (batch, y, x, lead)."""
        return (*input_shape[:-1], len(self.places["trend"]))

    def get_config(self) -> dict:
        """Return the arguments that make this layer again."""
        return {**super().get_config(), **self.places}


@keras.saving.register_keras_serializable(package="seaice")
class Bounded(layers.Layer):
    """Values kept in 0..1, with gradients as if they were not.

    A cell that has left the bounds is thus brought back by its error. Most cells are open water or
    pack ice, whose truth lies on a bound. If the gradient ended there, nothing would be learnt from
    them. Straight-through estimator, Bengio et al. 2013, arXiv:1308.3432.
    """

    def call(self, inputs):
        """Return the values (...), 0..1 but for rounding."""
        return inputs + ops.stop_gradient(ops.clip(inputs, 0, 1) - inputs)

    def compute_output_shape(self, input_shape):
        """Return the same shape."""
        return input_shape
