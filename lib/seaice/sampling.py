"""Which samples has a run? Its settings of samples, applied to what it has stored."""

import xarray as xr

from seaice import stored
from seaice.channels import FORECASTS
from seaice.samples import Samples
from seaice.sections import Sampling


def of_run(run: str, settings: Sampling, *, ready: xr.Dataset | None = None, target: str = "ice_class") -> Samples:
    """Return the samples of a run.

    ready: its analysis-ready dataset, where that is open already. target: what the networks are to
    learn, "ice_class" or "siconc" (see `samples.Samples`). Raises DataError for a store that is not
    there, and as `samples.Samples` does.
    """
    wanted = {channel.variable for channel in settings.channels}
    forecasts = {name: getattr(stored, name)(run)["sip"] for name in FORECASTS if name in wanted}
    ready = stored.ready(run) if ready is None else ready
    return of_store(ready, settings, target=target, forecasts=forecasts)


def of_store(
    ready: xr.Dataset,
    settings: Sampling,
    *,
    target: str = "ice_class",
    forecasts: dict[str, xr.DataArray] | None = None,
) -> Samples:
    """Return the samples of an analysis-ready dataset, such as that of a climate simulation.

    target, forecasts: see `samples.Samples`.
    """
    options = {"target": target, "missing": settings.missing, "forecasts": forecasts}
    return Samples(ready, settings.table, n_leads=settings.n_leads, **options)
