"""How do samples reach the network without being assembled first?

The base planes are copied once to the device that computes. Each training step sends only plane
numbers, and the compiled step gathers the inputs from the planes.
"""

import keras
from keras import ops

from seaice.errors import DataError
from seaice.samples.assembly import Samples

STORAGES = ("float32", "float16", "bfloat16")


class Gather(keras.layers.Layer):
    """Layer from plane numbers (sample, channel) to inputs (sample, y, x, channel).

    The inputs are those of `Samples.inputs`, in the layer's dtype.

    samples: their planes (plane, y, x) are copied to the device once. storage: dtype of the copy.
    float16 and bfloat16 take half the memory and round to 11 and 8 binary digits.
    The planes are not trained. The layer can't be saved, as it holds data: save the network that it
    feeds. Raises DataError for an unknown storage.
    """

    def __init__(self, samples: Samples, *, storage: str = "float32", **kwargs):
        super().__init__(trainable=False, **kwargs)
        if storage not in STORAGES:
            raise DataError(f"storage {storage!r} is unknown; choose one of {', '.join(STORAGES)}")
        self.planes = self._hold("planes", samples.planes, storage)
        # A plane for each day of the year would be more planes than most records have.
        has_flat = any(channel.follows == "season" for channel in samples.channels)
        self.values = self._hold("values", samples.values, "float32") if has_flat else None
        self.built = True

    def call(self, numbers):
        """Return the inputs for plane numbers, int (sample, channel)."""
        n_planes = self.planes.shape[0]
        mapped = ops.minimum(numbers, n_planes - 1)
        inputs = ops.cast(
            ops.transpose(ops.take(self.planes, mapped, axis=0), (0, 2, 3, 1)), self.compute_dtype
        )
        if self.values is None:
            return inputs
        flat = ops.cast(ops.take(self.values, ops.maximum(numbers - n_planes, 0)), self.compute_dtype)
        return ops.where((numbers < n_planes)[:, None, None], inputs, flat[:, None, None])

    def compute_output_shape(self, input_shape):
        """Return the shape (sample, y, x, channel)."""
        return (input_shape[0], *self.planes.shape[1:], input_shape[1])

    def _hold(self, name: str, array, dtype: str):
        """Return a weight that holds the array and is not trained."""
        return self.add_weight(
            name=name,
            shape=array.shape,
            dtype=dtype,
            trainable=False,
            autocast=False,
            initializer=lambda *_, **__: ops.convert_to_tensor(array, dtype=dtype),
        )


def fed(network: keras.Model, samples: Samples, *, storage: str = "float32") -> keras.Model:
    """Return a model, uncompiled, that feeds the network from plane numbers (sample, channel).

    The numbers are those of `Samples.plane_numbers`. The model shares the network's weights:
    training it trains the network, which is the one to save. storage: see `Gather`.
    `Batches` refuses `withhold` and `turns` with plane numbers, as they change assembled inputs.
    Raises DataError for a network with inputs of another shape.
    """
    gather = Gather(samples, storage=storage, name="gather")
    expected, actual = tuple(network.input_shape[1:]), (*samples.shape, len(samples.channels))
    if expected != actual:
        raise DataError(f"the network takes inputs (y, x, channel) of {expected}, the samples give {actual}")
    numbers = keras.Input((len(samples.channels),), dtype="int32", name="plane_numbers")
    return keras.Model(numbers, network(gather(numbers)), name=network.name)
