"""What would a run take? Numbers of samples, bytes and floating-point operations from the run's parameters alone, in closed form.

Nothing is opened and no TensorFlow imported; `tests/test_costs.py` holds the network's layers against the built one.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from seaice.grid import Grid

FILTERS = (64, 128, 256, 256, 512)  # of `unet.FILTERS`, which only Keras can import
HALVINGS = 2 ** (len(FILTERS) - 1)  # of `unet.HALVINGS`
CLASSES = 3  # of `schema.ICE_CLASSES`
TRAINING = 3  # forward passes that one training step amounts to: one forward, two of the same size for the gradients
FLOAT = 4  # bytes of a float32
EXTENSION = 12  # of `preprocess.EXTENSION`, months past the record for which the store holds the trend
BASELINES = 8  # models that `baselines.all` writes at most


class Convolution(NamedTuple):
    """One convolution: cells that it is computed for, its kernel's side, channels in and out."""

    cells: int
    side: int
    n_in: int
    n_out: int

    @property
    def flops(self) -> int:
        """Floating-point operations of one sample: a product and a sum for every weight and cell."""
        return 2 * self.cells * self.side**2 * self.n_in * self.n_out

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return (self.side**2 * self.n_in + 1) * self.n_out


def convolutions(
    shape: tuple[int, int], n_channels: int, *, n_leads: int = 6, filters_factor: float = 1.0
) -> list[Convolution]:
    """Return the convolutions of `unet.build` in its order; arguments as there."""
    widths = [round(filters * filters_factor) for filters in FILTERS]
    area = int(np.prod([cells + -cells % HALVINGS for cells in shape]))
    cells = [area // 4**level for level in range(len(widths))]
    found, n_in = [], n_channels
    for level, width in enumerate(widths):
        found += [Convolution(cells[level], 3, n, width) for n in (n_in, width)]
        n_in = width
    for level in reversed(range(len(widths) - 1)):
        width = widths[level]
        found.append(Convolution(cells[level], 2, n_in, width))
        found += [Convolution(cells[level], 3, n, width) for n in (2 * width, width, width)[: 2 if level else 3]]
        n_in = width
    return [*found, Convolution(int(np.prod(shape)), 1, n_in, n_leads * CLASSES)]


def parameters(shape: tuple[int, int], n_channels: int, **options) -> int:
    """Return the parameters of `unet.build`, those of batch normalisation (4 a filter) included."""
    layers = convolutions(shape, n_channels, **options)
    normalised = [layer.n_out for layer in layers[1 : 2 * len(FILTERS) : 2]]
    normalised += normalised[1 : len(FILTERS) - 1]  # on the way up: every level but the last
    return sum(layer.parameters for layer in layers) + 4 * sum(normalised)


def forward(shape: tuple[int, int], n_channels: int, **options) -> int:
    """Return the floating-point operations of one forward pass of one sample; arguments as for `unet.build`.

    Only convolutions count: the rest is below one percent.
    """
    return sum(layer.flops for layer in convolutions(shape, n_channels, **options))


def months(first: str, last: str) -> int:
    """Return the number of months from `first` to `last` ("YYYY-MM"), both included."""
    return int((np.datetime64(last, "M") - np.datetime64(first, "M")).astype(int)) + 1


def n_channels(table: Iterable[Mapping]) -> int:
    """Return the number of channels that a channel table (`channels.ICENET_2021`) stands for."""
    fixed = {"land": 1, "month": 2}
    return sum(fixed.get(row["variable"], row.get("lags") or row.get("leads") or 0) for row in table)


def samples(first: str, last: str, table: Iterable[Mapping], *, n_leads: int) -> int:
    """Return how many initialisations a record of complete months `first` to `last` has: those with all lags and all targets."""
    lags = max((row.get("lags") or 0 for row in table), default=0)
    return max(0, months(first, last) - lags - (n_leads - 1))


def simulated(simulations: Sequence[Mapping], table: Sequence[Mapping], *, n_leads: int) -> int:
    """Return the number of samples of climate simulations: for every member of every entry those of its months.

    simulations: `{entry, members, start, end}` each, start and end the first and last month of data.
    """
    return sum(len(s["members"]) * samples(s["start"], s["end"], table, n_leads=n_leads) for s in simulations)


# From here on of a step, by its parameters merged with those of its run. A KeyError: they do not say.


def training(given: Mapping) -> float:
    """Return the floating-point operations of training one network on observations: every epoch, and none stopped early."""
    splits, epochs = given["splits"], given["epochs"]
    return epochs * _one(given) * (TRAINING * months(*splits["train"]) + months(*splits["validation"]))


def pretraining(given: Mapping) -> float:
    """Return the floating-point operations of training one network on climate simulations, validation on observations included."""
    n = simulated(given["simulations"] or (), given["channels"], n_leads=given["n_leads"])
    looks = n / given["batch_size"] / given["validate_every"] * months(*given["splits"]["validation"])
    return given["pretrain_epochs"] * _one(given) * (TRAINING * n + looks)


def forecasting(given: Mapping) -> float:
    """Return the floating-point operations of the ensemble's forecasts, every member of every initialisation judged."""
    return len(given["seeds"]) * _judged(given) * _one(given)


def ready_bytes(given: Mapping) -> float:
    """Return the bytes of the analysis-ready store before compression."""
    return _store(given, given["start"], given["end"])


def simulation_bytes(given: Mapping) -> float:
    """Return the bytes of the analysis-ready stores of all simulation members before compression."""
    return sum(len(s["members"]) * _store(given, s["start"], s["end"]) for s in given["simulations"] or ())


def network_bytes(given: Mapping) -> float:
    """Return the bytes of one trained network."""
    return FLOAT * parameters(_shape(given), n_channels(given["channels"]), **_options(given))


def forecast_bytes(given: Mapping) -> float:
    """Return the bytes of the ensemble's forecast before compression."""
    return FLOAT * _cells(given) * _judged(given) * given["n_leads"] * (len(given["seeds"]) * CLASSES + 1)


def baselines_bytes(given: Mapping) -> float:
    """Return the bytes of the baselines' forecasts before compression."""
    return FLOAT * _cells(given) * _judged(given) * given["n_leads"] * BASELINES


def _store(given: Mapping, start: str, end: str) -> float:
    steps, predictors = months(start, end) + EXTENSION, len(given["sources"]) - 1
    return _cells(given) * (steps * (FLOAT * (2 + predictors) + 1) + 12 * (FLOAT * (1 + predictors) + 1))


def _one(given: Mapping) -> int:
    return forward(_shape(given), n_channels(given["channels"]), **_options(given))


def _shape(given: Mapping) -> tuple[int, int]:
    return Grid(given["hemisphere"], given["resolution_km"]).shape


def _cells(given: Mapping) -> int:
    return int(np.prod(_shape(given)))


def _options(given: Mapping) -> dict:
    return {"n_leads": given["n_leads"], "filters_factor": given["filters_factor"]}


def _judged(given: Mapping) -> int:
    return sum(months(*given["splits"][name]) for name in ("validation", "test"))
