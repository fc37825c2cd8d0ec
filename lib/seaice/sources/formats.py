"""What kind of file is it, whatever its name says?

The first bytes tell. Files that can't be read as they are get a message that says what to do.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.geo.regrid_weights import STEREOGRAPHIC, STEREOGRAPHIC_STEP

# Flat binary files of NSIDC-0051 v1.1 and NSIDC-0081 v1: a header of 300 bytes, which begins with
# missing value, columns and rows as texts of six bytes, then a byte a cell (their user guides).
HEADER = 300
FLAT_NAME = re.compile(r"nt_(\d{6}|\d{8})_[a-z0-9]+_(?:v[\d.]+|nrt)_([ns])\.bin", re.IGNORECASE)

# Beginning of netCDF-4 (which is HDF5) and netCDF-3, and of what gzip packed.
NETCDF, GZIP = (b"\x89HDF", b"CDF"), b"\x1f\x8b"
START = 64  # bytes that are looked at

# Beginning of a file: what it is, and what to do with it.
REFUSED = {
    b"GRIB": (
        "a GRIB file",
        "ask the provider for netCDF (`data_format: netcdf` in the Climate Data Store), or convert it with "
        "`grib_to_netcdf` or `cfgrib to_netcdf`",
    ),
    b"PK\x03\x04": ("a zip archive", "unpack it and name its files, e.g. by a pattern such as 'folder/*.nc'"),
    b"<!do": ("a web page", "the address needs an account or has moved; delete the file and fetch it again"),
    b"<htm": ("a web page", "the address needs an account or has moved; delete the file and fetch it again"),
    b"<?xm": ("an XML page", "the address needs an account or has moved; delete the file and fetch it again"),
}


def refuse(file: Path, *, source: str | None = None) -> None:
    """Raise DataError if a file is of a kind that is known and can't be read.

    source: what to call the file in the message; default its path.
    """
    if file.is_dir():
        zarr = any((file / name).exists() for name in (".zgroup", ".zmetadata", "zarr.json"))
        advice = "write `driver: zarr` into its entry" if zarr else f"name its files, e.g. '{file}/*.nc'"
        raise DataError(f"{source or f'{file}:'} is a folder{' of Zarr' if zarr else ''}; {advice}")
    with open(file, "rb") as stream:
        start = stream.read(START).lstrip()[:4]
    refused = REFUSED.get(start) or REFUSED.get(start.lower())
    if refused:
        kind, advice = refused
        raise DataError(f"{source or f'{file}:'} is {kind}, not netCDF; {advice}")


def unreadable(file: Path) -> str | None:
    """Return what a file is that can't be opened, and what to do; None if it begins as netCDF."""
    try:
        with open(file, "rb") as stream:
            start = stream.read(START)
    except OSError:  # the system says why
        return None
    if start.startswith(NETCDF):
        return None
    if not start:
        return "is empty (0 bytes); fetch it again"
    if start.startswith(GZIP):
        return f"is packed with gzip; unpack it: `gunzip -c {file.name} > unpacked.nc`, and name unpacked.nc"
    text = start.decode("ascii", errors="replace")
    if start.isascii() and all(letter.isprintable() or letter.isspace() for letter in text):
        first = next((line.strip() for line in text.splitlines() if line.strip()), "")
        return f"is a text file that begins with {first!r}, not netCDF; name the netCDF file of these data"
    return f"begins with the bytes {start[:8]!r}, not as netCDF; is it of another format, or damaged?"


def is_flat_binary(file: Path) -> bool:
    """Return whether a file is called as NSIDC calls its flat binary files."""
    return FLAT_NAME.fullmatch(file.name) is not None


def open_flat_binary(file: Path) -> xr.Dataset:
    """Return a flat binary file of NSIDC-0051 or -0081: `sic` uint8 (time, y, x).

    The date comes from the file's name, as the header of a monthly mean has none. Raises DataError
    if the size of the grid in the header is not that of the hemisphere in the name.
    """
    date, pole = FLAT_NAME.fullmatch(file.name).groups()
    axes = STEREOGRAPHIC["north" if pole.lower() == "n" else "south"]
    (x0, columns), (y0, rows) = axes["x"], axes["y"]
    content = file.read_bytes()
    sizes = [text.strip(b"\0 ") for text in (content[6:12], content[12:18])]
    if sizes != [b"%05d" % columns, b"%05d" % rows] or len(content) != HEADER + rows * columns:
        raise DataError(
            f"{file}: its header names {sizes[0]!r} columns and {sizes[1]!r} rows, and it has {len(content)} "
            f"bytes; expected {columns}, {rows} and {HEADER + rows * columns}. Is it whole, and not renamed?"
        )
    codes = np.frombuffer(content, "uint8", offset=HEADER).reshape(1, rows, columns)
    return xr.Dataset(
        {"sic": (("time", "y", "x"), codes, {"units": "1", "scale_factor": 0.004})},
        coords={
            "time": [pd.to_datetime(date, format="%Y%m" if len(date) == 6 else "%Y%m%d")],
            "y": y0 - STEREOGRAPHIC_STEP * np.arange(rows),
            "x": x0 + STEREOGRAPHIC_STEP * np.arange(columns),
        },
    )
