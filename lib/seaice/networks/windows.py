"""Which part of the map does a network look at? The smallest window that holds all cells that count, cut out inside the network.

Inputs and outputs of such a network are whole maps, so that nothing before or after it knows of the window.
"""

import numpy as np
from keras import layers

from seaice.networks.shapes import UNET_HALVINGS

# Cells around the active ones: those that the finest level of the U-Nets looks around by itself (two convolutions down, one after the
# upsampling, three up). Coarser levels meet the zeros at the window's edge as they do at that of the map.
HALO = 6

Margins = tuple[tuple[int, int], tuple[int, int]]  # cells outside the window: ((top, bottom), (left, right))


def around(active: np.ndarray) -> Margins:
    """Return the margins around the smallest window with all active cells (month, y, x) and a halo of `HALO` cells.

    Each side is rounded up to a multiple of `UNET_HALVINGS`, as far as the map reaches, and laid evenly about them. There must be an
    active cell, as `Samples` makes sure.
    """
    ever = active.any(axis=0)
    return _side(ever.any(axis=1)), _side(ever.any(axis=0))


def shape(whole: tuple[int, int], margins: Margins) -> tuple[int, int]:
    """Return the cells (y, x) of the window on a map of `whole` cells (y, x)."""
    (top, bottom), (left, right) = margins
    return whole[0] - top - bottom, whole[1] - left - right


def cut(maps, margins: Margins | None):
    """Return the window of a layer's output (batch, y, x, channel); None for the whole map."""
    return maps if margins is None else layers.Cropping2D(margins, name="window")(maps)


def laid_back(output, margins: Margins | None):
    """Return a network's output (batch, y, x, lead, class) on the whole map, zero outside the window."""
    if margins is None:
        return output
    return layers.ZeroPadding3D((*margins, (0, 0)), dtype="float32", name="map")(output)


def _side(used: np.ndarray) -> tuple[int, int]:
    """Cells left out before and after the used ones (bool) along one side of the map."""
    at, cells = [int(n) for n in np.flatnonzero(used)], len(used)
    first, end = max(0, at[0] - HALO), min(cells, at[-1] + 1 + HALO)
    length = min(cells, -(-(end - first) // UNET_HALVINGS) * UNET_HALVINGS)
    before = min(max(0, (first + end - length) // 2), cells - length)
    return before, cells - length - before
