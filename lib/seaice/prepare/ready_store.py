"""How is the analysis-ready store laid out and read?

Its chunks hold a few whole maps, and it is written in blocks of chunks.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.files import put_back
from seaice.grid import Grid

CHUNK_BYTES = 1e6  # bytes, target size of a chunk in the store
MOST_STEPS = 12  # most time steps in a chunk
# Bytes of a variable that are worked on at once while writing. A block holds many chunks, because
# scheduling each task takes time.
BLOCK_BYTES = 16e6


def open_ready(path: Path) -> xr.Dataset:
    """Open an analysis-ready store lazily. Raises DataError if it has not been written."""
    put_back(path)
    if not path.is_dir():
        raise DataError(f"no analysis-ready data at {path}: run the preprocessing notebook of this run first")
    return xr.open_zarr(path, consolidated=False)


def _steps_per_chunk_and_block(grid_size: int) -> tuple[int, int]:
    """Return the time steps in a chunk of the store, and in a block that is worked on at once."""
    a_map = 4 * grid_size**2
    chunk = int(np.clip(CHUNK_BYTES / a_map, 1, MOST_STEPS))
    return chunk, chunk * max(1, int(BLOCK_BYTES / (a_map * chunk)))


def append(building: Path, ds: xr.Dataset, grid: Grid) -> None:
    """Add variables to an unfinished store, in chunks of a few whole maps."""
    chunk, block = _steps_per_chunk_and_block(grid.size)
    ds = ds.assign_coords(grid.coords()).assign_coords(crs=grid.mapping())
    for name, da in ds.data_vars.items():
        da.encoding = {"chunks": tuple(min(chunk, n) if d == "time" else n for d, n in da.sizes.items())}
        da.attrs["grid_mapping"] = "crs"
        ds[name] = da.chunk({d: (block if d == "time" else -1) for d in da.dims})
    ds.to_zarr(building, mode="a", consolidated=False, zarr_format=3)


def opened(building: Path) -> xr.Dataset:
    """Open lazily what has been written so far.

    Fields derived from it need no second reading and regridding of the source.
    """
    size = xr.open_zarr(building, consolidated=False, chunks=None).sizes["x"]
    return xr.open_zarr(building, consolidated=False, chunks={"time": _steps_per_chunk_and_block(size)[1]})


def append_statistics(building: Path, statistics: xr.Dataset) -> None:
    """Add the statistics that predictors were scaled with to the group "statistics".

    See `derive.predictor_statistics`.
    """
    bare = statistics.drop_vars(["lat", "lon"], errors="ignore")
    bare.to_zarr(building, group="statistics", mode="a", consolidated=False)


def open_statistics(path: Path) -> xr.Dataset:
    """Open the group "statistics" of a store lazily."""
    return xr.open_zarr(path, group="statistics", consolidated=False)


def rewrite_from(building: Path, longer: xr.Dataset, first: pd.Timestamp) -> None:
    """Write the steps of `longer` from `first` on over the stored ones and after them.

    Earlier steps keep every bit. longer: the record of the store, continued along time; variables
    without a time dimension are not written. Holds in memory all that is written.
    """
    stored = xr.open_zarr(building, consolidated=False, chunks=None).sizes["time"]
    begin = longer.indexes["time"].get_loc(first)
    along_time = longer[[name for name, da in longer.data_vars.items() if "time" in da.dims]]
    bare = along_time.drop_vars([name for name in along_time.coords if name != "time"])
    rewritten = bare.isel(time=slice(begin, None)).load().drop_encoding()
    on_stored_axis = rewritten.isel(time=slice(0, stored - begin))
    behind_it = rewritten.isel(time=slice(stored - begin, None))
    on_stored_axis.to_zarr(building, region={"time": slice(begin, stored)}, consolidated=False)
    if behind_it.sizes["time"]:
        behind_it.to_zarr(building, append_dim="time", consolidated=False)


def finish(building: Path, attrs: dict) -> None:
    """Write the store's attributes."""
    xr.Dataset(attrs=attrs).to_zarr(building, mode="a", consolidated=False)
