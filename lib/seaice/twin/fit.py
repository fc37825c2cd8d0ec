"""How is the simulated world fitted to figures of the observed record?

Run `python -m seaice.twin.fit [north|south]` (minutes on one core). The method is ensemble Kalman
inversion (Iglesias, Law and Stuart 2013, doi:10.1088/0266-5611/29/4/045001). An ensemble of
parameter sets is run, and is moved by the regression of parameters on figures. No derivatives are
needed, and two dozen runs an iteration suffice.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
import xarray as xr
from tqdm import tqdm

from seaice.grid import Grid
from seaice.thresholds import ICE_EDGE
from seaice.twin import parameters as twin_parameters, realism, world
from seaice.twin.forcing import CURRENTS, STEPS_A_MONTH, STEPS_A_YEAR, greenhouse
from seaice.twin.parameters import FORECAST, SIMULATIONS, TRUTH, Parameters
from seaice.twin.physics import World

SEED = 2021  # of the random numbers of the search
MISFIT_TABLE = "misfit.csv"
FIRST = 1964  # year in which a trial starts, 15 years before the first that is compared
# Stages of the search: grid spacing (km), members, iterations, and first spread, in logits of a
# parameter's position between its bounds. The first is wide and on a coarse grid, the second narrow
# and on the grid of the demo.
STAGES = ((225.0, 24, 3, 0.4), (112.5, 10, 2, 0.15))
# Realisations of the weather that every parameter set runs under. The figures are averaged, because
# trend and spread of a single record depend much on chance.
WEATHERS = 2
# Misfit of the imperfect models, in multiples of the best misfit.
MISFITS = {FORECAST: 1.6, SIMULATIONS[0]: 2.5, SIMULATIONS[1]: 2.5}
CANDIDATES = 6  # sets near the wanted misfit; the one that is least like the others is chosen
COMPARED = ("siconc", "sivol", *realism.ENTRIES)  # variables of a trial that figures are made of
WORST = 15.0  # units of misfit, limit of what a single figure may count
TOLERANCE = {  # one unit of misfit, in the unit of the figure
    "extent": 0.2,
    "region": 0.25,
    "volume": 3.0,
    "september_trend": 0.01,
    "extent_spread": 0.06,
    "memory": 0.03,
    "anomaly_persistence": 0.6,
    "linear_trend": 0.6,
}
REGIONS = {  # west, east (degrees), lowest and highest distance from the equator (degrees)
    "north": {
        "barents_kara": (20, 100, 60, 90),
        "siberia": (100, 180, 66, 90),
        "beaufort": (-180, -120, 66, 90),
        "bering": (165, -150, 40, 66),
        "okhotsk": (130, 165, 40, 66),
        "hudson_archipelago": (-120, -70, 50, 90),
        "baffin_labrador": (-70, -45, 40, 90),
        "greenland": (-45, 20, 50, 90),
    },
    "south": {
        "weddell": (-60, 20, 40, 90),
        "indian": (20, 90, 40, 90),
        "pacific": (90, 160, 40, 90),
        "ross": (160, -130, 40, 90),
        "bellingshausen": (-130, -60, 40, 90),
    },
}


def regional_extents(sic: np.ndarray, grid: Grid) -> dict[tuple[str, int], float]:
    """Return the mean extent by region and calendar month, million km2.

    sic: (year, month, y, x), fraction.
    """
    lon, lat = grid.lonlat
    extent = (sic > ICE_EDGE).mean(0) * grid.cell_area_km2 / 1e6
    out = {}
    for name, (west, east, low, high) in REGIONS[grid.hemisphere].items():
        inside = ((lon - west) % 360 < (east - west) % 360) & (np.abs(lat) >= low) & (np.abs(lat) < high)
        out |= {(f"region_{name}", month): float(extent[month - 1, inside].sum()) for month in range(1, 13)}
    return out


def trial(values: np.ndarray, grid: Grid) -> list[dict[tuple[str, int], float]]:
    """Run parameter sets (set, parameter) and return the mean figures of each set.

    Every set runs under the same WEATHERS. Sets run one after another: a record fills memory.
    """
    out = []
    for row in tqdm(values, unit="set", leave=False, mininterval=5, disable=None):
        runs = _figures(_parameters(row, grid.hemisphere), grid)
        out.append({key: float(np.mean([run[key] for run in runs])) for key in runs[0]})
    return out


def _figures(parameters: Parameters, grid: Grid) -> list[dict[tuple[str, int], float]]:
    """Return the figures of a world under each of WEATHERS."""
    simulated = World(grid, parameters)
    generators = [world.generator(SEED, "trial", weather) for weather in range(WEATHERS)]
    state = simulated.start(generators)
    first, last = realism.YEARS
    monthly = np.zeros((len(COMPARED), WEATHERS, last - first + 1, 12, *grid.shape), "float32")
    chosen = [list(world.ATTRIBUTES).index(name) for name in COMPARED]
    for year in range(FIRST, last + 1):
        for step in range(STEPS_A_YEAR):
            state, fluxes = simulated.step(state, step, greenhouse(year + step / STEPS_A_YEAR), generators)
            if year >= first:
                monthly[:, :, year - first, step // STEPS_A_MONTH] += (
                    world.view(simulated, state, fluxes)[chosen] / STEPS_A_MONTH
                )
    time = pd.date_range(f"{first}-01", f"{last}-12", freq="MS")
    out = []
    for weather in range(WEATHERS):
        fields = dict(zip(COMPARED, monthly[:, weather], strict=True))
        record = xr.Dataset(
            {name: (("time", "y", "x"), field.reshape(-1, *grid.shape)) for name, field in fields.items()},
            coords={"time": time},
        )
        volume = np.nansum(fields["sivol"].mean(0), (1, 2)) * grid.cell_area_km2 / 1e6
        out.append(
            realism.figures(record, grid)
            | regional_extents(fields["siconc"], grid)
            | {("volume", month): float(volume[month - 1]) for month in range(1, 13)}
        )
    return out


def fit(
    start: Parameters, grid: Grid, *, members: int, iterations: int, spread: float
) -> tuple[Parameters, pd.DataFrame]:
    """Return the parameters at which the search ends, and a table of all sets tried, best first.

    start: where the search starts. spread: of the first ensemble, see STAGES.
    The parameters are the mean of the last ensemble. Its best member would owe part of its rank to
    its weather. The table has a row for each set; `misfit` is the root mean square distance in
    units of TOLERANCE.
    """
    rng = np.random.default_rng(SEED)
    names, low, high = _bounds(grid.hemisphere)
    share = np.clip((_vector(start) - low) / (high - low), 0.02, 0.98)
    place = np.log(share / (1 - share)) + spread * rng.standard_normal((members, len(names)))
    place[0] = np.log(share / (1 - share))
    tried = []
    for _ in range(iterations):
        values = low + (high - low) / (1 + np.exp(-place))
        distance = distances(trial(values, grid), grid.hemisphere).to_numpy()
        misfit = np.sqrt((distance**2).mean(1))
        tried += [
            dict(zip(names, row, strict=True)) | {"misfit": row_misfit}
            for row, row_misfit in zip(values, misfit, strict=True)
        ]
        print(
            f"{grid.resolution_km:g} km, misfit: best {misfit.min():.3f}, mean {misfit.mean():.3f}",
            flush=True,
        )
        place_anomaly, distance_anomaly = place - place.mean(0), distance - distance.mean(0)
        gain = (
            place_anomaly.T
            @ distance_anomaly
            @ np.linalg.inv(distance_anomaly.T @ distance_anomaly + (members - 1) * np.eye(distance.shape[1]))
        )
        place = np.clip(place - (distance + rng.standard_normal(distance.shape)) @ gain.T, -4, 4)
    centre = low + (high - low) / (1 + np.exp(-place.mean(0)))
    return _parameters(centre, grid.hemisphere), pd.DataFrame(tried).sort_values("misfit", ignore_index=True)


def distances(figures: list[dict], hemisphere: str) -> pd.DataFrame:
    """Return how far each trial's figures are from the observed ones, in units of TOLERANCE.

    The table has a row for each trial and a column for each figure.
    """
    observed = realism.reference(hemisphere)
    unit = {key: tolerance(key[0]) for key in observed}
    rows = [
        {key: (trial_figures[key] - value) / unit[key] for key, value in observed.items()}
        for trial_figures in figures
    ]
    # A world without ice has no figures and gets the worst distance. Large distances are limited,
    # so that one bad trial does not dominate the regression.
    return pd.DataFrame(rows).fillna(WORST).clip(-WORST, WORST)


def tolerance(quantity: str) -> float:
    """Return one unit of misfit of a quantity: all seas have one, and all memories have one."""
    if quantity.startswith("region"):
        return TOLERANCE["region"]
    return TOLERANCE["memory" if quantity.endswith("_memory") else quantity]


def choose(tried: pd.DataFrame) -> dict[str, pd.Series]:
    """Choose the parameters of the imperfect models among the sets tried.

    For each model, the candidates are the sets nearest to MISFITS times the best misfit. The one
    least like the best set and the models chosen before is taken.
    """
    best = tried.iloc[0]
    chosen = {}
    for model, multiple in MISFITS.items():
        remaining = tried.drop([row.name for row in chosen.values()])
        near = remaining.iloc[(remaining["misfit"] / best["misfit"] - multiple).abs().argsort()[:CANDIDATES]]
        others = [best, *chosen.values()]
        separations = [
            min((((row - other) / tried.std()) ** 2).sum() for other in others) for _, row in near.iterrows()
        ]
        chosen[model] = near.iloc[int(np.argmax(separations))]
    return {model: row.drop("misfit") for model, row in chosen.items()}


def _bounds(hemisphere: str) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the names of the fitted parameters, their lower and their upper bounds."""
    names = [*twin_parameters.numbers(), *CURRENTS[hemisphere]]
    rows = [twin_parameters.table()[n] for n in names]
    return names, np.array([float(r["low"]) for r in rows]), np.array([float(r["high"]) for r in rows])


def _vector(parameters: Parameters) -> np.ndarray:
    """Return the fitted parameters as an array, in the order of `_bounds`."""
    return np.array([*(getattr(parameters, n) for n in twin_parameters.numbers()), *parameters.currents])


def _parameters(values: np.ndarray, hemisphere: str) -> Parameters:
    """Return the parameters of an array, the inverse of `_vector`.

    An array (parameter,) gives numbers; (member, parameter) gives arrays (member, 1, 1).
    """
    columns = [column[:, None, None] if column.ndim else float(column) for column in values.T]
    numbers = twin_parameters.numbers()
    values_by_name = dict(zip(numbers, columns, strict=False))
    return Parameters(**values_by_name, currents=tuple(columns[len(numbers) :]), hemisphere=hemisphere)


def main(hemisphere: str) -> None:
    """Fit a hemisphere, and write its parameters and its misfits over the packaged ones."""
    centre, searches = twin_parameters.first_guess(hemisphere), []
    for resolution_km, members, iterations, spread in STAGES:
        grid = Grid(hemisphere, resolution_km)
        centre, tried = fit(centre, grid, members=members, iterations=iterations, spread=spread)
        searches.append(tried)
    # The imperfect models come from the wide search, the truth comes from the narrow one.
    chosen = {TRUTH: pd.Series(_vector(centre), _bounds(hemisphere)[0])} | choose(searches[0])
    values = np.array([row.to_numpy() for row in chosen.values()])
    figures = trial(values, grid)
    misfits = _misfits(dict(zip(chosen, figures, strict=True)), hemisphere)
    folder = Path(__file__).parent / "data"
    table = pd.read_csv(folder / twin_parameters.TABLE, comment="#", index_col="name")
    for model, row in chosen.items():
        table.loc[row.index, f"{hemisphere}_{model}"] = [float(f"{v:.6g}") for v in row]
    if (folder / MISFIT_TABLE).exists():
        stored = pd.read_csv(folder / MISFIT_TABLE)
        misfits = pd.concat([stored[stored["hemisphere"] != hemisphere], misfits])
    table.to_csv(folder / twin_parameters.TABLE)
    misfits.to_csv(folder / MISFIT_TABLE, index=False, float_format="%.4g")


def _misfits(figures: dict[str, dict], hemisphere: str) -> pd.DataFrame:
    """Return the table that compares the figures of each model with the observed ones."""
    observed = realism.reference(hemisphere)
    distance = distances(list(figures.values()), hemisphere)
    rows = [
        (hemisphere, model, *key, simulated[key], value, distance[key].iloc[i])
        for i, (model, simulated) in enumerate(figures.items())
        for key, value in observed.items()
    ]
    return pd.DataFrame(
        rows,
        columns=["hemisphere", "model", "quantity", "index", "simulated", "observed", "units_of_tolerance"],
    )


class Hemisphere(StrEnum):
    """Hemispheres that the command line accepts."""

    NORTH = "north"
    SOUTH = "south"


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def command(
    hemispheres: Annotated[
        list[Hemisphere] | None,
        typer.Argument(metavar="[HEMISPHERE]...", help="north, south, or both if none is named."),
    ] = None,
) -> None:
    """Fit the simulated world to figures of the observed record."""
    for hemisphere in hemispheres or Hemisphere:
        main(hemisphere.value)


if __name__ == "__main__":
    app()
