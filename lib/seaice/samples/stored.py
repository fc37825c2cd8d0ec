"""What has a run stored so far? Its stores are opened lazily."""

import math
from collections.abc import Hashable
from pathlib import Path

import xarray as xr

from seaice import paths
from seaice.errors import DataError
from seaice.prepare.ready_store import open_ready

READ_BYTES = 16e6  # most that a task of Dask reads, unless a stored chunk is larger


def ready(run: str) -> xr.Dataset:
    """Open the analysis-ready store of a run; its masks `land` and `active` are in memory.

    Raises DataError if there is none.
    """
    ready = open_ready(paths.ready(run))
    return ready.assign({name: ready[name].load() for name in ("land", "active")})


def statistics(run: str) -> xr.Dataset:
    """Open the statistics that scaled a run's predictors. Raises DataError if there are none."""
    return _open(paths.ready(run), step="02_preprocess", group="statistics")


def baselines(run: str) -> xr.Dataset:
    """Open the forecasts of a run's baselines.

    Variables `sip` and `siconc` (model, init_time, lead_time, y, x), fraction 0..1. Raises
    DataError if there are none.
    """
    return _open(paths.baselines(run), step="03_baselines")


def trees(run: str) -> xr.Dataset:
    """Open the forecasts of the boosted trees, which networks may start from.

    Variable `sip` (init_time, lead_time, y, x), 0..1. Raises DataError if there are none.
    """
    return _open(paths.trees(run), step="03_baselines")


def forecast(run: str) -> xr.Dataset:
    """Open the ensemble forecast of a run, see `forecasts.ensemble`.

    Raises DataError if there is none.
    """
    return _open(paths.forecast(run), step="06_forecast")


def trajectories(run: str) -> xr.Dataset:
    """Open the ensembles of possible ice of a run, see `trajectories.making`.

    Variable `siconc` (init_time, lead_time, trajectory, y, x), fraction 0..1. Raises DataError if
    there are none.
    """
    return _open(paths.trajectories(run), step="13_trajectories")


def _open(path: Path, *, step: str, group: str | None = None) -> xr.Dataset:
    """Open a Zarr store. Raises DataError, naming the notebook that makes it, if there is none."""
    if not path.is_dir():
        raise DataError(f"there is no {path}: run the notebook {step} of this run first")
    stored = xr.open_zarr(path, group=group, consolidated=False, chunks=None)
    chunked = {str(name): da.chunk(_chunks(da)) for name, da in stored.data_vars.items()}
    return stored.assign(chunked)


def _chunks(da: xr.DataArray) -> dict[Hashable, int]:
    """Return the chunks to read a stored variable in: whole stored ones, small ones together.

    A forecast has one initialisation in a chunk. A task of Dask costs more than reading
    such a chunk, so small ones are joined along `init_time`, up to `READ_BYTES`.
    """
    chunks = dict(zip(da.dims, da.encoding["chunks"], strict=True))
    if "init_time" in chunks:
        n = int(READ_BYTES / (math.prod(chunks.values()) * da.dtype.itemsize))
        chunks["init_time"] *= max(1, n)
    return chunks
