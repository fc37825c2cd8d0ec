"""What are more members worth? A chart of the scores of smaller ensembles."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from seaice.figures.style import METRIC_LABELS, STYLE, bare
from seaice.verify.tables import select

LOOKS = (("#000000", "-", "o"), ("#D55E00", "--", "s"), ("#0072B2", "-.", "^"), ("#009E73", ":", "D"))
LOOKS += (("#CC79A7", "--", "v"), ("#E69F00", "-.", "P"), ("#56B4E9", ":", "*"), ("#777777", "-", "x"))


def ensemble_size(table: pd.DataFrame, *, metric: str = "binary_accuracy") -> Figure:
    """Draw the score against the number of members, one line for each lead.

    The range over the sets of members is shaded. table: see `verify.ensemble_size.ensemble_table`.
    """
    rows = select(table, metric=metric)
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
        for (lead, of_lead), (colour, dash, marker) in zip(rows.groupby("lead_time"), LOOKS, strict=False):
            spread = of_lead.groupby("members")["value"].agg(["mean", "min", "max"])
            ax.fill_between(spread.index, spread["min"], spread["max"], color=colour, alpha=0.15, lw=0)
            ax.plot(spread.index, spread["mean"], color=colour, ls=dash, marker=marker, label=f"lead {lead}")
        ax.set(
            xlabel="members",
            ylabel=METRIC_LABELS.get(metric, metric),
            title="Mean and range over sets of members",
        )
        ax.locator_params(axis="x", integer=True)
        bare(ax)
        ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return fig
