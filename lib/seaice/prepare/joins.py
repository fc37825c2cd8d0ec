"""May one record of sea ice go on as another? Both are compared over the time that they share."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.geo import ice_area, regions
from seaice.grid import Grid
from seaice.prepare import known_at
from seaice.schema import MAP, Flag
from seaice.sources import catalog

# Limits of a join; chosen, not taken from a source. A departure of extent of more than a quarter of
# the 2 million km2 from which on `quality` takes a month for broken would pass for weather.
MOST_JUMP = 0.5  # million km2, of the extent of the hemisphere in a calendar month
MOST_BIAS = 0.1  # SIC fraction, mean over the active cells of a calendar month
MOST_MONTHS = 36  # newest common months that are compared
FEWEST_MONTHS = 12  # so that every calendar month is there


def compare(before: xr.DataArray, after: xr.DataArray, ready: xr.Dataset) -> pd.DataFrame:
    """Return how two records differ by calendar month, in the hemisphere and in each sea.

    before, after: mean SIC (month, y, x), 0..1, over the same time. ready: `active`, `land`, `lat`,
    `lon`, attributes. Columns: month; region ("all" or a sea); bias, mean of after minus before
    over the active cells, NaN without any; extent_before, extent_after and jump, million km2. Only
    cells with a value in both count.
    """
    both = before.notnull() & after.notnull() & ~ready["land"]
    cell = Grid.of(ready.attrs).cell_area_km2 / 1e6
    seas = regions.mask(ready)
    everywhere = xr.ones_like(seas.isel(region=[0])).assign_coords(region=["all"])
    within = xr.concat([everywhere, seas], "region")
    active = ready["active"].reset_coords(drop=True) & both & within
    stats = xr.Dataset(
        {
            "bias": (after - before).where(active).mean(MAP),
            "extent_before": ice_area.extent(before.where(both), cell, within=within),
            "extent_after": ice_area.extent(after.where(both), cell, within=within),
        }
    ).reset_coords(drop=True)
    stats["jump"] = stats["extent_after"] - stats["extent_before"]
    return stats.transpose("month", "region").to_dataframe().reset_index()


def overlapping(entry: str) -> str:
    """Return the entry that is compared in place of one that begins where another record ends.

    The catalogue names it as `overlap`: a record of the same sensors and code in earlier years.
    """
    return catalog.metadata(entry).get("overlap", entry)


def of_entry(
    ready: xr.Dataset, entry: str, *, load: Callable[..., xr.Dataset]
) -> tuple[pd.DataFrame, pd.DatetimeIndex]:
    """Return `compare` of a stored record and an entry that is to continue it, and their months.

    The newest `MOST_MONTHS` common months are compared. load: as for `arrivals.extend`. Raises
    DataError if they do not share a month of each calendar month.
    """
    last = known_at.last_observed(ready)
    first = last - pd.DateOffset(months=2 * MOST_MONTHS)
    grid = Grid.of(ready.attrs)
    other = load(entry, grid, start=f"{first:%Y-%m-%d}", end=f"{last:%Y-%m-%d}")
    other = other.siconc.where(other.siconc_flag == Flag.OBSERVED).assign_coords(y=ready.y, x=ready.x)
    own = ready.siconc.where(ready.siconc_flag == Flag.OBSERVED)
    common = own.indexes["time"].intersection(other.indexes["time"])
    observed = [t for t in common if own.sel(time=t).notnull().any() and other.sel(time=t).notnull().any()]
    months = pd.DatetimeIndex(observed[-MOST_MONTHS:])
    if len(months.to_period("M").month.unique()) < FEWEST_MONTHS:
        raise DataError(
            f"entry '{entry}' shares {len(months)} months with the stored record up to {last:%Y-%m}; "
            f"{FEWEST_MONTHS}, one of each calendar month, are needed to compare them before they are joined"
        )
    before, after = (_by_month(da.sel(time=months)) for da in (own, other))
    return compare(before, after, ready), months


def _by_month(siconc: xr.DataArray) -> xr.DataArray:
    """Return the mean of each calendar month (month, y, x), in memory."""
    return siconc.load().groupby("time.month").mean("time").drop_vars(["lat", "lon"], errors="ignore")


def require_close(table: pd.DataFrame, *, before: str, after: str) -> None:
    """Raise DataError if a join jumps by more than the limits in any month.

    table: see `compare`. before, after: names of the records, for the message.
    """
    whole = table[table["region"] == "all"]
    for column, limit, unit in (("jump", MOST_JUMP, "million km2 of extent"), ("bias", MOST_BIAS, "of SIC")):
        worst = whole.loc[whole[column].abs().idxmax()] if whole[column].notnull().any() else None
        if worst is None or not np.isfinite(worst[column]) or abs(worst[column]) > limit:
            worst_case = (
                "nothing to compare"
                if worst is None
                else f"{worst[column]:+.2f} in month {worst['month']:.0f}"
            )
            raise DataError(
                f"'{after}' does not go on as '{before}' ends: {worst_case}, at most {limit:g} {unit} are "
                "allowed; networks would take the jump for weather. Take a record of the same sensors"
            )


def told(table: pd.DataFrame, *, before: str, after: str, over: str) -> str:
    """Return one sentence about a join for the reader of a product.

    table: see `compare`. before, after: names of the records. over: the time that was compared.
    """
    whole, seas = table[table["region"] == "all"], table[table["region"] != "all"]
    month = whole.loc[whole["jump"].abs().idxmax()]
    sea = seas.loc[seas["jump"].abs().idxmax()]
    return (
        f"siconc of '{after}' stands beside that of '{before}': over {over} its mean differs by "
        f"{whole['bias'].mean():+.3f}, its extent by up to {month['jump']:+.2f} million km2 (month "
        f"{month['month']:.0f}), in one sea by up to {sea['jump']:+.2f} ({sea['region']}, "
        f"month {sea['month']:.0f})"
    )
