"""How does a forecast look? As a sheet of maps, and as an animation through the leads."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from seaice.figures import animation
from seaice.figures.map_style import ICE_COLOURS, PREDICTED, draw, edge, projection
from seaice.figures.style import STYLE, cmocean
from seaice.forecasts.probabilities import confidence
from seaice.prepare.normals import at_normal
from seaice.steps import MONTH_NAMES, cadence
from seaice.thresholds import ICE_EDGE, SIP_EDGE

NORMAL = {"colors": "#000000", "linewidths": 1.5, "linestyles": "dashed"}
MOST = 6  # most leads on the sheet, including the first and the last; the animation has all


def sheet(fields: xr.Dataset, record: xr.Dataset) -> Figure:
    """Draw maps of up to `MOST` leads in two rows.

    Above: sea-ice probability with the forecast edge and the normal edge. Below: confidence.
    fields: see `ensemble.calibrated`. record: as it was known at the init_time; its climatology of
    the fit period gives the normal edge of the month or day.
    """
    normal, sea = _normal(fields, record), fields.active.any("lead_time")
    last = fields.sizes["lead_time"] - 1
    leads = np.unique(np.linspace(0, last, MOST).round().astype(int))
    with plt.rc_context(STYLE):
        size = {"figsize": (2.1 * len(leads) + 0.9, 5.0), "layout": "constrained"}
        fig, axes = plt.subplots(
            2, len(leads), squeeze=False, subplot_kw={"projection": projection(record)}, **size
        )
        for k, (above, below) in zip(leads, axes.T, strict=True):
            probability_image = _probability(above, fields, record, normal, k, sea)
            sip = fields.sip.isel(lead_time=k)
            confidence_image = draw(below, confidence(sip), record, sea, cmap=cmocean.cm.gray, vmin=0, vmax=1)
            edge(below, sip, SIP_EDGE, **PREDICTED)
        fig.colorbar(probability_image, ax=axes[0], label="sea-ice probability", shrink=0.8, pad=0.01)
        fig.colorbar(confidence_image, ax=axes[1], label="confidence", shrink=0.8, pad=0.01)
        fig.legend(handles=_keys(), loc="outside lower center", ncols=2, frameon=False)
        fig.suptitle(_title(fields), fontsize=12)
    return fig


def animate(fields: xr.Dataset, record: xr.Dataset, path: Path) -> None:
    """Write an animated GIF with one frame for each lead: the probability and both edges.

    The same forecast always gives the same bytes. Arguments: as for `sheet`.
    """
    normal, sea = _normal(fields, record), fields.active.any("lead_time")
    frames = []
    for k in range(fields.sizes["lead_time"]):
        with plt.rc_context(STYLE):
            fig = plt.figure(figsize=(5.0, 5.4))
            ax = fig.add_axes((0.02, 0.07, 0.96, 0.82), projection=projection(record))
            _probability(ax, fields, record, normal, k, sea)
            fig.suptitle(_title(fields), fontsize=10)
            fig.legend(handles=_keys(), loc="lower center", ncols=2, frameon=False)
            frames.append(animation.frame(fig))
    animation.write(frames, path)


def _probability(ax, fields, record, normal, k, sea):
    """Draw the sea-ice probability of one lead with both edges; return the image."""
    sip = fields.sip.isel(lead_time=k)
    image = draw(ax, sip, record, sea, cmap=ICE_COLOURS, vmin=0, vmax=1)
    edge(ax, normal.isel(lead_time=k), ICE_EDGE, **NORMAL)
    edge(ax, sip, SIP_EDGE, **PREDICTED)
    valid = pd.Timestamp(sip.valid_time.item())
    day = "" if cadence(record) == "monthly" else f"{valid.day} "
    ax.set_title(f"lead {int(sip.lead_time)}: {day}{MONTH_NAMES[valid.month - 1]} {valid.year}")
    return image


def _normal(fields: xr.Dataset, record: xr.Dataset) -> xr.DataArray:
    """Return the mean SIC (lead_time, y, x) of the months or days that are forecast."""
    return (
        at_normal(record.siconc_climatology, fields.valid_time, cadence=cadence(record))
        .reset_coords(drop=True)
        .compute()
    )


def _title(fields: xr.Dataset) -> str:
    """Return the title of a figure: the day of the newest data."""
    newest = pd.Timestamp(fields.init_time.item()) - pd.Timedelta(days=1)
    return f"Sea-ice forecast with data up to {newest.day} {MONTH_NAMES[newest.month - 1]} {newest.year}"


def _keys() -> list[Line2D]:
    """Return the entries of the legend."""
    return [
        Line2D([], [], color=PREDICTED["colors"], lw=2, label="forecast edge (SIP 0.5)"),
        Line2D([], [], color=NORMAL["colors"], lw=1.5, ls="--", label="normal edge (mean SIC 0.15)"),
    ]
