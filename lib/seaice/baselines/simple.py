"""What must be beaten? Forecasts that need no learning: persistence, climatology and trend, and all baselines together.

Every function takes the analysis-ready dataset and returns a forecast with dims (init_time, lead_time, y, x), NaN where there is
none; lazy data stay lazy. Nothing fitted sees data after `ready.fit_end`. No forecast sees data at or after its `init_time`.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from seaice.baselines.climatology import certain, probability
from seaice.errors import DataError
from seaice.prepare.climate import at_months
from seaice.prepare.damping import damping, normal_ice
from seaice.prepare.normals import at_normal
from seaice.schema import SIP_ATTRS, attributes
from seaice.steps import AHEAD, LEADS, NAME, at, cadence, last_step, shift_by, valid_time

SIMPLE = ("persistence", "anomaly_persistence", "damped_anomaly_persistence", "climatology", "linear_trend")
LOOK_BACK = {
    "monthly": 0,
    "daily": 3,
}  # steps before the last one that may stand in; a month ago is another season


# ---- forecasts of concentration


def persistence(ready: xr.Dataset, init_times, *, lead_times=LEADS) -> xr.DataArray:
    """Forecast the SIC of the last known step at every lead.

    SIC fraction 0..1, (init_time, lead_time, y, x), NaN for an init_time whose last step is missing.
    """
    return last_known(ready, init_times).expand_dims(lead_time=list(lead_times), axis=1)


def last_known(ready: xr.Dataset, init_times) -> xr.DataArray:
    """Return the SIC of the last step before each init_time; fraction 0..1, (init_time, y, x), NaN where that step is missing wholly.

    A cell that it lacks, as satellites leave gaps, has its value of up to `LOOK_BACK` steps before, else the linear trend's: anomaly 0.
    """
    counted = cadence(ready)
    step = last_step(init_times, cadence=counted)
    last = at(ready.siconc, step)
    there = last.notnull().any(("y", "x"))
    for back in range(1, LOOK_BACK[counted] + 1):
        last = last.fillna(at(ready.siconc, shift_by(step, -back, cadence=counted)))
    return last.fillna(at(ready.siconc_trend, step)).where(there)


def anomaly_persistence(
    ready: xr.Dataset, init_times, *, lead_times=LEADS, about: str = "trend"
) -> xr.DataArray:
    """Forecast the normal SIC of the valid step plus the anomaly of the last known step, clipped to 0..1.

    about: what is normal, "trend" (the linear-trend forecast) or "climatology" (of the fit period). In a record with a trend
    the climatology is years out of date and its anomalies of one season do not fit another, so the trend is the fairer opponent.
    SIC fraction, (init_time, lead_time, y, x), NaN for an init_time whose last step is missing.
    """
    return _normal_plus(ready, init_times, lead_times, about, 1.0)


def damped_anomaly_persistence(
    ready: xr.Dataset, init_times, *, lead_times=LEADS, about: str = "trend"
) -> xr.DataArray:
    """Forecast the normal SIC of the valid step plus the last anomaly times its `damping`, clipped to 0..1.

    SIC fraction, (init_time, lead_time, y, x), NaN for an init_time whose last step is missing. about: see `anomaly_persistence`.
    """
    if about == "trend" and cadence(ready) == "daily":  # fitted already, and over days it takes a minute
        factor = ready.siconc_damping.sel(lead_time=list(lead_times))
    else:
        factor = damping(ready, lead_times=lead_times, about=about)
    if "month" in factor.dims:
        factor = at_months(factor, last_step(init_times, cadence=cadence(ready)))
    return _normal_plus(ready, init_times, lead_times, about, factor)


def _normal_plus(ready, init_times, lead_times, about, factor) -> xr.DataArray:
    normal, last = normal_ice(ready, about), last_step(init_times, cadence=cadence(ready))
    anomaly = last_known(ready, init_times) - at(normal, last)
    forecast = (at(normal, _valid(ready, init_times, lead_times)) + factor * anomaly).clip(0, 1)
    return forecast.transpose("init_time", "lead_time", "y", "x").astype("float32")


def climatology(ready: xr.Dataset, init_times, *, lead_times=LEADS) -> xr.DataArray:
    """Forecast the mean SIC of the valid time of year over the fit period; fraction, (init_time, lead_time, y, x)."""
    return at_normal(ready.siconc_climatology, _valid(ready, init_times, lead_times), cadence=cadence(ready))


def linear_trend(ready: xr.Dataset, init_times, *, lead_times=LEADS) -> xr.DataArray:
    """Forecast the linear trend's SIC of the valid step; fraction, (init_time, lead_time, y, x).

    Raises DataError for leads above `steps.AHEAD`, at which the trend would have seen data after the init_time.
    """
    longest, name = AHEAD[cadence(ready)], NAME[cadence(ready)]
    if max(lead_times) > longest:
        raise DataError(
            f"linear trend: lead {max(lead_times)} is above {longest} {name}s; the trend of that {name} is not yet known"
        )
    return at(ready.siconc_trend, _valid(ready, init_times, lead_times))


def _valid(ready: xr.Dataset, init_times, lead_times) -> xr.DataArray:
    return valid_time(init_times, lead_times, cadence=cadence(ready))


# ---- all of them


def all_forecasts(
    ready: xr.Dataset,
    init_times,
    *,
    lead_times=LEADS,
    others: Mapping[str, xr.DataArray] | None = None,
) -> xr.Dataset:
    """Return every baseline's `sip` and `siconc` (model, init_time, lead_time, y, x), float32, NaN where a model has no forecast.

    A forecast of SIC counts as certain (SIP 0 or 1); climatology is the frequency of ice. What forecasts no SIC has none. others:
    more SIPs by name, those of `baselines.physics.physics` and the trees'. Lazy data stay lazy: write with `baselines.store.write`.
    Raises DataError for another grid.
    """
    options = {"lead_times": list(lead_times)}
    valid = _valid(ready, init_times, lead_times)
    forecasters = (persistence, anomaly_persistence, damped_anomaly_persistence, climatology, linear_trend)
    sics = {name: make(ready, init_times, **options) for name, make in zip(SIMPLE, forecasters, strict=True)}
    sips = {name: certain(siconc) for name, siconc in sics.items()} | {
        "climatology": probability(ready, valid)
    }
    sips |= dict(others or {})
    sics |= {name: xr.full_like(sip, np.nan) for name, sip in sips.items() if name not in sics}
    models, out = pd.Index(list(sips), name="model", dtype=object), xr.Dataset()
    for variable, forecasts, attrs in (("sip", sips, SIP_ATTRS), ("siconc", sics, attributes("siconc"))):
        aligned = [_aligned(forecasts[name], valid, ready, name) for name in models]
        out[variable] = xr.concat(aligned, models).assign_attrs(attrs)
    return out.assign_coords(valid_time=valid)


def _aligned(forecast, valid, ready, name) -> xr.DataArray:
    for axis in ("y", "x"):
        if not np.array_equal(forecast[axis], ready[axis]):
            raise DataError(
                f"baseline '{name}': its {axis} is not that of the analysis-ready data; put it on that grid first"
            )
    forecast = forecast.reset_coords(drop=True).reindex(init_time=valid.init_time, lead_time=valid.lead_time)
    forecast = forecast.transpose("init_time", "lead_time", "y", "x").where(~ready.land)
    return forecast.astype("float32").drop_attrs()
