"""How are the trajectories of a run made and stored?

One initialisation is in memory at a time. A seed gives the same bits, whatever is made before.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import dask.array
import numpy as np
import pandas as pd
import xarray as xr
import zarr

from seaice import cf, progress
from seaice.baselines.simple import damped_anomaly_persistence
from seaice.errors import DataError
from seaice.files import replacing_folder
from seaice.forecasts.probabilities import active_cells
from seaice.grid import Grid
from seaice.steps import cadence, valid_time
from seaice.trajectories import makers, margins, templates

ATTRIBUTES = Path(__file__).with_name("store.yml")
DIMS = cf.dims(ATTRIBUTES)
# Variables of the ready store that trajectories and their scores need.
NEEDED = (
    *("siconc", "siconc_flag", "siconc_trend", "siconc_damping"),
    *("active", "land"),
)
STORED = np.dtype("float16")  # of SIC: its steps are 0.0005 or less


class Source(NamedTuple):
    """What trajectories are made from, in the smallest window of the map that holds all the ice.

    ready: `NEEDED` of the analysis-ready data, in memory. forecast: of the ensemble, see
    `forecasts.ensemble`. inside: distribution within the classes. grid: the whole map, `land` and
    coordinates. window: rows and columns of the window. draws: of a trained network, or None.
    """

    ready: xr.Dataset
    forecast: xr.Dataset
    inside: margins.Inside
    grid: xr.Dataset
    window: tuple[slice, slice]
    draws: makers.Draws | None = None

    @property
    def lead_times(self) -> list[int]:
        """Return the leads of the forecast."""
        return self.forecast["lead_time"].values.tolist()

    @property
    def makers(self) -> list[str]:
        """Return the makers that can be had: without a network, none is generative."""
        return [name for name in makers.MAKERS if name != "generative" or self.draws is not None]


def source(
    ready: xr.Dataset, forecast: xr.Dataset, trained_on, *, draws: makers.Draws | None = None
) -> Source:
    """Return what trajectories are made from.

    ready, forecast: of the whole map. trained_on: initialisations of the training split, whose
    targets say how SIC is distributed within a class. draws: of a trained network, see
    `learning.draws`. Reads the variables `NEEDED`. Raises DataError for another grid.
    """
    for axis in ("y", "x"):
        if not np.array_equal(ready[axis], forecast[axis]):
            raise DataError(f"trajectories: {axis} of the forecast is not that of the analysis-ready data")
    active = ready["active"].any("month").values & ~ready["land"].values
    places = [np.flatnonzero(active.any(axis)) for axis in (1, 0)]
    rows, columns = (slice(int(of[0]), int(of[-1]) + 1) for of in places)
    loaded = ready[list(NEEDED)].isel(y=rows, x=columns).load()
    inside = margins.fit(loaded, trained_on, forecast["lead_time"].values)
    seen = forecast.isel(y=rows, x=columns)
    return Source(loaded, seen, inside, ready[["land"]].load(), (rows, columns), draws)


def some(init_times: pd.DatetimeIndex, n: int | None) -> pd.DatetimeIndex:
    """Return n of the initialisations, at even distances, or all of them."""
    if n is None or n >= len(init_times):
        return init_times
    return init_times[np.linspace(0, len(init_times) - 1, n).round().astype(int)]


def situation(of: Source, init_time) -> tuple[makers.Situation, list[margins.Margin], np.ndarray]:
    """Return what a maker is given, the distribution of each lead, and which cells are active.

    The last is bool (lead_time, cell). Nothing at or after `init_time` is read, except that
    templates are of earlier years. Raises DataError where too few years came before.
    """
    init, leads = pd.Timestamp(init_time), of.lead_times
    valid = valid_time([init], leads, cadence=cadence(of.ready)).values[0]
    active = active_cells(of.ready["active"].values, valid) & ~of.ready["land"].values
    sea = active.any(0)
    probability = of.forecast["class_probability"].sel(init_time=init).values[..., sea]
    expected = damped_anomaly_persistence(of.ready, [init], lead_times=leads).values[0][:, sea]
    by_lead = [margins.margin(*values) for values in zip(probability, expected, *of.inside, strict=True)]
    median = np.stack([margins.siconc(np.full(sea.sum(), 0.5), margin) for margin in by_lead])
    times = templates.init_times(of.ready, init, len(leads))
    errors = templates.errors(of.ready, times, leads)
    generated = None if of.draws is None else partial(_generated, of, init)
    cell_km = float(of.ready.attrs["resolution_km"])
    given = makers.Situation(sea, cell_km, errors, median.astype("float32"), generated)
    return given, by_lead, active[:, sea]


def _generated(of: Source, init_time: pd.Timestamp, members: int, random: np.random.Generator) -> np.ndarray:
    """Return what the trained network draws in the window, SIC (trajectory, lead_time, y, x)."""
    assert of.draws is not None
    return of.draws(init_time, members, random)[..., *of.window]


def draw(of: Source, init_time, maker_names, *, members: int, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield by maker the trajectories of one initialisation, SIC (trajectory, lead_time, y, x).

    In the window of the source, fraction 0..1 as float16: 0 outside the active cells, NaN on land.
    maker_names: see `makers.MAKERS`. members: how many are drawn. seed: of the draws, which differ
    between initialisations and makers.
    """
    given, by_lead, active = situation(of, init_time)
    moment = int(pd.Timestamp(init_time).to_datetime64().astype("datetime64[D]").astype(int))
    land = of.ready["land"].values
    for name in maker_names:
        maker = makers.MAKERS[name]
        random = np.random.default_rng([seed, moment + 10**6, list(makers.MAKERS).index(name)])
        siconc = maker.numbers(given, members, random)
        if maker.mapped:
            rank = makers.ranks(siconc)
            by_leads = [margins.siconc(rank[:, k], margin) for k, margin in enumerate(by_lead)]
            siconc = np.stack(by_leads, axis=1)
        maps = np.zeros((members, len(by_lead), *land.shape), STORED)
        maps[..., given.sea] = np.where(active, siconc, 0)
        maps[..., land] = np.nan
        yield name, maps


def write(of: Source, init_times, path: Path, *, maker: str, members: int, seed: int) -> xr.Dataset:
    """Write the trajectories of all initialisations to a Zarr store and return it, lazily.

    Variable `siconc` (init_time, lead_time, trajectory, y, x), float16, of the whole map; see
    `draw`. The attributes say who made them, from which seed. The store appears only when it is
    complete.
    """
    times = pd.DatetimeIndex(init_times)
    path = Path(path)
    with replacing_folder(path) as building:
        _template(of, times, maker=maker, members=members, seed=seed).to_zarr(
            building, compute=False, consolidated=False
        )
        store = zarr.open_group(building, mode="r+", use_consolidated=False)
        for number, init_time in enumerate(progress.bar(times, desc="trajectories")):
            for _, siconc in draw(of, init_time, [maker], members=members, seed=seed):
                store["siconc"][number] = _whole(siconc, of).swapaxes(0, 1)
    return xr.open_zarr(path, consolidated=False)


def _whole(siconc: np.ndarray, of: Source) -> np.ndarray:
    """Return maps of the window on the whole map, 0 around it and NaN on land, as float16."""
    land = of.grid["land"].values
    whole = np.where(land, np.nan, np.zeros((*siconc.shape[:2], *land.shape), STORED))
    whole[..., *of.window] = siconc
    return whole


def _template(of: Source, times: pd.DatetimeIndex, *, maker: str, members: int, seed: int) -> xr.Dataset:
    """Return the store with all its coordinates and attributes; its SIC is still to come."""
    lengths = (len(times), len(of.lead_times), members, *of.grid["land"].shape)
    values = {
        "siconc": dask.array.empty(lengths, dtype=STORED, chunks=(1, *lengths[1:])),
        "init_time": times,
        "lead_time": of.lead_times,
        "trajectory": np.arange(members, dtype="int32"),
        "valid_time": valid_time(times, of.lead_times, cadence=cadence(of.ready)).values,
        "crs": Grid.of(of.ready.attrs).mapping(),
    }
    data = cf.dataset(ATTRIBUTES, values, maker=maker, seed=seed)
    data = data.assign_coords(of.grid.coords)
    attributes = ("run", "hemisphere", "resolution_km", "cadence", "fit_start", "fit_end")
    return data.assign_attrs({name: of.ready.attrs[name] for name in attributes if name in of.ready.attrs})
