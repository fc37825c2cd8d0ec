"""Which sea does a cell lie in? Named seas of both hemispheres, and polygons of one's own.

The northern seas are our own boxes of latitude and longitude. They approximate the seas that
sea-ice studies usually distinguish and are no published mask; NSIDC-0780 (regional masks), read
through the catalogue, would replace them. The southern sectors are those of Parkinson and
Cavalieri 2012, doi:10.5194/tc-6-871-2012.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import shapely
import xarray as xr

from seaice.errors import DataError

# Each box: sea, then south, north, west, east in degrees, longitudes -180..180. A cell belongs to
# the first box that contains it.
NORTH = (
    ("hudson_bay", 51, 64, -96, -72),
    ("hudson_bay", 58, 64, -72, -65),  # Hudson Strait and Ungava Bay
    ("hudson_bay", 64, 70, -88, -72),  # Foxe Basin
    ("baffin_labrador", 70, 78, -80, -50),
    ("baffin_labrador", 60, 70, -72, -44),
    ("baffin_labrador", 45, 60, -70, -44),
    ("greenland", 60, 81, -44, 17),
    ("barents", 66, 81, 17, 55),
    ("barents", 63.5, 66, 32, 45),  # White Sea
    ("barents", 66, 70.5, 55, 60),  # Pechora Sea
    ("barents", 75, 81, 55, 60),  # west of the north of Novaya Zemlya
    ("barents", 76, 81, 60, 66),
    ("kara", 66, 81, 55, 100),
    ("laptev", 70, 81, 100, 140),
    ("east_siberian", 68, 80, 140, 180),
    ("chukchi", 66, 80, -180, -156),
    ("beaufort", 68, 78, -156, -125),
    ("canadian_archipelago", 66, 77, -125, -80),
    ("canadian_archipelago", 77, 79, -112, -80),
    ("canadian_archipelago", 79, 81, -100, -80),
    ("canadian_archipelago", 78, 82, -92, -60),  # Ellesmere Island and Nares Strait
    ("okhotsk", 43, 51, 142.5, 156.5),
    ("okhotsk", 51, 57, 135, 157),
    ("okhotsk", 57, 59, 135, 160),
    ("okhotsk", 59, 62.5, 135, 164.5),
    ("bering", 51, 68, 157, 180),
    ("bering", 51, 66, -180, -157),
    ("central_arctic", 76, 90, -180, 180),
)
SOUTH = (
    ("weddell", -90, -45, -60, 20),
    ("indian", -90, -45, 20, 90),
    ("west_pacific", -90, -45, 90, 160),
    ("ross", -90, -45, 160, 180),
    ("ross", -90, -45, -180, -130),
    ("amundsen_bellingshausen", -90, -45, -130, -60),
)
BOXES = {"north": NORTH, "south": SOUTH}


def names(hemisphere: str) -> list[str]:
    """Return the names of the seas of a hemisphere, "north" or "south".

    Raises DataError for any other word.
    """
    if hemisphere not in BOXES:
        raise DataError(f"hemisphere {hemisphere!r} is unknown; choose one of {sorted(BOXES)}")
    return list(dict.fromkeys(box[0] for box in BOXES[hemisphere]))


def mask(ready: xr.Dataset) -> xr.DataArray:
    """Return the sea cells of each sea, bool (region, y, x); a cell lies in at most one region.

    ready: `land`, `lat`, `lon` (y, x), attribute `hemisphere`. Cells far from the ice lie in no
    region. Raises DataError for an unknown hemisphere.
    """
    seas = names(ready.attrs["hemisphere"])
    lat, lon = ready["lat"].values, (ready["lon"].values + 180) % 360 - 180
    unassigned, in_sea = ~ready["land"].values, np.zeros((len(seas), *lat.shape), bool)
    for sea, south, north, west, east in BOXES[ready.attrs["hemisphere"]]:
        inside = unassigned & (south <= lat) & (lat <= north) & (west <= lon) & (lon < east)
        in_sea[seas.index(sea)] |= inside
        unassigned = unassigned & ~inside
    coords = {"region": pd.Index(seas, dtype=object), "y": ready["y"], "x": ready["x"]}
    return xr.DataArray(in_sea, coords, ("region", "y", "x"), name="sea").reset_coords(drop=True)


def sea(ready: xr.Dataset, name: str) -> xr.DataArray:
    """Return the cells that lie in one named sea, bool (y, x).

    Raises DataError for an unknown sea; the message lists the names.
    """
    seas = mask(ready)
    if name not in seas["region"].values:
        raise DataError(
            f"there is no sea '{name}' in the {ready.attrs['hemisphere']}; "
            f"choose one of {list(seas.region.values)}"
        )
    return seas.sel(region=name, drop=True)


def polygon(lat: xr.DataArray, lon: xr.DataArray, vertices: Sequence[tuple[float, float]]) -> xr.DataArray:
    """Return the cells inside a polygon or on one of its sides, bool (y, x), land included.

    lat, lon: degrees (y, x), of one hemisphere. vertices: (latitude, longitude) of each corner in
    degrees, in order. The sides are straight on an equal-area map centred on the pole, so the
    polygon may enclose the pole or cross any meridian. Raises DataError for fewer than three
    corners, or for a corner in the other hemisphere.
    """
    corners = np.asarray(vertices, float)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3:
        raise DataError(f"polygon {vertices!r}: give three or more corners, each (latitude, longitude)")
    pole = 90.0 if float(lat.mean()) > 0 else -90.0
    astray = corners[(corners[:, 0] * pole < 0) | (abs(corners[:, 0]) > 90)]
    if len(astray):
        raise DataError(
            f"polygon: corner (latitude {astray[0, 0]:g}, longitude {astray[0, 1]:g}) "
            "is not in the grid's hemisphere"
        )
    area = shapely.Polygon(_on_map(corners[:, 0], corners[:, 1], pole))
    shapely.prepare(area)
    x, y = np.moveaxis(_on_map(lat.values, lon.values, pole), -1, 0)
    inside = shapely.intersects_xy(area, x, y)
    return lat.copy(data=inside).rename("polygon").drop_attrs()


def _on_map(lat: np.ndarray, lon: np.ndarray, pole: float) -> np.ndarray:
    """Place points on the Lambert azimuthal equal-area map of a sphere centred on `pole`.

    Returns x and y along a new last axis.
    """
    radius, angle = np.sin(np.deg2rad(abs(pole - lat) / 2)), np.deg2rad(lon)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
