"""How do ensembles of possible ice look? Fans of extent, single members, edges and spectra."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

from seaice.figures import animation
from seaice.figures.map_style import ICE_COLOURS, OBSERVED, SEA_AND_ICE, draw, edge, projection
from seaice.figures.style import METRIC_LABELS, STYLE, bare, leads_to_show
from seaice.geo import ice_area
from seaice.grid import Grid
from seaice.steps import NAME, at, cadence, last_step, valid_time
from seaice.thresholds import ICE_EDGE
from seaice.verify import extent
from seaice.verify.tables import select

LOOKS = {  # maker: label, colour, dash, marker
    "schaake": ("Schaake shuffle", "#0072B2", "-", "o"),
    "dressing": ("dressing", "#E69F00", "--", "s"),
    "generative": ("generative network", "#D55E00", "-.", "^"),
    "independent": ("independent draws", "#777777", ":", "x"),
}
BANDS = ((0.05, 0.95, 0.18), (0.25, 0.75, 0.35))  # quantiles and how strongly they are drawn
LINES = 12  # members drawn as lines, and edges on a map
ANIMATED = 3  # members in the animation
STAMPS = 7  # members drawn as maps, beside the observation
BEFORE = 6  # steps of the record drawn before a forecast
WAVELENGTHS = (200, 500, 1000, 2000)  # km, ticks of a spectrum
STAMP = {"monthly": "%B %Y", "daily": "%d %B %Y"}
METRICS = ("extent_crps", "extent_spread_skill", "variogram")
LABELS = METRIC_LABELS | {
    "extent_spread_skill": "spread over error of extent",
    "variogram": "variogram score",
}


def fan(siconc: xr.DataArray, ready: xr.Dataset, init_time) -> Figure:
    """Draw the extent of all members of one forecast by month or day, and the observed one.

    Bands hold the middle half and the middle 90 % of the members; thin lines are single ones.
    siconc: (init_time, lead_time, trajectory, y, x), fraction 0..1.
    """
    init, time_cadence = pd.Timestamp(init_time), cadence(ready)
    chosen = siconc.sel(init_time=init).load().astype("float32")
    valid = valid_time([init], chosen.lead_time.values, cadence=time_cadence).values[0]
    extents = ice_area.extent(chosen, Grid.of(ready.attrs).cell_area)
    extents = extents.transpose("lead_time", "trajectory").values
    last = last_step([init], cadence=time_cadence).values[0]
    before = ready.indexes["time"][ready.indexes["time"] <= last][-BEFORE:]
    observed = extent.observed(ready.sel(time=slice(before[0], valid[-1])))
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(7.6, 4), layout="constrained")
        for low, high, alpha in BANDS:
            bounds = np.quantile(extents, (low, high), axis=1)
            label = f"middle {high - low:.0%} of the members"
            ax.fill_between(valid, *bounds, color="#0072B2", alpha=alpha, lw=0, label=label)
        ax.plot(valid, extents[:, :LINES], color="#0072B2", lw=0.5)
        ax.plot(valid, np.median(extents, axis=1), color="#0072B2", lw=2, label="median")
        ax.plot(observed.time, observed, color="#000000", marker="o", ms=4, label="observed")
        ax.axvline(init, color="#777777", lw=0.8, ls=":")
        ax.set(ylabel="extent (million km²)", title=f"Forecast from {init:{STAMP[time_cadence]}} on")
        bare(ax)
        ax.tick_params(axis="x", rotation=30)
        ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return fig


def stamps(siconc: xr.DataArray, ready: xr.Dataset, init_time, *, lead_time: int) -> Figure:
    """Draw the SIC of some members at one lead, each with its edge, and the observed SIC.

    siconc: (init_time, lead_time, trajectory, y, x), fraction 0..1.
    """
    time, truth, active = _moment(ready, init_time, lead_time)
    members = siconc.sel(init_time=init_time, lead_time=lead_time).isel(trajectory=slice(STAMPS)).load()
    members = members.astype("float32")
    fields = {"observed": truth} if bool(truth.notnull().any()) else {}
    fields |= {f"member {int(k)}": members.sel(trajectory=k) for k in members.trajectory.values}
    columns = -(-len(fields) // 2)
    with plt.rc_context(STYLE):
        size = {"figsize": (2.2 * columns + 0.9, 5.0), "layout": "constrained"}
        fig, axes = plt.subplots(2, columns, subplot_kw={"projection": projection(ready)}, **size)
        for ax in axes.flat[len(fields) :]:
            ax.set_visible(False)
        for ax, (title, field) in zip(axes.flat, fields.items(), strict=False):
            image = draw(ax, field, ready, active, cmap=ICE_COLOURS, vmin=0, vmax=1)
            ax.set_title(title, fontweight="bold" if title == "observed" else "normal")
        fig.colorbar(image, ax=axes, label="sea ice concentration", shrink=0.7, pad=0.01)
        fig.suptitle(f"{time:{STAMP[cadence(ready)]}}, lead {lead_time}", fontsize=12)
    return fig


def animate(siconc: xr.DataArray, ready: xr.Dataset, init_time, path: Path) -> None:
    """Write an animated GIF of `ANIMATED` members side by side, one frame for each lead.

    siconc: (init_time, lead_time, trajectory, y, x), fraction 0..1. ready: the analysis-ready data.
    init_time: of the forecast. path: of the file.
    """
    frames = []
    for lead in siconc.lead_time.values:
        time, _, active = _moment(ready, init_time, int(lead))
        members = siconc.sel(init_time=init_time, lead_time=lead).isel(trajectory=slice(ANIMATED)).load()
        with plt.rc_context(STYLE):
            size = {"figsize": (3.0 * ANIMATED, 3.6), "layout": "constrained"}
            fig, axes = plt.subplots(1, ANIMATED, subplot_kw={"projection": projection(ready)}, **size)
            for ax, member in zip(axes, members.astype("float32"), strict=False):
                draw(ax, member, ready, active, cmap=ICE_COLOURS, vmin=0, vmax=1)
                ax.set_title(f"member {int(member.trajectory)}")
            fig.suptitle(f"{time:{STAMP[cadence(ready)]}}, lead {lead}", fontsize=12)
            frames.append(animation.frame(fig))
    animation.write(frames, path)


def edges(siconc: xr.DataArray, ready: xr.Dataset, init_time, *, leads: Sequence[int]) -> Figure:
    """Draw the ice edges of some members and the observed one, one map for each lead.

    siconc: (init_time, lead_time, trajectory, y, x), fraction 0..1. Shaded is the observed ice.
    """
    with plt.rc_context(STYLE):
        size = {"figsize": (3.2 * len(leads), 3.9), "layout": "constrained"}
        fig, axes = plt.subplots(
            1, len(leads), squeeze=False, subplot_kw={"projection": projection(ready)}, **size
        )
        for ax, lead in zip(axes[0], leads, strict=True):
            time, truth, active = _moment(ready, init_time, lead)
            ice = (truth > ICE_EDGE).where(truth.notnull() & ~ready.land)
            draw(ax, ice, ready, active, cmap=SEA_AND_ICE, vmin=0, vmax=1)
            members = siconc.sel(init_time=init_time, lead_time=lead).isel(trajectory=slice(LINES)).load()
            for member in members.astype("float32"):
                edge(ax, member.where(~ready.land), ICE_EDGE, colors="#D55E00", linewidths=0.7)
            if bool(truth.notnull().any()):
                edge(ax, truth, ICE_EDGE, **OBSERVED)
            ax.set_title(f"lead {lead}: {time:{STAMP[cadence(ready)]}}")
        handles = [
            Line2D([], [], color="#D55E00", lw=0.7, label="edges of members"),
            Line2D([], [], color="#000000", lw=1.5, ls="--", label="observed edge"),
        ]
        fig.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
    return fig


def _moment(ready: xr.Dataset, init_time, lead_time: int) -> tuple[pd.Timestamp, xr.DataArray, xr.DataArray]:
    """Return the valid time, the observed SIC (y, x) and the active cells (y, x) of a lead."""
    time = valid_time([init_time], [lead_time], cadence=cadence(ready))[0, 0]
    moment = pd.Timestamp(time.item())
    truth = at(ready.siconc, time).load().reset_coords(drop=True)
    return moment, truth, ready.active.sel(month=moment.month, drop=True)


def scores_by_lead(table: pd.DataFrame, *, split: str = "test", unit: str = "months") -> Figure:
    """Draw what makers score at each lead: CRPS and spread of extent, and the variogram score.

    table: see `trajectory_tables.table`. unit: of the leads.
    """
    rows = select(table, split=split, month="all")
    with plt.rc_context(STYLE):
        fig, axes = plt.subplots(1, len(METRICS), figsize=(11, 3.4), layout="constrained")
        for ax, metric in zip(axes, METRICS, strict=True):
            of_metric = rows[rows.metric == metric]
            for maker, of_maker in of_metric.groupby("maker", sort=False):
                ax.plot(of_maker.lead_time.astype(int), of_maker.value, **_look(maker))
            bottom = {} if metric == "extent_spread_skill" else {"bottom": 0}
            ax.set(xlabel=f"lead ({unit})", ylabel=LABELS[metric])
            ax.set_ylim(**bottom)
            if len(of_metric):
                ax.set_xticks(leads_to_show(of_metric.lead_time.astype(int)))
            bare(ax)
        axes[1].axhline(1, color="#000000", lw=0.8)
        handles, labels = axes[0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return fig


def ranks_and_spectra(scores: xr.Dataset, splits: Mapping[str, Sequence[str]], *, split="test") -> Figure:
    """Draw where the truth lies among the members, and the power of single members over the truth.

    Ranks of SIC and of the extents of the whole map and all seas; flat lines are right. Both are of
    all leads together. scores: see `verify.trajectories.forecast_scores`.
    """
    of_split = scores.sel(init_time=slice(*splits[split]))
    counts = of_split.siconc_ranks.sum(("init_time", "lead_time"))
    n_bins = counts.sizes["bin"]
    powers = of_split[["power", "true_power"]].sum(("init_time", "lead_time"))
    ratio = powers.power / powers.true_power.where(powers.true_power > 0)
    with plt.rc_context(STYLE):
        fig, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
        for maker in scores.maker.values:
            look = _look(maker)
            place = of_split.extent_rank.sel(maker=maker).values
            extent_counts = np.histogram(place[np.isfinite(place)], bins=n_bins, range=(0, 1))[0]
            middles = (np.arange(n_bins) + 0.5) / n_bins
            for ax, heights in ((axes[0], counts.sel(maker=maker).values), (axes[1], extent_counts)):
                ax.plot(middles, heights / max(heights.mean(), 1e-9), **look)
            axes[2].plot(scores.wavelength, ratio.sel(maker=maker), **look)
        for ax, title in ((axes[0], "ranks of concentration"), (axes[1], "ranks of extents, all seas")):
            ax.set(xlabel="place of the truth among the members", ylabel="frequency over even share")
            ax.set_title(title)
            ax.set_ylim(bottom=0)
        axes[2].set(xlabel="wavelength (km)", ylabel="power of members over observed")
        axes[2].set(title="spectra of single maps", xscale="log", yscale="log")
        axes[2].xaxis.set_major_locator(FixedLocator(WAVELENGTHS))
        axes[2].xaxis.set_major_formatter(ScalarFormatter())
        axes[2].xaxis.set_minor_locator(NullLocator())
        for ax in axes:
            ax.axhline(1, color="#000000", lw=0.8)
            bare(ax)
        handles, labels = axes[0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return fig


def _look(maker: str) -> dict:
    """Return label, colour, dash and marker of a maker, the same in every figure."""
    label, colour, dash, marker = LOOKS[maker]
    return {"label": label, "color": colour, "ls": dash, "marker": marker, "ms": 5}


def unit(ready: xr.Dataset) -> str:
    """Return what leads of a record are counted in, "months" or "days"."""
    return f"{NAME[cadence(ready)]}s"
