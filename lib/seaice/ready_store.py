"""How does the analysis-ready store come to its place once and whole? Written aside in chunks of maps, then renamed."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import xarray as xr

from seaice.grid import Grid
from seaice.schema import DataError

CHUNK_BYTES = 1e6  # bytes, aim for a chunk in the store
OLD = "old"  # end of the name of a store that is moved aside
MOST_STEPS = 12  # time steps in a chunk
BLOCK_BYTES = (
    16e6  # bytes of a variable worked on at once while writing: many chunks, as each task costs its scheduling
)


def open_ready(path: Path) -> xr.Dataset:
    """Open an analysis-ready store lazily. Raises DataError when it has not been written."""
    _put_back(path)
    if not path.is_dir():
        raise DataError(f"no analysis-ready data at {path}: run the preprocessing notebook of this run first")
    return xr.open_zarr(path, consolidated=False)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A hidden place for a store that becomes `path` if all goes well; what killed processes left of others is removed.

    An older store is moved aside for it and deleted after: whenever the process is killed, one of the two is there whole.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    building = path.with_name(f".{path.name}-{os.getpid()}")
    old = beside(building, OLD)
    try:
        yield building
        if path.exists():
            path.rename(old)
        try:
            building.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise
    finally:
        _sweep(path)


def _sweep(path: Path) -> None:
    """Remove the unfinished stores of `path` that are this process's or no living one's; one that was moved aside goes back first."""
    _put_back(path)
    for leftover in _left(path):
        if leftover.name.endswith(f"-{OLD}"):  # a kill from here on must not leave a half of it to be put back
            leftover = leftover.rename(leftover.with_name(leftover.name.removesuffix(OLD) + "gone"))
        shutil.rmtree(leftover, ignore_errors=True)


def _put_back(path: Path) -> None:
    """Put back a whole store that a killed process had moved aside for one that did not come."""
    for leftover in () if path.exists() else _left(path):
        if leftover.name.endswith(f"-{OLD}"):
            leftover.rename(path)
            return


def _left(path: Path) -> Iterator[Path]:
    """Hidden stores of `path` that are this process's or no living one's."""
    for leftover in sorted(path.parent.glob(f".{path.name}-*")):
        owner = leftover.name.removeprefix(f".{path.name}-").partition("-")[0]
        if not owner.isdecimal() or int(owner) == os.getpid() or not psutil.pid_exists(int(owner)):
            yield leftover


def beside(building: Path, what: str) -> Path:
    """Place of a helping store of one that is being written; it goes when that one is done."""
    return building.with_name(f"{building.name}-{what}")


def _steps(grid_size: int) -> tuple[int, int]:
    """Time steps in a chunk of the store, and in a block that is worked on at once."""
    a_map = 4 * grid_size**2
    chunk = int(np.clip(CHUNK_BYTES / a_map, 1, MOST_STEPS))
    return chunk, chunk * max(1, int(BLOCK_BYTES / (a_map * chunk)))


def append(building: Path, ds: xr.Dataset, grid: Grid) -> None:
    """Add variables to the store, in chunks of a few whole maps."""
    chunk, block = _steps(grid.size)
    ds = ds.assign_coords(grid.coords()).assign_coords(crs=grid.mapping())
    for name, da in ds.data_vars.items():
        da.encoding = {"chunks": tuple(min(chunk, n) if d == "time" else n for d, n in da.sizes.items())}
        da.attrs["grid_mapping"] = "crs"
        ds[name] = da.chunk({d: (block if d == "time" else -1) for d in da.dims})
    ds.to_zarr(building, mode="a", consolidated=False, zarr_format=3)


def opened(building: Path) -> xr.Dataset:
    """What has been written so far, so that reading and regridding are done once and not once a derived field."""
    size = xr.open_zarr(building, consolidated=False, chunks=None).sizes["x"]
    return xr.open_zarr(building, consolidated=False, chunks={"time": _steps(size)[1]})


def finish(building: Path, attrs: dict) -> None:
    """Write the store's attributes."""
    xr.Dataset(attrs=attrs).to_zarr(building, mode="a", consolidated=False)
