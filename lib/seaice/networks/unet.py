"""Which network did Andersson et al. 2021 use? Their U-Net, in Keras.

Source: doi:10.1038/s41467-021-25257-4.
"""

import keras
from keras import layers

from seaice.errors import DataError
from seaice.networks import windows
from seaice.networks.shapes import CLASSES, UNET_FILTERS, UNET_HALVINGS


def build(
    shape: tuple[int, int],
    n_channels: int,
    *,
    n_leads: int = 6,
    filters_factor: float = 1.0,
    margins: windows.Margins | None = None,
) -> keras.Model:
    """Return the U-Net, uncompiled.

    It goes from inputs (y, x, channel) to logits (y, x, lead, class), float32.

    shape: cells (y, x), any size. Inputs are padded with zeros at the far edges to a multiple of
    16, and the output is cropped.
    filters_factor: scales the filters of every level. 2.0 is the published network: 43,838,226
        parameters with 50 channels.
    margins: cells that the network does not see, see `windows`; its logits are zero there. None: it
        sees all.
    Weights are drawn by he_normal from Keras's global seed. Raises DataError for sizes or factors
    below their minimum.
    """
    widths = [round(filters * filters_factor) for filters in UNET_FILTERS]
    if min(*shape, n_channels, n_leads, *widths) < 1:
        raise DataError(
            f"no network for shape {shape}, {n_channels} channels, {n_leads} leads and filters {widths}: "
            "all must be >= 1"
        )
    inputs = keras.Input((*shape, n_channels), name="inputs")
    x = windows.cut(inputs, margins)
    window_shape = x.shape[1:3]
    padding = tuple((0, -cells % UNET_HALVINGS) for cells in window_shape)
    x = layers.ZeroPadding2D(padding, name="pad")(x)

    skips = []
    for level, width in enumerate(widths):
        x = _convolve(x, width, times=2, name=f"down_{level}")
        normed = layers.BatchNormalization(name=f"down_{level}_norm")(x)
        # The first skip is taken before its batch normalisation, as in the published network.
        skips.append(x if level == 0 else normed)
        x = layers.MaxPooling2D(name=f"down_{level}_pool")(normed) if level < len(widths) - 1 else normed

    for level in reversed(range(len(widths) - 1)):
        name = f"up_{level}"
        x = layers.UpSampling2D(interpolation="nearest", name=f"{name}_sample")(x)
        x = _convolve(x, widths[level], size=2, name=f"{name}_sample")
        x = layers.Concatenate(name=f"{name}_join")([skips[level], x])
        x = _convolve(x, widths[level], times=2 if level else 3, name=name)
        if level:
            x = layers.BatchNormalization(name=f"{name}_norm")(x)

    x = layers.Cropping2D(padding, name="crop")(x)
    # Each lead has a 1 x 1 head; they are computed as one convolution. It is of float32, so that
    # logits keep their precision in mixed training.
    x = layers.Conv2D(n_leads * CLASSES, 1, kernel_initializer="he_normal", dtype="float32", name="heads")(x)
    logits = layers.Reshape((*window_shape, n_leads, CLASSES), dtype="float32", name="logits")(x)
    return keras.Model(inputs, windows.uncut(logits, margins), name="icenet")


def _convolve(x, width: int, *, times: int = 1, size: int = 3, name: str):
    """Return features after `times` convolutions of `size` x `size` cells, each with ReLU."""
    for k in range(times):
        x = layers.Conv2D(
            width,
            size,
            padding="same",
            activation="relu",
            kernel_initializer="he_normal",
            name=f"{name}_conv_{k}",
        )(x)
    return x
