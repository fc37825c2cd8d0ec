"""What does a network take? Its parameters, floating-point operations and memory, in closed form.

Nothing is built and no Keras imported; `tests/networks/test_costs.py` holds the layers against those of the built networks.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from seaice.networks.shapes import BLEND, CLASSES, CORRECTION_FILTERS, GROUP, UNET_FILTERS

TRAINING = (
    3  # forward passes that one training step amounts to: one forward, two of the same size for the gradients
)
FLOAT = 4  # bytes of a float32
KEPT = 3  # tensors that each 3 x 3 convolution leaves for the gradients: its own result, the normalised one, the activated one
# Values a cell and lead around the loss: heads, first guess, their sum, log-probabilities, one-hot truth, and as many gradients; SIC's.
AT_LOSS = 2 * 5 * CLASSES + 6
TRUTH = 2  # targets and weights, a cell and lead


class Convolution(NamedTuple):
    """One convolution: cells that it is computed for, its kernel's side, channels in and out, normalised channels after it."""

    cells: int
    side: int
    n_in: int
    n_out: int
    biased: bool = True
    normalised: int = 0  # parameters of the normalisation that follows, a channel

    @property
    def flops(self) -> int:
        """Floating-point operations of one sample: a product and a sum for every weight and cell."""
        return 2 * self.cells * self.side**2 * self.n_in * self.n_out

    @property
    def parameters(self) -> int:
        """Weights and biases, those of the normalisation after it included."""
        return (self.side**2 * self.n_in + self.biased + self.normalised) * self.n_out


def icenet_2021(
    shape: tuple[int, int], n_channels: int, n_leads: int, filters_factor: float, siconc_head: bool = False
) -> list[Convolution]:
    """Return the convolutions of `unet.build`, which knows no SIC, in its order; batch normalisation has four parameters a channel."""
    widths = [round(filters * filters_factor) for filters in UNET_FILTERS]
    cells = _cells_by_level(shape, len(widths))
    found, n_in = [], n_channels
    for level, width in enumerate(widths):
        found += [
            Convolution(cells[level], 3, n_in, width),
            Convolution(cells[level], 3, width, width, normalised=4),
        ]
        n_in = width
    for level in reversed(range(len(widths) - 1)):
        width = widths[level]
        found += [Convolution(cells[level], 2, n_in, width), Convolution(cells[level], 3, 2 * width, width)]
        found += [Convolution(cells[level], 3, width, width, normalised=4 if level else 0)] * (
            1 if level else 2
        )
        n_in = width
    return [*found, Convolution(int(np.prod(shape)), 1, n_in, n_leads * CLASSES)]


def correction(
    shape: tuple[int, int], n_channels: int, n_leads: int, filters_factor: float, siconc_head: bool = False
) -> list[Convolution]:
    """Return the convolutions of `correction.build` in its order; group normalisation has two parameters a channel."""
    widths = [round(filters * filters_factor / GROUP) * GROUP for filters in CORRECTION_FILTERS]
    cells = _cells_by_level(shape, len(widths))
    levels = [(level, n) for level, n in enumerate((n_channels, *widths[:-1]))]
    levels += [(level, widths[level + 1] + widths[level]) for level in reversed(range(len(widths) - 1))]
    found = [
        Convolution(cells[level], 3, n, widths[level], biased=False, normalised=2)
        for level, n_in in levels
        for n in (n_in, widths[level])
    ]
    heads = [n_leads] * siconc_head + [n_leads * CLASSES]
    return [*found, *(Convolution(int(np.prod(shape)), 1, widths[0], n) for n in heads)]


NETWORKS = {"icenet_2021": icenet_2021, "correction": correction}


def convolutions(
    shape: tuple[int, int],
    n_channels: int,
    *,
    n_leads: int = 6,
    filters_factor: float = 1.0,
    network: str = "icenet_2021",
    siconc_head: bool = False,
) -> list[Convolution]:
    """Return the convolutions of a network of `kinds.NETWORKS` in its order; arguments as for its `build`."""
    return NETWORKS[network](shape, n_channels, n_leads, filters_factor, siconc_head)


def parameters(
    shape: tuple[int, int], n_channels: int, *, n_leads: int = 6, network: str = "icenet_2021", **options
) -> int:
    """Return the parameters of a network, trainable or not; arguments as for `convolutions`."""
    layers = convolutions(shape, n_channels, n_leads=n_leads, network=network, **options)
    guess = sum(map(len, BLEND)) + bool(options.get("siconc_head")) if network == "correction" else 0
    return sum(layer.parameters for layer in layers) + guess * n_leads


def forward(shape: tuple[int, int], n_channels: int, **options) -> int:
    """Return the floating-point operations of one forward pass of one sample; arguments as for `convolutions`.

    Only convolutions count: the rest is below one percent.
    """
    return sum(layer.flops for layer in convolutions(shape, n_channels, **options))


def moved(shape: tuple[int, int], n_channels: int, *, size: int = FLOAT, **options) -> int:
    """Return the bytes that the convolutions of one forward pass read and write at least: inputs, outputs and weights, once each.

    size: bytes of a value. Other arguments as for `convolutions`.
    """
    layers = convolutions(shape, n_channels, **options)
    return size * sum(layer.cells * (layer.n_in + layer.n_out) + layer.parameters for layer in layers)


def _cells_by_level(shape: tuple[int, int], n_levels: int) -> list[int]:
    """Cells of each level of a U-Net, its input being padded so that it can be halved."""
    area = int(np.prod([cells + -cells % 2 ** (n_levels - 1) for cells in shape]))
    return [area // 4**level for level in range(n_levels)]


def training_bytes(
    shape: tuple[int, int], n_channels: int, *, n_leads: int, filters_factor: float, samples: int = 1
) -> int:
    """Bytes held for one training step of `samples` samples of the network that corrects a first guess and forecasts SIC.

    Inputs (twice: as read, and scaled), what the convolutions and the joins of the U-Net keep, and what is held at the loss.
    """
    options = {
        "n_leads": n_leads,
        "filters_factor": filters_factor,
        "network": "correction",
        "siconc_head": True,
    }
    layers = [layer for layer in convolutions(shape, n_channels, **options) if layer.side > 1]
    trunk = sum(
        layer.cells * (KEPT * layer.n_out + (layer.n_in != layer.n_out) * layer.n_in) for layer in layers
    )
    cells = int(np.prod(shape))
    return FLOAT * samples * (trunk + cells * (2 * n_channels + n_leads * (AT_LOSS + TRUTH)))


def leads_table(
    shape: tuple[int, int],
    *,
    n_leads: int,
    lags: int = 7,
    filters_factor: float = 0.25,
    speed: float | None = None,
) -> pd.DataFrame:
    """Memory and work of one sample with leads as outputs (all at once) and as an input (one pass a lead).

    Columns channels, parameters, forward (GFLOP, of all leads), step (GFLOP, of one training step of all leads), memory (GB, of a step
    of one sample), and seconds a step at `speed` GFLOP/s where it is given. lags: days of SIC known to the network.
    As outputs the channels are the lags, the last anomaly, land, and trend and damping of every lead; as an input those of one
    lead, and the lead.
    """
    rows = {}
    for name, own, passes in (("output", n_leads, 1), ("input", 1, n_leads)):
        n_channels = lags + 2 + 2 * own + (name == "input")
        options = {"n_leads": own, "filters_factor": filters_factor}
        network = {"network": "correction", "siconc_head": True}
        work = passes * forward(shape, n_channels, **options, **network) / 1e9
        rows[name] = {
            "channels": n_channels,
            "parameters": parameters(shape, n_channels, **options, **network),
            "forward": work,
            "step": TRAINING * work,
            "memory": training_bytes(shape, n_channels, **options) / 1e9,
        }
        if speed is not None:
            rows[name]["seconds"] = rows[name]["step"] / speed
    return pd.DataFrame(rows).T.rename_axis("leads as")
