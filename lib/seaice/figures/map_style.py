"""What are maps drawn from? Projection, window, land, edges and keys, the same in every map.

The coast is drawn from the land mask. So nothing has to be downloaded, and it is the coast of the
forecast.
"""

import cartopy.crs as ccrs
import numpy as np
import xarray as xr
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D
from matplotlib.patheffects import Stroke

from seaice.figures.style import cmocean
from seaice.geo.gaps import fill_nearest
from seaice.prepare.truth import truth_and_weight
from seaice.steps import at
from seaice.thresholds import ICE_EDGE, SIP_EDGE
from seaice.verify.scores import binary_accuracy

LAND = ListedColormap(["#b9b2a6"])
# The black end, on which edges cannot be seen, is cut off.
ICE_COLOURS = cmocean.tools.crop_by_percent(cmocean.cm.ice, 12, which="min")
SEA_AND_ICE = ListedColormap(["#33587a", "#e8eff4"])
PREDICTED = {"colors": "#D55E00", "linewidths": 2.0, "linestyles": "solid"}
OBSERVED = {"colors": "#000000", "linewidths": 1.5, "linestyles": "dashed"}
MARGIN_KM = 200.0  # km of sea and land shown around the cells that count


def projection(ready: xr.Dataset) -> ccrs.Projection:
    """Return the equal-area projection around the pole of the record."""
    return ccrs.LambertAzimuthalEqualArea(
        central_latitude=90 if ready.attrs["hemisphere"] == "north" else -90
    )


def draw(ax, field: xr.DataArray, ready: xr.Dataset, ever_active: xr.DataArray, **style):
    """Draw a field, land above it and above edges, cropped to the active cells.

    ever_active: bool (y, x). Returns the image for its colour bar.
    """
    image = ax.pcolormesh(ready.x, ready.y, field, shading="nearest", rasterized=True, **style)
    land = np.ma.masked_where(~ready.land.values, np.zeros(ready.land.shape))
    ax.pcolormesh(ready.x, ready.y, land, shading="nearest", cmap=LAND, rasterized=True, zorder=3)
    ax.contour(ready.x, ready.y, ready.land.astype(float), [0.5], colors="#6f675b", linewidths=0.6, zorder=3)
    ax.spines["geo"].set_zorder(4)
    ax.set_extent(window(ever_active), crs=ax.projection)
    return image


def window(ever_active: xr.DataArray) -> list[float]:
    """Return limits of x and y, m, of a square around these cells, within the grid."""
    spans = []
    for axis, other in (("x", "y"), ("y", "x")):
        coordinates = ever_active[axis].values[ever_active.any(other).values]
        spans.append((coordinates.min(), coordinates.max()))
    half = max(high - low for low, high in spans) / 2 + MARGIN_KM * 1000
    limit = float(abs(ever_active.x).max())
    middles = [
        np.clip((low + high) / 2, half - limit, limit - half) if half < limit else 0 for low, high in spans
    ]
    half = min(half, limit)
    return [side for middle in middles for side in (middle - half, middle + half)]


def edge(ax, field: xr.DataArray, level: float, **style) -> None:
    # The field is extended below the land, so that the edge does not follow the coasts.
    """Draw the contour of a field at a level, with a white outline; nothing where there is none."""
    field = fill_nearest(field.astype("float32"))
    if float(field.min()) < level < float(field.max()):
        contour = ax.contour(field.x, field.y, field, [level], zorder=2, **style)
        contour.set_path_effects(
            [Stroke(linewidth=style["linewidths"] + 1.6, foreground="white", alpha=0.8), Stroke()]
        )


def observed_edge(ax, sip: xr.DataArray, ready: xr.Dataset, time: xr.DataArray) -> str:
    """Draw the observed edge and return the share of cells that `sip` has right, as text.

    Without an observation nothing is drawn and the text is empty.
    """
    ice, weight = truth_and_weight(ready, time)
    if not float(weight.sum()):
        return ""
    edge(ax, at(ready.siconc, time), ICE_EDGE, **OBSERVED)
    return f"{float(binary_accuracy(sip, ice, weight)):.1f} %"


def dot_disagreement(ax, classes: xr.DataArray, ready: xr.Dataset) -> None:
    """Draw dots on sea cells where some members forecast ice and others do not.

    classes: probability (member, ice_class, y, x).
    """
    has_ice = (1 - classes.isel(ice_class=0)) > SIP_EDGE
    disagree = has_ice.any("member") & ~has_ice.all("member") & ~ready.land
    y, x = np.nonzero(disagree.transpose("y", "x").values)
    ax.plot(ready.x.values[x], ready.y.values[y], ".", ms=1.6, color="#56B4E9")


def keys(members: bool) -> list[Line2D]:
    """Return the keys of the edges, and of the dots where there are members."""
    handles = [
        Line2D([], [], color=PREDICTED["colors"], lw=2, label="predicted edge"),
        Line2D([], [], color=OBSERVED["colors"], lw=1.5, ls="--", label="observed edge"),
    ]
    if members:
        handles.append(Line2D([], [], color="#56B4E9", marker=".", ls="", label="members disagree"))
    return handles
