"""Does the physics close its budgets and conserve ice?

It also answers its forcing with the right sign.
"""

from dataclasses import replace

import numpy as np
import pytest

from seaice.errors import DataError
from seaice.geo import coast
from seaice.grid import Grid
from seaice.twin import parameters as twin_parameters
from seaice.twin.forcing import STEP, STEPS_A_YEAR, greenhouse, insolation, winter
from seaice.twin.land import SAMPLES, land
from seaice.twin.physics import AIR_HEAT, FUSION, OCEAN_HEAT, World, advect
from seaice.twin.world import generator

TOY = Grid("north", 225.0)


def run(world, generators, years, *, year=2000, forcing=None, state=None):
    state = world.start(generators) if state is None else state
    for y in range(year, year + years):
        for step in range(STEPS_A_YEAR):
            state, fluxes = world.step(state, step, greenhouse(y) if forcing is None else forcing, generators)
    return state, fluxes


def extent(state, grid=TOY):
    return (state.concentration > 0.15).sum((1, 2)) * grid.cell_area_km2 / 1e6


@pytest.fixture(scope="module")
def world():
    return World(TOY, twin_parameters.load("TRUTH", "north"))


@pytest.fixture(scope="module")
def march(world):
    """Return state and fluxes after five years and three months."""
    generators = [generator(0, "toy", m) for m in range(3)]
    state, _ = run(world, generators, 5)
    for step in range(STEPS_A_YEAR // 4):
        state, fluxes = world.step(state, step, 2.0, generators)
    return state, fluxes


def test_surface_ice_and_ocean_gain_exactly_what_flows_in(world, march):
    state, _ = march
    generators = [generator(1, "budget", m) for m in range(3)]
    for step in (20, 40, 55, 70):

        def heat(s):
            below = np.where(world.ocean, world.below, 0)
            stored = (
                world.heat.astype(float) * s.surface + below * s.deep.astype(float) - float(FUSION) * s.volume
            )
            return stored.sum((1, 2))

        after, fluxes = world.step(state, step, 2.0, generators)
        gained = fluxes.gain.astype(float).sum((1, 2)) * STEP
        # Rounding: a float32 mixed layer at 20 degC holds 2e9 J m-2 to 1e-7, in 2304 cells.
        rounding = 300 * 2304
        assert heat(after) - heat(state) == pytest.approx(gained, abs=rounding)
        assert np.abs(gained).max() > 1000 * rounding
        state = after


def test_diffusion_of_heat_neither_makes_nor_loses_any():
    still = replace(twin_parameters.load("TRUTH", "north"), emission_slope=0.0)
    damp = World(TOY, still).damp
    assert damp[..., 0, 0] == 1
    assert damp.min() > 0 and damp.max() <= 1


def test_air_loses_by_emission_what_the_slope_says():
    p = twin_parameters.load("TRUTH", "north")
    damp = World(TOY, p).damp
    assert float(damp[..., 0, 0].squeeze()) == pytest.approx(
        1 / (1 + STEP / AIR_HEAT * p.emission_slope), rel=1e-5
    )


def test_advection_conserves_volume_keeps_to_the_sea_and_stays_positive():
    rng = np.random.default_rng(0)
    ocean = ~land(TOY)
    concentration = rng.random((2, *TOY.shape)).astype("float32") * ocean
    volume = 3 * concentration * rng.random((2, *TOY.shape)).astype("float32")
    u, v = (0.3 * rng.standard_normal((2, 2, *TOY.shape))).astype("float32")
    cover, moved = concentration, volume
    for _ in range(20):
        cover, moved = advect(cover, moved, u, v, ocean, 225e3)
    assert moved.sum((1, 2), dtype=float) == pytest.approx(volume.sum((1, 2), dtype=float), rel=1e-5)
    assert moved.min() >= 0 and cover.min() >= 0 and cover.max() <= 1
    assert not moved[:, ~ocean].any()


def test_ice_drifts_with_the_wind_it_is_given():
    ocean = np.ones(TOY.shape, bool)
    ice = np.zeros((1, *TOY.shape), "float32")
    ice[0, 20, 20] = 1
    east, _ = advect(ice, ice, np.full_like(ice, 0.1), np.zeros_like(ice), ocean, 225e3)
    up, _ = advect(ice, ice, np.zeros_like(ice), np.full_like(ice, 0.1), ocean, 225e3)
    assert east[0, 20, 21] > 0 and east[0, 20, 19] == 0
    assert up[0, 19, 20] > 0 and up[0, 21, 20] == 0  # rows run downward


def test_members_of_a_batch_are_the_same_as_single_runs(world):
    batch, _ = run(world, [generator(0, "toy", m) for m in range(3)], 1)
    for m in range(3):
        single, _ = run(world, [generator(0, "toy", m)], 1)
        for name in ("concentration", "volume", "surface", "deep", "air", "weather"):
            assert np.array_equal(getattr(single, name)[0], getattr(batch, name)[m]), name


def test_neither_freezes_over_nor_melts_away(world, march):
    winter_ice = extent(march[0])
    assert (winter_ice > 8).all() and (winter_ice < 22).all()
    generators = [generator(0, "long")]
    state, _ = run(world, generators, 15, year=1990)
    for step in range(STEPS_A_YEAR * 3 // 4):
        state, _ = world.step(state, step, greenhouse(2005), generators)
    assert 1 < extent(state)[0] < 11
    assert np.isfinite(state.air).all() and -60 < state.air.min() and state.air.max() < 45


def test_more_greenhouse_forcing_means_less_ice(world):
    volume = []
    for forcing in (0.0, 6.0):
        state, _ = run(world, [generator(0, "forced")], 6, forcing=forcing)
        volume.append(float(state.volume.sum()))
    assert volume[1] < 0.9 * volume[0]


def test_land_holds_no_ice(world, march):
    assert not march[0].concentration[:, world.land].any()
    assert not march[0].volume[:, world.land].any()


def test_ice_is_bounded_and_single_precision(march):
    state, fluxes = march
    assert state.concentration.min() >= 0 and state.concentration.max() <= 1
    assert state.volume.min() >= 0
    for values in (*vars(state).values(), *vars(fluxes).values()):
        assert values.dtype == np.float32


def test_land_matches_the_map():
    fraction = coast.land_fraction(Grid("north", 112.5), samples=SAMPLES)
    grid = Grid("north", 112.5)
    lon, lat = grid.lonlat

    def at(where_lat, where_lon):
        gap = (lat - where_lat) ** 2 + ((lon - where_lon + 180) % 360 - 180) ** 2 * np.cos(
            np.radians(lat)
        ) ** 2
        return fraction.flat[gap.argmin()]

    assert at(75, -40) > 0.9  # Greenland
    assert at(65, 110) > 0.9  # Siberia
    assert at(85, 170) < 0.1 and at(72, 5) < 0.1  # Arctic Ocean, Norwegian Sea
    south = coast.land_fraction(Grid("south", 225.0), samples=SAMPLES)
    assert south[22:26, 22:26].min() > 0.9  # the South Pole


def test_the_sun_is_where_it_should_be():
    sun = insolation(np.array([90.0, 0.0, -90.0]))
    assert sun.shape == (STEPS_A_YEAR, 3)
    # Hartmann 1994, fig. 2.6: about 525 W m-2 at the pole at the solstice, and an annual mean of
    # 417 W m-2 at the equator.
    assert sun[:, 0].max() == pytest.approx(540, abs=20)
    assert sun[:, 1].mean() == pytest.approx(416, abs=5)
    assert sun[-1, 0] == 0 and sun[STEPS_A_YEAR // 2, 2] == 0
    assert winter(3, "north") > 0.98 and winter(3, "south") < 0.02


def test_water_holds_its_heat_capacity(world):
    p = twin_parameters.load("TRUTH", "north")
    assert world.heat[world.ocean] == pytest.approx(float(OCEAN_HEAT) * p.mixed_layer, rel=1e-6)


@pytest.mark.parametrize(
    "model, hemisphere, named", [("TWIN-C", "north", "TWIN-A"), ("TRUTH", "east", "south")]
)
def test_unknown_parameters_name_the_valid_ones(model, hemisphere, named):
    with pytest.raises(DataError, match=named):
        twin_parameters.load(model, hemisphere)


@pytest.mark.parametrize("hemisphere", ["north", "south"])
@pytest.mark.parametrize("model", ["TRUTH", "FORECAST", "TWIN-A", "TWIN-B"])
def test_fitted_values_lie_in_their_bounds(hemisphere, model):
    p = twin_parameters.load(model, hemisphere)
    for name in twin_parameters.numbers():
        row = twin_parameters.table()[name]
        assert float(row["low"]) <= getattr(p, name) <= float(row["high"]), name
