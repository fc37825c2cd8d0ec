"""What was a product made from?

A digest of the record, and the sources of the data that the networks were given.
"""

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


def digest(record: xr.Dataset) -> str:
    """Return the SHA-256 of those parts of the record that a product's numbers depend on.

    record: as it was known at an init_time. The inputs of the networks are not part of it; they
    have a digest of their own.
    """
    content = hashlib.sha256()
    for name in ("siconc", "siconc_trend", "siconc_climatology", "active", "land"):
        content.update(np.ascontiguousarray(record[name].values))
    # A summary compares days with this normal. The record as it was known has all days ahead.
    if cadence(record) == "daily":
        content.update(
            np.ascontiguousarray(record.ice_frequency.isel(time=slice(-AHEAD["daily"], None)).values)
        )
    content.update(
        json.dumps([str(record.indexes["time"][0]), {k: str(v) for k, v in record.attrs.items()}]).encode()
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
    """Return the sources of the data that the networks were given, by variable.

    A source has the catalogue entry, the DOI, the newest step that has a value, and the SHA-256 of
    the steps used. window: the steps that the channels reach, of the record as it was known at
    init_time.
    entries: catalogue entries by variable. newer: by variable, the entry that continues the run's
    own; data that came from it are listed under "<variable>, continued". arrived: by variable, the
    steps that are not in the store.
    """
    past, by_variable = window.sel(time=window.indexes["time"] < init_time), {}
    for name in [
        "siconc",
        *sorted(n for n, da in window.data_vars.items() if "time" in da.dims and n not in ICE),
    ]:
        if name not in entries:
            continue
        newer_entry, time = (newer or {}).get(name, entries[name]), past.indexes["time"]
        continued = (arrived or {}).get(name, time[:0])
        continued = continued[continued < init_time] if newer_entry != entries[name] else continued[:0]
        # Every forecast depends on the run's own entry, to which its models were fitted, even if no
        # channel reaches it any more.
        by_variable[name] = _source(entries[name], past[name][~time.isin(continued)])
        if by_variable[name]["newest"] is None and len(continued):
            by_variable[name]["newest"] = f"{continued[0] - offset(cadence(window)):%Y-%m-%d}"
        if time.isin(continued).any():
            by_variable[f"{name}, continued"] = _source(newer_entry, past[name][time.isin(continued)])
    return by_variable


def _source(entry: str, values: xr.DataArray) -> dict:
    """Return the source of values (time, y, x): entry, doi, newest step and sha256."""
    steps = values.indexes["time"][np.isfinite(values.values).any(axis=(1, 2))]
    try:
        doi = str(catalog.metadata(entry).get("doi", ""))
    except DataError:
        doi = ""
    return {
        "entry": entry,
        "doi": doi,
        "newest": f"{steps[-1]:%Y-%m-%d}" if len(steps) else None,
        "sha256": hashlib.sha256(np.ascontiguousarray(values.values)).hexdigest(),
    }
