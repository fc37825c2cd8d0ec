"""What is put where an instrument saw nothing?

Small gaps are filled smoothly from the cells around them; maps with holes get the nearest value.
"""

from functools import lru_cache

import numpy as np
import scipy.ndimage
import scipy.sparse
import scipy.sparse.linalg
import xarray as xr

from seaice.schema import Flag

MAPWISE = {  # options of `apply_ufunc` for a function of one map
    "input_core_dims": [["y", "x"]],
    "output_core_dims": [["y", "x"]],
    "dask": "parallelized",
    "output_dtypes": ["float32"],
}
# km2, the largest connected area of missing ocean that is filled in space. In the daily NSIDC-0081
# record of 2015-2016, isolated missing cells at coasts and between swaths are far smaller. A lost
# orbit is far larger and must stay missing.
LARGEST_GAP = 100_000.0


def fill(values: np.ndarray, gap: np.ndarray, ocean: np.ndarray) -> np.ndarray:
    """Return `values` with the cells of `gap` interpolated harmonically from the cells around them.

    Each filled cell is the mean of its four neighbours on the ocean (discrete Laplace equation).
    In one dimension this is linear interpolation. Filled values never leave the range of the cells
    around the gap, and values on land are not used.

    values: (y, x), NaN = missing. gap: (y, x) bool, the cells to fill. ocean: (y, x) bool, the
    cells that are not land. A patch of gap cells that touches no cell with a value becomes NaN.
    Inputs are not changed.
    """
    has_value = ocean & ~gap & np.isfinite(values)
    wanted = gap & ocean
    if not wanted.any():
        return values
    filled = values.copy()
    filled[wanted] = np.nan
    gap = wanted & _reached(wanted, has_value)
    if not gap.any():
        return filled
    solve, boundary = _system(gap.tobytes(), has_value.tobytes(), gap.shape)
    filled[gap] = solve(boundary @ values[has_value].astype("float64"))
    return filled


def onto_sea(ice: xr.Dataset, land: xr.DataArray) -> xr.Dataset:
    """Return the sea ice of one dataset with the land mask of another, lazily.

    Cells that are land in `land` become NaN. Cells that are land in `ice` but sea in `land` are
    filled from the cells around them and flagged as filled, so that they serve as input but not as
    truth. Where no sea of `ice` is near, as in lakes that a model does not have, they are flagged
    as missing.

    ice: siconc, siconc_flag (time, y, x) and land (y, x), see docs/contracts.md. land: (y, x) bool,
    the mask of the result.
    """
    new_sea, new_land = ice["land"].values & ~land.values, land.values

    def change_coast(values, flags):
        values, flags = values.copy(), flags.copy()
        for step, flag in zip(values, flags, strict=True):
            if (flag == Flag.MISSING).all():
                continue
            step[:] = fill(step, new_sea, ~new_land)
            flag[new_sea] = np.where(np.isfinite(step[new_sea]), Flag.FILLED, Flag.MISSING)
            step[new_land], flag[new_land] = np.nan, Flag.OBSERVED
        return values, flags

    values_and_flags = [ice["siconc"], ice["siconc_flag"]]
    siconc, flag = xr.apply_ufunc(
        change_coast,
        *values_and_flags,
        input_core_dims=[["y", "x"]] * 2,
        output_core_dims=[["y", "x"]] * 2,
        dask="parallelized",
        output_dtypes=[a.dtype for a in values_and_flags],
        keep_attrs=True,
    )
    return ice.assign(siconc=siconc, siconc_flag=flag, land=land.reset_coords(drop=True))


def fill_nearest(da: xr.DataArray) -> xr.DataArray:
    """Return maps (..., y, x) whose missing cells have the value of the nearest cell with one.

    A map without any value stays as it is.
    """
    return xr.apply_ufunc(_nearest, da, vectorize=True, **MAPWISE)


def _nearest(values: np.ndarray) -> np.ndarray:
    """Fill the missing cells of one map (y, x) with the nearest value."""
    missing = np.isnan(values)
    if missing.all() or not missing.any():
        return values
    indices = scipy.ndimage.distance_transform_edt(missing, return_distances=False, return_indices=True)
    return values[tuple(indices)]


def small(gap: np.ndarray, *, cell_area_km2: float) -> np.ndarray:
    """Return the cells of `gap` (y, x) that lie in connected patches of at most `LARGEST_GAP`."""
    patches, n = scipy.ndimage.label(gap)
    area = np.bincount(patches.ravel(), minlength=n + 1) * cell_area_km2
    return gap & (area <= LARGEST_GAP)[patches]


def _reached(gap: np.ndarray, has_value: np.ndarray) -> np.ndarray:
    """Return the cells of `gap` whose connected patch touches a cell of `has_value`."""
    patches, n = scipy.ndimage.label(gap)
    touching = np.unique(patches[scipy.ndimage.binary_dilation(has_value) & gap])
    return np.isin(patches, touching[touching > 0])


@lru_cache(maxsize=8)
def _system(gap_bytes: bytes, value_bytes: bytes, shape: tuple[int, int]):
    """Return the solver of a gap's Laplacian, and the matrix that sums neighbours with a value.

    Both are kept, because a pole hole has the same shape for years. The masks are bytes, so that
    they can be a key of the cache.
    """
    gap = np.frombuffer(gap_bytes, bool).reshape(shape)
    has_value = np.frombuffer(value_bytes, bool).reshape(shape)
    index = np.full(shape, -1)
    index[gap] = np.arange(gap.sum())
    index[has_value] = np.arange(has_value.sum())
    degree = np.zeros(gap.sum())
    pairs = {"gap": [], "known": []}
    for here, beside in _neighbours():
        for kind, mask in (("gap", gap), ("known", has_value)):
            adjacent = gap[here] & mask[beside]
            rows, columns = index[here][adjacent], index[beside][adjacent]
            np.add.at(degree, rows, 1)
            pairs[kind].append((rows, columns))

    def matrix(kind, n):
        rows, columns = (np.concatenate(indices) for indices in zip(*pairs[kind], strict=True))
        return scipy.sparse.csc_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(degree), n))

    laplacian = scipy.sparse.diags(degree, format="csc") - matrix("gap", len(degree))
    return scipy.sparse.linalg.splu(laplacian).solve, matrix("known", int(has_value.sum())).tocsr()


def _neighbours():
    """Return the slices that pair each cell with its neighbour below, above, right and left."""
    head, tail, every = slice(None, -1), slice(1, None), slice(None)
    return (
        ((head, every), (tail, every)),
        ((tail, every), (head, every)),
        ((every, head), (every, tail)),
        ((every, tail), (every, head)),
    )
