"""How is a forecast written for others? As CF-1.11 with the attributes of ACDD-1.3."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from seaice import cf
from seaice.forecasts import members as forecasts_members
from seaice.geo import ice_area
from seaice.grid import Grid
from seaice.products import summary as products_summary
from seaice.schema import ICE_CLASSES
from seaice.steps import FREQUENCY

ATTRIBUTES = Path(__file__).with_name("dataset.yml")
FORMAT = 3  # raised when the layout of products changes; older products are then made anew
DEGREES = 6  # decimals of latitude and longitude written: 0.1 m
STEP = {"monthly": "M", "daily": "D"}  # ISO 8601 designator of a time step


def dataset(
    fields: xr.Dataset, record: xr.Dataset, *, made_from: Mapping, flags: list[str], created: pd.Timestamp
) -> xr.Dataset:
    """Return a forecast as a dataset with CF-1.11 and ACDD-1.3 attributes.

    Dims (member, ice_class, time, y, x). `time` is the first moment of each forecast step, with
    bounds. `sip`, `class_probability` and `member_class_probability` are 0..1, NaN on land.
    `sea_ice_class` is the most probable class. `siconc (member, time, y, x)`, 0..1, is there if the
    networks forecast it. `sea_ice_extent` is that of the ensemble, `member_sea_ice_extent` that of
    each member, million km2. The numbers of the calibration and the share of the blend are there.
    Arguments: as for `product.write`.
    """
    grid = Grid.of(record.attrs)
    cadence = record.attrs.get("cadence", "monthly")
    start = pd.DatetimeIndex(fields.valid_time.values)
    bounds = np.stack([start, start + pd.tseries.frequencies.to_offset(FREQUENCY[cadence])], axis=1)
    most_probable = fields.class_probability.fillna(0).argmax("ice_class").where(~fields.land, -1)
    maps = {
        "sip": fields.sip,
        "class_probability": fields.class_probability,
        "member_class_probability": fields.ice_class_probability,
        "sea_ice_class": most_probable,
        "sea_ice_extent": ice_area.extent_of_sip(fields.sip, grid.cell_area, within=fields.active),
        "member_sea_ice_extent": products_summary.extents(
            fields.ice_class_probability, fields.active, grid.cell_area
        ),
        "member_temperature": fields.member_temperature,
        "blend_share": fields.blend_share,
        "lead_temperature": fields.lead_temperature,
        "odds_shift": fields.odds_shift,
        "odds_slope": fields.odds_slope,
        "land": fields.land,
    }
    if "siconc" in fields:
        maps["siconc"] = fields.siconc
    dims = cf.dims(ATTRIBUTES)
    values = {name: _ordered(da, dims[name]) for name, da in maps.items()}
    words = _words(record, grid, bounds, fields, made_from=made_from, flags=flags, created=created)
    return cf.dataset(ATTRIBUTES, values | _coords(fields, grid, start) | {"time_bounds": bounds}, **words)


def _ordered(da: xr.DataArray, dims: tuple[str, ...]) -> np.ndarray:
    """Return values with their dimensions in this order.

    The dimension `time` of a product is `lead_time` in the forecast.
    """
    return da.transpose(*("lead_time" if name == "time" else name for name in dims)).values


def _coords(fields: xr.Dataset, grid: Grid, start: pd.DatetimeIndex) -> dict:
    """Return the coordinates of a product: grid, time, members and classes."""
    on_grid = grid.coords()
    for name in ("lat", "lon"):
        # The last bits of PROJ's sines differ from one process to another.
        dims, degrees, attrs = on_grid[name]
        on_grid[name] = dims, degrees.round(DEGREES), attrs
    return on_grid | {
        "time": start,
        "lead_time": fields.lead_time.values,
        "forecast_reference_time": fields.init_time.values,
        **forecasts_members.coordinates(forecasts_members.of_store(fields)),
        "ice_class": np.arange(len(ICE_CLASSES)),
        "ice_class_name": np.array(ICE_CLASSES, object),
        "crs": grid.mapping(),
    }


def _words(record, grid: Grid, bounds, fields, *, made_from, flags, created) -> dict:
    """Return the values of the placeholders in the product's attributes."""
    low, high = (round(float(end), DEGREES) for end in (grid.lonlat[1].min(), grid.lonlat[1].max()))
    sources, init = made_from["sources"], pd.Timestamp(fields.init_time.item())
    dois = sorted({source["doi"] for source in sources.values() if source["doi"]})
    cadence = record.attrs.get("cadence", "monthly")
    return {
        "sea": "Arctic" if grid.hemisphere == "north" else "Antarctic",
        "init": f"{init:%Y-%m-%d}",
        "id": f"{made_from['run']}_{init:%Y%m%d}",
        "run": made_from["run"],
        "hemisphere": grid.hemisphere,
        "resolution_km": grid.resolution_km,
        "cadence": cadence,
        "step": STEP[cadence],
        "n_leads": len(bounds),
        "n_networks": len(made_from["networks"]),
        "first": pd.Timestamp(bounds[0, 0]),
        "last": pd.Timestamp(bounds[-1, 1]),
        "low": low,
        "high": high,
        "day": f"{pd.Timestamp(created):%Y-%m-%dT00:00:00Z}",
        "format": str(FORMAT),
        "source": "; ".join(f"{name}: {s['entry']}, newest {s['newest']}" for name, s in sources.items()),
        "references": "".join(f"; doi:{doi}" for doi in dois),
        "comment": " ".join(f"{flag}." for flag in flags) or "All inputs are complete.",
        "fit_start": str(record.attrs["fit_start"]),
        "fit_end": str(record.attrs["fit_end"]),
        "network_sha256": json.dumps(made_from["networks"], sort_keys=True),
        "source_sha256": json.dumps({name: s["sha256"] for name, s in sources.items()}, sort_keys=True),
    }
