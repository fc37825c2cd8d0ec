"""What is to be expected before anything is learnt? The fields that a network's first guess is made of."""

import numpy as np
import xarray as xr

from seaice.prepare.damping import damping
from seaice.schema import FULL_ICE, ICE_EDGE
from seaice.steps import AHEAD, along_time, cadence

RECENT_YEARS = 10  # years of the recent ice frequency; a shorter one is noisier, a longer one lags the trend
FIELDS = {
    "siconc_anomaly": "sea ice concentration minus its linear-trend forecast",
    "ice_frequency": f"share of the {RECENT_YEARS} years before with ice",
    "full_ice_frequency": f"share of the {RECENT_YEARS} years before with full ice",
    "siconc_damping": "share of the last anomaly that is left at the valid time",
}


def frequencies(months: xr.Dataset) -> xr.Dataset:
    """Return ice_frequency and full_ice_frequency (time, y, x), 0..1, of months of `siconc` and `siconc_climatology`.

    Share of the `RECENT_YEARS` before with SIC above 0.15, at least 0.80, in the same calendar month, so known a year ahead;
    climatological where no such year was observed. Those of days come from months, see `normals`. Lazy in, lazy out.
    """
    return _described(
        {
            "ice_frequency": _frequency(months, lambda siconc: siconc > ICE_EDGE),
            "full_ice_frequency": _frequency(months, lambda siconc: siconc >= FULL_ICE),
        }
    )


def anomaly_and_damping(ready: xr.Dataset) -> xr.Dataset:
    """Return siconc_anomaly and siconc_damping of a dataset with `siconc`, `siconc_trend` and the attribute `fit_end`.

    siconc_anomaly: see `anomaly`. siconc_damping: see `damping.damping`; of months, its month is that of the valid time.
    Lazy in, lazy out, but for the damping of days.
    """
    leads = range(1, AHEAD[cadence(ready)] + 1)
    factor = damping(ready, lead_times=leads)
    if cadence(ready) == "monthly":
        # Fitted by the month of the last anomaly; asked for by that of the forecast, as all that belongs to a valid time.
        by_valid = [factor.sel(lead_time=lead).roll(month=lead, roll_coords=False) for lead in leads]
        factor = xr.concat(by_valid, "lead_time").transpose("month", "lead_time", "y", "x")
    return _described({"siconc_anomaly": anomaly(ready), "siconc_damping": factor})


def anomaly(ready: xr.Dataset) -> xr.DataArray:
    """Return `siconc` minus `siconc_trend` (time, y, x), -1..1, NaN where either is missing; lazy in, lazy out."""
    return (ready["siconc"] - ready["siconc_trend"]).astype("float32")


def _described(fields: dict[str, xr.DataArray]) -> xr.Dataset:
    """The `FIELDS` as they are stored: float32, with attributes, no coordinates but those of their dimensions."""
    out = xr.Dataset({name: da.reset_coords(drop=True).astype("float32") for name, da in fields.items()})
    for name in fields:
        out[name].attrs = {"long_name": FIELDS[name], "units": "1"}
    return out


def _frequency(ready: xr.Dataset, event) -> xr.DataArray:
    """Share of the years before in which the event was seen; whether it is climatological where no such year is known."""
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


def _share_of_years(siconc: np.ndarray, usual: np.ndarray, *, month: np.ndarray, event) -> np.ndarray:
    """Shares (..., time) from SIC (..., time), every month there, and its climatology (..., month)."""
    known = np.isfinite(siconc)
    happened = event(np.where(known, siconc, 0)) & known
    years, count = (np.zeros(siconc.shape, "uint8") for _ in range(2))
    for k in range(12, 12 * RECENT_YEARS + 1, 12):
        years[..., k:] += known[..., :-k]
        count[..., k:] += happened[..., :-k]
    share = event(np.nan_to_num(usual))[..., month - 1].astype("float32")
    return np.divide(count, years, out=share, where=years > 0, dtype="float32")
