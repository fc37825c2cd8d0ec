"""Which numbers make a simulated world?

A dataclass holds them. They are read from the packaged table of fitted values.
"""

import csv
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib.resources import files

import numpy as np

from seaice.errors import DataError
from seaice.grid import EPSG
from seaice.twin.forcing import CURRENTS

DATA = files("seaice.twin") / "data"  # folder of the packaged tables
TABLE = "parameters.csv"
TRUTH = "TRUTH"  # the world that plays reality
FORECAST = "FORECAST"  # the biased model of the seasonal forecasts
SIMULATIONS = ("TWIN-A", "TWIN-B")  # the two climate models


@dataclass(frozen=True)
class Parameters:
    """Parameters of one world. Values are numbers or (member, 1, 1) arrays.

    The packaged table gives units and bounds.
    """

    emission: float  # W m-2, outgoing longwave at 0 degC (A of A + B T)
    emission_slope: float  # W m-2 K-1 (B)
    heat_transport: float  # W m-2 K-1, meridional diffusion on the unit sphere (D)
    exchange: float  # W m-2 K-1, surface to air
    transmission: float  # 1, share of sunlight that reaches the surface
    air_absorption: float  # 1, share of sunlight that the air absorbs
    albedo_water: float  # 1, open water
    albedo_snow: float  # 1, cold ice with snow
    albedo_pond: float  # 1, melting ice
    albedo_land: float  # 1, land without snow
    albedo_snow_land: float  # 1, land with snow
    mixed_layer: float  # m, summer mixed layer
    deep_layer: float  # m, water below it that winter mixing reaches
    mixing_winter: float  # W m-2 K-1, exchange between the two layers in winter
    mixing_summer: float  # W m-2 K-1, the same in summer
    lead_closing: float  # m, thickness at which new ice closes leads (Hibler's h0)
    snow: float  # m, thickness of ice that insulates like the snow on it
    drift: float  # 1, ratio of ice drift to geostrophic wind
    edge_mean: float  # degC, annual mean air temperature outside the plane, at 45 degrees
    edge_season: float  # K, half the annual range there
    edge_forcing: float  # K per W m-2, warming there per greenhouse forcing
    forcing_scale: float  # 1, factor on greenhouse forcing, for the moist transport it brings
    synoptic: float  # Pa, standard deviation of fast pressure anomalies
    circulation: float  # Pa, standard deviation of slow pressure anomalies
    cloud: float  # Pa-1, transmission gained per pressure anomaly
    advection: float  # W m-2 per m s-1, warmth carried by a poleward wind
    ocean_noise: float  # W m-2, standard deviation of slow variations of ocean heat
    ocean_heat: float  # W m-2, ocean heat everywhere
    currents: tuple = ()  # W m-2, amplitude of each current, in the order of forcing.CURRENTS
    hemisphere: str = "north"

    def current(self, name: str):
        """Return the amplitude of a current, W m-2."""
        return self.currents[list(CURRENTS[self.hemisphere]).index(name)]

    def float32(self) -> "Parameters":
        """Return the same parameters as float32, so that array results stay in single precision."""
        values = {n: np.float32(getattr(self, n)) for n in numbers()}
        return Parameters(
            **values, currents=tuple(np.float32(c) for c in self.currents), hemisphere=self.hemisphere
        )


def numbers() -> list[str]:
    """Return the names of the parameters that both hemispheres have."""
    return [field.name for field in fields(Parameters) if field.name not in ("currents", "hemisphere")]


@lru_cache(maxsize=1)
def table() -> dict[str, dict]:
    """Return the packaged table by parameter: `{name: {unit, low, high, north_TRUTH, ...}}`."""
    with DATA.joinpath(TABLE).open(newline="") as lines:
        return {row["name"]: row for row in csv.DictReader(row for row in lines if not row.startswith("#"))}


def load(model: str, hemisphere: str) -> Parameters:
    """Return the parameters of a model in a hemisphere.

    Raises DataError, with the valid names, if either is unknown.
    """
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
    """Return the parameters in one column of the table."""
    column = f"{hemisphere}_{model}"
    values = {name: float(table()[name][column]) for name in numbers()}
    currents = tuple(float(table()[name][column]) for name in CURRENTS[hemisphere])
    return Parameters(**values, currents=currents, hemisphere=hemisphere)
