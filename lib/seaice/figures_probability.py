"""What is a probability worth? Charts of what forecasts of probability tell apart and of the region where the edge may lie.

Whether a probability means what it says (calibration) is `figures.reliability`.
"""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from seaice.baselines import valid_time
from seaice.figure_style import STYLE, bare, line_style
from seaice.schema import DataError
from seaice.verify import truth_and_weight

STEPS = 200  # thresholds between SIP 0 and 1


def roc(sips: Mapping[str, xr.DataArray], ready: xr.Dataset, *, lead_time: int | None = None) -> Figure:
    """Share of ice found against share of open water called ice, for every threshold of SIP; area under the curve in the legend.

    sips: model to SIP (init_time, lead_time, y, x). Only active cells with observed truth. lead_time: one lead, else all.
    A certain forecast (SIP 0 or 1) is one point. The axes end where the curves leave the upper left.
    Raises DataError when there is no ice, or no open water, to tell apart.
    """
    curves = {name: _curve(sip, ready, lead_time, name) for name, sip in sips.items()}
    corner = [(false[k], hit[k]) for false, hit in curves.values() for k in [np.argmax(hit - false)]]
    right = min(1.0, max(0.05, 3 * max(false for false, _ in corner)))
    bottom = max(0.0, min(0.95, 1 - 3 * (1 - min(hit for _, hit in corner))))
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(6.4, 5.2), layout="constrained")
        for number, (name, (false, hit)) in enumerate(curves.items()):
            style = line_style(name, number)
            style["label"] += f", area {np.trapezoid(hit, false):.3f}"
            marked = [int(np.argmin(abs(false - at))) for at in np.linspace(0, right, 9)[1:-1]]
            if len(np.unique(false)) == 3:  # a certain forecast: between its point and the corners there is nothing
                marked, style["ls"] = [int(np.argmax(hit - false))], ""
            ax.plot(false, hit, markevery=marked, **style)
        if right == 1:
            ax.plot([0, 1], [0, 1], color="#999999", lw=1)
        lead = "all leads" if lead_time is None else f"lead {lead_time}"
        ax.set(xlim=(0, right), ylim=(bottom, 1 + 0.01 * (1 - bottom)), title=f"Telling ice from open water, {lead}")
        ax.set(xlabel="share of open water called ice", ylabel="share of ice called ice")
        bare(ax)
        ax.legend(frameon=False, loc="lower right")
    return fig


def _curve(sip, ready, lead_time, name) -> tuple[np.ndarray, np.ndarray]:
    """False-alarm and hit rates at falling thresholds, from (0, 0) to (1, 1)."""
    if lead_time is not None:
        sip = sip.sel(lead_time=[lead_time])
    ice, weight = truth_and_weight(ready, valid_time(sip.init_time, sip.lead_time))
    sip, ice, counts = (da.values for da in xr.broadcast(sip, ice, (weight > 0) & sip.notnull()))
    said, true = np.clip(sip[counts], 0, 1), ice[counts] == 1
    if not true.any() or true.all():
        raise DataError(f"ROC of {name!r}: the cells that count hold no ice or nothing else, so there is no curve")
    rates = []
    for cells in (said[~true], said[true]):
        counted = np.histogram(cells, STEPS, range=(0, 1))[0][::-1]
        rates.append(np.append(0, np.cumsum(counted) / len(cells)))
    return rates[0], rates[1]


def edge_region(table: pd.DataFrame, *, aim: float = 90.0) -> Figure:
    """How much of the observed edge lies in the predicted ice-edge region, and how large it is, by lead and split.

    table: columns split, lead_time, coverage (% of edge cells), area (million km2); a column month is taken where it is "all".
    aim: % that the region was fitted to hold in the validation years. Raises DataError for other columns.
    """
    needed = ["split", "lead_time", "coverage", "area"]
    lacking = [column for column in needed if column not in table]
    if lacking:
        raise DataError(f"table of the ice-edge region: no column {lacking[0]!r} among {', '.join(table.columns)}")
    if "month" in table:
        table = table[table.month.astype(str) == "all"]
    looks = {"validation": ("#777777", "--", "s"), "test": ("#000000", "-", "o")}
    labels = {"coverage": "observed edge inside (%)", "area": "size of the region (million km²)"}
    with plt.rc_context(STYLE):
        fig, axes = plt.subplots(1, 2, figsize=(8.2, 3.4), layout="constrained")
        for ax, (column, label) in zip(axes, labels.items(), strict=True):
            for split, rows in table.groupby("split", sort=False):
                colour, dash, marker = looks.get(split, ("#0072B2", ":", "^"))
                means = rows.groupby("lead_time")[column].mean()
                ax.plot(means.index, means, color=colour, ls=dash, marker=marker, label=f"{split} years")
            ax.set(xlabel="lead (months)", ylabel=label, xticks=sorted(table.lead_time.unique()))
            bare(ax)
        axes[0].axhline(aim, color="#D55E00", lw=1.2, ls=":", label=f"aim in the validation years, {aim:g} %")
        axes[0].legend(frameon=False)
        axes[1].set_ylim(bottom=0)
    return fig
