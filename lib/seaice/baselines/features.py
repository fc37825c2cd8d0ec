"""What do boosted trees look at? Features of each cell that are known at the init_time of a forecast.

Fields valid at the forecast step come from earlier years or the fit period.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr
from scipy.ndimage import gaussian_filter

from seaice.geo.gaps import MAPWISE
from seaice.prepare.climate import at_months
from seaice.steps import at, cadence, last_step, season, shift_by, valid_time

SCALES_KM = (75.0, 150.0, 300.0)  # km, standard deviations of the Gaussian smoothing of anomalies
A_YEAR = {"monthly": 12, "daily": 365}  # steps
EARLIER = {"monthly": 1, "daily": 7}  # steps from the last anomaly to the one that tells where it is going


def fields(ready: xr.Dataset, init_times) -> dict[str, xr.DataArray]:
    """Everything that features of these forecasts are gathered from, (time, y, x) or (month, y, x); lazy where `ready` is.

    `valid_*` belong to the forecast step and were known a year before it, or, of days, so long that no lead reaches there; `last_*` to the
    newest step known.
    """
    anomaly, time, counted = ready.siconc_anomaly, ready.time, cadence(ready)

    def before(steps):
        return at(anomaly, shift_by(time, -steps[counted], cadence=counted)).assign_coords(time=time)

    found = {
        "valid_trend": ready.siconc_trend,
        "valid_recent_frequency": ready.ice_frequency,
        "valid_anomaly_year_before": before(A_YEAR),
        "last_siconc": ready.siconc,
        "last_anomaly": anomaly,
        "last_anomaly_earlier": before(EARLIER),
        "valid_damping": ready.siconc_damping,
    }
    # Smoothing is the costly one: only the steps that are looked at.
    seen = anomaly.sel(time=anomaly.time.isin(last_step(init_times, cadence=counted)))
    for km in SCALES_KM:
        found[f"last_anomaly_{km:.0f}km"] = smooth(seen, km / float(ready.attrs["resolution_km"]))
    return {name: field.reset_coords(drop=True).astype("float32") for name, field in found.items()}


def smooth(da: xr.DataArray, sigma: float) -> xr.DataArray:
    """Gaussian mean over y and x of the cells that have a value, NaN elsewhere; sigma in cells."""

    def one(values):
        known = np.isfinite(values)
        total = gaussian_filter(np.where(known, values, 0), sigma, truncate=3)
        share = gaussian_filter(known.astype("float32"), sigma, truncate=3)
        return np.where(known, total / np.where(known, share, 1), np.nan).astype("float32")

    return xr.apply_ufunc(one, da, vectorize=True, **MAPWISE)


def features(
    known: Mapping[str, xr.DataArray], init_times, lead_time: int, *, cadence: str = "monthly"
) -> xr.DataArray:
    """Features (init_time, y, x, feature), float32, of all forecasts at one lead; known: see `fields`."""
    valid = valid_time(init_times, [lead_time], cadence=cadence).isel(lead_time=0, drop=True)
    last = last_step(init_times, cadence=cadence)
    gathered = {}
    for name, field in known.items():
        times = valid if name.startswith("valid_") else last
        gathered[name] = (
            at_months(field, times)
            if "month" in field.dims
            else at(field, times)
            if "time" in field.dims
            else field
        )
    factor = gathered.pop("valid_damping").sel(lead_time=lead_time, drop=True)
    gathered["damped_anomaly_forecast"] = (gathered["valid_trend"] + factor * gathered["last_anomaly"]).clip(
        0, 1
    )
    template = gathered["valid_trend"].reset_coords(drop=True)
    x, y, angle = template.x / 1e6, template.y / 1e6, valid.copy(data=season(valid, cadence))
    gathered |= {
        "x": x,
        "y": y,
        "radius": np.hypot(x, y),
        "season_sin": np.sin(angle),
        "season_cos": np.cos(angle),
    }
    stacked = [
        f.reset_coords(drop=True).astype("float32").broadcast_like(template) for f in gathered.values()
    ]
    out = xr.concat(stacked, pd.Index(list(gathered), name="feature", dtype=object))
    return out.transpose("init_time", "y", "x", "feature")
