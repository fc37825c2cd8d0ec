"""How good are forecasts of concentration, and how do they look? Errors by lead, and maps of one forecast beside what came."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from seaice.figures.map_pieces import ICE_COLOURS, OBSERVED, PREDICTED, draw, edge, keys, projection
from seaice.figures.style import METRIC_LABELS, MODELS, STYLE, bare, cmocean, line_style, shown
from seaice.forecasts import consensus
from seaice.schema import ICE_EDGE, Flag
from seaice.steps import at, cadence, valid_time
from seaice.verify.concentration_tables import REFERENCE, skill
from seaice.verify.tables import select

METRICS = ("siconc_rmse", "siconc_iiee")
WORST = 0.5  # of SIC, the error at the ends of the colour bar


def errors_by_lead(table: pd.DataFrame, *, split: str = "test", unit: str = "days") -> Figure:
    """RMSE of SIC and IIEE of SIC > 0.15 against lead, and below them the skill over damped anomaly persistence.

    table: see `concentration_tables.skill_table`. IceNet's mean has its interval. unit: of the leads. Raises DataError for a split without rows.
    """
    chosen = select(table, month="all", split=split)
    gains = {metric: skill(table, metric=metric).loc[split] for metric in METRICS}
    order = sorted(set(chosen.model), key=lambda m: (list(MODELS) + [m]).index(m))
    with plt.rc_context(STYLE):
        fig, axes = plt.subplots(2, 2, figsize=(9.6, 6.6), sharex=True, layout="constrained")
        for (above, below), metric in zip(axes.T, METRICS, strict=True):
            rows = chosen[chosen.metric == metric]
            for number, model in enumerate(order):
                one = rows[rows.model == model].sort_values("lead_time")
                style = line_style(model, number) | {"markevery": max(1, len(one) // 10)}
                above.plot(one.lead_time, one.value, **style)
                if model == "icenet":
                    above.fill_between(one.lead_time, one.low, one.high, color="#000000", alpha=0.12, lw=0)
                if model != REFERENCE:
                    below.plot(gains[metric].index, 100 * gains[metric][model], **style)
            above.set(ylabel=METRIC_LABELS[metric], ylim=(0, None))
            below.axhline(0, **{k: v for k, v in line_style(REFERENCE).items() if k in ("color", "ls")})
            below.set(xlabel=f"lead ({unit})", ylabel="less error than damped\nanomaly persistence (%)")
            below.set(xticks=shown(rows.lead_time))
            # What is far worse than the reference would flatten the rest.
            most = 100 * gains[metric].drop(columns=REFERENCE, errors="ignore").max().max()
            below.set_ylim(max(below.get_ylim()[0], -30), 1.15 * max(most, 5))
            for ax in (above, below):
                bare(ax)
        handles, labels = axes[0, 0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return fig


def maps(forecast: xr.Dataset, ready: xr.Dataset, init_time, *, leads: Sequence[int]) -> Figure:
    """One forecast at several leads: SIC with its edge, the observed SIC, and what was forecast too much (red) or too little (blue).

    forecast: `siconc` (init_time, lead_time, member, y, x) and `sip`, of which `consensus` is shown.
    Edges are those of SIC 0.15. Where there is no observation there is no error.
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
            one = mean.sel(lead_time=lead)
            for ax, field in ((column[0], one), (column[1], truth)):
                ice = draw(ax, field, ready, active, cmap=ICE_COLOURS, vmin=0, vmax=1)
            colours = {"cmap": cmocean.cm.balance, "vmin": -WORST, "vmax": WORST}
            wrong = draw(column[2], one - truth, ready, active, **colours)
            for ax in (column[0], column[2]):
                edge(ax, one, ICE_EDGE, **PREDICTED)
            if bool(truth.notnull().any()):
                for ax in column:
                    edge(ax, truth, ICE_EDGE, **OBSERVED)
            column[0].set_title(f"lead {lead}: {pd.Timestamp(time.item()):%d %B %Y}")
        for row, what in zip(axes, ("forecast", "observed", "forecast minus observed"), strict=True):
            row[0].text(-0.06, 0.5, what, rotation=90, ha="right", va="center", transform=row[0].transAxes)
        fig.colorbar(ice, ax=axes[:2], label="sea ice concentration", shrink=0.6, pad=0.01)
        fig.colorbar(wrong, ax=axes[2], label="error", shrink=0.8, pad=0.01)
        fig.legend(handles=keys(members=False), loc="outside lower center", ncols=2, frameon=False)
        fig.suptitle(
            f"Forecast with data up to the end of {init - pd.Timedelta(days=1):%d %B %Y}", fontsize=12
        )
    return fig
