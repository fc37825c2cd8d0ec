"""How does it look on the map?

Forecasts with their ice edge and confidence, edges of many years, and an overview of the data. The
pieces of the maps are in `map_style`.
"""

from collections.abc import Iterable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from seaice import seasons
from seaice.errors import DataError
from seaice.figures.map_style import (
    ICE_COLOURS,
    PREDICTED,
    SEA_AND_ICE,
    dot_disagreement,
    draw,
    edge,
    keys,
    observed_edge,
    projection,
)
from seaice.figures.style import MONTHS, STYLE, bare, cmocean
from seaice.forecasts.probabilities import confidence
from seaice.geo import ice_area
from seaice.grid import Grid
from seaice.schema import Flag
from seaice.steps import MONTH_NAMES, at, cadence, valid_time
from seaice.thresholds import ICE_EDGE, SIP_EDGE

STAMP = {"monthly": "%B %Y", "daily": "%d %B %Y"}  # how the time of a map is written


def forecast_map(
    forecast: xr.Dataset, ready: xr.Dataset, init_time, *, leads: Sequence[int] = (1, 3, 6)
) -> Figure:
    """Draw maps of one forecast: sea-ice probability with edges, and the confidence below it.

    forecast: `sip` (init_time, lead_time, y, x), and `ice_class_probability` with members where
    there are some.
    The edges are the forecast one (SIP = 0.5) and the observed one (SIC = 0.15). The observed edge
    and the accuracy appear where the truth is known.
    Confidence is 1 minus the entropy of the SIP in bits: 1 where the forecast is certain of ice or
    of open water, 0 where both are equally probable. Dots mark cells where members disagree about
    ice.
    """
    newest = pd.Timestamp(init_time) - pd.Timedelta(days=1)
    title = f"Forecast with data up to the end of {newest:{STAMP[cadence(ready)]}}"
    return _forecasts(forecast, ready, [(pd.Timestamp(init_time), lead) for lead in leads], title)


def summer_maps(forecast: xr.Dataset, ready: xr.Dataset, year: int, *, lead_time: int = 1) -> Figure:
    """Draw maps as in `forecast_map` of the months of one summer, `lead_time` months ahead.

    year: that of the least ice, see `seasons`. Raises DataError for a month that the store has no
    forecast of.
    """
    months = seasons.summer(ready.attrs["hemisphere"], year)
    inits = [_init(forecast, month, lead_time) for month in months]
    for month, init in zip(months, inits, strict=True):
        if init is None:
            raise DataError(f"no forecast of {month:%B %Y} at lead {lead_time}; choose another year or lead")
    ahead = f"{lead_time} month{'s' * (lead_time > 1)} ahead"
    title = f"The summer up to {months[-1]:%B %Y}, each month forecast {ahead}"
    return _forecasts(forecast, ready, [(init, lead_time) for init in inits], title)


def _init(forecast: xr.Dataset, month: pd.Timestamp, lead: int) -> pd.Timestamp | None:
    """Return the initialisation of the forecast of a month at a lead, None where there is none."""
    init = month - pd.DateOffset(months=lead - 1)
    return init if init in forecast.indexes["init_time"] and lead in forecast.lead_time else None


def _forecasts(forecast, ready, pairs: Sequence[tuple[pd.Timestamp, int]], title: str) -> Figure:
    """Draw one column of maps for each pair of initialisation and lead.

    Probability is above, confidence below.
    """
    with_members = "ice_class_probability" in forecast
    times = [valid_time([init], [lead], cadence=cadence(ready))[0, 0] for init, lead in pairs]
    active = ready.active.sel(month=[int(time.dt.month) for time in times]).any("month")
    with plt.rc_context(STYLE):
        size = {"figsize": (3.1 * len(pairs) + 0.9, 6.9), "layout": "constrained"}
        fig, axes = plt.subplots(
            2, len(pairs), squeeze=False, subplot_kw={"projection": projection(ready)}, **size
        )
        for (above, below), (init, lead), time in zip(axes.T, pairs, times, strict=True):
            chosen = forecast.sel(init_time=init, lead_time=lead).load()
            probability_image = draw(above, chosen.sip, ready, active, cmap=ICE_COLOURS, vmin=0, vmax=1)
            edge(above, chosen.sip, SIP_EDGE, **PREDICTED)
            accuracy = observed_edge(above, chosen.sip, ready, time)
            above.set_title(
                f"lead {lead}: {pd.Timestamp(time.item()):{STAMP[cadence(ready)]}}"
                + (accuracy and f"\n{accuracy} of cells right")
            )
            confidence_image = draw(
                below, confidence(chosen.sip), ready, active, cmap=cmocean.cm.gray, vmin=0, vmax=1
            )
            edge(below, chosen.sip, SIP_EDGE, **PREDICTED)
            if with_members:
                dot_disagreement(below, chosen.ice_class_probability, ready)
        fig.colorbar(probability_image, ax=axes[0], label="sea-ice probability", shrink=0.8, pad=0.01)
        fig.colorbar(confidence_image, ax=axes[1], label="confidence", shrink=0.8, pad=0.01)
        fig.legend(handles=keys(with_members), loc="outside lower center", ncols=3, frameon=False)
        fig.suptitle(title, fontsize=12)
    return fig


def least_ice_edges(
    forecast: xr.Dataset,
    ready: xr.Dataset,
    years: Sequence[int],
    *,
    leads: Sequence[int] = (4, 3, 2, 1),
) -> Figure:
    """Draw small maps of the observed ice and of both edges in the month of least ice.

    One row for each year, one column for each lead. Shaded is the observed ice; the edges are the
    observed and the forecast one. For the month see `seasons`. Titles give the accuracy, or say
    that there is no forecast.
    forecast: `sip` (init_time, lead_time, y, x). Raises DataError when there is no forecast at all.
    """
    month = seasons.LEAST_ICE[ready.attrs["hemisphere"]]
    times = {year: pd.Timestamp(year, month, 1) for year in years}
    inits = {(year, lead): _init(forecast, times[year], lead) for year in years for lead in leads}
    sips = {
        k: forecast.sip.sel(init_time=i, lead_time=k[1]).load() for k, i in inits.items() if i is not None
    }
    if not sips:
        raise DataError(
            f"no forecast of {MONTH_NAMES[month - 1]} {', '.join(map(str, years))} at leads {tuple(leads)}"
        )
    times = {year: xr.DataArray(time.to_datetime64()) for year, time in times.items()}
    ice = {year: (at(ready.siconc, time) > ICE_EDGE).where(~ready.land) for year, time in times.items()}
    visible = _cells_with_ice(ready, month, sips.values(), ice.values())
    with plt.rc_context(STYLE):
        size = {"figsize": (2.1 * len(leads) + 0.3, 2.3 * len(years) + 0.7), "layout": "constrained"}
        fig, axes = plt.subplots(
            len(years), len(leads), squeeze=False, subplot_kw={"projection": projection(ready)}, **size
        )
        for ax, (year, lead) in zip(axes.flat, inits, strict=True):
            draw(ax, ice[year], ready, visible, cmap=SEA_AND_ICE, vmin=0, vmax=1)
            if (year, lead) not in sips:
                ax.set_title("no forecast")
                continue
            edge(ax, sips[year, lead], SIP_EDGE, **PREDICTED)
            ax.set_title(observed_edge(ax, sips[year, lead], ready, times[year]) or "no observation")
        for ax, lead in zip(axes[0], leads, strict=True):
            ax.set_title(f"{lead} month{'s' * (lead > 1)} ahead\n{ax.get_title()}")
        for ax, year in zip(axes[:, 0], years, strict=True):
            ax.text(
                -0.06,
                0.5,
                str(year),
                rotation=90,
                ha="right",
                va="center",
                fontsize=11,
                transform=ax.transAxes,
            )
        fig.legend(handles=keys(members=False), loc="outside lower center", ncols=2, frameon=False)
        fig.suptitle(
            f"{MONTH_NAMES[month - 1]} ice edges, and share of cells on the right side of the edge",
            fontsize=12,
        )
    return fig


def _cells_with_ice(
    ready: xr.Dataset, month: int, sips: Iterable[xr.DataArray], ice: Iterable[xr.DataArray]
) -> xr.DataArray:
    """Return the cells active in a month with ice in any of the maps, bool (y, x).

    They set the window of the maps, which are then filled by all the ice, observed or forecast.
    sips: SIP (y, x). ice: observed ice, 1 or 0 (y, x).
    """
    n_with_ice = sum(
        [sip.drop_vars(sip.coords) > SIP_EDGE for sip in sips]
        + [field.drop_vars(field.coords) == 1 for field in ice]
    )
    return (ready.active.sel(month=month) & n_with_ice.astype(bool)).drop_vars("month")


def data_overview(ready: xr.Dataset) -> Figure:
    """Draw an overview of the data.

    It has the newest step of the months of least and of most ice, the number of months in which
    each cell is active, and the extent of every year.
    """
    ever_active = ready.active.any("month")
    siconc = ready.siconc.where(ready.siconc_flag != Flag.MISSING)
    extent = ice_area.extent(siconc, Grid.of(ready.attrs).cell_area, complete_in=~ready.land).compute()
    complete = extent.time[extent.notnull()]
    with plt.rc_context(STYLE):
        fig = plt.figure(figsize=(9.6, 7.2), layout="constrained")
        grid = fig.add_gridspec(2, 3, height_ratios=(1.15, 1))
        maps = [fig.add_subplot(grid[0, k], projection=projection(ready)) for k in range(3)]
        for ax, month in zip(maps, seasons.extremes(ready.attrs["hemisphere"]), strict=False):
            of_month = complete[complete.dt.month == month]
            newest = of_month[-1] if of_month.size else complete[-1]  # a short record may have no such month
            image = draw(ax, siconc.sel(time=newest), ready, ever_active, cmap=ICE_COLOURS, vmin=0, vmax=1)
            ax.set_title(f"{MONTHS[newest.dt.month.item() - 1]} {newest.dt.year.item()}")
        fig.colorbar(
            image, ax=maps[:2], label="sea ice concentration", orientation="horizontal", shrink=0.6, pad=0.02
        )
        active = ready.active.sum("month").where(~ready.land)
        image = draw(maps[2], active, ready, ever_active, cmap=cmocean.cm.dense, vmin=0, vmax=12)
        maps[2].set_title("months a year that count")
        fig.colorbar(
            image, ax=maps[2], orientation="horizontal", shrink=0.9, pad=0.02, ticks=[0, 3, 6, 9, 12]
        )
        _extents(fig.add_subplot(grid[1, :]), extent)
        fig.suptitle(
            f"{ready.attrs['run']}: {ready.attrs['hemisphere']}, {ready.attrs['resolution_km']:g} km",
            fontsize=12,
        )
    return fig


def _extents(ax, extent: xr.DataArray) -> None:
    """Draw the extent (time), million km2, by calendar month, one line for each year."""
    table = pd.DataFrame(
        {"value": extent.values, "year": extent.time.dt.year.values, "month": extent.time.dt.month.values}
    )
    table = table.pivot_table(index="month", columns="year", values="value")  # of days, their mean
    table = table.dropna(axis=1, how="all")
    shades = cmocean.cm.matter(np.linspace(0.1, 1, table.shape[1]))
    for (year, values), colour in zip(table.items(), shades, strict=True):
        newest = year == table.columns[-1]
        ax.plot(
            values.index, values, color=colour, lw=2.4 if newest else 0.9, label=str(year) if newest else None
        )
    ax.plot(table.index, table.mean(axis=1), color="black", lw=2, ls="--", label="mean of all years")
    ax.set(
        xticks=range(1, 13),
        xticklabels=MONTHS,
        ylabel="sea-ice extent (million km²)",
        title=f"{table.columns[0]} (light) to {table.columns[-1]} (dark)",
    )
    ax.legend(frameon=False)
    bare(ax)
