"""Where does the forecast ice edge run? Lines of SIP 0.5 in longitude and latitude, as GeoJSON that maps anywhere can draw."""

import json

import antimeridian
import contourpy
import numpy as np
import pandas as pd
import pyproj
import shapely
import xarray as xr

from seaice.grid import Grid
from seaice.schema import SIP_EDGE

DECIMALS = 4  # of degrees written: 11 m
ON_MERIDIAN = 1e-7  # degrees, 1 cm: a point nearer to the 180th meridian is on it


def lines(sip: xr.DataArray, *, level: float = SIP_EDGE) -> list[np.ndarray]:
    """Return the contour of one map (y, x), 0..1, as lines (point, 2) of x and y in m; none along coasts, where sip is NaN.

    A closed line ends with its first point.
    """
    values = np.ma.masked_invalid(sip.transpose("y", "x").values)
    return list(contourpy.contour_generator(sip.x.values, sip.y.values, values).lines(level))


def length_km(sip: xr.DataArray, *, level: float = SIP_EDGE) -> float:
    """Length of the contour of one map (y, x) on the equal-area map, km."""
    return float(sum(np.hypot(*np.diff(line, axis=0).T).sum() for line in lines(sip, level=level)) / 1000)


def cut(line: np.ndarray, grid: Grid) -> list[np.ndarray]:
    """Return a line (point, 2) of x and y, m, in longitude and latitude (degrees), cut where it crosses the 180th meridian.

    Each piece ends on the meridian, at +180 or -180 as its side is, so that none runs around the globe the wrong way.
    A ring around the pole is one piece from one side of the meridian to the other. Coordinates have
    `DECIMALS` decimals, and no point comes twice in a row. The library puts a crossing on the great circle between
    two points, not on the straight line of the grid: these are 5 m apart for points 25 km apart, 100 m for 112.5 km.
    Source: RFC 7946, 3.1.9.
    """
    to_degrees = pyproj.Transformer.from_crs(grid.crs, 4326, always_xy=True)
    longitude, latitude = to_degrees.transform(*line.T)
    # A point on the meridian may come out at either end of the range; between two ends, nothing would be cut.
    longitude = np.where(np.abs(longitude) > 180 - ON_MERIDIAN, 180.0, longitude)
    degrees = shapely.LineString(np.stack([longitude, latitude], axis=1))
    fixed = antimeridian.fix_line_string(degrees, great_circle=True)
    pieces = [np.round(shapely.get_coordinates(piece), DECIMALS) for piece in shapely.get_parts(fixed)]
    # The library also cuts a line that only touches the meridian, which leaves pieces of a single point.
    pieces = [piece[np.append(True, np.diff(piece, axis=0).any(axis=1))] for piece in pieces]
    return [piece for piece in pieces if len(piece) > 1]


def collection(sip: xr.DataArray, grid: Grid, *, properties: dict | None = None) -> dict:
    """Return the edge of every lead as a GeoJSON FeatureCollection, WGS 84 longitude and latitude.

    sip: (lead_time, y, x), 0..1, NaN on land, with coordinate `valid_time (lead_time)`. A feature a lead: a MultiLineString, or no geometry
    where nothing exceeds 0.5 or everything does; with lead_time, valid_time, sip and length_km. properties: of the collection.
    """
    features = []
    for lead in sip.lead_time.values:
        one = sip.sel(lead_time=lead)
        pieces = [piece.tolist() for line in lines(one) for piece in cut(line, grid)]
        geometry = {"type": "MultiLineString", "coordinates": pieces} if pieces else None
        about = {
            "lead_time": int(lead),
            "valid_time": f"{pd.Timestamp(one.valid_time.item()):%Y-%m-%d}",
            "sip": SIP_EDGE,
            "length_km": round(length_km(one), 1),
        }
        features.append({"type": "Feature", "geometry": geometry, "properties": about})
    return {"type": "FeatureCollection", **(properties or {}), "features": features}


def dumps(collection: dict) -> str:
    """Write a collection as text, the same one always the same."""
    return json.dumps(collection, allow_nan=False, separators=(",", ":")) + "\n"
