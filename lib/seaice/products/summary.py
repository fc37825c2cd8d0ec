"""What does a forecast say in numbers?

Extent, edge and confidence, and how unusual they are compared with the record.
"""

import numpy as np
import pandas as pd
import xarray as xr

from seaice.forecasts.probabilities import confidence
from seaice.geo import ice_area
from seaice.grid import Grid
from seaice.prepare.normals import at_normal
from seaice.products import edge as products_edge
from seaice.steps import NAME, cadence, fit_period
from seaice.thresholds import ICE_EDGE, SIP_EDGE
from seaice.verify import extent as verify_extent

DOUBT = (0.1, 0.9)  # SIP between which it is doubtful whether a cell has ice
DECIMALS = 4  # decimals of numbers: 100 km2 of an area in million km2
FEWEST = 5  # years; with fewer, spread and extremes do not tell what is unusual


def summarise(fields: xr.Dataset, record: xr.Dataset, *, flags: list[str]) -> dict:
    """Return a forecast in numbers, as plain types for JSON: one row for each lead, and the inputs.

    fields: see `ensemble.calibrated`. record: as it was known at the init_time, see
    `known_at.as_of`.
    flags: what a reader should know of the inputs. Areas and extents are in million km2.
    extent: area of the active cells with SIP above 0.5. members: its lowest, median and highest
    value over the members. normal, normal_std: mean and standard deviation of the observed extents
    of the same month, or day of the year, in the fit period; the latter needs `FEWEST` years.
    departure: difference from the normal; departure_in_std: the same in standard deviations. trend:
    value of the linear trend through all known extents of the month, extrapolated. rank: rank of
    the forecast among all known years and itself, 1 for the smallest extent.
    A daily record is short. In a daily run the normal is therefore the mean extent of the ten years
    before: the area of the active cells times their frequency of ice. The trend is the extent of
    the day's trend field. Both come from a monthly record (see `normals`).
    edge_off_normal: area on which forecast edge and edge of the normal SIC disagree. doubtful: area
    with SIP between 0.1 and 0.9. confidence: 1 minus the entropy in bits, mean over active cells.
    """
    init = pd.Timestamp(fields.init_time.item())
    past = _extent(record.siconc.sel(time=record.indexes["time"] < init), record).dropna("time")
    normal = at_normal(record.siconc_climatology, fields.valid_time, cadence=cadence(record)).compute()
    trend = _trend(past, record, fields.valid_time).values
    rows = [
        _row(fields.isel(lead_time=k), record, past, normal.isel(lead_time=k), float(trend[k]))
        for k in range(fields.sizes["lead_time"])
    ]
    return {
        "run": str(record.attrs.get("run", "")),
        "hemisphere": str(record.attrs["hemisphere"]),
        "cadence": cadence(record),
        "init_time": f"{init:%Y-%m-%d}",
        "newest_data": f"{record.indexes['time'][record.indexes['time'] < init][-1]:%Y-%m-%d}",
        "members": int(fields.sizes["member"]),
        "fit_period": [str(record.attrs["fit_start"]), str(record.attrs["fit_end"])],
        "flags": flags,
        "leads": rows,
    }


def _row(
    fields: xr.Dataset, record: xr.Dataset, past: xr.DataArray, normal: xr.DataArray, trend: float
) -> dict:
    """Return the numbers of one lead, see `summarise`.

    fields: of the lead. past: observed extent (time), million km2. normal: mean SIC (y, x) of the
    month or day. trend: extent, million km2.
    """
    cell, valid = Grid.of(record.attrs).cell_area, pd.Timestamp(fields.valid_time.item())
    active = fields.active.values
    ice, normal_ice = (fields.sip > SIP_EDGE).values & active, (normal.values > ICE_EDGE) & active
    same_time = past[_same_of_the_year(past.indexes["time"], valid, cadence(record))]
    years = fit_period(same_time, record).values
    members = extents(fields.ice_class_probability, fields.active, cell).values
    extent = float(ice_area.extent_of_sip(fields.sip, cell, within=fields.active))
    if cadence(record) == "monthly":
        mean = _normal_extent(years)
    else:
        mean = float(record.ice_frequency.sel(time=valid).values[active].sum() * cell)
    std = float(years.std(ddof=1)) if years.size >= FEWEST else np.nan
    doubtful = ((fields.sip > DOUBT[0]) & (fields.sip < DOUBT[1])).values[active]
    row = {
        "lead_time": int(fields.lead_time),
        "valid_time": f"{valid:%Y-%m-%d}",
        "extent": extent,
        "members": [float(np.min(members)), float(np.median(members)), float(np.max(members))],
        "normal": mean,
        "normal_std": std,
        "departure": extent - mean,
        "departure_in_std": (extent - mean) / std if std > 0 else np.nan,
        "trend": trend,
        "rank": int((same_time.values < extent).sum()) + 1,
        "of_years": int(same_time.size) + 1,
        "edge_length_km": products_edge.length_km(fields.sip),
        "edge_off_normal": float((ice != normal_ice).sum() * cell),
        "doubtful": float(doubtful.sum() * cell),
        "confidence": float(confidence(fields.sip).values[active & ~fields.land.values].mean()),
    }
    return {name: _plain(value) for name, value in row.items()}


def _normal_extent(years: np.ndarray) -> float:
    """Return the mean of the extents of some years; NaN if there are none."""
    return float(years.mean()) if years.size else np.nan


def _extent(siconc: xr.DataArray, record: xr.Dataset) -> xr.DataArray:
    """Return the observed extent (time) of SIC (time, y, x), million km2."""
    return verify_extent.observed(record[["active"]].assign(siconc=siconc).assign_attrs(record.attrs))


def _trend(past: xr.DataArray, record: xr.Dataset, valid: xr.DataArray) -> xr.DataArray:
    """Return the extent (lead_time) that follows from past years, million km2.

    It is the trend line of each month, or the extent of the day's trend field.
    """
    if cadence(record) == "monthly":
        return verify_extent.past_trend(past, valid, fit_end=f"{past.indexes['time'][-1]:%Y-%m-%d}")
    return _extent(record.siconc_trend.sel(time=valid.values), record)


def _same_of_the_year(time: pd.DatetimeIndex, valid: pd.Timestamp, cadence: str) -> np.ndarray:
    """Return True for the steps of `time` in the month, or on the day of the year, of `valid`."""
    return (time.month == valid.month) & (cadence == "monthly" or time.day == valid.day)


def extents(classes: xr.DataArray, active: xr.DataArray, cell: float) -> xr.DataArray:
    """Return the extent of each member, million km2.

    classes: probabilities (..., ice_class, y, x). cell: area of a cell, million km2.
    """
    return ice_area.extent_of_sip(1 - classes.isel(ice_class=0, drop=True), cell, within=active)


def _plain(value):
    """Return a value for JSON: numbers rounded, and None for NaN, which JSON does not have."""
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return round(value, DECIMALS) if np.isfinite(value) else None
    return value


def text(summary: dict) -> str:
    """Return a summary as text for people."""
    first, last = summary["fit_period"]
    monthly = summary["cadence"] == "monthly"
    normal = f"{first} to {last}" if monthly else "months of the ten years before, carried on by day"
    lines = [
        f"Sea-ice forecast of {summary['init_time']} "
        f"({summary['hemisphere']}, run {summary['run']}, {summary['members']} networks)",
        f"Newest data used: {summary['newest_data']}. Normal: {normal}. Extents and areas in million km2.",
        "",
        "valid from  extent  members        normal  departure  (std)  rank       "
        "edge off normal  doubtful  confidence",
    ]
    for row in summary["leads"]:
        low, _, high = row["members"]
        lines.append(
            f"{row['valid_time']}  {row['extent']:6.2f}  {low:5.2f}..{high:5.2f}  "
            f"{_number(row['normal'], '6.2f')}  "
            f"{_number(row['departure'], '+9.2f')}  {_number(row['departure_in_std'], '+5.1f')}  "
            f"{row['rank']:3d} of {row['of_years']:<3d} {row['edge_off_normal']:15.2f}  "
            f"{row['doubtful']:8.2f}  {row['confidence']:10.2f}"
        )
    lines += ["", *_sentences(summary), ""]
    return "\n".join(lines)


def _number(value: float | None, form: str) -> str:
    """Return a number as text, or a dash of the same width for None."""
    return "-".rjust(int(form.lstrip("+").split(".")[0])) if value is None else f"{value:{form}}"


def _sentences(summary: dict) -> list[str]:
    """Return sentences about records and flags."""
    sentences, step = [], NAME[summary["cadence"]]
    for row in (row for row in summary["leads"] if row["of_years"] > FEWEST):
        if row["rank"] == 1:
            sentences.append(
                f"{row['valid_time']}: the smallest extent of {row['of_years']} years of this {step}."
            )
        elif row["rank"] == row["of_years"]:
            sentences.append(
                f"{row['valid_time']}: the largest extent of {row['of_years']} years of this {step}."
            )
    sentences += [f"Flag: {flag}." for flag in summary["flags"]] or ["No flags: all inputs are complete."]
    return sentences
