"""Which numbers make a simulated world? A dataclass of them, read from the packaged table of fitted values."""

import csv
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib.resources import files

import numpy as np

from seaice.errors import DataError
from seaice.grid import EPSG
from seaice.twin.forcing import CURRENTS

TABLE = "parameters.csv"
TRUTH = "TRUTH"  # the world that plays reality
FORECAST = "FORECAST"  # the biased model of the seasonal forecasts
SIMULATIONS = ("TWIN-A", "TWIN-B")  # the two climate models


@dataclass(frozen=True)
class Parameters:
    """Parameters of one world; the table gives units and bounds. Values are numbers or (member, 1, 1) arrays."""

    emission: float  # W m-2, outgoing longwave at 0 degC (A of A + B T)
    emission_slope: float  # W m-2 K-1 (B)
    heat_transport: float  # W m-2 K-1, meridional diffusion on the unit sphere (D)
    exchange: float  # W m-2 K-1, surface to air
    transmission: float  # 1, share of sunlight that reaches the surface
    air_absorption: float  # 1, share of sunlight that the air absorbs
    albedo_water: float  # 1
    albedo_snow: float  # 1, cold ice with snow
    albedo_pond: float  # 1, melting ice
    albedo_land: float  # 1
    albedo_snow_land: float  # 1
    mixed_layer: float  # m, summer mixed layer
    deep_layer: float  # m, water below it that winter mixing reaches
    mixing_winter: float  # W m-2 K-1, between the two
    mixing_summer: float  # W m-2 K-1
    lead_closing: float  # m, thickness at which new ice closes leads (Hibler's h0)
    snow: float  # m, thickness of ice that insulates like the snow on it
    drift: float  # 1, ice drift over geostrophic wind
    edge_mean: float  # degC, annual mean outside the plane at 45 degrees
    edge_season: float  # K, half its annual range
    edge_forcing: float  # K per W m-2, how it follows greenhouse forcing
    forcing_scale: float  # 1, greenhouse forcing with the moist transport that comes with it
    synoptic: float  # Pa, standard deviation of fast pressure anomalies
    circulation: float  # Pa, of slow ones
    cloud: float  # Pa-1, transmission gained per anomaly
    advection: float  # W m-2 per m s-1, warmth carried by a poleward wind
    ocean_noise: float  # W m-2, standard deviation of slow ocean heat
    ocean_heat: float  # W m-2, ocean heat everywhere
    currents: tuple = ()  # W m-2, amplitude of each current of twin_forcing.CURRENTS, in its order
    hemisphere: str = "north"

    def current(self, name: str):
        """Return the amplitude of a current, W m-2."""
        return self.currents[list(CURRENTS[self.hemisphere]).index(name)]

    def float32(self) -> "Parameters":
        """Return the same numbers as float32, so that arrays of it stay in single precision."""
        values = {n: np.float32(getattr(self, n)) for n in numbers()}
        return Parameters(
            **values, currents=tuple(np.float32(c) for c in self.currents), hemisphere=self.hemisphere
        )


def numbers() -> list[str]:
    """Return the names of the parameters that both hemispheres have."""
    return [f.name for f in fields(Parameters) if f.name not in ("currents", "hemisphere")]


@lru_cache(maxsize=1)
def table() -> dict[str, dict]:
    """Return the packaged table, a row a parameter: `{name: {unit, low, high, north_TRUTH, ...}}`."""
    with files("seaice").joinpath("twin", "data", TABLE).open(newline="") as lines:
        return {row["name"]: row for row in csv.DictReader(row for row in lines if not row.startswith("#"))}


def load(model: str, hemisphere: str) -> Parameters:
    """Return the parameters of a model in a hemisphere. Raises DataError naming the valid ones."""
    models = (TRUTH, FORECAST, *SIMULATIONS)
    if hemisphere not in EPSG:
        raise DataError(f"twin: hemisphere {hemisphere!r} is unknown; choose one of {sorted(EPSG)}")
    if model not in models:
        raise DataError(f"twin: model {model!r} is unknown; choose one of {sorted(models)}")
    return _column(hemisphere, model)


def first_guess(hemisphere: str) -> Parameters:
    """Return the parameters that the fit starts from."""
    return _column(hemisphere, "FIRST")


def _column(hemisphere: str, model: str) -> Parameters:
    column = f"{hemisphere}_{model}"
    values = {name: float(table()[name][column]) for name in numbers()}
    currents = tuple(float(table()[name][column]) for name in CURRENTS[hemisphere])
    return Parameters(**values, currents=currents, hemisphere=hemisphere)
