"""Which samples has a run? Its settings of samples are applied to the data that it has stored."""

import xarray as xr

from seaice.config.sections import Sampling
from seaice.samples import stored
from seaice.samples.assembly import Samples
from seaice.samples.channels import FORECASTS
from seaice.samples.splits import BEFORE
from seaice.steps import between, cadence


def of_run(
    run: str, settings: Sampling, *, ready: xr.Dataset | None = None, target: str = "ice_class"
) -> Samples:
    """Return the samples of a run.

    ready: its analysis-ready dataset, if it is open already. target: what the networks learn,
    "ice_class" or "siconc" (see `assembly.Samples`). Raises DataError for a store that is missing,
    and as `assembly.Samples` does.
    """
    variables = {channel.variable for channel in settings.channels}
    forecasts = {name: getattr(stored, name)(run)["sip"] for name in FORECASTS if name in variables}
    ready = stored.ready(run) if ready is None else ready
    return of_store(ready, settings, target=target, forecasts=forecasts)


def of_split(run: str, settings: Sampling, split: str) -> Samples:
    """Return the samples of one split of a run.

    Only the time steps that its initialisations need are held in memory: their lags, at least
    `BEFORE` months, and their targets. Raises DataError as `of_run` does.
    """
    ready, ends = stored.ready(run), settings.splits.ranges[split]
    lags = max([BEFORE, *(channel.lags or 0 for channel in settings.channels)])
    steps = between(ends, cadence(ready))
    # An end outside the record is moved into it here, and refused by `splits.split`.
    first, last = ready.indexes["time"].get_indexer([steps[0], steps[-1]], method="nearest")
    needed = slice(max(0, first - lags), last + settings.n_leads)
    return of_run(run, settings, ready=ready.isel(time=needed))


def of_store(
    ready: xr.Dataset,
    settings: Sampling,
    *,
    target: str = "ice_class",
    forecasts: dict[str, xr.DataArray] | None = None,
) -> Samples:
    """Return the samples of an analysis-ready dataset, such as that of a climate simulation.

    target, forecasts: see `assembly.Samples`.
    """
    options = {"target": target, "missing": settings.missing, "forecasts": forecasts}
    return Samples(ready, settings.table, n_leads=settings.n_leads, **options)
