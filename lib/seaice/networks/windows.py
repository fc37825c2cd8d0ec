"""Which window of the map does a network see?

It is the smallest one that holds all cells that count. It is cut out inside the network: inputs and
outputs are full maps, so nothing before or after the network needs to know of the window.
"""

import numpy as np
from keras import layers

# Cells around the active ones: as many as the finest level of the U-Nets sees around a cell (two
# convolutions down, one after the upsampling, three up). Coarser levels meet zeros at the edge of
# the window, as they do at the edge of the map.
HALO = 6

Margins = tuple[tuple[int, int], tuple[int, int]]  # cells outside the window: ((top, bottom), (left, right))


def around(active: np.ndarray, multiple: int) -> Margins:
    """Return the margins around the smallest window with all active cells and a halo around them.

    The halo is `HALO` cells wide.

    active: bool (month, y, x), with at least one active cell, which `Samples` makes sure of.
    multiple: each side of the window is rounded up to a multiple of so many cells, evenly on both
    ends, as far as the map reaches.
    """
    ever_active = active.any(axis=0)
    return _side(ever_active.any(axis=1), multiple), _side(ever_active.any(axis=0), multiple)


def shape(map_shape: tuple[int, int], margins: Margins) -> tuple[int, int]:
    """Return the cells (y, x) of the window on a map of `map_shape` cells (y, x)."""
    (top, bottom), (left, right) = margins
    return map_shape[0] - top - bottom, map_shape[1] - left - right


def cut(maps, margins: Margins | None):
    """Return the window of a layer's output (batch, y, x, channel). None: all of the map."""
    return maps if margins is None else layers.Cropping2D(margins, name="window")(maps)


def uncut(output, margins: Margins | None):
    """Return an output (batch, y, x, lead, class) on the full map, zero outside the window."""
    if margins is None:
        return output
    return layers.ZeroPadding3D((*margins, (0, 0)), dtype="float32", name="map")(output)


def _side(used: np.ndarray, multiple: int) -> tuple[int, int]:
    """Return the number of cells before and after the window along one side of the map."""
    used_cells, n_cells = [int(n) for n in np.flatnonzero(used)], len(used)
    first, end = max(0, used_cells[0] - HALO), min(n_cells, used_cells[-1] + 1 + HALO)
    length = min(n_cells, -(-(end - first) // multiple) * multiple)
    before = min(max(0, (first + end - length) // 2), n_cells - length)
    return before, n_cells - length - before
