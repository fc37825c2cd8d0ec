"""What was a product made from? A digest of the record, and the sources of what the networks were given."""

import hashlib
import json
from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.prepare.derive import ICE
from seaice.sources import catalog
from seaice.steps import AHEAD, cadence, offset


def digest(known: xr.Dataset) -> str:
    """SHA-256 over what of the record, as of an init_time, goes into a product's numbers besides the networks' inputs."""
    content = hashlib.sha256()
    for name in ("siconc", "siconc_trend", "siconc_climatology", "active", "land"):
        content.update(np.ascontiguousarray(known[name].values))
    # The normal that a summary holds days against: of those ahead, of which a record as of a moment has all.
    if cadence(known) == "daily":
        content.update(
            np.ascontiguousarray(known.ice_frequency.isel(time=slice(-AHEAD["daily"], None)).values)
        )
    content.update(
        json.dumps([str(known.indexes["time"][0]), {k: str(v) for k, v in known.attrs.items()}]).encode()
    )
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
    for name in [
        "siconc",
        *sorted(n for n, da in window.data_vars.items() if "time" in da.dims and n not in ICE),
    ]:
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
