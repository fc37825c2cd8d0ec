"""Intake drivers for stores that are asked rather than fetched: an ESM collection and the Copernicus Climate Data Store."""

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
from seaice.sources import transfer
from seaice.sources.drivers import Driver
from seaice.sources.remote import open_files


class EsmCollection(Driver):
    """One dataset of an ESM collection (JSON and CSV, as Pangeo's CMIP6), found by its facets through intake-esm.

    obj: address of the collection's JSON. The facets, each a name or a list of names, must lead to a single dataset;
    `member_id` and `variable_id` may be lists. `experiment_id` may be a list of experiments that follow one another, a dataset
    each, which are joined along time. member: the same as `member_id`, as simulations name it.
    Raises DataError with the values that exist when nothing is found.
    """

    name = "esm_collection"
    container = "xarray"

    def __init__(
        self,
        obj: str,
        *,
        source_id=None,
        experiment_id=None,
        table_id=None,
        variable_id=None,
        member_id=None,
        grid_label=None,
        member: str | None = None,
        metadata: dict | None = None,
    ):
        self.obj = obj
        facets = {
            "source_id": source_id,
            "experiment_id": experiment_id,
            "table_id": table_id,
            "variable_id": variable_id,
            "member_id": member or member_id,
            "grid_label": grid_label,
        }
        self.facets = {k: v for k, v in facets.items() if v is not None}
        self.metadata = metadata or {}

    def datastore(self):
        """Return the whole collection as an `intake_esm` datastore, to search in."""
        import intake_esm  # a second of import that only this entry needs

        return intake_esm.core.esm_datastore(self.obj, progressbar=False)

    def search(self):
        """Return the part of the collection that the facets leave: a single dataset, or one an experiment."""
        found = whole = self.datastore()
        for facet, wanted in self.facets.items():
            narrowed = found.search(**{facet: wanted})
            if not len(narrowed.df):
                there = sorted(map(str, found.df[facet].unique()))
                raise DataError(
                    f"{transfer.shown(self.obj)}: no {facet} {wanted!r} here; with the facets before it there are {there[:20]}"
                )
            found = narrowed
        experiments = self.facets.get("experiment_id")
        needed = (
            set(experiments)
            if isinstance(experiments, list)
            else {experiments or found.df["experiment_id"].iloc[0]}
        )
        if len(found) != len(needed) or set(found.df["experiment_id"]) != needed:
            raise DataError(
                f"{transfer.shown(self.obj)}: the facets {self.facets} leave {len(found)} of {len(whole)} datasets, one is needed, "
                f"or one an experiment; narrow them, e.g. to {list(found.keys())[:3]}"
            )
        return found

    def to_dask(self) -> xr.Dataset:
        """Open the dataset lazily, without an account."""
        found = self.search()
        column = found.esmcat.assets.column_name
        place = str(found.df[column].iloc[0])
        on_google = transfer.is_on_google(place)
        if on_google:
            transfer.reach(transfer.server(place))
        opened = found.to_dataset_dict(
            progressbar=False,
            xarray_open_kwargs={"chunks": {}},
            storage_options={"token": "anon"} if on_google else {},
        )
        parts = sorted(opened.values(), key=lambda ds: ds.indexes["time"][0])
        if len(parts) == 1:
            return parts[0]
        try:
            return xr.concat(
                parts, "time", data_vars="minimal", coords="minimal", compat="override", join="exact"
            )
        except ValueError as error:
            raise DataError(
                f"{transfer.shown(self.obj)}: the experiments {self.facets['experiment_id']} do not fit together ({error})"
            ) from None

    read = to_dask

    def key(self) -> str:
        """Return what identifies the content: the stores (dated by their publisher) that the facets lead to."""
        found = self.search().df
        return hashlib.sha256(found.astype(str).to_csv(index=False).encode()).hexdigest()


class ClimateDataStore(Driver):
    """A dataset of the Copernicus Climate Data Store, retrieved once per request and kept in the cache.

    dataset: its name there. request: what to ask for, as the store's web form shows it; `select` adds to or replaces
    parts of it. Raises DataError before anything is asked if there is no key.
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
        """Return what identifies the content: the dataset's name and the request."""
        return hashlib.sha256(json.dumps([self.dataset, self.request], sort_keys=True).encode()).hexdigest()

    def to_dask(self) -> xr.Dataset:
        """Retrieve what is not in the cache and open it lazily."""
        return open_files(sorted(self.retrieve().glob("*.nc")), **self.opening)

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
        """Return the folder of the retrieved NetCDF files; it appears complete or not at all."""
        target = self.path()
        if target.is_dir():
            return target
        if "year" not in self.request:
            raise DataError(
                f"{self.dataset}: the request names no year; give select={{'year': ['2012'], 'month': ['09']}}"
            )
        require_key(self.dataset)
        try:
            import cdsapi
        except ImportError:
            raise DataError(
                f"{self.dataset}: needs the client of the store; `pip install cdsapi` and try again"
            ) from None
        with replacing_folder(target, keep_other=True) as part:
            part.mkdir()
            file = part / "data.nc"
            try:
                cdsapi.Client(quiet=True).retrieve(self.dataset, self.request, str(file))
            except Exception as error:  # the client raises bare Exceptions
                raise DataError(
                    f"{self.dataset}: the store did not deliver ({_without_keys(error)}); is its licence accepted on the "
                    "dataset's page, and the request one its web form allows?"
                ) from None
            if zipfile.is_zipfile(file):  # several variables or steps come as an archive
                with zipfile.ZipFile(file) as archive:
                    archive.extractall(part)
                file.unlink()
        return target


def require_key(dataset: str) -> None:
    """Raise DataError if no key for the Copernicus Climate Data Store is set up; the key itself is not read."""
    file = Path(os.environ.get("CDSAPI_RC") or Path.home() / ".cdsapirc")
    if not os.environ.get("CDSAPI_KEY") and not file.is_file():
        raise DataError(
            f"{dataset}: needs a free account of the Copernicus Climate Data Store; put its address and your key into "
            f"{file} (see https://cds.climate.copernicus.eu/how-to-api) or into CDSAPI_URL and CDSAPI_KEY"
        )


def _without_keys(error: Exception) -> str:
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "***", f"{type(error).__name__}: {error}")
    key = os.environ.get("CDSAPI_KEY")
    return text.replace(key, "***") if key else text
