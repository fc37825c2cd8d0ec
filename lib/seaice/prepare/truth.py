"""What is true, and where does it count?

Observed ice, and the cells that scores and fits may use.
"""

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.prepare.climate import at_months
from seaice.schema import Flag
from seaice.steps import STAMP, at, cadence, valid_time
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


def require_past(ready: xr.Dataset, init_times: pd.DatetimeIndex, lead_times, *, what: str) -> None:
    """Raise DataError, naming the first one, for targets after `ready.fit_end`.

    A fit to them would know too early what comes. what: is fitted, for the message.
    """
    end, stamp = pd.Period(ready.attrs["fit_end"]).end_time, STAMP[cadence(ready)]
    for lead in map(int, lead_times):
        valid = valid_time(init_times, [lead], cadence=cadence(ready)).isel(lead_time=0, drop=True)
        if len(late := init_times[valid.values > np.datetime64(end)]):
            raise DataError(
                f"{what}: the target of init_time {late[0]:{stamp}} at lead {lead} "
                f"lies after fit_end {end:{stamp}}; train on earlier initialisations"
            )
