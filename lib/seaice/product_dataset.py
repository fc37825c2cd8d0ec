"""How is a forecast written down for others? As CF-1.11 with the attributes of ACDD-1.3."""

import json
from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from seaice import ice_area, members, product_summary
from seaice.grid import Grid
from seaice.schema import ICE_CLASSES
from seaice.steps import FREQUENCY

FORMAT = 2  # raised when the product gets another layout; older ones are then made anew
EXTENT = {"standard_name": "sea_ice_extent", "units": "1e12 m2"}
LAND = {
    "standard_name": "land_binary_mask",
    "units": "1",
    "grid_mapping": "crs",
    "coverage_content_type": "auxiliaryInformation",
}
DEGREES = 6  # decimals of latitude and longitude written: 0.1 m
CLOCK = {"units_metadata": "leap_seconds: none"}
LENGTHS = {"monthly": "P1M", "daily": "P1D"}  # ISO 8601 length of a time step


def dataset(
    fields: xr.Dataset, known: xr.Dataset, *, made_from: Mapping, flags: list[str], created: pd.Timestamp
) -> xr.Dataset:
    """Return a forecast as CF-1.11 with ACDD-1.3 attributes: `time` is the first moment of each forecast step, with bounds.

    Dims (member, ice_class, time, y, x). `sip`, `class_probability`, `member_class_probability` 0..1, NaN on land; `sea_ice_class` the most
    probable class; `siconc (member, time, y, x)` 0..1 where the networks forecast it; `sea_ice_extent` of the ensemble and
    `member_sea_ice_extent`, million km2; the temperatures and the share. Arguments as for `write`.
    """
    attrs = known.attrs
    grid = Grid.of(attrs)
    cadence = attrs.get("cadence", "monthly")
    one = pd.tseries.frequencies.to_offset(FREQUENCY[cadence])
    start = pd.DatetimeIndex(fields.valid_time.values)
    bounds = np.stack([start, start + one], axis=1)
    init = pd.Timestamp(fields.init_time.item())
    most = fields.class_probability.fillna(0).argmax("ice_class").where(~fields.land, -1).astype("int8")
    own = ice_area.extent_of_sip(fields.sip, grid.cell_area, within=fields.active)
    by_member = product_summary.extents(fields.ice_class_probability, fields.active, grid.cell_area)
    maps = ("time", "y", "x")
    made = {"coverage_content_type": "modelResult"}
    ratio = made | {"units": "1", "valid_min": np.float32(0), "valid_max": np.float32(1), "grid_mapping": "crs"}
    placed = ratio | {"coordinates": "lat lon lead_time forecast_reference_time"}
    variables = {
        "sip": (maps, fields.sip, "probability that sea ice concentration exceeds 0.15", placed),
        "class_probability": (
            ("ice_class", *maps),
            fields.class_probability,
            "probability of the ice class: calibrated mean of the members",
            placed | {"coordinates": "ice_class_name " + placed["coordinates"]},
        ),
        "member_class_probability": (
            ("member", "ice_class", *maps),
            fields.ice_class_probability,
            "probability of the ice class, by member",
            placed | {"coordinates": "ice_class_name network draw " + placed["coordinates"]},
        ),
        "sea_ice_class": (
            maps,
            most,
            "most probable ice class",
            made
            | {
                "flag_values": np.arange(-1, len(ICE_CLASSES), dtype="int8"),
                "flag_meanings": " ".join(("land", *ICE_CLASSES)),
                "grid_mapping": "crs",
                "coordinates": placed["coordinates"],
            },
        ),
        "sea_ice_extent": (("time",), own, "extent of active cells with sip above 0.5", made | EXTENT),
        "member_sea_ice_extent": (("member", "time"), by_member, "extent, by member", made | EXTENT),
        "member_temperature": (
            ("member",),
            fields.member_temperature,
            "temperature that the member's logits are divided by",
            made | {"units": "1"},
        ),
        "blend_share": ((), fields.blend_share, "share of the boosted trees in the mean", made | {"units": "1"}),
        "lead_temperature": (
            ("time",),
            fields.lead_temperature,
            "temperature that the logits of the mean are divided by",
            made | {"units": "1"},
        ),
        "land": (("y", "x"), fields.land.astype("int8"), "land", LAND),
    }
    if "siconc" in fields:
        ice = placed | {
            "standard_name": "sea_ice_area_fraction",
            "coordinates": "network draw " + placed["coordinates"],
        }
        variables["siconc"] = (("member", *maps), fields.siconc, "sea ice concentration, by member", ice)
    renamed = {"lead_time": "time"}
    data = {}
    for name, (dims, da, long_name, more) in variables.items():
        da = da.rename({k: v for k, v in renamed.items() if k in da.dims}).transpose(*dims)
        kind = "float32" if np.issubdtype(da.dtype, np.floating) else da.dtype
        data[name] = (dims, da.values.astype(kind), {"long_name": long_name, **more})
    ds = xr.Dataset(data, _coords(fields, grid, start, init))
    ds["crs"] = grid.mapping().assign_attrs(long_name="EASE-Grid 2.0")
    encode = {"units": f"days since {init:%Y-%m-%d}", "calendar": "standard", "dtype": "float64", "_FillValue": None}
    ds["time_bounds"] = (("time", "bounds"), bounds)
    for name in ("time", "time_bounds", "forecast_reference_time"):
        ds[name].encoding = dict(encode)
    for name in ("time", "forecast_reference_time"):
        ds[name].attrs |= CLOCK
    for name, what in (("lat", "latitude"), ("lon", "longitude")):
        # The last bits of PROJ's sines differ from one process to the next.
        ds[name] = ds[name].round(DEGREES).assign_attrs(ds[name].attrs, long_name=f"{what} of the cell's centre")
    for name in ds.variables:
        ds[name].encoding.setdefault(
            "_FillValue", np.float32(np.nan) if ds[name].dtype == "float32" and ds[name].ndim > 2 else None
        )
    ds.attrs = _attributes(known, grid, bounds, init, made_from=made_from, flags=flags, created=created)
    for name in ("sip", "class_probability", "member_class_probability", "sea_ice_class", "siconc"):
        if name not in ds:
            continue
        # Else xarray would write its own list of coordinates beside ours.
        ds[name].encoding["coordinates"] = ds[name].attrs.pop("coordinates")
    return ds


def _coords(fields: xr.Dataset, grid: Grid, start, init) -> dict:
    names = {k: (dims, values, attrs) for k, (dims, values, attrs) in grid.coords().items()}
    return names | {
        "time": (
            "time",
            start,
            {
                "standard_name": "time",
                "long_name": "first moment of the forecast step",
                "axis": "T",
                "bounds": "time_bounds",
            },
        ),
        "lead_time": (
            "time",
            fields.lead_time.values.astype("int32"),
            {"long_name": "forecast step; 1 begins at the reference time", "units": "1"},
        ),
        "forecast_reference_time": (
            (),
            init,
            {"standard_name": "forecast_reference_time", "long_name": "first moment not known"},
        ),
        **members.coordinates(members.of_store(fields)),
        "ice_class": (
            "ice_class",
            np.arange(len(ICE_CLASSES), dtype="int32"),
            {"long_name": "number of the ice class", "units": "1"},
        ),
        "ice_class_name": (
            "ice_class",
            np.array(ICE_CLASSES, object),
            {"long_name": "open water <= 0.15 < marginal ice < 0.80 <= full ice"},
        ),
    }


def _attributes(known, grid: Grid, bounds, init, *, made_from, flags, created) -> dict:
    lat = grid.lonlat[1]
    low, high = round(float(lat.min()), DEGREES), round(float(lat.max()), DEGREES)
    first, last = (pd.Timestamp(t) for t in (bounds[0, 0], bounds[-1, 1]))
    cadence, hemisphere = known.attrs.get("cadence", "monthly"), known.attrs["hemisphere"]
    sea = "Arctic" if hemisphere == "north" else "Antarctic"
    dois = sorted({v["doi"] for v in made_from["sources"].values() if v["doi"]})
    day = f"{pd.Timestamp(created):%Y-%m-%dT00:00:00Z}"
    return {
        "Conventions": "CF-1.11, ACDD-1.3",
        "title": f"IceNet ensemble forecast of {sea} sea ice from {init:%Y-%m-%d}",
        "summary": (
            f"Probabilities of open water, marginal ice and full ice in the {sea}, {len(bounds)} {cadence} steps "
            f"from {init:%Y-%m-%d} on, by {len(made_from['networks'])} neural networks and their calibrated mean, "
            "made with data from before that day only."
        ),
        "keywords": "EARTH SCIENCE > CRYOSPHERE > SEA ICE > SEA ICE CONCENTRATION, EARTH SCIENCE > CRYOSPHERE > SEA ICE > ICE EDGES",
        "keywords_vocabulary": "GCMD Science Keywords",
        "id": f"{made_from['run']}_{init:%Y%m%d}",
        "naming_authority": "seaice",
        "history": f"{day} made by seaice.realtime",
        "source": "; ".join(f"{k}: {v['entry']}, newest {v['newest']}" for k, v in made_from["sources"].items()),
        "references": "; ".join(["doi:10.1038/s41467-021-25257-4", *(f"doi:{doi}" for doi in dois)]),
        "processing_level": "4",
        "comment": " ".join(f"{flag}." for flag in flags) or "All inputs are complete.",
        "acknowledgement": "Andersson et al. 2021 and the providers of the data named in source",
        "license": "MIT; the data named in source have terms of their own",
        "standard_name_vocabulary": "CF Standard Name Table v85",
        "date_created": day,
        "date_modified": day,
        "creator_name": "The IceNet compendium developers",
        "creator_type": "group",
        "institution": "The IceNet compendium developers",
        "publisher_name": "The IceNet compendium developers",
        "publisher_type": "group",
        "project": "IceNet compendium",
        "product_version": str(FORMAT),
        "cdm_data_type": "Grid",
        "geospatial_lat_min": low,
        "geospatial_lat_max": high,
        "geospatial_lat_units": "degrees_north",
        "geospatial_lat_resolution": f"{grid.resolution_km:g} km",
        "geospatial_lon_min": -180.0,
        "geospatial_lon_max": 180.0,
        "geospatial_lon_units": "degrees_east",
        "geospatial_lon_resolution": f"{grid.resolution_km:g} km",
        "geospatial_bounds": f"POLYGON (({low:.2f} -180, {low:.2f} 180, {high:.2f} 180, {high:.2f} -180, {low:.2f} -180))",
        "geospatial_bounds_crs": "EPSG:4326",
        "time_coverage_start": f"{first:%Y-%m-%dT%H:%M:%SZ}",
        "time_coverage_end": f"{last:%Y-%m-%dT%H:%M:%SZ}",
        "time_coverage_duration": f"P{len(bounds)}{LENGTHS[cadence][-1]}",
        "time_coverage_resolution": LENGTHS[cadence],
        "run": made_from["run"],
        "hemisphere": hemisphere,
        "resolution_km": grid.resolution_km,
        "cadence": cadence,
        "fit_start": str(known.attrs["fit_start"]),
        "fit_end": str(known.attrs["fit_end"]),
        "network_sha256": json.dumps(made_from["networks"], sort_keys=True),
        "source_sha256": json.dumps({k: v["sha256"] for k, v in made_from["sources"].items()}, sort_keys=True),
    }
