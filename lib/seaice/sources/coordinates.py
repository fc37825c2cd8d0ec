"""Where do the cells lie? Latitudes and longitudes from whatever coordinates a file has."""

import numpy as np
import xarray as xr

from seaice.errors import DataError

LATITUDES = ("lat", "latitude", "nav_lat", "TLAT")
LONGITUDES = ("lon", "longitude", "nav_lon", "TLON", "TLONG")
UNITS = {"lat": ("degrees_north", "degree_north"), "lon": ("degrees_east", "degree_east")}
SAME_PLACE = 0.05  # degrees by which two sets of coordinates of one cell may differ by rounding
LIMIT = 90.01  # degrees; models that mark land by a huge or missing latitude lie beyond


def placed(raw: xr.Dataset, *, source: str) -> xr.Dataset:
    """Return `raw` with coordinates named lat and lon and with the attribute `grid_kind`.

    The kind is `latlon` for a regular grid. Other grids are `curvilinear`; their dims become y, x,
    without coordinates. Cells of an unstructured grid become one row of it. If a file has maps of
    latitude and longitude beside axes that differ from them, the axes are nominal and the maps are
    used. Raises DataError if there is no set of coordinates, if several contradict each other, or
    if latitudes are impossible.
    """
    raw = _in_degrees(raw)
    lat, lon = _chosen(raw, source=source)
    _check_latitudes(raw[lat], source=source)
    others = {n for kind in ("lat", "lon") for n in _candidates(raw, kind)} - {lat, lon}
    raw = raw.drop_vars(others & set(raw.variables)).set_coords([lat, lon])
    if raw[lat].ndim == 1 and raw[lat].dims != raw[lon].dims:
        raw = raw.swap_dims({raw[n].dims[0]: n for n in (lat, lon) if raw[n].dims[0] != n})
        return raw.rename({o: n for o, n in ((lat, "lat"), (lon, "lon")) if o != n}).assign_attrs(
            grid_kind="latlon"
        )
    if raw[lat].ndim == 1:  # an unstructured grid: a list of cells
        raw = raw.drop_vars(raw[lat].dims, errors="ignore").rename({raw[lat].dims[0]: "x"})
        names = [n for n in raw.variables if "x" in raw[n].dims]
        raw = raw.assign({n: raw[n].expand_dims("y", axis=-2 if raw[n].ndim > 1 else 0) for n in names})
    else:
        rows, columns = raw[lat].dims
        values = {n: raw[n].values for n in (lat, lon)}
        raw = raw.drop_vars([c for c in (rows, columns, lat, lon) if c in raw.variables])
        raw = raw.rename({rows: "y", columns: "x"})
        raw = raw.assign_coords({n: (("y", "x"), v) for n, v in values.items()})
    raw = raw.set_coords([lat, lon]).rename({o: n for o, n in ((lat, "lat"), (lon, "lon")) if o != n})
    known_lat, known_lon = _continued(raw["lat"].values, raw["lon"].values)
    raw = raw.assign_coords(lat=(("y", "x"), known_lat), lon=(("y", "x"), known_lon))
    return raw.assign_attrs(grid_kind="curvilinear")


def _in_degrees(raw: xr.Dataset) -> xr.Dataset:
    """Return `raw` with coordinates in radians, as ICON writes them, in degrees."""
    names = [n for kind in ("lat", "lon") for n in _candidates(raw, kind)]
    for name in (n for n in names if str(raw[n].attrs.get("units", "")).startswith("radian")):
        degrees = raw[name].copy(data=np.rad2deg(raw[name].values))
        raw = raw.assign_coords({name: degrees.assign_attrs(units="degrees")})
    return raw


def is_projected(raw: xr.Dataset) -> bool:
    """Return whether x and y are axes of a plane, in m or km, and not numbers of cells."""
    named = {"x", "y"} <= set(map(str, raw.coords)) & set(map(str, raw.dims))
    return named and is_plane(raw["x"])


def is_plane(axis: xr.DataArray) -> bool:
    """Return whether an axis is one of a plane around a pole, and not of numbers or degrees."""
    # The planes of the schema reach thousands of km to both sides of a pole.
    values = np.asarray(axis)
    return values.dtype.kind in "fiu" and values.min() < 0 < values.max() and np.abs(values).max() > 1000


def maps(ds: xr.Dataset) -> frozenset[str]:
    """Return the names of the variables that are maps, without coordinates and their bounds."""
    bounds = {v.attrs.get("bounds") or v.encoding.get("bounds") for v in ds.variables.values()}
    return frozenset(
        str(name)
        for name, da in ds.data_vars.items()
        if len(set(da.dims) - {"time"}) >= 2 and name not in {*bounds, *LATITUDES, *LONGITUDES}
    )


def _candidates(raw: xr.Dataset, kind: str) -> list[str]:
    """Return the names of all variables that are latitudes or longitudes (kind "lat", "lon")."""
    names, standard = {"lat": (LATITUDES, "latitude"), "lon": (LONGITUDES, "longitude")}[kind]
    bounds = {v.attrs.get("bounds") or v.encoding.get("bounds") for v in raw.variables.values()}
    found = [
        str(name)
        for name, v in raw.variables.items()
        if v.ndim in (1, 2)
        and v.dtype.kind in "fiu"
        and "time" not in v.dims
        and name not in bounds
        and (name in names or v.attrs.get("standard_name") == standard or v.attrs.get("units") in UNITS[kind])
    ]
    return sorted(found, key=lambda name: names.index(name) if name in names else len(names))


def _chosen(raw: xr.Dataset, *, source: str) -> tuple[str, str]:
    """Return the names of latitude and longitude that place the maps of `raw`.

    Raises DataError as `placed` does.
    """
    lats, lons = _candidates(raw, "lat"), _candidates(raw, "lon")
    for found, names in ((lats, LATITUDES), (lons, LONGITUDES)):
        if not found:
            raise DataError(
                f"{source}: no coordinate {' or '.join(map(repr, names[:3]))}; "
                f"it holds {sorted(map(str, raw.coords))}"
            )
    # What the variables themselves name comes first (CF conventions, section 5.2).
    named = " ".join(
        str(raw[n].encoding.get("coordinates") or raw[n].attrs.get("coordinates") or "") for n in maps(raw)
    ).split()
    two_d = [(a, o) for a in lats for o in lons if raw[a].ndim == 2 and raw[a].dims == raw[o].dims]
    in_maps = [(a, o) for a, o in two_d if any(set(raw[a].dims) <= set(raw[n].dims) for n in maps(raw))]
    two_d = [p for p in in_maps if set(p) <= set(named)] or in_maps or two_d
    one_d = [(a, o) for a in lats for o in lons if raw[a].ndim == raw[o].ndim == 1]
    apart = [(a, o) for a, o in one_d if raw[a].dims != raw[o].dims]
    if not two_d and not one_d:
        raise DataError(
            f"{source}: latitudes {lats} and longitudes {lons} have the dims "
            f"{[raw[n].dims for n in (*lats, *lons)]}, which place no cell; give one pair of axes or of maps"
        )
    for other in two_d[1:]:
        if _distance(raw, two_d[0], other) > SAME_PLACE:
            raise DataError(
                f"{source}: has several sets of coordinates, {two_d[0]} and {other}, which place cells up to "
                f"{_distance(raw, two_d[0], other):.3g} degrees apart, and its variables name none in their "
                "attribute `coordinates`; drop those of other cells from the file"
            )
    if two_d and apart and set(raw[apart[0][0]].dims + raw[apart[0][1]].dims) == set(raw[two_d[0][0]].dims):
        return apart[0] if _distance(raw, two_d[0], apart[0]) <= SAME_PLACE else two_d[0]
    return (two_d or apart or one_d)[0]


def _distance(raw: xr.Dataset, one: tuple[str, str], other: tuple[str, str]) -> float:
    """Return the largest angle in degrees between two placements of the same cells."""
    dims = raw[one[0]].dims
    points = []
    for names in (one, other):
        lat, lon = (raw[n].reset_coords(drop=True) for n in names)
        lat, lon = (da.drop_vars(da.dims, errors="ignore") for da in (lat, lon))
        lat, lon = (da.transpose(*dims) for da in xr.broadcast(lat, lon))
        points.append(_on_sphere(np.asarray(lat, dtype=float), np.asarray(lon, dtype=float)))
    gap = np.linalg.norm(points[0] - points[1], axis=-1)
    gap = gap[np.isfinite(gap)]
    return float(np.rad2deg(2 * np.arcsin(np.clip(gap.max(initial=0) / 2, 0, 1))))


def _check_latitudes(lat: xr.DataArray, *, source: str) -> None:
    """Raise DataError for impossible latitudes, other than the huge ones that mark land."""
    values = np.asarray(lat, dtype=float)
    values = values[np.abs(values) < 1e10]
    if values.size == 0 or np.abs(values).max() > LIMIT:
        raise DataError(
            f"{source}: latitudes reach {np.abs(values).max(initial=0):g}; "
            "are lat and lon swapped, or in other units?"
        )


def _continued(lat: np.ndarray, lon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return coordinates continued by one cell into cells that have none.

    Models mark land by a missing coordinate. Without a place it would not be counted as land, and
    the sea around it would seem to reach over it. lat, lon: degrees (y, x). The new places lie as
    far from their neighbours as these do from theirs.
    """
    known = (np.abs(lat) <= LIMIT) & (np.abs(lon) <= 720)
    at_zero = (lat == 0) & (lon == 0)
    known &= ~at_zero | (at_zero.sum() == 1)  # the other mark of land
    if known.all() or min(lat.shape) < 2:
        return lat, lon
    points = np.where(known[..., None], _on_sphere(lat, lon), np.nan)
    guesses = []
    for axis in (0, 1):
        for by in (1, -1):
            next_one, after = (_shifted(points, k * by, axis) for k in (1, 2))
            guesses.append(2 * next_one - after)
    with np.errstate(invalid="ignore"):
        counted = np.isfinite(guesses).sum(0)
        mean = np.nansum(guesses, axis=0) / np.where(counted, counted, np.nan)
        new_lat = np.rad2deg(np.arcsin(np.clip(mean[..., 2] / np.linalg.norm(mean, axis=-1), -1, 1)))
        new_lon = np.rad2deg(np.arctan2(mean[..., 1], mean[..., 0]))
    return np.where(known, lat, new_lat), np.where(known, lon, new_lon)


def _shifted(points: np.ndarray, by: int, axis: int) -> np.ndarray:
    """Return points moved by cells along an axis, NaN where they would come from over the edge."""
    out = np.full_like(points, np.nan)
    target, origin = [slice(None)] * points.ndim, [slice(None)] * points.ndim
    target[axis] = slice(by, None) if by > 0 else slice(None, by)
    origin[axis] = slice(None, -by) if by > 0 else slice(-by, None)
    out[tuple(target)] = points[tuple(origin)]
    return out


def _on_sphere(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Return points as x, y, z on the unit sphere, along a new last axis."""
    with np.errstate(invalid="ignore"):
        lat = np.where(np.abs(lat) <= LIMIT, lat, np.nan)
        lat, lon = np.deg2rad(lat), np.deg2rad(lon)
        return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)
