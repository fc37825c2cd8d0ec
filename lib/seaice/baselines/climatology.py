"""How often was there ice? Climatological probabilities of ice and of the ice classes, from past data only."""

from functools import partial

import pandas as pd
import xarray as xr

from seaice.prepare.climate import at_months
from seaice.schema import FULL_ICE, ICE_EDGE
from seaice.steps import at, cadence, fit_period, valid_time


def certain(siconc: xr.DataArray) -> xr.DataArray:
    """SIP of a forecast of SIC: 1 above 0.15, else 0; NaN stays. Same dims, float32."""
    return (siconc > ICE_EDGE).where(siconc.notnull()).astype("float32")


def ice_frequency(ready: xr.Dataset) -> xr.DataArray:
    """Share of fit-period years with SIC above 0.15, (month, y, x), 0..1, NaN where never observed."""
    ice = fit_period(certain(ready.siconc), ready)
    return ice.groupby("time.month").mean().reindex(month=range(1, 13))


def probability(ready: xr.Dataset, valid: xr.DataArray) -> xr.DataArray:
    """Climatological SIP at the steps `valid` (any dims), 0..1: of months `ice_frequency`, of days that of the ten years before.

    A daily record may be too short for frequencies of its own; those of the ready store come from the months its normals come from.
    """
    if cadence(ready) == "monthly":
        return at_months(ice_frequency(ready), valid)
    return at(ready.ice_frequency, valid)


def class_probability(ready: xr.Dataset, init_times, lead_times) -> xr.DataArray:
    """Forecast the classes by their climatological frequency, for `verify.scores.rps`: the same climatology as `probability`.

    Probability 0..1, dims (init_time, lead_time, ice_class, y, x), NaN where never observed; lazy, one initialisation a chunk.
    """
    time = valid_time(init_times, lead_times, cadence=cadence(ready))
    if cadence(ready) == "monthly":
        siconc = fit_period(ready.siconc, ready)
        full = (siconc >= FULL_ICE).where(siconc.notnull()).astype("float32").groupby("time.month").mean()
        classes = _classes(ice_frequency(ready), full.reindex(month=range(1, 13))).compute().chunk(month=1)
        pick = partial(at_months, classes)
    else:
        pick = partial(at, _classes(ready.ice_frequency, ready.full_ice_frequency).chunk(time=1))
    # Lead by lead: only an index along one dimension stays lazy in small pieces.
    leads = [pick(time.sel(lead_time=lead, drop=True)) for lead in time.lead_time.values]
    found = xr.concat(leads, pd.Index(time.lead_time.values, name="lead_time"))
    return found.transpose("init_time", "lead_time", "ice_class", "y", "x")


def _classes(ice: xr.DataArray, full: xr.DataArray) -> xr.DataArray:
    """Probabilities of the three classes from those of SIC > 0.15 and of SIC >= 0.80."""
    return xr.concat([1 - ice, ice - full, full], "ice_class")
