"""Which forecasts need no learning?

Persistence, climatology and trend, and here all baselines together. Every function takes the
analysis-ready dataset and returns a forecast with dims (init_time, lead_time, y, x), NaN where
there is none; lazy data stay lazy. Nothing fitted sees data after `ready.fit_end`. No forecast sees
data at or after its `init_time`.
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
# Earlier steps that may replace a missing value of the last one. A month ago is another season.
LOOK_BACK = {"monthly": 0, "daily": 3}


def persistence(ready: xr.Dataset, init_times, *, lead_times=LEADS) -> xr.DataArray:
    """Forecast the SIC of the last observed step at every lead.

    SIC fraction 0..1, (init_time, lead_time, y, x), NaN for an init_time whose last step is
    missing.
    """
    return last_known(ready, init_times).expand_dims(lead_time=list(lead_times), axis=1)


def last_known(ready: xr.Dataset, init_times) -> xr.DataArray:
    """Return the SIC of the last step before each init_time.

    Fraction 0..1, (init_time, y, x), NaN where that step is missing as a whole.
    A cell that the step lacks, such as a gap of the satellite, gets its value of up to `LOOK_BACK`
    steps before, or else that of the linear trend, which is an anomaly of 0.
    """
    time_cadence = cadence(ready)
    step = last_step(init_times, cadence=time_cadence)
    last = at(ready.siconc, step)
    has_step = last.notnull().any(("y", "x"))
    for n_back in range(1, LOOK_BACK[time_cadence] + 1):
        last = last.fillna(at(ready.siconc, shift_by(step, -n_back, cadence=time_cadence)))
    return last.fillna(at(ready.siconc_trend, step)).where(has_step)


def anomaly_persistence(
    ready: xr.Dataset, init_times, *, lead_times=LEADS, about: str = "trend"
) -> xr.DataArray:
    """Forecast the normal SIC of the valid step plus the anomaly of the last observed step.

    SIC fraction, clipped to 0..1, (init_time, lead_time, y, x), NaN for an init_time whose last
    step is missing.
    about: what is normal, "trend" (the forecast of the linear trend) or "climatology" (of the fit
    period). In a record with a trend, the climatology is years out of date, and its anomalies in
    one season do not fit another. The trend is therefore the fairer opponent.
    """
    return _normal_plus(ready, init_times, lead_times, about, 1.0)


def damped_anomaly_persistence(
    ready: xr.Dataset, init_times, *, lead_times=LEADS, about: str = "trend"
) -> xr.DataArray:
    """Forecast the normal SIC of the valid step plus the last anomaly times its `damping`.

    SIC fraction, clipped to 0..1, (init_time, lead_time, y, x), NaN for an init_time whose last
    step is missing. about: see `anomaly_persistence`.
    """
    if about == "trend" and cadence(ready) == "daily":  # is fitted already; fitting takes a minute
        factor = ready.siconc_damping.sel(lead_time=list(lead_times))
    else:
        factor = damping(ready, lead_times=lead_times, about=about)
    if "month" in factor.dims:
        factor = at_months(factor, last_step(init_times, cadence=cadence(ready)))
    return _normal_plus(ready, init_times, lead_times, about, factor)


def _normal_plus(ready, init_times, lead_times, about, factor) -> xr.DataArray:
    """Forecast the normal SIC plus a factor times the last anomaly, clipped to 0..1."""
    normal, last = normal_ice(ready, about), last_step(init_times, cadence=cadence(ready))
    anomaly = last_known(ready, init_times) - at(normal, last)
    forecast = (at(normal, _valid(ready, init_times, lead_times)) + factor * anomaly).clip(0, 1)
    return forecast.transpose("init_time", "lead_time", "y", "x").astype("float32")


def climatology(ready: xr.Dataset, init_times, *, lead_times=LEADS) -> xr.DataArray:
    """Forecast the mean SIC over the fit period for the time of year of the valid step.

    SIC fraction 0..1, (init_time, lead_time, y, x).
    """
    return at_normal(ready.siconc_climatology, _valid(ready, init_times, lead_times), cadence=cadence(ready))


def linear_trend(ready: xr.Dataset, init_times, *, lead_times=LEADS) -> xr.DataArray:
    """Forecast the SIC of the linear trend at the valid step.

    SIC fraction 0..1, (init_time, lead_time, y, x). Raises DataError for leads above `steps.AHEAD`,
    at which the trend would have seen data after the init_time.
    """
    longest, name = AHEAD[cadence(ready)], NAME[cadence(ready)]
    if max(lead_times) > longest:
        raise DataError(
            f"linear trend: lead {max(lead_times)} is above {longest} {name}s; "
            f"the trend of that {name} is not yet known"
        )
    return at(ready.siconc_trend, _valid(ready, init_times, lead_times))


def _valid(ready: xr.Dataset, init_times, lead_times) -> xr.DataArray:
    """Return the valid time of each forecast, (init_time, lead_time)."""
    return valid_time(init_times, lead_times, cadence=cadence(ready))


def all_forecasts(
    ready: xr.Dataset,
    init_times,
    *,
    lead_times=LEADS,
    others: Mapping[str, xr.DataArray] | None = None,
) -> xr.Dataset:
    """Return `sip` and `siconc` of every baseline, (model, init_time, lead_time, y, x), float32.

    They are NaN where a model has no forecast. A forecast of SIC counts as certain (SIP 0 or 1),
    except climatology, whose SIP is the frequency of ice. A model that forecasts no SIC has none.
    others: more SIPs by name, such as those of `baselines.physics.physics` and the trees.
    Lazy data stay lazy: write them with `baselines.store.write`. Raises DataError for another grid.
    """
    options = {"lead_times": list(lead_times)}
    valid = _valid(ready, init_times, lead_times)
    forecasters = (persistence, anomaly_persistence, damped_anomaly_persistence, climatology, linear_trend)
    sics = {
        name: forecaster(ready, init_times, **options)
        for name, forecaster in zip(SIMPLE, forecasters, strict=True)
    }
    sips = {name: certain(siconc) for name, siconc in sics.items()} | {
        "climatology": probability(ready, valid)
    }
    sips |= dict(others or {})
    sics |= {name: xr.full_like(sip, np.nan) for name, sip in sips.items() if name not in sics}
    models, table = pd.Index(list(sips), name="model", dtype=object), xr.Dataset()
    for variable, forecasts, attrs in (("sip", sips, SIP_ATTRS), ("siconc", sics, attributes("siconc"))):
        aligned = [_aligned(forecasts[name], valid, ready, name) for name in models]
        table[variable] = xr.concat(aligned, models).assign_attrs(attrs)
    return table.assign_coords(valid_time=valid)


def _aligned(forecast, valid, ready, name) -> xr.DataArray:
    """Return a forecast for these valid times, NaN on land. Raises DataError for another grid."""
    for axis in ("y", "x"):
        if not np.array_equal(forecast[axis], ready[axis]):
            raise DataError(
                f"baseline '{name}': its {axis} is not that of the analysis-ready data; "
                "put it on that grid first"
            )
    forecast = forecast.reset_coords(drop=True).reindex(init_time=valid.init_time, lead_time=valid.lead_time)
    forecast = forecast.transpose("init_time", "lead_time", "y", "x").where(~ready.land)
    return forecast.astype("float32").drop_attrs()
