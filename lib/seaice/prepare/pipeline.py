"""How do catalogue entries become the analysis-ready store?

They are regridded, checked, filled, fitted on the past and written.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import dask.array
import numpy as np
import pandas as pd
import xarray as xr

from seaice import steps
from seaice.errors import DataError
from seaice.files import beside, replacing_folder
from seaice.geo import gaps
from seaice.grid import Grid
from seaice.prepare import derive, normals, prior, quality, ready_store
from seaice.prepare.ready_store import append, open_ready, opened
from seaice.sources import providers


def fit_end(splits: Mapping[str, Sequence[str]], *, n_leads: int, cadence: str = "monthly") -> str:
    """Return the last month ("YYYY-MM") or day that anything may be fitted to.

    It is the last target of the training split.
    """
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
    absent: Literal["error", "missing"] = "error",
    like: xr.Dataset | None = None,
    load: Callable[..., xr.Dataset] = providers.load,
) -> pd.DataFrame:
    """Write the analysis-ready store (see docs/contracts.md) and return the quality report.

    sources: variable to catalogue entry; `siconc` is required.
    start, end: first and last month ("YYYY-MM") or day used.
    fit_end: last month or day that climatologies, scaling and active cells may use.
    normals: entry of monthly SIC. All of its past gives the climatology, trend and active cells of
    a daily record; default the record's own monthly means. absent: see `sections.Data`.
    like: land and active cells of another record, and the means and standard deviations that scale
    its predictors, in memory; they take the place of this record's own, of months only. Networks
    that were trained on that record then see these inputs as they see theirs.
    The store appears at `path`, and replaces an older one, only when it is complete. Holds a few
    time steps in memory at once.
    Raises DataError if `siconc` has no source, for an entry of another cadence, for empty time
    spans, and for whatever the providers find.
    """
    _check_sources(sources, source=f"run '{run}'")
    load = providers.forgiving(load) if absent == "missing" else load
    axis, fit = derive.time_axis(start, end, cadence=cadence), {"fit_start": start, "fit_end": fit_end}
    place = {"hemisphere": grid.hemisphere, "resolution_km": grid.resolution_km}
    origin = {"run": run, **place, "cadence": cadence}
    with replacing_folder(path) as building:
        ice = derive.check_cadence(
            load(sources["siconc"], grid, start=start, end=end), cadence, entry=sources["siconc"]
        )
        report = quality.find_broken(ice)
        ice = quality.mask_broken(ice, report)
        if cadence == "monthly":
            known = {} if like is None else {"active": like["active"]}
            ice = ice if like is None else gaps.onto_sea(ice, like["land"])
            _write_ice(building, grid, ice, axis, fit, source=sources["siconc"], **known)
        else:
            options = {"normals_entry": normals, "source": sources["siconc"], "load": load}
            _write_days(building, grid, ice, axis, origin | fit, **options)
        for name, entry in sources.items():
            if name != "siconc":
                field = load(entry, grid, start=start, end=end, variables=[name])
                field = derive.check_cadence(field, cadence, entry=entry)[name]
                scaling = None if like is None else _scaling(like, name)
                options = {"source": entry, "cadence": cadence, "scaling": scaling}
                _write_predictor(building, grid, field, axis, fit, **options)
        # The group must be there even if it holds nothing.
        ready_store.append_statistics(building, xr.Dataset())
        named = {"sources": dict(sources), **({"normals": normals} if normals else {})}
        ready_store.finish(building, origin | fit | named | {"Conventions": "CF-1.11"})
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
    """Write a member of a climate simulation in the layout of the observations' store.

    Networks learn from it before they see observations.
    like: the observations' store. It gives the means and standard deviations that scale the inputs,
    land, active cells and fit period. Climatologies (over what the simulation has of the fit
    period) and trend are the simulation's own.
    key: stored as an attribute that tells what the store was made from.
    Sea that the model has as land is filled in space (`Flag.FILLED`). A predictor that `sources`
    lacks is missing throughout. Other arguments, memory and errors are those of `build`; also
    raises DataError for a predictor that the observations lack.
    Source: Andersson et al. 2021, doi:10.1038/s41467-021-25257-4, who left such sea at 0.
    """
    observed = open_ready(like)
    if steps.cadence(observed) != "monthly":
        raise DataError("simulations are monthly; leave `simulations` out of a daily run")
    predictors = [str(n) for n, da in observed.data_vars.items() if "time" in da.dims and n not in derive.ICE]
    origin = f"simulation '{sources.get('siconc')}'"
    _check_sources(sources, source=origin)
    for name in sources:
        if name not in (*predictors, "siconc"):
            raise DataError(
                f"{origin}: '{name}' can't be scaled, the observations have none; drop it from the sources"
            )
    grid.check(observed, source=str(like.name))
    statistics = ready_store.open_statistics(like)
    axis, fit = (
        derive.time_axis(start, end),
        {name: observed.attrs[name] for name in ("fit_start", "fit_end")},
    )
    with replacing_folder(path) as building:
        ice = gaps.onto_sea(load(sources["siconc"], grid, start=start, end=end), observed["land"].compute())
        _write_ice(building, grid, ice, axis, fit, source=sources["siconc"], active=observed["active"].load())
        for name in predictors:
            attrs = observed[name].attrs
            if name not in sources:
                append(building, _missing_predictor(name, axis, grid).assign_attrs(attrs).to_dataset(), grid)
                continue
            field = load(sources[name], grid, start=start, end=end, variables=[name])[name]
            scaling = _scaling(statistics, name)
            _write_predictor(
                building, grid, field, axis, fit, source=sources[name], scaling=scaling, attrs=attrs
            )
        ready_store.finish(building, {**observed.attrs, "sources": dict(sources), "key": key})


def _check_sources(sources: Mapping[str, str], *, source: str) -> None:
    """Raise DataError if `siconc` has no source."""
    if "siconc" not in sources:
        raise DataError(
            f"{source}: sources has no 'siconc', only {sorted(sources)}; "
            "name the entry that holds sea ice concentration"
        )


def _write_ice(building, grid, ice, axis, fit, *, source, active=None) -> None:
    """Write monthly ice and all that is derived from it.

    active: cells that count; default those of the ice of the fit period.
    """
    append(building, derive.observed(ice, axis), grid)
    options = {"source": source, "max_ice": ice.get("max_ice"), "active": active}
    append(building, derive.fitted(opened(building), fit, **options), grid)
    append(building, derive.known_ahead(opened(building)), grid)
    append(building, prior.anomaly_and_damping(opened(building).assign_attrs(fit)), grid)
    derive.check_known(opened(building)["siconc_climatology"], fit, source=source)


def _write_days(building, grid, ice, axis, attrs, *, normals_entry, source, load) -> None:
    """Write daily ice, and what is normal on its days from a monthly record.

    attrs: of the store, with `fit_start` and `fit_end`.
    """
    append(building, derive.observed(ice, axis), grid)
    fit = {name: attrs[name] for name in ("fit_start", "fit_end")}
    months, options = derive.months_of(
        ice, opened(building), normals_entry, grid, axis, fit, source=source, load=load
    )
    months_store = beside(building, "months")
    _write_ice(months_store, grid, months, **options)
    months = opened(months_store)
    append(building, months[["siconc_climatology", "active"]].drop_vars("crs", errors="ignore"), grid)
    append(building, normals.of_days(months, opened(building)["time"]), grid)
    append(building, prior.anomaly_and_damping(opened(building).assign_attrs(attrs)), grid)


def _write_predictor(
    building, grid, field, axis, fit, *, source, cadence="monthly", scaling=None, attrs=None
) -> None:
    """Write one scaled predictor and its statistics.

    scaling: mean and std to scale by; default those of the fit period.
    """
    # Climatology, scaling and result each pass over the field, so it is put on the grid only once.
    raw = beside(building, "raw")
    append(raw, field.reindex(time=axis).astype("float32").to_dataset(), grid)
    field = opened(raw)[field.name]
    statistics = derive.predictor_statistics(field, fit, source=source, cadence=cadence, scaling=scaling)
    scaled = derive.scaled(field, statistics, cadence=cadence)
    scaled.attrs = scaled.attrs if attrs is None else dict(attrs)
    append(building, scaled.to_dataset(), grid)
    ready_store.append_statistics(building, statistics)


def _scaling(statistics: xr.Dataset, name: str) -> xr.Dataset:
    """Return the mean and standard deviation that scale a predictor, in memory."""
    return xr.Dataset({statistic: statistics[f"{name}_{statistic}"].load() for statistic in ("mean", "std")})


def _missing_predictor(name: str, axis: pd.DatetimeIndex, grid: Grid) -> xr.DataArray:
    """Return a predictor that is missing throughout; no chunk of it is stored."""
    values = dask.array.full(
        (len(axis), *grid.shape), np.nan, dtype="float32", chunks=(derive.EXTENSION, -1, -1)
    )
    return xr.DataArray(values, {"time": axis}, ("time", "y", "x"), name)
