"""Which addresses does a template stand for?

There is one per time step, or one whose name ends with the newest month that the provider has.
"""

import logging
import re
from contextlib import suppress
from pathlib import Path

import pandas as pd

from seaice.errors import DataError
from seaice.sources import download, transfer
from seaice.sources.download import DownloadError

log = logging.getLogger(__name__)

# Part of the name of a file that holds a whole record and is renamed when it grows: digits, such as
# the newest month.
NEWEST = "{newest}"
TOKENS = {"{YYYYMMDD}": "%Y%m%d", "{YYYYMM}": "%Y%m", "{YYYY}": "%Y", "{MM}": "%m", "{DD}": "%d"}


def expand(
    template: str,
    *,
    start: str | None = None,
    end: str | None = None,
    year: int | None = None,
    month: int | None = None,
) -> list[str]:
    """Return the addresses that a template stands for, one per time step, in order.

    template: with {YYYY}, {MM}, {DD}, {YYYYMM} or {YYYYMMDD}. A template without any of these
    stands for itself, and one with only {MM} for twelve months. start, end: first and last step,
    "2012", "2012-09" or "2012-09-14". year, month 1..12: in place of start and end. Raises
    DataError if no time is given, or an impossible one.
    """
    present = [token for token in TOKENS if token in template]
    if not present:
        return [template]
    if month is not None and month not in range(1, 13):
        raise DataError(f"month={month!r} is none of 1..12")
    if present == ["{MM}"]:
        if start is not None or end is not None or year is not None:
            raise DataError(
                "there is one file a calendar month, with all years in it; choose by month=9 only, and years "
                "among the rows"
            )
        start, end = f"2000-{month or 1:02d}", f"2000-{month or 12:02d}"
    elif year is not None and start is None and end is None:
        start = end = str(year) if month is None else f"{year}-{month:02d}"
    elif start is None or end is None or year is not None or month is not None:
        raise DataError(
            "there is one file per time step; say which: start='2012-01', end='2012-12', "
            "or year=2012, month=9"
        )
    first, last = _period(start), _period(end)
    daily = "{YYYYMMDD}" in template or "{DD}" in template
    steps = pd.period_range(first.start_time, last.end_time, freq="D" if daily else "M")
    if not len(steps):
        raise DataError(f"start={start!r} lies after end={end!r}")
    addresses = []
    for step in steps:
        address = template
        for token in present:
            address = address.replace(token, step.strftime(TOKENS[token]))
        addresses.append(address)
    return addresses


def step_of(template: str, address: str) -> pd.Period | None:
    """Return the day or month that an address of a template stands for.

    None if the name of the file does not say it.
    """
    for token, frequency in (("{YYYYMMDD}", "D"), ("{YYYYMM}", "M")):
        if token in template:
            pattern = re.escape(template)
            for other in TOKENS:
                group = "(?P<step>\\d+)" if other == token else "\\d+"
                # A token may stand twice in an address; only its first place names the group.
                pattern = pattern.replace(re.escape(other), group, 1).replace(re.escape(other), "\\d+")
            found = re.fullmatch(pattern, address)
            return (
                pd.Period(pd.to_datetime(found["step"], format=TOKENS[token]), frequency) if found else None
            )
    return None


def newest(template: str, *, fresh: bool = False) -> str:
    """Return the address of the newest file that a template with `NEWEST` stands for.

    That is a copy fetched earlier, if there is one, and else the last by name of the files that the
    page of their folder lists. fresh: look at that page first; a copy then serves only if the
    server does not answer, which is logged. Raises DownloadError if there is neither.
    """
    folder, _, name = template.rpartition("/")
    copy = kept(template)
    if copy.exists() and not fresh:
        return f"{folder}/{copy.name}"
    try:
        listed = sorted(n for n in transfer.listed(f"{folder}/") if _pattern(name).fullmatch(n))
    except DownloadError as error:
        if not copy.exists():
            raise
        log.warning("%s; the copy %s of an earlier day is used", error, copy.name)
        return f"{folder}/{copy.name}"
    if not listed:
        raise DownloadError(
            f"{transfer.without_secrets(folder)}/ lists no file like {name}; "
            "has the provider moved or renamed it? `seaice sources check` asks all addresses"
        )
    return f"{folder}/{listed[-1]}"


def kept(address: str) -> Path:
    """Return the path of the local copy of an address, existing or not.

    Of a template with `NEWEST` it is the last one by name.
    """
    copy = download.local_path(address)
    if NEWEST not in address:
        return copy
    copies = sorted(file for file in copy.parent.glob("*") if _pattern(copy.name).fullmatch(file.name))
    return copies[-1] if copies else copy


def _pattern(name: str) -> re.Pattern:
    """Return the pattern of the names that a name with `NEWEST` stands for."""
    return re.compile(re.escape(name).replace(re.escape(NEWEST), r"\d+"))


def _period(text: str) -> pd.Period:
    """Return a year, month or day as a period. Raises DataError for other text."""
    # The pattern is needed because pandas takes "Sept" for September of the year 1.
    if re.fullmatch(r"\d{4}(-\d{2}(-\d{2})?)?", str(text)):
        with suppress(ValueError):
            return pd.Period(text)
    raise DataError(f"{text!r} is not a date; write '2012', '2012-09' or '2012-09-14'")
