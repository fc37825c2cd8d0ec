"""Where does the forecast ice edge run?

Lines of SIP 0.5 in longitude and latitude, as GeoJSON, which any map can draw.
"""

import json

import antimeridian
import contourpy
import numpy as np
import pandas as pd
import pyproj
import shapely
import xarray as xr

from seaice.grid import Grid
from seaice.thresholds import SIP_EDGE

DECIMALS = 4  # of degrees written: 11 m
ON_MERIDIAN = 1e-7  # degrees, 1 cm: a point nearer to the 180th meridian is on it


def lines(sip: xr.DataArray, *, level: float = SIP_EDGE) -> list[np.ndarray]:
    """Return the contour of one map as lines (point, 2) of x and y, m.

    sip: (y, x), 0..1. There is no line along coasts, where sip is NaN. A closed line ends with its
    first point.
    """
    values = np.ma.masked_invalid(sip.transpose("y", "x").values)
    return list(contourpy.contour_generator(sip.x.values, sip.y.values, values).lines(level))


def length_km(sip: xr.DataArray, *, level: float = SIP_EDGE) -> float:
    """Return the length, km, of the contour of one map (y, x) on the equal-area map."""
    return float(sum(np.hypot(*np.diff(line, axis=0).T).sum() for line in lines(sip, level=level)) / 1000)


def cut(line: np.ndarray, grid: Grid) -> list[np.ndarray]:
    """Return a line in longitude and latitude (degrees), cut where it crosses the 180th meridian.

    line: (point, 2) of x and y, m. The result is a list of pieces (point, 2). A piece ends on the
    meridian, at +180 or -180 depending on its side, so that none runs around the globe. A ring
    around the pole is one piece from one side of the meridian to the other. Coordinates have
    `DECIMALS` decimals, and no point comes twice in a row.
    The library puts a crossing on the great circle between two points, not on the straight line of
    the grid. The two are 5 m apart if the points are 25 km apart, 100 m for 112.5 km.
    Source: RFC 7946, 3.1.9.
    """
    to_degrees = pyproj.Transformer.from_crs(grid.crs, 4326, always_xy=True)
    longitude, latitude = to_degrees.transform(*line.T)
    # Points on the meridian may come out as +180 or -180. A line from one to the other would not be
    # cut, so all get the same sign.
    longitude = np.where(np.abs(longitude) > 180 - ON_MERIDIAN, 180.0, longitude)
    degrees = shapely.LineString(np.stack([longitude, latitude], axis=1))
    fixed = antimeridian.fix_line_string(degrees, great_circle=True)
    pieces = [np.round(shapely.get_coordinates(piece), DECIMALS) for piece in shapely.get_parts(fixed)]
    # The library also cuts a line that only touches the meridian, and leaves pieces of one point.
    pieces = [piece[np.append(True, np.diff(piece, axis=0).any(axis=1))] for piece in pieces]
    return [piece for piece in pieces if len(piece) > 1]


def collection(sip: xr.DataArray, grid: Grid, *, properties: dict | None = None) -> dict:
    """Return the edge of every lead as a GeoJSON FeatureCollection in WGS 84.

    sip: (lead_time, y, x), 0..1, NaN on land, with the coordinate `valid_time (lead_time)`.
    There is one feature for each lead, with lead_time, valid_time, sip and length_km. Its geometry
    is a MultiLineString, or null if SIP exceeds 0.5 nowhere or everywhere. properties: further
    entries of the collection.
    """
    features = []
    for lead in sip.lead_time.values:
        sip_of_lead = sip.sel(lead_time=lead)
        pieces = [piece.tolist() for line in lines(sip_of_lead) for piece in cut(line, grid)]
        geometry = {"type": "MultiLineString", "coordinates": pieces} if pieces else None
        attributes = {
            "lead_time": int(lead),
            "valid_time": f"{pd.Timestamp(sip_of_lead.valid_time.item()):%Y-%m-%d}",
            "sip": SIP_EDGE,
            "length_km": round(length_km(sip_of_lead), 1),
        }
        features.append({"type": "Feature", "geometry": geometry, "properties": attributes})
    return {"type": "FeatureCollection", **(properties or {}), "features": features}


def dumps(collection: dict) -> str:
    """Return a collection as JSON text; the same collection always gives the same text."""
    return json.dumps(collection, allow_nan=False, separators=(",", ":")) + "\n"
