"""The pass from catalogue entries to the analysis-ready store: regrid, check, fill, fit on the past, write."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import dask.array
import numpy as np
import pandas as pd
import xarray as xr

from seaice import climate, gaps, masks, normalise, normals, prior, providers, quality, ready_store, steps
from seaice.atomic import beside, replacing_folder
from seaice.grid import Grid
from seaice.ready_store import append, open_ready, opened
from seaice.schema import DataError, attributes
from seaice.steps import AHEAD

ABSOLUTE = ("ua10", "uas", "vas")  # inputs taken as they are; every other one as an anomaly, Andersson et al. 2021
EXTENSION = AHEAD["monthly"]  # months past the last observation for which the trend is still known
MISSING = np.uint8(3)  # siconc_flag of a value that is not there
ICE = ("siconc", "siconc_flag", "siconc_trend", *prior.FIELDS)  # variables along time that are no scaled predictors


def fit_end(splits: Mapping[str, Sequence[str]], *, n_leads: int, cadence: str = "monthly") -> str:
    """Return the last month ("YYYY-MM") or day that anything may be fitted to: the last target of the training split."""
    last = steps.bounds(splits["train"], cadence)[1] + (n_leads - 1) * steps.offset(cadence)
    return f"{last:{steps.STAMP[cadence]}}"


def build(
    path: Path,
    grid: Grid,
    *,
    sources: Mapping[str, str],
    start: str,
    end: str,
    fit_end: str,
    run: str,
    cadence: str = "monthly",
    normals: str | None = None,
    load: Callable[..., xr.Dataset] = providers.load,
) -> pd.DataFrame:
    """Write the analysis-ready store (see CONTRIBUTING.md) and return the report of the quality checks.

    sources: variable -> catalogue entry; `siconc` is required. start, end: first and last month ("YYYY-MM") or day taken.
    fit_end: last month or day seen by climatologies, scaling and active cells. normals: entry of monthly SIC from all of whose past the
    climatology, trend and active cells of a daily record come, default the record's own monthly means.
    The store appears at `path` only when it is complete; an older one there is replaced then. Streams: holds a few time steps at once.
    Raises DataError for a missing `siconc` source, an entry of another cadence, empty time spans, and whatever the providers find.
    """
    _check_sources(sources, source=f"run '{run}'")
    axis, fit = time_axis(start, end, cadence=cadence), {"fit_start": start, "fit_end": fit_end}
    origin = {"run": run, "hemisphere": grid.hemisphere, "resolution_km": grid.resolution_km, "cadence": cadence}
    with replacing_folder(path) as building:
        ice = _of_cadence(load(sources["siconc"], grid, start=start, end=end), cadence, sources["siconc"])
        report = quality.find_broken(ice)
        ice = quality.mask_broken(ice, report)
        if cadence == "monthly":
            _write_ice(building, grid, ice, axis, fit, source=sources["siconc"])
        else:
            _write_observed(building, grid, ice, axis)
            months, of = months_of(ice, opened(building), normals, grid, axis, fit, source=sources["siconc"], load=load)
            _write_ice(beside(building, "months"), grid, months, **of)
            _write_normals(building, grid, opened(beside(building, "months")), origin | fit)
        for name, entry in sources.items():
            if name != "siconc":
                field = _of_cadence(load(entry, grid, start=start, end=end, variables=[name]), cadence, entry)[name]
                _write_predictor(building, grid, field, axis, fit, source=entry, cadence=cadence)
        xr.Dataset().to_zarr(
            building, group="statistics", mode="a", consolidated=False
        )  # there is one, if nothing is in it
        named = {"normals": normals} if normals else {}
        ready_store.finish(building, origin | fit | {"sources": dict(sources), **named, "Conventions": "CF-1.11"})
    return report


def build_simulation(
    path: Path,
    grid: Grid,
    *,
    sources: Mapping[str, str],
    start: str,
    end: str,
    like: Path,
    key: str,
    load: Callable[..., xr.Dataset] = providers.load,
) -> None:
    """Write one member of a climate simulation in the layout of the observations' store, for networks to learn from first.

    like: the observations' store. From it come the means and standard deviations that scale the inputs, land, active cells and
    fit period; the simulation's own are the climatologies, over what it has of the fit period, and the trend. Sea that the model takes
    for land is filled in space (flag 1). A predictor that `sources` lacks is missing throughout. key: kept as an attribute, to tell
    what the store was made from. Other arguments, memory and errors as for `build`; raises DataError, too, for a predictor
    that the observations lack. Source: Andersson et al. 2021, doi:10.1038/s41467-021-25257-4, which left such sea at 0.
    """
    observed = open_ready(like)
    if steps.cadence(observed) != "monthly":
        raise DataError("simulations to learn from first are monthly; leave them out of a daily run")
    predictors = [str(n) for n, da in observed.data_vars.items() if "time" in da.dims and n not in ICE]
    origin = f"simulation '{sources.get('siconc')}'"
    _check_sources(sources, source=origin)
    for name in sources:
        if name not in (*predictors, "siconc"):
            raise DataError(f"{origin}: '{name}' can't be scaled, the observations have none; drop it from the sources")
    grid.check(observed, source=str(like.name))
    scaling = xr.open_zarr(like, group="statistics", consolidated=False) if predictors else None
    axis, fit = time_axis(start, end), {name: observed.attrs[name] for name in ("fit_start", "fit_end")}
    with replacing_folder(path) as building:
        ice = gaps.onto_sea(load(sources["siconc"], grid, start=start, end=end), observed["land"].compute())
        _write_ice(building, grid, ice, axis, fit, source=sources["siconc"], active=observed["active"].load())
        for name in predictors:
            attrs = observed[name].attrs
            if name not in sources:
                append(building, _nothing(name, axis, grid).assign_attrs(attrs).to_dataset(), grid)
                continue
            field = load(sources[name], grid, start=start, end=end, variables=[name])[name]
            stats = xr.Dataset({part: scaling[f"{name}_{part}"].load() for part in ("mean", "std")})
            _write_predictor(building, grid, field, axis, fit, source=sources[name], stats=stats, attrs=attrs)
        ready_store.finish(building, {**observed.attrs, "sources": dict(sources), "key": key})


def time_axis(start: str, end: str, *, cadence: str = "monthly") -> pd.DatetimeIndex:
    """Return the steps of the store: start..end ("YYYY-MM", or days) and `steps.AHEAD` more."""
    first, last = steps.bounds([start, end], cadence)
    return pd.date_range(
        first, last + AHEAD[cadence] * steps.offset(cadence), freq=steps.FREQUENCY[cadence], name="time"
    )


def _check_sources(sources: Mapping[str, str], *, source: str) -> None:
    if "siconc" not in sources:
        raise DataError(
            f"{source}: sources has no 'siconc', only {sorted(sources)}; name the entry that holds sea ice concentration"
        )


def _of_cadence(ds: xr.Dataset, cadence: str, entry: str) -> xr.Dataset:
    found = ds.attrs.get("cadence", cadence)
    if found != cadence:
        raise DataError(f"entry '{entry}' is {found}, and the run is {cadence}; name another one, or leave it out")
    return ds


def months_of(
    ice: xr.Dataset, stored: xr.Dataset, entry: str | None, grid, axis, fit, *, source, load
) -> tuple[xr.Dataset, dict]:
    """Return the monthly record that the normals of days come from, and over which `axis` and `fit` it is to be taken.

    ice: the daily record as loaded. stored: as written. entry: of monthly SIC, or None for means of `stored`. axis: the days. fit:
    `fit_start` and `fit_end` of the days; the months' ends with the last whole one. Raises DataError for an entry that is not monthly.
    """
    last = pd.Period(axis[-1], "M") + 1 - EXTENSION  # the month after the last day is needed to go on towards
    until = pd.Period(steps.bounds([fit["fit_end"]] * 2, "daily")[1] + pd.Timedelta(days=1), "M") - 1  # whole months
    if entry is None:
        siconc = normals.monthly_means(stored["siconc"])
        flag = xr.where(siconc.isnull() & ~stored["land"], MISSING, np.uint8(0)).transpose("time", "y", "x")
        ice = ice.drop_dims("time").assign(siconc=siconc, siconc_flag=flag, land=stored["land"])
    else:
        source = entry
        # No start: every month of the past tells what is normal. `inputs` asks for the checksum of the same months.
        ice = _of_cadence(load(entry, grid, end=str(pd.Period(axis[-1], "M"))), "monthly", entry)
        ice = gaps.onto_sea(quality.mask_broken(ice, quality.find_broken(ice)), stored["land"].compute())
    first = pd.Period(ice.indexes["time"][0], "M")
    return ice, {
        "axis": time_axis(str(first), str(max(first, last))),
        "fit": {"fit_start": str(first), "fit_end": str(until)},
        "source": f"{source} (monthly)",
    }


def _write_observed(building, grid, ice, axis) -> None:
    siconc = ice["siconc"].reindex(time=axis).astype("float32")
    flag = ice["siconc_flag"].reindex(time=axis, fill_value=MISSING).astype("uint8")
    flag.attrs = {"flag_values": [0, 1, 3], "flag_meanings": "observed filled_in_space missing"}
    append(building, xr.Dataset({"siconc": siconc, "siconc_flag": flag, "land": ice["land"]}), grid)


def _write_ice(building, grid, ice, axis, fit, *, source, active=None) -> None:
    """Write monthly siconc, its flags, masks, climatology and trend; active: cells that count, default from the ice of the fit period."""
    _write_observed(building, grid, ice, axis)
    stored = opened(building)
    siconc = stored["siconc"]
    mean = climate.climatology(siconc, **fit)
    if active is None:
        active = masks.active_cells(
            siconc.isel(time=slice(0, -EXTENSION)),
            stored["land"],
            stored["siconc_flag"].isel(time=slice(0, -EXTENSION)),
            fit=climate.fit_months(siconc.time[:-EXTENSION], source=source, **fit),
            max_ice=ice.get("max_ice"),
        )
    derived = xr.Dataset({"siconc_climatology": mean, "active": active, "siconc_trend": climate.linear_trend(siconc)})
    derived["siconc_trend"].attrs = attributes("siconc") | {"long_name": "linear-trend forecast valid at time"}
    append(building, derived, grid)
    append(building, prior.fields(opened(building).assign_attrs(fit)), grid)
    _check_known(opened(building)["siconc_climatology"], fit, source=source)


def _write_normals(building, grid, months: xr.Dataset, attrs: Mapping) -> None:
    """Write what is normal on the days of a store, from a monthly record with climatology, trend and frequencies."""
    append(building, months[["siconc_climatology", "active"]].drop_vars("crs", errors="ignore"), grid)
    append(building, normals.of_days(months, opened(building)["time"]), grid)
    append(building, prior.fields(opened(building).assign_attrs(attrs)), grid)


def _check_known(by_month: xr.DataArray, fit: Mapping[str, str], *, source: str) -> None:
    if not by_month.notnull().any():
        raise DataError(
            f"{source}: no value on the grid between {fit['fit_start']} and {fit['fit_end']}; are its cells over 400 km apart, or its "
            "dates others?"
        )


def _write_predictor(building, grid, field, axis, fit, *, source, cadence="monthly", stats=None, attrs=None) -> None:
    """Write one scaled predictor and its statistics; stats: mean and std to scale by, default those of the fit period."""
    name = field.name
    # On the grid once: the climatology, the scaling and the result each pass over the field.
    raw = beside(building, "raw")
    append(raw, field.reindex(time=axis).astype("float32").to_dataset(), grid)
    field = opened(raw)[name]
    statistics = xr.Dataset()
    if name not in ABSOLUTE:
        by_month = climate.climatology(field, **fit).compute()
        _check_known(by_month, fit, source=source)
        statistics[f"{name}_climatology"] = by_month
        field = normals.anomalies(field, by_month, cadence=cadence)
    if stats is None:
        fitted = field.isel(time=climate.fit_months(field.time, source=source, **fit))
        stats = normalise.statistics(fitted)
    statistics[f"{name}_mean"], statistics[f"{name}_std"] = stats["mean"], stats["std"]
    scaled = normalise.scale(field, stats)
    scaled.attrs = scaled.attrs if attrs is None else dict(attrs)
    append(building, scaled.to_dataset(), grid)
    statistics.drop_vars(["lat", "lon"], errors="ignore").to_zarr(
        building, group="statistics", mode="a", consolidated=False
    )


def _nothing(name: str, axis: pd.DatetimeIndex, grid: Grid) -> xr.DataArray:
    """A predictor that is missing throughout: no chunk of it is stored."""
    values = dask.array.full((len(axis), *grid.shape), np.nan, dtype="float32", chunks=(EXTENSION, -1, -1))
    return xr.DataArray(values, {"time": axis}, ("time", "y", "x"), name)
