"""The pass from catalogue entries to the analysis-ready store: regrid, check, fill, fit on the past, write."""

import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from seaice import climate, masks, normalise, providers, quality
from seaice.grid import Grid
from seaice.schema import DataError, attributes

ABSOLUTE = ("ua10", "uas", "vas")  # inputs taken as they are; every other one as an anomaly, Andersson et al. 2021
EXTENSION = 12  # months past the last observation for which the trend is still known
MISSING = np.uint8(3)  # siconc_flag of a value that is not there
CHUNK_BYTES = 1e6  # bytes, aim for a chunk in the store


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
    if "siconc" not in sources:
        raise DataError(
            f"run '{run}': sources has no 'siconc', only {sorted(sources)}; name the entry that holds sea ice concentration"
        )
    if cadence != "monthly":
        raise DataError(f"run '{run}': cadence {cadence!r} can't be preprocessed yet, only 'monthly'")
    building = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}")
    building.parent.mkdir(parents=True, exist_ok=True)
    try:
        report = _write_ice(building, grid, sources["siconc"], start, end, fit_end, load)
        for name, entry in sources.items():
            if name != "siconc":
                _write_predictor(building, grid, name, entry, start, end, fit_end, load)
        origin = {"run": run, "hemisphere": grid.hemisphere, "resolution_km": grid.resolution_km, "cadence": cadence}
        _finish(
            building,
            origin | {"fit_start": start, "fit_end": fit_end, "sources": dict(sources), "Conventions": "CF-1.11"},
        )
        shutil.rmtree(path, ignore_errors=True)
        building.rename(path)
    finally:
        for leftover in building.parent.glob(f"{building.name}*"):
            shutil.rmtree(leftover, ignore_errors=True)
    return report


def open_ready(path: Path) -> xr.Dataset:
    """Open an analysis-ready store lazily. Raises DataError when it has not been written."""
    if not path.is_dir():
        raise DataError(f"no analysis-ready data at {path}: run the preprocessing notebook of this run first")
    return xr.open_zarr(path, consolidated=False)


def time_axis(start: str, end: str) -> pd.DatetimeIndex:
    """Return the months of the store: start..end and `EXTENSION` more, as first days of months."""
    last = pd.Timestamp(end) + pd.DateOffset(months=EXTENSION)
    return pd.date_range(start, last, freq="MS", name="time")


def _write_ice(building, grid, entry, start, end, fit_end, load) -> pd.DataFrame:
    """Write siconc, its flags, masks, climatology and trend; return the quality report."""
    ice = load(entry, grid, start=start, end=end)
    report = quality.find_broken(ice)
    ice = quality.mask_broken(ice, report)
    axis = time_axis(start, end)
    siconc = ice["siconc"].reindex(time=axis).astype("float32")
    flag = ice["siconc_flag"].reindex(time=axis, fill_value=MISSING).astype("uint8")
    flag.attrs = {"flag_values": [0, 1, 3], "flag_meanings": "observed filled_in_space missing"}
    _append(building, xr.Dataset({"siconc": siconc, "siconc_flag": flag, "land": ice["land"]}), grid)

    # Read back what is written, so that reading and regridding are done once and not once a derived field.
    stored = xr.open_zarr(building, consolidated=False)
    siconc = stored["siconc"]
    mean = climate.climatology(siconc, fit_end=fit_end)
    active = masks.active_cells(
        siconc.isel(time=slice(0, -EXTENSION)),
        stored["land"],
        stored["siconc_flag"].isel(time=slice(0, -EXTENSION)),
        fit=climate.fit_months(siconc.time[:-EXTENSION], fit_end=fit_end, source=entry),
        max_ice=ice.get("max_ice"),
    )
    derived = xr.Dataset({"siconc_climatology": mean, "active": active, "siconc_trend": climate.linear_trend(siconc)})
    derived["siconc_trend"].attrs = attributes("siconc") | {"long_name": "linear-trend forecast valid at time"}
    _append(building, derived, grid)
    return report


def _write_predictor(building, grid, name, entry, start, end, fit_end, load) -> None:
    """Write one scaled predictor and its statistics."""
    field = load(entry, grid, start=start, end=end, variables=[name])[name]
    # On the grid once: the climatology, the scaling and the result each pass over the field.
    raw = building.with_name(f"{building.name}-raw")
    _append(raw, field.reindex(time=time_axis(start, end)).astype("float32").to_dataset(), grid)
    field = xr.open_zarr(raw, consolidated=False)[name]
    statistics = xr.Dataset()
    if name not in ABSOLUTE:
        by_month = climate.climatology(field, fit_end=fit_end).compute()
        statistics[f"{name}_climatology"] = by_month
        field = climate.anomalies(field, by_month)
    fitted = field.isel(time=climate.fit_months(field.time, fit_end=fit_end, source=entry))
    stats = normalise.statistics(fitted)
    statistics[f"{name}_mean"], statistics[f"{name}_std"] = stats["mean"], stats["std"]
    _append(building, normalise.scale(field, stats).to_dataset(), grid)
    statistics.drop_vars(["lat", "lon"], errors="ignore").to_zarr(
        building, group="statistics", mode="a", consolidated=False
    )


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
