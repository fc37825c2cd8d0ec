"""Open entries of `catalog.yml`, list them, and tell by a checksum whether their data changed."""

import hashlib
import inspect
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
from seaice.sources import download, transfer

COLUMNS = (
    "provider",
    "description",
    "hemisphere",
    "cadence",
    "variables",
    "units",
    "doi",
    "licence",
    "credentials",
)


class CatalogError(DataError):
    """An entry that can't be opened; the message names the entry, what was tried and what to do."""


def open_entry(name: str, *, catalog: str | Path | None = None, **options) -> xr.Dataset | pd.DataFrame:
    """Open a catalogue entry as its provider publishes it: a lazy Dataset, or a DataFrame for a table.

    catalog: another catalogue file than the project's. options: replace or add to the entry's arguments, e.g.
    `resolution_km`, `seed` for the simulated world, `start`, `end` (or `year`, `month`) where there is a file a time step;
    `base_url` sends a remote entry to a mirror with the provider's layout. Raises CatalogError.
    """
    source, place = _source(name, catalog, options)
    with _explained(name, place):
        _reach(place)
        return source.read() if source.container == "dataframe" else source.to_dask()


def entries(*, catalog: str | Path | None = None) -> pd.DataFrame:
    """Return the catalogue as a table indexed by name: what each entry is, its terms, and whether it opens here.

    `available` is yes, no, over the network, or with credentials; nothing is opened and no server is asked.
    Raises CatalogError if there is no catalogue.
    """
    rows = []
    for name in _names(catalog):
        about = metadata(name, catalog=catalog)
        rows.append(
            {"name": name, **{c: about.get(c) for c in COLUMNS}, "available": _available(name, catalog)}
        )
    return pd.DataFrame(rows, columns=["name", *COLUMNS, "available"]).set_index("name")


def metadata(name: str, *, catalog: str | Path | None = None) -> dict:
    """Return description, doi, licence, units, credentials, provider, hemisphere, cadence and variables of an entry.

    Raises CatalogError for an unknown name, with the nearest ones.
    """
    about = _describe(name, catalog)
    return {"description": about["description"], **about["metadata"]}


def checksum(name: str, *, catalog: str | Path | None = None, **options) -> str:
    """Return a sha256 that changes when the entry's raw data do; options as for `open_entry`.

    A local file: its content. A simulation: the key of its parameters. A remote file: address and version as the server
    gives it (a fetched copy's record is asked first). A remote store: its consolidated metadata. Raises CatalogError.
    """
    source, place = _source(name, catalog, options)
    with _explained(name, place):
        if hasattr(source, "key"):
            return hashlib.sha256(str(source.key()).encode()).hexdigest()
        if Path(place).is_file():
            return download.content_hash(Path(place))
        _reach(place)
        store = fsspec.get_mapper(
            place, **(options.get("storage_options") or source.reader.data.storage_options or {})
        )
        listing = next((store[k] for k in (".zmetadata", "zarr.json") if k in store), None)
        if listing is None:
            raise DataError(f"{transfer.shown(place)} has no consolidated metadata to tell its version by")
        return hashlib.sha256(place.encode() + listing).hexdigest()


def source(name: str, **options) -> tuple[Any, str]:
    """Return an entry's driver and where its data lie (empty for a simulation); no data are read and no server asked.

    options as for `open_entry`. Raises CatalogError for what can be told without.
    """
    return _source(name, None, options)


def options(name: str, *, catalog: str | Path | None = None) -> set[str]:
    """Return the names of the options that an entry takes. Raises CatalogError for an unknown name."""
    about = _describe(name, catalog)
    return _options(dict(about["args"]), _driver(name, catalog))


def _driver(name: str, catalog: str | Path | None) -> type:
    try:
        return type(_catalog(catalog)[name])
    except ValueError:
        raise CatalogError(
            f"entry '{name}': its driver can't be imported; is the package whole (`pip install -e .`)?"
        ) from None


def _address(arguments: dict) -> str | None:
    """Name of the argument that holds an entry's address; None for a simulation."""
    return next((a for a in ("urlpath", "obj") if a in arguments), None)


def _options(arguments: dict, driver: type) -> set[str]:
    remote = "://" in str(arguments.get(_address(arguments), ""))
    return (set(arguments) | _parameters(driver) | ({"base_url"} if remote else set())) - {"metadata"}


def _source(name: str, catalog: str | Path | None, options: dict) -> tuple[Any, str]:
    """Return an entry's driver set up with `options` and where its data lie, once all that needs no network is checked."""
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
        parts = urlsplit(arguments[address])
        arguments[address] = options["base_url"].rstrip("/") + parts._replace(scheme="", netloc="").geturl()
        arguments.pop("storage_options", None)  # they belong to the provider's own server
    arguments |= {k: v for k, v in options.items() if k != "base_url"}
    _require_variables(name, arguments)
    arguments = expand_templates(arguments, {})
    place = str(arguments.get(address) or arguments.get("dataset") or "")  # empty for a simulation
    if address is not None and "://" not in place:
        _require_file(name, Path(place))
    with _explained(name, place):
        return driver(**arguments, metadata=about["metadata"]), place


@contextmanager
def _explained(name: str, place: str) -> Iterator[None]:
    """Turn what drivers raise into a CatalogError that names the entry and where its data should be."""
    try:
        yield
    except DataError as error:
        raise CatalogError(f"entry '{name}': {error}") from error
    except Exception as error:  # the clients behind the drivers raise what they like
        if not place:
            raise  # a simulation reads nothing: its errors are its own
        kind = type(error).__name__
        if (
            "://" in place
        ):  # a network error repeats the address with whatever token it carries: tell its kind only
            tried = f"{transfer.shown(place)} can't be read ({kind})"
            raise CatalogError(f"entry '{name}': {tried}; does the server answer, and hold this?") from None
        raise CatalogError(
            f"entry '{name}': {place} can't be read ({kind}: {error}); is it whole, and of that format?"
        ) from error


def _reach(place: str) -> None:
    if transfer.is_on_google(place):  # gcsfs would try for a minute, with pages of log, before it gives up
        transfer.reach(transfer.server(place))


def _available(name: str, catalog: str | Path | None) -> str:
    try:
        _, place = _source(name, catalog, {})
    except CatalogError:
        return "no"
    if metadata(name, catalog=catalog).get("credentials", "none") != "none":
        return "with credentials"
    return "over the network" if "://" in place else "yes"


def _require_variables(name: str, arguments: dict) -> None:
    for variable in re.findall(r"env\((\w+)\)", str(arguments)):
        folder = os.environ.get(variable)
        if not folder:
            raise CatalogError(
                f"entry '{name}': reads a file of the folder named by {variable}, which is not set; "
                f"`export {variable}=<folder>` and try again"
            )
        if not Path(folder).is_dir():
            raise CatalogError(
                f"entry '{name}': {variable}={folder} is not a folder; set it to the one with the data files"
            )


def _require_file(name: str, file: Path) -> None:
    if not file.exists():
        there = sorted(p.name for p in file.parent.iterdir()) if file.parent.is_dir() else []
        near = get_close_matches(file.name, there, n=1)
        hint = f"; the folder holds {near[0]}" if near else ""
        raise CatalogError(
            f"entry '{name}': no file {file}{hint}; put it there, or give its place as urlpath='...'"
        )


def _parameters(driver: type) -> set[str]:
    """Names of the arguments a driver takes, those of the classes it passes `**options` on to included."""
    names = set()
    for c in driver.__mro__:
        if "__init__" in vars(c) and c is not object:
            taken = inspect.signature(c.__init__).parameters.values()
            names |= {p.name for p in taken if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
            if all(p.kind != p.VAR_KEYWORD for p in taken):
                break
    return names - {"self"}


def _names(catalog: str | Path | None) -> list[str]:
    return list(_catalog(catalog)._entries)


def _describe(name: str, catalog: str | Path | None) -> dict:
    names = _names(catalog)
    if name not in names:
        near = get_close_matches(name, names, n=3, cutoff=0.4) or names[:5]
        raise CatalogError(
            f"entry '{name}': not in the catalogue; nearest: {', '.join(near)} (`entries()` lists all)"
        )
    return _catalog(catalog)._entries[name].describe()


def _catalog(catalog: str | Path | None):
    file = Path(catalog) if catalog is not None else paths.root() / "catalog.yml"
    if not file.is_file():
        raise CatalogError(f"no catalogue {file}; give the path of a YAML file of Intake entries")
    return _parsed(file.resolve(), file.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _parsed(file: Path, changed: int):
    try:
        return intake.open_catalog(str(file), autoreload=True)
    except Exception as error:  # the parser raises whatever a malformed file leads it to
        raise CatalogError(
            f"{file}: not a catalogue of Intake entries ({type(error).__name__}: {error})"
        ) from None
