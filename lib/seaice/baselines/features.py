"""What do the boosted trees see?

Features of each cell that are known at the init_time of a forecast. Fields valid at the forecast
step come from earlier years or the fit period.
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
EARLIER = {"monthly": 1, "daily": 7}  # steps between the last anomaly and an earlier one, for its change


def fields(ready: xr.Dataset, init_times) -> dict[str, xr.DataArray]:
    """Return all fields that the features of these forecasts are taken from, by name.

    Dims (time, y, x) or (month, y, x); lazy if `ready` is. Fields `valid_*` belong to the forecast
    step. They were known a year before it; anomalies of days are taken so far back that no lead
    reaches them. Fields `last_*` belong to the newest step that is known.
    """
    anomaly, time, time_cadence = ready.siconc_anomaly, ready.time, cadence(ready)

    def before(steps):
        return at(anomaly, shift_by(time, -steps[time_cadence], cadence=time_cadence)).assign_coords(
            time=time
        )

    by_name = {
        "valid_trend": ready.siconc_trend,
        "valid_recent_frequency": ready.ice_frequency,
        "valid_anomaly_year_before": before(A_YEAR),
        "last_siconc": ready.siconc,
        "last_anomaly": anomaly,
        "last_anomaly_earlier": before(EARLIER),
        "valid_damping": ready.siconc_damping,
    }
    # Smoothing is costly, so only the steps that are needed are smoothed.
    needed = anomaly.sel(time=anomaly.time.isin(last_step(init_times, cadence=time_cadence)))
    for km in SCALES_KM:
        by_name[f"last_anomaly_{km:.0f}km"] = smooth(needed, km / float(ready.attrs["resolution_km"]))
    return {name: field.reset_coords(drop=True).astype("float32") for name, field in by_name.items()}


def smooth(da: xr.DataArray, sigma: float) -> xr.DataArray:
    """Return the Gaussian mean over y and x of the cells that have a value, NaN in other cells.

    sigma: standard deviation in cells.
    """

    def smooth_map(values):
        has_value = np.isfinite(values)
        total = gaussian_filter(np.where(has_value, values, 0), sigma, truncate=3)
        share = gaussian_filter(has_value.astype("float32"), sigma, truncate=3)
        return np.where(has_value, total / np.where(has_value, share, 1), np.nan).astype("float32")

    return xr.apply_ufunc(smooth_map, da, vectorize=True, **MAPWISE)


def features(
    by_name: Mapping[str, xr.DataArray], init_times, lead_time: int, *, cadence: str = "monthly"
) -> xr.DataArray:
    """Return the features (init_time, y, x, feature), float32, of all forecasts at one lead.

    by_name: fields by name, see `fields`.
    """
    valid = valid_time(init_times, [lead_time], cadence=cadence).isel(lead_time=0, drop=True)
    last = last_step(init_times, cadence=cadence)
    gathered = {}
    for name, field in by_name.items():
        times = valid if name.startswith("valid_") else last
        if "month" in field.dims:
            field = at_months(field, times)
        elif "time" in field.dims:
            field = at(field, times)
        gathered[name] = field
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
        feature.reset_coords(drop=True).astype("float32").broadcast_like(template)
        for feature in gathered.values()
    ]
    table = xr.concat(stacked, pd.Index(list(gathered), name="feature", dtype=object))
    return table.transpose("init_time", "y", "x", "feature")
