"""How does a ship's route through a forecast look?

A map of the cells of a MeshiPhi mesh, the ice in them, and PolarRoute's routes on top.
"""

from collections.abc import Mapping

import numpy as np
import pyproj
import shapely
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from seaice.errors import DataError
from seaice.figures.style import STYLE, cmocean

STEP = 0.5  # degrees between drawn points, since meridians and parallels are curves on the map
LAND, CLOSED = "#b9b2a6", "#D55E00"
ROUTES = ("#D55E00", "#009E73", "#CC79A7", "#E69F00")
ICE_COLOURS = cmocean.tools.crop_by_percent(cmocean.cm.ice, 25, which="min")


def chart(mesh: Mapping, routes: Mapping, *, title: str = "") -> Figure:
    """Draw a mesh with its routes on an equal-area map around its pole.

    mesh: MeshiPhi's JSON after PolarRoute's vessel model: `cellboxes` with `geometry` (WKT,
    degrees), `SIC` in percent or None, `land` and `ext_ice`.
    routes: GeoJSON FeatureCollection of LineStrings, degrees, with `from`, `to` and
    `total_traveltime` in days.
    Raises DataError for a mesh without cells, or without a vessel.
    """
    cells = mesh["cellboxes"]
    if not cells or not {"land", "ext_ice", "SIC"} <= set().union(*cells):
        raise DataError("mesh: cells lack 'SIC', 'land' or 'ext_ice'; put a vessel on the mesh first")
    north = np.mean([cell["cy"] for cell in cells]) > 0
    # Turned so that the middle meridian of the region points up the page.
    middle = float(np.mean([cell["cx"] for cell in cells]))
    turned = pyproj.CRS.from_dict(
        {"proj": "laea", "lat_0": 90 if north else -90, "lon_0": middle, "datum": "WGS84"}
    )
    to_map = pyproj.Transformer.from_crs(4326, turned, always_xy=True)
    figure = Figure(figsize=(9, 5), layout="constrained")
    ax = figure.add_subplot()
    ax.set_aspect("equal")
    outlines = [_on_map(shapely.from_wkt(cell["geometry"]).exterior, to_map) for cell in cells]
    sea = [k for k, cell in enumerate(cells) if not cell["land"]]
    values = np.array([np.nan if cells[k]["SIC"] is None else cells[k]["SIC"] for k in sea], float)
    ice = PolyCollection(
        [outlines[k] for k in sea], array=values, cmap=ICE_COLOURS, edgecolors="#7f8c96", linewidths=0.3
    )
    ice.set_clim(0, 100)
    ax.add_collection(ice)
    land = [outline for outline, cell in zip(outlines, cells, strict=True) if cell["land"]]
    ax.add_collection(PolyCollection(land, facecolors=LAND, edgecolors="#9c9488", linewidths=0.3))
    closed = [
        outline for outline, cell in zip(outlines, cells, strict=True) if cell["ext_ice"] and not cell["land"]
    ]
    ax.add_collection(
        PolyCollection(closed, facecolors="none", edgecolors=CLOSED, hatch="///", linewidths=0.3)
    )
    keys = [
        Patch(facecolor=LAND, label="land"),
        Patch(facecolor="none", edgecolor=CLOSED, hatch="///", label="too much ice"),
    ]
    for feature, colour in zip(routes["features"], ROUTES * len(routes["features"]), strict=False):
        properties = feature["properties"]
        line = _on_map(shapely.LineString(feature["geometry"]["coordinates"]), to_map)
        ax.plot(*line.T, color="white", lw=4, zorder=3)
        ax.plot(*line.T, color=colour, lw=2.2, zorder=3)
        label = (
            f"{properties['from']} to {properties['to']}: {float(properties['total_traveltime']):.1f} days"
        )
        keys.append(Line2D([], [], color=colour, lw=2.2, label=label))
        ax.plot(*line[[0, -1]].T, "o", color=colour, mec="white", ms=7, zorder=4)
    ax.autoscale_view()
    ax.set_axis_off()
    ax.set_title(title, fontsize=STYLE["axes.titlesize"])
    figure.colorbar(ice, ax=ax, shrink=0.7, label="sea ice concentration (%)")
    figure.legend(
        handles=keys, loc="outside lower center", ncols=2, frameon=False, fontsize=STYLE["legend.fontsize"]
    )
    return figure


def _on_map(line, to_map: pyproj.Transformer) -> np.ndarray:
    """Return the points of a line in degrees as points on the map, m, (point, 2)."""
    points = np.array(shapely.segmentize(line, STEP).coords)
    return np.stack(to_map.transform(points[:, 0], points[:, 1]), axis=1)
