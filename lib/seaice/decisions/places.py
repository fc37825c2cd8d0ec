"""Which places do people ask about, and which cells of the grid are theirs?"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyproj
import xarray as xr
import yaml

from seaice.errors import DataError, nearest

FILE = Path(__file__).with_name("places.yml")
KINDS = ("community", "haulout", "colony", "station", "bay", "strait", "route")
PASSAGES = ("strait", "route")  # kinds of which all cells must be open at once
REACH_KM = 150.0  # to the nearest sea cell of a place that has none within its radius
STEP_KM = 20.0  # between the points that a route is broken into
EARTH_KM = 6371.0  # mean radius


class Place(NamedTuple):
    """A named place.

    points: longitude and latitude, degrees: one point, or those of a route in order. radius_km: its
    cells have their centres within this distance. source: who says where it is.
    """

    name: str
    kind: str
    points: tuple[tuple[float, float], ...]
    radius_km: float
    source: str

    @property
    def hemisphere(self) -> str:
        """Return "north" or "south"."""
        return "north" if self.points[0][1] > 0 else "south"

    @property
    def lon(self) -> float:
        """Return the longitude, degrees, of the place or the beginning of the route."""
        return self.points[0][0]

    @property
    def lat(self) -> float:
        """Return the latitude, degrees, of the place or the beginning of the route."""
        return self.points[0][1]


def read(file: Path = FILE) -> list[Place]:
    """Return the places of a file in the form of `places.yml`, in its order.

    Raises DataError, naming the place, for what the form does not allow.
    """
    try:
        content = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
        radii, sources, entries = content["radius_km"], content["sources"], content["places"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise DataError(f"{file}: no file of places ({error}); see {FILE.name} for the form") from None
    return [_place(name, about, radii, sources) for name, about in entries.items()]


def _place(name: str, about: Mapping, radii: Mapping, sources: Mapping) -> Place:
    """Return one entry as a place. Raises DataError where it is wrong."""
    allowed = {"kind", "at", "along", "radius_km", "source"}
    if not isinstance(about, Mapping) or not set(about) <= allowed:
        raise DataError(f"place '{name}': write kind, at (or along), and if you like radius_km and source")
    if about.get("kind") not in KINDS:
        raise DataError(f"place '{name}': kind {about.get('kind')!r}{nearest(str(about.get('kind')), KINDS)}")
    points = about.get("along") if about["kind"] == "route" else [about.get("at")]
    try:
        points = tuple((float(lon), float(lat)) for lon, lat in points)
    except (TypeError, ValueError):
        raise DataError(f"place '{name}': write its longitude and latitude as numbers, degrees") from None
    inside = all(-180 <= lon <= 180 and 0 < abs(lat) <= 90 for lon, lat in points)
    if not points or not inside or len({lat > 0 for _, lat in points}) > 1:
        raise DataError(
            f"place '{name}': {points} is no position of one hemisphere; longitude -180..180 comes first"
        )
    radius = float(about.get("radius_km", radii[about["kind"]]))
    source = str(about.get("source", "not stated"))
    return Place(str(name), about["kind"], points, radius, sources.get(source, source))


class Masks(NamedTuple):
    """The cells of places.

    places: those that have a sea cell on this grid. cells: bool (place, y, x). distance_km: from
    each place to the nearest of its cells. absent: names of the places of this hemisphere that have
    none.
    """

    places: list[Place]
    cells: xr.DataArray
    distance_km: np.ndarray
    absent: list[str]


def masks(ready: xr.Dataset, places: Sequence[Place]) -> Masks:
    """Return the cells of the places of a record's hemisphere.

    ready: `land`, `lat`, `lon` (y, x), attributes `hemisphere` and `resolution_km`. A place has the
    sea cells whose centres are within its radius, for a route within at least half a diagonal of a
    cell, so that it has no gaps; if there is none, the nearest sea cell within `REACH_KM`.
    """
    lat, lon, sea = ready["lat"].values, ready["lon"].values, ~ready["land"].values.astype(bool)
    diagonal = float(ready.attrs["resolution_km"]) / np.sqrt(2)
    kept, cells, distances, absent = [], [], [], []
    for place in (p for p in places if p.hemisphere == ready.attrs["hemisphere"]):
        distance = np.where(sea, _distance_km(place, lon, lat), np.inf)
        radius = max(place.radius_km, diagonal) if place.kind == "route" else place.radius_km
        least = float(distance.min())
        if least > max(radius, REACH_KM):
            absent.append(place.name)
            continue
        kept.append(place)
        cells.append(distance <= max(radius, least))
        distances.append(least)
    coords = {"place": [place.name for place in kept], "y": ready["y"], "x": ready["x"]}
    shape = (len(kept), *sea.shape)
    stacked = xr.DataArray(np.array(cells, bool).reshape(shape), coords, ("place", "y", "x"))
    return Masks(kept, stacked.reset_coords(drop=True), np.array(distances), absent)


def _distance_km(place: Place, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Return the distance of every cell (y, x) to a place, km, on a sphere."""
    points = np.array(_broken(place.points))
    to_cells = [_haversine_km(lon, lat, *point) for point in points]
    return np.minimum.reduce(to_cells)


def _broken(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points of a route, and others on the geodesics between them."""
    geod, line = pyproj.Geod(ellps="WGS84"), list(points[:1])
    for (lon, lat), (to_lon, to_lat) in zip(points, points[1:], strict=False):
        number = int(geod.inv(lon, lat, to_lon, to_lat)[2] / (1000 * STEP_KM))
        line += geod.npts(lon, lat, to_lon, to_lat, number) if number else []
        line.append((to_lon, to_lat))
    return line


def _haversine_km(lon: np.ndarray, lat: np.ndarray, to_lon: float, to_lat: float) -> np.ndarray:
    """Return the length of the great circle between points, km."""
    phi, to_phi = np.deg2rad(lat), np.deg2rad(to_lat)
    half = np.sin((phi - to_phi) / 2) ** 2
    half = half + np.cos(phi) * np.cos(to_phi) * np.sin(np.deg2rad(lon - to_lon) / 2) ** 2
    return 2 * EARTH_KM * np.arcsin(np.sqrt(half.clip(0, 1)))
