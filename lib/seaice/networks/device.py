"""How do samples reach a network without being assembled first? Base planes held where it computes, gathered inside its compiled step."""

import keras
from keras import ops

from seaice.errors import DataError
from seaice.samples.assembly import Samples

STORAGES = ("float32", "float16", "bfloat16")


class Gather(keras.layers.Layer):
    """Inputs (sample, y, x, channel) from plane numbers (sample, channel), as `Samples.inputs` gives them, in the layer's dtype.

    samples: whose planes (plane, y, x) are copied to the device, once. storage: dtype that they are held in; float16 and bfloat16
    take half the memory and round to 11 and 8 binary digits. The planes are no part of what is trained. Raises DataError for another
    storage; like data, the layer can't be saved: save the network that it feeds.
    """

    def __init__(self, samples: Samples, *, storage: str = "float32", **kwargs):
        super().__init__(trainable=False, **kwargs)
        if storage not in STORAGES:
            raise DataError(f"storage {storage!r} is unknown; choose one of {', '.join(STORAGES)}")
        self.planes = self._hold("planes", samples.planes, storage)
        # A map of its own for each day of the year would be more planes than most records have.
        has_flat = any(channel.follows == "season" for channel in samples.channels)
        self.values = self._hold("values", samples.values, "float32") if has_flat else None
        self.built = True

    def call(self, numbers):
        """Inputs of these plane numbers, int (sample, channel)."""
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
        """Shape (sample, y, x, channel)."""
        return (input_shape[0], *self.planes.shape[1:], input_shape[1])

    def _hold(self, name: str, array, dtype: str):
        return self.add_weight(
            name=name,
            shape=array.shape,
            dtype=dtype,
            trainable=False,
            autocast=False,
            initializer=lambda *_, **__: ops.convert_to_tensor(array, dtype=dtype),
        )


def fed(network: keras.Model, samples: Samples, *, storage: str = "float32") -> keras.Model:
    """Return the network as a model of plane numbers (sample, channel), `Samples.plane_numbers`, in place of inputs; uncompiled.

    It shares the network's weights: what trains it trains the network, which is what to save. storage: see `Gather`.
    What `Batches` does to assembled inputs, `withhold` and `turns`, is refused with it. Raises DataError for a network
    with inputs of another shape.
    """
    gather = Gather(samples, storage=storage, name="gather")
    wanted, given = tuple(network.input_shape[1:]), (*samples.shape, len(samples.channels))
    if wanted != given:
        raise DataError(f"the network takes inputs (y, x, channel) of {wanted}, the samples give {given}")
    numbers = keras.Input((len(samples.channels),), dtype="int32", name="plane_numbers")
    return keras.Model(numbers, network(gather(numbers)), name=network.name)
