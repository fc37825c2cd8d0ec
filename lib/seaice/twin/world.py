"""What did a simulated world look like, month by month or day by day?

Runs of the world, one year at a time.
"""

import zlib
from collections.abc import Iterator

import numpy as np
import pandas as pd
import xarray as xr

from seaice.grid import Grid
from seaice.twin.forcing import STEPS_A_MONTH, STEPS_A_YEAR, greenhouse
from seaice.twin.parameters import Parameters
from seaice.twin.physics import FREEZING, Fluxes, State, World

SPIN_UP = 30  # years before the first one of a run: a few times the memory of thick ice
KELVIN = np.float32(273.15)  # K at 0 degC
POSSIBLE = 0.01  # SIC fraction above which a cell counts as one where ice is possible
REACH = 2  # distance from such a cell, in cells, within which ice counts as possible
ATTRIBUTES = {  # units and long name of what a run holds
    "siconc": ("1", "sea ice concentration"),
    "sivol": ("m", "sea ice volume per cell area"),
    "tas": ("K", "near-surface air temperature: mean of the model's air and surface"),
    "ta": ("K", "temperature of the model's layer of air"),
    "tos": ("K", "sea surface temperature"),
    "psl": ("Pa", "mean sea level pressure"),
    "rsds": ("W m-2", "surface downwelling shortwave"),
    "rsus": ("W m-2", "surface upwelling shortwave"),
}


def generator(seed: int, *name) -> np.random.Generator:
    """Return the random generator of one member.

    It is the same for a seed and name, in any batch and process.
    """
    hashes = [zlib.crc32(str(word).encode()) for word in name]
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, *hashes])))


def spin_up(world: World, generators, *, year: int, years: int = SPIN_UP) -> tuple[State, np.ndarray]:
    """Return the state on 1 January of `year`, and where ice was possible before it.

    generators: one a member. years: length of the spin-up.
    The second result, (month, y, x) bool, is True within REACH cells of where any member held ice
    in that month of the second half of the spin-up.
    """
    state = world.start(generators)
    possible = np.zeros((12, *world.grid.shape), bool)
    for past_year in range(year - years, year):
        for step in range(STEPS_A_YEAR):
            state, _ = world.step(state, step, greenhouse(past_year + step / STEPS_A_YEAR), generators)
            if past_year >= year - years // 2:
                possible[step // STEPS_A_MONTH] |= (state.concentration > POSSIBLE).any(0)
    return state, _widen(possible) & world.ocean


def run(world: World, state: State, generators, *, first: int, last: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield `(year, fields)` from `first` to `last`.

    fields: (variable of ATTRIBUTES, step, y, x) of the first member.
    """
    for year in range(first, last + 1):
        steps = np.empty((len(ATTRIBUTES), STEPS_A_YEAR, *world.grid.shape), "float32")
        for step in range(STEPS_A_YEAR):
            state, fluxes = world.step(state, step, greenhouse(year + step / STEPS_A_YEAR), generators)
            steps[:, step] = view(world, state, fluxes)[:, 0]
        yield year, steps


def view(world: World, state: State, fluxes: Fluxes) -> np.ndarray:
    """Return the variables of ATTRIBUTES, (variable, member, y, x) float32, ocean's NaN on land."""
    water = np.where(world.land, np.nan, np.maximum(state.surface, FREEZING) + KELVIN)
    ice = np.where(world.land, np.nan, state.concentration)
    volume = np.where(world.land, np.nan, state.volume)
    near_surface = np.float32(0.5) * (state.air + fluxes.skin) + KELVIN
    others = fluxes.pressure, fluxes.sunshine, fluxes.reflected
    return np.stack([ice, volume, near_surface, state.air + KELVIN, water, *others])


def months(steps: np.ndarray) -> np.ndarray:
    """Average steps (variable, STEPS_A_YEAR, y, x) to the twelve months."""
    shape = steps.shape
    return steps.reshape(shape[0], 12, STEPS_A_MONTH, *shape[2:]).mean(2)


def days(steps: np.ndarray, before: np.ndarray, after: np.ndarray, number: int) -> np.ndarray:
    """Interpolate steps to `number` days of the year.

    The fields of a step are those of its middle. before, after: the last step of the year before
    and the first of the year after, (variable, y, x).
    """
    all_steps = np.concatenate([before[:, None], steps, after[:, None]], axis=1)
    position = (np.arange(number) + 0.5) * STEPS_A_YEAR / number + 0.5
    low = position.astype(int)
    weight = (position - low).astype("float32")[:, None, None]
    return all_steps[:, low] * (1 - weight) + all_steps[:, low + 1] * weight


def record(
    grid: Grid, parameters: Parameters, *, seed: int, name: str, first: int, last: int, cadence: str
) -> Iterator[xr.Dataset]:
    """Yield a run as datasets of one year each.

    They hold the variables of ATTRIBUTES on (time, y, x) float32, `land` (y, x) and `possible`
    (month, y, x).
    name: of the member, for its weather. cadence: "monthly" (mean of the steps of a month, stamped
    with its first day) or "daily" (interpolated between steps, so weather changes over days and not
    within one).
    """
    world = World(grid, parameters)
    generators = [generator(seed, grid.hemisphere, name)]
    state, possible = spin_up(world, generators, year=first)
    years = run(world, state, generators, first=first, last=last)
    before, following = None, next(years, None)
    while following:
        (year, steps), following = following, next(years, None)
        if cadence == "monthly":
            time, values = pd.date_range(f"{year}-01", periods=12, freq="MS"), months(steps)
        else:
            time = pd.date_range(f"{year}-01-01", f"{year}-12-31", freq="D")
            # The two ends of a run have no neighbour, so days there are those of the nearest step.
            after = steps[:, -1] if following is None else following[1][:, 0]
            values = days(steps, steps[:, 0] if before is None else before, after, len(time))
            before = steps[:, -1]
        variables = {
            key: (("time", "y", "x"), values[i], {"units": units, "long_name": text})
            for i, (key, (units, text)) in enumerate(ATTRIBUTES.items())
        }
        yield xr.Dataset(
            variables | {"land": (("y", "x"), world.land), "possible": (("month", "y", "x"), possible)},
            coords={"time": time, "month": np.arange(1, 13), **grid.coords()},
        )


def _widen(mask: np.ndarray) -> np.ndarray:
    """Grow a mask (..., y, x) by REACH cells in the four directions."""
    for _ in range(REACH):
        grown = mask.copy()
        grown[..., 1:, :] |= mask[..., :-1, :]
        grown[..., :-1, :] |= mask[..., 1:, :]
        grown[..., :, 1:] |= mask[..., :, :-1]
        grown[..., :, :-1] |= mask[..., :, 1:]
        mask = grown
    return mask
