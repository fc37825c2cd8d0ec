"""Does one map of a forecast look like an observed one? Its power by wavelength, and its edge."""

import numpy as np

from seaice.thresholds import ICE_EDGE

LONG_KM = 300.0  # km: longer waves are those that a forecast of months can know
NEAR_KM = 300.0  # km: cells within this distance are a pair of the variogram score


def largest_square(cells: np.ndarray) -> tuple[slice, slice]:
    """Return rows and columns of the largest square of cells that are true, bool (y, x).

    The first one, row by row, of those of the same size; empty slices where there is none.
    """
    side = np.zeros(np.add(cells.shape, 1), int)
    for row, column in np.argwhere(cells):
        above = side[row, column + 1], side[row + 1, column], side[row, column]
        side[row + 1, column + 1] = 1 + min(above)
    width = int(side.max())
    row, column = np.unravel_index(side.argmax(), side.shape)
    return slice(row - width, row), slice(column - width, column)


def waves(side: int, cell_km: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the ring of each wave of a square map, and the wavelength of each ring, km.

    ring: (y, x), the number of whole waves across the map, 0 for the mean. Rings go to half the
    side.
    """
    frequency = np.minimum(np.arange(side), side - np.arange(side))
    ring = np.rint(np.hypot(frequency[:, None], frequency)).astype(int)
    return ring, side * cell_km / np.arange(1, side // 2 + 1)


def power(maps: np.ndarray, ring: np.ndarray) -> np.ndarray:
    """Return the power of square maps (..., y, x) by ring from 1 on, (..., ring).

    A Hann window fades the maps towards their sides, after their mean was taken out.
    """
    side = maps.shape[-1]
    if side < 2:
        return np.zeros((*maps.shape[:-2], 0))
    fade = np.hanning(side + 2)[1:-1]
    departure = maps - maps.mean((-2, -1), keepdims=True)
    squares = abs(np.fft.fft2(departure * fade[:, None] * fade)) ** 2
    return np.stack([squares[..., ring == k].sum(-1) for k in range(1, side // 2 + 1)], axis=-1)


def neighbours(shape: tuple[int, int], cells: np.ndarray, cell_km: float, within_km: float) -> tuple:
    """Return the pairs of cells whose centres are at most `within_km` apart, each pair once.

    shape: of the map. cells: their numbers in the flat map, ascending. Returned are places in
    `cells`, of the first and the second of each pair.
    """
    place = np.full(shape, -1)
    place.flat[cells] = np.arange(len(cells))
    reach = int(within_km / cell_km + 1e-9)
    first, second = [np.zeros(0, int)], [np.zeros(0, int)]
    for dy in range(reach + 1):
        for dx in range(-reach if dy else 1, reach + 1):
            if np.hypot(dy, dx) * cell_km > within_km + 1e-9:
                continue
            one = place[: shape[0] - dy, max(0, -dx) : shape[1] - max(0, dx)]
            other = place[dy:, max(0, dx) : shape[1] - max(0, -dx)]
            both = (one >= 0) & (other >= 0)
            first.append(one[both])
            second.append(other[both])
    return np.concatenate(first), np.concatenate(second)


def edge_length(siconc: np.ndarray, pairs: tuple[np.ndarray, np.ndarray], cell_km: float) -> np.ndarray:
    """Return the length of the ice edge, km: sides between a cell with ice and one without.

    siconc: fraction (..., cell). pairs: of cells that share a side, see `neighbours`.
    """
    ice = siconc > ICE_EDGE
    return cell_km * (ice[..., pairs[0]] != ice[..., pairs[1]]).sum(-1)
