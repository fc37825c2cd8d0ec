"""What do physics-based models forecast?

Sea-ice probability (SIP) from an ensemble of such a model, or from a published ice edge. Forecasts
have the dims (init_time, lead_time, y, x) and are NaN where there is none. The bias of an ensemble
or edge is taken from every year that was known before the `init_time`, test years included. No
forecast sees data at or after its `init_time`.
"""

import numpy as np
import pandas as pd
import xarray as xr

from seaice.baselines import corrected_edge
from seaice.baselines.climatology import certain
from seaice.errors import DataError
from seaice.geo.gaps import fill_nearest
from seaice.schema import Flag
from seaice.steps import LEADS, at, cadence, valid_time


def physics(
    opened: xr.Dataset, ready: xr.Dataset, init_times, *, lead_times=LEADS
) -> dict[str, xr.DataArray]:
    """Return the SIPs of a physics-based forecast by model name.

    An ensemble gives those of `from_seasonal`. A published edge gives that of `from_edge`, raw, and
    that of `corrected_edge.corrected`, if enough earlier edges are known.
    opened: the catalogue entry, with `siconc` of members or with `sip`. Raises DataError for a
    daily record.
    """
    if cadence(ready) != "monthly":
        raise DataError("physics-based forecasts here are of months; leave `seasonal` out of a daily run")
    if "member" in opened.dims:
        return dict(from_seasonal(opened, ready, init_times).data_vars)
    issued = from_edge(opened, ready, opened["init_time"].values, lead_times=opened["lead_time"].values)
    corrected = corrected_edge.corrected(issued, ready, init_times).reindex(lead_time=list(lead_times))
    sips = {"ecmwf_edge": from_edge(opened, ready, init_times, lead_times=lead_times)}
    return sips | ({"ecmwf_edge_corrected": corrected} if corrected.notnull().any() else {})


def from_seasonal(hindcast: xr.Dataset, ready: xr.Dataset, init_times) -> xr.Dataset:
    """Return the SIP of a physics-based ensemble, raw and with its bias corrected.

    SIP is the share of members whose SIC exceeds 0.15. Variables `seasonal_raw` and,
    bias-corrected, `seasonal` (init_time, lead_time, y, x), 0..1, float32, NaN where there is no
    hindcast.

    hindcast: `siconc` (init_time, lead_time, member, y, x), fraction. Members that a hindcast lacks
    are padded with NaN.
    The bias is the mean of (ensemble mean - observed) over the hindcasts of the same calendar
    month, by lead and cell. Only hindcasts whose valid month was observed before the evaluated
    init_time count, so nothing is known too early. An init_time with none before it has no
    corrected forecast (NaN). Cells that were never observed (polar hole) are not corrected.
    Data are computed at once. Every hindcast is read once, and the ensemble means of one calendar
    month are held. Raises DataError for other dims.
    """
    siconc, init_times = hindcast["siconc"], pd.DatetimeIndex(init_times)
    if set(siconc.dims) != {"init_time", "lead_time", "member", "y", "x"}:
        raise DataError(
            f"seasonal hindcast: siconc has dims {siconc.dims}, expected init_time, lead_time, member, y, x"
        )
    observed = ready.siconc.where(ready.siconc_flag == Flag.OBSERVED)
    issued, sips = siconc.indexes["init_time"], {}
    for month in sorted(set(init_times.month)):
        earlier = []  # valid times (lead) of earlier hindcasts, and their errors (lead, y, x)
        for init in issued[(issued.month == month) & (issued <= init_times.max())]:
            members = siconc.sel(init_time=init, drop=True).load().dropna("member", how="all")
            valid = valid_time([init], siconc.lead_time.values).isel(init_time=0, drop=True)
            if init in init_times:
                sips[init] = _corrected(members, earlier, init)
            # Errors of a month that was not observed are NaN, so it does not count.
            error = members.mean("member") - at(observed, valid).load()
            earlier.append((valid.values, error.transpose("lead_time", "y", "x").values))
    empty_field = xr.full_like(siconc.isel(init_time=0, member=0, drop=True), np.nan, "float32").load()
    empty = xr.Dataset({"seasonal": empty_field, "seasonal_raw": empty_field})
    sip = xr.concat(
        [sips.get(init, empty) for init in init_times], pd.DatetimeIndex(init_times, name="init_time")
    )
    return sip.reset_coords(drop=True).transpose("init_time", "lead_time", "y", "x")


def _corrected(members: xr.DataArray, earlier: list[tuple], init: pd.Timestamp) -> xr.Dataset:
    """Return the SIPs of one forecast, raw and less its bias in earlier forecasts.

    earlier: their valid times and errors.
    """
    raw = certain(members).mean("member")
    if not earlier:
        return xr.Dataset({"seasonal": xr.full_like(raw, np.nan), "seasonal_raw": raw})
    valid, errors = (np.stack(values) for values in zip(*earlier, strict=True))
    is_known = xr.DataArray(valid < np.datetime64(init), dims=("year", "lead_time"))
    errors = xr.DataArray(errors, dims=("year", "lead_time", "y", "x")).where(is_known)
    bias = errors.mean("year").fillna(0)
    corrected = certain((members - bias).where(is_known.any("year"))).mean("member")
    return xr.Dataset({"seasonal": corrected, "seasonal_raw": raw})


def from_limit(opened: xr.Dataset, init_times, *, lead_times=LEADS) -> xr.DataArray:
    """Return the SIP of a perfect-model ensemble: the share of members whose SIC exceeds 0.15.

    (init_time, lead_time, y, x), 0..1, float32, NaN for an init_time or lead that it lacks. Nothing
    is corrected, as its equations and its start are those of the truth. It is a limit and no
    forecast: it knows the state at init_time, which nobody does. The share of a few members is a
    noisy estimate, so its scores are a little worse than those of the limit itself.
    opened: `siconc` (init_time, lead_time, member, y, x), fraction, NaN on land.
    """
    siconc = opened["siconc"]
    init_times = pd.DatetimeIndex(init_times)
    issued = siconc.indexes["init_time"].intersection(init_times)
    if issued.empty:
        nothing = xr.full_like(siconc.isel(init_time=0, member=0, drop=True), np.nan, "float32")
        return (
            nothing.reindex(lead_time=list(lead_times))
            .expand_dims(init_time=init_times)
            .reset_coords(drop=True)
        )
    sip = [certain(siconc.sel(init_time=init, drop=True).load()).mean("member") for init in issued]
    return (
        xr.concat(sip, pd.DatetimeIndex(issued, name="init_time"))
        .reindex(init_time=init_times, lead_time=list(lead_times))
        .reset_coords(drop=True)
        .transpose("init_time", "lead_time", "y", "x")
    )


def from_edge(edge: xr.Dataset, ready: xr.Dataset, init_times, *, lead_times=LEADS) -> xr.DataArray:
    """Return the SIP of a published ice edge.

    1 inside, 0 outside, NaN for every init_time and lead that it was not issued for.

    edge: `sip` (init_time, lead_time, y, x), 0 or 1, NaN where the publisher's grid or land mask
    has no value. A sea cell without a value gets the nearest one: along coasts land masks differ by
    a cell, which is not the fault of the forecast.
    """
    sip = edge["sip"].reindex(init_time=valid_time(init_times).init_time, lead_time=list(lead_times))
    sip = sip.transpose("init_time", "lead_time", "y", "x").astype("float32")
    return fill_nearest(sip).where(~ready.land)
