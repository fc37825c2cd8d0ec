"""How does a catalogue of others find a product? As a STAC item, with checksums and licence.

Source: SpatioTemporal Asset Catalog 1.1.0 and its file extension 2.1.0.
"""

import json
from pathlib import Path

import pandas as pd
import xarray as xr

from seaice import files

ITEM = "item.json"
VERSION = "1.1.0"
FILE_EXTENSION = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
SHA256 = "1220"  # prefix of a multihash: SHA-256, 32 bytes
# File of a product: its media type and its role. Other files are data without a type.
KINDS = {
    ".nc": ("application/netcdf", "data"),
    ".geojson": ("application/geo+json", "data"),
    ".json": ("application/json", "metadata"),
    ".csv": ("text/csv", "data"),
    ".txt": ("text/plain", "metadata"),
    ".html": ("text/html", "overview"),
    ".png": ("image/png", "overview"),
    ".gif": ("image/gif", "overview"),
}
ZARR = ("application/vnd+zarr", "data")


def item(folder: Path, ds: xr.Dataset) -> dict:
    """Return the item of a product whose other files are all written.

    folder: of the product. ds: its CF dataset. Addresses of files are relative to the folder; a
    Zarr store has no checksum of its own, `key.json` has those of its files.
    """
    time = pd.DatetimeIndex(ds["time"].values)
    init = pd.Timestamp(ds["forecast_reference_time"].item())
    end = pd.Timestamp(ds["time_bounds"].values[-1, 1]) if "time_bounds" in ds else time[-1]
    low, high = (float(ds.attrs[f"geospatial_lat_{end}"]) for end in ("min", "max"))
    corners = [[-180.0, low], [180.0, low], [180.0, high], [-180.0, high], [-180.0, low]]
    return {
        "type": "Feature",
        "stac_version": VERSION,
        "stac_extensions": [FILE_EXTENSION],
        "id": str(ds.attrs["id"]),
        "geometry": {"type": "Polygon", "coordinates": [corners]},
        "bbox": [-180.0, low, 180.0, high],
        "properties": {
            "title": str(ds.attrs["title"]),
            "description": str(ds.attrs["summary"]),
            "datetime": _moment(init),
            "start_datetime": _moment(time[0]),
            "end_datetime": _moment(end),
            "license": "MIT",
            "seaice:run": str(ds.attrs["run"]),
            "seaice:hemisphere": str(ds.attrs["hemisphere"]),
            "seaice:sources": str(ds.attrs["source"]),
        },
        "links": [
            {"rel": rel, "href": "../catalog.json", "type": "application/json"} for rel in ("root", "parent")
        ],
        "assets": {path.name: _asset(path) for path in sorted(folder.iterdir()) if path.name != ITEM},
    }


def _asset(path: Path) -> dict:
    """Return one file, or a Zarr store, as an asset."""
    media, role = ZARR if path.is_dir() else KINDS.get(path.suffix, ("application/octet-stream", "data"))
    asset = {"href": f"./{path.name}", "type": media, "roles": [role]}
    if path.is_file():
        asset |= {"file:size": path.stat().st_size, "file:checksum": SHA256 + files.sha256(path)}
    return asset


def _moment(time: pd.Timestamp) -> str:
    """Return a moment as RFC 3339 text."""
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def dumps(content: dict) -> str:
    """Return an item or a catalogue as text; the same content always gives the same text."""
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
