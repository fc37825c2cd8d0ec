"""What does a forecast product consist of? CF NetCDF and Zarr, the edge as GeoJSON, maps, a summary, a file for MeshiPhi."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr

from seaice import catalog, product_dataset, product_edge, product_maps, product_meshiphi, product_summary
from seaice.derive import ICE as DERIVED
from seaice.figure_style import save
from seaice.grid import Grid
from seaice.schema import DataError
from seaice.steps import AHEAD, cadence, offset

NETCDF, ZARR, EDGE, MAP, ANIMATION, TEXT, NUMBERS = (
    "forecast.nc",
    "forecast.zarr",
    "edge.geojson",
    "map.png",
    "animation.gif",
    "summary.txt",
    "summary.json",
)


def write(
    fields: xr.Dataset,
    known: xr.Dataset,
    folder: Path,
    *,
    made_from: Mapping,
    flags: list[str],
    created: pd.Timestamp,
) -> None:
    """Write all files of a product into an empty folder; of daily concentrations also the file that MeshiPhi reads.

    fields: see `ensemble.calibrated`. known: the record as of the init_time. made_from: what is noted of networks and data.
    flags: what a reader should know of the inputs. created: the day of making; apart from it the files follow from the rest alone.
    """
    summary = product_summary.summarise(fields, known, flags=flags)
    ds = product_dataset.dataset(fields, known, made_from=made_from, flags=flags, created=created)
    packed = {n: {"zlib": True, "complevel": 4, "shuffle": True} for n, da in ds.data_vars.items() if da.ndim > 1}
    ds.to_netcdf(folder / NETCDF, engine="netcdf4", encoding=packed)
    ds.to_zarr(folder / ZARR, zarr_format=3, consolidated=False)
    if "siconc" in fields and known.attrs.get("cadence") == "daily":
        product_meshiphi.write(fields, folder, attrs=ds.attrs)
    grid = Grid.of(known.attrs)
    about = {"name": f"ice edge forecast of {summary['init_time']}", "init_time": summary["init_time"]}
    edges = product_edge.collection(fields.sip.assign_coords(valid_time=fields.valid_time), grid, properties=about)
    (folder / EDGE).write_text(product_edge.dumps(edges), encoding="utf-8")
    (folder / NUMBERS).write_text(json.dumps(summary, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    (folder / TEXT).write_text(product_summary.text(summary), encoding="utf-8")
    figure = product_maps.sheet(fields, known)
    save(figure, folder / MAP)
    plt.close(figure)
    product_maps.animate(fields, known, folder / ANIMATION)


def digest(known: xr.Dataset) -> str:
    """SHA-256 over what of the record, as of an init_time, goes into a product's numbers besides the networks' inputs."""
    content = hashlib.sha256()
    for name in ("siconc", "siconc_trend", "siconc_climatology", "active", "land"):
        content.update(np.ascontiguousarray(known[name].values))
    # The normal that a summary holds days against: of those ahead, of which a record as of a moment has all.
    if cadence(known) == "daily":
        content.update(np.ascontiguousarray(known.ice_frequency.isel(time=slice(-AHEAD["daily"], None)).values))
    content.update(json.dumps([str(known.indexes["time"][0]), {k: str(v) for k, v in known.attrs.items()}]).encode())
    return content.hexdigest()


def sources(
    window: xr.Dataset,
    init_time: pd.Timestamp,
    entries: Mapping[str, str],
    *,
    newer: Mapping[str, str] | None = None,
    arrived: Mapping[str, pd.DatetimeIndex] | None = None,
) -> dict[str, dict]:
    """What the networks were given, by variable: catalogue entry, DOI, newest step that has a value, and SHA-256 of the steps used.

    window: the steps that the channels reach, of the record as of init_time. newer: by variable the entry that continues the run's own;
    what came from it is told apart under "<variable>, continued". arrived: by variable the steps that are not the store's.
    """
    past, found = window.sel(time=window.indexes["time"] < init_time), {}
    for name in ["siconc", *sorted(n for n, da in window.data_vars.items() if "time" in da.dims and n not in DERIVED)]:
        if name not in entries:
            continue
        later, time = (newer or {}).get(name, entries[name]), past.indexes["time"]
        new = (arrived or {}).get(name, time[:0])
        new = new[new < init_time] if later != entries[name] else new[:0]
        # The run's own entry is in every forecast, in what was fitted to it, even where no channel reaches it any more.
        found[name] = _source(entries[name], past[name][~time.isin(new)])
        if found[name]["newest"] is None and len(new):
            found[name]["newest"] = f"{new[0] - offset(cadence(window)):%Y-%m-%d}"
        if time.isin(new).any():
            found[f"{name}, continued"] = _source(later, past[name][time.isin(new)])
    return found


def _source(entry: str, values: xr.DataArray) -> dict:
    seen = values.indexes["time"][np.isfinite(values.values).any(axis=(1, 2))]
    try:
        doi = str(catalog.metadata(entry).get("doi", ""))
    except DataError:
        doi = ""
    return {
        "entry": entry,
        "doi": doi,
        "newest": f"{seen[-1]:%Y-%m-%d}" if len(seen) else None,
        "sha256": hashlib.sha256(np.ascontiguousarray(values.values)).hexdigest(),
    }
