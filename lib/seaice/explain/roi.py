"""Which region and which months are explained?

Regions of interest, and the months of a record low and of the rebound after it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from seaice import seasons
from seaice.errors import DataError
from seaice.geo import ice_area, regions
from seaice.grid import Grid
from seaice.schema import Flag
from seaice.steps import MONTH_NAMES

RECORD_LOW = "record_low"  # given in place of months: those that `record_low` finds
THRESHOLDS = (0.15, 0.3, 0.45, 0.6)  # of SIC differences, to test how sensitive results are


def record_low(ready: xr.Dataset, *, until: str) -> list[str]:
    """Return the two months ["YYYY-MM", "YYYY-MM"] of a record low and of the rebound a year after.

    The months compared are those of least ice (see `seasons`) up to `until`, "YYYY-MM", whose
    extent is known and for which the same month a year later is also in the record up to then and
    has more ice. The one with the least extent (area with SIC > 0.15) is the record low. Raises
    DataError where there is none.
    """
    month = seasons.LEAST_ICE[ready.attrs["hemisphere"]]
    siconc = ready.siconc.sel(time=slice(None, until)).where(ready.siconc_flag != Flag.MISSING)
    siconc = siconc.isel(time=siconc.time.dt.month == month)
    area = Grid.of(ready.attrs).cell_area
    extent = ice_area.extent(siconc, area, complete_in=~ready.land).rename("extent").to_series().dropna()
    after = extent.reindex(extent.index + pd.DateOffset(years=1)).to_numpy()
    rebounds = extent[after > extent.to_numpy()]
    if rebounds.empty:
        raise DataError(
            f"no {MONTH_NAMES[month - 1]} up to {until} is followed by one with more ice; "
            "name the months in `cases`"
        )
    low = rebounds.idxmin()
    return [f"{low:%Y-%m}", f"{low + pd.DateOffset(years=1):%Y-%m}"]


def months(ready: xr.Dataset, wanted: Sequence[str] | str, *, until: str) -> list[str]:
    """Return months "YYYY-MM" as they are given, or those of `record_low` for that word.

    Raises DataError for another word.
    """
    if not isinstance(wanted, str):
        return list(wanted)
    if wanted != RECORD_LOW:
        raise DataError(f"months {wanted!r}: give a list of 'YYYY-MM', or '{RECORD_LOW}'")
    return record_low(ready, until=until)


def region(ready: xr.Dataset, wanted, *, threshold: float, until: str) -> xr.DataArray:
    """Return the sea cells of a region of interest, bool (y, x); `long_name` describes it.

    wanted: one of
    - two months ["YYYY-MM", "YYYY-MM"] or "record_low": where SIC differed between them by
    `threshold` (0..1) or more;
    - the name of a sea of `regions`;
    - {"polygon": [[latitude, longitude], ...]}.
    until: last month that is considered for "record_low". Raises DataError for a region that does
    not exist, and for one without a cell.
    """
    if isinstance(wanted, Mapping):
        if set(wanted) != {"polygon"}:
            raise DataError(
                f"region of interest {dict(wanted)}: the only key is 'polygon', "
                "with a list of [latitude, longitude]"
            )
        cells, description = (
            regions.polygon(ready.lat, ready.lon, wanted["polygon"]) & ~ready.land,
            "the polygon",
        )
    elif isinstance(wanted, str) and wanted != RECORD_LOW:
        cells, description = regions.sea(ready, wanted), wanted.replace("_", " ")
    else:
        pair = months(ready, wanted, until=until)
        cells = abs(difference(ready, pair)) >= threshold
        description = (
            f"where ice concentration differed by {threshold:g} or more between {pair[0]} and {pair[1]}"
        )
    if not bool(cells.any()):
        raise DataError(
            f"region of interest ({description}) has no cell; lower the threshold or choose another"
        )
    return cells.drop_attrs().rename("region").assign_attrs(long_name=description).load()


def difference(ready: xr.Dataset, pair: Sequence[str]) -> xr.DataArray:
    """Return SIC of the second month minus that of the first, -1..1 (y, x).

    NaN on land, where not observed, and where never active. Raises DataError unless `pair` holds
    two months of the record, both observed.
    """
    if len(pair) != 2:
        raise DataError(f"a difference is between two months, not {list(pair)}")
    both = []
    for month in pair:
        if pd.Timestamp(month) not in ready.indexes["time"]:
            raise DataError(f"the record has no {month}; it runs {_range(ready)}")
        of_month = ready[["siconc", "siconc_flag"]].sel(time=month).squeeze("time", drop=True)
        both.append(of_month.siconc.where(of_month.siconc_flag == Flag.OBSERVED))
        if not bool(both[-1].notnull().any()):
            raise DataError(f"the ice of {month} was not observed; choose another month of {_range(ready)}")
    active = ready.active.sel(month=[pd.Timestamp(month).month for month in pair]).any("month")
    return (both[1] - both[0]).where(active).load()


def sizes(ready: xr.Dataset, pair: Sequence[str], thresholds: Sequence[float] = THRESHOLDS) -> pd.DataFrame:
    """Return how large the region is by threshold.

    Columns threshold, cells, gained (cells with more ice) and area (million km2).
    """
    change = difference(ready, pair)
    area = Grid.of(ready.attrs).cell_area
    rows = [(t, int((abs(change) >= t).sum()), int((change >= t).sum())) for t in thresholds]
    table = pd.DataFrame(rows, columns=["threshold", "cells", "gained"])
    return table.assign(area=table["cells"] * area)


def at_month(found: xr.DataArray, ready: xr.Dataset, month: str) -> np.ndarray:
    """Return the cells (y, x) of a region that are active in the calendar month of "YYYY-MM".

    Raises DataError where there are none.
    """
    cells = found.values & ready.active.sel(month=pd.Timestamp(month).month).values.astype(bool)
    if not cells.any():
        raise DataError(
            f"the region ({found.attrs.get('long_name', 'of interest')}) has no active cell in {month}: "
            "there is no forecast of it; choose another region or month"
        )
    return cells


def _range(ready: xr.Dataset) -> str:
    """Return first and last month of the record, in words."""
    return f"{ready.indexes['time'][0]:%Y-%m} to {ready.indexes['time'][-1]:%Y-%m}"
