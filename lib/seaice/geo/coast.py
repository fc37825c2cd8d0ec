"""Where is land? The coastlines of GSHHG, at points and in the cells of a grid.

Source: Wessel and Smith 1996, doi:10.1029/96JB00104, read through roaring-landmask. We use its
raster of half a minute of arc (about 1 km), because the polygons would need a gigabyte of memory.
Lakes and the Caspian Sea count as land: they lie inside the coastlines of GSHHG's first level.
"""

from functools import lru_cache
from importlib.metadata import version

import numpy as np
import pyproj

from seaice import files, fingerprint, paths
from seaice.grid import Grid


def on_land(longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    """Return which points lie on land, bool (point). longitude, latitude: (point), degrees."""
    from roaring_landmask import LandmaskProvider, RoaringMask  # takes a second: imported only on use

    return RoaringMask.new(LandmaskProvider.Gshhg).contains_many(np.array(longitude), np.array(latitude))


@lru_cache(maxsize=8)
def land_fraction(grid: Grid, *, samples: int) -> np.ndarray:
    """Return the share of land in every cell, float32 (y, x), 0..1.

    The share is counted on `samples` x `samples` points in each cell. It is kept in the cache, as
    whoever asks the coastlines needs 0.4 GB.
    """
    made_from = [grid.hemisphere, grid.resolution_km, samples, version("roaring-landmask")]
    file = paths.cache() / "coast" / f"{fingerprint.digest(made_from)[:16]}.npy"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        with files.replacing(file) as temporary:
            np.save(temporary, _counted(grid, samples))
    return np.load(file)


def _counted(grid: Grid, samples: int) -> np.ndarray:
    """Return the share of land in every cell, see `land_fraction`."""
    step = grid.resolution_km * 1000
    offsets = step * ((np.arange(samples) + 0.5) / samples - 0.5)
    x = (grid.x[:, None] + offsets).ravel()
    y = (grid.y[:, None] - offsets).ravel()
    to_degrees = pyproj.Transformer.from_crs(grid.crs, 4326, always_xy=True)
    longitude, latitude = to_degrees.transform(*np.meshgrid(x, y))
    is_land = on_land(longitude.ravel(), latitude.ravel())
    return is_land.reshape(grid.size, samples, grid.size, samples).mean((1, 3)).astype("float32")
