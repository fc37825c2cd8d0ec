"""Can a run's raw inputs be had, how many bytes are they, and did they change? Asked of catalogue entries before anything starts."""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from seaice import steps
from seaice.errors import DataError
from seaice.networks import costs
from seaice.run import estimates
from seaice.sources.drivers import Driver

TIMEOUT = 3  # s, for a server to answer before the rest of a dry run goes on without it


class Amount(NamedTuple):
    """Bytes, or None where they are not known; exact where they were counted on disk."""

    bytes: float | None
    exact: bool = False

    def __str__(self) -> str:
        return (
            "size not known" if self.bytes is None else f"{'' if self.exact else 'about '}{size(self.bytes)}"
        )


def checksum(entry: str, *, period: Mapping[str, str], quick: bool = False) -> str:
    """Return the checksum of an entry's raw data (`catalog.checksum`).

    period: start and end of the run, which choose among the files of an entry with one a time step, and the entry that it names as
    `normals`, of which every month counts that `derive.months_of` takes. quick: give up soon where a
    server does not answer or an account is lacking. Raises DataError saying what is lacking.
    """
    from seaice.sources import (
        catalog,  # here, not above: it brings Intake and xarray, which a run without raw inputs can spare
    )

    chosen = _chosen(entry, period)
    if quick:
        _require(entry, *_source(entry, chosen))
    return catalog.checksum(entry, **chosen)


def describe(entry: str, *, period: Mapping[str, str], asked: Sequence[Mapping] = ()) -> tuple[str, Amount]:
    """Say where an entry comes from, and how many bytes are read of it: counted where it lies here, else estimated.

    period: as for `checksum`. asked: member, start, end and resolution_km of each simulation that is read of it; those count
    that it takes. What is not here is estimated from the catalogue's `values_a_step`, uncompressed. Raises CatalogError for
    an unknown entry.
    """
    found = [_describe(entry, _chosen(entry, period), period)] if not asked else []
    for options in asked:
        from seaice.sources import catalog

        taken = {name: value for name, value in options.items() if name in catalog.options(entry)}
        found.append(_describe(entry, taken, options))
    sizes = [amount.bytes for _, amount in found if amount.bytes is not None]
    total = sum(sizes) if len(sizes) == len(found) else None
    comes = ", ".join(dict.fromkeys(comes for comes, _ in found))
    return comes, Amount(total, exact=all(amount.exact for _, amount in found))


def _describe(entry: str, options: Mapping, period: Mapping[str, str]) -> tuple[str, Amount]:
    from seaice.sources import catalog

    about = catalog.metadata(entry)
    account = about.get("credentials", "none")
    elsewhere = "over the network, no account needed" if account == "none" else f"needs an {account}"
    try:
        driver, place = _source(entry, options)
    except DataError:
        return ("local file" if account == "none" else elsewhere), Amount(None)
    if Path(place).is_file():
        return "local file", on_disk([Path(place)])
    files = driver.local_copies()
    if files and all(file.exists() for file in files):
        return driver.here, on_disk(files)
    n_bytes, values, number = driver.n_bytes(), about.get("values_a_step"), driver.n_steps()
    if number is None and {"start", "end"} <= set(period):
        number = estimates.months(period["start"], period["end"])
    if n_bytes is None and values and number:
        n_bytes = costs.FLOAT * values * number
    return driver.elsewhere or elsewhere, Amount(n_bytes)


def _source(entry: str, options: Mapping) -> tuple[Driver, str]:
    """Return an entry's driver and where its data lie, see `catalog.source`.

    For a driver of another package it is a `Driver` that knows nothing.
    """
    from seaice.sources import catalog

    driver, place = catalog.source(entry, **options)
    return (driver if isinstance(driver, Driver) else Driver()), place


def on_disk(places: Iterable[Path]) -> Amount:
    """Return the bytes of files and of folders with all below them."""
    files = [file for place in places for file in ([place] if place.is_file() else place.rglob("*"))]
    return Amount(sum(os.stat(file).st_size for file in files if file.is_file()), exact=True)


def size(n: float) -> str:
    """Write a number of bytes for people: 12 kB, 3.4 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if n < 1000:
            return f"{n:.0f} {unit}" if n >= 10 or unit == "B" else f"{n:.1f} {unit}"
        n /= 1000
    return f"{n:.1f} TB"


def _chosen(entry: str, period: Mapping[str, str]) -> Mapping[str, str]:
    """The options by which a run's dates choose among the files of an entry that has one a time step."""
    from seaice.sources import catalog

    if not catalog.metadata(entry).get("one_file_a_step"):
        return {}
    if entry == period.get("normals") and "end" in period:
        # All months to the one of the store's last day, from whenever they begin: those before the run tell what is normal, too.
        last = steps.bounds([period["end"]] * 2, "daily")[1] + steps.AHEAD["daily"] * steps.offset("daily")
        return {"end": f"{last:%Y-%m}"}
    return {name: period[name] for name in ("start", "end") if name in period}


def _require(entry: str, driver: Driver, place: str) -> None:
    """Raise DataError where it can be told soon that the data can't be had."""
    copies = driver.local_copies()
    if copies and all(file.exists() for file in copies):
        return
    driver.require_access(entry)
    if "://" in place:
        from seaice.sources import transfer

        server = transfer.server(place)
        if not _answers(server):
            raise DataError(
                f"entry '{entry}': {urlsplit(server).hostname} does not answer; is there a network?"
            )


@lru_cache
def _answers(server: str) -> bool:
    from seaice.sources import transfer

    try:
        transfer.reach(server, timeout=TIMEOUT)
    except DataError:
        return False
    return True
