"""What follows from a record of sea ice concentration and its predictors? One derivation of each field of the ready store.

`preprocess` derives a whole record with these functions, and `arrivals` the steps that are newer than a store.
"""

from collections.abc import Callable, Mapping

import pandas as pd
import xarray as xr

from seaice import steps
from seaice.errors import DataError
from seaice.geo import gaps, masks
from seaice.prepare import climate, normalise, normals, prior, quality
from seaice.schema import FLAG_ATTRIBUTES, Flag, attributes
from seaice.steps import AHEAD

ABSOLUTE = (
    "ua10",
    "uas",
    "vas",
)  # predictors that stay as they are; the others become anomalies, Andersson et al. 2021
EXTENSION = AHEAD["monthly"]  # months past the last observation for which the trend is still known
ICE = ("siconc", "siconc_flag", "siconc_trend", *prior.FIELDS)  # variables along time that are no predictors


def time_axis(start: str, end: str, *, cadence: str = "monthly") -> pd.DatetimeIndex:
    """Return the steps of a store: start..end ("YYYY-MM", or days) and `steps.AHEAD` more."""
    first, last = steps.bounds([start, end], cadence)
    return pd.date_range(
        first, last + AHEAD[cadence] * steps.offset(cadence), freq=steps.FREQUENCY[cadence], name="time"
    )


def check_cadence(ds: xr.Dataset, cadence: str, *, entry: str) -> xr.Dataset:
    """Return `ds` unchanged. Raises DataError where it says that it has another cadence than `cadence`."""
    published = ds.attrs.get("cadence", cadence)
    if published != cadence:
        raise DataError(
            f"entry '{entry}' is {published}, and the run is {cadence}; name another one, or leave it out"
        )
    return ds


def observed(ice: xr.Dataset, axis: pd.DatetimeIndex) -> xr.Dataset:
    """Return siconc (fraction 0..1), siconc_flag (time, y, x) and land (y, x) on the steps `axis`, lazily.

    ice: these variables as loaded. Steps that it lacks are missing: NaN, `Flag.MISSING`.
    """
    siconc = ice["siconc"].reindex(time=axis).astype("float32")
    flag = ice["siconc_flag"].reindex(time=axis, fill_value=Flag.MISSING).astype("uint8")
    flag.attrs = dict(FLAG_ATTRIBUTES)
    return xr.Dataset({"siconc": siconc, "siconc_flag": flag, "land": ice["land"]})


def fitted(
    months: xr.Dataset,
    fit: Mapping[str, str],
    *,
    source: str,
    max_ice: xr.DataArray | None = None,
    active: xr.DataArray | None = None,
) -> xr.Dataset:
    """Return what a record of months is fitted to: siconc_climatology and active (month, y, x), lazily.

    months: see `observed`, on a `time_axis`. fit: `fit_start` and `fit_end`, nothing later is looked at. source: for messages.
    max_ice, active: see `masks.active_cells`; `active` replaces it. Raises DataError for a fit period of less than two years.
    """
    mean = climate.climatology(months["siconc"], **fit)
    if active is None:
        past = months.isel(time=slice(0, -EXTENSION))
        in_fit = climate.fit_months(past["time"], source=source, **fit)
        options = {"fit": in_fit, "max_ice": max_ice}
        active = masks.active_cells(past["siconc"], past["land"], past["siconc_flag"], **options)
    return xr.Dataset({"siconc_climatology": mean, "active": active})


def known_ahead(months: xr.Dataset) -> xr.Dataset:
    """Return siconc_trend, ice_frequency and full_ice_frequency (time, y, x) of a record of months, 0..1, lazily.

    months: siconc (time, y, x) and siconc_climatology (month, y, x). Each value comes from the same month of earlier years.
    """
    trend = climate.linear_trend(months["siconc"])
    trend.attrs = attributes("siconc") | {"long_name": "linear-trend forecast valid at time"}
    return prior.frequencies(months).assign(siconc_trend=trend)


def known_ahead_of_days(months: xr.Dataset, days: xr.DataArray) -> xr.Dataset:
    """Return `known_ahead` of a record of months on each of `days` (time), see `normals.of_days`."""
    return normals.of_days(months.assign(known_ahead(months)), days)


def months_of(
    ice: xr.Dataset,
    stored: xr.Dataset,
    entry: str | None,
    grid,
    axis,
    fit: Mapping[str, str],
    *,
    source: str,
    load: Callable,
) -> tuple[xr.Dataset, dict]:
    """Return the monthly record that the normals of days come from, and the `axis`, `fit` and `source` to derive them with.

    ice: the daily record as loaded. stored: the same, see `observed`. entry: of monthly SIC, or None for the means of `stored`.
    axis: the days. fit: `fit_start` and `fit_end` of the days; that of the months ends with the last whole month.
    Raises DataError for an entry that is not monthly.
    """
    last = (
        pd.Period(axis[-1], "M") + 1 - EXTENSION
    )  # the last day lies between the middles of its month and of the next
    until = pd.Period(steps.bounds([fit["fit_end"]] * 2, "daily")[1] + pd.Timedelta(days=1), "M") - 1
    if entry is None:
        siconc = normals.monthly_means(stored["siconc"])
        flag = xr.where(siconc.isnull() & ~stored["land"], Flag.MISSING, Flag.OBSERVED).transpose(
            "time", "y", "x"
        )
        ice = ice.drop_dims("time").assign(siconc=siconc, siconc_flag=flag, land=stored["land"])
    else:
        source = entry
        # Without a start: every month of the past tells what is normal. `inputs` asks for the checksum of the same months.
        ice = check_cadence(load(entry, grid, end=str(pd.Period(axis[-1], "M"))), "monthly", entry=entry)
        ice = gaps.onto_sea(quality.mask_broken(ice, quality.find_broken(ice)), stored["land"].compute())
    first = pd.Period(ice.indexes["time"][0], "M")
    return ice, {
        "axis": time_axis(str(first), str(max(first, last))),
        "fit": {"fit_start": str(first), "fit_end": str(until)},
        "source": f"{source} (monthly)",
    }


def predictor_statistics(
    field: xr.DataArray,
    fit: Mapping[str, str],
    *,
    source: str,
    cadence: str,
    scaling: xr.Dataset | None = None,
) -> xr.Dataset:
    """Return what `scaled` needs: `<name>_climatology` (month, y, x; not of `ABSOLUTE`), `<name>_mean` and `<name>_std`.

    field: one predictor (time, y, x) in its own units, over which this passes twice. fit: `fit_start` and `fit_end`.
    scaling: `mean` and `std` to take in place of those of the fit period. source: for messages.
    Raises DataError where the fit period has no value, or a constant one.
    """
    name, statistics, anomaly = field.name, xr.Dataset(), field
    if name not in ABSOLUTE:
        by_month = climate.climatology(field, **fit).compute()
        check_known(by_month, fit, source=source)
        statistics[f"{name}_climatology"] = by_month
        anomaly = normals.anomalies(field, by_month, cadence=cadence)
    if scaling is None:
        in_fit = climate.fit_months(field.time, source=source, **fit)
        scaling = normalise.statistics(anomaly.isel(time=in_fit))
    statistics[f"{name}_mean"], statistics[f"{name}_std"] = scaling["mean"], scaling["std"]
    return statistics


def scaled(field: xr.DataArray, statistics: xr.Dataset, *, cadence: str) -> xr.DataArray:
    """Return one predictor (time, y, x) as networks see it: its anomaly, or `ABSOLUTE` itself, scaled; lazy in, lazy out.

    statistics: see `predictor_statistics`, in memory.
    """
    name = field.name
    if name not in ABSOLUTE:
        field = normals.anomalies(field, statistics[f"{name}_climatology"], cadence=cadence)
    return normalise.scale(
        field, xr.Dataset({what: statistics[f"{name}_{what}"] for what in ("mean", "std")})
    )


def check_known(by_month: xr.DataArray, fit: Mapping[str, str], *, source: str) -> None:
    """Raise DataError for a climatology (month, y, x) without any value."""
    if not by_month.notnull().any():
        raise DataError(
            f"{source}: no value on the grid between {fit['fit_start']} and {fit['fit_end']}; are its cells over 400 km apart, or its "
            "dates others?"
        )
