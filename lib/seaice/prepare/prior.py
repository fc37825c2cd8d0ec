"""What is to be expected before anything is learnt?

These are the fields that a network's first guess is made of.
"""

import numpy as np
import xarray as xr

from seaice.prepare.damping import damping
from seaice.steps import AHEAD, along_time, cadence
from seaice.thresholds import FULL_ICE, ICE_EDGE

# Years of the recent ice frequency. A shorter span is noisier, a longer one lags behind the trend.
RECENT_YEARS = 10
FIELDS = {
    "siconc_anomaly": "sea ice concentration minus its linear-trend forecast",
    "ice_frequency": f"share of the {RECENT_YEARS} years before with ice",
    "full_ice_frequency": f"share of the {RECENT_YEARS} years before with full ice",
    "siconc_damping": "share of the last anomaly that is left at the valid time",
}


def frequencies(months: xr.Dataset) -> xr.Dataset:
    """Return ice_frequency and full_ice_frequency (time, y, x), 0..1, of a monthly record.

    months: `siconc` (time, y, x) and `siconc_climatology` (month, y, x), fractions.
    Each is the share of the `RECENT_YEARS` years before in which the same calendar month had SIC
    above 0.15 (ice_frequency) or of at least 0.80 (full_ice_frequency). So they are known a year
    ahead. Where no such year was observed, they are 1 if the climatology meets the threshold, and
    else 0. For days, see `normals.of_days`. Lazy in, lazy out.
    """
    return _with_attributes(
        {
            "ice_frequency": _frequency(months, lambda siconc: siconc > ICE_EDGE),
            "full_ice_frequency": _frequency(months, lambda siconc: siconc >= FULL_ICE),
        }
    )


def anomaly_and_damping(ready: xr.Dataset) -> xr.Dataset:
    """Return siconc_anomaly and siconc_damping of a record.

    ready: `siconc`, `siconc_trend` and the attribute `fit_end`. For siconc_anomaly see `anomaly`;
    for siconc_damping see `damping.damping`. The month of a monthly damping is that of the valid
    time.
    Lazy in, lazy out, except for the damping of days.
    """
    leads = range(1, AHEAD[cadence(ready)] + 1)
    factor = damping(ready, lead_times=leads)
    if cadence(ready) == "monthly":
        # Fitted by the month of the last anomaly, but stored by valid month, like all other fields.
        by_valid = [factor.sel(lead_time=lead).roll(month=lead, roll_coords=False) for lead in leads]
        factor = xr.concat(by_valid, "lead_time").transpose("month", "lead_time", "y", "x")
    return _with_attributes({"siconc_anomaly": anomaly(ready), "siconc_damping": factor})


def anomaly(ready: xr.Dataset) -> xr.DataArray:
    """Return `siconc` minus `siconc_trend` (time, y, x), -1..1, lazy in, lazy out.

    NaN where either is missing.
    """
    return (ready["siconc"] - ready["siconc_trend"]).astype("float32")


def _with_attributes(fields: dict[str, xr.DataArray]) -> xr.Dataset:
    """Return the `FIELDS` as they are stored.

    That is float32 with attributes, and no coordinates but those of their dimensions.
    """
    out = xr.Dataset({name: da.reset_coords(drop=True).astype("float32") for name, da in fields.items()})
    for name in fields:
        out[name].attrs = {"long_name": FIELDS[name], "units": "1"}
    return out


def _frequency(ready: xr.Dataset, event) -> xr.DataArray:
    """Return the share (time, y, x) of the years before in which an event was seen, 0..1.

    Where no such year was observed, it is 1 if the climatology shows the event, and else 0.
    """
    siconc = along_time(ready.siconc)
    share = xr.apply_ufunc(
        _share_of_years,
        siconc,
        ready.siconc_climatology.chunk({"y": siconc.chunksizes["y"]})
        if siconc.chunks
        else ready.siconc_climatology,
        kwargs={"month": siconc.time.dt.month.values, "event": event},
        input_core_dims=[["time"], ["month"]],
        output_core_dims=[["time"]],
        dask="parallelized",
        dask_gufunc_kwargs={"allow_rechunk": True},
        output_dtypes=["float32"],
    )
    return share.transpose("time", "y", "x")


def _share_of_years(siconc: np.ndarray, climatology: np.ndarray, *, month: np.ndarray, event) -> np.ndarray:
    """Return shares (..., time) from SIC (..., time) and its climatology (..., month).

    Every month must be present along time. month: calendar month of each time.
    """
    observed = np.isfinite(siconc)
    occurred = event(np.where(observed, siconc, 0)) & observed
    years, count = (np.zeros(siconc.shape, "uint8") for _ in range(2))
    for k in range(12, 12 * RECENT_YEARS + 1, 12):
        years[..., k:] += observed[..., :-k]
        count[..., k:] += occurred[..., :-k]
    share = event(np.nan_to_num(climatology))[..., month - 1].astype("float32")
    return np.divide(count, years, out=share, where=years > 0, dtype="float32")
