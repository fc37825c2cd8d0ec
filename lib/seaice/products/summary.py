"""What does a forecast say in numbers? Extent, edge, confidence, and how unusual that is against the record."""

import numpy as np
import pandas as pd
import xarray as xr

from seaice.forecasts.probabilities import confidence
from seaice.geo import ice_area
from seaice.grid import Grid
from seaice.prepare.normals import at_normal
from seaice.products import edge as products_edge
from seaice.schema import ICE_EDGE, SIP_EDGE
from seaice.steps import NAME, cadence, fit_period
from seaice.verify import extent as verify_extent

DOUBT = (0.1, 0.9)  # SIP between which a cell may go either way
DECIMALS = 4  # decimals of numbers: 100 km2 of an area in million km2
FEWEST = 5  # years, fewest whose spread, and whose least and most, say what is unusual


def summarise(fields: xr.Dataset, known: xr.Dataset, *, flags: list[str]) -> dict:
    """Return a forecast in numbers, plain types for JSON: a row a lead, and what is to be known of the inputs.

    fields: see `ensemble.calibrated`. known: the record as of the init_time, see `known_at.as_of`. Areas and extents in million km2.
    Extent is the area of active cells with SIP above 0.5; `members` its lowest, median and highest over the members. `normal` and
    `normal_std`: mean and standard deviation of the observed extents of that month, or day of the year, in the fit period, the latter of
    `FEWEST` years or more; `departure` from it, also in standard deviations; `trend` is the extrapolated line through all months known,
    `rank` that among all years known and the forecast, 1 the smallest extent. A daily record is short: there `normal` is the mean extent of
    the ten years before, as the area of active cells times their frequency of ice, and `trend` the extent of the day's trend; both
    come from a monthly record (see `normals`).
    `edge_off_normal` is the area on which the forecast edge and that of the normal SIC disagree. `doubtful` is the
    area with SIP between 0.1 and 0.9, `confidence` 1 minus the entropy in bits, mean over active cells.
    """
    init, cell = pd.Timestamp(fields.init_time.item()), Grid.of(known.attrs).cell_area
    past = _extent(known.siconc.sel(time=known.indexes["time"] < init), known).dropna("time")
    normal = at_normal(known.siconc_climatology, fields.valid_time, cadence=cadence(known)).compute()
    line, daily = _trend(past, known, fields.valid_time), cadence(known) != "monthly"
    rows = []
    for k, lead in enumerate(fields.lead_time.values):
        one = fields.isel(lead_time=k)
        active, ice = one.active.values, (one.sip > SIP_EDGE).values & one.active.values
        valid = pd.Timestamp(one.valid_time.item())
        usual = (normal.isel(lead_time=k).values > ICE_EDGE) & active
        of_step = past[_same_of_the_year(past.indexes["time"], valid, cadence(known))]
        years = fit_period(of_step, known).values
        members = extents(one.ice_class_probability, one.active, cell).values
        own = float(ice_area.extent_of_sip(one.sip, cell, within=one.active))
        frequency = known.ice_frequency.sel(time=valid).values if daily else None
        mean = _normal_extent(years) if frequency is None else float(frequency[active].sum() * cell)
        std = float(years.std(ddof=1)) if years.size >= FEWEST else np.nan
        row = {
            "lead_time": int(lead),
            "valid_time": f"{valid:%Y-%m-%d}",
            "extent": own,
            "members": [float(np.min(members)), float(np.median(members)), float(np.max(members))],
            "normal": mean,
            "normal_std": std,
            "departure": own - mean,
            "departure_in_std": (own - mean) / std if std > 0 else np.nan,
            "trend": float(line.values[k]),
            "rank": int((of_step.values < own).sum()) + 1,
            "of_years": int(of_step.size) + 1,
            "edge_length_km": products_edge.length_km(one.sip),
            "edge_off_normal": float((ice != usual).sum() * cell),
            "doubtful": float(((one.sip > DOUBT[0]) & (one.sip < DOUBT[1])).values[active].sum() * cell),
            "confidence": float(confidence(one.sip).values[active & ~fields.land.values].mean()),
        }
        rows.append({name: _plain(value) for name, value in row.items()})
    return {
        "run": str(known.attrs.get("run", "")),
        "hemisphere": str(known.attrs["hemisphere"]),
        "cadence": cadence(known),
        "init_time": f"{init:%Y-%m-%d}",
        "newest_data": f"{known.indexes['time'][known.indexes['time'] < init][-1]:%Y-%m-%d}",
        "members": int(fields.sizes["member"]),
        "fit_period": [str(known.attrs["fit_start"]), str(known.attrs["fit_end"])],
        "flags": flags,
        "leads": rows,
    }


def _normal_extent(years: np.ndarray) -> float:
    """Mean of the extents of some years; NaN without any."""
    return float(years.mean()) if years.size else np.nan


def _extent(siconc: xr.DataArray, known: xr.Dataset) -> xr.DataArray:
    return verify_extent.observed(known[["active"]].assign(siconc=siconc).assign_attrs(known.attrs))


def _trend(past: xr.DataArray, known: xr.Dataset, valid: xr.DataArray) -> xr.DataArray:
    """Extent (lead_time) that the years known lead to expect: each month's line, or the extent of the day's trend."""
    if cadence(known) == "monthly":
        return verify_extent.past_trend(past, valid, fit_end=f"{past.indexes['time'][-1]:%Y-%m-%d}")
    return _extent(known.siconc_trend.sel(time=valid.values), known)


def _same_of_the_year(time: pd.DatetimeIndex, valid: pd.Timestamp, cadence: str) -> np.ndarray:
    """True for the steps of `time` that are of the month, or day of the year, of `valid`."""
    return (time.month == valid.month) & (cadence == "monthly" or time.day == valid.day)


def extents(classes: xr.DataArray, active: xr.DataArray, cell: float) -> xr.DataArray:
    """Extent by member, million km2; classes: (..., ice_class, y, x), cell: its area, million km2."""
    return ice_area.extent_of_sip(1 - classes.isel(ice_class=0, drop=True), cell, within=active)


def _plain(value):
    """Numbers rounded, None for what is not known: JSON has no NaN."""
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return round(value, DECIMALS) if np.isfinite(value) else None
    return value


def text(summary: dict) -> str:
    """Write a summary for people."""
    first, last = summary["fit_period"]
    monthly = summary["cadence"] == "monthly"
    normal = f"{first} to {last}" if monthly else "months of the ten years before, carried on by day"
    lines = [
        f"Sea-ice forecast of {summary['init_time']} ({summary['hemisphere']}, run {summary['run']}, {summary['members']} networks)",
        f"Newest data used: {summary['newest_data']}. Normal: {normal}. Extents and areas in million km2.",
        "",
        "valid from  extent  members        normal  departure  (std)  rank       edge off normal  doubtful  confidence",
    ]
    for row in summary["leads"]:
        low, _, high = row["members"]
        lines.append(
            f"{row['valid_time']}  {row['extent']:6.2f}  {low:5.2f}..{high:5.2f}  {_number(row['normal'], '6.2f')}  "
            f"{_number(row['departure'], '+9.2f')}  {_number(row['departure_in_std'], '+5.1f')}  "
            f"{row['rank']:3d} of {row['of_years']:<3d} {row['edge_off_normal']:15.2f}  {row['doubtful']:8.2f}  {row['confidence']:10.2f}"
        )
    lines += ["", *_sentences(summary), ""]
    return "\n".join(lines)


def _number(value: float | None, form: str) -> str:
    return "-".rjust(int(form.lstrip("+").split(".")[0])) if value is None else f"{value:{form}}"


def _sentences(summary: dict) -> list[str]:
    said, step = [], NAME[summary["cadence"]]
    for row in (row for row in summary["leads"] if row["of_years"] > FEWEST):
        if row["rank"] == 1:
            said.append(
                f"{row['valid_time']}: the smallest extent of {row['of_years']} years of this {step}."
            )
        elif row["rank"] == row["of_years"]:
            said.append(f"{row['valid_time']}: the largest extent of {row['of_years']} years of this {step}.")
    said += [f"Flag: {flag}." for flag in summary["flags"]] or ["No flags: all inputs are complete."]
    return said
