"""What is the physics of the simulated polar world?

Sea ice lies over an ocean mixed layer, under one layer of air, on the EASE2 plane. Sources:
- Enthalpy, insolation, albedo feedback, diffusive heat transport and greenhouse forcing follow
  Wagner and Eisenman 2015, doi:10.1175/JCLI-D-14-00654.1, in two dimensions.
- The ice has zero layers as in Semtner 1976, doi:10.1175/1520-0485(1976)006<0379:AMFTTG>2.0.CO;2.
- Its thickness has two levels (concentration and volume) as in Hibler 1979,
  doi:10.1175/1520-0485(1979)009<0815:ADTSIM>2.0.CO;2.
Arrays are (member, y, x) float32, temperatures are in degC, fluxes in W m-2, positive downward.
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
# W m-2 K-1, heat from water to ice: St = 0.006, u* = 0.6 cm s-1, McPhee 1992, doi:10.1029/92JC00239
OCEAN_TO_ICE = np.float32(150.0)
POND_RANGE = np.float32(3.0)  # K below melting over which snow darkens to ponds
SNOW_RANGE = np.float32(10.0)  # K over which land changes from bare to snow
THINNEST = np.float32(0.1)  # m, thinnest floe, which limits concentration for a given volume
THICKEST = np.float32(6.0)  # m, thickest ridged ice as the mean of a cell, at which drift stops
# Degrees, latitudes of full and of no relaxation to the warmer world outside the plane.
WARM_LATITUDES = (42.0, 56.0)
GRADIENT = 0.7  # K per degree, mean meridional gradient there, Hartmann 1994, fig. 1.6
RELAXATION = 8 * 86400.0  # s, exchange time with that world
CLOUD_RANGE = 0.3, 0.8  # 1, transmission of overcast and of clear skies
# Share of a cell that ice may cross in a step along one axis. It keeps the upwind scheme stable.
MAX_DRIFT = 0.5


@dataclass
class State:
    """All that the world remembers between steps, each (member, y, x) float32.

    Only `weather` has other dimensions: (member, field, k, k).
    """

    concentration: np.ndarray  # 1
    volume: np.ndarray  # m, ice volume per cell area
    surface: np.ndarray  # degC, ocean mixed layer, or soil on land
    deep: np.ndarray  # degC, water under the summer mixed layer that winter mixing reaches
    air: np.ndarray  # degC
    weather: np.ndarray  # spectral coefficients

    def repeat(self, members: int) -> "State":
        """Return a copy of a single-member state for `members` members."""
        return State(*(np.repeat(getattr(self, field.name), members, axis=0) for field in fields(self)))


@dataclass
class Fluxes:
    """What a step gives besides the new state, each (member, y, x) float32."""

    pressure: np.ndarray  # Pa
    skin: np.ndarray  # degC, mean surface temperature of ice, water or land
    sunshine: np.ndarray  # W m-2, at the surface
    reflected: np.ndarray  # W m-2
    gain: np.ndarray  # W m-2, heat gained by surface, ice and ocean, to check the budget


class World:
    """The physics on one grid with one set of parameters.

    Parameters are numbers, or (member, 1, 1) arrays that differ from member to member.
    """

    def __init__(self, grid: Grid, parameters: Parameters):
        """Prepare what is the same at every step: land, sun, pressure, currents, heat capacity."""
        self.grid = grid
        self.parameters = p = parameters.float32()
        self.land = land(grid)
        self.ocean = ~self.land
        self.weather = Weather(grid)
        lat = grid.lonlat[1]
        self.sun = forcing.insolation(lat)
        self.january, self.july = forcing.mean_pressure(grid)
        self.coriolis = coriolis(grid)
        self.january_wind, self.july_wind = (
            np.stack(geostrophic(mean, grid, self.coriolis)) for mean in (self.january, self.july)
        )
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
        """Return a first guess of the state on 1 January.

        It has one member for each generator. Ice lies poleward of 70 degrees; air and water
        temperatures depend on latitude.
        """
        members = len(generators)
        lat = np.abs(self.grid.lonlat[1])
        shape = (members, *self.grid.shape)
        ice = (lat > 70) & self.ocean
        water = np.clip(0.5 * (68 - lat), FREEZING, 20)
        fill = [np.float32(0.9) * ice, np.float32(1.5) * ice, water, water, 0.7 * (55 - lat)]
        arrays = [np.broadcast_to(v, shape).astype("float32") for v in fill]
        return State(*arrays, weather=self.weather.start(generators))

    def step(self, state: State, step: int, greenhouse: float, generators) -> tuple[State, Fluxes]:
        """Return the state one step (5.07 days) later, and the fluxes during the step.

        step: step of the year, 0..71. greenhouse: forcing, W m-2. generators: one numpy Generator a
        member.
        """
        p, w = self.parameters, np.float32(forcing.winter(step, self.grid.hemisphere))
        weather = self.weather.step(state.weather, generators)
        # Pressure and wind are linear in the coefficients: both kinds of weather are added there.
        anomaly = self.weather.field(p.synoptic * weather[:, 0] + p.circulation * weather[:, 1])
        currents = self.weather.field(weather[:, 2])
        u, v = geostrophic(anomaly, self.grid, self.coriolis)
        mean_u, mean_v = w * self.january_wind + (1 - w) * self.july_wind
        concentration, volume = advect(
            state.concentration,
            state.volume,
            p.drift * (mean_u + u),
            p.drift * (mean_v + v),
            self.ocean,
            self.grid.resolution_km * 1000,
        )
        # Lows are cloudy, highs are clear.
        sunshine = self.sun[step] * np.clip(p.transmission + p.cloud * anomaly, *CLOUD_RANGE)
        new, flux = self._surface(state, concentration, volume, currents, sunshine, w)
        new.weather = weather
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
        flux.pressure = w * self.january + (1 - w) * self.july + anomaly
        return new, flux

    def _season(self, step: int) -> np.float32:
        """Return the season of the warmer world outside the plane, -1..1.

        It is 1 when that world is warmest, 45 days after the solstice.
        """
        phase = 2 * np.pi * ((step + 0.5) / forcing.STEPS_A_YEAR - 217 / 365)
        return np.float32(np.cos(phase) * (1 if self.grid.hemisphere == "north" else -1))

    def _surface(self, state, concentration, volume, currents, sunshine, w) -> tuple[State, Fluxes]:
        """Let ice, water and soil exchange heat for a step.

        Returns the new state and the fluxes. Energy is conserved to rounding. w: see
        `forcing.winter`.
        """
        p, dt, air, ocean = self.parameters, np.float32(STEP), state.air, self.ocean
        thickness = np.clip(volume / np.maximum(concentration, np.float32(1e-3)), THINNEST, THICKEST)
        conductance = CONDUCTIVITY / (thickness + p.snow)
        # In zero-layer ice, sun, air and conduction balance. Ponds darken it as it nears melting.
        other_heat = p.exchange * air + conductance * FREEZING
        skin = (sunshine * (1 - p.albedo_snow) + other_heat) / (p.exchange + conductance)
        ponds = np.clip(1 + (skin - MELTING) / POND_RANGE, 0, 1)
        albedo = p.albedo_snow - (p.albedo_snow - p.albedo_pond) * ponds
        skin = np.minimum(MELTING, (sunshine * (1 - albedo) + other_heat) / (p.exchange + conductance))
        into_ice = sunshine * (1 - albedo) + p.exchange * (air - skin)
        # The temperature of water and soil is solved implicitly.
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
        # New ice grows in water below freezing; old ice thickens or thins from above and below.
        # If more would melt than there is, the excess heat goes into the water.
        frozen = np.where(ocean, np.maximum(FREEZING - water, 0), 0) * self.heat
        change = -(dt / FUSION) * (concentration * into_ice + melt)
        volume_left = volume + change + frozen / FUSION
        excess = np.minimum(volume_left, 0)
        water = water + (frozen - FUSION * excess) / self.heat
        shrink = concentration * np.minimum(change, 0) / np.maximum(2 * volume, np.float32(1e-3))
        spread = open_share * np.minimum(frozen / (FUSION * p.lead_closing), 1)
        volume_left = np.maximum(volume_left, 0)
        cover = np.clip(
            concentration + shrink + spread, volume_left / THICKEST, np.minimum(volume_left / THINNEST, 1)
        )
        skin = concentration * skin + open_share * water
        reflected = sunshine * (concentration * albedo + open_share * open_albedo)
        gain = concentration * into_ice + open_share * into_open + ocean * supply
        return State(cover, volume_left, water, deep, air, state.weather), Fluxes(
            air, skin, sunshine, reflected, gain
        )


def advect(concentration, volume, u, v, ocean, cell: float):
    """Return concentration and volume after one step of ice drift; the volume is conserved.

    concentration, volume: (member, y, x). u, v: drift along x and y, m s-1. ocean: bool (y, x).
    cell: m.
    The scheme is first-order upwind in flux form (Courant, Isaacson and Rees 1952). Nothing crosses
    a coast or the edge of the plane, and ice stops before a cell where it has piled up to THICKEST.
    Where it converges beyond full cover, ice ridges: concentration is limited to 1, volume is not.
    """
    courant = np.float32(STEP / cell)
    right = _through(
        0.5 * courant * (u[..., :, 1:] + u[..., :, :-1]), volume[..., :, :-1], volume[..., :, 1:]
    )
    right = right * (ocean[:, 1:] & ocean[:, :-1])
    # Row numbers increase downward, v is positive upward.
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
    """Return the Courant number of a face, limited to half of MAX_DRIFT.

    It falls towards 0 as the ice that is run into nears THICKEST.
    """
    courant = np.clip(courant, -MAX_DRIFT / 2, MAX_DRIFT / 2)
    return courant * np.maximum(1 - np.where(courant > 0, after, before) / THICKEST, 0)
