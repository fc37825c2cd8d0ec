"""How does a published file become the schema on the grid? All data enter the package here."""

import logging
from collections.abc import Callable

import pandas as pd
import xarray as xr

from seaice import schema
from seaice.errors import DataError
from seaice.geo import regrid, winds
from seaice.grid import Grid
from seaice.schema import Flag
from seaice.sources import (
    averages,
    catalog,
    coordinates,
    dates,
    fields as sources_fields,
    layouts,
    nsidc,
    osisaf,
)
from seaice.steps import FREQUENCY, STAMP

log = logging.getLogger(__name__)

PROVIDERS = {
    "osisaf": osisaf.osisaf,
    "nsidc_bytes": nsidc.nsidc_bytes,
    "nsidc_cdr": nsidc.nsidc_cdr,
    "ecmwf_edge": nsidc.ecmwf_edge,
    "latlon": sources_fields.latlon,
    "cmip6": sources_fields.cmip6,
    "ease2": sources_fields.ease2,
    "seas5": sources_fields.seas5,
}
PARTNER = {"uas": "vas", "vas": "uas"}  # a wind component can't be rotated without the other


def load(
    name: str,
    grid: Grid,
    *,
    start: str | None = None,
    end: str | None = None,
    variables: list[str] | None = None,
    **options,
) -> xr.Dataset:
    """Return a catalogue entry as a schema dataset on `grid`, lazily.

    start, end: first and last date ("1979-01", "2014-12") of `time` or, for forecasts, of
    `init_time`; default all. variables: schema names to return, default all. options: passed to
    `catalog.open_entry`.
    Hourly entries are averaged to months. Returns dims (time, y, x), or (init_time, lead_time,
    member, y, x) for ensembles; docs/contracts.md says what a schema dataset contains. Dates
    absent from a regular time axis are inserted as missing, logged, and listed in the attribute
    `missing_times`. Raises DataError naming the entry, variable and date.
    """
    metadata = catalog.metadata(name)
    if metadata.get("one_file_a_step"):
        options = {"start": start, "end": end} | options
    raw = catalog.open_entry(name, **options)
    if metadata.get("cadence") == "hourly":
        # Dates are selected first: a graph of all hours since 1940 would not fit in memory.
        raw = averages.monthly_means(_select_dates(raw, start, end, source=name), source=name)
        metadata = metadata | {"cadence": "monthly"}
    native = standardise(raw, metadata, source=name)
    return on_grid(native, grid, source=name, start=start, end=end, variables=variables)


def forgiving(load: Callable[..., xr.Dataset] = load) -> Callable[..., xr.Dataset]:
    """Return a `load` to which steps whose files the provider lacks are missing, and no error."""

    def tolerant(name: str, grid: Grid, **options) -> xr.Dataset:
        if catalog.metadata(name).get("one_file_a_step"):
            options |= {"skip_missing": True}
        return load(name, grid, **options)

    return tolerant


def standardise(raw: xr.Dataset, metadata: dict, *, source: str) -> xr.Dataset:
    """Return `raw` on its published grid, in the schema's names, units, flags and dates, lazily.

    metadata: `provider`, `hemisphere`, `cadence`. If `provider` is not a key of `PROVIDERS`, the
    convention is recognised from the dataset. source: entry or file, for messages. The attribute
    `grid_kind` of the result tells its kind of grid. Raises DataError.
    """
    raw = layouts.tidy(raw, source=source)
    raw = dates.with_dates(raw, metadata.get("cadence", "monthly"), source=source)
    native = PROVIDERS[convention(raw, metadata, source=source)](raw, metadata, source=source)
    native.attrs |= {
        "source": source,
        "hemisphere": metadata.get("hemisphere", "both"),
        "cadence": metadata.get("cadence", "monthly"),
        "references": str(metadata.get("doi", "")),
        **({"outages": metadata["outages"]} if "outages" in metadata else {}),
    }
    return native


def on_grid(
    native: xr.Dataset,
    grid: Grid,
    *,
    source: str,
    start: str | None = None,
    end: str | None = None,
    variables: list[str] | None = None,
) -> xr.Dataset:
    """Return the result of `standardise` on `grid`, for the selected dates and variables.

    Arguments and errors: as for `load`.
    """
    if (
        native.attrs["grid_kind"] in ("stereographic", "ease2")
        and native.attrs["hemisphere"] != grid.hemisphere
    ):
        raise DataError(
            f"{source}: is of the {native.attrs['hemisphere']}, the grid of the {grid.hemisphere}; name data "
            f"of the {grid.hemisphere}, or a grid of the {native.attrs['hemisphere']}"
        )
    native = _select_variables(native, variables, source=source)
    native = _select_dates(native, start, end, source=source)
    ds = regrid.to_grid(_rotate(native, grid), grid, source=source)
    if native.attrs.get("binary"):
        ds["sip"] = (
            (ds["sip"] >= 0.5).where(ds["sip"].notnull()).astype("float32").assign_attrs(ds["sip"].attrs)
        )
    if "time" in ds.dims:
        ds = _regular(ds, native.attrs["cadence"], source=source)
    wanted = [v for v in variables or () if v in schema.VARIABLES]
    ds = ds.drop_vars([v for v in PARTNER if variables and v in ds and v not in variables])
    ds.attrs |= {"hemisphere": grid.hemisphere, "resolution_km": grid.resolution_km, "Conventions": "CF-1.11"}
    return schema.check(ds.assign_coords(crs=grid.mapping()), source=source, variables=wanted or None)


def convention(raw: xr.Dataset, metadata: dict, *, source: str) -> str:
    """Return the key of `PROVIDERS` whose convention `raw` follows.

    It is the one that the catalogue names or, without a known name, the one that fits the contents.
    Raises DataError if none fits.
    """
    if metadata.get("provider") in PROVIDERS:
        return metadata["provider"]
    names, dims = set(map(str, raw.variables)), set(map(str, raw.dims))
    matches = {
        "osisaf": {"ice_conc", "status_flag"} <= names,
        "nsidc_cdr": any(n.startswith("cdr_seaice_conc") for n in names),
        "ecmwf_edge": "ice_edge" in names,
        "seas5": bool(
            {"number", "member", "realization"} & dims
            and {"lead_time", "forecastMonth", "forecast_period"} & dims
        ),
        "nsidc_bytes": nsidc.pole_of_grid(raw) is not None,
        "ease2": coordinates.is_projected(raw),
        "latlon": any(n in dims for n in coordinates.LATITUDES),
        "cmip6": any(n in names for n in coordinates.LATITUDES),
    }
    for key, fits in matches.items():
        if fits:
            return key
    named = metadata.get("provider")
    unknown = f" ({named!r} is none of them)" if named else ""
    raise DataError(
        f"{source}: its variables {sorted(names)} show no known convention: there are no latitudes and "
        f"longitudes, and no axes of a known polar grid; add them, or name as provider one of "
        f"{', '.join(sorted(PROVIDERS))}{unknown}"
    )


def _select_variables(ds: xr.Dataset, variables: list[str] | None, *, source: str) -> xr.Dataset:
    """Return the variables, and those that they need: the other wind component, flags, land.

    Raises DataError for a missing variable.
    """
    if variables is None:
        return ds
    absent = [v for v in variables if v not in ds]
    if absent:
        raise DataError(
            f"{source}: variable '{absent[0]}' is missing; it holds {sorted(map(str, ds.data_vars))}"
        )
    keep = {v for name in variables for v in (name, PARTNER.get(name)) if v in ds}
    if {"siconc", "sip"} & keep:
        keep |= {v for v in ("siconc_flag", "land", "max_ice") if v in ds}
    return ds[sorted(keep)]


def _select_dates(ds: xr.Dataset, start: str | None, end: str | None, *, source: str) -> xr.Dataset:
    """Return the steps from `start` to `end`. Raises DataError if there are none."""
    dim = next((d for d in ("time", "init_time") if d in ds.dims), None)
    if dim is None:
        return ds
    schema.check_time(ds.indexes[dim], source=source)
    chosen = ds.sel({dim: slice(start, end)})
    if chosen.sizes[dim] == 0:
        first, last = (str(ds[dim].values[i])[:10] for i in (0, -1))
        raise DataError(f"{source}: nothing between {start} and {end}; it spans {first} to {last}")
    return chosen


def _rotate(ds: xr.Dataset, grid: Grid) -> xr.Dataset:
    """Rotate eastward and northward winds to the grid's axes, before they are interpolated.

    Raises DataError if one of the two components is missing. See `winds.rotate`.
    """
    if not {"uas", "vas"} <= set(ds.data_vars):
        if {"uas", "vas"} & set(ds.data_vars) and ds.attrs["grid_kind"] != "ease2":
            raise DataError(
                f"{ds.attrs['source']}: has one of 'uas' and 'vas' but not the other; "
                "a wind needs both to be rotated"
            )
        return ds
    if ds["uas"].attrs["standard_name"] == "x_wind" and ds.attrs["grid_kind"] == "ease2":
        return ds
    u, v = winds.rotate(ds["uas"], ds["vas"], ds["lon"], hemisphere=grid.hemisphere)
    return ds.assign(
        uas=u.assign_attrs(schema.attributes("uas")), vas=v.assign_attrs(schema.attributes("vas"))
    )


def _regular(ds: xr.Dataset, cadence: str, *, source: str) -> xr.Dataset:
    """Insert dates absent between the first and the last as missing: NaN, `Flag.MISSING`."""
    if cadence not in FREQUENCY:
        return ds
    time = ds.indexes["time"]
    regular_times = pd.date_range(time[0], time[-1], freq=FREQUENCY[cadence], name="time")
    absent = regular_times.difference(time)
    if len(absent):
        listed = " ".join(absent.strftime(STAMP[cadence]))
        log.warning("%s: no data for %s; put in as missing", source, listed)
        ds = ds.reindex(time=regular_times, fill_value={"siconc_flag": Flag.MISSING})
        ds.attrs["missing_times"] = listed
    return ds
