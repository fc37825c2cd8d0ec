"""What is true, and where does it count?

Observed ice, and the cells that scores and fits may use.
"""

import xarray as xr

from seaice.prepare.climate import at_months
from seaice.schema import Flag
from seaice.steps import at
from seaice.thresholds import ICE_EDGE


def truth_and_weight(ready: xr.Dataset, time: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Return `ice` and `weight` (1 or 0, float32) at the valid steps `time`.

    Both have the dims of `time` + (y, x). The weight is 0 outside the month's active cells, and
    where the truth is missing or was filled in (`siconc_flag` is not `Flag.OBSERVED`).
    """
    siconc = at(ready.siconc, time)
    observed = (at(ready.siconc_flag, time) == Flag.OBSERVED) & siconc.notnull()
    weight = (observed & at_months(ready.active, time)).astype("float32")
    return (siconc > ICE_EDGE).astype("float32"), weight
