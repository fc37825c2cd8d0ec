"""What would a run take? Numbers of samples, bytes and floating-point operations from the run's parameters alone, in closed form.

Nothing is opened and no Keras imported. Functions of `given` take the parameters of a step merged with those of its run, and
raise KeyError where these do not say.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from seaice import prior
from seaice.baselines import SIMPLE
from seaice.baselines_store import MOST_PHYSICS, TREES
from seaice.costs import FLOAT, TRAINING, forward, parameters
from seaice.grid import Grid
from seaice.shapes import CLASSES
from seaice.splits import BEFORE
from seaice.steps import AHEAD, between

BASELINE_FIELDS = 2  # that baselines are written with: ice probability and SIC
ALONG_TIME = len(prior.FIELDS) - 1  # all but the damping, which has leads and months


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
    models = len(SIMPLE) + TREES + (MOST_PHYSICS if given.get("seasonal") else 0)
    return FLOAT * _cells(given) * _judged(given) * given["n_leads"] * models * BASELINE_FIELDS


def _store(given: Mapping, start: str, end: str) -> float:
    cadence, predictors = given.get("cadence") or "monthly", len(given["sources"]) - 1
    if cadence == "daily":  # whose damping has no month
        n = len(between((start, end), cadence)) + AHEAD[cadence]
        by_time = FLOAT * (2 + ALONG_TIME + predictors) + 1
        return _cells(given) * (n * by_time + 12 * (FLOAT * (1 + predictors) + 1) + FLOAT * AHEAD[cadence])
    n = months(start, end) + AHEAD["monthly"]
    by_time = FLOAT * (2 + ALONG_TIME + predictors) + 1  # ice, trend, ..., and the flag
    by_month = FLOAT * (1 + AHEAD["monthly"] + predictors) + 1  # climatologies, damping, and the active cells
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
    return len(between(ends, given.get("cadence") or "monthly"))
