"""How are the features of a sample kept in range? By group normalisation.

Keras has a layer of the same name and the same result. It divides the channels into groups first
and then takes means along short last axes, which a processor does slowly. Here, the means over the
map come first, as sums of whole rows of channels. What belongs to the groups is then computed from
a few numbers, and the map is multiplied and shifted once.
"""

import keras
from keras import layers, ops

EPSILON = 1e-3  # added to a variance; the same as in Keras


@keras.saving.register_keras_serializable(package="seaice")
class GroupNormalization(layers.Layer):
    """Features with mean 0 and variance 1 in each group of channels, then scaled and shifted.

    Wu and He 2018, doi:10.1007/978-3-030-01261-8_1. Mean and variance are those of a sample's whole
    map and of all channels of a group. They are computed in float32, whatever the precision of the
    features. Scale and shift are trained, one pair for each channel.

    groups: number of groups of neighbouring channels; it divides the number of channels.
    inputs (batch, y, x, channel). Returns the same shape.
    """

    def __init__(self, *, groups: int, **kwargs):
        super().__init__(**kwargs)
        self.groups = groups

    def build(self, input_shape):
        """Make scale and shift, one weight (2, channel): an optimiser works weight by weight."""
        self.affine = self.add_weight(
            shape=(2, input_shape[-1]),
            initializer=lambda shape, dtype: ops.stack(
                [ops.ones(shape[1:], dtype), ops.zeros(shape[1:], dtype)]
            ),
            name="affine",
        )

    def call(self, inputs):
        """Return the normalised features."""
        features = ops.cast(inputs, "float32")
        mean = self._of_groups(ops.mean(features, axis=(1, 2)))
        variance = self._of_groups(ops.mean(ops.square(features), axis=(1, 2))) - ops.square(mean)
        gamma, beta = ops.unstack(ops.cast(self.affine, "float32"))
        # Rounding can make the variance of a constant map slightly negative.
        scale = ops.rsqrt(ops.maximum(variance, 0.0) + EPSILON) * gamma
        shift = beta - mean * scale
        return ops.cast(features * scale[:, None, None] + shift[:, None, None], self.compute_dtype)

    def _of_groups(self, values):
        """Return, for each channel, the mean of its group's values (batch, channel)."""
        n_channels = values.shape[-1]
        grouped = ops.reshape(values, (-1, self.groups, n_channels // self.groups))
        means = ops.mean(grouped, axis=-1, keepdims=True) * ops.ones_like(grouped)
        return ops.reshape(means, (-1, n_channels))

    def compute_output_shape(self, input_shape):
        """Return the same shape."""
        return input_shape

    def get_config(self) -> dict:
        """Return the arguments that make this layer again."""
        return {**super().get_config(), "groups": self.groups}
