"""Which files on this machine does an entry name? One, a pattern, a list, or a template."""

import hashlib
import re
from difflib import get_close_matches
from glob import glob, has_magic
from pathlib import Path
from urllib.parse import unquote, urlsplit

import xarray as xr

from seaice.errors import DataError
from seaice.sources import addresses, download, opening, remote
from seaice.sources.drivers import Driver


def is_local(address: str | list[str]) -> bool:
    """Return whether an address, or the first of several, is a path on this machine."""
    first = address[0] if isinstance(address, list) else address
    return "://" not in first or first.startswith("file://")


def as_path(address: str | list[str]) -> str | list[str]:
    """Return `~` and `file://` of local addresses as plain paths, and other addresses unchanged."""
    if isinstance(address, list):
        return [str(as_path(one)) for one in address]
    if not is_local(address):
        return address
    plain = unquote(urlsplit(address).path) if address.startswith("file://") else address
    return str(Path(plain).expanduser()) if plain.startswith("~") else plain


def matching(address: str) -> list[str]:
    """Return the paths that a local pattern stands for, by name; another path stands for itself.

    Raises DataError if there is none.
    """
    if not is_local(address) or not has_magic(address) or Path(address).exists():
        return [address]
    matches = sorted(glob(address, recursive=True))
    if not matches:
        folder = Path(address).parent
        raise DataError(f"no file matches {address}{_holding(folder, Path(address).name)}")
    return matches


def require(address: str) -> None:
    """Raise DataError unless a local file is there; the message names the nearest file."""
    file = Path(address)
    if not file.exists():
        raise DataError(
            f"no file {file}{_holding(file.parent, file.name)}; put it there, or give its place as "
            "urlpath='...'"
        )


def all_of(addresses: str | list[str]) -> list[str]:
    """Return all local files of some addresses; a template stands for files of any date.

    Raises DataError if one of them stands for none.
    """
    all_files = []
    for address in addresses if isinstance(addresses, list) else [addresses]:
        files = matching(re.sub(r"(\{(YYYY|MM|DD)+\})+", "*", address))
        for file in files:
            require(file)
        all_files += files
    return all_files


def _holding(folder: Path, name: str) -> str:
    """Return words on what a folder holds instead of a file."""
    if not folder.is_dir():
        return "" if "*" in str(folder) else f"; there is no folder {folder}"
    names = sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))
    near = get_close_matches(name, names, n=1)
    return (
        f"; the folder holds {near[0]}" if near else f"; the folder holds {', '.join(names[:3]) or 'nothing'}"
    )


class LocalNetCDF(Driver):
    """NetCDF files on this machine, joined along time and by variable.

    It also opens the `netcdf` entries of the catalogue, which plain Intake can open one by one.
    urlpath: a path, a pattern with *, a template with the tokens of `addresses.expand`, or a list
    of these. start, end, year, month: of a template, as there. skip_missing: leave out steps of a
    template that have no file, instead of raising. chunks: Dask chunks of the result.
    xarray_kwargs: how to open each file. All methods raise DataError, which names the file.
    """

    name = "local_netcdf"
    container = "xarray"
    here = "local file"

    def __init__(
        self,
        urlpath: str | list[str],
        *,
        start: str | None = None,
        end: str | None = None,
        year: int | None = None,
        month: int | None = None,
        skip_missing: bool = False,
        chunks: dict | None = None,
        xarray_kwargs: dict | None = None,
        metadata: dict | None = None,
    ):
        if end is not None and start is None and year is None and month is None:
            start, skip_missing = remote.EARLIEST, True  # the start of the record is unknown here
        self.urlpath = urlpath if isinstance(urlpath, list) else [urlpath]
        self.time = {"start": start, "end": end, "year": year, "month": month}
        self.skip_missing = skip_missing
        self.opening = {"chunks": chunks if chunks is not None else {}, **(xarray_kwargs or {})}
        self.metadata = metadata or {}

    def files(self) -> list[Path]:
        """Return the files, which exist."""
        names = []
        for template in self.urlpath:
            for address in addresses.expand(template, **self.time):
                names += matching(address)
        if self.skip_missing:
            names = [file for file in names if Path(file).exists()]
            if not names:
                raise DataError(f"{self.urlpath[0]}: there is none of the files asked for")
        for file in names:
            require(file)
        return [Path(file) for file in names]

    def local_copies(self) -> list[Path]:
        """Return the files; none if one of them is not there."""
        try:
            return self.files()
        except DataError:
            return []

    def key(self) -> str:
        """Return a hash of the content of all files."""
        return hashlib.sha256(" ".join(map(download.content_hash, self.files())).encode()).hexdigest()

    def to_dask(self) -> xr.Dataset:
        """Open the files lazily."""
        return opening.open_files(self.files(), cadence=self.metadata.get("cadence"), **self.opening)

    read = to_dask
