"""Are warnings worth acting on? Charts of their reliability and of their economic value."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from seaice.errors import DataError
from seaice.figures.style import STYLE, bare, line_style

LABELS = {
    "below": "ice below",
    "break_up": "break-up, by the lead, below",
    "freeze_up": "freeze-up, by the lead, at",
}


def warnings(table: pd.DataFrame, *, level: float = 0.15, ratio: float = 0.2, split: str = "test") -> Figure:
    """Draw for each kind of warning how often it came true, and its value by lead.

    table: see `decisions.warnings.table`. level: SIC that is crossed. ratio: cost of acting over
    the loss without, for the value. The value of climatology is 0. Raises DataError for a table
    without warnings of this level and split.
    """
    rows = table[(table["split"] == split) & (table["level"] == level) & (table["kind"] == "all")]
    rows = rows[rows["season"] == "all"]
    if rows.empty:
        raise DataError(f"no warnings of the {split} years at the level {level}; judge some first")
    with plt.rc_context(STYLE):
        size = {"figsize": (9.0, 5.6), "layout": "constrained"}
        fig, axes = plt.subplots(2, len(LABELS), squeeze=False, sharey="row", **size)
        for (quantity, label), (above, below) in zip(LABELS.items(), axes.T, strict=True):
            of_kind = rows[rows["quantity"] == quantity]
            for number, model in enumerate(dict.fromkeys(of_kind["model"])):
                style, own = line_style(model, number), of_kind[of_kind["model"] == model]
                bins = own[own["lead_time"].astype(str) == "all"].pivot(
                    index="at", columns="metric", values="value"
                )
                if {"forecast", "observed"} <= set(bins.columns):
                    above.plot(bins["forecast"], bins["observed"], **style)
                worth = own[(own["metric"] == "value") & (own["at"] == ratio)]
                worth = worth[worth["lead_time"].astype(str) != "all"]
                below.plot(worth["lead_time"].astype(int), worth["value"], **style)
            above.plot([0, 1], [0, 1], color="#999999", lw=1)
            above.set(title=f"{label} {level:.0%}", xlabel="probability given", xlim=(0, 1), ylim=(0, 1))
            below.axhline(0, color="#999999", lw=1)
            below.set(xlabel="lead", ylim=(-1, 1))
            for ax in (above, below):
                bare(ax)
            above.xaxis.set_major_formatter(PercentFormatter(1))
        axes[0, 0].set_ylabel("came true")
        axes[1, 0].set_ylabel(f"value at cost-loss ratio {ratio:g}")
        axes[0, 0].legend(frameon=False)
    return fig
