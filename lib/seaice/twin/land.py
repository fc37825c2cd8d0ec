"""Where is land in the simulated world? Real coastlines, sampled inside every cell of an EASE2 grid."""

import numpy as np

from seaice.geo import coast
from seaice.grid import Grid

SAMPLES = 5  # points a side inside a cell: resolves 22 km at 112.5 km, finer than a strait that exchanges ice
LAND_SHARE = 0.5  # share of a cell above which the physics calls it land


def land(grid: Grid) -> np.ndarray:
    """Return the cells that the physics treats as land, bool (y, x)."""
    return coast.land_fraction(grid, samples=SAMPLES) > LAND_SHARE
