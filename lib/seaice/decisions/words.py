"""What does a forecast say of places and seas, in sentences?"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from seaice.decisions import events, places
from seaice.steps import MONTH_NAMES, NAME, cadence_of, offset
from seaice.thresholds import FULL_ICE, ICE_EDGE

TOLD = (ICE_EDGE, FULL_ICE)  # crossings that the text tells of; the table has all
VERBS = {events.DOWN: "falls below", events.UP: "rises to"}
RARE = 0.1  # a probability below which an event "is unlikely"
SURE = 0.9
MOST_STEPS = 6  # of daily leads told; the table has all
# How often such a warning came true, a sentence of (quantity, level, kind of place, probability).
Record = Callable[[str, float, str, float], str | None]


def text(ds: xr.Dataset, *, record: Record | None = None) -> str:
    """Return the decisions of a file, see `dataset.dataset`, as text for people.

    record: says how often warnings like this came true; None for no such sentence.
    """
    cadence = cadence_of(ds.attrs)
    init = pd.Timestamp(ds["forecast_reference_time"].item())
    lines = [
        f"Dates and risks in the sea-ice forecast of {init:%Y-%m-%d} "
        f"({ds.attrs['hemisphere']}, run {ds.attrs['run']}, {ds.attrs['trajectories']} evolutions).",
        f"Data from before {init:%Y-%m-%d}. A {NAME[cadence]} stands for its mean. What is not expected "
        f"before the end of {_step(ds['time'].values[-1], cadence)} has no date.",
    ]
    for number in range(ds.sizes["place"]):
        lines += ["", *_place(ds.isel(place=number), cadence, record)]
    lines += ["", "Seas: probability that the ice area is below halfway between its means of the months of"]
    lines += ["least and of most ice (for polar bears: Stern and Laidre 2016, doi:10.5194/tc-10-2027-2016)."]
    for number in range(ds.sizes["sea"]):
        lines.append(_sea(ds.isel(sea=number), cadence))
    return "\n".join([*lines, ""])


def brief(ds: xr.Dataset) -> tuple[str, str, str, str]:
    """Return name, ice now, break-up and freeze-up at 15 % of one place (no dim place), as text."""
    cadence = cadence_of(ds.attrs)
    end = _step(ds["time"].values[-1], cadence)
    cells = []
    for event in events.EVENTS:
        chance = float(ds[f"place_{event}_by"].sel(crossing=ICE_EDGE, method="nearest").values[-1])
        dates = ds[f"place_{event}"].sel(crossing=ICE_EDGE, method="nearest").values
        if not np.isfinite(chance):
            cells.append("unknown")
        elif np.isnat(dates[1]):
            cells.append(f"{_percent(chance)} by the end of {end}")
        else:
            cells.append(f"{_step(dates[1], cadence)} ({_percent(chance)} by the end of {end})")
    return str(ds["place_name"].item()), _percent(ds["place_siconc_now"].item()), *cells


def _place(ds: xr.Dataset, cadence: str, record: Record | None) -> list[str]:
    """Return the sentences on one place."""
    name, kind = str(ds["place_name"].item()), str(ds["place_kind"].item())
    last = pd.Timestamp(ds["forecast_reference_time"].item()) - offset(cadence)
    lines = [f"{name} ({kind}): {_percent(ds['place_siconc_now'].item())} ice in {_step(last, cadence)}."]
    for crossing in (value for value in ds["crossing"].values if np.isclose(value, TOLD).any()):
        for event in events.EVENTS:
            chances = ds[f"place_{event}_by"].sel(crossing=crossing).values
            if not np.isfinite(chances).all() or not chances[-1]:
                continue
            dates = ds[f"place_{event}"].sel(crossing=crossing).values
            lines.append(f"  {_event(event, crossing, float(chances[-1]), dates, ds, cadence)}")
            told = record and record(event, float(crossing), kind, float(chances[-1]))
            lines += [f"  {told}"] if told else []
    if len(lines) == 1:
        lines.append("  No crossing of 15 or 80 % is seen in any evolution.")
    if kind in places.PASSAGES:
        chances = ds["place_open_throughout"].sel(limit=ICE_EDGE, method="nearest")
        lines.append(f"  Open (below 15 %) in every cell at once: {_chances(chances, ds, cadence)}.")
    for years in ds["years"].values:
        less = ds["place_less_than"].sel(years=years)
        if np.isfinite(less.values).all():
            lines.append(
                f"  Less ice than the mean of the last {years} years: {_chances(less, ds, cadence)}."
            )
    return lines


def _event(event: str, crossing: float, chance: float, dates: Sequence, ds: xr.Dataset, cadence: str) -> str:
    """Return a sentence on when an event happens. No date is made of what is censored."""
    what = f"Ice {VERBS[event]} {round(100 * crossing)} %"
    end = _step(ds["time"].values[-1], cadence)
    low, middle, high = dates
    if chance < RARE:
        return f"{what}: unlikely by the end of {end} ({_percent(chance)})."
    if np.isnat(middle):
        return (
            f"{what}: {_percent(chance)} by the end of {end}, {_step(low, cadence)} at the earliest (10 %)."
        )
    span = f"{_step(low, cadence)} to {'later than ' + end if np.isnat(high) else _step(high, cadence)}"
    span = f"in {_step(middle, cadence)}" + ("" if low == high else f" (10 to 90 %: {span})")
    return f"{what}: {span}." if chance >= SURE else f"{what}: {span}; {_percent(1 - chance)} not by then."


def _sea(ds: xr.Dataset, cadence: str) -> str:
    """Return a line on one sea."""
    name = str(ds["sea_name"].item()).replace("_", " ")
    if not np.isfinite(ds["sea_threshold"].item()):
        return f"  {name}: no threshold."
    chances = _chances(ds["sea_below_threshold"], ds, cadence)
    return f"  {name} (below {ds['sea_threshold'].item():.2f} million km2): {chances}."


def _chances(chances: xr.DataArray, ds: xr.Dataset, cadence: str) -> str:
    """Return probabilities by step, such as "June 10 %, July 40 %"."""
    at = np.unique(np.linspace(0, chances.size - 1, MOST_STEPS).round().astype(int))
    names = [_step(ds["time"].values[k], cadence, year=False) for k in at]
    values = [_percent(float(chances.values[k])) for k in at]
    return ", ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))


def _step(moment, cadence: str, *, year: bool = True) -> str:
    """Return the name of a step: a month, or a day."""
    moment = pd.Timestamp(moment)
    day = "" if cadence == "monthly" else f"{moment.day} "
    return f"{day}{MONTH_NAMES[moment.month - 1]}" + (f" {moment.year}" if year else "")


def _percent(share: float) -> str:
    """Return a share as a whole percentage; only what is certain is 0 or 100 %."""
    if 0 < share < 0.005:
        return "under 1 %"
    if 0.995 < share < 1:
        return "over 99 %"
    return f"{round(100 * share)} %" if np.isfinite(share) else "unknown"
