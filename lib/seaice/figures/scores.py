"""How good are forecasts, as charts? Scores by lead and month, extents and training.

Each function returns a matplotlib Figure. Gains over other forecasts are in `gains`, probabilities
in `probability`, members in `members`, maps in `maps`. In a notebook the figure appears at the end
of the cell that makes it, so such a cell should end with `style.save`, not with the figure.
"""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.dates import ConciseDateFormatter
from matplotlib.figure import Figure

from seaice import seasons
from seaice.errors import DataError
from seaice.figures.style import (
    METRIC_LABELS,
    MODELS,
    MONTHS,
    STYLE,
    TABLES_ONLY,
    bare,
    cmocean,
    leads_to_show,
    line_style,
    score_heat,
)
from seaice.geo import ice_area
from seaice.grid import Grid
from seaice.prepare.climate import at_months
from seaice.schema import MAP
from seaice.steps import MONTH_NAMES, NAME, at, cadence, valid_time
from seaice.verify.intervals import FEW
from seaice.verify.scoring import LIMIT, OWN_PAIRS
from seaice.verify.tables import select

BLOCK = {"months": "year", "days": "month"}  # of an interval, by the unit of the leads
LONG_YEARS = 8  # the months of more years than this do not fit into one panel


def accuracy_by_lead(
    skill: pd.DataFrame,
    *,
    metric: str = "binary_accuracy",
    split: str = "test",
    region: str = "all",
    unit: str = "months",
    by_block: pd.DataFrame | None = None,
) -> Figure:
    """Draw the mean score against lead, one line for each model, and how sure IceNet's is.

    Models of `style.TABLES_ONLY` are left out.
    IceNet has its interval where that rests on `intervals.FEW` blocks or more. Below that it has
    its score in each block as a dot, if given.
    The axis is scaled without persistence, which would flatten all others. Where a line or dot
    leaves the axis, the legend gives its value.
    skill: table of `tables.skill_table`. by_block: see `tables.block_values`.
    """
    drawn = skill[~skill.model.isin({*OWN_PAIRS, *TABLES_ONLY} - {LIMIT})]
    table = select(drawn, metric=metric, month="all", split=split, region=region)
    of_icenet = table[table.model == "icenet"].set_index("lead_time").sort_index()
    band = of_icenet.reindex(columns=["low", "high", "blocks"]).dropna()
    band = band[band.blocks >= FEW]
    dots = by_block[by_block["split"] == split] if by_block is not None and band.empty else pd.DataFrame()
    table = table.pivot(index="lead_time", columns="model", values="value")
    order = [m for m in MODELS if m in table] + [m for m in table if m not in MODELS]
    scaled = table.drop(columns="persistence", errors="ignore") if len(order) > 1 else table
    extremes = [scaled.min().min(), scaled.max().max(), *band[["low", "high"]].to_numpy().ravel()]
    extremes += dots["value"].tolist() if len(dots) else []
    low, high = float(min(extremes)), float(max(extremes))
    margin = 0.06 * (high - low) or 1.0
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(8.2, 4.6), layout="constrained")
        for number, model in enumerate(order):
            style, values = line_style(model, number), table[model]
            off_axis = values[(values < low - margin) | (values > high + margin)]
            if len(off_axis):
                style["label"] += f"\n(off the axis: {off_axis.iloc[-1]:.3g} at lead {off_axis.index[-1]})"
            ax.plot(table.index, values, zorder=3 if model == "icenet" else 2, **style)
        _show_certainty(ax, band, dots, unit)
        ax.set(
            ylim=(low - margin, high + margin),
            xticks=leads_to_show(table.index),
            xlabel=f"lead ({unit})",
            ylabel=METRIC_LABELS.get(metric, metric),
        )
        bare(ax)
        ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, labelspacing=0.7)
    return fig


def _show_certainty(ax, band: pd.DataFrame, dots: pd.DataFrame, unit: str) -> None:
    """Draw IceNet's interval, or its score in each block; an empty table draws nothing."""
    if len(band):
        label = f"IceNet's mean, interval ({int(band.blocks.min())} blocks)"
        ax.fill_between(band.index, band.low, band.high, color="#000000", alpha=0.12, lw=0, label=label)
    if len(dots):
        number, name = dots["block"].nunique(), BLOCK[unit]
        label = f"IceNet in each of {number} {name}s" if number > 1 else f"IceNet in one {name}"
        ax.plot(dots["lead_time"], dots["value"], "o", ms=3.5, mfc="none", mec="#000000", label=label)


def accuracy_heatmap(
    skill: pd.DataFrame,
    model: str = "icenet",
    *,
    metric: str = "binary_accuracy",
    split: str = "test",
    region: str = "all",
    unit: str = "months",
) -> Figure:
    """Draw the score of one model by valid month and lead, with the numbers written in.

    skill: table of `tables.skill_table`.
    """
    table = select(skill, metric=metric, model=model, split=split, region=region)
    table = table[table.month.astype(str) != "all"]
    table = table.assign(month=table.month.astype(int)).pivot(
        index="lead_time", columns="month", values="value"
    )
    table = table.reindex(index=leads_to_show(table.index), columns=range(1, 13)).set_axis(MONTHS, axis=1)
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(8.2, 3.6), layout="constrained")
        image = score_heat(ax, table, metric)
        ax.set(xlabel="valid month", ylabel=f"lead ({unit})", title=line_style(model)["label"])
        fig.colorbar(image, ax=ax, label=METRIC_LABELS.get(metric, metric), pad=0.01)
    return fig


def extent_series(
    forecast: xr.Dataset,
    ready: xr.Dataset,
    *,
    lead_time: int = 1,
    others: Mapping[str, xr.DataArray] | None = None,
    month: int | None = None,
) -> Figure:
    """Draw observed and predicted sea-ice extent at one lead, with the range of the members.

    Extent is the area of the active cells of the month with SIC above 0.15, or SIP above 0.5,
    million km2. A step with missing cells has no observed extent.
    forecast: `sip`, and `ice_class_probability` with members where there are some. others: SIP by
    name of model, to compare with.
    month: draw only this calendar month of each year. Without it, a series of more than 8 years is
    drawn for the month of least ice (see `seasons`). Raises DataError when no forecast is for that
    month.
    """
    step = NAME[cadence(ready)]
    time = valid_time(forecast.init_time, [lead_time], cadence=cadence(ready)).isel(lead_time=0, drop=True)
    if month is None and np.unique(time.dt.year).size > LONG_YEARS:
        month = seasons.LEAST_ICE[ready.attrs["hemisphere"]]
    if month is not None:
        time = time.isel(init_time=np.flatnonzero(time.dt.month == month))
        if not time.size:
            raise DataError(
                f"extent: no forecast at lead {lead_time} is for {MONTH_NAMES[month - 1]}; "
                "choose another month"
            )
    area = Grid.of(ready.attrs).cell_area
    active = at_months(ready.active, time)
    siconc = at(ready.siconc, time)
    chosen = forecast.sel(lead_time=lead_time, init_time=time.init_time)

    def predicted(sip):
        # Charts take values more than once, so lazy ones would be computed anew each time.
        return ice_area.extent_of_sip(sip, area, within=active).where(sip.notnull().any(MAP)).compute()

    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(8.2, 4), layout="constrained")
        observed = ice_area.extent(siconc, area, within=active, complete_in=active).compute()
        ax.plot(time, observed, color="#666666", lw=5, alpha=0.45, solid_capstyle="round", label="observed")
        if "ice_class_probability" in chosen:
            members = predicted(1 - chosen.ice_class_probability.isel(ice_class=0))
            spread = members.min("member"), members.max("member")
            ax.fill_between(time, *spread, color="#000000", alpha=0.2, lw=0, label="IceNet members")
        for number, (name, sip) in enumerate({"icenet": chosen.sip, **(others or {})}.items()):
            sip = sip if name == "icenet" else sip.sel(lead_time=lead_time, init_time=time.init_time)
            ax.plot(time, predicted(sip), **line_style(name, number))
        steps_drawn = f"by valid {step}" if month is None else f"{MONTH_NAMES[month - 1]} of each year"
        ax.set(
            ylabel="sea-ice extent (million km²)",
            title=f"Forecast {lead_time} {step}{'s' * (lead_time > 1)} ahead, {steps_drawn}",
        )
        bare(ax)
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), frameon=False, ncols=3)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(ax.xaxis.get_major_locator()))
    return fig


def history(histories: Mapping[int, pd.DataFrame], kept: Mapping[int, int]) -> Figure:
    """Draw loss and accuracy by epoch of every member, training dashed, validation solid.

    A circle marks the epoch that is kept.
    histories: seed to table with columns loss, accuracy, val_loss, val_accuracy and the epoch as
    index. kept: seed to epoch that is kept.
    """
    with plt.rc_context(STYLE):
        fig, axes = plt.subplots(1, 2, figsize=(8.2, 3.6), layout="constrained")
        shades = cmocean.cm.deep(np.linspace(0.35, 0.95, len(histories)))
        for (seed, table), colour in zip(histories.items(), shades, strict=True):
            for ax, name, factor in zip(axes, ("loss", "accuracy"), (1, 100), strict=True):
                ax.plot(table.index, factor * table[name], ls="--", lw=1, color=colour)
                ax.plot(
                    table.index, factor * table[f"val_{name}"], lw=1.8, color=colour, label=f"seed {seed}"
                )
                best = factor * table[f"val_{name}"][kept[seed]]
                ax.plot(kept[seed], best, "o", ms=6, mfc="white", mec=colour, mew=1.8)
        for ax, label in zip(axes, ("loss", "accuracy of 3 classes (%)"), strict=True):
            ax.set(xlabel=table.index.name or "epoch", ylabel=label)
            ax.xaxis.get_major_locator().set_params(integer=True)
            bare(ax)
        for dash, label in (("--", "training"), ("-", "validation, circle: kept")):
            axes[0].plot([], [], color="#444444", ls=dash, label=label)
        handles, labels = axes[0].get_legend_handles_labels()
        # With many members the first and the last name are enough.
        entries = [*range(len(handles))] if len(histories) <= 6 else [0, len(histories) - 1, -2, -1]
        axes[0].legend([handles[k] for k in entries], [labels[k] for k in entries], frameon=False)
    return fig


def realism(table: pd.DataFrame) -> Figure:
    """Draw a simulated record beside the observed one.

    Panels: extent by month, the memory of the ice (autocorrelation of its anomalies) by lag, and
    the accuracy of two simple forecasts by lead. The grey bands are the limits within which the
    simulated values should lie. table: see `realism.table`.
    """
    panels = {
        "extent": ("month", "extent (million km²)"),
        "siconc_memory": ("lag (months)", "memory of ice concentration"),
        "anomaly_persistence": ("lead (months)", "anomaly persistence (%)"),
    }
    panels["linear_trend"] = ("lead (months)", "linear trend (%)")
    with plt.rc_context(STYLE):
        fig, axes = plt.subplots(1, 4, figsize=(12, 3.4), width_ratios=(1.6, 1, 1, 1), layout="constrained")
        for ax, (quantity, (axis, title)) in zip(axes, panels.items(), strict=True):
            of_quantity = table[table.quantity == quantity]
            tolerance = of_quantity.limit.str.removeprefix("+- ").astype(float)
            ax.fill_between(
                of_quantity["index"],
                of_quantity.observed - tolerance,
                of_quantity.observed + tolerance,
                color="#dddddd",
                label="limits",
            )
            ax.plot(of_quantity["index"], of_quantity.observed, color="#0072B2", marker="o", label="observed")
            ax.plot(
                of_quantity["index"],
                of_quantity.twin,
                color="#D55E00",
                marker="s",
                ls="--",
                label="simulated",
            )
            ax.set(title=title, xlabel=axis, xticks=of_quantity["index"])
            bare(ax)
        axes[0].legend()
    return fig
