"""Physics of the simulated polar world: sea ice over an ocean mixed layer under one layer of air, on the EASE2 plane.

After Wagner and Eisenman 2015, doi:10.1175/JCLI-D-14-00654.1 (enthalpy, insolation, albedo feedback, diffusive heat transport,
greenhouse forcing) in two dimensions, with Semtner 1976's zero-layer ice, doi:10.1175/1520-0485(1976)006<0379:AMFTTG>2.0.CO;2, and
Hibler 1979's two-level thickness (concentration and volume), doi:10.1175/1520-0485(1979)009<0815:ADTSIM>2.0.CO;2.
Arrays are (member, y, x) float32, temperatures in degC, fluxes in W m-2 positive downward.
"""

from dataclasses import dataclass, fields

import numpy as np
import scipy.fft

from seaice.grid import Grid
from seaice.twin import forcing
from seaice.twin.forcing import STEP
from seaice.twin.land import land
from seaice.twin.parameters import Parameters
from seaice.twin.weather import Weather, coriolis, geostrophic

FREEZING = np.float32(-1.8)  # degC, sea water of salinity 33
MELTING = np.float32(0.0)  # degC, surface of ice and snow
FUSION = np.float32(3.0e8)  # J m-3, latent heat of sea ice, Semtner 1976
CONDUCTIVITY = np.float32(2.0)  # W m-1 K-1, sea ice, Semtner 1976
OCEAN_HEAT = np.float32(4.0e6)  # J m-3 K-1, sea water
LAND_HEAT = 4.0e6  # J m-2 K-1, two metres of soil that feel the seasons
AIR_HEAT = 1.0e7  # J m-2 K-1, the column of air, Wagner and Eisenman 2015
EARTH_RADIUS = 6.371e6  # m
OCEAN_TO_ICE = np.float32(
    150.0
)  # W m-2 K-1, St = 0.006 and u* = 0.6 cm s-1, McPhee 1992, doi:10.1029/92JC00239
POND_RANGE = np.float32(3.0)  # K below melting over which snow darkens to ponds
SNOW_RANGE = np.float32(10.0)  # K over which land changes from bare to snow
THINNEST = np.float32(0.1)  # m, thinnest floe: bounds concentration by volume
THICKEST = np.float32(6.0)  # m, thickest ridged floe on a cell's mean, and where drift stops
WARM_LATITUDES = (42.0, 56.0)  # degrees: full and no relaxation to the warmer world outside the plane
GRADIENT = 0.7  # K a degree, mean meridional gradient there, Hartmann 1994, fig. 1.6
RELAXATION = 8 * 86400.0  # s, exchange time with that world
CLOUD_RANGE = 0.3, 0.8  # 1, transmission of overcast and of clear skies
MAX_DRIFT = 0.5  # share of a cell that ice may cross in a step along one axis: keeps the upwind scheme stable


@dataclass
class State:
    """All that the world remembers, each (member, y, x) float32 but weather (member, field, k, k)."""

    concentration: np.ndarray  # 1
    volume: np.ndarray  # m, ice volume per cell area
    surface: np.ndarray  # degC, ocean mixed layer, or soil on land
    deep: np.ndarray  # degC, water under the summer mixed layer that winter mixing reaches
    air: np.ndarray  # degC
    weather: np.ndarray  # spectral coefficients

    def repeat(self, members: int) -> "State":
        """Return a copy of a single-member state for `members` members."""
        return State(*(np.repeat(getattr(self, f.name), members, axis=0) for f in fields(self)))


@dataclass
class Fluxes:
    """What a step shows besides its state, each (member, y, x) float32."""

    pressure: np.ndarray  # Pa
    skin: np.ndarray  # degC, mean surface temperature of ice, water or land
    sunshine: np.ndarray  # W m-2, at the surface
    reflected: np.ndarray  # W m-2
    gain: np.ndarray  # W m-2, heat that surface, ice and ocean gained: for closing the budget


class World:
    """The physics on one grid with one set of parameters (numbers, or (member, 1, 1) arrays)."""

    def __init__(self, grid: Grid, parameters: Parameters):
        self.grid = grid
        self.parameters = p = parameters.float32()
        self.land = land(grid)
        self.ocean = ~self.land
        self.weather = Weather(grid)
        lat = grid.lonlat[1]
        self.sun = forcing.insolation(lat)
        self.january, self.july = forcing.mean_pressure(grid)
        self.coriolis = coriolis(grid)
        x, y = np.meshgrid(grid.x, grid.y)
        radius = np.hypot(x, y)
        self.poleward = (-x / radius).astype("float32"), (-y / radius).astype("float32")
        low, high = WARM_LATITUDES
        outside = np.clip((high - np.abs(lat)) / (high - low), 0, 1)
        self.relax = (AIR_HEAT / RELAXATION * outside).astype("float32")
        self.warmer = (GRADIENT * (45 - np.abs(lat))).astype("float32")
        self.heat = np.where(self.ocean, OCEAN_HEAT * p.mixed_layer, np.float32(LAND_HEAT))
        self.below = OCEAN_HEAT * p.deep_layer
        currents = forcing.currents(grid)
        self.ocean_heat = sum((p.current(name) * shape for name, shape in currents.items()), p.ocean_heat)
        self.ocean_heat = np.where(self.ocean, self.ocean_heat, np.float32(0))
        k = (np.pi * np.arange(grid.size) / (grid.size * grid.resolution_km * 1000)) ** 2
        transport = p.heat_transport * np.float32(EARTH_RADIUS**2) * (k[:, None] + k).astype("float32")
        self.damp = 1 / (1 + np.float32(STEP / AIR_HEAT) * (p.emission_slope + transport))

    def start(self, generators) -> State:
        """Return a first guess of 1 January: ice poleward of 70 degrees, air and water by latitude."""
        members = len(generators)
        lat = np.abs(self.grid.lonlat[1])
        shape = (members, *self.grid.shape)
        ice = (lat > 70) & self.ocean
        water = np.clip(0.5 * (68 - lat), FREEZING, 20)
        fill = [np.float32(0.9) * ice, np.float32(1.5) * ice, water, water, 0.7 * (55 - lat)]
        arrays = [np.broadcast_to(v, shape).astype("float32") for v in fill]
        return State(*arrays, weather=self.weather.start(generators))

    def step(self, state: State, step: int, greenhouse: float, generators) -> tuple[State, Fluxes]:
        """Return the world one step (5.07 days) later, and the fluxes on the way.

        step: step of the year, 0..71. greenhouse: W m-2. generators: one numpy Generator a member.
        """
        p, w = self.parameters, np.float32(forcing.winter(step, self.grid.hemisphere))
        weather = self.weather.step(state.weather, generators)
        synoptic, circulation, currents = (self.weather.field(weather[:, i]) for i in range(weather.shape[1]))
        anomaly = p.synoptic * synoptic + p.circulation * circulation
        pressure = w * self.january + (1 - w) * self.july + anomaly
        u, v = geostrophic(pressure, self.grid, self.coriolis)
        concentration, volume = advect(
            state.concentration,
            state.volume,
            p.drift * u,
            p.drift * v,
            self.ocean,
            self.grid.resolution_km * 1000,
        )
        # Lows are cloudy, highs are clear.
        sunshine = self.sun[step] * np.clip(p.transmission + p.cloud * anomaly, *CLOUD_RANGE)
        new, flux = self._surface(state, concentration, volume, currents, sunshine, w)
        new.weather = weather
        u, v = geostrophic(anomaly, self.grid, self.coriolis)
        warm_air = p.advection * (u * self.poleward[0] + v * self.poleward[1])
        warmer = (
            p.edge_mean
            + p.edge_season * self._season(step)
            + p.edge_forcing * np.float32(greenhouse)
            + self.warmer
        )
        gain = self.relax * (warmer - state.air) + p.air_absorption * self.sun[step] - p.emission
        gain = (
            gain + p.forcing_scale * np.float32(greenhouse) + warm_air + p.exchange * (flux.skin - state.air)
        )
        air = scipy.fft.dctn(
            state.air + np.float32(STEP / AIR_HEAT) * gain, axes=(1, 2), norm="ortho", overwrite_x=True
        )
        new.air = scipy.fft.idctn(air * self.damp, axes=(1, 2), norm="ortho", overwrite_x=True)
        flux.pressure = pressure
        return new, flux

    def _season(self, step: int) -> np.float32:
        """Warmth of the world outside: 1 when it is warmest, 45 days after the solstice."""
        phase = 2 * np.pi * ((step + 0.5) / forcing.STEPS_A_YEAR - 217 / 365)
        return np.float32(np.cos(phase) * (1 if self.grid.hemisphere == "north" else -1))

    def _surface(self, state, concentration, volume, currents, sunshine, w) -> tuple[State, Fluxes]:
        """Let ice, water and soil exchange heat for a step; energy is closed to rounding."""
        p, dt, air, ocean = self.parameters, np.float32(STEP), state.air, self.ocean
        thickness = np.clip(volume / np.maximum(concentration, np.float32(1e-3)), THINNEST, THICKEST)
        conductance = CONDUCTIVITY / (thickness + p.snow)
        # Zero-layer ice: sun, air and conduction balance; ponds darken the ice as the surface nears melting.
        other = p.exchange * air + conductance * FREEZING
        skin = (sunshine * (1 - p.albedo_snow) + other) / (p.exchange + conductance)
        ponds = np.clip(1 + (skin - MELTING) / POND_RANGE, 0, 1)
        albedo = p.albedo_snow - (p.albedo_snow - p.albedo_pond) * ponds
        skin = np.minimum(MELTING, (sunshine * (1 - albedo) + other) / (p.exchange + conductance))
        into_ice = sunshine * (1 - albedo) + p.exchange * (air - skin)
        # Water and soil, implicit in their temperature.
        snow = np.clip(np.float32(0.5) - state.surface / SNOW_RANGE, 0, 1)
        open_albedo = np.where(
            ocean, p.albedo_water, p.albedo_land + (p.albedo_snow_land - p.albedo_land) * snow
        )
        open_share = 1 - concentration
        mixing = ocean * (p.mixing_summer + (p.mixing_winter - p.mixing_summer) * w)
        supply = self.ocean_heat + self.ocean * p.ocean_noise * currents
        melt = OCEAN_TO_ICE * concentration
        sources = (
            open_share * (sunshine * (1 - open_albedo) + p.exchange * air)
            + melt * FREEZING
            + mixing * state.deep
        )
        water = (self.heat * state.surface + dt * sources) / (
            self.heat + dt * (p.exchange * open_share + melt + mixing)
        )
        into_open = sunshine * (1 - open_albedo) + p.exchange * (air - water)
        deep = state.deep + ocean * (dt / self.below) * (mixing * (water - state.deep) + supply)
        melt = melt * (water - FREEZING)
        # Ice grows in cold water, thickens or thins below and above, and what melts beyond nothing cools the water.
        frozen = np.where(ocean, np.maximum(FREEZING - water, 0), 0) * self.heat
        change = -(dt / FUSION) * (concentration * into_ice + melt)
        left = volume + change + frozen / FUSION
        excess = np.minimum(left, 0)
        water = water + (frozen - FUSION * excess) / self.heat
        shrink = concentration * np.minimum(change, 0) / np.maximum(2 * volume, np.float32(1e-3))
        spread = open_share * np.minimum(frozen / (FUSION * p.lead_closing), 1)
        left = np.maximum(left, 0)
        cover = np.clip(concentration + shrink + spread, left / THICKEST, np.minimum(left / THINNEST, 1))
        skin = concentration * skin + open_share * water
        reflected = sunshine * (concentration * albedo + open_share * open_albedo)
        gain = concentration * into_ice + open_share * into_open + ocean * supply
        return State(cover, left, water, deep, air, state.weather), Fluxes(
            air, skin, sunshine, reflected, gain
        )


def advect(concentration, volume, u, v, ocean, cell: float):
    """Carry ice with a drift (m s-1 along x and y) for a step, conserving its volume; (member, y, x).

    First-order upwind in flux form (Courant, Isaacson and Rees 1952); nothing crosses a coast or the plane's edge, and ice stops
    short of where it has piled up to THICKEST. Convergence beyond full cover ridges: concentration is capped, volume is not.
    """
    courant = np.float32(STEP / cell)
    right = _through(
        0.5 * courant * (u[..., :, 1:] + u[..., :, :-1]), volume[..., :, :-1], volume[..., :, 1:]
    )
    right = right * (ocean[:, 1:] & ocean[:, :-1])
    # Rows run downward, v upward.
    down = _through(
        -0.5 * courant * (v[..., 1:, :] + v[..., :-1, :]), volume[..., :-1, :], volume[..., 1:, :]
    )
    down = down * (ocean[1:, :] & ocean[:-1, :])
    to_right, to_left, to_below, to_above = (f(c, 0) for c in (right, down) for f in (np.maximum, np.minimum))
    moved = []
    for ice in (concentration, volume):
        along = to_right * ice[..., :, :-1] + to_left * ice[..., :, 1:]
        across = to_below * ice[..., :-1, :] + to_above * ice[..., 1:, :]
        ice = ice.copy()
        ice[..., :, :-1] -= along
        ice[..., :, 1:] += along
        ice[..., :-1, :] -= across
        ice[..., 1:, :] += across
        moved.append(ice)
    return np.minimum(moved[0], 1), moved[1]


def _through(courant, before, after):
    """Bound the Courant number of a face, and slow it as the ice it runs into thickens."""
    courant = np.clip(courant, -MAX_DRIFT / 2, MAX_DRIFT / 2)
    return courant * np.maximum(1 - np.where(courant > 0, after, before) / THICKEST, 0)
