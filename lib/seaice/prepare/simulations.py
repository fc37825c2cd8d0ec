"""How does a climate simulation become data that networks learn from before observations?"""

import calendar
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from seaice import fingerprint, paths, progress, seasons
from seaice.config.values import Simulation
from seaice.errors import DataError
from seaice.geo import ice_area
from seaice.grid import Grid
from seaice.prepare import pipeline, ready_store
from seaice.schema import Flag
from seaice.sources import catalog, providers


def build_all(
    run: str, grid: Grid, simulations: Sequence[Simulation] | None, *, variables: Sequence[str], like: Path
) -> pd.DataFrame:
    """Write the analysis-ready stores of a run's simulations that are missing or out of date.

    simulations: those of the run's `data`; None for none. variables: those wanted, `siconc` among
    them; variables that an entry does not offer are missing. like: the observations' store (see
    `pipeline.build_simulation`).
    A store is kept if nothing that it is made from has changed: raw data, dates, grid, what comes
    from the observations, code and packages.
    Returns a row for each member: its number of months and the variables that it lacks. Raises
    DataError if an entry cannot give what is asked for.
    """
    rows = []
    members = list(_members(simulations))
    for name, simulation, member in progress.bar(members, desc="simulations", unit="member"):
        sources = _sources(simulation, variables, source=name)
        period = {"start": simulation.start, "end": simulation.end}
        wanted = {"member": member, "resolution_km": grid.resolution_km, **period}
        options = {entry: _options(entry, wanted, simulation) for entry in sorted(set(sources.values()))}
        target = paths.simulation(run, name)
        key = _key(grid, sources, options, period, like)
        if not target.is_dir() or ready_store.open_ready(target).attrs.get("key") != key:
            load = partial(_load, options=options)
            pipeline.build_simulation(target, grid, sources=sources, like=like, key=key, load=load, **period)
        rows.append(
            {
                "simulation": name,
                "months": len(pd.period_range(simulation.start, simulation.end, freq="M")),
                "without": ", ".join(v for v in variables if v not in sources),
            }
        )
    return pd.DataFrame(rows, columns=["simulation", "months", "without"]).set_index("simulation")


def open_all(run: str, simulations: Sequence[Simulation] | None) -> dict[str, xr.Dataset]:
    """Return the analysis-ready datasets of a run's simulations by name, lazily.

    Raises DataError if one has not been made yet.
    """
    return {name: ready_store.open_ready(paths.simulation(run, name)) for name, _, _ in _members(simulations)}


def compare(datasets: Mapping[str, xr.Dataset], *, years: tuple[int, int]) -> pd.DataFrame:
    """Return the extent in the months of least and of most ice, a row for each dataset.

    The table shows how far simulations are from observations. datasets: analysis-ready, by name.
    years: first and last year used.
    Columns, for each of the two months: mean extent (million km2, cells with SIC over 0.15) and its
    change a decade (million km2, least squares). NaN where fewer than two years are known.
    """
    rows = {}
    for name, ready in datasets.items():
        chosen = ready[["siconc", "siconc_flag"]].sel(time=slice(str(years[0]), str(years[1])))
        months = seasons.extremes(ready.attrs["hemisphere"])
        chosen = chosen.isel(time=chosen.time.dt.month.isin(months))
        extent = ice_area.extent(chosen["siconc"], Grid.of(ready.attrs).cell_area).compute()
        extent = extent.where((chosen["siconc_flag"] != Flag.MISSING).any(("y", "x")).compute())
        rows[name] = {}
        for month in months:
            series = extent.isel(time=extent.time.dt.month == month).dropna("time")
            enough = series.sizes["time"] > 1
            slope = 10 * np.polyfit(series.time.dt.year, series, 1)[0] if enough else np.nan
            rows[name] |= {
                f"{calendar.month_name[month]}, million km2": float(series.mean()) if enough else np.nan,
                f"{calendar.month_name[month]}, change a decade": slope,
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("climate")


def _members(simulations: Sequence[Simulation] | None) -> Iterator[tuple[str, Simulation, int | str]]:
    """Yield name, simulation and member of every member of the simulations."""
    for simulation in simulations or ():
        for name, member in zip(simulation.names, simulation.members, strict=True):
            yield name, simulation, member


def _sources(simulation: Simulation, variables: Sequence[str], *, source: str) -> dict[str, str]:
    """Return the entry of each wanted variable that a simulation offers."""
    if not isinstance(simulation.entry, str):
        return {v: entry for v, entry in simulation.entry.items() if v in variables}
    offered = catalog.metadata(simulation.entry)["variables"]
    if "siconc" not in offered:
        raise DataError(
            f"simulation '{source}': the entry offers no 'siconc', only {offered}; name one with sea ice"
        )
    return {v: simulation.entry for v in variables if v in offered}


def _options(entry: str, wanted: Mapping, simulation: Simulation) -> dict:
    """Return the options of an entry: the member and, if it is made on demand, only what is needed.

    Raises DataError if several members are wanted of an entry that takes no member.
    """
    accepted = catalog.options(entry)
    if "member" not in accepted and len(simulation.members) > 1:
        raise DataError(
            f"simulation '{entry}': the entry takes no member, so that its members can't differ; name one"
        )
    return {name: value for name, value in wanted.items() if name in accepted}


def _load(entry: str, grid: Grid, *, options: Mapping[str, dict], start, end, variables=None) -> xr.Dataset:
    """Do what `providers.load` does, for one member of a simulation."""
    native = providers.standardise(
        catalog.open_entry(entry, **options[entry]), catalog.metadata(entry), source=entry
    )
    return providers.on_grid(native, grid, source=entry, start=start, end=end, variables=variables)


def _key(grid: Grid, sources: Mapping, options: Mapping[str, dict], period: Mapping, like: Path) -> str:
    """Return the SHA-256 of all that a store is made from."""
    observed = ready_store.open_ready(like)
    content = hashlib.sha256(json.dumps(observed.attrs, sort_keys=True, default=str).encode())
    statistics = xr.open_zarr(like, group="statistics", consolidated=False)
    scaling = [statistics[name] for name in sorted(statistics) if name.endswith(("_mean", "_std"))]
    for array in (observed["land"], observed["active"], *scaling):
        content.update(np.ascontiguousarray(array.values))
    modules, packages = fingerprint.closure([f"import {__name__}"], source=__name__)
    checksums = {
        entry: catalog.checksum(entry, **options_of_entry) for entry, options_of_entry in options.items()
    }
    versions = {name: metadata.version(name) for name in sorted(packages)}
    made_from = [
        grid.hemisphere,
        grid.resolution_km,
        dict(sources),
        options,
        dict(period),
        checksums,
        modules,
        versions,
    ]
    return fingerprint.digest([content.hexdigest(), made_from])
