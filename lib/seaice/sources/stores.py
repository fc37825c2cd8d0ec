"""How are data opened that must be requested? An Intake driver for the Climate Data Store."""

import hashlib
import json
import os
import re
import zipfile
from pathlib import Path

import xarray as xr

from seaice import paths
from seaice.errors import DataError
from seaice.files import replacing_folder
from seaice.sources import formats
from seaice.sources.drivers import Driver
from seaice.sources.opening import open_files


class ClimateDataStore(Driver):
    """A dataset of the Copernicus Climate Data Store.

    Each request is retrieved once and kept in the cache. dataset: its name in the store. request:
    the request as the store's web form shows it. select: entries that replace those of `request` or
    are added to them. Raises DataError before any request if there is no key.
    """

    name = "climate_data_store"
    container = "xarray"

    def __init__(
        self,
        dataset: str,
        request: dict,
        *,
        select: dict | None = None,
        chunks: dict | None = None,
        xarray_kwargs: dict | None = None,
        metadata: dict | None = None,
    ):
        self.dataset = dataset
        self.request = {**request, **(select or {})}
        self.opening = {"chunks": chunks if chunks is not None else {}, **(xarray_kwargs or {})}
        self.metadata = metadata or {}

    def key(self) -> str:
        """Return a hash of the dataset's name and the request."""
        return hashlib.sha256(json.dumps([self.dataset, self.request], sort_keys=True).encode()).hexdigest()

    def to_dask(self) -> xr.Dataset:
        """Retrieve the files if they are not in the cache, and open them lazily."""
        files = sorted(self.retrieve().glob("*.nc"))
        return open_files(files, cadence=self.metadata.get("cadence"), **self.opening)

    read = to_dask

    def path(self) -> Path:
        """Return the folder of the NetCDF files of this request, retrieved or not."""
        return paths.cache() / "downloads" / self.dataset / self.key()[:16]

    def local_copies(self) -> list[Path]:
        """Return the folder of `path`."""
        return [self.path()]

    def n_steps(self) -> int | None:
        """Return the number of months of the request, None if it does not name years and months."""
        return len(self.request.get("year", ())) * len(self.request.get("month", ())) or None

    def require_access(self, entry: str) -> None:
        """Raise DataError if no key of the store is set up."""
        require_key(f"entry '{entry}'")

    def retrieve(self) -> Path:
        """Return the folder of the NetCDF files, retrieved if it is not in the cache.

        The folder appears complete or not at all. Raises DataError if the request names no year, if
        there is no key or no client, or if the store does not deliver.
        """
        target = self.path()
        if any(target.glob("*.nc")):  # a folder that was emptied is retrieved again
            return target
        if "year" not in self.request:
            raise DataError(
                f"{self.dataset}: the request names no year; "
                "give select={'year': ['2012'], 'month': ['09']}"
            )
        require_key(self.dataset)
        try:
            import cdsapi
        except ImportError:
            raise DataError(
                f"{self.dataset}: needs the client of the store; `pip install cdsapi` and try again"
            ) from None
        with replacing_folder(target, keep_other=True) as folder:
            folder.mkdir()
            file = folder / "data.nc"
            try:
                cdsapi.Client(quiet=True).retrieve(self.dataset, self.request, str(file))
            except Exception as error:  # the client raises bare Exceptions
                raise DataError(
                    f"{self.dataset}: the store did not deliver ({_without_keys(error)}); is the licence "
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
        return target


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
