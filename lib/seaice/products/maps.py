"""How does a forecast product look? A sheet of maps, and an animation through the leads."""

import io
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from seaice.figures.map_pieces import ICE_COLOURS, PREDICTED, draw, edge, projection
from seaice.figures.style import STYLE, cmocean
from seaice.files import replacing
from seaice.forecasts.probabilities import confidence
from seaice.prepare.normals import at_normal
from seaice.schema import ICE_EDGE, SIP_EDGE
from seaice.steps import MONTH_NAMES, cadence

NORMAL = {"colors": "#000000", "linewidths": 1.5, "linestyles": "dashed"}
MOST = 6  # leads on the sheet, the first and last among them; the animation has all
FRAME_MS = 900  # ms a frame of the animation
FRAME_DPI = 80  # dots per inch: an animation stays below 0.3 MB
COLOURS = 64  # of the animation's palette


def sheet(fields: xr.Dataset, known: xr.Dataset) -> Figure:
    """Maps of up to `MOST` leads, two rows: sea-ice probability with its edge and the normal one, and the confidence below.

    fields: see `ensemble.calibrated`. known: the record as of the init_time; its climatology of the fit period gives the normal edge of
    the month or day.
    """
    normal, shown = _normal(fields, known), fields.active.any("lead_time")
    last = fields.sizes["lead_time"] - 1
    leads = np.unique(np.linspace(0, last, MOST).round().astype(int))
    with plt.rc_context(STYLE):
        size = {"figsize": (2.1 * len(leads) + 0.9, 5.0), "layout": "constrained"}
        fig, axes = plt.subplots(
            2, len(leads), squeeze=False, subplot_kw={"projection": projection(known)}, **size
        )
        for k, (above, below) in zip(leads, axes.T, strict=True):
            shade = _probability(above, fields, known, normal, k, shown)
            sip = fields.sip.isel(lead_time=k)
            sure = draw(below, confidence(sip), known, shown, cmap=cmocean.cm.gray, vmin=0, vmax=1)
            edge(below, sip, SIP_EDGE, **PREDICTED)
        fig.colorbar(shade, ax=axes[0], label="sea-ice probability", shrink=0.8, pad=0.01)
        fig.colorbar(sure, ax=axes[1], label="confidence", shrink=0.8, pad=0.01)
        fig.legend(handles=_keys(), loc="outside lower center", ncols=2, frameon=False)
        fig.suptitle(_title(fields), fontsize=12)
    return fig


def animate(fields: xr.Dataset, known: xr.Dataset, path: Path) -> None:
    """Write an animated GIF, a frame a lead, with the probability and both edges; the same forecast always the same bytes."""
    normal, shown = _normal(fields, known), fields.active.any("lead_time")
    frames = []
    for k in range(fields.sizes["lead_time"]):
        with plt.rc_context(STYLE):
            fig = plt.figure(figsize=(5.0, 5.4), dpi=FRAME_DPI)
            ax = fig.add_axes((0.02, 0.07, 0.96, 0.82), projection=projection(known))
            _probability(ax, fields, known, normal, k, shown)
            fig.suptitle(_title(fields), fontsize=10)
            fig.legend(handles=_keys(), loc="lower center", ncols=2, frameon=False)
            buffer = io.BytesIO()
            fig.savefig(buffer, format="png", metadata={"Software": None})
            plt.close(fig)
        frames.append(Image.open(buffer).convert("RGB").quantize(COLOURS))
    with replacing(path) as part:
        frames[0].save(part, format="GIF", save_all=True, append_images=frames[1:], duration=FRAME_MS, loop=0)


def _probability(ax, fields, known, normal, k, shown):
    sip = fields.sip.isel(lead_time=k)
    image = draw(ax, sip, known, shown, cmap=ICE_COLOURS, vmin=0, vmax=1)
    edge(ax, normal.isel(lead_time=k), ICE_EDGE, **NORMAL)
    edge(ax, sip, SIP_EDGE, **PREDICTED)
    valid = pd.Timestamp(sip.valid_time.item())
    day = "" if cadence(known) == "monthly" else f"{valid.day} "
    ax.set_title(f"lead {int(sip.lead_time)}: {day}{MONTH_NAMES[valid.month - 1]} {valid.year}")
    return image


def _normal(fields: xr.Dataset, known: xr.Dataset) -> xr.DataArray:
    return (
        at_normal(known.siconc_climatology, fields.valid_time, cadence=cadence(known))
        .reset_coords(drop=True)
        .compute()
    )


def _title(fields: xr.Dataset) -> str:
    newest = pd.Timestamp(fields.init_time.item()) - pd.Timedelta(days=1)
    return f"Sea-ice forecast with data up to {newest.day} {MONTH_NAMES[newest.month - 1]} {newest.year}"


def _keys() -> list[Line2D]:
    return [
        Line2D([], [], color=PREDICTED["colors"], lw=2, label="forecast edge (SIP 0.5)"),
        Line2D([], [], color=NORMAL["colors"], lw=1.5, ls="--", label="normal edge (mean SIC 0.15)"),
    ]
