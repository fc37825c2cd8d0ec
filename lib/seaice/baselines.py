"""What must be beaten? Forecasts that need no learning: persistence, climatology, trend, and physics-based ensembles.

Every function takes the analysis-ready dataset and returns a forecast with dims (init_time, lead_time, y, x), NaN where there is
none; lazy data stay lazy, but for `from_seasonal`. Nothing fitted sees data after `ready.fit_end`, but for the bias of a
physics-based ensemble, which goes on to every year known before the `init_time`. No forecast sees data at or after its `init_time`.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from seaice.atomic import replacing_folder
from seaice.climate import at_months
from seaice.damping import damping, normal_ice
from seaice.gaps import fill_nearest
from seaice.normals import at_normal
from seaice.schema import ICE_EDGE, DataError, attributes
from seaice.steps import AHEAD, LEADS, NAME, at, cadence, fit_period, last_step, shift_by, valid_time

SIP_ATTRS = {"long_name": "probability that sea ice concentration exceeds 0.15", "units": "1"}
MODELS = 8  # at most, that `all` returns
LOOK_BACK = {"monthly": 0, "daily": 3}  # steps before the last one that may stand in; a month ago is another season
PART_BYTES = 2e8  # bytes of forecasts in memory at a time, where there are more


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


def anomaly_persistence(ready: xr.Dataset, init_times, *, lead_times=LEADS, about: str = "trend") -> xr.DataArray:
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


# ---- forecasts of sea-ice probability (SIP)


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


def physics(opened: xr.Dataset, ready: xr.Dataset, init_times, *, lead_times=LEADS) -> dict[str, xr.DataArray]:
    """SIPs of a physics-based forecast by model name: an ensemble's, see `from_seasonal`, or a published edge's, see `from_edge`.

    opened: the catalogue entry, with `siconc` of members or with `sip`. Raises DataError for a daily record.
    """
    if cadence(ready) != "monthly":
        raise DataError("physics-based forecasts here are of months; leave `seasonal` out of a daily run")
    if "member" in opened.dims:
        return dict(from_seasonal(opened, ready, init_times).data_vars)
    return {"ecmwf_edge": from_edge(opened, ready, init_times, lead_times=lead_times)}


def from_seasonal(hindcast: xr.Dataset, ready: xr.Dataset, init_times) -> xr.Dataset:
    """SIP of a physics-based ensemble: the share of members whose SIC exceeds 0.15, as `seasonal_raw`, bias-corrected as `seasonal`.

    hindcast: `siconc` (init_time, lead_time, member, y, x), fraction, members that a hindcast lacks padded with NaN.
    The bias is the mean of (ensemble mean - observed) over the hindcasts of the same calendar month, by lead and cell.
    Only hindcasts whose valid month was observed before the evaluated init_time count, so nothing is known too early; an init_time
    with none before it has no corrected forecast (NaN). Cells never observed (polar hole) are not corrected.
    Both (init_time, lead_time, y, x), 0..1, float32, NaN where there is no hindcast. Computed at once; every hindcast is read once, and the
    ensemble means of one calendar month are held. Raises DataError for other dims.
    """
    siconc, init_times = hindcast["siconc"], pd.DatetimeIndex(init_times)
    if set(siconc.dims) != {"init_time", "lead_time", "member", "y", "x"}:
        raise DataError(
            f"seasonal hindcast: siconc has dims {siconc.dims}, expected init_time, lead_time, member, y, x"
        )
    observed, issued, sips = ready.siconc.where(ready.siconc_flag == 0), siconc.indexes["init_time"], {}
    for month in sorted(set(init_times.month)):
        earlier = []  # errors, and the last months that they are of
        for init in issued[(issued.month == month) & (issued <= init_times.max())]:
            members = siconc.sel(init_time=init, drop=True).load().dropna("member", how="all")
            valid = valid_time([init], siconc.lead_time.values).isel(init_time=0, drop=True)
            if init in init_times:
                sips[init] = _corrected(members, earlier, init)
            # The mean over hindcast years of nothing is NaN, so a month that was not observed does not count.
            earlier.append((valid, members.mean("member") - at(observed, valid).load()))
    nothing = xr.full_like(siconc.isel(init_time=0, member=0, drop=True), np.nan, "float32").load()
    none = xr.Dataset({"seasonal": nothing, "seasonal_raw": nothing})
    sip = xr.concat([sips.get(init, none) for init in init_times], pd.DatetimeIndex(init_times, name="init_time"))
    return sip.reset_coords(drop=True).transpose("init_time", "lead_time", "y", "x")


def _corrected(members: xr.DataArray, earlier: list[tuple], init: pd.Timestamp) -> xr.Dataset:
    """SIPs of one forecast, and of the same less its bias in earlier ones; earlier: their valid times and errors."""
    raw = certain(members).mean("member")
    before = [valid < np.datetime64(init) for valid, _ in earlier]
    if not before:
        return xr.Dataset({"seasonal": xr.full_like(raw, np.nan), "seasonal_raw": raw})
    known = [error.where(was) for was, (_, error) in zip(before, earlier, strict=True)]
    bias = xr.concat(known, "year").mean("year").fillna(0)
    corrected = certain((members - bias).where(xr.concat(before, "year").any("year"))).mean("member")
    return xr.Dataset({"seasonal": corrected, "seasonal_raw": raw})


def from_edge(edge: xr.Dataset, ready: xr.Dataset, init_times, *, lead_times=LEADS) -> xr.DataArray:
    """SIP of a published ice edge: 1 inside, 0 outside, NaN for every init_time and lead it was not issued for.

    edge: `sip` (init_time, lead_time, y, x), 0/1, NaN where the publisher's grid or land mask has no value. A sea cell
    without a value takes the nearest one: along coasts land masks differ by a cell, which is not the forecast's fault.
    """
    sip = edge["sip"].reindex(init_time=valid_time(init_times).init_time, lead_time=list(lead_times))
    sip = sip.transpose("init_time", "lead_time", "y", "x").astype("float32")
    return fill_nearest(sip).where(~ready.land)


# ---- all of them


def all(
    ready: xr.Dataset,
    init_times,
    *,
    lead_times=LEADS,
    others: Mapping[str, xr.DataArray] | None = None,
) -> xr.Dataset:
    """Return every baseline's `sip` and `siconc` (model, init_time, lead_time, y, x), float32, NaN where a model has no forecast.

    A forecast of SIC counts as certain (SIP 0 or 1); climatology is the frequency of ice. What forecasts no SIC has none. others:
    more SIPs by name, those of `physics` and the trees'. Lazy data stay lazy: write with `write`, which holds a few maps at once.
    Raises DataError for another grid.
    """
    options = {"lead_times": list(lead_times)}
    valid = _valid(ready, init_times, lead_times)
    sics = {
        "persistence": persistence(ready, init_times, **options),
        "anomaly_persistence": anomaly_persistence(ready, init_times, **options),
        "damped_anomaly_persistence": damped_anomaly_persistence(ready, init_times, **options),
        "climatology": climatology(ready, init_times, **options),
        "linear_trend": linear_trend(ready, init_times, **options),
    }
    sips = {name: certain(siconc) for name, siconc in sics.items()} | {"climatology": probability(ready, valid)}
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


def in_parts(ready: xr.Dataset, init_times, *, lead_times=LEADS, **options) -> Iterator[xr.Dataset]:
    """Yield `all` of some initialisations after the other, so many that a part of the forecasts fills `PART_BYTES`."""
    init_times = pd.DatetimeIndex(init_times)
    a_time = 2 * MODELS * len(lead_times) * ready.sizes["y"] * ready.sizes["x"] * 4
    n = max(1, int(PART_BYTES // a_time))
    for first in range(0, len(init_times), n):
        yield all(ready, init_times[first : first + n], lead_times=lead_times, **options)


def write(ds: xr.Dataset | Iterable[xr.Dataset], path: Path) -> xr.Dataset:
    """Write forecasts, or parts of them along init_time, to a Zarr store at `path`, and return it opened.

    One init_time a chunk; the store appears only when it is complete.
    """
    begun = {"mode": "w", "zarr_format": 3}
    with replacing_folder(path) as building:
        for part in [ds] if isinstance(ds, xr.Dataset) else ds:
            one_at_a_time = {d: 1 if d in ("model", "init_time") else -1 for d in part.dims}
            part.chunk(one_at_a_time).to_zarr(building, consolidated=False, **begun)
            begun = {"append_dim": "init_time"}
    return xr.open_zarr(path, consolidated=False)
