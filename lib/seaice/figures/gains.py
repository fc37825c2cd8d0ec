"""By how much is one forecast better than another? Heat maps of gains by month, year and sea.

A gain is positive where `model` is better, whether or not a higher score is better. Cells below
zero are hatched as well as red.
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from seaice.errors import DataError
from seaice.figures.style import (
    METRIC_LABELS,
    MONTHS,
    STYLE,
    cmocean,
    heat,
    leads_to_show,
    line_style,
    score_heat,
)
from seaice.steps import MONTH_NAMES
from seaice.verify.scoring import OWN_PAIRS
from seaice.verify.tables import better, select

GAIN = cmocean.cm.balance_r  # blue above zero, red below; both ends dark in grey, hence hatching and signs


def gain_heatmap(
    skill: pd.DataFrame,
    model: str = "icenet",
    baseline: str | None = None,
    *,
    metric: str = "binary_accuracy",
    split: str = "test",
    region: str = "all",
    unit: str = "months",
) -> Figure:
    """Draw the gain of `model` over a baseline by valid month and lead.

    Without a baseline, the gain is that over the best of all others in each cell. The best is
    chosen on the same forecasts, which favours the baselines.
    skill: table of `tables.skill_table`. Raises DataError for a metric with a sign, or rows that
    the table does not have.
    """
    table = select(skill, metric=metric, split=split, region=region)
    table = table[(table.month.astype(str) != "all") & ~table.model.isin(set(OWN_PAIRS) - {model, baseline})]
    cells = table.assign(month=table.month.astype(int)).pivot(
        index="model", columns=["lead_time", "month"], values="value"
    )
    for name in (model, baseline or model):
        if name not in cells.index:
            raise DataError(f"table of scores: no model {name!r}; there are {', '.join(cells.index)}")
    sign = better(metric)
    others = cells.drop(index=model) if baseline is None else cells.loc[[baseline]]
    gain = (sign * cells.loc[model] - (sign * others).max()).unstack("month")
    gain = gain.reindex(index=leads_to_show(gain.index), columns=range(1, 13)).set_axis(MONTHS, axis=1)
    rival = "the best of the others" if baseline is None else line_style(baseline)["label"]
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(8.2, 3.6), layout="constrained")
        image = _draw(ax, gain, _largest(gain))
        ax.set(
            xlabel="valid month",
            ylabel=f"lead ({unit})",
            title=f"{line_style(model)['label']} against {rival}",
        )
        fig.colorbar(image, ax=ax, label=_label(metric), pad=0.01)
    return fig


def gain_per_year(
    scores: xr.Dataset,
    baselines: Sequence[str] = ("linear_trend",),
    *,
    model: str = "icenet",
    metric: str = "binary_accuracy",
    month: int | None = None,
    unit: str = "months",
) -> Figure:
    """Draw the gain of `model` over each baseline by valid year and lead, a panel for each.

    It is the mean over the forecasts of a year.
    scores: see `scoring.forecast_scores` (model, region, init_time, lead_time), of one split; seas
    are left out. month: only this valid month, e.g. 9.
    Raises DataError for a model that was not scored, or when no forecast is common.
    """
    if "region" in scores.dims:
        scores = scores.sel(region="all", drop=True)
    missing = sorted({model, *baselines} - set(map(str, scores.model.values)))
    if missing:
        raise DataError(
            f"scores have no model {missing[0]!r}; there are {', '.join(map(str, scores.model.values))}"
        )
    valid = scores.valid_time
    is_counted = (valid.dt.month == month) if month is not None else valid.notnull()
    values = (better(metric) * scores[metric]).where(is_counted)
    tables = {b: _by_year(values.sel(model=model) - values.sel(model=b), valid, b) for b in baselines}
    limit = max(map(_largest, tables.values()))
    years = sorted({year for table in tables.values() for year in table})
    leads = [len(table) for table in tables.values()]
    with plt.rc_context(STYLE):
        size = (max(6.0, 1.8 + 0.46 * len(years)), 0.7 + 0.4 * len(tables) + 0.35 * sum(leads))
        panels = {"height_ratios": leads, "squeeze": False, "sharex": True}
        fig, axes = plt.subplots(len(tables), 1, figsize=size, layout="constrained", **panels)
        for ax, (name, table) in zip(axes[:, 0], tables.items(), strict=True):
            image = _draw(ax, table.reindex(columns=years), limit)
            ax.set_title(f"{line_style(model)['label']} against {line_style(name)['label']}")
        label = "valid year" if month is None else f"{MONTH_NAMES[month - 1]} of each year"
        axes[-1, 0].set_xlabel(label)
        fig.supylabel(f"lead ({unit})", fontsize=10)
        fig.colorbar(image, ax=axes, label=_label(metric), pad=0.01)
    return fig


def region_heatmap(
    skill: pd.DataFrame,
    model: str = "icenet",
    *,
    metric: str = "binary_accuracy",
    month: int | str = "all",
    split: str = "test",
    unit: str = "months",
) -> Figure:
    """Draw the score of one model by sea and lead.

    skill: table of `tables.skill_table` with a column `region`. Raises DataError for a table
    without seas.
    """
    if "region" not in skill or set(skill.region) <= {"all"}:
        raise DataError(
            "table of scores: it has no seas (column 'region'); score the forecasts by region first"
        )
    table = select(
        skill[skill.region != "all"], metric=metric, model=model, month=month, split=split, region=None
    )
    order = list(dict.fromkeys(table.region))
    table = table.pivot(index="region", columns="lead_time", values="value").loc[
        order, leads_to_show(table.lead_time)
    ]
    table.index = table.index.str.replace("_", " ").str.title()
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(6.8, 0.9 + 0.3 * len(table)), layout="constrained")
        image = score_heat(ax, table, metric)
        ax.set(xlabel=f"lead ({unit})", title=line_style(model)["label"])
        fig.colorbar(image, ax=ax, label=METRIC_LABELS.get(metric, metric), pad=0.01)
    return fig


def _label(metric: str) -> str:
    """Return what a gain in a score is called; one in per cent is in percentage points."""
    return f"gain in {METRIC_LABELS.get(metric, metric)}".replace("(%)", "(percentage points)")


def _by_year(gain: xr.DataArray, valid: xr.DataArray, baseline: str) -> pd.DataFrame:
    """Return the mean gain by lead and valid year. Raises DataError where there is no forecast."""
    rows = gain.rename("gain").to_dataframe().assign(year=valid.dt.year.to_series()).dropna(subset="gain")
    if rows.empty:
        raise DataError(f"gain per year: no forecast is common with {baseline!r} in the month asked for")
    table = rows.pivot_table(index="lead_time", columns="year", values="gain", aggfunc="mean")
    return table.loc[leads_to_show(table.index)]


def _largest(table: pd.DataFrame) -> float:
    """Return the largest absolute value of a table, 1 where all are 0."""
    return float(table.abs().max().max()) or 1.0


def _draw(ax, table: pd.DataFrame, limit: float):
    """Draw a table of gains between -limit and limit, and return the image."""
    form = "+.1f" if limit >= 1 else "+.3f"
    return heat(ax, table, cmap=GAIN, low=-limit, high=limit, form=form)
