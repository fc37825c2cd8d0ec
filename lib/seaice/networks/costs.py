"""What does a network cost? Its parameters, floating-point operations and memory, in closed form.

Nothing is built and Keras is not imported. `tests/networks/test_costs.py` compares the layers here
with those of the networks.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from seaice.networks.shapes import BLEND, CLASSES, CORRECTION_FILTERS, GROUP, UNET_FILTERS

# Work of one training step in forward passes: one forward, and two of the same size for gradients.
TRAINING = 3
FLOAT = 4  # bytes of a float32
# Tensors that each 3 x 3 convolution keeps for the gradients: its result, the normalised one and
# the activated one.
KEPT = 3
# Values per cell and lead around the loss: heads, first guess, their sum, log-probabilities and
# one-hot truth, as many gradients, and 6 for SIC.
AT_LOSS = 2 * 5 * CLASSES + 6
TRUTH = 2  # targets and weights per cell and lead


class Convolution(NamedTuple):
    """One convolution.

    cells: number of cells that it is computed for. side: of its kernel. n_in, n_out: channels.
    biased: whether it has a bias. normalised: parameters per channel of the normalisation after it.
    """

    cells: int
    side: int
    n_in: int
    n_out: int
    biased: bool = True
    normalised: int = 0

    @property
    def flops(self) -> int:
        """Floating-point operations for one sample: a product and a sum per weight and cell."""
        return 2 * self.cells * self.side**2 * self.n_in * self.n_out

    @property
    def parameters(self) -> int:
        """Weights and biases, including those of the normalisation after it."""
        return (self.side**2 * self.n_in + self.biased + self.normalised) * self.n_out


def icenet_2021(
    shape: tuple[int, int], n_channels: int, n_leads: int, filters_factor: float, siconc_head: bool = False
) -> list[Convolution]:
    """Return the convolutions of `unet.build` in its order.

    Batch normalisation has four parameters per channel. siconc_head is ignored: this network has
    none.
    """
    widths = [round(filters * filters_factor) for filters in UNET_FILTERS]
    cells = _cells_by_level(shape, len(widths))
    layers, n_in = [], n_channels
    for level, width in enumerate(widths):
        layers += [
            Convolution(cells[level], 3, n_in, width),
            Convolution(cells[level], 3, width, width, normalised=4),
        ]
        n_in = width
    for level in reversed(range(len(widths) - 1)):
        width = widths[level]
        layers += [Convolution(cells[level], 2, n_in, width), Convolution(cells[level], 3, 2 * width, width)]
        layers += [Convolution(cells[level], 3, width, width, normalised=4 if level else 0)] * (
            1 if level else 2
        )
        n_in = width
    return [*layers, Convolution(int(np.prod(shape)), 1, n_in, n_leads * CLASSES)]


def correction(
    shape: tuple[int, int], n_channels: int, n_leads: int, filters_factor: float, siconc_head: bool = False
) -> list[Convolution]:
    """Return the convolutions of `correction.build` in its order.

    Group normalisation has two parameters per channel.
    """
    widths = [round(filters * filters_factor / GROUP) * GROUP for filters in CORRECTION_FILTERS]
    cells = _cells_by_level(shape, len(widths))
    levels = [(level, n) for level, n in enumerate((n_channels, *widths[:-1]))]
    levels += [(level, widths[level + 1] + widths[level]) for level in reversed(range(len(widths) - 1))]
    layers = [
        Convolution(cells[level], 3, n, widths[level], biased=False, normalised=2)
        for level, n_in in levels
        for n in (n_in, widths[level])
    ]
    heads = [n_leads] * siconc_head + [n_leads * CLASSES]
    return [*layers, *(Convolution(int(np.prod(shape)), 1, widths[0], n) for n in heads)]


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
    """Return the convolutions of a network of `kinds.NETWORKS` in its order.

    The arguments are as for its `build`.
    """
    return NETWORKS[network](shape, n_channels, n_leads, filters_factor, siconc_head)


def parameters(
    shape: tuple[int, int], n_channels: int, *, n_leads: int = 6, network: str = "icenet_2021", **options
) -> int:
    """Return the number of parameters of a network, trainable or not.

    The arguments are as for `convolutions`.
    """
    layers = convolutions(shape, n_channels, n_leads=n_leads, network=network, **options)
    guess = sum(map(len, BLEND)) + bool(options.get("siconc_head")) if network == "correction" else 0
    return sum(layer.parameters for layer in layers) + guess * n_leads


def forward(shape: tuple[int, int], n_channels: int, **options) -> int:
    """Return the floating-point operations of one forward pass of one sample.

    Only convolutions count: the rest is below one percent. The arguments are as for `convolutions`.
    """
    return sum(layer.flops for layer in convolutions(shape, n_channels, **options))


def moved(shape: tuple[int, int], n_channels: int, *, size: int = FLOAT, **options) -> int:
    """Return the least number of bytes that the convolutions of one forward pass read and write.

    Inputs, outputs and weights count once each. size: bytes of a value. Other arguments are as for
    `convolutions`.
    """
    layers = convolutions(shape, n_channels, **options)
    return size * sum(layer.cells * (layer.n_in + layer.n_out) + layer.parameters for layer in layers)


def _cells_by_level(shape: tuple[int, int], n_levels: int) -> list[int]:
    """Return the number of cells on each level of a U-Net.

    Its input is padded so that it can be halved.
    """
    area = int(np.prod([cells + -cells % 2 ** (n_levels - 1) for cells in shape]))
    return [area // 4**level for level in range(n_levels)]


def training_bytes(
    shape: tuple[int, int], n_channels: int, *, n_leads: int, filters_factor: float, samples: int = 1
) -> int:
    """Return the bytes held for one training step of the network that corrects a first guess.

    The network forecasts SIC, too. The sum has the inputs (twice: as read, and scaled), what the
    convolutions and the joins of the U-Net keep, and what is held at the loss.
    samples: number of samples in the step.
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
    """Return memory and work of one sample, with leads as outputs and with the lead as an input.

    As outputs, all leads are computed at once; as an input, one pass is made for each lead.
    Columns: channels, parameters, forward (GFLOP, all leads), step (GFLOP, one training step of all
    leads), memory (GB, one step of one sample) and, if `speed` (GFLOP/s) is given, seconds for a
    step.
    lags: days of SIC that the network sees.
    The channels are the lags, the last anomaly, land, and trend and damping: of every lead as
    outputs, and of one lead, with the lead itself, as an input.
    """
    rows = {}
    for name, leads_a_pass, passes in (("output", n_leads, 1), ("input", 1, n_leads)):
        n_channels = lags + 2 + 2 * leads_a_pass + (name == "input")
        options = {"n_leads": leads_a_pass, "filters_factor": filters_factor}
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
