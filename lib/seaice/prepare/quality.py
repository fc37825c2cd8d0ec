"""Which time steps of a record are broken?

The rules look at the data and only at the past. The one thing that the data of a month cannot show
is how few days it rests on: for that, the catalogue names the days without an instrument.
"""

import numpy as np
import pandas as pd
import xarray as xr

from seaice import schema
from seaice.errors import DataError
from seaice.geo import ice_area
from seaice.schema import MAP, Flag

COLUMNS = ["time", "check", "value", "limit", "action"]
# Smallest departure from the expected extent that counts as broken, million km2. In NSIDC-0081 and
# -0051, sound days stay within 0.6 (ragged coverage, 2016-09-10) and sound months within 1.5
# (south, 2007-12). Broken days reach 1.2, broken months 2.4.
FLOOR = {"daily": 0.8, "monthly": 2.0}
# Limit in robust standard deviations of the departures so far, used if it is wider than the floor.
SIGMAS = 5.0
MEMORY = {"daily": 30, "monthly": 120}  # steps that the noise is estimated from
DRIFT_DAYS = 10  # daily changes whose median is the season's drift
YEARS = (3, 10)  # fewest and most earlier years that say what is normal in a month
# Rejections in a row after which the new level is accepted, so that one wrong start cannot make the
# rest of a record broken.
PATIENCE = 5


def find_broken(ds: xr.Dataset) -> pd.DataFrame:
    """Return a table of broken time steps: time, check, value, limit, action ("masked").

    It is empty if no step is broken. ds: a schema dataset with siconc on EASE2; it is read once,
    block by block. The checks come in this order, with one row a step at most:
    - `days`: a month that rests on less than half of its days. The days that are lost are those of
      the attribute `outages` (`first/last`, "YYYY-MM-DD" both, separated by spaces), from the
      catalogue. value and limit are numbers of days. This is the same rule at both poles, whether
      or not the extent gives it away.
    - `empty`: no value at all.
    - `range`: values outside 0..1.
    - `repeat`: same extent and area, to the bit, as the step before.
    - `extent`: the extent departs too far from what the steps before lead to expect; value and
      limit are the departure and its limit in million km2.
    A daily extent is expected to continue from the last sound day with the median change of the
    days before. A monthly extent is expected to keep the anomaly of the last sound month, against
    the median of up to ten earlier years. No verdict depends on a later step, so masking leaks
    nothing.
    Raises DataError for dates out of order or repeated, and for latitudes of the other hemisphere.
    """
    time = ds.indexes["time"]
    schema.check_time(time, source=ds.attrs.get("source", "quality"))
    _check_hemisphere(ds)
    stats = _statistics(ds)
    time_cadence = ds.attrs.get("cadence") or _guess_cadence(time)
    rows = _too_few_days(time, ds.attrs.get("outages", "")) if time_cadence == "monthly" else []
    for i in np.flatnonzero(stats["cells"] == 0):
        rows.append((time[i], "empty", 0.0, 1.0))
    for i in np.flatnonzero((stats["low"] < -1e-3) | (stats["high"] > 1 + 1e-3)):
        low = stats["low"][i] < -1e-3
        rows.append((time[i], "range", stats["low" if low else "high"][i], 0.0 if low else 1.0))
    same = (np.diff(stats["extent"]) == 0) & (np.diff(stats["area"]) == 0) & (stats["extent"][1:] > 0)
    for i in np.flatnonzero(same) + 1:
        rows.append((time[i], "repeat", stats["extent"][i], stats["extent"][i - 1]))
    broken = {row[0] for row in rows}
    extent = np.where(time.isin(list(broken)), np.nan, stats["extent"])
    rows += _departures(pd.Series(extent, time), time_cadence)
    report = pd.DataFrame([(*row, "masked") for row in rows], columns=COLUMNS)
    # Set the types, which an empty table lacks.
    report = report.astype({"time": time.dtype, "value": float, "limit": float})
    return report.drop_duplicates("time").sort_values("time").reset_index(drop=True)


def mask_broken(ds: xr.Dataset, report: pd.DataFrame) -> xr.Dataset:
    """Return `ds` with the steps that `report` masks set to missing. Lazy in, lazy out.

    Missing is NaN in siconc and `Flag.MISSING` in siconc_flag.
    """
    broken = report.loc[report["action"] == "masked", "time"]
    if broken.empty:
        return ds
    sound = ~ds["time"].isin(broken.to_numpy())
    out = ds.assign(siconc=ds["siconc"].where(sound))
    if "siconc_flag" in ds:
        out["siconc_flag"] = ds["siconc_flag"].where(sound, Flag.MISSING).astype("uint8")
        out["siconc_flag"].attrs = ds["siconc_flag"].attrs
    out["siconc"].attrs = ds["siconc"].attrs
    return out


def _statistics(ds: xr.Dataset) -> dict[str, np.ndarray]:
    """Return extent, area, lowest and highest value, and number of values of each step.

    Extent and area are in million km2. All come from one pass over the data.
    """
    siconc = ds["siconc"]
    cell = float(abs(ds["x"][1] - ds["x"][0])) ** 2 / 1e12  # million km2, every EASE2 cell
    stats = xr.Dataset(
        {
            "cells": siconc.notnull().sum(MAP),
            "extent": ice_area.extent(siconc, cell),
            "area": siconc.astype("float64").sum(MAP) * cell,
            "low": siconc.min(MAP),
            "high": siconc.max(MAP),
        }
    ).compute()
    values = {str(name): stats[name].values.astype(float) for name in stats}
    values["extent"][values["cells"] == 0] = np.nan
    return values


def _too_few_days(months: pd.DatetimeIndex, outages: str) -> list[tuple]:
    """Return rows of the months with data on less than half of their days.

    outages: see `find_broken`. Raises DataError for one that is not two dates.
    """
    lost = pd.DatetimeIndex([])
    for outage in outages.split():
        try:
            first, last = map(pd.Timestamp, outage.split("/"))
        except ValueError:
            raise DataError(
                f"quality: the outage '{outage}' is not 'YYYY-MM-DD/YYYY-MM-DD'; "
                "correct `outages` in the catalogue"
            ) from None
        lost = lost.union(pd.date_range(first, last))
    n_lost = pd.Series(1, lost.to_period("M")).groupby(level=0).sum()
    days = months.days_in_month - n_lost.reindex(months.to_period("M"), fill_value=0).to_numpy()
    few = days < months.days_in_month / 2
    return [
        (month, "days", float(n), month.days_in_month / 2)
        for month, n in zip(months[few], days[few], strict=True)
    ]


def _departures(extent: pd.Series, cadence: str) -> list[tuple]:
    """Return rows of the steps whose extent departs too far from the expected one."""
    rows, departures, rejected = [], [], 0
    sound = pd.Series(np.nan, extent.index)
    for now, value in extent.dropna().items():
        expected = _expected(sound.loc[:now].dropna(), now, cadence)
        departure = value - expected
        noise = np.array(departures[-MEMORY[cadence] :])
        # 1.4826 times the median absolute deviation is the standard deviation of normal noise.
        spread = 1.4826 * np.median(np.abs(noise - np.median(noise))) if noise.size else 0.0
        limit = max(FLOOR[cadence], SIGMAS * spread)
        if abs(departure) > limit:
            rows.append((now, "extent", departure, limit))
            rejected += 1
            if rejected < PATIENCE:
                continue
        elif np.isfinite(departure):
            departures.append(departure)
        rejected = 0
        sound[now] = value
    return rows


def _expected(sound: pd.Series, now: pd.Timestamp, cadence: str) -> float:
    """Return the extent that earlier sound steps lead to expect at `now`, million km2.

    NaN while there are too few.
    """
    if sound.empty:
        return np.nan
    last = sound.index[-1]
    if cadence == "daily":
        recent = sound.iloc[-DRIFT_DAYS - 1 :]
        days = np.diff(recent.index) / pd.Timedelta(days=1)
        drift = np.median(np.diff(recent) / days) if len(recent) > 1 else 0.0
        return sound.iloc[-1] + drift * ((now - last) / pd.Timedelta(days=1))
    normal_now, normal_last = (
        _normal_extent(sound.loc[: last - pd.DateOffset(months=1)], month)
        for month in (now.month, last.month)
    )
    return normal_now + sound.iloc[-1] - normal_last


def _normal_extent(sound: pd.Series, month: int) -> float:
    """Return the median extent of a calendar month over the last `YEARS` of it, million km2.

    NaN while there are too few.
    """
    fewest, most = YEARS
    past = sound[sound.index.month == month].iloc[-most:]
    return float(past.median()) if len(past) >= fewest else np.nan


def _guess_cadence(time: pd.DatetimeIndex) -> str:
    """Return the cadence, from the shortest distance between two steps."""
    return "daily" if len(time) > 1 and (time[1:] - time[:-1]).min() < pd.Timedelta(days=2) else "monthly"


def _check_hemisphere(ds: xr.Dataset) -> None:
    """Raise DataError if the latitudes are not those of the hemisphere in the attributes."""
    hemisphere = ds.attrs.get("hemisphere")
    if "lat" in ds.coords and hemisphere in ("north", "south"):
        middle = float(np.median(ds["lat"]))
        if (middle > 0) != (hemisphere == "north"):
            source = ds.attrs.get("source", "quality")
            raise DataError(
                f"{source}: says it is of the {hemisphere}, but its median latitude is {middle:.0f}; "
                "correct the attribute 'hemisphere' or the coordinate 'lat'"
            )
