"""Which inputs matter?

Charts of the loss of skill when an input is permuted, drawn from the table of `importance_tables`.
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from seaice.explain.importance_tables import LOSS, NETWORKS, default_kind, top, valid_months
from seaice.figures import words
from seaice.figures.style import STYLE, bare, cmocean, heat
from seaice.steps import MONTH_NAMES
from seaice.verify.tables import select

LABELS = {
    "binary_accuracy": "change of binary accuracy (percentage points)",
    "class_accuracy": "change of accuracy of the three classes (percentage points)",
    "brier": "change of Brier score",
}
SMALL = {
    "binary_accuracy": 0.1,
    "class_accuracy": 0.1,
    "brier": 1e-3,
}  # below this change an axis is linear
MODELS = {"networks": "the networks", "icenet": "IceNet"}
OPTIONS = {
    False: ("across months", "#000000", "o"),
    True: ("within the calendar month", "#D55E00", "s"),
}


def importance_heat(
    table: pd.DataFrame,
    *,
    kind: str = "group",
    metric: str = "binary_accuracy",
    months: Sequence[int] | None = None,
    split: str = "test",
    within_month: bool = False,
    model: str = NETWORKS,
    most: int = 20,
) -> Figure:
    """Draw the change of score by group and lead, one panel for each valid month.

    The `most` costliest groups are drawn, the costliest on top; losses are red, gains blue.
    months: None takes those that the table has rows of. A lead without a forecast in one of the
    months has a dash there. Raises DataError for rows that the table does not have.
    """
    rows = select(table, split=split, kind=kind, metric=metric, within_month=within_month, model=model)
    months = months or valid_months(rows)
    panels = {
        month: select(rows, month=month).pivot(index="group", columns="lead_time", values="change")
        for month in months
    }
    loss = sum(LOSS[metric] * panel.sum(axis=1) for panel in panels.values()).sort_values(ascending=False)
    leads = sorted(set().union(*(panel.columns for panel in panels.values())))
    costliest = {m: panel.reindex(index=loss.index[:most], columns=leads) for m, panel in panels.items()}
    limit = max(float(abs(panel).max().max()) for panel in costliest.values()) or 1.0
    balance = cmocean.cm.balance if metric == "brier" else cmocean.cm.balance_r
    with plt.rc_context(STYLE):
        size = (8.2, 1.3 + 0.27 * len(loss.index[:most]))
        fig, axes = plt.subplots(
            1, len(months), figsize=size, sharey=True, squeeze=False, layout="constrained"
        )
        for ax, (month, panel) in zip(axes[0], costliest.items(), strict=True):
            form = "+.4f" if metric == "brier" else "+.2f"
            image = heat(
                ax, panel.rename(index=words.of_input), cmap=balance, low=-limit, high=limit, form=form
            )
            ax.set(title=MONTH_NAMES[month - 1], xlabel="lead (months)")
        fig.colorbar(image, ax=axes, label=LABELS[metric].replace(" (", "\n("))
        title = f"{MODELS[model]}, permuted {OPTIONS[within_month][0]}, {split} years; hatched: below zero"
        fig.suptitle(title, fontsize=10)
    return fig


def top_inputs(
    table: pd.DataFrame, *, split: str = "test", metric: str = "class_accuracy", **options
) -> Figure:
    """Draw the costliest inputs with intervals, as in the paper's table.

    By default these are the inputs of the months of least and of most ice at leads 5, 3 and 1.
    Beside each name stands the share of the members that agree on the sign. options: of
    `importance_tables.top`.
    """
    rows = top(table, split=split, metric=metric, **options)
    months, leads = (list(dict.fromkeys(rows[column])) for column in ("month", "lead_time"))
    count = int(rows["rank"].max())
    with plt.rc_context(STYLE):
        size = (4.1 * len(leads), 0.7 + 0.36 * count * len(months) + 0.5 * len(months))
        fig, axes = plt.subplots(len(months), len(leads), figsize=size, squeeze=False, layout="constrained")
        for ax in axes.flat:
            ax.set_axis_off()  # stays empty where no input costs anything
        for (month, lead), bars in rows.groupby(["month", "lead_time"], sort=False):
            ax = axes[months.index(month), leads.index(lead)]
            ax.set_axis_on()
            names = [f"{words.of_input(row.group)} ({row.agreement:.0%})" for row in bars.itertuples()]
            ax.barh(bars["rank"], bars.change, color="#56B4E9", height=0.65)
            ax.hlines(bars["rank"], bars.low, bars.high, color="black", lw=1.5)
            ax.axvline(0, color="#777777", lw=0.8)
            ax.set(yticks=bars["rank"], yticklabels=names, ylim=(count + 0.6, 0.4))
            ax.set(title=f"{MONTH_NAMES[int(month) - 1]}, lead {lead}")
            bare(ax)
            ax.grid(visible=False, axis="y")
        fig.supxlabel(
            f"{LABELS[metric]}, {split} years; in brackets: members that agree on the sign", fontsize=10
        )
    return fig


def within_and_across(
    table: pd.DataFrame,
    *,
    kind: str | None = None,
    metric: str = "binary_accuracy",
    split: str = "test",
    leads: Sequence[int] = (1, 3, 6),
    model: str = NETWORKS,
    most: int = 16,
) -> Figure:
    """Draw the change of score with both ways of permuting, all months, a panel for each lead.

    The difference between the two is what the season alone tells. The axis is linear near zero and
    logarithmic beyond `SMALL`, to show effects of all sizes. Groups are ordered by the loss across
    months, or by the loss within months where that is the only option.
    kind: see `importance_tables.top`.
    """
    kind = kind or default_kind(table)
    rows = select(table, split=split, metric=metric, month="all", kind=kind, model=model)
    rows = rows[rows.lead_time.isin(leads)]
    options = [option for option in OPTIONS if option in set(rows.within_month)]
    first = rows[rows.within_month == options[0]]
    loss = (LOSS[metric] * first.groupby("group")["change"].sum()).sort_values(ascending=False)
    names = list(loss.index[:most])
    leads_shown = [lead for lead in leads if lead in set(rows.lead_time)]
    with plt.rc_context(STYLE):
        size = (8.2, 1.3 + 0.3 * len(names))
        fig, axes = plt.subplots(
            1, len(leads_shown), figsize=size, sharey=True, squeeze=False, layout="constrained"
        )
        for ax, lead in zip(axes[0], leads_shown, strict=True):
            for shift, option in zip((-0.15, 0.15), options, strict=False):
                label, colour, marker = OPTIONS[option]
                changes = (
                    rows[(rows.lead_time == lead) & (rows.within_month == option)]
                    .set_index("group")
                    .reindex(names)
                )
                positions = np.arange(len(names)) + shift
                ax.hlines(positions, changes.low, changes.high, color=colour, lw=1.4, alpha=0.6)
                ax.plot(changes.change, positions, ls="", marker=marker, ms=5, color=colour, label=label)
            ax.axvline(0, color="#777777", lw=0.8)
            ax.set_xscale("symlog", linthresh=SMALL[metric])
            ax.xaxis.set_major_locator(
                FixedLocator([0, *(sign * SMALL[metric] * 10**k for sign in (-1, 1) for k in (1, 2, 3))])
            )
            ax.xaxis.set_major_formatter("{x:g}")
            ax.set(
                title=f"lead {lead}",
                yticks=range(len(names)),
                yticklabels=[words.of_input(name) for name in names],
                ylim=(len(names) - 0.5, -0.5),
            )
            bare(ax)
        handles, labels = axes[0, 0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside upper center", frameon=False, ncols=2)
        fig.supxlabel(f"{LABELS[metric]} of {MODELS[model]}, {split} years", fontsize=10)
    return fig
