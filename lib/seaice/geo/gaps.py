"""What is put where an instrument saw nothing? Smooth filling of small gaps, and the nearest value for maps with holes."""

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
# km2, connected area of missing ocean that is still filled in space. In the daily NSIDC-0081 record of 2015-2016 isolated
# missing cells at coasts and between swaths stay far below it; a lost orbit is far above it and must stay missing.
LARGEST_GAP = 100_000.0


def fill(values: np.ndarray, gap: np.ndarray, ocean: np.ndarray) -> np.ndarray:
    """Return `values` with the cells of `gap` set to the harmonic interpolation of the cells around them.

    Each filled cell is the mean of its four neighbours on the ocean (discrete Laplace equation), which is linear
    interpolation in one dimension, never leaves the range of the cells around the gap, and knows nothing of land.
    values: (y, x), NaN = missing. gap, ocean: (y, x) bool, the cells to fill and those that are not land.
    Gap cells that no known cell touches, even through other gap cells, stay NaN. Inputs are not changed.
    """
    known = ocean & ~gap & np.isfinite(values)
    gap = gap & ocean & _reached(gap & ocean, known)
    if not gap.any():
        return values
    solve, boundary = _system(gap.tobytes(), known.tobytes(), gap.shape)
    filled = values.copy()
    filled[gap] = solve(boundary @ values[known].astype("float64"))
    return filled


def onto_sea(ice: xr.Dataset, land: xr.DataArray) -> xr.Dataset:
    """Return sea ice as it is where another mask says that there is sea, lazily.

    What is land to both stays NaN; land of `ice` that is sea by `land` is filled from the cells around it and flagged as filled (so
    that it is an input but no truth), or as missing where no sea of `ice` is near, as in lakes that a model has not.

    ice: siconc, siconc_flag (time, y, x) and land (y, x), see CONTRIBUTING.md. land: (y, x) bool, the mask that is to hold.
    """
    coast, ashore = ice["land"].values & ~land.values, land.values

    def block(values, flags):
        values, flags = values.copy(), flags.copy()
        for step, flag in zip(values, flags, strict=True):
            if (flag == Flag.MISSING).all():
                continue
            step[:] = fill(step, coast, ~ashore)
            flag[coast] = np.where(np.isfinite(step[coast]), Flag.FILLED, Flag.MISSING)
            step[ashore], flag[ashore] = np.nan, Flag.OBSERVED
        return values, flags

    pair = [ice["siconc"], ice["siconc_flag"]]
    siconc, flag = xr.apply_ufunc(
        block,
        *pair,
        input_core_dims=[["y", "x"]] * 2,
        output_core_dims=[["y", "x"]] * 2,
        dask="parallelized",
        output_dtypes=[a.dtype for a in pair],
        keep_attrs=True,
    )
    return ice.assign(siconc=siconc, siconc_flag=flag, land=land.reset_coords(drop=True))


def fill_nearest(da: xr.DataArray) -> xr.DataArray:
    """Give each missing cell of a map the value of the nearest cell that has one; a map without any stays as it is."""
    return xr.apply_ufunc(_nearest, da, vectorize=True, **MAPWISE)


def _nearest(values: np.ndarray) -> np.ndarray:
    missing = np.isnan(values)
    if missing.all() or not missing.any():
        return values
    indices = scipy.ndimage.distance_transform_edt(missing, return_distances=False, return_indices=True)
    return values[tuple(indices)]


def small(gap: np.ndarray, *, cell_area_km2: float) -> np.ndarray:
    """Return the part of `gap` (y, x) in connected patches of at most `LARGEST_GAP`."""
    patches, n = scipy.ndimage.label(gap)
    area = np.bincount(patches.ravel(), minlength=n + 1) * cell_area_km2
    return gap & (area <= LARGEST_GAP)[patches]


def _reached(gap: np.ndarray, known: np.ndarray) -> np.ndarray:
    patches, n = scipy.ndimage.label(gap)
    touching = np.unique(patches[scipy.ndimage.binary_dilation(known) & gap])
    return np.isin(patches, touching[touching > 0])


@lru_cache(maxsize=8)
def _system(gap_bytes: bytes, known_bytes: bytes, shape: tuple[int, int]):
    """Factorised Laplacian of a gap and the matrix of its known neighbours; a pole hole keeps its shape for years."""
    gap = np.frombuffer(gap_bytes, bool).reshape(shape)
    known = np.frombuffer(known_bytes, bool).reshape(shape)
    index = np.full(shape, -1)
    index[gap] = np.arange(gap.sum())
    index[known] = np.arange(known.sum())
    degree = np.zeros(gap.sum())
    pairs = {"gap": [], "known": []}
    for here, there in _neighbours():
        for kind, mask in (("gap", gap), ("known", known)):
            touch = gap[here] & mask[there]
            rows, columns = index[here][touch], index[there][touch]
            np.add.at(degree, rows, 1)
            pairs[kind].append((rows, columns))

    def matrix(kind, n):
        rows, columns = (np.concatenate(side) for side in zip(*pairs[kind], strict=True))
        return scipy.sparse.csc_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(degree), n))

    laplacian = scipy.sparse.diags(degree, format="csc") - matrix("gap", len(degree))
    return scipy.sparse.linalg.splu(laplacian).solve, matrix("known", int(known.sum())).tocsr()


def _neighbours():
    """Slices that pair each cell with its neighbour below, above, right and left."""
    head, tail, whole = slice(None, -1), slice(1, None), slice(None)
    return (
        ((head, whole), (tail, whole)),
        ((tail, whole), (head, whole)),
        ((whole, head), (whole, tail)),
        ((whole, tail), (whole, head)),
    )
