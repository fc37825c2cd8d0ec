"""Where is land? The coastlines of GSHHG, at points and in the cells of a grid.

Wessel and Smith 1996, doi:10.1029/96JB00104, through roaring-landmask. Its raster of half a minute of arc (about 1 km) is
used: the polygons would cost a gigabyte of memory. Lakes and the Caspian Sea are land, they are within GSHHG's first level.
"""

from functools import lru_cache

import numpy as np
import pyproj

from seaice.grid import Grid


def on_land(longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    """Return whether points lie on land, bool (point). longitude, latitude: (point), degrees."""
    from roaring_landmask import LandmaskProvider, RoaringMask  # a second to load: only where it is asked

    return RoaringMask.new(LandmaskProvider.Gshhg).contains_many(np.array(longitude), np.array(latitude))


@lru_cache(maxsize=8)
def land_fraction(grid: Grid, *, samples: int) -> np.ndarray:
    """Return the share of land in every cell, float32 (y, x), 0..1, from `samples` x `samples` points inside it."""
    step = grid.resolution_km * 1000
    offsets = step * ((np.arange(samples) + 0.5) / samples - 0.5)
    x = (grid.x[:, None] + offsets).ravel()
    y = (grid.y[:, None] - offsets).ravel()
    to_degrees = pyproj.Transformer.from_crs(grid.crs, 4326, always_xy=True)
    longitude, latitude = to_degrees.transform(*np.meshgrid(x, y))
    inside = on_land(longitude.ravel(), latitude.ravel())
    return inside.reshape(grid.size, samples, grid.size, samples).mean((1, 3)).astype("float32")
