"""How does a field get onto the EASE2 grid? Area averages for sea ice, interpolation for smooth fields."""

from collections.abc import Callable
from functools import partial

import numpy as np
import scipy.sparse
import xarray as xr

from seaice.errors import DataError
from seaice.geo import gaps, masks, stencils
from seaice.grid import HALF_WIDTH, Grid
from seaice.schema import Flag

BLOCK_BYTES = 32e6  # bytes of one field in one block, so that a worker of 2 GB holds the few copies that averaging needs
NEAR_POLE = (
    80.0  # degrees of latitude that a lat-lon source must reach for the pole to be filled from its last row
)


def to_grid(ds: xr.Dataset, grid: Grid, *, source: str) -> xr.Dataset:
    """Return `ds` on `grid`, lazily, with the grid's coordinates.

    ds: leaves `providers.standardise`: a dataset with dims y, x and 2-D or projected coordinates, or lat, lon (1-D), and
    the attribute `grid_kind`: "stereographic", "ease2", "curvilinear" or "latlon". Other dims (time, member, ...) pass
    through. With `siconc` or `sip` in it, `land` (y, x) must be there too.
    Concentrations are averages over the ocean part of each target cell; other fields on lat-lon grids are interpolated
    bilinearly (of neighbours that are NaN the others take the weight, if they hold half of it or more).
    Raises DataError naming `source` when the grids do not fit together.
    """
    out = _average_ice(ds, _weights(ds, grid, source=source), grid) if "land" in ds else xr.Dataset()
    smooth = [str(n) for n in ds.data_vars if n not in ("siconc", "siconc_flag", "sip", "land", "max_ice")]
    if smooth:
        regular = ds.attrs["grid_kind"] == "latlon"
        weights = _bilinear(ds, grid, source=source) if regular else _weights(ds, grid, source=source)
        out = out.assign({name: _average(ds[name], weights, grid) for name in smooth})
    for name in out.data_vars:
        out[name].attrs = dict(ds[name].attrs)
    out.attrs = {k: v for k, v in ds.attrs.items() if k not in ("grid_kind", "binary")}
    return out.assign_coords(grid.coords())


def ease2_resolution(ds: xr.Dataset, grid: Grid, *, source: str) -> float:
    """Spacing, km, of an EASE2 dataset, checked to be the whole grid of the same hemisphere. Raises DataError."""
    km = 2 * HALF_WIDTH / 1000 / ds.sizes["x"]
    Grid(grid.hemisphere, km).check(ds, source=source)
    return km


# What makes the weights, and keeps them: a worker that is sent a block makes them itself, once, where the weights themselves would go
# with every block and outweigh it.
Weights = Callable[[], scipy.sparse.csr_matrix]


def _weights(ds: xr.Dataset, grid: Grid, *, source: str) -> Weights:
    kind = ds.attrs["grid_kind"]
    if kind == "stereographic":
        return partial(stencils.stereographic, grid)
    if kind == "ease2":
        return partial(stencils.ease2, ease2_resolution(ds, grid, source=source), grid)
    lat, lon = (np.asarray(axis, "float32").tobytes() for axis in xr.broadcast(ds["lat"], ds["lon"]))
    return partial(stencils.nearest, lat, lon, grid)


def _bilinear(ds: xr.Dataset, grid: Grid, *, source: str) -> Weights:
    """Bilinear weights, once the source is known to close around the pole."""
    lat, lon = (np.asarray(ds[axis], dtype=float) for axis in ("lat", "lon"))
    turns = np.sort(lon % 360)
    widest = np.diff(np.append(turns, turns[0] + 360)).max()
    if lon.size < 2 or widest > 2 * 360 / lon.size:
        raise DataError(
            f"{source}: a gap of {widest:g} degrees of longitude from {lon.min():g} to {lon.max():g}; fetch all longitudes"
        )
    reach = (lat if grid.hemisphere == "north" else -lat).max()
    if reach < NEAR_POLE:
        raise DataError(
            f"{source}: no latitudes beyond {reach:g} degrees {grid.hemisphere}; fetch them up to the pole"
        )
    return partial(stencils.bilinear, tuple(lat), tuple(lon), grid)


def _average(da: xr.DataArray, weights: Weights, grid: Grid) -> xr.DataArray:
    """Mean over the cells that are not NaN, where they hold half of the weight or more."""
    return _blockwise(partial(_average_block, weights=weights, grid=grid), [da], ["float32"], grid)


def _average_block(values, *, weights: Weights, grid: Grid):
    known = np.isfinite(values)
    share = _apply(weights, known, grid)
    total = _apply(weights, np.where(known, values, 0), grid)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(share >= 0.5, total / share, np.nan).astype("float32")


def _average_ice(ds: xr.Dataset, weights: Weights, grid: Grid) -> xr.Dataset:
    """Concentration over the ocean part of each cell, its gaps filled and flagged; land, and the cells that can hold ice."""
    sea = _apply(weights, ~np.asarray(ds["land"]), grid)
    land = masks.land(sea)
    out = xr.Dataset({"land": (("y", "x"), land)})
    for name in ("siconc", "sip"):
        if name in ds:
            flag = (
                ds["siconc_flag"]
                if "siconc_flag" in ds
                else xr.where(ds[name].isnull(), Flag.MISSING, Flag.OBSERVED)
            )
            block = partial(_ice_block, weights=weights, grid=grid)
            out[name], flag = _blockwise(block, [ds[name], flag], ["float32", "uint8"], grid, beside=[sea])
            if "siconc_flag" in ds:
                out["siconc_flag"] = flag
    if "max_ice" in ds:
        share = _blockwise(partial(_apply, weights, grid=grid), [ds["max_ice"]], ["float32"], grid)
        out["max_ice"] = ~land & (share >= 0.5 * sea)
    return out


def _ice_block(values, flag, sea, *, weights: Weights, grid: Grid):
    """Average one block over the ocean and fill what may be filled; see the contract of `siconc_flag`. sea: share of ocean (y, x)."""
    land = masks.land(sea)
    known = np.isfinite(values)
    share = _apply(weights, known, grid)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.clip(_apply(weights, np.where(known, values, 0), grid) / share, 0, 1)
    seen = ~land & (share >= 0.5 * sea)
    filled = ~land & (_apply(weights, flag == Flag.FILLED, grid) >= 0.5 * sea)
    mean = np.where(seen, mean, np.nan).astype("float32")
    steps = (
        mean.reshape(-1, *grid.shape),
        (~land & ~seen).reshape(-1, *grid.shape),
        filled.reshape(-1, *grid.shape),
    )
    for step, gap, hole in zip(*steps, strict=True):
        fillable = (gap & hole) | gaps.small(gap & ~hole, cell_area_km2=grid.cell_area_km2)
        if fillable.any():
            step[:] = gaps.fill(step, fillable, ~land)
    flags = np.where(np.isfinite(mean), Flag.FILLED, Flag.MISSING)
    flags = np.where(seen, np.where(filled, Flag.FILLED, Flag.OBSERVED), flags)
    anything = seen.any(axis=(-2, -1), keepdims=True)  # a step without any data is missing on land too
    flags = np.where(land & anything, Flag.OBSERVED, flags)
    return mean, flags


def _apply(weights: Weights, values: np.ndarray, grid: Grid) -> np.ndarray:
    lead, matrix = values.shape[:-2], weights()
    columns = values.reshape(-1, matrix.shape[1]).T.astype("float32")
    return np.ascontiguousarray((matrix @ columns).T).reshape(*lead, *grid.shape)


def _blockwise(function, arrays: list[xr.DataArray], dtypes: list[str], grid: Grid, *, beside=()):
    """Apply a function to blocks of whole maps of the arrays; beside: maps (y, x) on the grid that it gets with every block."""
    arrays = [
        a.rename(y="source_y", x="source_x") if "x" in a.dims else a.rename(lat="source_y", lon="source_x")
        for a in arrays
    ]
    arrays = [a.drop_vars([c for c in a.coords if {"source_y", "source_x"} & set(a[c].dims)]) for a in arrays]
    arrays = [a.chunk(_chunks(a, grid)) if a.chunks else a for a in arrays]
    return xr.apply_ufunc(
        function,
        *arrays,
        *(xr.DataArray(one, dims=("y", "x")) for one in beside),
        input_core_dims=[["source_y", "source_x"]] * len(arrays) + [["y", "x"]] * len(beside),
        output_core_dims=[["y", "x"]] * len(dtypes),
        dask="parallelized",
        output_dtypes=dtypes,
        dask_gufunc_kwargs={"output_sizes": {"y": grid.size, "x": grid.size}},
    )


def _chunks(da: xr.DataArray, grid: Grid) -> dict:
    """Whole maps, and no more of them in a block than `BLOCK_BYTES` hold on the larger of the two grids."""
    cells = max(grid.size**2, da.sizes["source_y"] * da.sizes["source_x"])
    steps = max(1, int(BLOCK_BYTES / (4 * cells)))
    chunks = {"source_y": -1, "source_x": -1}
    for dim in reversed(da.dims[:-2]):
        chunks[dim] = min(steps, max(da.chunksizes[dim]))
        steps = max(1, steps // chunks[dim])
    return chunks
