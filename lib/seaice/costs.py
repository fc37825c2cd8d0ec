"""What would a run take? Numbers of samples, bytes and floating-point operations from the run's parameters alone, in closed form.

Nothing is opened and no TensorFlow imported; `tests/test_costs.py` holds the network's layers against the built one.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from seaice import steps
from seaice.grid import Grid

FILTERS = (64, 128, 256, 256, 512)  # of `unet.FILTERS`, which only Keras can import
CORRECTION_FILTERS, GROUP = (64, 128, 192, 256), 8  # of `correction.FILTERS` and `correction.GROUP`
PRIOR = 6  # weights a lead of `correction.Prior`; one more of `concentration.SiconcPrior`
CLASSES = 3  # of `schema.ICE_CLASSES`
TRAINING = 3  # forward passes that one training step amounts to: one forward, two of the same size for the gradients
FLOAT = 4  # bytes of a float32
EXTENSION = 12  # of `preprocess.EXTENSION`, months past the record for which the store holds the trend
BEFORE = 12  # of `pool.BEFORE`, months known before an initialisation
PRIOR_FIELDS, PRIOR_LEADS = 3, 12  # of `prior.fields`: those along time, and leads of the damping
BASELINES, PHYSICS = (
    6,
    2,
)  # models that `baselines.all_forecasts` writes, and how many more at most where there is a physics-based forecast
FIELDS = 2  # that it writes of each: ice probability and SIC


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
    widths = [round(filters * filters_factor) for filters in FILTERS]
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
        found += [Convolution(cells[level], 3, width, width, normalised=4 if level else 0)] * (1 if level else 2)
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
    """Return the convolutions of a network of `network_kinds.NETWORKS` in its order; arguments as for its `build`."""
    return NETWORKS[network](shape, n_channels, n_leads, filters_factor, siconc_head)


def parameters(
    shape: tuple[int, int], n_channels: int, *, n_leads: int = 6, network: str = "icenet_2021", **options
) -> int:
    """Return the parameters of a network, trainable or not; arguments as for `convolutions`."""
    layers = convolutions(shape, n_channels, n_leads=n_leads, network=network, **options)
    guess = PRIOR + bool(options.get("siconc_head")) if network == "correction" else 0
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


def months(first: str, last: str) -> int:
    """Return the number of months from `first` to `last` ("YYYY-MM"), both included."""
    return int((np.datetime64(last, "M") - np.datetime64(first, "M")).astype(int)) + 1


def n_channels(table: Iterable[Mapping]) -> int:
    """Return the number of channels that a channel table (`channels.ICENET_2021`) stands for."""
    fixed = {"land": 1, "position": 2, "month": 2, "season": 2}
    return sum(fixed.get(row["variable"], row.get("lags") or row.get("leads") or 0) for row in table)


def samples(first: str, last: str, table: Iterable[Mapping]) -> int:
    """Return how many initialisations a simulation of complete months `first` to `last` has: all lags known, and a target.

    They are those of `pool.PooledBatches`, which asks for a year before each.
    """
    lags = max((row.get("lags") or 0 for row in table), default=0)
    return max(0, months(first, last) - max(lags, BEFORE))


def simulated(simulations: Sequence[Mapping], table: Sequence[Mapping]) -> int:
    """Return the number of samples of climate simulations: for every member of every entry those of its months.

    simulations: `{entry, members, start, end}` each, start and end the first and last month of data.
    """
    return sum(len(s["members"]) * samples(s["start"], s["end"], table) for s in simulations)


# From here on of a step, by its parameters merged with those of its run. A KeyError: they do not say.


def training(given: Mapping) -> float:
    """Return the floating-point operations of training one network on observations: every epoch, and none stopped early."""
    splits, epochs = given["splits"], given["epochs"]
    return epochs * _one(given) * (TRAINING * _steps(splits["train"], given) + _steps(splits["validation"], given))


def pretraining(given: Mapping) -> float:
    """Return the floating-point operations of training one network on climate simulations, validation on observations included."""
    n = simulated(given["simulations"] or (), given["channels"])
    looks = n / given["batch_size"] / given["validate_every"] * _steps(given["splits"]["validation"], given)
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


def pretrained_bytes(given: Mapping) -> float:
    """Return the bytes of one pre-trained network; none where the run has no simulations."""
    return network_bytes(given) if given["simulations"] else 0.0


def trees_bytes(given: Mapping) -> float:
    """Return the bytes of the trees' forecasts that networks start from; none where they don't."""
    if "trees" not in [row["variable"] for row in given["channels"]]:
        return 0.0
    return FLOAT * _cells(given) * (_judged(given) + _steps(given["splits"]["train"], given)) * given["n_leads"]


def forecast_bytes(given: Mapping) -> float:
    """Return the bytes of the ensemble's forecast before compression."""
    # Classes of every member and of their mean, the ice probability, and every member's SIC.
    members = len(given["seeds"])
    fields = (members + 1) * CLASSES + 1 + (members if given.get("siconc_head") else 0)
    return FLOAT * _cells(given) * _judged(given) * given["n_leads"] * fields


def baselines_bytes(given: Mapping) -> float:
    """Return the bytes of the baselines' forecasts before compression."""
    models = BASELINES + (PHYSICS if given.get("seasonal") else 0)
    return FLOAT * _cells(given) * _judged(given) * given["n_leads"] * models * FIELDS


def _store(given: Mapping, start: str, end: str) -> float:
    cadence, predictors = given.get("cadence") or "monthly", len(given["sources"]) - 1
    if cadence == "daily":  # whose damping has no month
        n = len(steps.between((start, end), cadence)) + steps.AHEAD[cadence]
        by_time = FLOAT * (2 + PRIOR_FIELDS + predictors) + 1
        return _cells(given) * (n * by_time + 12 * (FLOAT * (1 + predictors) + 1) + FLOAT * steps.AHEAD[cadence])
    n = months(start, end) + EXTENSION
    by_time = FLOAT * (2 + PRIOR_FIELDS + predictors) + 1  # ice, trend, ..., and the flag
    by_month = FLOAT * (1 + PRIOR_LEADS + predictors) + 1  # climatologies, damping, and the active cells
    return _cells(given) * (n * by_time + 12 * by_month)


def _one(given: Mapping) -> int:
    return forward(_shape(given), n_channels(given["channels"]), **_options(given))


def _shape(given: Mapping) -> tuple[int, int]:
    return Grid(given["hemisphere"], given["resolution_km"]).shape


def _cells(given: Mapping) -> int:
    return int(np.prod(_shape(given)))


def _options(given: Mapping) -> dict:
    options = {name: given[name] for name in ("n_leads", "filters_factor")}
    return options | {"network": given.get("network") or "icenet_2021", "siconc_head": bool(given.get("siconc_head"))}


def _judged(given: Mapping) -> int:
    return sum(_steps(given["splits"][name], given) for name in ("validation", "test"))


def _steps(ends: Sequence[str], given: Mapping) -> int:
    """Steps of the run's cadence from the first to the last of a split."""
    return len(steps.between(ends, given.get("cadence") or "monthly"))
