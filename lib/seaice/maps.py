"""How does it look on the map? Forecasts with their ice edge and confidence, and an overview of the data.

The coast is drawn from the land mask, so that nothing is downloaded, and it is the coast that the forecast knows.
"""

from collections.abc import Sequence

import cartopy.crs as ccrs
import cmocean
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import Stroke

from seaice.baselines import at, fill_nearest, valid_time
from seaice.figures import MONTHS, STYLE, bare
from seaice.schema import ICE_EDGE
from seaice.verify import M_KM2, binary_accuracy, truth_and_weight

LAND = ListedColormap(["#b9b2a6"])
ICE = cmocean.tools.crop_by_percent(cmocean.cm.ice, 12, which="min")  # without the black that would hide the edges
PREDICTED = {"colors": "#D55E00", "linewidths": 2.0, "linestyles": "solid"}
OBSERVED = {"colors": "#000000", "linewidths": 1.5, "linestyles": "dashed"}
MARGIN_KM = 200.0  # km of sea and land shown around the cells that count


def forecast_map(forecast: xr.Dataset, ready: xr.Dataset, init_time, *, leads: Sequence[int] = (1, 3, 6)) -> Figure:
    """Maps of one forecast: sea-ice probability with its edge (SIP = 0.5) and the observed edge, and below them the confidence.

    forecast: `sip` (init_time, lead_time, y, x), and `ice_class_probability` with members where there are some. Confidence: 1 minus the
    entropy of the SIP in bits, 1 where the forecast is sure either way, 0 where it is a toss-up; dots mark cells where members disagree
    about ice. The observed edge (SIC = 0.15) and the accuracy appear where the truth is known.
    """
    chosen = forecast.sel(init_time=pd.Timestamp(init_time))
    time = valid_time([init_time], leads).isel(init_time=0)
    ice, weight = truth_and_weight(ready, time)
    truth = at(ready.siconc, time)
    active = ready.active.sel(month=time.dt.month).any("lead_time")
    with plt.rc_context(STYLE):
        size = {"figsize": (3.1 * len(leads) + 0.9, 6.9), "layout": "constrained"}
        fig, axes = plt.subplots(2, len(leads), squeeze=False, subplot_kw={"projection": _projection(ready)}, **size)
        for k, lead in enumerate(leads):
            sip = chosen.sip.sel(lead_time=lead)
            above, below = axes[:, k]
            shade = _draw(above, sip, ready, active, cmap=ICE, vmin=0, vmax=1)
            _edge(above, sip, 0.5, **PREDICTED)
            title = f"lead {lead}: {pd.Timestamp(time.values[k]):%B %Y}"
            if float(weight.isel(lead_time=k).sum()):
                _edge(above, truth.isel(lead_time=k), ICE_EDGE, **OBSERVED)
                right = binary_accuracy(sip, ice.isel(lead_time=k), weight.isel(lead_time=k))
                title += f"\n{float(right):.1f} % of cells right"
            above.set_title(title)
            sure = _draw(below, confidence(sip), ready, active, cmap=cmocean.cm.gray, vmin=0, vmax=1)
            _edge(below, sip, 0.5, **PREDICTED)
            if "ice_class_probability" in chosen:
                _dot_disagreement(below, chosen.ice_class_probability.sel(lead_time=lead), ready)
        fig.colorbar(shade, ax=axes[0], label="sea-ice probability", shrink=0.8, pad=0.01)
        fig.colorbar(sure, ax=axes[1], label="confidence", shrink=0.8, pad=0.01)
        fig.legend(handles=_keys("ice_class_probability" in chosen), loc="outside lower center", ncols=3, frameon=False)
        newest = pd.Timestamp(init_time) - pd.Timedelta(days=1)
        fig.suptitle(f"Forecast with data up to the end of {newest:%B %Y}", fontsize=12)
    return fig


def confidence(sip: xr.DataArray) -> xr.DataArray:
    """1 + p log2 p + (1 - p) log2 (1 - p): 1 where p is 0 or 1, 0 where it is 0.5. Same dims, NaN stays."""
    p = sip.clip(1e-6, 1 - 1e-6)
    return 1 + p * np.log2(p) + (1 - p) * np.log2(1 - p)


def data_overview(ready: xr.Dataset) -> Figure:
    """What the data look like: newest March and September, the months a cell is active, and the extent of every year."""
    area = float(ready.attrs["resolution_km"]) ** 2 * M_KM2
    ever_active = ready.active.any("month")
    siconc = ready.siconc.where(ready.siconc_flag < 3)
    complete = (siconc.notnull() | ready.land).all(("y", "x"))
    extent = (((siconc > ICE_EDGE).sum(("y", "x")) * area).where(complete)).compute()
    whole = extent.time[extent.notnull()]
    with plt.rc_context(STYLE):
        fig = plt.figure(figsize=(9.6, 7.2), layout="constrained")
        grid = fig.add_gridspec(2, 3, height_ratios=(1.15, 1))
        maps = [fig.add_subplot(grid[0, k], projection=_projection(ready)) for k in range(3)]
        for ax, month in zip(maps, (3, 9), strict=False):
            newest = whole[whole.dt.month == month][-1]
            image = _draw(ax, siconc.sel(time=newest), ready, ever_active, cmap=ICE, vmin=0, vmax=1)
            ax.set_title(f"{MONTHS[month - 1]} {newest.dt.year.item()}")
        fig.colorbar(image, ax=maps[:2], label="sea ice concentration", orientation="horizontal", shrink=0.6, pad=0.02)
        active = ready.active.sum("month").where(~ready.land)
        image = _draw(maps[2], active, ready, ever_active, cmap=cmocean.cm.dense, vmin=0, vmax=12)
        maps[2].set_title("months a year that count")
        fig.colorbar(image, ax=maps[2], orientation="horizontal", shrink=0.9, pad=0.02, ticks=[0, 3, 6, 9, 12])
        _extents(fig.add_subplot(grid[1, :]), extent)
        fig.suptitle(
            f"{ready.attrs['run']}: {ready.attrs['hemisphere']}, {ready.attrs['resolution_km']:g} km", fontsize=12
        )
    return fig


def _extents(ax, extent: xr.DataArray) -> None:
    table = pd.DataFrame(
        {"value": extent.values, "year": extent.time.dt.year.values, "month": extent.time.dt.month.values}
    )
    table = table.pivot(index="month", columns="year", values="value").dropna(axis=1, how="all")
    shades = cmocean.cm.matter(np.linspace(0.1, 1, table.shape[1]))
    for (year, values), colour in zip(table.items(), shades, strict=True):
        newest = year == table.columns[-1]
        ax.plot(values.index, values, color=colour, lw=2.4 if newest else 0.9, label=str(year) if newest else None)
    ax.plot(table.index, table.mean(axis=1), color="black", lw=2, ls="--", label="mean of all years")
    ax.set(
        xticks=range(1, 13),
        xticklabels=MONTHS,
        ylabel="sea-ice extent (million km²)",
        title=f"{table.columns[0]} (light) to {table.columns[-1]} (dark)",
    )
    ax.legend(frameon=False)
    bare(ax)


# ---- pieces of a map


def _projection(ready: xr.Dataset) -> ccrs.Projection:
    return ccrs.LambertAzimuthalEqualArea(central_latitude=90 if ready.attrs["hemisphere"] == "north" else -90)


def _draw(ax, field: xr.DataArray, ready: xr.Dataset, ever_active: xr.DataArray, **style):
    """Draw a field, land above it and above edges, cropped to the active cells; returns the image for its colour bar."""
    image = ax.pcolormesh(ready.x, ready.y, field, shading="nearest", rasterized=True, **style)
    land = np.ma.masked_where(~ready.land.values, np.zeros(ready.land.shape))
    ax.pcolormesh(ready.x, ready.y, land, shading="nearest", cmap=LAND, rasterized=True, zorder=3)
    ax.contour(ready.x, ready.y, ready.land.astype(float), [0.5], colors="#6f675b", linewidths=0.6, zorder=3)
    ax.spines["geo"].set_zorder(4)
    ax.set_extent(_window(ever_active), crs=ax.projection)
    return image


def _window(ever_active: xr.DataArray) -> list[float]:
    """x and y limits, m, of a square around these cells, within the grid."""
    spans = []
    for axis, other in (("x", "y"), ("y", "x")):
        where = ever_active[axis].values[ever_active.any(other).values]
        spans.append((where.min(), where.max()))
    half = max(high - low for low, high in spans) / 2 + MARGIN_KM * 1000
    limit = float(abs(ever_active.x).max())
    middles = [np.clip((low + high) / 2, half - limit, limit - half) if half < limit else 0 for low, high in spans]
    half = min(half, limit)
    return [side for middle in middles for side in (middle - half, middle + half)]


def _edge(ax, field: xr.DataArray, level: float, **style) -> None:
    # Carried on over land, under which it is drawn, an edge does not follow the coasts.
    field = fill_nearest(field.astype("float32"))
    if float(field.min()) < level < float(field.max()):
        contour = ax.contour(field.x, field.y, field, [level], zorder=2, **style)
        contour.set_path_effects([Stroke(linewidth=style["linewidths"] + 1.6, foreground="white", alpha=0.8), Stroke()])


def _dot_disagreement(ax, classes: xr.DataArray, ready: xr.Dataset) -> None:
    says_ice = (1 - classes.isel(ice_class=0)) > 0.5
    split = says_ice.any("member") & ~says_ice.all("member") & ~ready.land
    y, x = np.nonzero(split.transpose("y", "x").values)
    ax.plot(ready.x.values[x], ready.y.values[y], ".", ms=1.6, color="#56B4E9")


def _keys(members: bool) -> list[Line2D]:
    keys = [
        Line2D([], [], color=PREDICTED["colors"], lw=2, label="predicted edge"),
        Line2D([], [], color=OBSERVED["colors"], lw=1.5, ls="--", label="observed edge"),
    ]
    if members:
        keys.append(Line2D([], [], color="#56B4E9", marker=".", ls="", label="members disagree"))
    return keys
