"""Which datasets are there, how are they opened, and have their data changed?

Entries of `catalog.yml` are listed, described and opened here. A checksum tells whether the data of
an entry changed.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import fsspec
import intake
import pandas as pd
import xarray as xr
from intake.catalog.utils import expand_templates

from seaice import paths
from seaice.errors import DataError
from seaice.sources import download, drivers, local, transfer

COLUMNS = (
    *("provider", "description", "hemisphere", "cadence", "variables", "units", "doi", "licence"),
    *("credentials", "status", "superseded_by", "first", "last", "bytes"),
)


OPENERS = ("netcdf", "zarr", "csv")  # drivers of Intake that entries of a user need
# How Intake's own driver joins files; `LocalNetCDF` joins them by what they hold.
INTAKES_OWN = ("combine", "concat_dim", "path_as_pattern", "storage_options")


class CatalogError(DataError):
    """Raised for an entry that can't be opened.

    The message names the entry, what was tried and what to do.
    """


def open_entry(name: str, *, catalog: str | Path | None = None, **options) -> xr.Dataset | pd.DataFrame:
    """Return a catalogue entry as published: a lazy Dataset, or a DataFrame for a table.

    catalog: a catalogue file to use in place of the project's. options: replace arguments of the
    entry or add to them, e.g. `resolution_km` and `seed` for the simulated world, or `start` and
    `end` (or `year` and `month`) for entries with one file per time step. `base_url` takes a remote
    entry from a mirror that has the provider's layout. Raises CatalogError.
    """
    source, place = _source(name, catalog, options)
    with _explained(name, place):
        _reach(place)
        return source.read() if source.container == "dataframe" else source.to_dask()


def entries(*, catalog: str | Path | None = None) -> pd.DataFrame:
    """Return the catalogue as a table indexed by name: `COLUMNS` and `available`.

    `available` is "yes", "no", "over the network" or "with credentials". Nothing is opened and no
    server is asked. Raises CatalogError if there is no catalogue.
    """
    rows = []
    for name in _names(catalog):
        about = metadata(name, catalog=catalog)
        rows.append(
            {"name": name, "status": "current"}
            | {c: about[c] for c in COLUMNS if c in about}
            | {"available": _available(name, catalog)}
        )
    return pd.DataFrame(rows, columns=["name", *COLUMNS, "available"]).set_index("name")


def metadata(name: str, *, catalog: str | Path | None = None) -> dict:
    """Return the description of an entry and all its metadata in the catalogue.

    These are doi, licence, units, credentials, provider, hemisphere, cadence, variables and others.
    Raises CatalogError for an unknown name; the message lists the nearest names.
    """
    about = _describe(name, catalog)
    address = about["args"].get(_address(about["args"]))
    one_a_step = {"one_file_a_step": True} if "{YYYY" in str(address) else {}
    return {"description": about["description"], **one_a_step, **about["metadata"]}


def checksum(name: str, *, catalog: str | Path | None = None, **options) -> str:
    """Return a sha256 that changes when the entry's raw data change.

    It is computed from the content of a local file, the parameters of a simulation, the address and
    version of a remote file, or the address and consolidated metadata of a remote store. The
    version of a remote file is taken from the record of a fetched copy or, without one, from the
    server.
    options: as for `open_entry`. Raises CatalogError.
    """
    source, place = _source(name, catalog, options)
    with _explained(name, place):
        if Path(place).is_file():
            return download.content_hash(Path(place))
        if hasattr(source, "key"):
            return hashlib.sha256(str(source.key()).encode()).hexdigest()
        _reach(place)
        store = fsspec.get_mapper(
            place, **(options.get("storage_options") or source.reader.data.storage_options or {})
        )
        listing = next((store[k] for k in (".zmetadata", "zarr.json") if k in store), None)
        if listing is None:
            raise DataError(
                f"{transfer.without_secrets(place)} has no consolidated metadata to tell its version by"
            )
        return hashlib.sha256(place.encode() + listing).hexdigest()


def source(name: str, **options) -> tuple[Any, str]:
    """Return an entry's driver and the place of its data, which is empty for a simulation.

    No data are read and no server is asked. options: as for `open_entry`. Raises CatalogError for
    errors that can be found in this way.
    """
    return _source(name, None, options)


def options(name: str, *, catalog: str | Path | None = None) -> set[str]:
    """Return the names of the options that an entry takes.

    Raises CatalogError for an unknown entry.
    """
    about = _describe(name, catalog)
    return _options(dict(about["args"]), _driver(name, catalog))


def _driver(name: str, catalog: str | Path | None) -> type:
    """Return the driver class of an entry. Raises CatalogError if it can't be imported.

    Files on this machine are opened by `LocalNetCDF`, which joins several and tells what is wrong.
    """
    try:
        driver = type(_catalog(catalog)[name])
    except ValueError as error:
        written = str(error).partition(": ")[2].split()[:1] or ["?"]
        near = get_close_matches(written[0], OPENERS, n=1)
        hint = f"did you mean '{near[0]}'?" if near else "is the package installed (`pip install -e .`)?"
        raise CatalogError(
            f"entry '{name}': its driver can't be imported, there is no '{written[0]}'; {hint}"
        ) from None
    arguments = _describe(name, catalog)["args"]
    address = arguments.get(_address(arguments) or "")
    here = driver.name in ("netcdf", "remote_netcdf") and address and local.is_local(address)
    return local.LocalNetCDF if here else driver


def _address(arguments: dict) -> str | None:
    """Return the name of the argument with an entry's address; None for a simulation."""
    return next((a for a in ("urlpath", "obj") if a in arguments), None)


def _options(arguments: dict, driver: type) -> set[str]:
    """Return the names of the options for the arguments of an entry and its driver."""
    remote = not local.is_local(arguments.get(_address(arguments), ""))
    return (set(arguments) | drivers.arguments(driver) | ({"base_url"} if remote else set())) - {"metadata"}


def _source(name: str, catalog: str | Path | None, options: dict) -> tuple[Any, str]:
    """Return an entry's driver, set up with `options`, and the place of its data.

    Everything that needs no network is checked first; raises CatalogError.
    """
    about = _describe(name, catalog)
    driver, arguments = _driver(name, catalog), dict(about["args"])
    address, allowed = _address(arguments), sorted(_options(arguments, driver))
    for option in options:
        if option not in allowed:
            near = get_close_matches(option, allowed, n=1)
            hint = f"did you mean '{near[0]}'? " if near else ""
            raise CatalogError(
                f"entry '{name}': unknown option '{option}'; {hint}It takes {', '.join(allowed)}"
            )
    if "base_url" in options:
        provider_url = urlsplit(arguments[address])
        arguments[address] = (
            options["base_url"].rstrip("/") + provider_url._replace(scheme="", netloc="").geturl()
        )
        for name_of_own in ("storage_options", "mirrors"):  # these are for the provider's own server
            arguments.pop(name_of_own, None)
    arguments |= {k: v for k, v in options.items() if k != "base_url"}
    _require_variables(name, arguments)
    arguments = expand_templates(arguments, {})
    if address is not None:
        arguments[address] = local.as_path(arguments[address])
    if driver is local.LocalNetCDF:
        arguments = {k: v for k, v in arguments.items() if k not in INTAKES_OWN}
    place = str(arguments.get(address) or arguments.get("dataset") or "")  # empty for a simulation
    with _explained(name, place):
        if address is not None and local.is_local(arguments[address]):
            local.all_of(arguments[address])
        return driver(**arguments, metadata=about["metadata"]), place


@contextmanager
def _explained(name: str, place: str) -> Iterator[None]:
    """Turn errors of drivers into a CatalogError naming the entry and the place of its data."""
    try:
        yield
    except DataError as error:
        raise CatalogError(f"entry '{name}': {error}") from error
    except Exception as error:  # the clients behind the drivers raise errors of any type
        if not place:
            raise  # a simulation reads no data, so the error is not about data
        kind = type(error).__name__
        if "://" in place:
            # The text of a network error repeats the address with its tokens: only name its type.
            tried = f"{transfer.without_secrets(place)} can't be read ({kind})"
            raise CatalogError(f"entry '{name}': {tried}; does the server answer, and hold this?") from None
        raise CatalogError(
            f"entry '{name}': {place} can't be read ({kind}: {error}); is it whole, and of that format?"
        ) from error


def _reach(place: str) -> None:
    """Raise DownloadError at once if the data lie on Google's storage and it does not answer."""
    # Without this, gcsfs would try for a minute, and log pages, before it gives up.
    if transfer.is_on_google(place):
        transfer.reach(transfer.server(place))


def _available(name: str, catalog: str | Path | None) -> str:
    """Return the column `available` of `entries` for one entry."""
    try:
        _, place = _source(name, catalog, {})
    except CatalogError:
        return "no"
    if metadata(name, catalog=catalog).get("credentials", "none") != "none":
        return "with credentials"
    return "over the network" if "://" in place else "yes"


def _require_variables(name: str, arguments: dict) -> None:
    """Raise CatalogError unless each environment variable of the arguments names a folder."""
    for variable in re.findall(r"env\((\w+)\)", str(arguments)):
        folder = os.environ.get(variable)
        if not folder:
            raise CatalogError(
                f"entry '{name}': reads a file in the folder named by {variable}, which is not set; "
                f"`export {variable}=<folder>` and try again"
            )
        if not Path(folder).is_dir():
            raise CatalogError(
                f"entry '{name}': {variable}={folder} is not a folder; set it to the one with the data files"
            )


def _names(catalog: str | Path | None) -> list[str]:
    """Return the names of all entries, in the order of the catalogue."""
    return list(_catalog(catalog)._entries)


def _describe(name: str, catalog: str | Path | None) -> dict:
    """Return Intake's description of an entry. Raises CatalogError for an unknown name."""
    names = _names(catalog)
    if name not in names:
        near = get_close_matches(name, names, n=3, cutoff=0.4) or names[:5]
        raise CatalogError(
            f"entry '{name}': not in the catalogue; nearest: {', '.join(near)} (`entries()` lists all)"
        )
    return _catalog(catalog)._entries[name].describe()


def _catalog(catalog: str | Path | None):
    """Return the Intake catalogue of a file, the project's by default. Raises CatalogError."""
    file = Path(catalog) if catalog is not None else paths.root() / "catalog.yml"
    if not file.is_file():
        raise CatalogError(f"no catalogue {file}; give the path of a YAML file of Intake entries")
    return _parsed(file.resolve(), file.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _parsed(file: Path, changed: int):
    """Return a parsed catalogue. `changed`, the time of the last change, is a key of the cache."""
    try:
        return intake.open_catalog(str(file), autoreload=True)
    except AttributeError as error:
        raise CatalogError(
            f"{file}: an entry names a driver that does not exist ({error}); files on this machine need only "
            "`driver: netcdf`"
        ) from None
    except Exception as error:  # a malformed file makes the parser raise errors of any type
        raise CatalogError(
            f"{file}: not a catalogue of Intake entries ({type(error).__name__}: {error})"
        ) from None
