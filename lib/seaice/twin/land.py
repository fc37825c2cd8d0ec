"""Where is land in the simulated world?

The coastlines are real ones, sampled inside every cell of an EASE2 grid.
"""

import numpy as np

from seaice.geo import coast
from seaice.grid import Grid

# Points a side inside a cell. They resolve 22 km on a grid of 112.5 km, finer than a strait through
# which ice is exchanged.
SAMPLES = 5
LAND_SHARE = 0.5  # share of a cell above which the physics calls it land


def land(grid: Grid) -> np.ndarray:
    """Return the cells that the physics treats as land, bool (y, x)."""
    return coast.land_fraction(grid, samples=SAMPLES) > LAND_SHARE
