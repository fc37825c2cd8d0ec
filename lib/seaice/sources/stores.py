"""How are data opened that must be searched for or requested?

These Intake drivers serve an ESM collection and the Copernicus Climate Data Store.
"""

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
    """One dataset of an ESM collection, found by its facets through intake-esm.

    A collection is a JSON and a CSV file, such as Pangeo's CMIP6. obj: address of the JSON file.
    The facets, each a name or a list of names, must select a single dataset. `member_id` and
    `variable_id` may be lists. `experiment_id` may be a list of consecutive experiments, one
    dataset each; these are joined along time. member: another name for `member_id`, used by
    simulations. Raises DataError if nothing is found; the message lists the values that exist.
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
        """Return the whole collection as an `intake_esm` datastore that can be searched."""
        import intake_esm  # takes a second, and only this driver needs it

        return intake_esm.core.esm_datastore(self.obj, progressbar=False)

    def search(self):
        """Return the datasets that the facets select: a single one, or one per experiment.

        Raises DataError if there are none or too many.
        """
        matches = collection = self.datastore()
        for facet, wanted in self.facets.items():
            narrowed = matches.search(**{facet: wanted})
            if not len(narrowed.df):
                values = sorted(map(str, matches.df[facet].unique()))
                raise DataError(
                    f"{transfer.without_secrets(self.obj)}: no {facet} {wanted!r} here; "
                    f"with the facets before it there are {values[:20]}"
                )
            matches = narrowed
        experiments = self.facets.get("experiment_id")
        needed = (
            set(experiments)
            if isinstance(experiments, list)
            else {experiments or matches.df["experiment_id"].iloc[0]}
        )
        if len(matches) != len(needed) or set(matches.df["experiment_id"]) != needed:
            raise DataError(
                f"{transfer.without_secrets(self.obj)}: the facets {self.facets} leave {len(matches)} of "
                f"{len(collection)} datasets, one is needed, or one an experiment; "
                f"narrow them, e.g. to {list(matches.keys())[:3]}"
            )
        return matches

    def to_dask(self) -> xr.Dataset:
        """Open the dataset lazily, without an account."""
        matches = self.search()
        column = matches.esmcat.assets.column_name
        place = str(matches.df[column].iloc[0])
        on_google = transfer.is_on_google(place)
        if on_google:
            transfer.reach(transfer.server(place))
        datasets = matches.to_dataset_dict(
            progressbar=False,
            xarray_open_kwargs={"chunks": {}},
            storage_options={"token": "anon"} if on_google else {},
        )
        experiments = sorted(datasets.values(), key=lambda ds: ds.indexes["time"][0])
        if len(experiments) == 1:
            return experiments[0]
        try:
            return xr.concat(
                experiments, "time", data_vars="minimal", coords="minimal", compat="override", join="exact"
            )
        except ValueError as error:
            raise DataError(
                f"{transfer.without_secrets(self.obj)}: the experiments {self.facets['experiment_id']} "
                f"do not fit together ({error})"
            ) from None

    read = to_dask

    def key(self) -> str:
        """Return a hash of the stores that the facets select, with their publisher's dates."""
        stores = self.search().df
        return hashlib.sha256(stores.astype(str).to_csv(index=False).encode()).hexdigest()


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
        """Return the folder of the NetCDF files, retrieved if it is not in the cache.

        The folder appears complete or not at all. Raises DataError if the request names no year, if
        there is no key or no client, or if the store does not deliver.
        """
        target = self.path()
        if target.is_dir():
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
