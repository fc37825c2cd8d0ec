"""Which source cells make up a target cell? Sparse weights, computed once for each pair of grids.

Each row of a matrix is a cell of the EASE2 grid and each column a cell of the source. A row sums to
the share of its cell that the source covers.
"""

from functools import lru_cache

import numpy as np
import pyproj
import scipy.sparse
import scipy.spatial

from seaice.grid import EPSG, Grid

# NSIDC 25 km polar stereographic grids: EPSG code, then for each axis the first cell centre (m) and
# the number of cells. Source: doi:10.5067/8GQ8LZQVL0VL.
STEREOGRAPHIC = {
    "north": {"epsg": 3411, "x": (-3_837_500.0, 304), "y": (5_837_500.0, 448)},
    "south": {"epsg": 3412, "x": (-3_937_500.0, 316), "y": (4_337_500.0, 332)},
}
STEREOGRAPHIC_STEP = 25_000.0  # m
SUBCELL_KM = 6.25  # km between the points that sample a target cell, a quarter of a source cell
# Most points along a side of a target cell, so that coarser grids cost no more than one of 150 km.
MAX_SUBCELLS = 24
FARTHEST_KM = 250.0  # km; a point farther than this from any cell centre lies outside the source grid


@lru_cache(maxsize=8)
def stereographic(grid: Grid) -> scipy.sparse.csr_matrix:
    """Return the share of each EASE2 cell that lies in each NSIDC polar stereographic cell.

    Both grids are those of the hemisphere of `grid`.
    """
    axes = STEREOGRAPHIC[grid.hemisphere]
    (x0, nx), (y0, ny) = axes["x"], axes["y"]
    lon, lat = _sample_points(grid)
    x, y = pyproj.Transformer.from_crs(4326, axes["epsg"], always_xy=True).transform(lon, lat)
    column = np.floor((x - x0) / STEREOGRAPHIC_STEP + 0.5)
    row = np.floor((y0 - y) / STEREOGRAPHIC_STEP + 0.5)
    inside = (column >= 0) & (column < nx) & (row >= 0) & (row < ny)
    return _matrix(np.where(inside, row * nx + column, -1), ny * nx)


@lru_cache(maxsize=8)
def nearest(lat: bytes, lon: bytes, grid: Grid) -> scipy.sparse.csr_matrix:
    """Return the share of each EASE2 cell that is nearest to each cell centre of any other grid.

    lat, lon: float32 degrees of the cell centres, as bytes. The arrays themselves are the key of
    the cache, so that each hemisphere and model has its own weights.
    """
    lat, lon = (np.frombuffer(degrees, "float32").astype("float64") for degrees in (lat, lon))
    sign = 1 if grid.hemisphere == "north" else -1
    # Some models mark land by impossible coordinates.
    near = np.flatnonzero((lat * sign > 0) & (np.abs(lat) <= 90.01) & (np.abs(lon) <= 720))
    target_lon, target_lat = _sample_points(grid)
    tree = scipy.spatial.cKDTree(_on_sphere(lon[near], lat[near]))
    chord = 2 * np.sin(FARTHEST_KM / 6371.0 / 2)  # on the unit sphere; 6371 km is the Earth's mean radius
    neighbour = tree.query(_on_sphere(target_lon, target_lat), distance_upper_bound=chord)[1].astype("int64")
    return _matrix(np.append(near, -1)[neighbour], len(lat))


@lru_cache(maxsize=8)
def ease2(source_km: float, grid: Grid) -> scipy.sparse.csr_matrix:
    """Return the exact share of each target cell in each cell of an EASE2 grid of another spacing.

    source_km: spacing of the source grid in km; its ratio to that of `grid` may be any number.
    """
    share = scipy.sparse.csr_matrix(_overlap(source_km, grid))
    return scipy.sparse.kron(share, share, format="csr").astype("float32")


@lru_cache(maxsize=8)
def bilinear(lat: tuple[float, ...], lon: tuple[float, ...], grid: Grid) -> scipy.sparse.csr_matrix:
    """Return the bilinear weights of a regular lat-lon grid around each EASE2 cell centre.

    lat, lon: degrees, in any order. The circle of longitudes is closed. The value at the pole is
    the mean of the last row. Rows of the other hemisphere have no weight, and target cells
    equatorward of the first row get none.
    """
    sign = 1 if grid.hemisphere == "north" else -1
    height, turn = np.array(lat) * sign, np.array(lon) % 360
    rows, columns = np.argsort(height), np.argsort(turn)
    rows = rows[height[rows] > 0]  # files may hold both polar caps with a gap between them
    height, turn = np.append(height[rows], 90.0), turn[columns]
    turn = np.concatenate([[turn[-1] - 360], turn, [turn[0] + 360]])
    target_turn, target_height = grid.lonlat[0].ravel() % 360, grid.lonlat[1].ravel() * sign
    west = np.searchsorted(turn, target_turn, side="right") - 1
    east_share = (target_turn - turn[west]) / (turn[west + 1] - turn[west])
    below = np.searchsorted(height, target_height, side="right") - 1
    inside = np.flatnonzero(below >= 0)
    below = np.clip(below, 0, len(rows) - 1)
    upper_share = (target_height - height[below]) / np.maximum(height[below + 1] - height[below], 1e-9)

    pole = len(rows) * len(columns)  # an extra node after those of the rows: the mean of the last row
    corners = []
    for up, y_share in ((0, 1 - upper_share), (1, upper_share)):
        for right, x_share in ((0, 1 - east_share), (1, east_share)):
            row, column = below + up, (west - 1 + right) % len(columns)
            node = np.where(row == len(rows), pole, row * len(columns) + column)
            corners.append((inside, node[inside], (y_share * x_share)[inside]))
    target, node, share = (np.concatenate(arrays) for arrays in zip(*corners, strict=True))
    to_nodes = scipy.sparse.csr_matrix((share, (target, node)), shape=(target_height.size, pole + 1))

    cells = (rows[:, None] * len(columns) + columns).ravel()
    last = cells[-len(columns) :]
    from_cells = scipy.sparse.csr_matrix(
        (
            np.append(np.ones(pole), np.full(len(last), 1 / len(last))),
            (np.append(np.arange(pole), np.full(len(last), pole)), np.append(cells, last)),
        ),
        shape=(pole + 1, len(lat) * len(lon)),
    )
    return (to_nodes @ from_cells).tocsr().astype("float32")


def _overlap(source_km: float, grid: Grid) -> np.ndarray:
    """Return the share of each target interval in each source interval along one axis."""

    def edges(km, n):
        return (np.arange(n + 1) * km)[None, :]

    n = Grid(grid.hemisphere, source_km).size
    target, origin = edges(grid.resolution_km, grid.size).T, edges(source_km, n)
    low = np.maximum(target[:-1], origin[:, :-1])
    high = np.minimum(target[1:], origin[:, 1:])
    return np.clip(high - low, 0, None) / grid.resolution_km


def _sample_points(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return longitudes and latitudes of the points that sample each cell, (cells, points)."""
    n = int(np.clip(np.ceil(grid.resolution_km / SUBCELL_KM), 1, MAX_SUBCELLS))
    offset = ((np.arange(n) + 0.5) / n - 0.5) * grid.resolution_km * 1000
    x, y = np.meshgrid(grid.x, grid.y)
    dx, dy = np.meshgrid(offset, offset)
    to_geographic = pyproj.Transformer.from_crs(EPSG[grid.hemisphere], 4326, always_xy=True)
    return to_geographic.transform(x.reshape(-1, 1) + dx.reshape(1, -1), y.reshape(-1, 1) + dy.reshape(1, -1))


def _on_sphere(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Return points as x, y, z on the unit sphere, along a new last axis."""
    lon, lat = np.deg2rad(lon), np.deg2rad(lat)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def _matrix(cell: np.ndarray, n_source: int) -> scipy.sparse.csr_matrix:
    """Return the weights of the source cells, each the share of the target's sample points in it.

    cell: index of the source cell under each sample point (cells, points), -1 where there is none.
    """
    n_target, n_points = cell.shape
    row = np.repeat(np.arange(n_target), n_points)
    cell = cell.ravel().astype("int64")
    inside = cell >= 0
    share = np.full(int(inside.sum()), 1 / n_points, "float32")
    return scipy.sparse.csr_matrix((share, (row[inside], cell[inside])), shape=(n_target, n_source))
