"""What is a probability worth?

Charts of whether probabilities mean what they say, of how well they separate ice from open water,
and of the region where the edge may lie. The tables come from the modules that count cells; nothing
is computed here.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, PercentFormatter

from seaice.errors import DataError
from seaice.figures.style import MODELS, STYLE, bare, leads_to_show, line_style
from seaice.verify.tables import select


def reliability(table: pd.DataFrame, *, split: str = "test", lead_time: int | str = "all") -> Figure:
    """Draw how often there was ice where a model forecast it with some probability.

    Below stands the share of cells with that probability. A probability on the diagonal means what
    it says. The models networks and icenet are before and after calibration.
    table: columns model, split, lead_time, low, high (bounds of a bin), forecast, observed, share
    (fraction of cells).
    """
    rows = select(table, split=split, lead_time=lead_time)
    with plt.rc_context(STYLE):
        fig, (ax, share_ax) = plt.subplots(
            2, 1, figsize=(5.4, 5.8), height_ratios=(3, 1), sharex=True, layout="constrained"
        )
        ax.plot([0, 1], [0, 1], color="#999999", lw=1)
        for number, model in enumerate(_ordered(rows.model)):
            style, bins = line_style(model, number), rows[rows.model == model].sort_values("low")
            ax.plot(bins.forecast, bins.observed, **style)
            share_ax.stairs(
                bins.share,
                [*bins.low, bins.high.iloc[-1]],
                color=style["color"],
                ls=style["ls"],
                baseline=None,
            )
        lead = "all leads" if lead_time == "all" else f"lead {lead_time}"
        ax.set(ylabel="observed frequency of ice", xlim=(0, 1), ylim=(0, 1), title=f"{split} years, {lead}")
        share_ax.set(xlabel="forecast probability of ice", ylabel="share of cells", yscale="log")
        share_ax.set(ylim=(0.005, 1), yticks=[0.01, 0.1, 1])
        share_ax.yaxis.set_major_formatter(PercentFormatter(1))
        share_ax.yaxis.set_minor_formatter(NullFormatter())
        for each_ax in (ax, share_ax):
            bare(each_ax)
        ax.legend(frameon=False)
    return fig


def roc(curves: xr.Dataset, *, split: str = "test", lead_time: int | str = "all") -> Figure:
    """Draw the share of ice found against the share of open water called ice, by threshold of SIP.

    The legend gives the area under the curve. A certain forecast (SIP 0 or 1) is a single point.
    The axes end where the curves leave the upper left corner.
    curves: `POD`, `POFD` (model, split, lead_time, threshold) and `AUC` (model, split, lead_time).
    Raises DataError for a split or lead that does not exist.
    """
    for name, value in (("split", split), ("lead_time", lead_time)):
        if value not in curves[name].values.tolist():
            raise DataError(f"ROC: no {name} {value!r}; there are {', '.join(map(str, curves[name].values))}")
    curves = curves.sel(split=split, lead_time=lead_time).sortby("threshold", ascending=False)
    models = _ordered(curves.model.values)
    hits = {m: np.append(0, curves.POD.sel(model=m)) for m in models}
    false_alarms = {m: np.append(0, curves.POFD.sel(model=m)) for m in models}
    best = {m: int(np.argmax(hits[m] - false_alarms[m])) for m in models}
    right = min(1.0, max(0.05, *(3 * false_alarms[m][best[m]] for m in models)))
    bottom = max(0.0, min(0.95, *(1 - 3 * (1 - hits[m][best[m]]) for m in models)))
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(6.4, 5.2), layout="constrained")
        for number, model in enumerate(models):
            style, hit, false_alarm = line_style(model, number), hits[model], false_alarms[model]
            style["label"] += f", area {float(curves.AUC.sel(model=model)):.3f}"
            markers = [
                int(np.argmin(abs(false_alarm - position))) for position in np.linspace(0, right, 9)[1:-1]
            ]
            if len(np.unique(false_alarm)) == 3:  # a certain forecast: one point, no curve
                markers, style["ls"] = [best[model]], ""
            ax.plot(false_alarm, hit, markevery=markers, **style)
        lead = "all leads" if lead_time == "all" else f"lead {lead_time}"
        ax.set(xlim=(0, right), ylim=(bottom, 1 + 0.01 * (1 - bottom)))
        ax.set(title=f"Telling ice from open water, {split} years, {lead}")
        ax.set(xlabel="share of open water called ice", ylabel="share of ice called ice")
        bare(ax)
        ax.legend(frameon=False, loc="lower right")
    return fig


def _ordered(models) -> list[str]:
    """Return the models in the order of `MODELS`, others after them."""
    names = list(dict.fromkeys(map(str, models)))
    return [m for m in MODELS if m in names] + [m for m in names if m not in MODELS]


def edge_region(
    table: pd.DataFrame,
    *,
    method: str = "paper",
    fitted_to: str = "all leads",
    aim: float = 90.0,
    unit: str = "months",
) -> Figure:
    """Draw how much of the observed edge lies in the ice-edge region, and how large the region is.

    Both are drawn by lead and split.
    table: columns split, lead_time, coverage (% of edge cells), area (million km2). If it holds
    several methods, fits, regions or months, the rows of this method and fit for the whole map and
    all months are taken. aim: % of the edge that the region was fitted to hold in the validation
    years.
    Raises DataError where a column is missing.
    """
    needed = ["split", "lead_time", "coverage", "area"]
    missing = [column for column in needed if column not in table]
    if missing:
        raise DataError(
            f"table of the ice-edge region: no column {missing[0]!r} among {', '.join(table.columns)}"
        )
    chosen = {"method": method, "fitted_to": fitted_to, "month": "all"}
    table = select(
        table, split=None, **{k: v for k, v in chosen.items() if k in table and table[k].nunique() > 1}
    )
    table = table[table.lead_time.astype(str) != "all"].astype({"lead_time": int})
    line_styles = {"validation": ("#777777", "--", "s"), "test": ("#000000", "-", "o")}
    labels = {"coverage": "observed edge inside (%)", "area": "size of the region (million km²)"}
    with plt.rc_context(STYLE):
        fig, axes = plt.subplots(1, 2, figsize=(8.2, 3.4), layout="constrained")
        for ax, (column, label) in zip(axes, labels.items(), strict=True):
            for split, rows in table.groupby("split", sort=False):
                colour, dash, marker = line_styles.get(split, ("#0072B2", ":", "^"))
                means = rows.groupby("lead_time")[column].mean()
                ax.plot(means.index, means, color=colour, ls=dash, marker=marker, label=f"{split} years")
            ax.set(xlabel=f"lead ({unit})", ylabel=label, xticks=leads_to_show(table.lead_time))
            bare(ax)
        axes[0].axhline(aim, color="#D55E00", lw=1.2, ls=":", label=f"aim in the validation years, {aim:g} %")
        axes[0].legend(frameon=False)
        axes[1].set_ylim(bottom=0)
    return fig
