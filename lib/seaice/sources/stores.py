"""How are data opened that must be requested? An Intake driver for the Climate Data Store."""

import hashlib
import json
import logging
import os
import re
import zipfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import xarray as xr

from seaice import files, paths
from seaice.errors import DataError
from seaice.sources import ensembles, formats
from seaice.sources.drivers import Driver
from seaice.sources.opening import open_files

log = logging.getLogger(__name__)


# Lists of a request that may be cut, in this order: the first with several values is cut in half.
CUT = ("year", "month", "leadtime_hour", "leadtime_month", "variable")
# Words of the store about a request that is more than it grants at once.
TOO_LARGE = ("too large", "cost limit", "too many items")


class _TooLarge(Exception):
    """Raised for a request that the store grants only in pieces."""


class ClimateDataStore(Driver):
    """A dataset of the Copernicus Climate Data Store.

    Each request is retrieved once and kept in the cache. What the store does not grant at once is
    asked for in halves, and an interrupted retrieval goes on from the pieces that came. dataset:
    its name in the store. request: the request as the store's web form shows it. select: entries
    that replace those of `request` or are added to them. pieces: lists of the request whose values
    are asked for one by one from the start. Raises DataError before any request if there is no key.
    """

    name = "climate_data_store"
    container = "xarray"

    def __init__(
        self,
        dataset: str,
        request: dict,
        *,
        select: dict | None = None,
        pieces: Sequence[str] = (),
        chunks: dict | None = None,
        xarray_kwargs: dict | None = None,
        metadata: dict | None = None,
    ):
        self.dataset = dataset
        self.request = {**request, **(select or {})}
        self.pieces = [name for name in pieces if isinstance(self.request.get(name), list)]
        self.opening = {"chunks": chunks if chunks is not None else {}, **(xarray_kwargs or {})}
        self.metadata = metadata or {}

    def key(self) -> str:
        """Return a hash of the dataset's name and the request."""
        return self._key(self.request)

    def to_dask(self) -> xr.Dataset:
        """Retrieve the files if they are not in the cache, and open them lazily."""
        cadence = self.metadata.get("cadence")
        opened = [
            open_files(sorted(folder.glob("*.nc")), cadence=cadence, **self.opening)
            for folder in self.retrieve()
        ]
        return ensembles.joined(opened, source=self.dataset, cadence=cadence)

    read = to_dask

    def path(self) -> Path:
        """Return the folder of the NetCDF files of the whole request, retrieved or not."""
        return self._path(self.request)

    def local_copies(self) -> list[Path]:
        """Return the folders of the pieces: that of `path` if the request is not cut."""
        return [self._path(request) for request in self.requests()]

    def n_steps(self) -> int | None:
        """Return the number of months of the request, None if it does not name years and months."""
        return len(self.request.get("year", ())) * len(self.request.get("month", ())) or None

    def require_access(self, entry: str) -> None:
        """Raise DataError if no key of the store is set up."""
        require_key(f"entry '{entry}'")

    def requests(self) -> list[dict]:
        """Return the requests that make up the whole one, as far as it is known to be cut."""
        if any(self.path().glob("*.nc")):
            return [self.request]
        values = product(*(self.request[name] for name in self.pieces))
        pieces = [
            self.request | {n: [v] for n, v in zip(self.pieces, chosen, strict=True)} for chosen in values
        ]
        return [part for piece in pieces for part in self._parts(piece)]

    def retrieve(self) -> list[Path]:
        """Return the folders of the NetCDF files of every piece, retrieved if they are not there.

        A folder appears complete or not at all. Raises DataError if the request names no year, if
        there is no key or no client, or if the store does not deliver.
        """
        if "year" not in self.request:
            raise DataError(
                f"{self.dataset}: the request names no year; "
                "give select={'year': ['2012'], 'month': ['09']}"
            )
        waiting, folders = self.requests(), []
        n_pieces = len(waiting)
        while waiting:
            request = waiting.pop(0)
            folder = self._path(request)
            try:
                if not any(folder.glob("*.nc")):  # a folder that was emptied is retrieved again
                    log.info("%s: %d of %d pieces are here", self.dataset, len(folders), n_pieces)
                    self._retrieve(request, folder)
                folders.append(folder)
            except _TooLarge as refused:
                if not _halves(request):
                    raise DataError(
                        f"{self.dataset}: the store calls the smallest piece of this request too large "
                        f"({refused}); ask for a smaller `area`, or try later"
                    ) from None
                # Remembered, so that the next call does not ask for the whole again.
                files.write_json(self._mark(request), {"cut": True})
                halves = self._parts(request)
                n_pieces += len(halves) - 1
                waiting = halves + waiting
        return folders

    def _parts(self, request: dict) -> list[dict]:
        """Return the requests that one is cut into, as far as the store is known to refuse it."""
        if not self._mark(request).is_file():
            return [request]
        return [part for half in _halves(request) for part in self._parts(half)]

    def _key(self, request: dict) -> str:
        return hashlib.sha256(json.dumps([self.dataset, request], sort_keys=True).encode()).hexdigest()

    def _path(self, request: dict) -> Path:
        """Return the folder of the files of one request."""
        return paths.cache() / "downloads" / self.dataset / self._key(request)[:16]

    def _mark(self, request: dict) -> Path:
        """Return the file that says that the store does not grant a request at once."""
        folder = self._path(request)
        return folder.with_name(f"{folder.name}.cut.json")

    def _retrieve(self, request: dict, target: Path) -> None:
        """Retrieve one request. Raises _TooLarge if it must be cut, and DataError."""
        require_key(self.dataset)
        try:
            import cdsapi
        except ImportError:
            raise DataError(
                f"{self.dataset}: needs the client of the store; `pip install cdsapi` (or `make CDS=1 "
                "VENV=.venv-cds env`, which takes the locked one) and try again"
            ) from None
        with files.replacing_folder(target, keep_other=True) as folder:
            folder.mkdir()
            file = folder / "data.nc"
            try:
                cdsapi.Client(quiet=True).retrieve(self.dataset, request, str(file))
            except Exception as error:  # the client raises bare Exceptions
                text = _without_keys(error)
                if any(words in text.lower() for words in TOO_LARGE):
                    raise _TooLarge(text) from None
                raise DataError(
                    f"{self.dataset}: the store did not deliver ({text}); is the licence "
                    "accepted on the dataset's page, and does its web form allow the request?"
                ) from None
            if zipfile.is_zipfile(file):  # several variables or steps come as an archive
                with zipfile.ZipFile(file) as archive:
                    archive.extractall(folder)
                file.unlink()
            for delivered in (f for f in sorted(folder.rglob("*")) if f.is_file()):
                formats.refuse(delivered, source=f"{self.dataset}: what the store sent, {delivered.name},")
            if not any(folder.glob("*.nc")):
                names = sorted(f.name for f in folder.rglob("*"))
                raise DataError(
                    f"{self.dataset}: the store delivered {names or 'nothing'}, none of them *.nc; "
                    "ask for `data_format: netcdf` in the request"
                )


def _halves(request: dict) -> list[dict]:
    """Return a request as two of half the size; none if it can't be cut."""
    for name in CUT:
        values = request.get(name)
        if isinstance(values, list) and len(values) > 1:
            middle = len(values) // 2
            return [request | {name: values[:middle]}, request | {name: values[middle:]}]
    return []


def require_key(dataset: str) -> None:
    """Raise DataError if no key for the Copernicus Climate Data Store is set up.

    The key itself is not read.
    """
    file = Path(os.environ.get("CDSAPI_RC") or Path.home() / ".cdsapirc")
    if not os.environ.get("CDSAPI_KEY") and not file.is_file():
        raise DataError(
            f"{dataset}: needs a free account of the Copernicus Climate Data Store; put its address and your "
            f"key into {file} (see https://cds.climate.copernicus.eu/how-to-api) or into CDSAPI_URL "
            "and CDSAPI_KEY"
        )


def _without_keys(error: Exception) -> str:
    """Return the type and text of an error, with keys of the store replaced by ***."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "***", f"{type(error).__name__}: {error}")
    key = os.environ.get("CDSAPI_KEY")
    return text.replace(key, "***") if key else text
