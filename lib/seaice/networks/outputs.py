"""How does a network forecast the concentration itself? A first guess between persistence and damped anomaly, kept in 0..1.

A network with this head gives (y, x, lead, 4): the logits of the three ice classes, then the sea ice concentration.
"""

import keras
import numpy as np
from keras import layers, ops

from seaice.networks.shapes import CLASSES


def class_logits(output):
    """Logits (..., class) of the ice classes in a network's output (..., class) or (..., class and SIC)."""
    return output[..., :CLASSES]


def siconc(output):
    """SIC (...), 0..1 but for rounding, in the output (..., class and SIC) of a network with this head."""
    return output[..., CLASSES]


@keras.saving.register_keras_serializable(package="seaice")
class SiconcPrior(layers.Layer):
    """First guess of SIC: damped anomaly persistence, from which a trained weight a lead leads to plain persistence.

    D + w (P - D); D = trend + damping * anomaly, P = last SIC, w = 0 before training. inputs (y, x, channel). trend, damping: places of
    their channels, one a lead; anomaly, last: of the last step's SIC anomaly and SIC. Returns (y, x, lead), fraction, not yet kept in 0..1.
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
        """First guess of every lead."""
        part = {name: ops.take(inputs, np.array(at), axis=-1) for name, at in self.places.items()}
        damped = part["trend"] + part["damping"] * part["anomaly"]
        return damped + self.persistence * (part["last"] - damped)

    def compute_output_shape(self, input_shape):
        """Shape (batch, y, x, lead)."""
        return (*input_shape[:-1], len(self.places["trend"]))

    def get_config(self) -> dict:
        """Arguments to make this layer again."""
        return {**super().get_config(), **self.places}


@keras.saving.register_keras_serializable(package="seaice")
class Bounded(layers.Layer):
    """Values kept in 0..1, gradients as if they were not: a cell that has left the bounds is brought back by its error.

    Most cells are open water or pack ice, whose truth lies on a bound: where the gradient ended there, they would not be learnt from.
    Straight-through estimator, Bengio et al. 2013, arXiv:1308.3432.
    """

    def call(self, inputs):
        """Values (...), 0..1 but for rounding."""
        return inputs + ops.stop_gradient(ops.clip(inputs, 0, 1) - inputs)

    def compute_output_shape(self, input_shape):
        """The same shape."""
        return input_shape
