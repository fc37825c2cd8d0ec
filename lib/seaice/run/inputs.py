"""Are a run's raw inputs available, how many bytes are they, and did they change?

The catalogue entries are asked before anything starts.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from seaice import steps
from seaice.config.sections import Data
from seaice.errors import DataError
from seaice.grid import EPSG
from seaice.networks import costs
from seaice.run import estimates
from seaice.sources.drivers import Driver

TIMEOUT = 3  # s; a dry run goes on without a server that has not answered by then


class Amount(NamedTuple):
    """Number of bytes, None if it is not known.

    exact: True if the bytes were counted on disk.
    """

    bytes: float | None
    exact: bool = False

    def __str__(self) -> str:
        return (
            "size not known" if self.bytes is None else f"{'' if self.exact else 'about '}{size(self.bytes)}"
        )


def checksum(entry: str, *, period: Mapping[str, str], quick: bool = False) -> str:
    """Return the checksum of an entry's raw data (`catalog.checksum`).

    period: start and end of the run. They choose among the files of an entry that has one file per
    time step. It also holds the entry that the run names as `normals`; of that entry every month
    counts that `derive.months_of` uses. quick: give up soon if a server does not answer or an
    account is missing. Raises DataError that says what is missing.
    """
    # Imported here because it loads Intake and xarray; a run without raw inputs needs neither.
    from seaice.sources import catalog

    chosen = _chosen(entry, period)
    if quick:
        _require(entry, *_source(entry, chosen))
    return catalog.checksum(entry, **chosen)


def notices(entries: Iterable[str], *, hemisphere: str) -> list[str]:
    """Return what the user should know of the records behind the entries: those with a successor.

    hemisphere: of the run. Raises DataError for an entry of the other hemisphere and, with its
    successor, for one that is retired.
    """
    names = list(entries)
    if not names:
        return []
    from seaice.sources import catalog, status

    for name in sorted(names):
        pole = catalog.metadata(name).get("hemisphere")
        if pole in EPSG and pole != hemisphere:
            raise DataError(
                f"entry '{name}' is of the {pole}, and the run of the {hemisphere}; name an entry of the "
                f"{hemisphere}"
            )
    return status.require_alive(names)


def downloads(entries: Iterable[str], *, period: Mapping[str, str]) -> list[str]:
    """Return what is to be fetched of the entries, one line each: bytes, server and licence.

    period: as for `checksum`. Sizes are those of the servers, or else of the catalogue.
    """
    from seaice.sources import catalog

    lines = []
    for entry in sorted(entries):
        chosen = _chosen(entry, period)
        driver, place = _source(entry, chosen)
        copies = driver.local_copies()
        if "://" not in place or (copies and all(copy.exists() for copy in copies)):
            continue
        n_bytes = driver.n_bytes_to_fetch() or _describe(entry, chosen, period)[1].bytes
        licence = catalog.metadata(entry).get("licence", "see provider")
        server = urlsplit(place).hostname
        lines.append(f"to download: {entry}, {Amount(n_bytes)} from {server}, licence: {licence}")
    return lines


def describe(
    entry: str, *, period: Mapping[str, str], simulations: Sequence[Mapping] = ()
) -> tuple[str, Amount]:
    """Return where an entry comes from, and how many bytes of it are read.

    period: as for `checksum`. simulations: member, start, end and resolution_km of each simulation
    that is read from the entry; the entry gets those options that it has.
    Bytes are counted if the data are on this machine. Otherwise they are estimated, uncompressed,
    from `values_a_step` in the catalogue. Raises CatalogError for an unknown entry.
    """
    sources = [] if simulations else [_describe(entry, _chosen(entry, period), period)]
    for simulation in simulations:
        sources.append(_describe(entry, _accepted(entry, simulation), simulation))
    sizes = [amount.bytes for _, amount in sources if amount.bytes is not None]
    total = sum(sizes) if len(sizes) == len(sources) else None
    origin = ", ".join(dict.fromkeys(origin for origin, _ in sources))
    return origin, Amount(total, exact=all(amount.exact for _, amount in sources))


def options_of_members(entry: str, data: Data | None) -> list[dict]:
    """Return the options of every simulation's member that a run reads from an entry."""
    if data is None:
        return []
    return [
        {"start": s.start, "end": s.end, "member": member, "resolution_km": data.resolution_km}
        for s in data.simulations or ()
        if entry in s.entries
        for member in s.members
    ]


def driver(entry: str, options: Mapping) -> Driver:
    """Return an entry's driver with those of the options that the entry takes."""
    return _source(entry, _accepted(entry, options))[0]


def is_to_make(entry: str, options: Mapping) -> bool:
    """Return whether an entry's data are made here on first use, and are not made yet."""
    source = driver(entry, options)
    return source.is_made_here and not all(copy.exists() for copy in source.local_copies())


def _accepted(entry: str, options: Mapping) -> dict:
    """Return those of the options that an entry takes."""
    from seaice.sources import catalog

    accepted = catalog.options(entry)
    return {name: value for name, value in options.items() if name in accepted}


def _describe(entry: str, options: Mapping, period: Mapping[str, str]) -> tuple[str, Amount]:
    """Return where an entry with these options comes from, and how many bytes it has."""
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
    n_bytes = about.get("bytes") if n_bytes is None else n_bytes
    if n_bytes is None and values and number:
        n_bytes = costs.FLOAT * values * number
    return driver.elsewhere or elsewhere, Amount(n_bytes)


def _source(entry: str, options: Mapping) -> tuple[Driver, str]:
    """Return an entry's driver and the place of its data, see `catalog.source`.

    A driver of another package is replaced by a `Driver` that knows nothing.
    """
    from seaice.sources import catalog

    driver, place = catalog.source(entry, **options)
    return (driver if isinstance(driver, Driver) else Driver()), place


def on_disk(places: Iterable[Path]) -> Amount:
    """Return the bytes of files and of folders, with everything in them."""
    files = [file for place in places for file in ([place] if place.is_file() else place.rglob("*"))]
    return Amount(sum(os.stat(file).st_size for file in files if file.is_file()), exact=True)


def size(n_bytes: float) -> str:
    """Write a number of bytes for people, such as "12 kB" or "3.4 GB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}" if n_bytes >= 10 or unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} TB"


def _chosen(entry: str, period: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the options by which a run's dates choose files of an entry with one file per step."""
    from seaice.sources import catalog

    if not catalog.metadata(entry).get("one_file_a_step"):
        return {}
    skipped = {"skip_missing": True} if period.get("absent") == "missing" else {}
    if entry == period.get("normals") and "end" in period:
        # All months up to that of the store's last day. Months before the run count as well,
        # because they also show what is normal.
        last = steps.bounds([period["end"]] * 2, "daily")[1] + steps.AHEAD["daily"] * steps.offset("daily")
        return {"end": f"{last:%Y-%m}"}
    return skipped | {name: period[name] for name in ("start", "end") if name in period}


def _require(entry: str, driver: Driver, place: str) -> None:
    """Raise DataError if a quick look shows that the data are not available."""
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
    """Return whether a server answers within `TIMEOUT`; each server is asked once."""
    from seaice.sources import transfer

    try:
        transfer.reach(server, timeout=TIMEOUT)
    except DataError:
        return False
    return True
