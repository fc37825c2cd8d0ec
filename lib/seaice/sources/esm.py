"""How are data opened that must be searched for? An Intake driver for ESM collections."""

import hashlib
import logging

import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.sources import joining, transfer
from seaice.sources.drivers import Driver

log = logging.getLogger(__name__)


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
                    f"{_shown(self.obj)}: no {facet} {wanted!r} here; "
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
                f"{_shown(self.obj)}: the facets {self.facets} leave {len(matches)} of "
                f"{len(collection)} datasets, one is needed, or one an experiment; "
                f"narrow them, e.g. to {list(matches.keys())[:3]}"
            )
        return matches

    def to_dask(self) -> xr.Dataset:
        """Open the dataset lazily, without an account.

        Raises DataError if a variable is absent in one of the experiments, and if the stores do not
        fit together.
        """
        matches = self.search()
        stores, column = matches.df, matches.esmcat.assets.column_name
        place = str(stores[column].iloc[0])
        if transfer.is_on_google(place):
            transfer.reach(transfer.server(place))
        members = {}
        for member, own in stores.groupby("member_id", dropna=False):
            self._require_all(own)
            members[member] = self._member(own, column)
        if len(members) == 1:
            return next(iter(members.values()))
        return xr.concat(
            list(members.values()),
            pd.Index(list(members), name="member_id"),
            coords="minimal",
            compat="override",
        )

    def _require_all(self, stores: pd.DataFrame) -> None:
        """Raise DataError unless each experiment has all variables that another one has."""
        held = {
            str(experiment): set(rows["variable_id"]) for experiment, rows in stores.groupby("experiment_id")
        }
        for experiment, variables in held.items():
            absent = sorted(set().union(*held.values()) - variables)
            if absent:
                others = " and ".join(sorted(set(held) - {experiment}))
                raise DataError(
                    f"{_shown(self.obj)}: '{experiment}' has no {', '.join(absent)}, which "
                    f"{others} has; it would be missing for that whole period. "
                    "Choose another member or model, or leave the variable out"
                )

    def _member(self, stores: pd.DataFrame, column: str) -> xr.Dataset:
        """Return all variables and experiments of one member.

        An experiment that runs on into the next one is cut where that begins, which is logged.
        """
        places = [str(place) for place in stores[column]]
        datasets = [_open_store(place) for place in places]
        begins = {
            experiment: min(datasets[i].indexes["time"][0] for i in rows)
            for experiment, rows in stores.reset_index(drop=True).groupby("experiment_id").groups.items()
        }
        for i, experiment in enumerate(stores["experiment_id"]):
            later = [begin for begin in begins.values() if begin > begins[experiment]]
            inside = datasets[i].indexes["time"] < min(later) if later else None
            if later and not inside.all():
                log.warning(
                    "%s: '%s' goes on beyond %s, where the next experiment begins, and is cut there",
                    places[i],
                    experiment,
                    min(later),
                )
                datasets[i] = datasets[i].isel(time=inside)
        return joining.joined(datasets, places, cadence="monthly")

    read = to_dask

    def key(self) -> str:
        """Return a hash of the stores that the facets select, with their publisher's dates."""
        stores = self.search().df
        return hashlib.sha256(stores.astype(str).to_csv(index=False).encode()).hexdigest()


def _open_store(place: str) -> xr.Dataset:
    """Return a Zarr store of a collection, or a NetCDF file, lazily. Raises DataError."""
    on_google = {"storage_options": {"token": "anon"}} if transfer.is_on_google(place) else {}
    try:
        if place.endswith(".nc"):
            return xr.open_dataset(place, chunks={})
        return xr.open_dataset(place, engine="zarr", chunks={}, **on_google)
    except Exception as error:  # the clients behind Zarr raise errors of any type
        why = type(error).__name__ if "://" in place else f"{type(error).__name__}: {error}"
        raise DataError(
            f"{_shown(place)}: the collection names it, and it can't be read ({why}); is it there?"
        ) from None


def _shown(place: str) -> str:
    """Return an address without secrets, or a path, for messages."""
    return transfer.without_secrets(place) if "://" in place else place
