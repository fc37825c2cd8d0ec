"""What must be beaten? Forecasts that need no learning: persistence, climatology, trend, and physics-based ensembles.

Every function takes the analysis-ready dataset and returns a forecast with dims (init_time, lead_time, y, x), NaN where there is
none; lazy data stay lazy, but for `from_seasonal`. Nothing fitted sees data after `ready.fit_end`, but for the bias of a
physics-based ensemble, which goes on to every year known before the `init_time`. No forecast sees data at or after its `init_time`.
"""

import uuid
from collections.abc import Mapping
from pathlib import Path
from shutil import rmtree

import numpy as np
import pandas as pd
import xarray as xr
from scipy.ndimage import distance_transform_edt

from seaice.climate import at_months
from seaice.schema import ICE_EDGE, DataError

LEADS = tuple(range(1, 7))  # months, Andersson et al. 2021
MAPWISE = {  # options of apply_ufunc for a function of one map
    "input_core_dims": [["y", "x"]],
    "output_core_dims": [["y", "x"]],
    "dask": "parallelized",
    "output_dtypes": ["float32"],
}
SIP_ATTRS = {"long_name": "probability that sea ice concentration exceeds 0.15", "units": "1"}


# ---- time


def shift(time, months) -> np.ndarray:
    """Return `time` (any shape) moved by `months` calendar months (broadcast against it), on the first of the month."""
    return (np.asarray(time).astype("datetime64[M]") + np.asarray(months)).astype("datetime64[ns]")


def valid_time(init_times, lead_times=LEADS) -> xr.DataArray:
    """Month each forecast is for: init_time + (lead_time - 1) months, dims (init_time, lead_time).

    Raises DataError for an `init_time` that is not the first day of a month.
    """
    init = pd.DatetimeIndex(np.asarray(init_times, dtype="datetime64[ns]"))
    astray = init[init != shift(init, 0)]
    if len(astray):
        raise DataError(
            f"init_time {astray[0]} is not the first day of a month; an init_time starts its first forecast month"
        )
    coords = {"init_time": init, "lead_time": np.asarray(lead_times)}
    return xr.DataArray(shift(np.asarray(init)[:, None], coords["lead_time"] - 1), coords, ("init_time", "lead_time"))


def last_month(init_times) -> xr.DataArray:
    """The newest month known at each `init_time`, dims (init_time)."""
    return shift_by(valid_time(init_times, [1]).isel(lead_time=0, drop=True), -1)


def shift_by(time: xr.DataArray, months: int) -> xr.DataArray:
    """Return labelled `time` moved by `months` calendar months."""
    return time.copy(data=shift(time, months))


def at(da: xr.DataArray, time: xr.DataArray) -> xr.DataArray:
    """Return `da (time, ...)` at the months of `time` (any dims), NaN where the record has no such month."""
    return da.reindex(time=np.unique(time)).sel(time=time).drop_vars("time")


def fit_period(da: xr.DataArray, ready: xr.Dataset) -> xr.DataArray:
    """Return the months of `da (time, ...)` that may be fitted to: those up to `ready.fit_end`."""
    return da.sel(time=slice(None, ready.attrs["fit_end"]))


def along_time(da: xr.DataArray) -> xr.DataArray:
    """Return lazy `da (time, y, x)` with all of time but a few rows in a chunk, for what runs along time; data in memory as they are."""
    if da.chunks is None:
        return da
    rows = max(1, int(32e6 / (da.sizes["time"] * da.sizes["x"] * 8)))
    return da.chunk({"time": -1, "y": rows, "x": -1})


# ---- forecasts of concentration


def persistence(ready: xr.Dataset, init_times, *, lead_times=LEADS) -> xr.DataArray:
    """Forecast the SIC of the last known month at every lead.

    SIC fraction 0..1, (init_time, lead_time, y, x), NaN for an init_time whose last month is missing.
    """
    last = at(ready.siconc, last_month(init_times))
    return last.expand_dims(lead_time=list(lead_times), axis=1)


def anomaly_persistence(ready: xr.Dataset, init_times, *, lead_times=LEADS, about: str = "trend") -> xr.DataArray:
    """Forecast the normal SIC of the valid month plus the anomaly of the last known month, clipped to 0..1.

    about: what is normal, "trend" (the linear-trend forecast) or "climatology" (of the fit period). In a record with a trend
    the climatology is years out of date and its anomalies of one season do not fit another, so the trend is the fairer opponent.
    SIC fraction, (init_time, lead_time, y, x), NaN for an init_time whose last month is missing.
    """
    return _normal_plus(ready, init_times, lead_times, about, 1.0)


def damped_anomaly_persistence(
    ready: xr.Dataset, init_times, *, lead_times=LEADS, about: str = "trend"
) -> xr.DataArray:
    """Forecast the normal SIC of the valid month plus the last anomaly times its `damping`, clipped to 0..1.

    SIC fraction, (init_time, lead_time, y, x), NaN for an init_time whose last month is missing. about: see `anomaly_persistence`.
    """
    factor = at_months(damping(ready, lead_times=lead_times, about=about), last_month(init_times))
    return _normal_plus(ready, init_times, lead_times, about, factor)


def _normal_plus(ready, init_times, lead_times, about, factor) -> xr.DataArray:
    normal, last = normal_ice(ready, about), last_month(init_times)
    anomaly = at(ready.siconc, last) - at(normal, last)
    forecast = (at(normal, valid_time(init_times, lead_times)) + factor * anomaly).clip(0, 1)
    return forecast.transpose("init_time", "lead_time", "y", "x").astype("float32")


def normal_ice(ready: xr.Dataset, about: str) -> xr.DataArray:
    """Normal SIC of every month, (time, y, x): the linear-"trend" forecast, or the "climatology" of the fit period."""
    if about == "trend":
        return ready.siconc_trend
    if about == "climatology":
        return at_months(ready.siconc_climatology, ready.time)
    raise DataError(f"anomalies about {about!r} are unknown; choose 'trend' or 'climatology'")


def damping(ready: xr.Dataset, *, lead_times=LEADS, about: str = "trend") -> xr.DataArray:
    """Share of a SIC anomaly that is left `lead_time` months later, by cell and calendar month, fitted up to `fit_end`.

    a(month, lead) = sum_years A(t) A(t + lead) / sum_years A(t)^2, the least-squares slope, A the anomaly, kept in 0..1:
    outside it the few years of a cell fit noise. Dims (month, lead_time, y, x), month that of the last known anomaly; 0 (all is normal
    again) where the anomaly never varied. Source: Van den Dool 2007, Empirical Methods in Short-Term Climate Prediction.
    """
    anomaly = along_time(fit_period(ready.siconc - normal_ice(ready, about), ready))
    months = pd.DatetimeIndex(anomaly.time)
    later = [months.get_indexer(pd.DatetimeIndex(shift(months, lead))) for lead in lead_times]
    slope = xr.apply_ufunc(
        _slopes,
        anomaly,
        kwargs={"month": months.month.to_numpy(), "later": later},
        input_core_dims=[["time"]],
        output_core_dims=[["month", "lead_time"]],
        dask="parallelized",
        dask_gufunc_kwargs={"output_sizes": {"month": 12, "lead_time": len(later)}},
        output_dtypes=["float32"],
    )
    return slope.assign_coords(month=range(1, 13), lead_time=list(lead_times)).transpose("month", "lead_time", "y", "x")


def _slopes(anomaly: np.ndarray, *, month: np.ndarray, later: list[np.ndarray]) -> np.ndarray:
    """Least-squares slopes (..., month, lead), within 0..1; later: position along the last axis of each time a lead on, -1 for none."""
    out = np.zeros((*anomaly.shape[:-1], 12, len(later)), "float32")
    for number, positions in enumerate(later):
        for m in range(12):
            at = np.flatnonzero((month == m + 1) & (positions >= 0))
            now, then = anomaly[..., at].astype("float64"), anomaly[..., positions[at]]
            known = np.isfinite(now) & np.isfinite(then)
            products, squares = (np.where(known, now * other, 0).sum(axis=-1) for other in (then, now))
            slope = np.divide(products, squares, out=np.zeros_like(products), where=squares > 0)
            out[..., m, number] = np.clip(slope, 0, 1)
    return out


def climatology(ready: xr.Dataset, init_times, *, lead_times=LEADS) -> xr.DataArray:
    """Forecast the mean SIC of the valid calendar month over the fit period; fraction, (init_time, lead_time, y, x)."""
    return at_months(ready.siconc_climatology, valid_time(init_times, lead_times))


def linear_trend(ready: xr.Dataset, init_times, *, lead_times=LEADS) -> xr.DataArray:
    """Forecast the linear trend's SIC of the valid month; fraction, (init_time, lead_time, y, x).

    Raises DataError for leads above 12 months, at which the trend would have seen data after the init_time.
    """
    if max(lead_times) > 12:
        raise DataError(
            f"linear trend: lead {max(lead_times)} is above 12 months; the trend of that month is not yet known"
        )
    return at(ready.siconc_trend, valid_time(init_times, lead_times))


# ---- forecasts of sea-ice probability (SIP)


def certain(siconc: xr.DataArray) -> xr.DataArray:
    """SIP of a forecast of SIC: 1 above 0.15, else 0; NaN stays. Same dims, float32."""
    return (siconc > ICE_EDGE).where(siconc.notnull()).astype("float32")


def ice_frequency(ready: xr.Dataset) -> xr.DataArray:
    """Share of fit-period years with SIC above 0.15, (month, y, x), 0..1, NaN where never observed."""
    ice = fit_period(certain(ready.siconc), ready)
    return ice.groupby("time.month").mean().reindex(month=range(1, 13))


def from_seasonal(hindcast: xr.Dataset, ready: xr.Dataset, init_times, *, corrected: bool = True) -> xr.DataArray:
    """SIP of a physics-based ensemble: the share of members whose bias-corrected SIC exceeds 0.15.

    hindcast: `siconc` (init_time, lead_time, member, y, x), fraction, members that a hindcast lacks padded with NaN.
    corrected: subtract the mean of (ensemble mean - observed) over the hindcasts of the same calendar month, by lead and cell.
    Only hindcasts whose valid month was observed before the evaluated init_time count, so nothing is known too early; an init_time
    with none before it has no corrected forecast (NaN). Cells never observed (polar hole) are not corrected.
    Returns (init_time, lead_time, y, x), 0..1, NaN where there is no hindcast. Computed at once, one calendar month's hindcasts
    in memory as ensemble means, since every one of them is needed for many init_times. Raises DataError for other dims.
    """
    siconc = hindcast["siconc"]
    if set(siconc.dims) != {"init_time", "lead_time", "member", "y", "x"}:
        raise DataError(
            f"seasonal hindcast: siconc has dims {siconc.dims}, expected init_time, lead_time, member, y, x"
        )
    sips = {}
    for month, inits in pd.DatetimeIndex(init_times).to_series().groupby(lambda time: time.month):
        same = siconc.isel(init_time=np.flatnonzero(siconc.init_time.dt.month == month))
        valid = valid_time(same.init_time, same.lead_time)
        # The mean over hindcast years of nothing is NaN, so a month that was not observed does not count.
        error = (same.mean("member") - at(ready.siconc.where(ready.siconc_flag == 0), valid)).load()
        for init in inits:
            members = same.reindex(init_time=[init]).isel(init_time=0).load()
            if corrected:
                known = (same.init_time < np.datetime64(init)) & (valid < np.datetime64(init))
                bias = error.where(known).mean("init_time").fillna(0)
                members = members - bias.where(known.any("init_time"))
            sips[init] = certain(members).mean("member")
    ordered = [sips[init].drop_vars("init_time", errors="ignore") for init in pd.DatetimeIndex(init_times)]
    sip = xr.concat(ordered, pd.DatetimeIndex(init_times, name="init_time"))
    return sip.transpose("init_time", "lead_time", "y", "x")


def from_edge(edge: xr.Dataset, ready: xr.Dataset, init_times, *, lead_times=LEADS) -> xr.DataArray:
    """SIP of a published ice edge: 1 inside, 0 outside, NaN for every init_time and lead it was not issued for.

    edge: `sip` (init_time, lead_time, y, x), 0/1, NaN where the publisher's grid or land mask has no value. A sea cell
    without a value takes the nearest one: along coasts land masks differ by a cell, which is not the forecast's fault.
    """
    sip = edge["sip"].reindex(init_time=valid_time(init_times).init_time, lead_time=list(lead_times))
    sip = sip.transpose("init_time", "lead_time", "y", "x").astype("float32")
    return fill_nearest(sip).where(~ready.land)


def fill_nearest(da: xr.DataArray) -> xr.DataArray:
    """Give each missing cell of a map the value of the nearest cell that has one; a map without any stays as it is."""
    return xr.apply_ufunc(_nearest, da, vectorize=True, **MAPWISE)


def _nearest(values: np.ndarray) -> np.ndarray:
    missing = np.isnan(values)
    if missing.all() or not missing.any():
        return values
    return values[tuple(distance_transform_edt(missing, return_distances=False, return_indices=True))]


# ---- all of them


def all(
    ready: xr.Dataset,
    init_times,
    *,
    lead_times=LEADS,
    seasonal: xr.Dataset | None = None,
    edge: xr.Dataset | None = None,
    others: Mapping[str, xr.DataArray] | None = None,
) -> xr.Dataset:
    """Return every baseline's `sip (model, init_time, lead_time, y, x)`, float32, NaN where a model has no forecast.

    A forecast of SIC counts as certain (SIP 0 or 1); climatology is the frequency of ice. seasonal: see `from_seasonal`, adds
    `seasonal` and `seasonal_raw`; edge: see `from_edge`, adds `ecmwf_edge`; others: more SIPs by name, for example
    the trees'. Lazy data stay lazy: write with `write`, which holds a few maps at once. Raises DataError for another grid.
    """
    options = {"lead_times": list(lead_times)}
    valid = valid_time(init_times, lead_times)
    sips = {
        "persistence": certain(persistence(ready, init_times, **options)),
        "anomaly_persistence": certain(anomaly_persistence(ready, init_times, **options)),
        "damped_anomaly_persistence": certain(damped_anomaly_persistence(ready, init_times, **options)),
        "climatology": at_months(ice_frequency(ready), valid),
        "linear_trend": certain(linear_trend(ready, init_times, **options)),
    }
    if seasonal is not None:
        sips["seasonal"] = from_seasonal(seasonal, ready, init_times)
        sips["seasonal_raw"] = from_seasonal(seasonal, ready, init_times, corrected=False)
    if edge is not None:
        sips["ecmwf_edge"] = from_edge(edge, ready, init_times, **options)
    sips |= dict(others or {})
    aligned = [_aligned(sip, valid, ready, name) for name, sip in sips.items()]
    sip = xr.concat(aligned, pd.Index(list(sips), name="model", dtype=object)).assign_attrs(SIP_ATTRS).rename("sip")
    return sip.to_dataset().assign_coords(valid_time=valid)


def _aligned(sip, valid, ready, name) -> xr.DataArray:
    for axis in ("y", "x"):
        if not np.array_equal(sip[axis], ready[axis]):
            raise DataError(
                f"baseline '{name}': its {axis} is not that of the analysis-ready data; put it on that grid first"
            )
    sip = sip.reset_coords(drop=True).reindex(init_time=valid.init_time, lead_time=valid.lead_time)
    sip = sip.transpose("init_time", "lead_time", "y", "x").where(~ready.land)
    return sip.astype("float32").drop_attrs()


def write(ds: xr.Dataset, path: Path) -> None:
    """Write forecasts to a Zarr store at `path`, one init_time a chunk; the store appears only when it is complete."""
    building = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}")
    building.parent.mkdir(parents=True, exist_ok=True)
    one_at_a_time = {d: 1 if d in ("model", "init_time") else -1 for d in ds.dims}
    try:
        ds.chunk(one_at_a_time).to_zarr(building, mode="w", zarr_format=3, consolidated=False)
        rmtree(path, ignore_errors=True)
        building.rename(path)
    finally:
        rmtree(building, ignore_errors=True)
