"""Which network draws possible evolutions? One that corrects a first guess, given random numbers.

It is a U-Net like that of `correction`, for SIC only. A few random numbers a member, the same for
all cells and leads, scale and shift its features, so that a draw changes whole maps and all leads
together (Alet et al. 2025, arXiv:2506.10772). Before training, all draws are the first guess.
Members in a batch do not touch each other: normalisation is within a sample.
"""

from collections.abc import Sequence

import keras
from keras import layers, ops

from seaice.networks import windows
from seaice.networks.correction import ANOMALY_SCALE, guess_channels
from seaice.networks.normalise import GroupNormalization
from seaice.networks.outputs import Bounded, SiconcPrior
from seaice.networks.shapes import CORRECTION_FILTERS, CORRECTION_HALVINGS, GROUP

NOISE = 16  # random numbers of a member
# Cells on a side that are seen as one: what goes together is large, and a quarter of the cells
# takes a quarter of the time. The correction is interpolated between the middles of such squares.
COARSER = 2
HALVINGS = CORRECTION_HALVINGS * COARSER  # a side of the map must be a multiple of it, or is padded


def build(
    shape: tuple[int, int],
    channel_names: Sequence[str],
    *,
    n_leads: int,
    filters_factor: float,
    margins: windows.Margins | None,
) -> keras.Model:
    """Return the network, uncompiled: inputs and noise to SIC (y, x, lead), 0..1 but for rounding.

    Inputs are (y, x, channel) and noise (`NOISE`), standard normal. shape, channel_names, n_leads,
    filters_factor: as for `correction.build`. margins: cells that the network does not see; its SIC
    is 0 there. Raises DataError for a channel that the first guess lacks.
    """
    widths = [max(1, round(filters * filters_factor / GROUP)) * GROUP for filters in CORRECTION_FILTERS]
    places = guess_channels(channel_names, n_leads, siconc_head=True)
    inputs = keras.Input((*shape, len(channel_names)), name="inputs")
    noise = keras.Input((NOISE,), name="noise")
    seen = windows.cut(inputs, margins)
    seen_shape = seen.shape[1:3]
    padding = tuple((0, -cells % HALVINGS) for cells in seen_shape)
    guess = SiconcPrior(
        **{name: places[name] for name in ("trend", "damping", "anomaly", "last")}, name="siconc_prior"
    )(seen)
    scales = [ANOMALY_SCALE if name.startswith("siconc_anomaly") else 1.0 for name in channel_names]
    x = layers.ZeroPadding2D(padding, name="pad")(layers.Rescaling(scales, name="scale")(seen))
    x = layers.AveragePooling2D(COARSER, name="coarse")(x)
    skips = []
    for level, width in enumerate(widths):
        x = _convolve(x, noise, width, name=f"down_{level}")
        skips.append(x)
        x = layers.MaxPooling2D(name=f"down_{level}_pool")(x) if level < len(widths) - 1 else x
    for level in reversed(range(len(widths) - 1)):
        x = layers.UpSampling2D(interpolation="nearest", name=f"up_{level}_sample")(x)
        x = layers.Concatenate(name=f"up_{level}_join")([skips[level], x])
        x = _convolve(x, noise, widths[level], name=f"up_{level}")
    x = layers.Conv2D(n_leads, 1, kernel_initializer="zeros", dtype="float32", name="heads")(x)
    x = layers.UpSampling2D(COARSER, interpolation="bilinear", dtype="float32", name="fine")(x)
    correction = layers.Cropping2D(padding, dtype="float32", name="crop")(x)
    siconc = layers.Add(dtype="float32", name="sum")([correction, guess])
    siconc = Bounded(dtype="float32", name="siconc")(siconc)
    if margins is not None:
        siconc = layers.ZeroPadding2D(margins, dtype="float32", name="map")(siconc)
    return keras.Model([inputs, noise], siconc, name="icenet_generator")


def several(core: keras.Model, members: int) -> keras.Model:
    """Return a model of the same weights that gives several members of each sample.

    Inputs (y, x, channel) and noise (member, `NOISE`) to SIC (y, x, lead, member). core: the
    network, see `build`. members: how many.
    """
    inputs = keras.Input(core.inputs[0].shape[1:], name="inputs")
    noise = keras.Input((members, NOISE), name="noise")
    siconc = core([Repeated(members, name="repeat")(inputs), Flattened(name="flat")(noise)])
    return keras.Model([inputs, noise], Gathered(members, name="gather")(siconc))


def _convolve(x, noise, width: int, *, name: str):
    """Return features after two 3 x 3 convolutions, each normalised and changed by the noise."""
    for k in range(2):
        x = layers.Conv2D(
            width, 3, padding="same", use_bias=False, kernel_initializer="he_normal", name=f"{name}_conv_{k}"
        )(x)
        x = GroupNormalization(groups=width // GROUP, name=f"{name}_norm_{k}")(x)
        x = Modulated(name=f"{name}_noise_{k}")([x, noise])
        x = layers.Activation("silu", name=f"{name}_act_{k}")(x)
    return x


@keras.saving.register_keras_serializable(package="seaice")
class Modulated(layers.Layer):
    """Features x (1 + A z) + B z, with noise z and trained matrices A and B that start at zero.

    inputs: features (batch, y, x, channel) and noise (batch, number). Returns the features' shape.
    """

    def build(self, input_shape):
        """Make the matrices (number, 2 x channel)."""
        features, noise = input_shape
        self.matrix = self.add_weight(shape=(noise[-1], 2 * features[-1]), initializer="zeros", name="matrix")

    def call(self, inputs):
        """Return the features as the noise changes them."""
        features, noise = inputs
        scale, shift = ops.split(ops.matmul(noise, self.matrix)[:, None, None], 2, axis=-1)
        return features * (1 + scale) + shift

    def compute_output_shape(self, input_shape):
        """Return the shape of the features."""
        return input_shape[0]


@keras.saving.register_keras_serializable(package="seaice")
class Repeated(layers.Layer):
    """Each sample as often as it has members, (batch x member, ...)."""

    def __init__(self, members: int, **kwargs):
        super().__init__(**kwargs)
        self.members = members

    def call(self, inputs):
        """Return the samples, the members of one after another."""
        return ops.repeat(inputs, self.members, axis=0)

    def compute_output_shape(self, input_shape):
        """Return the shape of a sample."""
        return input_shape

    def get_config(self) -> dict:
        """Return the arguments that make this layer again."""
        return {**super().get_config(), "members": self.members}


@keras.saving.register_keras_serializable(package="seaice")
class Flattened(layers.Layer):
    """Noise (batch, member, number) as (batch x member, number)."""

    def call(self, inputs):
        """Return the noise, the members of one sample after another."""
        return ops.reshape(inputs, (-1, inputs.shape[-1]))

    def compute_output_shape(self, input_shape):
        """Return the shape of the noise of one member."""
        return (None, input_shape[-1])


@keras.saving.register_keras_serializable(package="seaice")
class Gathered(Repeated):
    """Maps (batch x member, y, x, lead) as (batch, y, x, lead, member)."""

    def call(self, inputs):
        """Return the maps of all members of a sample together."""
        maps = ops.reshape(inputs, (-1, self.members, *inputs.shape[1:]))
        return ops.moveaxis(maps, 1, -1)

    def compute_output_shape(self, input_shape):
        """Return the shape (batch, y, x, lead, member)."""
        return (None, *input_shape[1:], self.members)
