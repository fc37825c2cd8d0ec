"""The pass from catalogue entries to the analysis-ready store: regrid, check, fill, fit on the past, write."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import dask.array
import numpy as np
import pandas as pd
import psutil
import xarray as xr

from seaice import climate, gaps, masks, normalise, prior, providers, quality
from seaice.grid import Grid
from seaice.schema import DataError, attributes

ABSOLUTE = ("ua10", "uas", "vas")  # inputs taken as they are; every other one as an anomaly, Andersson et al. 2021
EXTENSION = 12  # months past the last observation for which the trend is still known
MISSING = np.uint8(3)  # siconc_flag of a value that is not there
CHUNK_BYTES = 1e6  # bytes, aim for a chunk in the store
ICE = ("siconc", "siconc_flag", "siconc_trend", *prior.FIELDS)  # variables along time that are no scaled predictors


def fit_end(splits: Mapping[str, Sequence[str]], *, n_leads: int) -> str:
    """Return the last month ("YYYY-MM") that anything may be fitted to: the last target of the training split."""
    last = pd.Period(splits["train"][1], "M") + (n_leads - 1)
    return str(last)


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
    load: Callable[..., xr.Dataset] = providers.load,
) -> pd.DataFrame:
    """Write the analysis-ready store (see CONTRIBUTING.md) and return the report of the quality checks.

    sources: variable -> catalogue entry; `siconc` is required. start, end: first and last month ("YYYY-MM") taken.
    fit_end: last month seen by climatologies, scaling and active cells.
    The store appears at `path` only when it is complete; an older one there is replaced then. Streams: holds a few time steps at once.
    Raises DataError for a missing `siconc` source, an unsupported cadence, empty time spans, and whatever the providers find.
    """
    _check_sources(sources, source=f"run '{run}'")
    if cadence != "monthly":
        raise DataError(f"run '{run}': cadence {cadence!r} can't be preprocessed yet, only 'monthly'")
    axis, fit = time_axis(start, end), {"fit_start": start, "fit_end": fit_end}
    with _replacing(path) as building:
        ice = load(sources["siconc"], grid, start=start, end=end)
        report = quality.find_broken(ice)
        _write_ice(building, grid, quality.mask_broken(ice, report), axis, fit, source=sources["siconc"])
        for name, entry in sources.items():
            if name != "siconc":
                field = load(entry, grid, start=start, end=end, variables=[name])[name]
                _write_predictor(building, grid, field, axis, fit, source=entry)
        origin = {"run": run, "hemisphere": grid.hemisphere, "resolution_km": grid.resolution_km, "cadence": cadence}
        _finish(building, origin | fit | {"sources": dict(sources), "Conventions": "CF-1.11"})
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
    predictors = [str(n) for n, da in observed.data_vars.items() if "time" in da.dims and n not in ICE]
    origin = f"simulation '{sources.get('siconc')}'"
    _check_sources(sources, source=origin)
    for name in sources:
        if name not in (*predictors, "siconc"):
            raise DataError(f"{origin}: '{name}' can't be scaled, the observations have none; drop it from the sources")
    grid.check(observed, source=str(like.name))
    scaling = xr.open_zarr(like, group="statistics", consolidated=False) if predictors else None
    axis, fit = time_axis(start, end), {name: observed.attrs[name] for name in ("fit_start", "fit_end")}
    with _replacing(path) as building:
        ice = gaps.onto_sea(load(sources["siconc"], grid, start=start, end=end), observed["land"].compute())
        _write_ice(building, grid, ice, axis, fit, source=sources["siconc"], active=observed["active"].load())
        for name in predictors:
            attrs = observed[name].attrs
            if name not in sources:
                _append(building, _nothing(name, axis, grid).assign_attrs(attrs).to_dataset(), grid)
                continue
            field = load(sources[name], grid, start=start, end=end, variables=[name])[name]
            stats = xr.Dataset({part: scaling[f"{name}_{part}"].load() for part in ("mean", "std")})
            _write_predictor(building, grid, field, axis, fit, source=sources[name], stats=stats, attrs=attrs)
        _finish(building, {**observed.attrs, "sources": dict(sources), "key": key})


def open_ready(path: Path) -> xr.Dataset:
    """Open an analysis-ready store lazily. Raises DataError when it has not been written."""
    if not path.is_dir():
        raise DataError(f"no analysis-ready data at {path}: run the preprocessing notebook of this run first")
    return xr.open_zarr(path, consolidated=False)


def time_axis(start: str, end: str) -> pd.DatetimeIndex:
    """Return the months of the store: start..end and `EXTENSION` more, as first days of months."""
    last = pd.Timestamp(end) + pd.DateOffset(months=EXTENSION)
    return pd.date_range(start, last, freq="MS", name="time")


def _check_sources(sources: Mapping[str, str], *, source: str) -> None:
    if "siconc" not in sources:
        raise DataError(
            f"{source}: sources has no 'siconc', only {sorted(sources)}; name the entry that holds sea ice concentration"
        )


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A hidden place for a store that becomes `path` if all goes well; what killed processes left of others is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    building = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        yield building
        shutil.rmtree(path, ignore_errors=True)
        building.rename(path)
    finally:
        _sweep(path)


def _sweep(path: Path) -> None:
    """Remove the unfinished stores of `path` that are this process's or no living one's."""
    for leftover in path.parent.glob(f".{path.name}-*"):
        owner = leftover.name.removeprefix(f".{path.name}-").partition("-")[0]
        if not owner.isdecimal() or int(owner) == os.getpid() or not psutil.pid_exists(int(owner)):
            shutil.rmtree(leftover, ignore_errors=True)


def _write_ice(building, grid, ice, axis, fit, *, source, active=None) -> None:
    """Write siconc, its flags, masks, climatology and trend; active: cells that count, default from the ice of the fit period."""
    siconc = ice["siconc"].reindex(time=axis).astype("float32")
    flag = ice["siconc_flag"].reindex(time=axis, fill_value=MISSING).astype("uint8")
    flag.attrs = {"flag_values": [0, 1, 3], "flag_meanings": "observed filled_in_space missing"}
    _append(building, xr.Dataset({"siconc": siconc, "siconc_flag": flag, "land": ice["land"]}), grid)

    # Read back what is written, so that reading and regridding are done once and not once a derived field.
    stored = xr.open_zarr(building, consolidated=False)
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
    _append(building, derived, grid)
    _append(building, prior.fields(xr.open_zarr(building, consolidated=False).assign_attrs(fit)), grid)
    _check_known(xr.open_zarr(building, consolidated=False)["siconc_climatology"], fit, source=source)


def _check_known(by_month: xr.DataArray, fit: Mapping[str, str], *, source: str) -> None:
    if not by_month.notnull().any():
        raise DataError(
            f"{source}: no value on the grid between {fit['fit_start']} and {fit['fit_end']}; are its cells over 400 km apart, or its "
            "dates others?"
        )


def _write_predictor(building, grid, field, axis, fit, *, source, stats=None, attrs=None) -> None:
    """Write one scaled predictor and its statistics; stats: mean and std to scale by, default those of the fit period."""
    name = field.name
    # On the grid once: the climatology, the scaling and the result each pass over the field.
    raw = building.with_name(f"{building.name}-raw")
    _append(raw, field.reindex(time=axis).astype("float32").to_dataset(), grid)
    field = xr.open_zarr(raw, consolidated=False)[name]
    statistics = xr.Dataset()
    if name not in ABSOLUTE:
        by_month = climate.climatology(field, **fit).compute()
        _check_known(by_month, fit, source=source)
        statistics[f"{name}_climatology"] = by_month
        field = climate.anomalies(field, by_month)
    if stats is None:
        fitted = field.isel(time=climate.fit_months(field.time, source=source, **fit))
        stats = normalise.statistics(fitted)
    statistics[f"{name}_mean"], statistics[f"{name}_std"] = stats["mean"], stats["std"]
    scaled = normalise.scale(field, stats)
    scaled.attrs = scaled.attrs if attrs is None else dict(attrs)
    _append(building, scaled.to_dataset(), grid)
    statistics.drop_vars(["lat", "lon"], errors="ignore").to_zarr(
        building, group="statistics", mode="a", consolidated=False
    )


def _nothing(name: str, axis: pd.DatetimeIndex, grid: Grid) -> xr.DataArray:
    """A predictor that is missing throughout: no chunk of it is stored."""
    values = dask.array.full((len(axis), *grid.shape), np.nan, dtype="float32", chunks=(EXTENSION, -1, -1))
    return xr.DataArray(values, {"time": axis}, ("time", "y", "x"), name)


def _append(building: Path, ds: xr.Dataset, grid: Grid) -> None:
    """Add variables to the store, in chunks of a few whole maps."""
    months = int(np.clip(CHUNK_BYTES / (4 * grid.size**2), 1, EXTENSION))
    ds = ds.assign_coords(grid.coords()).assign_coords(crs=grid.mapping())
    for name, da in ds.data_vars.items():
        da.encoding = {"chunks": tuple(months if d == "time" else n for d, n in da.sizes.items())}
        da.attrs["grid_mapping"] = "crs"
        ds[name] = da.chunk({d: (months if d == "time" else -1) for d in da.dims})
    ds.to_zarr(building, mode="a", consolidated=False, zarr_format=3)


def _finish(building: Path, attrs: dict) -> None:
    """Write the store's attributes."""
    xr.Dataset(attrs=attrs).to_zarr(building, mode="a", consolidated=False)
