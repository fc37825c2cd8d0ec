"""How is the simulated polar world opened as a catalogue entry?

It is made on first use, and is kept in the cache under a hash of all that decides it.
"""

import json
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from seaice import files, fingerprint, paths, progress, steps
from seaice.errors import DataError
from seaice.grid import Grid
from seaice.sources.drivers import Driver
from seaice.twin import parameters as twin_parameters, seasonal, views, world
from seaice.twin.parameters import FORECAST, SIMULATIONS, TRUTH

# First and last month of each product. For forecasts, those of the evaluated init_times.
PERIODS = {
    "observed": ("1979-01", "2020-12"),
    "atmosphere": ("1979-01", "2020-12"),
    "simulation": ("1850-01", "2100-12"),
    "seasonal": ("2018-01", "2020-07"),
    "limit": ("2018-01", "2020-07"),
}
FORECASTS = tuple(seasonal.LONG_NAMES)  # products that have an init_time, from one run
# First year of the record. Every run of the truth starts here, so that all show the same world.
RECORD_START = 1979
SEEDS = (0, 1, 2, 3)  # of the worlds that one was chosen among
# Its northern record is the nearest to the observed one, see `realism.nearest_seed`. The others are
# as physical.
SEED = 3
CADENCES = {"monthly": 12, "daily": 31}  # time steps in a chunk
# These modules, and those that they import, decide what a stored run holds.
PHYSICS = (world.__name__, seasonal.__name__)
# Forecasts are stored in steps of half a percent.
PACKED = {"dtype": "uint8", "scale_factor": 0.005, "_FillValue": 255}


class TwinSource(Driver):
    """One product of the simulated world (an Intake driver).

    product: "observed" (shaped like OSI SAF), "atmosphere" (predictors in schema names),
    "simulation" (shaped like CMIP6), "seasonal" (forecasts, shaped like SEAS5) or "limit" (the same
    by the true equations from the true state: no forecast, but the most that one could know).
    hemisphere: "north" or "south". cadence: "monthly" or "daily". resolution_km: any that
    `grid.Grid` accepts. seed: each seed makes another world.
    model: TWIN-A or TWIN-B, member: 1, 2, ...; only of a simulation.
    start, end: first and last `time`, written "1979", "1979-01" or "1979-01-31"; for forecasts,
    those of the evaluated init_times. A simulation starts its spin-up before `start`.
    members, hindcast_members, hindcast_start: of forecasts. Those of "seasonal" from
    `hindcast_start` to `start` are for bias correction and have `hindcast_members` (0 for none).
    Raises DataError that names the argument and its valid values.
    """

    name = "twin"
    container = "xarray"
    here, elsewhere = "simulated, in the cache", "simulated, made on first use"
    is_made_here = True

    def __init__(
        self,
        product: str,
        hemisphere: str,
        *,
        cadence: str = "monthly",
        resolution_km: float = 112.5,
        seed: int = SEED,
        model: str | None = None,
        member: int | None = None,
        start: str | None = None,
        end: str | None = None,
        members: int = 12,
        hindcast_members: int = 3,
        hindcast_start: str = "2008-01",
        metadata: dict | None = None,
    ):
        """Check the arguments, see the class. Nothing is made yet."""
        self.metadata = metadata or {}
        self.product, self.cadence, self.seed = _checked("product", product, PERIODS), cadence, int(seed)
        _checked("cadence", cadence, CADENCES)
        self.grid = Grid(_checked("hemisphere", hemisphere, twin_parameters.EPSG), float(resolution_km))
        self.start = _date("start", start or PERIODS[product][0])
        self.end = _date("end", end or PERIODS[product][1], last=True)
        if self.start > self.end:
            raise DataError(f"twin: start {self.start:%Y-%m-%d} lies after end {self.end:%Y-%m-%d}")
        if product == "simulation":
            self.model, self.member = (
                _checked("model", model or SIMULATIONS[0], SIMULATIONS),
                int(member or 1),
            )
            if self.member < 1:
                raise DataError(f"twin: member {member} must be 1 or more")
        elif model is not None or member is not None:
            raise DataError(f"twin: product {product!r} takes no model or member; only 'simulation' does")
        elif self.start.year < RECORD_START:
            raise DataError(f"twin: the record starts in {RECORD_START}; start is {self.start:%Y-%m-%d}")
        if product in FORECASTS and cadence != "monthly":
            raise DataError(f"twin: product {product!r} has cadence 'monthly' only")
        self.members, self.hindcast_members = int(members), int(hindcast_members)
        self.hindcast_start = _date("hindcast_start", hindcast_start)
        if not 0 <= self.hindcast_members <= self.members or self.members < 1:
            raise DataError(
                f"twin: members {members} and hindcast_members {hindcast_members} must satisfy "
                "0 <= hindcast_members <= members and members >= 1"
            )

    def to_dask(self) -> xr.Dataset:
        """Return the product lazily.

        It is made first, with a progress bar, if it is not in the cache.
        """
        self.make()
        run = xr.open_zarr(self.path(), consolidated=False)
        window = slice(self.start, self.end)
        attributes = {
            "title": f"Simulated polar world, {self.product}: not an observation",
            "references": "physics after Wagner and Eisenman 2015, doi:10.1175/JCLI-D-14-00654.1",
            "twin_key": self.key(),
            "seed": self.seed,
        }
        if self.product in FORECASTS:
            if self.product == "limit":
                run = run.sel(init_time=window)
            return (
                run[[self.product, "land"]]
                .rename({self.product: "siconc"})
                .assign_attrs(attributes, compute_seconds=self.seconds())
            )
        run = run.sel(time=window)
        if self.product == "observed":
            return views.osisaf(run, self.grid).assign_attrs(attributes)
        if self.product == "atmosphere":
            return views.atmosphere(run, self.grid).assign_attrs(attributes)
        return views.cmip6(run, self.grid, model=self.model, member=self.member).assign_attrs(attributes)

    read = to_dask

    def make(self) -> None:
        """Make the run that the product shows, if it is not in the cache.

        If another process is making it, wait for that one.
        """
        folder = self.path()
        if folder.exists():
            return
        with files.alone(folder.with_suffix(".lock")):
            if not folder.exists():
                self._make(folder)

    def key(self) -> str:
        """Return the SHA-256 of all that decides the product.

        That is parameters, seed, dates, and the source code of its modules.
        """
        window = [str(self.start), str(self.end)]
        return _hash_with_code(self._contents() | {"product": self.product, "window": window}, [__name__])

    def path(self) -> Path:
        """Return the store of the run that the product shows.

        `observed` and `atmosphere` show the same run, and so do `seasonal` and `limit`.
        """
        return paths.cache() / "twin" / f"{_hash_with_code(self._contents(), PHYSICS)}.zarr"

    def local_copies(self) -> list[Path]:
        """Return the store of `path`, as a list."""
        return [self.path()]

    def n_bytes(self) -> float:
        """Return the uncompressed size of the stored run within the product's dates, bytes."""
        window = [f"{t:%Y-%m-%d}" for t in (self.start, self.end)]
        values = len(steps.between(window, self.cadence)) * self.grid.size**2
        if self.product in FORECASTS:  # both are in one store
            values *= len(FORECASTS) * self.members * seasonal.LEADS
            return values * np.dtype(PACKED["dtype"]).itemsize
        return values * len(world.ATTRIBUTES) * np.dtype("float32").itemsize

    def seconds(self) -> float:
        """Return how long the run took to make, s of wall clock.

        The number is kept beside the store, so that the store is the same each time it is made.
        """
        return json.loads(self.path().with_suffix(".seconds.json").read_text())["seconds"]

    def _contents(self) -> dict:
        """Return all that the stored run depends on, apart from code."""
        models = {"simulation": [getattr(self, "model", "")]}.get(
            self.product, [TRUTH, FORECAST] if self.product in FORECASTS else [TRUTH]
        )
        contents = {
            "parameters": [asdict(twin_parameters.load(model, self.grid.hemisphere)) for model in models],
            "models": models,
            "resolution_km": self.grid.resolution_km,
            "seed": self.seed,
            "first": self.start.year if self.product == "simulation" else RECORD_START,
            "last": self.end.year,
            "cadence": self.cadence,
        }
        if self.product == "simulation":
            return contents | {"member": self.member}
        if self.product in FORECASTS:
            return contents | {
                "members": {str(k): v for k, v in self._issues().items()},
                "width": self.members,
            }
        return contents

    def _issues(self) -> dict[pd.Timestamp, int]:
        """Return the number of members by init_time.

        The hindcast has few members, the evaluated months have all.
        """
        issues = {}
        if self.hindcast_members:
            hindcast = pd.date_range(self.hindcast_start, self.start, freq="MS", inclusive="left")
            issues = dict.fromkeys(hindcast, self.hindcast_members)
        return issues | dict.fromkeys(pd.date_range(self.start, self.end, freq="MS"), self.members)

    def _make(self, folder: Path) -> None:
        """Run the world and write the store."""
        contents, clock = self._contents(), time.perf_counter()
        first, last = contents["first"], contents["last"]
        if self.product in FORECASTS:
            issues = self._issues()
            datasets = seasonal.forecasts(
                self.grid, seed=self.seed, first=first, members=issues, width=self.members
            )
            label, total = f"forecasts {min(issues):%Y}-{max(issues):%Y}", len({t.year for t in issues})
            packed = PACKED | {"chunks": (1, seasonal.LEADS, self.members, *self.grid.shape)}
            encoding = dict.fromkeys(FORECASTS, packed)
            along = "init_time"
        else:
            model = contents["models"][0]
            name = TRUTH if model == TRUTH else f"{model} r{self.member}"
            parameters = twin_parameters.load(model, self.grid.hemisphere)
            datasets = world.record(
                self.grid, parameters, seed=self.seed, name=name, first=first, last=last, cadence=self.cadence
            )
            label, total = f"{name} {first}-{last}", last - first + 1
            chunks = (CADENCES[self.cadence], *self.grid.shape)
            encoding = {variable: {"chunks": chunks} for variable in world.ATTRIBUTES}
            along = "time"
        datasets = progress.bar(
            datasets, desc=f"twin {self.grid.hemisphere} {label}", total=total, unit="year"
        )
        _write(folder, datasets, along=along, encoding=encoding, clock=clock)


def _write(folder: Path, datasets: Iterable[xr.Dataset], *, along: str, encoding: dict, clock: float) -> None:
    """Write datasets one after the other to a store that appears only when it is complete.

    along: dimension that they are joined along. clock: start of the run, see `time.perf_counter`.
    If another process made the store meanwhile, that one, with the same content, is kept.
    """
    with files.replacing_folder(folder, keep_other=True) as unfinished:
        for i, dataset in enumerate(datasets):
            if i == 0:
                units = {along: {"units": "days since 1850-01-01", "dtype": "int64"}}
                dataset.to_zarr(
                    unfinished, mode="w", zarr_format=3, consolidated=False, encoding=encoding | units
                )
            else:
                without_axis = [v for v in dataset.variables if along not in dataset[v].dims]
                dataset.drop_vars(without_axis).to_zarr(
                    unfinished, append_dim=along, zarr_format=3, consolidated=False
                )
        seconds = {"seconds": round(time.perf_counter() - clock, 2)}
        files.write_json(folder.with_suffix(".seconds.json"), seconds)


def _hash_with_code(contents: dict, modules: Iterable[str]) -> str:
    """Return the SHA-256 of `contents` and of the source code that `modules` depend on."""
    code = [f"import {module}" for module in modules]
    sources = fingerprint.modules(code, source=__name__, without=fingerprint.PLUMBING)
    return fingerprint.digest([contents, sources])


def _checked(key: str, value: str, valid: Iterable[str]) -> str:
    """Return an argument unchanged. Raises DataError if it is not one of `valid`."""
    if value not in valid:
        raise DataError(f"twin: {key} {value!r} is unknown; choose one of {sorted(valid)}")
    return value


def _date(key: str, value, *, last: bool = False) -> pd.Timestamp:
    """Return the first day that a date can mean, or the last one if `last`.

    Raises DataError if it is no date.
    """
    try:
        period = pd.Period(str(value))
    except ValueError:
        raise DataError(f"twin: {key} {value!r} is no date; write it like 1979-01") from None
    return (period.end_time if last else period.start_time).normalize()
