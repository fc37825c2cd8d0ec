"""Where does the forecast ice edge run? Lines of SIP 0.5 in longitude and latitude, as GeoJSON that maps anywhere can draw."""

import json

import contourpy
import numpy as np
import pandas as pd
import pyproj
import xarray as xr

from seaice.grid import Grid
from seaice.schema import SIP_EDGE

DECIMALS = 4  # of degrees written: 11 m
TOUCHES = 1e-3  # m, a point nearer to the 180th meridian is on it


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

    Each part ends on the meridian, at +180 or -180 as its side is, so that no part runs around the globe the wrong way; a line may
    run around the pole. Source: RFC 7946, 3.1.9.
    """
    forward = pyproj.Transformer.from_crs(4326, grid.crs, always_xy=True)
    back = pyproj.Transformer.from_crs(grid.crs, 4326, always_xy=True)
    # The grid is a polar one: the meridian is a ray from the pole.
    ray = np.array(forward.transform(180.0, 60.0 if grid.hemisphere == "north" else -60.0))
    ray = ray / np.hypot(*ray)
    beside = np.array([-ray[1], ray[0]])
    side = np.sign(back.transform(*(1e6 * ray + 1e3 * beside))[0])  # of longitudes where `across` is positive
    across, along = line @ beside, line @ ray
    across = np.where(np.abs(across) < TOUCHES, TOUCHES, across)  # a point on the meridian lies on one side of it
    degrees = np.stack(back.transform(*line.T), axis=1)
    degrees[:, 0] = np.where((across == TOUCHES) & (along > 0), side * 180.0, degrees[:, 0])
    parts, part = [], [degrees[0]]
    for k in range(1, len(line)):
        if across[k - 1] * across[k] < 0:
            share = across[k - 1] / (across[k - 1] - across[k])
            if along[k - 1] + share * (along[k] - along[k - 1]) > 0:
                lat = back.transform(*(line[k - 1] + share * (line[k] - line[k - 1])))[1]
                ends = side * np.sign(across[[k - 1, k]]) * 180.0
                parts.append(np.array([*part, (ends[0], lat)]))
                part = [np.array((ends[1], lat))]
        part.append(degrees[k])
    return [*parts, np.array(part)]


def collection(sip: xr.DataArray, grid: Grid, *, properties: dict | None = None) -> dict:
    """Return the edge of every lead as a GeoJSON FeatureCollection, WGS 84 longitude and latitude.

    sip: (lead_time, y, x), 0..1, NaN on land, with coordinate `valid_time (lead_time)`. A feature a lead: a MultiLineString, or no geometry
    where nothing exceeds 0.5 or everything does; with lead_time, valid_time, sip and length_km. properties: of the collection.
    """
    features = []
    for lead in sip.lead_time.values:
        one = sip.sel(lead_time=lead)
        found = [part for line in lines(one) for part in cut(line, grid)]
        rounded = [np.round(part, DECIMALS).tolist() for part in found]
        geometry = {"type": "MultiLineString", "coordinates": rounded} if rounded else None
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
