"""Which dates of a record are broken? Rules that look at the data, never at the calendar, and only at the past."""

import numpy as np
import pandas as pd
import xarray as xr

from seaice import schema
from seaice.errors import DataError
from seaice.geo import ice_area
from seaice.schema import MAP, Flag

COLUMNS = ["time", "check", "value", "limit", "action"]
# million km2, smallest departure from the expected extent that counts as broken. Measured on NSIDC-0081 and -0051: sound days
# stay within 0.6 (ragged coverage, 2016-09-10) and sound months within 1.5 (south, 2007-12); broken ones reach 1.2 and 2.4.
FLOOR = {"daily": 0.8, "monthly": 2.0}
SIGMAS = (
    5.0  # robust standard deviations of the departures so far, the limit where the record itself is noisier
)
MEMORY = {"daily": 30, "monthly": 120}  # steps that the noise is estimated from
DRIFT_DAYS = 10  # daily changes whose median is the season's drift
YEARS = (3, 10)  # fewest and most earlier years that say what is usual in a month
PATIENCE = 5  # rejections in a row after which the new level is believed, so that one wrong start cannot void a record


def find_broken(ds: xr.Dataset) -> pd.DataFrame:
    """Return a table of broken time steps: time, check, value, limit, action ("masked"); empty where all is well.

    ds: a schema dataset with siconc on EASE2. Reads it once, block by block. Checks, in this order, one row a step at most:
    `empty` (no value at all), `range` (outside 0..1), `repeat` (same extent and area, to the bit, as the step before) and
    `extent` (million km2; departure from what the steps before lead to expect). A daily extent is expected to go on from
    the last sound day with the median change of the days before; a monthly one to keep the anomaly, against the median of
    up to ten earlier years, of the last sound month. No verdict depends on a later step, so that masking leaks nothing.
    Raises DataError for dates out of order or repeated, and for latitudes of the other hemisphere.
    """
    time = ds.indexes["time"]
    schema.check_time(time, source=ds.attrs.get("source", "quality"))
    _check_hemisphere(ds)
    stats = _statistics(ds)
    rows = []
    for i in np.flatnonzero(stats["cells"] == 0):
        rows.append((time[i], "empty", 0.0, 1.0))
    for i in np.flatnonzero((stats["low"] < -1e-3) | (stats["high"] > 1 + 1e-3)):
        low = stats["low"][i] < -1e-3
        rows.append((time[i], "range", stats["low" if low else "high"][i], 0.0 if low else 1.0))
    same = (np.diff(stats["extent"]) == 0) & (np.diff(stats["area"]) == 0) & (stats["extent"][1:] > 0)
    for i in np.flatnonzero(same) + 1:
        rows.append((time[i], "repeat", stats["extent"][i], stats["extent"][i - 1]))
    found = {row[0] for row in rows}
    extent = np.where(time.isin(list(found)), np.nan, stats["extent"])
    rows += _departures(pd.Series(extent, time), ds.attrs.get("cadence") or _cadence(time))
    report = pd.DataFrame([(*row, "masked") for row in rows], columns=COLUMNS)
    report = report.astype(
        {"time": time.dtype, "value": float, "limit": float}
    )  # an empty table has types too
    return report.drop_duplicates("time").sort_values("time").reset_index(drop=True)


def mask_broken(ds: xr.Dataset, report: pd.DataFrame) -> xr.Dataset:
    """Return `ds` with the steps that `report` masks set to missing: siconc NaN, `Flag.MISSING`. Lazy in, lazy out."""
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
    """Extent and area (million km2), lowest, highest and number of values of each step, from one pass."""
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


def _departures(extent: pd.Series, cadence: str) -> list[tuple]:
    """Rows of the steps whose extent departs from what the sound steps before lead to expect."""
    rows, departures, rejected = [], [], 0
    sound = pd.Series(np.nan, extent.index)
    for now, value in extent.dropna().items():
        expected = _expected(sound.loc[:now].dropna(), now, cadence)
        departure = value - expected
        noise = np.array(departures[-MEMORY[cadence] :])
        spread = (
            1.4826 * np.median(np.abs(noise - np.median(noise))) if noise.size else 0.0
        )  # of a normal distribution
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
    """Extent that the earlier sound steps lead to expect at `now`; NaN while there are too few."""
    if sound.empty:
        return np.nan
    last = sound.index[-1]
    if cadence == "daily":
        recent = sound.iloc[-DRIFT_DAYS - 1 :]
        days = np.diff(recent.index) / pd.Timedelta(days=1)
        drift = np.median(np.diff(recent) / days) if len(recent) > 1 else 0.0
        return sound.iloc[-1] + drift * ((now - last) / pd.Timedelta(days=1))
    usual_now, usual_last = (
        _usual(sound.loc[: last - pd.DateOffset(months=1)], month) for month in (now.month, last.month)
    )
    return usual_now + sound.iloc[-1] - usual_last


def _usual(sound: pd.Series, month: int) -> float:
    fewest, most = YEARS
    past = sound[sound.index.month == month].iloc[-most:]
    return float(past.median()) if len(past) >= fewest else np.nan


def _cadence(time: pd.DatetimeIndex) -> str:
    return "daily" if len(time) > 1 and (time[1:] - time[:-1]).min() < pd.Timedelta(days=2) else "monthly"


def _check_hemisphere(ds: xr.Dataset) -> None:
    hemisphere = ds.attrs.get("hemisphere")
    if "lat" in ds.coords and hemisphere in ("north", "south"):
        middle = float(np.median(ds["lat"]))
        if (middle > 0) != (hemisphere == "north"):
            source = ds.attrs.get("source", "quality")
            raise DataError(
                f"{source}: says it is of the {hemisphere}, but its median latitude is {middle:.0f}"
            )
