"""How does a field get onto the EASE2 grid?

Sea ice is averaged over area; smooth fields are interpolated.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import scipy.sparse
import xarray as xr

from seaice.errors import DataError
from seaice.geo import gaps, masks, regrid_weights
from seaice.grid import HALF_WIDTH, Grid
from seaice.schema import Flag

# Bytes of one field in one block. A worker of 2 GB then has room for the few copies that averaging
# needs.
BLOCK_BYTES = 32e6
# Degrees. A lat-lon source must reach this latitude for the pole to be filled from its last row.
NEAR_POLE = 80.0
# Share of the area poleward of `POLAR_CAP` degrees that must have cells on any other grid. Land
# fills 45 % of it in the north and 40 % in the south, and ocean models may leave it out.
POLAR_CAP, COVERED = 60.0, 0.4
# The same in every 30 degrees of longitude. North of central Siberia the sea fills 19 % of it.
IN_SECTOR = 0.1


def to_grid(ds: xr.Dataset, grid: Grid, *, source: str) -> xr.Dataset:
    """Return `ds` on `grid`, lazily, with the grid's coordinates.

    ds: a dataset as `providers.standardise` returns it. Its attribute `grid_kind` is
    "stereographic", "ease2", "curvilinear" or "latlon". Its dims are y, x with 2-D or projected
    coordinates, or 1-D lat, lon. Other dims (time, member, ...) are kept. A dataset with `siconc`
    or `sip` must also have `land` (y, x).

    Concentrations are averaged over the ocean part of each target cell. Other fields on lat-lon
    grids are interpolated bilinearly. Where some neighbours are NaN, the others take their weight,
    if they hold at least half of the whole weight. Raises DataError naming `source` when the grids
    do not fit together.
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
    """Return the spacing in km of a dataset on an EASE2 grid.

    Raises DataError unless the dataset covers the whole grid of the same hemisphere as `grid`.
    """
    km = 2 * HALF_WIDTH / 1000 / ds.sizes["x"]
    Grid(grid.hemisphere, km).check(ds, source=source)
    return km


# A function that computes the weights and caches them. Each Dask worker calls it once. The matrix
# itself would be sent with every block, and is larger than the block.
Weights = Callable[[], scipy.sparse.csr_matrix]


def _weights(ds: xr.Dataset, grid: Grid, *, source: str) -> Weights:
    """Return the averaging weights for the kind of grid that `ds` lies on."""
    kind = ds.attrs["grid_kind"]
    if kind == "stereographic":
        return partial(regrid_weights.stereographic, grid)
    if kind == "ease2":
        return partial(regrid_weights.ease2, ease2_resolution(ds, grid, source=source), grid)
    lat, lon = (np.asarray(axis, "float32").tobytes() for axis in xr.broadcast(ds["lat"], ds["lon"]))
    weights = partial(regrid_weights.nearest, lat, lon, grid)
    _check_coverage(weights(), grid, source=source)
    return weights


def _check_coverage(weights: scipy.sparse.csr_matrix, grid: Grid, *, source: str) -> None:
    """Raise DataError if the source has cells in less than `COVERED` of the polar cap.

    It must have them in `IN_SECTOR` of every 30 degrees of longitude, too.
    """
    lon, lat = (degrees.ravel() for degrees in grid.lonlat)
    polar = np.abs(lat) > POLAR_CAP
    covered = np.asarray(weights.sum(axis=1)).ravel()[polar] > 0.5
    sector = (lon[polar] % 360 // 30).astype(int)
    shares = np.bincount(sector, covered, minlength=12) / np.bincount(sector, minlength=12)
    if covered.mean() < COVERED or (shares < IN_SECTOR).any():
        raise DataError(
            f"{source}: its cells cover {covered.mean():.0%} of the area poleward of {POLAR_CAP:g} degrees "
            f"{grid.hemisphere}, and {shares.min():.0%} in some of its longitudes; is it a part of the "
            "globe, or a thinned copy? Fetch the whole field"
        )


def _bilinear(ds: xr.Dataset, grid: Grid, *, source: str) -> Weights:
    """Return bilinear weights for a source that covers the whole cap around the pole.

    Raises DataError if longitudes are missing or latitudes end before `NEAR_POLE`.
    """
    lat, lon = (np.asarray(ds[axis], dtype=float) for axis in ("lat", "lon"))
    turns = np.sort(lon % 360)
    widest = np.diff(np.append(turns, turns[0] + 360)).max()
    if lon.size < 2 or widest > 2 * 360 / lon.size:
        raise DataError(
            f"{source}: a gap of {widest:g} degrees of longitude from {lon.min():g} to {lon.max():g}; "
            "fetch all longitudes"
        )
    reach = (lat if grid.hemisphere == "north" else -lat).max()
    if reach < NEAR_POLE:
        raise DataError(
            f"{source}: no latitudes beyond {reach:g} degrees {grid.hemisphere}; fetch them up to the pole"
        )
    return partial(regrid_weights.bilinear, tuple(lat), tuple(lon), grid)


def _average(da: xr.DataArray, weights: Weights, grid: Grid) -> xr.DataArray:
    """Return the mean over cells that are not NaN, where these hold at least half of the weight."""
    return _blockwise(partial(_average_block, weights=weights, grid=grid), [da], ["float32"], grid)


def _average_block(values, *, weights: Weights, grid: Grid):
    """Average one block of maps; see `_average`."""
    has_value = np.isfinite(values)
    share = _apply(weights, has_value, grid)
    total = _apply(weights, np.where(has_value, values, 0), grid)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(share >= 0.5, total / share, np.nan).astype("float32")


def _average_ice(ds: xr.Dataset, weights: Weights, grid: Grid) -> xr.Dataset:
    """Return concentrations averaged over the ocean part of each cell, gaps filled and flagged.

    The result also has `land`, and `max_ice` if `ds` has it.
    """
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
            out[name], flag = _blockwise(
                block, [ds[name], flag], ["float32", "uint8"], grid, target_maps=[sea]
            )
            if "siconc_flag" in ds:
                out["siconc_flag"] = flag
    if "max_ice" in ds:
        share = _blockwise(partial(_apply, weights, grid=grid), [ds["max_ice"]], ["float32"], grid)
        out["max_ice"] = ~land & (share >= 0.5 * sea)
    return out


def _ice_block(values, flag, sea, *, weights: Weights, grid: Grid):
    """Average one block of maps over the ocean, and fill the gaps that may be filled.

    docs/contracts.md says what `siconc_flag` means. sea: share of ocean in each cell (y, x).
    """
    land = masks.land(sea)
    has_value = np.isfinite(values)
    share = _apply(weights, has_value, grid)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.clip(_apply(weights, np.where(has_value, values, 0), grid) / share, 0, 1)
    observed = ~land & (share >= 0.5 * sea)
    filled = ~land & (_apply(weights, flag == Flag.FILLED, grid) >= 0.5 * sea)
    mean = np.where(observed, mean, np.nan).astype("float32")
    steps = (
        mean.reshape(-1, *grid.shape),
        (~land & ~observed).reshape(-1, *grid.shape),
        filled.reshape(-1, *grid.shape),
    )
    for step, gap, hole in zip(*steps, strict=True):
        fillable = (gap & hole) | gaps.small(gap & ~hole, cell_area_km2=grid.cell_area_km2)
        if fillable.any():
            step[:] = gaps.fill(step, fillable, ~land)
    flags = np.where(np.isfinite(mean), Flag.FILLED, Flag.MISSING)
    flags = np.where(observed, np.where(filled, Flag.FILLED, Flag.OBSERVED), flags)
    has_data = observed.any(axis=(-2, -1), keepdims=True)  # a step without any data is missing on land too
    flags = np.where(land & has_data, Flag.OBSERVED, flags)
    return mean, flags


def _apply(weights: Weights, values: np.ndarray, grid: Grid) -> np.ndarray:
    """Return the weighted sums of maps (..., source y, source x) on the grid (..., y, x)."""
    outer_shape, matrix = values.shape[:-2], weights()
    columns = values.reshape(-1, matrix.shape[1]).T.astype("float32")
    return np.ascontiguousarray((matrix @ columns).T).reshape(*outer_shape, *grid.shape)


def _blockwise(function, arrays: list[xr.DataArray], dtypes: list[str], grid: Grid, *, target_maps=()):
    """Apply a function to blocks of whole maps of the arrays.

    target_maps: maps (y, x) on the grid, which the function gets with every block.
    """
    arrays = [
        a.rename(y="source_y", x="source_x") if "x" in a.dims else a.rename(lat="source_y", lon="source_x")
        for a in arrays
    ]
    arrays = [a.drop_vars([c for c in a.coords if {"source_y", "source_x"} & set(a[c].dims)]) for a in arrays]
    arrays = [a.chunk(_chunks(a, grid)) if a.chunks else a for a in arrays]
    return xr.apply_ufunc(
        function,
        *arrays,
        *(xr.DataArray(field, dims=("y", "x")) for field in target_maps),
        input_core_dims=[["source_y", "source_x"]] * len(arrays) + [["y", "x"]] * len(target_maps),
        output_core_dims=[["y", "x"]] * len(dtypes),
        dask="parallelized",
        output_dtypes=dtypes,
        dask_gufunc_kwargs={"output_sizes": {"y": grid.size, "x": grid.size}},
    )


def _chunks(da: xr.DataArray, grid: Grid) -> dict:
    """Return chunks of whole maps, as many as fit `BLOCK_BYTES` on the larger of the two grids."""
    cells = max(grid.size**2, da.sizes["source_y"] * da.sizes["source_x"])
    steps = max(1, int(BLOCK_BYTES / (4 * cells)))
    chunks = {"source_y": -1, "source_x": -1}
    for dim in reversed(da.dims[:-2]):
        chunks[dim] = min(steps, max(da.chunksizes[dim]))
        steps = max(1, steps // chunks[dim])
    return chunks
