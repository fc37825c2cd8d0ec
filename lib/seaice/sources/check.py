"""Do the addresses of the catalogue still answer? `seaice sources check` asks every one of them.

Nothing is downloaded: a server is asked for the size of a file and for its first bytes, and for
those parts of a NetCDF file that say which variables it has.
"""

from collections.abc import Iterable
from typing import Annotated, NamedTuple

import fsspec
import pandas as pd
import requests
import typer
import xarray as xr

from seaice.errors import DataError
from seaice.sources import addresses, catalog, status, transfer
from seaice.sources.remote import RemoteCSV, RemoteFiles, RemoteNetCDF

WITHIN = 2.0  # factor within which a size is that of the catalogue; records grow
MAGIC = {b"\x89HDF": "NetCDF-4", b"CDF": "NetCDF-3", b"\x1f\x8b": "gzip"}


class Answer(NamedTuple):
    """What the server of one address said.

    verdict: "answers", "moved", "changed" or "fails". text: what was found.
    """

    entry: str
    address: str
    verdict: str
    text: str


def entries(names: Iterable[str] = ()) -> list[str]:
    """Return the given entries, or else all files behind http(s) that are not retired.

    Raises CatalogError for an unknown name.
    """
    chosen = list(names)
    if chosen:
        for name in chosen:
            catalog.metadata(name)
        return chosen
    remote = (name for name in catalog.entries().index if isinstance(_driver(name), RemoteFiles))
    return [name for name in remote if status.of(name) != status.RETIRED]


def check(name: str) -> list[Answer]:
    """Ask the provider's server of an entry, and those of its mirrors, for the newest file.

    Raises DataError for an entry that has no files behind http(s).
    """
    driver = _driver(name)
    if not isinstance(driver, RemoteFiles):
        raise DataError(f"entry '{name}': has no files behind http(s) to ask for")
    return [_ask(name, driver, template) for template in (driver.urlpath, *driver.mirrors)]


def _driver(name: str):
    """Return the driver of an entry for the newest step that it must have.

    None if its data are files of this machine that are not there.
    """
    about = catalog.metadata(name)
    options = {}
    if about.get("one_file_a_step"):
        # Two months ago: the newest steps may not be published yet.
        last = about.get("last") or str(pd.Timestamp.now().to_period("M") - 2)
        options = {"start": last, "end": last} if about["cadence"] == "monthly" else _day(last)
    try:
        return catalog.source(name, **options)[0]
    except catalog.CatalogError:
        return None


def _day(month: str) -> dict[str, str]:
    return {"start": f"{month}-15", "end": f"{month}-15"}


def _ask(name: str, driver: RemoteFiles, template: str) -> Answer:
    """Ask one server, and compare what it says with the catalogue."""
    about, url = catalog.metadata(name), template
    try:
        [url, *_] = addresses.expand(template, **driver.time)
        url = addresses.newest(url, fresh=True) if addresses.NEWEST in url else url
        with requests.head(url, allow_redirects=True, timeout=transfer.TIMEOUT) as response:
            final = response.url
        found = transfer.version(url)
        kind = _kind(url)
        expected = "table" if isinstance(driver, RemoteCSV) else "NetCDF"
        if expected not in kind and kind != "gzip":
            return Answer(name, url, "changed", f"holds {kind}, expected {expected}")
        absent = (
            _absent_variables(url, about) if isinstance(driver, RemoteNetCDF) and kind == "NetCDF-4" else []
        )
    except (requests.ConnectionError, requests.Timeout) as error:  # its text repeats the address
        return Answer(name, url, "fails", f"does not answer ({type(error).__name__}); is there a network?")
    except (DataError, requests.RequestException) as error:
        return Answer(name, url, "fails", str(error) or type(error).__name__)
    if absent:
        return Answer(name, url, "changed", f"has no variable {', '.join(absent)}")
    size, usual = found["length"], about.get("bytes")
    if size and usual and not usual / WITHIN <= size <= usual * WITHIN:
        return Answer(name, url, "changed", f"{size} bytes, the catalogue says {usual}")
    if transfer.without_secrets(final) != transfer.without_secrets(url):
        return Answer(name, url, "moved", f"to {transfer.without_secrets(final)}")
    return Answer(name, url, "answers", f"{size} bytes, {kind}, of {found['modified'] or 'a date not told'}")


def _kind(url: str) -> str:
    """Return what the first bytes of a file say that it is."""
    with requests.get(
        url,
        headers={"Range": "bytes=0-63", "Accept-Encoding": "identity"},
        stream=True,
        timeout=transfer.TIMEOUT,
    ) as response:
        response.raise_for_status()
        start = response.raw.read(64)
    for magic, kind in MAGIC.items():
        if start.startswith(magic):
            return kind
    if start.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return "a web page"
    return "a table" if start.isascii() and b"," in start else "bytes of no known format"


def _absent_variables(url: str, about: dict) -> list[str]:
    """Return the variables of the catalogue that a NetCDF file does not have, groups left out.

    Reads only the parts of the file that name them. Empty where the server has no ranges.
    """
    try:
        with (
            fsspec.open(url, block_size=2**14, cache_type="blockcache") as file,
            xr.open_dataset(file, engine="h5netcdf") as ds,
        ):
            names = set(map(str, ds.variables))
    except (OSError, ValueError):  # no ranges, or a layout that only a whole file shows
        return []
    return [name for name in about.get("variables", ()) if name not in names]


# ---- the command line

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


@app.callback()
def group() -> None:
    """Ask the servers of the catalogue."""


@app.command("check")
def command(
    names: Annotated[
        list[str], typer.Argument(help="Entries; default all that have files behind http(s).")
    ] = None,
) -> None:
    """Say which addresses answer, moved, or changed in size or layout; fails unless all answer."""
    try:
        answers = []
        for name in entries(names or ()):
            for answer in check(name):
                place = transfer.without_secrets(answer.address)
                typer.echo(f"{answer.verdict:8}{answer.entry}: {place}: {answer.text}")
                answers.append(answer)
    except DataError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    bad = [answer for answer in answers if answer.verdict != "answers"]
    typer.echo(f"{len(answers)} addresses asked, {len(bad)} to look at")
    if bad:
        raise typer.Exit(1)
