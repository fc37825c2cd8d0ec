"""How are whole files behind http(s) opened? Fetched once, checked, then opened lazily.

The classes are Intake drivers.
"""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pandas as pd
import xarray as xr

from seaice import progress
from seaice.errors import DataError
from seaice.sources import addresses, download, transfer
from seaice.sources.drivers import Driver
from seaice.sources.opening import open_files

T = TypeVar("T")
# The month in which satellites began to see ice in the dark (Nimbus-7, SMMR). No record in the
# catalogue begins earlier.
EARLIEST = "1978-10"
CONNECTIONS = 4  # files requested from one server at a time


class RemoteFiles(Driver):
    """Files behind an address template; the base of the two drivers below.

    urlpath: address, with the tokens of `addresses.expand` if there is one file per time step, or
    with `addresses.NEWEST`. mirrors: the same for other servers, which are asked in this order
    where the first does not have a file or does not answer. start, end, year, month: as in
    `addresses.expand`; `end` alone selects all files of the server from `EARLIEST` to `end`.
    skip_missing: leave out steps for which no server has a file, instead of raising. fresh: fetch a
    file anew if the server has another version than the copy. connections: files requested at a
    time; some providers ask for one. sha256: known hash of a single file. All methods raise
    DataError; the message has the address.
    """

    name = "remote_files"

    def __init__(
        self,
        urlpath: str,
        *,
        mirrors: Sequence[str] = (),
        start: str | None = None,
        end: str | None = None,
        year: int | None = None,
        month: int | None = None,
        skip_missing: bool = False,
        fresh: bool = False,
        connections: int = CONNECTIONS,
        sha256: str | None = None,
        metadata: dict | None = None,
    ):
        if end is not None and start is None and year is None and month is None:
            start, skip_missing = EARLIEST, True  # the start of the record is unknown here
        self.urlpath, self.mirrors = urlpath, tuple(mirrors)
        self.time = {"start": start, "end": end, "year": year, "month": month}
        self.skip_missing, self.fresh = skip_missing, fresh
        self.connections = connections
        self.sha256 = sha256
        self.metadata = metadata or {}

    def urls(self) -> list[str]:
        """Return the addresses of the files, one per time step."""
        return addresses.expand(self.urlpath, **self.time)

    def local_copies(self) -> list[Path]:
        """Return the paths of the copies of the files, existing or not."""
        copies = [[addresses.kept(url) for url in places] for places in self._places()]
        return [next((copy for copy in step if copy.exists()), step[0]) for step in copies]

    def n_steps(self) -> int:
        """Return the number of files: one per time step."""
        return len(self.urls())

    def n_bytes_to_fetch(self) -> float | None:
        """Return the bytes that are still to be fetched, as the server says; None if unknown.

        Of several files the size of the newest stands for each, so that the server is asked once.
        """
        absent = [u for u, copy in zip(self.urls(), self.local_copies(), strict=True) if not copy.exists()]
        if not absent:
            return 0.0
        try:
            url = addresses.newest(absent[-1]) if addresses.NEWEST in absent[-1] else absent[-1]
            length = transfer.version(url)["length"]
        except download.DownloadError:
            return None
        return length and float(length * len(absent))

    def fetch(self) -> list[Path]:
        """Fetch files that are not in the cache, a few at a time, and return all local files."""
        return self._some([file for file in self._fetched() if file is not None])

    def key(self) -> str:
        """Return the known hash of the content, or a hash of addresses and versions."""
        return self.sha256 or hashlib.sha256(str(self._each(download.fingerprint)).encode()).hexdigest()

    def _fetched(self) -> list[Path | None]:
        """Return the local file of each address, in order; None for those that no server has."""
        single = len(self.urls()) == 1  # a single file shows its own progress; many share one bar

        def get(url: str) -> Path:
            options = {"sha256": self.sha256, "progress": single, "fresh": self.fresh}
            return download.unpack(download.fetch(url, **options))

        return self._each(get)

    def _some(self, files: list[Path]) -> list[Path]:
        """Return `files` unchanged. Raises DataError if there are none."""
        if not files:
            raise DataError(
                f"{transfer.without_secrets(self.urlpath)}: the server has none of the files asked for"
            )
        return files

    def _places(self) -> list[tuple[str, ...]]:
        """Return the addresses of every file: the provider's first, then those of its mirrors."""
        return list(
            zip(*(addresses.expand(t, **self.time) for t in (self.urlpath, *self.mirrors)), strict=True)
        )

    def _each(self, action: Callable[[str], T]) -> list[T | None]:
        """Return the results of `action` for each file, in order; None for skipped files."""

        def attempt(places: tuple[str, ...]) -> T | None:
            try:
                return self._first(action, places)
            except download.NotThereError:
                if not self.skip_missing:
                    raise
                return None

        places = self._places()
        with ThreadPoolExecutor(self.connections) as pool:
            return list(
                progress.bar(pool.map(attempt, places), total=len(places), unit="file", delay=1, leave=False)
            )

    def _first(self, action: Callable[[str], T], places: tuple[str, ...]) -> T:
        """Return the result of `action` for the first place that has a copy here, or that answers.

        Raises the DownloadError of the first place, with those of the others in its message.
        """
        kept = [url for url in places if addresses.kept(url).exists()]
        errors = []
        for url in dict.fromkeys([*kept[:1], *places]):
            try:
                return action(addresses.newest(url, fresh=self.fresh) if addresses.NEWEST in url else url)
            except download.DownloadError as error:
                errors.append(error)
        lacking = all(isinstance(error, download.NotThereError) for error in errors)
        kind = download.NotThereError if lacking else download.DownloadError
        raise kind("; and ".join(map(str, errors)))


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
        """Fetch the files and open them lazily.

        Raises DataError if they do not fit together, and for one that holds another step than its
        name says.
        """
        steps = [addresses.step_of(self.urlpath, url) for url in self.urls()]
        expected = {file: step for file, step in zip(self._fetched(), steps, strict=True) if file}
        cadence = self.metadata.get("cadence")
        return open_files(self._some(list(expected)), cadence=cadence, expected=expected, **self.opening)

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
