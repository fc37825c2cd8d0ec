"""On which grid do the data lie? The EASE2 grids of both hemispheres.

This is the only module that knows 432 cells, 25 km, EPSG:6931 and EPSG:6932.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import pyproj
import xarray as xr

from seaice.errors import DataError

Hemisphere = Literal["north", "south"]
EPSG = {"north": 6931, "south": 6932}  # WGS 84 / NSIDC EASE-Grid 2.0
HALF_WIDTH = 5_400_000.0  # m, from the pole to the outer edge of the OSI SAF EASE2 grids
M_KM2 = 1e-6  # million km2 in a km2
NATIVE_KM = 25.0  # km, spacing of the OSI SAF EASE2 grids (432 x 432 cells)


@dataclass(frozen=True)
class Grid:
    """Square EASE2 grid around a pole that covers exactly the domain of OSI SAF.

    resolution_km: spacing, km. EASE2 is equal-area: every cell has an area of resolution_km ** 2.
    Rows run from the top (largest y) down, as in the files of OSI SAF.
    Raises DataError for an unknown hemisphere or a spacing that does not divide 10 800 km.
    """

    hemisphere: Hemisphere
    resolution_km: float = NATIVE_KM

    @classmethod
    def of(cls, attrs: Mapping) -> "Grid":
        """Return the grid that the attributes of a dataset name.

        Raises DataError if `hemisphere` or `resolution_km` is missing.
        """
        for name in ("hemisphere", "resolution_km"):
            if name not in attrs:
                raise DataError(
                    f"the data have no attribute '{name}', so their grid is unknown; add the attribute"
                )
        return cls(attrs["hemisphere"], float(attrs["resolution_km"]))

    def __post_init__(self) -> None:
        if self.hemisphere not in EPSG:
            raise DataError(f"hemisphere {self.hemisphere!r} is unknown; choose one of {sorted(EPSG)}")
        if not (self.resolution_km > 0 and float(2 * HALF_WIDTH / 1000 / self.resolution_km).is_integer()):
            raise DataError(
                f"resolution_km {self.resolution_km} does not divide the domain's 10800 km; "
                "try 25, 50, 75, 100, 112.5 or 150"
            )

    @property
    def size(self) -> int:
        """Return the number of cells on a side."""
        return round(2 * HALF_WIDTH / 1000 / self.resolution_km)

    @property
    def shape(self) -> tuple[int, int]:
        """Return the shape (y, x) of a map."""
        return self.size, self.size

    @property
    def x(self) -> np.ndarray:
        """Return the x of the cell centres, m, increasing."""
        step = self.resolution_km * 1000
        return -HALF_WIDTH + step * (np.arange(self.size) + 0.5)

    @property
    def y(self) -> np.ndarray:
        """Return the y of the cell centres, m, decreasing."""
        return self.x[::-1].copy()

    @property
    def crs(self) -> pyproj.CRS:
        """Return the coordinate reference system."""
        return pyproj.CRS.from_epsg(EPSG[self.hemisphere])

    @property
    def cell_area_km2(self) -> float:
        """Return the area of a cell, km2."""
        return self.resolution_km**2

    @property
    def cell_area(self) -> float:
        """Return the area of a cell, million km2."""
        return self.cell_area_km2 * M_KM2

    @property
    def lonlat(self) -> tuple[np.ndarray, np.ndarray]:
        """Return longitude and latitude of the cell centres, degrees, each (y, x)."""
        return _lonlat(self.hemisphere, self.resolution_km)

    def coords(self) -> dict:
        """Return the coordinates x, y (m), lat, lon (degrees) of a Dataset, with CF attributes."""
        lon, lat = self.lonlat
        return {
            "y": ("y", self.y, {"standard_name": "projection_y_coordinate", "units": "m", "axis": "Y"}),
            "x": ("x", self.x, {"standard_name": "projection_x_coordinate", "units": "m", "axis": "X"}),
            "lat": (("y", "x"), lat, {"standard_name": "latitude", "units": "degrees_north"}),
            "lon": (("y", "x"), lon, {"standard_name": "longitude", "units": "degrees_east"}),
        }

    def mapping(self) -> xr.DataArray:
        """Return the CF grid-mapping variable `crs`."""
        return xr.DataArray(np.int32(0), attrs=self.crs.to_cf(), name="crs")

    def check(self, ds: xr.Dataset | xr.DataArray, *, source: str) -> None:
        """Raise DataError unless x and y of `ds` are those of this grid.

        The message says whether size, spacing or place differ.
        """
        for axis, expected in (("x", self.x), ("y", self.y)):
            if axis not in ds.coords:
                raise DataError(f"{source}: no coordinate '{axis}'; put the data on the EASE2 grid first")
            values = np.asarray(ds[axis], dtype=float)
            if values.shape != expected.shape:
                raise DataError(
                    f"{source}: {values.size} cells along {axis}, "
                    f"the {self.resolution_km:g} km grid has {expected.size}"
                )
            shift = float(np.abs(values - expected).max())
            if shift > 1.0:
                raise DataError(
                    f"{source}: {axis} is off by up to {shift:.0f} m from the {self.hemisphere} EASE2 "
                    f"{self.resolution_km:g} km grid (shifted, flipped or in km?)"
                )
        if "lat" in ds.coords:
            sign = 1 if self.hemisphere == "north" else -1
            if float(np.nanmedian(np.asarray(ds["lat"]))) * sign < 0:
                raise DataError(f"{source}: latitudes are of the other hemisphere than {self.hemisphere}")


@lru_cache(maxsize=8)
def _lonlat(hemisphere: Hemisphere, resolution_km: float) -> tuple[np.ndarray, np.ndarray]:
    """Return longitude and latitude (y, x) of a grid, degrees; computed once for each grid."""
    grid = Grid(hemisphere, resolution_km)
    to_geographic = pyproj.Transformer.from_crs(grid.crs, 4326, always_xy=True)
    lon, lat = to_geographic.transform(*np.meshgrid(grid.x, grid.y))
    return lon, lat
