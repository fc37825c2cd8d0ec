"""What would a run take? Numbers of samples, bytes and floating-point operations.

They are computed from the settings of the run alone: nothing is opened, and Keras is not
imported. Functions of a run need its sections `data`, `samples` and `forecast`.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from seaice.baselines import trees
from seaice.baselines.simple import SIMPLE
from seaice.baselines.store import MOST_PHYSICS
from seaice.config.runfile import Run
from seaice.config.values import Simulation
from seaice.networks.costs import FLOAT, TRAINING, forward, parameters
from seaice.networks.shapes import CLASSES
from seaice.prepare import prior
from seaice.samples.splits import BEFORE
from seaice.steps import AHEAD, between

TREE_NODE = 62  # bytes of a node of a kept tree, measured
BASELINE_FIELDS = 2  # fields of a written baseline: ice probability and SIC
ALONG_TIME = len(prior.FIELDS) - 1  # fields along time: all but the damping, by month and lead


def months(first: str, last: str) -> int:
    """Return the number of months from `first` to `last` ("YYYY-MM"), both included."""
    return int((np.datetime64(last, "M") - np.datetime64(first, "M")).astype(int)) + 1


def n_channels(table: Iterable[Mapping]) -> int:
    """Return the number of channels of a channel table (see `channels.ICENET_2021`)."""
    fixed = {"land": 1, "position": 2, "month": 2, "season": 2}
    return sum(fixed.get(row["variable"], row.get("lags") or row.get("leads") or 0) for row in table)


def samples(first: str, last: str, table: Iterable[Mapping]) -> int:
    """Return the number of initialisations of a simulation with complete months `first` to `last`.

    An initialisation needs all its lags and a target. As in `pool.PooledBatches`, it also needs a
    year of data before it.
    """
    lags = max((row.get("lags") or 0 for row in table), default=0)
    return max(0, months(first, last) - max(lags, BEFORE))


def simulated(simulations: Iterable[Simulation], table: Sequence[Mapping]) -> int:
    """Return the number of samples of climate simulations, summed over all their members."""
    return sum(len(s.members) * samples(s.start, s.end, table) for s in simulations)


def training(run: Run) -> float:
    """Return the floating-point operations that train one network on observations.

    They are those of all epochs: no early stopping.
    """
    splits = run.samples.splits
    return (
        run.training.epochs
        * _forward_pass(run)
        * (TRAINING * _steps(splits.train, run) + _steps(splits.validation, run))
    )


def pretraining(run: Run) -> float:
    """Return the floating-point operations that train one network on climate simulations.

    Validation on observations is included.
    """
    if run.pretraining is None:
        return 0.0
    n, batches = simulated(run.data.simulations, run.samples.table), run.pretraining.validate_every
    epoch = n / run.pretraining.batch_size
    validated = epoch / (batches or epoch) * _steps(run.samples.splits.validation, run)
    return run.pretraining.epochs * _forward_pass(run) * (TRAINING * n + validated)


def forecasting(run: Run) -> float:
    """Return the floating-point operations of the ensemble's forecasts.

    Every member forecasts every initialisation of the validation and test years.
    """
    return len(run.forecast.seeds) * _judged(run) * _forward_pass(run)


def ready_bytes(run: Run) -> float:
    """Return the bytes of the analysis-ready store before compression."""
    return _store(run, run.data.start, run.data.end)


def simulation_bytes(run: Run) -> float:
    """Return the bytes of the analysis-ready stores of all simulations before compression."""
    return sum(len(s.members) * _store(run, s.start, s.end) for s in run.data.simulations or ())


def network_bytes(run: Run) -> float:
    """Return the bytes of one trained network."""
    return FLOAT * parameters(run.data.grid.shape, n_channels(run.samples.table), **_options(run))


def pretrained_bytes(run: Run) -> float:
    """Return the bytes of one pre-trained network; 0 if the run has no simulations."""
    return network_bytes(run) if run.data.simulations else 0.0


def trees_bytes(run: Run) -> float:
    """Return the bytes of the trees' forecasts that networks start from; 0 if they do not."""
    if "trees" not in [channel.variable for channel in run.samples.channels]:
        return 0.0
    return FLOAT * _cells(run) * (_judged(run) + _steps(run.samples.splits.train, run)) * run.samples.n_leads


def forecast_bytes(run: Run) -> float:
    """Return the bytes of the ensemble's forecast before compression."""
    # Classes of every member and of their mean, the ice probability, and every member's SIC.
    members = len(run.forecast.seeds)
    fields = (members + 1) * CLASSES + 1 + (members if run.training.siconc_head else 0)
    return FLOAT * _cells(run) * _judged(run) * run.samples.n_leads * fields


def baselines_bytes(run: Run) -> float:
    """Return the bytes of the baselines' forecasts before compression."""
    of_trees = len(trees.models(run.data.cadence, run.boosting))
    physics = (MOST_PHYSICS if run.data.seasonal else 0) + (run.data.limit is not None)
    models = len(SIMPLE) + of_trees + physics
    return FLOAT * _cells(run) * _judged(run) * run.samples.n_leads * models * BASELINE_FIELDS


def classifiers_bytes(run: Run) -> float:
    """Return the bytes of the fitted trees, one classifier for each lead that has trees."""
    n_leads = run.samples.n_leads
    if run.data.cadence == "daily":
        n_leads = sum(lead <= n_leads for lead in trees.LEADS_OF_DAYS)
    nodes = trees.SETTINGS["max_iter"] * (2 * trees.SETTINGS["max_leaf_nodes"] - 1)
    return len(trees.models(run.data.cadence, run.boosting)) * n_leads * nodes * TREE_NODE


def trajectories_bytes(run: Run) -> float:
    """Return the bytes of the trajectories before compression."""
    settings = run.trajectories
    sizes = [_steps(ends, run) for ends in (run.samples.splits.validation, run.samples.splits.test)]
    judged = sum(min(size, settings.inits or size) for size in sizes)
    return FLOAT / 2 * _cells(run) * judged * run.samples.n_leads * settings.members


def generator_bytes(run: Run) -> float:
    """Return about the bytes of the network that draws trajectories; 0 if the run has none."""
    if run.trajectories.generator is None:
        return 0.0
    options = {"network": "correction", "siconc_head": True, "n_leads": run.samples.n_leads}
    options["filters_factor"] = run.trajectories.generator.filters_factor
    return FLOAT * parameters(run.data.grid.shape, n_channels(run.samples.table), **options)


def _store(run: Run, start: str, end: str) -> float:
    """Return the bytes of an analysis-ready store of months `start` to `end` before compression."""
    cadence, predictors = run.data.cadence, len(run.data.sources) - 1
    if cadence == "daily":  # its damping does not depend on the month
        n = len(between((start, end), cadence)) + AHEAD[cadence]
        by_time = FLOAT * (2 + ALONG_TIME + predictors) + 1
        return _cells(run) * (n * by_time + 12 * (FLOAT * (1 + predictors) + 1) + FLOAT * AHEAD[cadence])
    n = months(start, end) + AHEAD["monthly"]
    by_time = FLOAT * (2 + ALONG_TIME + predictors) + 1  # ice, trend, ..., and the flag
    by_month = FLOAT * (1 + AHEAD["monthly"] + predictors) + 1  # climatologies, damping, and the active cells
    return _cells(run) * (n * by_time + 12 * by_month)


def _forward_pass(run: Run) -> int:
    """Return the floating-point operations of one forward pass of one network."""
    return forward(run.data.grid.shape, n_channels(run.samples.table), **_options(run))


def _cells(run: Run) -> int:
    """Return the number of cells of the map."""
    return int(np.prod(run.data.grid.shape))


def _options(run: Run) -> dict:
    """Return the options of a network that its size depends on."""
    return {
        "n_leads": run.samples.n_leads,
        "filters_factor": run.training.filters_factor,
        "network": run.training.network,
        "siconc_head": run.training.siconc_head,
    }


def _judged(run: Run) -> int:
    """Return the number of initialisations in the validation and test years."""
    return sum(_steps(ends, run) for ends in (run.samples.splits.validation, run.samples.splits.test))


def _steps(ends: Sequence[str], run: Run) -> int:
    """Return the number of the run's time steps in a split."""
    return len(between(ends, run.data.cadence))
