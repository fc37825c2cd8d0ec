"""Where is land in the simulated world? Real coastlines, sampled inside every cell of an EASE2 grid."""

from functools import lru_cache

import numpy as np
import pyproj

from seaice.grid import Grid

SAMPLES = 5  # points a side inside a cell: resolves 22 km at 112.5 km, finer than a strait that exchanges ice
LAND_SHARE = 0.5  # share of a cell above which the physics calls it land


@lru_cache(maxsize=8)
def land_fraction(grid: Grid) -> np.ndarray:
    """Return the share of land in every cell, (y, x) float32 in 0..1, from the GSHHG shoreline.

    The shoreline's raster of half a minute of arc (about 1 km) is sampled: its polygons would cost a gigabyte. Lakes and the
    Caspian Sea are land in GSHHG's first level, so they hold no sea ice here.
    Wessel and Smith 1996, doi:10.1029/96JB00104, through roaring-landmask.
    """
    from roaring_landmask import LandmaskProvider, RoaringMask  # a second to load: only where a world is made

    step = grid.resolution_km * 1000
    offsets = step * ((np.arange(SAMPLES) + 0.5) / SAMPLES - 0.5)
    x = (grid.x[:, None] + offsets).ravel()
    y = (grid.y[:, None] - offsets).ravel()
    to_geographic = pyproj.Transformer.from_crs(grid.crs, 4326, always_xy=True)
    lon, lat = to_geographic.transform(*np.meshgrid(x, y))
    inside = RoaringMask.new(LandmaskProvider.Gshhg).contains_many(lon.ravel(), lat.ravel())
    return inside.reshape(grid.size, SAMPLES, grid.size, SAMPLES).mean((1, 3)).astype("float32")


def land(grid: Grid) -> np.ndarray:
    """Return the cells that the physics treats as land, (y, x) bool."""
    return land_fraction(grid) > LAND_SHARE
