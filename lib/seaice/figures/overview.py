"""What do the data hold, on maps and by year?"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from seaice import seasons
from seaice.figures.map_style import ICE_COLOURS, draw, projection
from seaice.figures.style import MONTHS, STYLE, bare, cmocean
from seaice.geo import ice_area
from seaice.grid import Grid
from seaice.schema import Flag


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
        maps[2].set_title("when a cell counts")
        bar = fig.colorbar(
            image, ax=maps[2], orientation="horizontal", shrink=0.9, pad=0.02, ticks=[0, 3, 6, 9, 12]
        )
        bar.set_label("months a year")
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
