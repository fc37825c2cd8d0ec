"""What has a run made so far? Its stores, opened lazily."""

from pathlib import Path

import xarray as xr

from seaice import paths
from seaice.errors import DataError
from seaice.prepare.ready_store import open_ready


def ready(run: str) -> xr.Dataset:
    """Open the analysis-ready store of a run. Raises DataError where there is none."""
    return open_ready(paths.ready(run))


def statistics(run: str) -> xr.Dataset:
    """Open the statistics that a run's predictors were scaled with. Raises DataError where there are none."""
    return _opened(paths.ready(run), step="02_preprocess", group="statistics")


def baselines(run: str) -> xr.Dataset:
    """Open the forecasts of a run without networks, `sip` and `siconc` (model, init_time, lead_time, y, x).

    Raises DataError where there are none.
    """
    return _opened(paths.baselines(run), step="03_baselines")


def trees(run: str) -> xr.Dataset:
    """Open the forecasts of the boosted trees, `sip` (init_time, lead_time, y, x), that networks may start from.

    Raises DataError where there are none.
    """
    return _opened(paths.trees(run), step="03_baselines")


def forecast(run: str) -> xr.Dataset:
    """Open the ensemble's forecast of a run (see `forecast.ensemble`). Raises DataError where there is none."""
    return _opened(paths.forecast(run), step="06_forecast")


def _opened(path: Path, *, step: str, group: str | None = None) -> xr.Dataset:
    if not path.is_dir():
        raise DataError(f"there is no {path}: run the notebook {step} of this run first")
    return xr.open_zarr(path, group=group, consolidated=False)
