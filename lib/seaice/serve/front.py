"""What does a browser see first, and where are the places?"""

import html
from collections.abc import Mapping, Sequence

from seaice.decisions.places import Place

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:46rem;padding:0 1rem;color:#1c2b39}"
)


def home(rows: Sequence[Mapping]) -> str:
    """Return the front page: the newest forecast of each run, and how to ask for more.

    rows: see `/latest`. The page of a forecast itself has maps, a slider and the places.
    """
    items = (
        "".join(_item(row) for row in rows)
        or "<p>There is no finished forecast yet: <code>make forecast</code>.</p>"
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>Sea-ice forecasts</title><style>{STYLE}</style></head><body>"
        f"<h1>Sea-ice forecasts</h1>{items}"
        "<h2>For programs</h2><p>In Python: "
        "<code>xr.open_zarr('&lt;this address&gt;/datasets/&lt;run&gt;.latest/zarr')</code>. "
        'Addresses and examples: <a href="/openapi.json">openapi.json</a>, <a href="/latest">latest</a>, '
        '<a href="/places">places</a>.</p></body></html>\n'
    )


def _item(row: Mapping) -> str:
    """Return a heading and the links of one forecast."""
    title = html.escape(f"{row['run']} ({row['hemisphere']}), from {row['init_time']}")
    links = [
        f'<a href="{html.escape(link, quote=True)}">{html.escape(name)}</a>'
        for name, link in row["links"].items()
        if name in ("page", "edge", "stac", "edr")
    ]
    flags = "".join(f"<li>{html.escape(flag)}</li>" for flag in row["flags"])
    return f"<h2>{title}</h2><p>{' · '.join(links)}</p>" + (f"<ul>{flags}</ul>" if flags else "")


def places(named: Sequence[Place]) -> dict:
    """Return places as a GeoJSON FeatureCollection; routes are lines."""
    return {"type": "FeatureCollection", "features": [_feature(place) for place in named]}


def _feature(place: Place) -> dict:
    """Return one place as a feature."""
    points = [list(point) for point in place.points]
    shape = {"type": "Point", "coordinates": points[0]}
    if len(points) > 1:
        shape = {"type": "MultiLineString", "coordinates": _cut(points)}
    properties = {
        "name": place.name,
        "kind": place.kind,
        "hemisphere": place.hemisphere,
        "radius_km": place.radius_km,
        "source": place.source,
    }
    return {"type": "Feature", "geometry": shape, "properties": properties}


def _cut(points: Sequence[Sequence[float]]) -> list[list[Sequence[float]]]:
    """Return a line in pieces, cut where it crosses the 180th meridian."""
    pieces, last = [[points[0]]], points[0]
    for point in points[1:]:
        if abs(point[0] - last[0]) > 180:
            side = 180.0 if last[0] > 0 else -180.0
            share = (side - last[0]) / (point[0] + 2 * side - last[0])
            latitude = last[1] + share * (point[1] - last[1])
            pieces[-1].append([side, latitude])
            pieces.append([[-side, latitude]])
        pieces[-1].append(point)
        last = point
    return pieces
