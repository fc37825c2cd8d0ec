"""How are physics-based seasonal forecasts of the simulated world made?

A biased model starts from imperfectly known states of the truth. Beside it, the truth's own
equations start from its own states: the limit of what can be forecast, as only later weather is
unknown to them.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import xarray as xr

from seaice import cores
from seaice.grid import Grid
from seaice.twin.forcing import STEPS_A_MONTH, STEPS_A_YEAR, greenhouse
from seaice.twin.parameters import FORECAST, TRUTH, load
from seaice.twin.physics import FREEZING, State, World
from seaice.twin.world import generator, spin_up

LEADS = 6  # months, SEAS5
# Standard deviations of the errors of the analysis, of the order of those in Tietsche et al. 2014,
# doi:10.1002/2013GL058755.
CONCENTRATION_ERROR = 0.10  # 1, where there is ice
THICKNESS_ERROR = 0.30  # 1, relative
SURFACE_ERROR = 0.30  # K, in open water
DEEP_ERROR = 0.5  # K, water below the summer mixed layer
KNOWN_CURRENTS = 0.6  # 1, correlation of analysed and true slow ocean heat
SPREAD = 0.7  # 1, ratio of a member's own perturbation to the error that all members share
LONG_NAMES = {  # of the two forecasts of each init_time
    "seasonal": "sea ice concentration, forecast of the biased model",
    "limit": "sea ice concentration, true equations from the true state",
}


def forecasts(
    grid: Grid, *, seed: int, first: int, members: dict[pd.Timestamp, int], width: int
) -> Iterator[xr.Dataset]:
    """Yield forecasts of SIC, those of a calendar year together.

    first: year in which the truth starts, as in the record that the forecasts are for.
    members: number of members of each init_time (the first day of lead 1); the rest of `width` is
    NaN.
    Each dataset has `seasonal` and `limit` (init_time, lead_time, member, y, x), fraction. `limit`
    is given for the init_times that have `width` members, and is NaN for the others. It knows the
    state and the equations of the truth, so it is no forecast that anybody could make.
    """
    truth = World(grid, load(TRUTH, grid.hemisphere))
    model = World(grid, load(FORECAST, grid.hemisphere))
    generators = [generator(seed, grid.hemisphere, TRUTH)]
    state, _ = spin_up(truth, generators, year=first)

    def issue(init, start):
        return _issue(truth, model, start, init, members[init], width, seed=seed)

    with ThreadPoolExecutor(cores.allowed()) as pool:
        for year in range(first, max(members).year + 1):
            starts = {}
            for step in range(STEPS_A_YEAR):
                init = pd.Timestamp(year, step // STEPS_A_MONTH + 1, 1)
                if step % STEPS_A_MONTH == 0 and init in members:
                    starts[init] = state
                state, _ = truth.step(state, step, greenhouse(year + step / STEPS_A_YEAR), generators)
            if starts:
                # Forecasts know nothing of each other, so they are made side by side.
                forecasts_of_year = pool.map(issue, starts, starts.values())
                yield _dataset(dict(zip(starts, forecasts_of_year, strict=True)), grid, truth.land)


def _issue(
    truth: World, model: World, state: State, init: pd.Timestamp, members: int, width: int, *, seed: int
) -> np.ndarray:
    """Return both forecasts of an init_time, (kind of LONG_NAMES, lead, member, y, x)."""
    both = np.full((len(LONG_NAMES), LEADS, width, *model.grid.shape), np.nan, "float32")
    issue = model.grid.hemisphere, FORECAST, f"{init:%Y-%m}"
    generators = [generator(seed, *issue, member) for member in range(members)]
    start = analysis(model, state, generator(seed, *issue, "analysis"), generators)
    both[0, :, :members] = _forecast(model, start, init, generators)
    if members == width:
        # Other names than those of the truth: the weather after init_time is another one.
        others = [generator(seed, *issue, "limit", member) for member in range(members)]
        both[1] = _forecast(truth, state.repeat(members), init, others)
    return both


def analysis(model: World, truth: State, error: np.random.Generator, generators) -> State:
    """Return the states that a forecast starts from, one for each of `generators`.

    They are the truth with an error that all members share (drawn from `error`) and one of each
    member's own.
    """
    shared_error, perturbation = model.weather.start([error]), model.weather.start(generators)
    coefficients = (shared_error + np.float32(SPREAD) * perturbation).astype("float32")
    # Thickness and deep water get other draws, as they are not wrong where the surface is wrong.
    below = (model.weather.start([error]) + np.float32(SPREAD) * model.weather.start(generators)).astype(
        "float32"
    )
    state = truth.repeat(len(generators))
    noise = [model.weather.field(draw[:, i]) for draw in (coefficients, below) for i in (0, 1)]
    ice, ocean = state.concentration > 0, model.ocean
    state.concentration = np.clip(
        state.concentration + np.float32(CONCENTRATION_ERROR) * noise[0] * ice, 0, 1
    )
    state.volume = state.volume * np.exp(np.float32(THICKNESS_ERROR) * noise[2])
    warming = np.float32(SURFACE_ERROR) * noise[1] * (1 - state.concentration)
    state.surface = np.where(ocean, np.maximum(state.surface + warming, FREEZING), state.surface)
    state.deep = np.where(
        ocean, np.maximum(state.deep + np.float32(DEEP_ERROR) * noise[3], FREEZING), state.deep
    )
    weather = state.weather.copy()
    unknown_share = np.float32(np.sqrt((1 - KNOWN_CURRENTS**2) / (1 + SPREAD**2)))
    weather[:, 2] = np.float32(KNOWN_CURRENTS) * weather[:, 2] + unknown_share * coefficients[:, 2]
    state.weather = weather
    return state


def _forecast(model: World, state: State, init: pd.Timestamp, generators) -> np.ndarray:
    """Return the monthly SIC of one forecast from its states, (lead, member, y, x)."""
    months = np.empty((LEADS, len(generators), *model.grid.shape), "float32")
    for lead in range(LEADS):
        total = 0
        for step in range(STEPS_A_MONTH):
            elapsed = (init.month - 1 + lead) * STEPS_A_MONTH + step
            forcing = greenhouse(init.year + elapsed / STEPS_A_YEAR)
            state, _ = model.step(state, elapsed % STEPS_A_YEAR, forcing, generators)
            total = total + state.concentration
        months[lead] = total / STEPS_A_MONTH
    return months


def _dataset(issued: dict[pd.Timestamp, np.ndarray], grid: Grid, land: np.ndarray) -> xr.Dataset:
    """Return forecasts by init_time, see `_issue`, as a dataset, NaN on land."""
    siconc = np.stack(list(issued.values()), axis=1)
    siconc[..., land] = np.nan
    lead_time = np.arange(1, LEADS + 1)
    init_time = pd.DatetimeIndex(issued)
    valid = [[init + pd.DateOffset(months=int(lead) - 1) for lead in lead_time] for init in init_time]
    dims = ("init_time", "lead_time", "member", "y", "x")
    attributes = {"standard_name": "sea_ice_area_fraction", "units": "1"}
    return xr.Dataset(
        {
            kind: (dims, values, attributes | {"long_name": long_name})
            for (kind, long_name), values in zip(LONG_NAMES.items(), siconc, strict=True)
        }
        | {"land": (("y", "x"), land)},
        coords={
            "init_time": init_time,
            "lead_time": (
                "lead_time",
                lead_time,
                {"long_name": "month of the forecast, 1 = begins at init_time"},
            ),
            "member": np.arange(siconc.shape[3]),
            "valid_time": (("init_time", "lead_time"), np.array(valid, "datetime64[ns]")),
            **grid.coords(),
        },
    )
