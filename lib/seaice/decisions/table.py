"""Which numbers does a forecast give of each place and sea? One long table."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import xarray as xr

from seaice.decisions import events, places
from seaice.steps import STAMP, cadence_of

COLUMNS = [
    *("name", "kind", "quantity", "level", "lead_time", "valid_time"),
    *("low", "median", "high", "probability"),
]
NONE = "none"  # in place of a date: not within the forecast
DECIMALS = 4


def table(ds: xr.Dataset) -> pd.DataFrame:
    """Return the decisions of a file, see `dataset.dataset`, as rows of `COLUMNS`.

    quantity: `siconc`, `below`, `open_throughout` (straits and routes), `less_than_last`,
    `break_up`, `freeze_up`, `steps_below`; of seas `area` and `below_threshold`. level: SIC, or the
    number of last years, or the threshold of the area (million km2). low, median, high: quantiles
    0.1, 0.5, 0.9; of an event the months or days, `none` where it is censored. probability: 0..1,
    of an event: that it happens within the forecast. `less_than_last` has the departure of the
    median from the last years as its median.
    """
    stamp = STAMP[cadence_of(ds.attrs)]
    rows = [row for number in range(ds.sizes["place"]) for row in _place(ds.isel(place=number), stamp)]
    rows += [row for number in range(ds.sizes["sea"]) for row in _sea(ds.isel(sea=number), stamp)]
    return pd.DataFrame(rows, columns=COLUMNS)


def csv(ds: xr.Dataset) -> str:
    """Return `table` as CSV text; the same decisions always give the same text."""
    return table(ds).to_csv(index=False, lineterminator="\n")


def _place(ds: xr.Dataset, stamp: str) -> Iterator[tuple]:
    """Yield the rows of one place."""
    about = (str(ds["place_name"].item()), str(ds["place_kind"].item()))
    yield from _by_lead(about, "siconc", "", ds, stamp, spread=ds["place_siconc"])
    for limit in ds["limit"].values:
        chance = ds["place_probability_below"].sel(limit=limit)
        yield from _by_lead(about, "below", _level(limit), ds, stamp, probability=chance)
    if about[1] in places.PASSAGES:
        for limit in ds["limit"].values:
            chance = ds["place_open_throughout"].sel(limit=limit)
            yield from _by_lead(about, "open_throughout", _level(limit), ds, stamp, probability=chance)
    for years in ds["years"].values:
        departure, chance = (ds[f"place_{name}"].sel(years=years) for name in ("departure", "less_than"))
        options = {"probability": chance, "median": departure}
        yield from _by_lead(about, "less_than_last", int(years), ds, stamp, **options)
    for event in events.EVENTS:
        for crossing in ds["crossing"].values:
            dates = [date(moment, stamp) for moment in ds[f"place_{event}"].sel(crossing=crossing).values]
            chance = _number(ds[f"place_{event}_by"].sel(crossing=crossing).values[-1])
            if chance == "":
                dates = [""] * 3
            yield (*about, event, _level(crossing), "", "", *dates, chance)
    for limit in ds["limit"].values:
        steps = [_number(value) for value in ds["place_steps_below"].sel(limit=limit).values]
        yield (*about, "steps_below", _level(limit), "", "", *steps, "")


def _sea(ds: xr.Dataset, stamp: str) -> Iterator[tuple]:
    """Yield the rows of one sea."""
    about = (str(ds["sea_name"].item()), "sea")
    yield from _by_lead(about, "area", "", ds, stamp, spread=ds["sea_area"])
    threshold = _number(ds["sea_threshold"].item())
    chance = ds["sea_below_threshold"]
    yield from _by_lead(about, "below_threshold", threshold, ds, stamp, probability=chance)


def _by_lead(about, quantity, level, ds, stamp, *, spread=None, probability=None, median=None) -> Iterator:
    """Yield a row for each lead."""
    for k, (lead, moment) in enumerate(zip(ds["lead_time"].values, ds["time"].values, strict=True)):
        low, middle, high = ("", "", "") if spread is None else map(_number, spread.values[:, k])
        middle = middle if median is None else _number(median.values[k])
        chance = "" if probability is None else _number(probability.values[k])
        yield (*about, quantity, level, int(lead), date(moment, stamp), low, middle, high, chance)


def date(moment: np.datetime64, stamp: str) -> str:
    """Return a moment as text, `NONE` for no moment."""
    return NONE if np.isnat(moment) else f"{pd.Timestamp(moment):{stamp}}"


def _level(value: float) -> str:
    """Return a concentration with two decimals."""
    return f"{value:.2f}"


def _number(value: float) -> float | str:
    """Return a rounded number, or nothing for a missing one."""
    return round(float(value), DECIMALS) if np.isfinite(value) else ""
