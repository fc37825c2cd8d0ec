"""Does the weather have its stated spread and memory, and do winds follow from pressure?"""

import numpy as np
import pytest
import scipy.fft

from seaice.grid import Grid
from seaice.twin import parameters as twin_parameters, realism
from seaice.twin.weather import DAY, RANDOM_FIELDS, Weather, coriolis, geostrophic, surface_wind


@pytest.mark.parametrize("hemisphere, turn", [("north", 1), ("south", -1)])
def test_wind_circles_a_low_the_right_way(hemisphere, turn):
    grid = Grid(hemisphere, 225.0)
    x, y = np.meshgrid(grid.x, grid.y)
    pressure = (101_300 - 2_000 * np.exp(-(x**2 + y**2) / 1e12)).astype("float32")
    u, v = geostrophic(pressure, grid, coriolis(grid))
    near = (np.hypot(x, y) < 1.5e6) & (np.hypot(x, y) > 3e5)
    circling = (x * v - y * u)[near]  # > 0 is counterclockwise
    assert (turn * circling > 0).all()
    us, vs = surface_wind(u, v, grid)
    assert ((x * us + y * vs)[near] < 0).all()  # friction turns it into the low
    assert np.hypot(us, vs)[near] == pytest.approx(0.7 * np.hypot(u, v)[near], rel=1e-4)


def test_geostrophic_wind_has_the_textbook_size():
    grid = Grid("north", 112.5)
    pressure = np.broadcast_to(grid.x / 1e6 * 1_000, grid.shape).astype("float32")  # 10 hPa in 1000 km
    u, v = geostrophic(pressure, grid, coriolis(grid))
    # dp/dx / (rho f) = 1e-3 / (1.25 * 1.458e-4) at the pole
    assert v[48, 48] == pytest.approx(5.49, rel=0.01)
    assert u[48, 48] == pytest.approx(0, abs=1e-3)


def test_weather_has_unit_spread_and_the_memory_of_its_field():
    grid = Grid("north", 225.0)
    weather = Weather(grid)
    generators = [np.random.default_rng(m) for m in range(40)]
    coefficients = weather.start(generators)
    before = [weather.field(coefficients[:, i]) for i in range(len(RANDOM_FIELDS))]
    for _ in range(4):
        coefficients = weather.step(coefficients, generators)
    after = [weather.field(coefficients[:, i]) for i in range(len(RANDOM_FIELDS))]
    for i, (name, (memory, _)) in enumerate(RANDOM_FIELDS.items()):
        assert before[i].std() == pytest.approx(1, abs=0.1), name
        assert after[i].std() == pytest.approx(1, abs=0.1), name
        expected = np.exp(-4 * 365 * 86400 / 72 / memory)
        assert np.corrcoef(before[i].ravel(), after[i].ravel())[0, 1] == pytest.approx(expected, abs=0.1), (
            name
        )


def monthly(memory, days=365 / 12):
    """Return the variance of monthly means of red noise, and their autocorrelation at a month.

    memory: e-folding time, days. Both follow from integrals of exp(-t / memory) over a month.
    """
    x = days / memory
    within = x - 1 + np.exp(-x)
    return 2 * within / x**2, (1 - np.exp(-x)) ** 2 / (2 * within)


def test_pressure_of_a_month_is_remembered_as_long_as_the_observed_one():
    """The memory of daily weather follows from that of monthly means, and lies in its range."""
    observed = realism.reference("north")["psl_memory", 1]
    # One red noise alone would need this e-folding time, between cyclones and circulation.
    days = np.arange(2, 30, 0.1)
    alone = days[np.abs([monthly(day)[1] - observed for day in days]).argmin()]
    synoptic, circulation = (RANDOM_FIELDS[name][0] / DAY for name in ("synoptic", "circulation"))
    assert synoptic < alone < circulation
    assert 8 <= circulation <= 12
    for model in ("TRUTH", "FORECAST", "TWIN-A", "TWIN-B"):
        p = twin_parameters.load(model, "north")
        parts = [(size**2, *monthly(m)) for size, m in ((p.synoptic, synoptic), (p.circulation, circulation))]
        together = sum(s * v * r for s, v, r in parts) / sum(s * v for s, v, _ in parts)
        assert together == pytest.approx(observed, abs=0.05), model


def test_weather_is_a_sum_of_cosines():
    grid = Grid("north", 450.0)
    weather = Weather(grid)
    coefficients = np.random.default_rng(0).standard_normal((2, grid.size, grid.size)).astype("float32")
    expected = scipy.fft.idctn(coefficients, axes=(1, 2), norm="ortho")
    assert weather.field(coefficients) == pytest.approx(expected, abs=1e-5)


def test_weather_is_smooth_in_space():
    grid = Grid("north", 225.0)
    weather = Weather(grid)
    field = weather.field(weather.start([np.random.default_rng(m) for m in range(20)])[:, 0])
    along = np.corrcoef(field[:, 10:-10, 10:-11].ravel(), field[:, 10:-10, 11:-10].ravel())[0, 1]
    assert along == pytest.approx(np.exp(-((225 / 700) ** 2)), abs=0.05)
