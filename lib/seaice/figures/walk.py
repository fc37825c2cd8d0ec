"""How did forecasts and their calibration fare over the years of a walk?"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from seaice.figures import words
from seaice.figures.style import METRIC_LABELS, STYLE, bare, line_style
from seaice.verify.tables import better
from seaice.walk import tables

WINDOW = 3  # years, of the moving reliability
LIMIT = 0.03  # departure of a reliable probability, as the issue of the walk asks for


def cumulative(
    scores: xr.Dataset,
    models: Sequence[str],
    reference: str,
    *,
    breaks: Mapping[str, str],
    metric: str = "brier",
) -> Figure:
    """Draw how far each model is ahead of a reference, added up over the initialisations.

    A rising line gains. The score is the mean over the leads. scores: see `judged.Judged`, of the
    initialisations that are drawn. breaks: what happened, by month.
    """
    mean = better(metric) * scores[metric].mean("lead_time", skipna=False)
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(9, 4), layout="constrained")
        for number, model in enumerate(models):
            ahead = (mean.sel(model=model) - mean.sel(model=reference)).dropna("init_time")
            style = line_style(model, number) | {"marker": "", "label": words.of_walker(model)}
            ax.plot(ahead.init_time, ahead.cumsum("init_time"), **style)
        ax.axhline(0, color="#777777", lw=1)
        mark(ax, breaks, scores.init_time.values)
        ax.set(ylabel=f"gain in {METRIC_LABELS[metric]},\nadded up, over\n{words.of_walker(reference)}")
        ax.legend(ncols=2, frameon=False)
        bare(ax)
    return fig


def mark(ax, breaks: Mapping[str, str], times: np.ndarray) -> None:
    """Draw a line with its text at each break within the times."""
    for month, text in breaks.items():
        time = np.datetime64(month, "ns")
        if times.min() <= time <= times.max():
            ax.axvline(time, color="#777777", ls=":", lw=1)
            ax.annotate(
                text, (time, 1), xycoords=("data", "axes fraction"), rotation=90, va="top", ha="right",
                fontsize=8, color="#555555",
            )  # fmt: skip


def moving_reliability(counts: xr.Dataset, models: Sequence[str]) -> Figure:
    """Draw the largest departure of a bin from the observed frequency, in windows of some years.

    counts: see `judged.Judged`. Bins hold 1 % of the cells or more.
    """
    years = pd.DatetimeIndex(counts.init_time.values).year
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(9, 3.5), layout="constrained")
        windows = range(years[0] + WINDOW - 1, years[-1] + 1)
        for number, model in enumerate(models):
            off = []
            for year in windows:
                chosen = (years > year - WINDOW) & (years <= year)
                table = tables.reliability(counts.sel(model=[model]).isel(init_time=np.flatnonzero(chosen)))
                table = table.sel(lead_time=tables.LEADS_MEAN)
                departure = abs(table.observed - table.forecast)
                off.append(float(departure.where(table.share >= tables.LEAST_SHARE).max()))
            ax.plot([*windows], off, **line_style(model, number) | {"label": words.of_walker(model)})
        ax.axhline(LIMIT, color="#777777", ls=":", lw=1)
        ax.set(ylabel="largest departure\nof a bin", xlabel=f"last of {WINDOW} years", ylim=(0, None))
        ax.legend(ncols=2, frameon=False)
        bare(ax)
    return fig
