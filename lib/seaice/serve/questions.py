"""Can a question be answered? Positions, areas and times are checked before anything is read.

The library that answers would give the nearest cell for a position at the other pole, and values of
nothing on land. What passes here is written anew, so that nothing unforeseen reaches it.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

import numpy as np
import pandas as pd
import pyproj
import shapely
import xarray as xr

from seaice.grid import Grid
from seaice.serve.shelf import Refused

MOST_TEXT = 4000  # characters of a query
MOST_POINTS, MOST_CORNERS = 100, 500
MOST_VALUES = 2_000_000  # of an answer
KINDS = ("position", "area", "cube")
ALLOWED = {"coords", "bbox", "datetime", "parameter-name", "crs", "f", "method"}
CRS = {"EPSG:4326", "CRS84", "OGC:CRS84", "http://www.opengis.net/def/crs/OGC/1.3/CRS84"}
FORMATS = {
    "position": {"cf_covjson", "csv", "nc", "netcdf", "netcdf4", "geojson"},
    "area": {"csv", "nc", "netcdf", "netcdf4", "geojson"},
    "cube": {"nc", "netcdf", "netcdf4", "csv"},
}
FORMAT = {"position": "cf_covjson", "area": "csv", "cube": "nc"}  # where none is named


class Limits(NamedTuple):
    """How much a question may ask. values: numbers in the answer."""

    values: int = MOST_VALUES


LIMITS = Limits()


def pairs(query: str) -> dict[str, str]:
    """Return the parameters of a query. Raises Refused for a repeated, unknown or broken one."""
    if len(query) > MOST_TEXT:
        raise Refused(414, f"the query has more than {MOST_TEXT} characters")
    try:
        words = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), errors="strict")
    except ValueError:
        raise Refused(400, "the query can't be read; write name=value, joined by &") from None
    named = dict(words)
    if len(named) != len(words):
        raise Refused(400, "a parameter is given twice")
    if any(not word.isprintable() for pair in words for word in pair):
        raise Refused(400, "the query has characters that can't be printed")
    return named


def checked(kind: str, query: str, ds: xr.Dataset, *, limits: Limits = LIMITS) -> str:
    """Return the query of an EDR question, written anew. Raises Refused, with the reason.

    kind: one of `KINDS`. ds: the product, with `land (y, x)`.
    """
    named = pairs(query)
    unknown = sorted(set(named) - ALLOWED)
    if unknown:
        raise Refused(400, f"unknown parameter; there are {', '.join(sorted(ALLOWED))}")
    if named.get("crs", "EPSG:4326") not in CRS:
        raise Refused(400, "positions are longitude and latitude: leave out crs, or write EPSG:4326")
    if named.get("method", "nearest") != "nearest":
        raise Refused(400, "values are those of the nearest cell: leave out method")
    form = named.get("f", FORMAT[kind])
    if form not in FORMATS[kind]:
        raise Refused(
            400, f"there is no such format of {kind}; choose one of {', '.join(sorted(FORMATS[kind]))}"
        )
    names = _names(named.get("parameter-name"), ds)
    steps = _steps(named.get("datetime"), ds)
    answer = {"parameter-name": ",".join(names), "f": form}
    if named.get("datetime"):
        answer["datetime"] = "/".join(f"{moment:%Y-%m-%dT%H:%M:%S}" for moment in steps)
    if kind == "cube":
        box = _box(named.get("bbox"))
        answer["bbox"] = ",".join(f"{value:.6f}" for value in box)
        cells = _cells_in(box, ds)
    else:
        shape = _geometry(kind, named.get("coords"))
        answer["coords"] = shapely.to_wkt(shape, rounding_precision=6)
        cells = _at(shape, ds) if kind == "position" else _cells_in(shape.bounds, ds)
    sizes = [
        int(np.prod([n for dim, n in ds[name].sizes.items() if dim not in ("y", "x")])) for name in names
    ]
    if cells * sum(sizes) > limits.values:
        raise Refused(
            413, f"the answer would have more than {limits.values} numbers; ask for less, or use Zarr"
        )
    return urlencode(answer)


def _names(text: str | None, ds: xr.Dataset) -> list[str]:
    """Return the variables asked for, by default all maps."""
    maps = [str(name) for name, da in ds.data_vars.items() if {"y", "x"} <= set(da.dims)]
    names = maps if text is None else text.split(",")
    if not set(names) <= set(maps) or len(set(names)) != len(names):
        raise Refused(400, f"unknown parameter-name; there are {', '.join(maps)}")
    return names


def _steps(text: str | None, ds: xr.Dataset) -> list[pd.Timestamp]:
    """Return the moments asked for: one, or first and last. They must lie in the forecast."""
    time = pd.DatetimeIndex(ds["time"].values)
    last = time[-1] + (time[-1] - time[-2] if len(time) > 1 else pd.Timedelta(days=1))
    words = text.split("/") if text else ["..", ".."]
    edges = (time[0], time[-1])
    ends = [edges[min(k, 1)] if word == ".." else _moment(word) for k, word in enumerate(words)]
    if len(ends) > 2 or ends[0] > ends[-1] or ends[-1] < time[0] or ends[0] > last:
        raise Refused(
            400, f"datetime: write a moment or first/last from {time[0]:%Y-%m-%d} to {last:%Y-%m-%d}"
        )
    return ends


def _moment(text: str) -> pd.Timestamp:
    """Return one moment, UTC without a zone. Raises Refused for any other text."""
    try:
        moment = pd.Timestamp(text) if len(text) <= 35 and text[:4].isdigit() else pd.NaT
        moment = moment.tz_convert("UTC").tz_localize(None) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        moment = pd.NaT
    if pd.isna(moment):
        raise Refused(400, "datetime: write dates as 2020-06-01 or 2020-06-01T00:00:00Z")
    return moment


def _box(text: str | None) -> tuple[float, float, float, float]:
    """Return west, south, east, north. Raises Refused unless they are a box of the Earth."""
    try:
        west, south, east, north = (float(word) for word in (text or "").split(","))
    except ValueError:
        raise Refused(400, "bbox: write west,south,east,north in degrees") from None
    _require_degrees([[west, south], [east, north]])
    if not (west < east and south < north):
        raise Refused(400, "bbox: west must be less than east, south less than north")
    return west, south, east, north


def _geometry(kind: str, text: str | None) -> shapely.Geometry:
    """Return the points or polygons in WKT. Raises Refused for anything else."""
    allowed = ("Point", "MultiPoint") if kind == "position" else ("Polygon", "MultiPolygon")
    form = "POINT(-156.8 71.3)" if kind == "position" else "POLYGON((-170 70, -150 70, -150 74, -170 70))"
    try:
        shape = shapely.from_wkt(text or "")
    except (shapely.errors.GEOSException, ValueError, TypeError):
        shape = None
    if shape is None or shape.is_empty or shape.geom_type not in allowed or shape.has_z:
        raise Refused(400, f"coords: write {form}, longitude first")
    corners = shapely.get_coordinates(shape)
    if len(corners) > (MOST_POINTS if kind == "position" else MOST_CORNERS):
        raise Refused(413, "coords: too many points")
    _require_degrees(corners)
    if kind == "area" and not (shape.is_valid and shape.area > 0):
        raise Refused(400, "coords: the polygon has no area, or crosses itself")
    return shape


def _require_degrees(corners: Sequence[Sequence[float]]) -> None:
    """Raise Refused unless all corners are longitudes -180..360 and latitudes -90..90."""
    lon, lat = np.asarray(corners, float).T
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        raise Refused(400, "a position must be made of finite numbers")
    if (lon < -180).any() or (lon > 360).any() or (abs(lat) > 90).any():
        raise Refused(400, "longitudes are -180 to 180 (or 360), latitudes -90 to 90, longitude first")


def _at(shape: shapely.Geometry, ds: xr.Dataset) -> int:
    """Return the number of points. Raises Refused for one outside of the domain, or on land."""
    points = shapely.get_coordinates(shape)
    for lon, lat in points:
        cell(float(lon), float(lat), ds)
    return len(points)


def cell(lon: float, lat: float, ds: xr.Dataset) -> tuple[int, int]:
    """Return row and column of the sea cell at a position.

    Raises Refused for a position outside of the domain or on land, with the nearest sea cell.
    """
    _require_degrees([[lon, lat]])
    grid = Grid.of(ds.attrs)
    x, y = _to_map(grid).transform(lon, lat)
    half = grid.size * grid.resolution_km * 500
    where = f"longitude {lon:g}, latitude {lat:g}"
    if not (abs(x) < half and abs(y) < half):
        raise Refused(404, f"{where} is outside of this {grid.hemisphere}ern forecast")
    row, column = (
        int((half - y) // (1000 * grid.resolution_km)),
        int((x + half) // (1000 * grid.resolution_km)),
    )
    land = ds["land"].values
    if land[row, column]:
        rows, columns = np.nonzero(land == 0)
        distance = np.hypot(grid.x[columns] - x, grid.y[rows] - y)
        at = int(distance.argmin())
        near = [float(values[rows[at], columns[at]]) for values in grid.lonlat]
        raise Refused(
            404,
            f"{where} is on land in this forecast; the nearest sea cell is "
            f"{distance[at] / 1000:.0f} km away, "
            f"at longitude {near[0]:.2f}, latitude {near[1]:.2f}",
        )
    return row, column


def _cells_in(box: Sequence[float], ds: xr.Dataset) -> int:
    """Return the number of cells that an answer about a box of degrees may have.

    Raises Refused if there is none. The answer is a rectangle of the map around the box.
    """
    grid = Grid.of(ds.attrs)
    lon, lat = grid.lonlat
    west, south, east, north = box
    inside = (lat >= south) & (lat <= north) & (((lon - west) % 360) <= min(east - west, 360))
    if not inside.any():
        raise Refused(404, f"no cell of this {grid.hemisphere}ern forecast lies in the area")
    rows, columns = np.nonzero(inside)
    return int((np.ptp(rows) + 1) * (np.ptp(columns) + 1))


@lru_cache(maxsize=8)
def _to_map(grid: Grid) -> pyproj.Transformer:
    """Return the transformation from degrees to the map of a grid."""
    return pyproj.Transformer.from_crs(4326, grid.crs, always_xy=True)


def only(named: Mapping[str, str], *allowed: str) -> None:
    """Raise Refused for a parameter that is not among the allowed ones."""
    if set(named) - set(allowed):
        raise Refused(400, f"unknown parameter; there are {', '.join(allowed) or 'none'}")
