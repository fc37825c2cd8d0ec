"""What follows from a record of sea ice concentration and its predictors?

There is one derivation of each field of the ready store. `pipeline` derives a whole record with
these functions, and `arrivals` the steps that are newer than a store.
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

# Predictors that are used as they are. The others become anomalies, as in Andersson et al. 2021.
ABSOLUTE = ("ua10", "uas", "vas")
EXTENSION = AHEAD["monthly"]  # months past the last observation for which the trend is still known
ICE = ("siconc", "siconc_flag", "siconc_trend", *prior.FIELDS)  # variables that are no predictors


def time_axis(start: str, end: str, *, cadence: str = "monthly") -> pd.DatetimeIndex:
    """Return the time steps of a store: those from `start` to `end`, and `steps.AHEAD` more.

    start, end: "YYYY-MM", or days.
    """
    first, last = steps.bounds([start, end], cadence)
    return pd.date_range(
        first, last + AHEAD[cadence] * steps.offset(cadence), freq=steps.FREQUENCY[cadence], name="time"
    )


def check_cadence(ds: xr.Dataset, cadence: str, *, entry: str) -> xr.Dataset:
    """Return `ds` unchanged. Raises DataError if its attributes state another cadence."""
    published = ds.attrs.get("cadence", cadence)
    if published != cadence:
        raise DataError(
            f"entry '{entry}' is {published}, and the run is {cadence}; name another entry, or leave it out"
        )
    return ds


def observed(ice: xr.Dataset, axis: pd.DatetimeIndex) -> xr.Dataset:
    """Return siconc, siconc_flag (time, y, x) and land (y, x) on the steps `axis`, lazily.

    ice: these variables as loaded; siconc is a fraction 0..1. Steps that it lacks are NaN with
    `Flag.MISSING`.
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
    """Return siconc_climatology and active (month, y, x) of a monthly record, lazily.

    months: see `observed`, on a `time_axis`. fit: `fit_start` and `fit_end`; nothing later is used.
    max_ice: see `masks.active_cells`. active: used in place of the active cells of the fit period.
    source: for messages.
    Raises DataError if the fit period is shorter than two years.
    """
    mean = climate.climatology(months["siconc"], **fit)
    if active is None:
        past = months.isel(time=slice(0, -EXTENSION))
        in_fit = climate.fit_months(past["time"], source=source, **fit)
        options = {"fit": in_fit, "max_ice": max_ice}
        active = masks.active_cells(past["siconc"], past["land"], past["siconc_flag"], **options)
    return xr.Dataset({"siconc_climatology": mean, "active": active})


def known_ahead(months: xr.Dataset) -> xr.Dataset:
    """Return siconc_trend, ice_frequency and full_ice_frequency of a monthly record, lazily.

    months: siconc (time, y, x) and siconc_climatology (month, y, x). Returns (time, y, x) for each.
    All three are fractions 0..1. Each value comes from the same month of earlier years.
    """
    trend = climate.linear_trend(months["siconc"])
    trend.attrs = attributes("siconc") | {"long_name": "linear-trend forecast valid at time"}
    return prior.frequencies(months).assign(siconc_trend=trend)


def known_ahead_of_days(months: xr.Dataset, days: xr.DataArray) -> xr.Dataset:
    """Return `known_ahead` of a monthly record on each of `days` (time), see `normals.of_days`."""
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
    """Return the monthly record that daily normals come from, and options to derive them with.

    ice: the daily record as loaded. stored: the same, see `observed`.
    entry: entry of monthly SIC, or None for the monthly means of `stored`.
    axis: the days. fit: `fit_start` and `fit_end` of the days; the fit period of the months ends
    with the last whole month. source: of the daily ice, for messages.
    The options are `axis`, `fit` and `source` of the months. Raises DataError if the entry is not
    monthly.
    """
    # The last day may lie between the middles of its month and of the next, so both are needed.
    last = pd.Period(axis[-1], "M") + 1 - EXTENSION
    until = pd.Period(steps.bounds([fit["fit_end"]] * 2, "daily")[1] + pd.Timedelta(days=1), "M") - 1
    if entry is None:
        siconc = normals.monthly_means(stored["siconc"])
        flag = xr.where(siconc.isnull() & ~stored["land"], Flag.MISSING, Flag.OBSERVED).transpose(
            "time", "y", "x"
        )
        ice = ice.drop_dims("time").assign(siconc=siconc, siconc_flag=flag, land=stored["land"])
    else:
        source = entry
        # Without a start, all months of the past tell what is normal. `config.inputs` asks for the
        # checksum of the same months.
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
    """Return the mean, standard deviation and climatology of one predictor, as `scaled` needs them.

    field: the predictor (time, y, x) in its own units; it is read twice. fit: `fit_start` and
    `fit_end`.
    scaling: `mean` and `std` to use in place of those of the fit period. source: for messages.
    Variables: `<name>_mean`, `<name>_std` and `<name>_climatology` (month, y, x), which predictors
    of `ABSOLUTE` do not have. Raises DataError if the fit period has no value, or only one
    constant.
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
    """Return one predictor (time, y, x) as networks see it, dimensionless; lazy in, lazy out.

    That is its scaled anomaly, or the scaled field itself if it is one of `ABSOLUTE`. statistics:
    see `predictor_statistics`, in memory.
    """
    name = field.name
    if name not in ABSOLUTE:
        field = normals.anomalies(field, statistics[f"{name}_climatology"], cadence=cadence)
    return normalise.scale(
        field, xr.Dataset({statistic: statistics[f"{name}_{statistic}"] for statistic in ("mean", "std")})
    )


def check_known(by_month: xr.DataArray, fit: Mapping[str, str], *, source: str) -> None:
    """Raise DataError if a climatology (month, y, x) has no value at all."""
    if not by_month.notnull().any():
        raise DataError(
            f"{source}: no value on the grid between {fit['fit_start']} and {fit['fit_end']}; "
            "check that its cells are at most 400 km apart, and that it covers these dates"
        )
