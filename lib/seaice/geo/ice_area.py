"""How much area does ice cover? The only place that adds up extent.

Every cell of a grid has the same area.
"""

import xarray as xr

from seaice.schema import MAP
from seaice.thresholds import ICE_EDGE, SIP_EDGE


def extent(
    siconc: xr.DataArray,
    cell_area: float,
    *,
    within: xr.DataArray | None = None,
    complete_in: xr.DataArray | None = None,
) -> xr.DataArray:
    """Add up the area of the cells whose sea-ice concentration is above `ICE_EDGE`.

    siconc: fraction (..., y, x); a missing cell counts as open water. cell_area: area of one cell.
    within: bool (..., y, x), the only cells that count. complete_in: bool (..., y, x), cells that
    must all have a value; if one of them has none, the extent is NaN. Returns the dims of `siconc`
    without y and x, in the unit of `cell_area`. Lazy in, lazy out.
    """
    total = covered(siconc > ICE_EDGE, cell_area, within=within)
    return total if complete_in is None else total.where((siconc.notnull() | ~complete_in).all(MAP))


def extent_of_sip(sip: xr.DataArray, cell_area: float, *, within: xr.DataArray | None = None) -> xr.DataArray:
    """Add up the area of the cells whose sea-ice probability is above `SIP_EDGE`.

    sip: probability 0..1 (..., y, x); a missing cell counts as open water. Other arguments and the
    result: as for `extent`.
    """
    return covered(sip > SIP_EDGE, cell_area, within=within)


def covered(cells: xr.DataArray, cell_area: float, *, within: xr.DataArray | None = None) -> xr.DataArray:
    """Add up the area of the cells (..., y, x) that are true.

    Other arguments and the result: as for `extent`.
    """
    return (cells if within is None else cells & within).sum(MAP) * cell_area
