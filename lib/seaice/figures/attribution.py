"""How do attributions look?

Figures of the region, of what its ice rests on, of the lags that matter, and of where. Brown means
more ice, purple less.
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from seaice.errors import DataError
from seaice.explain.attribution_tables import MEAN, UNTRAINED, grouped, mean_rows, strongest
from seaice.figures import words
from seaice.figures.map_style import draw, projection
from seaice.figures.style import STYLE, bare
from seaice.steps import MONTH_NAMES

MORE, LESS = "#B35806", "#542788"  # ends of brown and purple; in grey the side of a bar tells
SIGNED = plt.get_cmap("PuOr_r")
OUTLINE = {"colors": "#000000", "linewidths": 1.3}
WIDTH = 7.2  # inches, least width: with one lead, title and key are wider than the column
AGREED = 2 / 3  # share of members with the sign of the mean; below it a cell is dotted
FAINT = 0.06  # of the end of the colour bar: weaker cells get no dots


def channel_label(variable: str, channel: str, init: pd.Timestamp) -> str:
    """Return a label for an input channel, with the month that it belongs to."""
    name, kind = words.of_input(variable), channel.rsplit("_", 2)[1:]
    if len(kind) < 2 or kind[0] not in ("lag", "lead"):
        return f"{name} ({channel})" if channel != variable else name
    months = -int(kind[1]) if kind[0] == "lag" else int(kind[1]) - 1
    month = (init + pd.DateOffset(months=months)).strftime("%b %Y")
    return f"{name}\n{'for' if kind[0] == 'lead' else 'of'} {month}"


def region(
    ready: xr.Dataset, change: xr.DataArray, cells: xr.DataArray, sizes: pd.DataFrame, shares: pd.DataFrame
) -> Figure:
    """Draw the region of interest, its size and what its forecast rests on.

    The region is outlined on the map of what changed. Its size and the shares are drawn by
    threshold.
    change: SIC difference (y, x). cells: bool (y, x), the region. sizes: of `roi.sizes`. shares:
    columns threshold, family and share (%).
    """
    with plt.rc_context(STYLE):
        fig = plt.figure(figsize=(12.5, 4.3), layout="constrained")
        grid = fig.add_gridspec(1, 3, width_ratios=(1.1, 1, 1.55))
        ax = fig.add_subplot(grid[0], projection=projection(ready))
        image = draw(ax, change, ready, change.notnull(), cmap=SIGNED, vmin=-1, vmax=1)
        _outline(ax, cells)
        fig.colorbar(image, ax=ax, orientation="horizontal", shrink=0.85, label="change of ice concentration")
        ax.set_title("the region (outlined) that is asked about")
        ax = fig.add_subplot(grid[1])
        ax.plot(sizes["threshold"], sizes["cells"], "k-o", label="all")
        ax.plot(sizes["threshold"], sizes["gained"], "--s", color=MORE, label="with more ice")
        ax.set(
            xlabel="threshold of the change", ylabel="cells in the region", ylim=(0, None), title="its size"
        )
        ax.legend(frameon=False)
        bare(ax)
        ax = fig.add_subplot(grid[2])
        table = shares.pivot(index="threshold", columns="family", values="share")
        line_styles = zip(table.columns, ("-o", "--s", "-.^", ":D", "--v", "-P", ":*"), strict=False)
        for k, (family, line_format) in enumerate(line_styles):
            ax.plot(table.index, table[family], line_format, color=f"C{k}", label=family)
        ax.set(xlabel="threshold of the change", ylabel="share of all attribution (%)", ylim=(0, None))
        ax.set_title("what its forecast rests on, by threshold")
        fig.legend(*ax.get_legend_handles_labels(), loc="outside right center", frameon=False)
        bare(ax)
    return fig


def families(table: pd.DataFrame, *, method: str, by: str = "variable") -> Figure:
    """Draw bars of the signed sum of each variable, a row for each case, a column for each lead.

    Ticks are members, circles the network before training, numbers the share of all magnitude.
    table: of `attribution_tables.channel_table`. by: "variable" or "family".
    """
    sums = grouped(table, by)
    of_mean, before = mean_rows(sums, method), mean_rows(sums, method, "untrained")
    kind, baseline = of_mean[["method", "baseline"]].iloc[0]
    members = sums[(sums["method"] == kind) & (sums["baseline"] == baseline) & (sums["member"] != MEAN)]
    order = of_mean.groupby(by)["magnitude"].sum().sort_values().index
    cases, leads = list(dict.fromkeys(of_mean["case"])), list(dict.fromkeys(of_mean["lead_time"]))
    with plt.rc_context(STYLE):
        size = (max(WIDTH, 2.5 * len(leads) + 2.2), (0.24 * len(order) + 0.5) * len(cases) + 1.3)
        fig, axes = plt.subplots(
            len(cases),
            len(leads),
            squeeze=False,
            sharex=True,
            sharey=True,
            figsize=size,
            layout="constrained",
        )
        for (i, case), (j, lead) in ((a, b) for a in enumerate(cases) for b in enumerate(leads)):
            ax = axes[i, j]
            of_panel = (
                frame[(frame["case"] == case) & (frame["lead_time"] == lead)]
                for frame in (of_mean, members, before)
            )
            _draw_families(ax, order, *(frame.set_index(by) for frame in of_panel))
            ax.set_title(f"{_month(case)}, {_ahead(lead)}")
            if i == len(cases) - 1:
                ax.set_xlabel("cells with ice")
        fig.legend(
            handles=_bar_keys("%: share of all attribution", each_member="|", before_training="o"),
            loc="outside lower center",
            ncols=3,
            frameon=False,
        )
        title = f"What the forecast of the region's ice rests on ({method.replace('_', ' ')}):"
        fig.suptitle(f"{title}\ncells expected to have ice that each input adds or takes away", fontsize=12)
    return fig


def _draw_families(
    ax, order: pd.Index, bars: pd.DataFrame, members: pd.DataFrame, before: pd.DataFrame
) -> None:
    """Draw one panel of `families`: bars of the mean, ticks of members, circles before training."""
    bars = bars.loc[order]
    ax.barh(range(len(order)), bars["value"], color=np.where(bars["value"] > 0, MORE, LESS), height=0.7)
    ax.plot(members["value"], order.get_indexer(members.index), "k|", ms=6, mew=0.8)
    ax.plot(before["value"], order.get_indexer(before.index), "o", ms=5, mfc="white", mec="black")
    right = {"transform": ax.get_yaxis_transform(), "ha": "right", "va": "center", "fontsize": 7}
    for k, share in enumerate(bars["share"]):
        ax.text(1.0, k, f"{share:.0f} %", **right)
    ax.axvline(0, color="black", lw=0.8)
    ax.set_yticks(range(len(order)), [words.of_input(name) for name in order])
    ax.margins(x=0.16)
    bare(ax)


def lags(
    table: pd.DataFrame, *, method: str, case: str, variables: Sequence[str] = ("siconc", "siconc_anomaly")
) -> Figure:
    """Draw the signed sum and magnitude of each lag of these variables, a column for each lead.

    It shows which of the last months matter. Raises DataError where the table has no such rows.
    """
    rows = mean_rows(table, method)
    rows = rows[(rows["case"] == case) & rows["variable"].isin(variables)]
    if rows.empty:
        raise DataError(
            f"no attributions to {', '.join(variables)} in {case}; there are {sorted(set(table['case']))}"
        )
    leads, plotted = (
        list(dict.fromkeys(rows["lead_time"])),
        [v for v in variables if v in set(rows["variable"])],
    )
    with plt.rc_context(STYLE):
        size = (max(WIDTH, 2.6 * len(leads) + 1), 2.1 * len(plotted) + 1.1)
        fig, axes = plt.subplots(
            len(plotted), len(leads), squeeze=False, sharey=True, figsize=size, layout="constrained"
        )
        for (i, variable), (j, lead) in ((a, b) for a in enumerate(plotted) for b in enumerate(leads)):
            ax, rows_of_panel = axes[i, j], rows[(rows["variable"] == variable) & (rows["lead_time"] == lead)]
            ax.bar(
                rows_of_panel["lag"], rows_of_panel["magnitude"], color="none", edgecolor="#999999", lw=0.8
            )
            ax.bar(
                rows_of_panel["lag"],
                rows_of_panel["value"],
                color=np.where(rows_of_panel["value"] > 0, MORE, LESS),
                width=0.6,
            )
            ax.axhline(0, color="black", lw=0.8)
            init = pd.Timestamp(rows_of_panel["init_time"].iloc[0])
            names = [(init - pd.DateOffset(months=int(k))).strftime("%b")[0] for k in rows_of_panel["lag"]]
            ax.set_xticks(
                rows_of_panel["lag"],
                [f"{k}\n{name}" for k, name in zip(rows_of_panel["lag"], names, strict=True)],
            )
            ax.set_title(f"{words.of_input(variable)}, {_ahead(lead)}")
            if i == len(plotted) - 1:
                ax.set_xlabel("months before, and initial")
            bare(ax)
        fig.supylabel("cells with ice", fontsize=10)
        fig.legend(
            handles=_bar_keys("outline: sum without signs"),
            loc="outside lower center",
            ncols=3,
            frameon=False,
        )
        fig.suptitle(f"Which earlier ice {_month(case)} rests on", fontsize=12)
    return fig


def maps(
    store: xr.Dataset, table: pd.DataFrame, ready: xr.Dataset, *, method: str, case: str, n: int = 4
) -> Figure:
    """Draw maps of the mean attribution to the strongest channels, one row for each lead.

    The region is outlined, dots mark where members disagree on the sign, and titles give the sum
    over all cells. Each row has one colour bar.
    store: of `attribution.ensemble`. table: its `channel_table`. n: channels of each row.
    """
    visible = ready.active.sel(month=pd.Timestamp(case).month) | (store.region == 1)
    month, leads = pd.Timestamp(case), [int(lead) for lead in store.lead_time.values]
    with plt.rc_context(STYLE):
        size = {"figsize": (2.7 * n + 1.0, 3.05 * len(leads) + 0.8), "layout": "constrained"}
        fig, axes = plt.subplots(
            len(leads), n, squeeze=False, subplot_kw={"projection": projection(ready)}, **size
        )
        for row, lead in zip(axes, leads, strict=True):
            names = strongest(table, method=method, case=case, lead=lead, n=n)
            members = store.attribution.sel(
                {"case": month, "lead_time": lead, "method": method, "channel": names}
            )
            members = members.sel(member=store.member != UNTRAINED).load()
            mean = members.mean("member")
            agree = (np.sign(members) == np.sign(mean)).mean("member")
            end = float(abs(mean).quantile(0.995)) or 1.0
            init = pd.Timestamp(members.init_time.values)
            for ax, name in zip(row, names, strict=True):
                field, total = mean.sel(channel=name), float(mean.sel(channel=name).sum())
                image = draw(ax, field, ready, visible, cmap=SIGNED, vmin=-end, vmax=end)
                _outline(ax, store.region)
                y, x = np.nonzero(((agree.sel(channel=name) < AGREED) & (abs(field) > FAINT * end)).values)
                ax.plot(ready.x.values[x], ready.y.values[y], ".", ms=1.4, color="#444444")
                label = channel_label(str(field["variable"].values), name, init)
                ax.set_title(f"{label}: {total:+.3g}")
            row[0].text(
                -0.05,
                0.5,
                _ahead(lead),
                rotation=90,
                ha="right",
                va="center",
                fontsize=11,
                transform=row[0].transAxes,
            )
            fig.colorbar(
                image, ax=row, shrink=0.8, pad=0.01, extend="both", label="cells with ice, by input cell"
            )
        fig.legend(handles=_map_keys(), loc="outside lower center", ncols=4, frameon=False)
        fig.suptitle(
            f"Where the forecast of the region's ice in {_month(case)} comes from: its strongest inputs",
            fontsize=12,
        )
    return fig


def _outline(ax, cells: xr.DataArray) -> None:
    """Draw the outline of a region."""
    ax.contour(cells.x, cells.y, cells.astype(float), [0.5], zorder=3.5, **OUTLINE)


def _month(case: str) -> str:
    """Return the name and year of a month "YYYY-MM"."""
    return f"{MONTH_NAMES[int(case[5:7]) - 1]} {case[:4]}"


def _ahead(lead: int) -> str:
    """Return a lead in words."""
    return f"{lead} month{'s' * (lead > 1)} ahead"


def _bar_keys(note: str, **markers: str) -> list:
    """Return the keys of the bars, a note in words, and black markers by what they stand for."""
    keys = [Patch(color=MORE, label="more ice"), Patch(color=LESS, label="less ice")]
    black = {"color": "black", "ls": "", "mfc": "none"}
    dots = [Line2D([], [], marker=m, label=name.replace("_", " "), **black) for name, m in markers.items()]
    return [*keys, *dots, Line2D([], [], ls="", label=note)]


def _map_keys() -> list:
    """Return the keys of the maps."""
    keys = [
        Patch(color=SIGNED(0.9), label="makes more ice in the region"),
        Patch(color=SIGNED(0.1), label="makes less"),
    ]
    keys.append(Line2D([], [], color="black", lw=1.3, label="the region"))
    return [*keys, Line2D([], [], color="#444444", marker=".", ls="", label="members disagree on the sign")]
