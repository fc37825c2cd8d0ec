"""How good are forecasts of concentration, and how do they look?

Charts of errors by lead, and maps of one forecast beside the observation.
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from seaice.figures.map_style import ICE_COLOURS, OBSERVED, PREDICTED, draw, edge, keys, projection
from seaice.figures.style import METRIC_LABELS, MODELS, STYLE, bare, cmocean, leads_to_show, line_style
from seaice.forecasts import consensus
from seaice.schema import Flag
from seaice.steps import at, cadence, valid_time
from seaice.thresholds import ICE_EDGE
from seaice.verify.concentration_tables import REFERENCE, skill
from seaice.verify.intervals import FEW
from seaice.verify.tables import select

METRICS = ("siconc_rmse", "siconc_iiee")
WORST = 0.5  # error of SIC at the ends of the colour bar


def errors_by_lead(table: pd.DataFrame, *, split: str = "test", unit: str = "days") -> Figure:
    """Draw RMSE of SIC and IIEE of SIC > 0.15 against lead, and the skill below them.

    The skill is that over damped anomaly persistence. IceNet's mean has its interval where that
    rests on `intervals.FEW` blocks or more.
    table: see `concentration_tables.skill_table`. unit: of the leads. Raises DataError for a split
    without rows.
    """
    chosen = select(table, month="all", split=split)
    gains = {metric: skill(table, metric=metric).loc[split] for metric in METRICS}
    order = sorted(set(chosen.model), key=lambda m: (list(MODELS) + [m]).index(m))
    with plt.rc_context(STYLE):
        fig, axes = plt.subplots(2, 2, figsize=(9.6, 6.6), sharex=True, layout="constrained")
        for (above, below), metric in zip(axes.T, METRICS, strict=True):
            rows = chosen[chosen.metric == metric]
            for number, model in enumerate(order):
                of_model = rows[rows.model == model].sort_values("lead_time")
                style = line_style(model, number) | {"markevery": max(1, len(of_model) // 10)}
                above.plot(of_model.lead_time, of_model.value, **style)
                if model == "icenet" and (of_model.blocks >= FEW).all():
                    bounds = (of_model.lead_time, of_model.low, of_model.high)
                    above.fill_between(*bounds, color="#000000", alpha=0.12, lw=0)
                if model != REFERENCE:
                    below.plot(gains[metric].index, 100 * gains[metric][model], **style)
            above.set(ylabel=METRIC_LABELS[metric], ylim=(0, None))
            below.axhline(0, **{k: v for k, v in line_style(REFERENCE).items() if k in ("color", "ls")})
            below.set(xlabel=f"lead ({unit})", ylabel="less error than damped\nanomaly persistence (%)")
            below.set(xticks=leads_to_show(rows.lead_time))
            # Models that are far worse than the reference would flatten all others.
            best = 100 * gains[metric].drop(columns=REFERENCE, errors="ignore").max().max()
            below.set_ylim(max(below.get_ylim()[0], -30), 1.15 * max(best, 5))
            for ax in (above, below):
                bare(ax)
        handles, labels = axes[0, 0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return fig


def maps(forecast: xr.Dataset, ready: xr.Dataset, init_time, *, leads: Sequence[int]) -> Figure:
    """Draw one forecast at several leads: SIC with its edge, the observed SIC, and the error.

    The error is red where too much ice was forecast, blue where too little, and is left out where
    there is no observation. Edges are those of SIC 0.15.
    forecast: `siconc` (init_time, lead_time, member, y, x) and `sip`, whose `consensus` is drawn.
    """
    init = pd.Timestamp(init_time)
    times = valid_time([init], leads, cadence=cadence(ready)).isel(init_time=0, drop=True)
    active = ready.active.sel(month=sorted(set(times.dt.month.values))).any("month")
    chosen = forecast.sel(init_time=init, lead_time=list(leads))
    mean = consensus.siconc(chosen.siconc, chosen.sip).load()
    with plt.rc_context(STYLE):
        size = {"figsize": (3.0 * len(leads) + 1.1, 9.2), "layout": "constrained"}
        fig, axes = plt.subplots(
            3, len(leads), squeeze=False, subplot_kw={"projection": projection(ready)}, **size
        )
        for column, lead, time in zip(axes.T, leads, times, strict=True):
            truth = at(ready.siconc, time)
            truth = truth.where(at(ready.siconc_flag, time) == Flag.OBSERVED).where(~ready.land).load()
            forecast_siconc = mean.sel(lead_time=lead)
            for ax, field in ((column[0], forecast_siconc), (column[1], truth)):
                siconc_image = draw(ax, field, ready, active, cmap=ICE_COLOURS, vmin=0, vmax=1)
            colours = {"cmap": cmocean.cm.balance, "vmin": -WORST, "vmax": WORST}
            error_image = draw(column[2], forecast_siconc - truth, ready, active, **colours)
            for ax in (column[0], column[2]):
                edge(ax, forecast_siconc, ICE_EDGE, **PREDICTED)
            if bool(truth.notnull().any()):
                for ax in column:
                    edge(ax, truth, ICE_EDGE, **OBSERVED)
            column[0].set_title(f"lead {lead}: {pd.Timestamp(time.item()):%d %B %Y}")
        for row, label in zip(axes, ("forecast", "observed", "forecast minus observed"), strict=True):
            row[0].text(-0.06, 0.5, label, rotation=90, ha="right", va="center", transform=row[0].transAxes)
        fig.colorbar(siconc_image, ax=axes[:2], label="sea ice concentration", shrink=0.6, pad=0.01)
        fig.colorbar(error_image, ax=axes[2], label="error", shrink=0.8, pad=0.01)
        fig.legend(handles=keys(members=False), loc="outside lower center", ncols=2, frameon=False)
        fig.suptitle(
            f"Forecast with data up to the end of {init - pd.Timedelta(days=1):%d %B %Y}", fontsize=12
        )
    return fig
