"""How are whole files behind http(s) opened? Fetched once, checked, then opened lazily.

The classes are Intake drivers.
"""

import hashlib
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pandas as pd
import xarray as xr

from seaice import progress
from seaice.errors import DataError
from seaice.sources import download, transfer
from seaice.sources.drivers import Driver
from seaice.sources.opening import open_files

T = TypeVar("T")
# The month in which satellites began to see ice in the dark (Nimbus-7, SMMR). No record in the
# catalogue begins earlier.
EARLIEST = "1978-10"
CONNECTIONS = 4  # files requested from one server at a time
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


def _period(text: str) -> pd.Period:
    """Return a year, month or day as a period. Raises DataError for other text."""
    # The pattern is needed because pandas takes "Sept" for September of the year 1.
    if re.fullmatch(r"\d{4}(-\d{2}(-\d{2})?)?", str(text)):
        with suppress(ValueError):
            return pd.Period(text)
    raise DataError(f"{text!r} is not a date; write '2012', '2012-09' or '2012-09-14'")


class RemoteFiles(Driver):
    """Files behind an address template; the base of the two drivers below.

    urlpath: address, with the tokens of `expand` if there is one file per time step. start, end,
    year, month: as in `expand`; `end` alone selects all files of the server from `EARLIEST` to
    `end`. skip_missing: leave out steps for which the server has no file, instead of raising.
    sha256: known hash of a single file. All methods raise DataError; the message has the address.
    """

    name = "remote_files"

    def __init__(
        self,
        urlpath: str,
        *,
        start: str | None = None,
        end: str | None = None,
        year: int | None = None,
        month: int | None = None,
        skip_missing: bool = False,
        sha256: str | None = None,
        metadata: dict | None = None,
    ):
        if end is not None and start is None and year is None and month is None:
            start, skip_missing = EARLIEST, True  # the start of the record is unknown here
        self.urlpath = urlpath
        self.time = {"start": start, "end": end, "year": year, "month": month}
        self.skip_missing = skip_missing
        self.sha256 = sha256
        self.metadata = metadata or {}

    def urls(self) -> list[str]:
        """Return the addresses of the files, one per time step."""
        return expand(self.urlpath, **self.time)

    def local_copies(self) -> list[Path]:
        """Return the paths of the copies of the files, existing or not."""
        return [download.local_path(url) for url in self.urls()]

    def n_steps(self) -> int:
        """Return the number of files: one per time step."""
        return len(self.urls())

    def fetch(self) -> list[Path]:
        """Fetch files that are not in the cache, a few at a time, and return all local files."""
        single = len(self.urls()) == 1  # a single file shows its own progress; many share one bar

        def get(url: str) -> Path:
            return download.unpack(download.fetch(url, sha256=self.sha256, progress=single))

        files = [file for file in self._each(get) if file is not None]
        if not files:
            raise DataError(
                f"{transfer.without_secrets(self.urlpath)}: the server has none of the files asked for"
            )
        return files

    def key(self) -> str:
        """Return the known hash of the content, or a hash of addresses and versions."""
        return self.sha256 or hashlib.sha256(str(self._each(download.fingerprint)).encode()).hexdigest()

    def _each(self, action: Callable[[str], T]) -> list[T | None]:
        """Return the results of `action` for each address, in order; None for skipped files."""

        def attempt(url: str) -> T | None:
            try:
                return action(url)
            except download.NotThereError:
                if not self.skip_missing:
                    raise
                return None

        urls = self.urls()
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            return list(
                progress.bar(pool.map(attempt, urls), total=len(urls), unit="file", delay=1, leave=False)
            )


class RemoteNetCDF(RemoteFiles):
    """NetCDF files behind an address template, joined along time.

    chunks: Dask chunks of the result. xarray_kwargs: how to open each file, with its `engine`.
    """

    name = "remote_netcdf"
    container = "xarray"

    def __init__(
        self, urlpath: str, *, chunks: dict | None = None, xarray_kwargs: dict | None = None, **options
    ):
        super().__init__(urlpath, **options)
        self.opening = {"chunks": chunks if chunks is not None else {}, **(xarray_kwargs or {})}

    def to_dask(self) -> xr.Dataset:
        """Fetch the files and open them lazily. Raises DataError if they do not fit together."""
        return open_files(self.fetch(), cadence=self.metadata.get("cadence"), **self.opening)

    read = to_dask


class RemoteCSV(RemoteFiles):
    """CSV files behind an address template, joined row after row.

    csv_kwargs: options of `pandas.read_csv`.
    """

    name = "remote_csv"
    container = "dataframe"

    def __init__(self, urlpath: str, *, csv_kwargs: dict | None = None, **options):
        super().__init__(urlpath, **options)
        self.opening = csv_kwargs or {}

    def read(self) -> pd.DataFrame:
        """Fetch and read the table. Raises DataError naming the file that is not a table."""
        tables = []
        for file in self.fetch():
            try:
                tables.append(pd.read_csv(file, **self.opening))
            except (OSError, ValueError) as error:
                raise DataError(
                    f"{file}: not readable as a table ({error}); delete it and try again"
                ) from None
        return pd.concat(tables, ignore_index=True)
