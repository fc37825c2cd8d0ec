"""What does a forecast say in numbers? Extent, edge, confidence, and how unusual that is against the record."""

import numpy as np
import pandas as pd
import xarray as xr

from seaice import extent, product_edge
from seaice.baselines import fit_period
from seaice.climate import at_months
from seaice.maps import confidence
from seaice.schema import ICE_EDGE
from seaice.verify import M_KM2, MAP

DOUBT = (0.1, 0.9)  # SIP between which a cell may go either way
DIGITS = 4  # decimals of numbers: 100 km2 of an area in million km2


def summarise(fields: xr.Dataset, known: xr.Dataset, *, flags: list[str]) -> dict:
    """Return a forecast in numbers, plain types for JSON: a row a lead, and what is to be known of the inputs.

    fields: see `ensemble.calibrated`. known: the record as of the init_time, see `arrivals.as_of`. Areas and extents in million km2.
    Extent is the area of active cells with SIP above 0.5; `members` its lowest, median and highest over the members. `normal` and
    `normal_std`: of the observed extents of that month in the fit period; `departure` from it, also in standard deviations; `trend` is the
    extrapolated line through all months known, `rank` that among all years known and the forecast, 1 the smallest extent.
    `edge_off_normal` is the area on which the forecast edge and that of the mean SIC of the fit period disagree. `doubtful` is the
    area with SIP between 0.1 and 0.9, `confidence` 1 minus the entropy in bits, mean over active cells.
    """
    init, cell = pd.Timestamp(fields.init_time.item()), float(known.attrs["resolution_km"]) ** 2 * M_KM2
    seen = known[["siconc", "active"]].assign_attrs(known.attrs).sel(time=known.indexes["time"] < init)
    past = extent.observed(seen).dropna("time")
    normal = at_months(known.siconc_climatology > ICE_EDGE, fields.valid_time).reset_coords(drop=True).compute()
    line = extent.past_trend(past, fields.valid_time, fit_end=f"{past.indexes['time'][-1]:%Y-%m-%d}")
    rows = []
    for k, lead in enumerate(fields.lead_time.values):
        one = fields.isel(lead_time=k)
        active, ice = one.active.values, (one.sip > 0.5).values & one.active.values
        valid = pd.Timestamp(one.valid_time.item())
        usual = normal.isel(lead_time=k).values & active
        of_month = past[past.time.dt.month == valid.month]
        years = fit_period(of_month, known).values
        members = extents(one.ice_class_probability, one.active, cell).values
        own = float(ice.sum() * cell)
        mean, std = (float(years.mean()), float(years.std(ddof=1))) if years.size > 1 else (np.nan, np.nan)
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
            "rank": int((of_month.values < own).sum()) + 1,
            "of_years": int(of_month.size) + 1,
            "edge_length_km": product_edge.length_km(one.sip),
            "edge_off_normal": float((ice != usual).sum() * cell),
            "doubtful": float(((one.sip > DOUBT[0]) & (one.sip < DOUBT[1])).values[active].sum() * cell),
            "confidence": float(confidence(one.sip).values[active & ~fields.land.values].mean()),
        }
        rows.append({name: _plain(value) for name, value in row.items()})
    return {
        "run": str(known.attrs.get("run", "")),
        "hemisphere": str(known.attrs["hemisphere"]),
        "init_time": f"{init:%Y-%m-%d}",
        "newest_data": f"{known.indexes['time'][known.indexes['time'] < init][-1]:%Y-%m-%d}",
        "members": int(fields.sizes["member"]),
        "fit_period": [str(known.attrs["fit_start"]), str(known.attrs["fit_end"])],
        "flags": flags,
        "leads": rows,
    }


def extents(classes: xr.DataArray, active: xr.DataArray, cell: float) -> xr.DataArray:
    """Extent by member, million km2; classes: (..., ice_class, y, x), cell: its area, million km2."""
    return (((1 - classes.isel(ice_class=0, drop=True)) > 0.5) & active).sum(MAP) * cell


def _plain(value):
    """Numbers rounded, None for what is not known: JSON has no NaN."""
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return round(value, DIGITS) if np.isfinite(value) else None
    return value


def text(summary: dict) -> str:
    """Write a summary for people."""
    lines = [
        f"Sea-ice forecast of {summary['init_time']} ({summary['hemisphere']}, run {summary['run']}, {summary['members']} networks)",
        f"Newest data used: {summary['newest_data']}. Normal: {summary['fit_period'][0]} to {summary['fit_period'][1]}. "
        "Extents and areas in million km2.",
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
    said = []
    for row in summary["leads"]:
        if row["rank"] == 1:
            said.append(f"{row['valid_time']}: the smallest extent of {row['of_years']} years of this month.")
        elif row["rank"] == row["of_years"]:
            said.append(f"{row['valid_time']}: the largest extent of {row['of_years']} years of this month.")
    said += [f"Flag: {flag}." for flag in summary["flags"]] or ["No flags: all inputs are complete."]
    return said
