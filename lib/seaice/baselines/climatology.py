"""How often was there ice?

Climatological probabilities of ice and of the ice classes, from past data only.
"""

from functools import partial

import pandas as pd
import xarray as xr

from seaice.prepare.climate import at_months
from seaice.steps import at, cadence, fit_period, valid_time
from seaice.thresholds import FULL_ICE, ICE_EDGE


def certain(siconc: xr.DataArray) -> xr.DataArray:
    """Return the SIP of a forecast of SIC: 1 above 0.15, else 0.

    Same dims, float32. NaN stays NaN.
    """
    return (siconc > ICE_EDGE).where(siconc.notnull()).astype("float32")


def ice_frequency(ready: xr.Dataset) -> xr.DataArray:
    """Return the share of fit-period years with SIC above 0.15.

    Dims (month, y, x), 0..1, NaN where SIC was never observed.
    """
    ice = fit_period(certain(ready.siconc), ready)
    return ice.groupby("time.month").mean().reindex(month=range(1, 13))


def probability(ready: xr.Dataset, valid: xr.DataArray) -> xr.DataArray:
    """Return the climatological SIP at the steps `valid` (any dims), 0..1.

    Months have the frequency of the fit period, see `ice_frequency`. Days have that of the ten
    years before. A daily record may be too short for its own frequencies, so those of the ready
    store are used; they come from the months that its normals come from.
    """
    if cadence(ready) == "monthly":
        return at_months(ice_frequency(ready), valid)
    return at(ready.ice_frequency, valid)


def class_probability(ready: xr.Dataset, init_times, lead_times) -> xr.DataArray:
    """Forecast the ice classes by their climatological frequency, for `verify.scores.rps`.

    The climatology is that of `probability`. Probability 0..1, dims (init_time, lead_time,
    ice_class, y, x), NaN where never observed; lazy, with one initialisation a chunk.
    """
    time = valid_time(init_times, lead_times, cadence=cadence(ready))
    if cadence(ready) == "monthly":
        siconc = fit_period(ready.siconc, ready)
        full = (siconc >= FULL_ICE).where(siconc.notnull()).astype("float32").groupby("time.month").mean()
        classes = _classes(ice_frequency(ready), full.reindex(month=range(1, 13))).compute().chunk(month=1)
        select = partial(at_months, classes)
    else:
        select = partial(at, _classes(ready.ice_frequency, ready.full_ice_frequency).chunk(time=1))
    # One lead at a time: only an index along one dimension stays lazy in small chunks.
    leads = [select(time.sel(lead_time=lead, drop=True)) for lead in time.lead_time.values]
    classes_by_lead = xr.concat(leads, pd.Index(time.lead_time.values, name="lead_time"))
    return classes_by_lead.transpose("init_time", "lead_time", "ice_class", "y", "x")


def _classes(ice: xr.DataArray, full: xr.DataArray) -> xr.DataArray:
    """Return the probabilities of the three classes from those of SIC > 0.15 and SIC >= 0.80."""
    return xr.concat([1 - ice, ice - full, full], "ice_class")
