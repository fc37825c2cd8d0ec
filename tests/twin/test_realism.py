"""Are the figures of realism what they claim to be?

They are computed in the same way for the simulated and the observed record.
"""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from seaice.errors import DataError
from seaice.grid import Grid
from seaice.twin import realism, source as twin_source

GRID = Grid("north", 675.0)


def record(sic) -> xr.Dataset:
    """Return a record of this ice, under air and over water that vary by chance."""
    time = pd.date_range("1979-01", "2020-12", freq="MS")
    rng = np.random.default_rng(5)
    fields = {name: rng.standard_normal((len(time), *GRID.shape), "float32") for name in realism.ENTRIES}
    fields["siconc"] = np.broadcast_to(sic, (len(time), *GRID.shape))
    return xr.Dataset({n: (("time", "y", "x"), f) for n, f in fields.items()}, coords={"time": time})


def receding(per_year):
    """Return a record of full cells of ice that lose `per_year` cells a year.

    Its spread about the trend line is known.
    """
    wobble = np.tile([1, -1, -1, 1], 20)
    sic = np.zeros((504, GRID.shape[0] * GRID.shape[1]), "float32")
    for year in range(42):
        sic[year * 12 : year * 12 + 12, : 200 - per_year * year + 2 * wobble[year]] = 1
    return record(sic.reshape(504, *GRID.shape))


def test_extent_trend_and_spread_of_a_known_record():
    figures = realism.figures(receding(2), GRID)
    area = GRID.cell_area_km2 / 1e6
    assert figures["extent", 9] == pytest.approx((200 - 2 * 17.5) * area, rel=1e-3)
    assert figures["september_trend", 0] == pytest.approx(-2 * area, rel=0.01)
    assert figures["extent_spread", 9] == pytest.approx(2 * area, rel=0.05)
    assert figures["extent_spread", 3] == figures["extent_spread", 9]


def test_memory_of_red_noise_is_its_own_whatever_trend_and_season_it_rides_on():
    rng = np.random.default_rng(2)
    noise = np.zeros((31 * 12, 400), "float32")
    for month in range(1, len(noise)):
        noise[month] = 0.6 * noise[month - 1] + 0.8 * rng.standard_normal(400, "float32")
    values = noise.reshape(31, 12, 400)
    found = realism.memory(values, (1, 2, 3, 12))
    # A line through the 31 years of a month takes two of them, so these are related: -2/31.
    assert found == pytest.approx([0.6, 0.36, 0.216, -2 / 31], abs=0.02)
    season = 10 * np.arange(12, dtype="float32")[:, None]
    trend = 0.3 * np.arange(31, dtype="float32")[:, None, None]
    assert realism.memory(values + season + trend, (1, 2, 3, 12)) == pytest.approx(found, abs=1e-3)


def test_memory_is_of_years_and_cells_without_gaps():
    values = np.random.default_rng(3).standard_normal((12, 12, 6)).astype("float32")
    expected = realism.memory(values[2:, :, :5], (1, 3))
    values[0, :5], values[1] = np.nan, np.nan  # a record that starts in June of its second year
    values[7, 3, 5] = np.nan  # a cell of the coast
    assert realism.memory(values, (1, 3)) == expected


def test_memory_counts_cells_by_their_variance():
    rng = np.random.default_rng(4)
    quick = rng.standard_normal((31 * 12, 1), "float32")
    slow = 0.01 * np.repeat(quick[::4], 4, axis=0)
    both = np.concatenate([quick, slow], axis=1).reshape(31, 12, 2)
    alone = realism.memory(quick.reshape(31, 12, 1), (1,))
    assert realism.memory(both, (1,)) == pytest.approx(alone, abs=1e-3)


def test_ice_that_repeats_each_year_is_forecast_without_error():
    sic = np.zeros((12, *GRID.shape), "float32")
    for month in range(12):
        sic[month, 4:12, 4 : 10 + month // 3] = 0.9
    figures = realism.figures(record(np.tile(sic, (42, 1, 1))), GRID)
    for name in ("anomaly_persistence", "linear_trend"):
        assert [figures[name, lead] for lead in range(1, 7)] == pytest.approx([100] * 6)


def test_a_steady_retreat_favours_the_trend():
    years = np.arange(42).repeat(12)[:, None, None]
    edge = np.arange(GRID.shape[1]) - 8
    retreating = record(
        np.clip(0.5 - 0.2 * edge - 0.02 * years, 0, 1).astype("float32") * np.ones((16, 1), "float32")
    )
    figures = realism.figures(retreating, GRID)
    assert figures["linear_trend", 6] > figures["anomaly_persistence", 6] - 1e-9
    assert figures["linear_trend", 6] > 97


def test_accuracy_sees_nothing_of_the_future():
    """Changes after an init_time's targets change no forecast.

    Nothing after 2014-12 is read at all.
    """
    rng = np.random.default_rng(0)
    one = record(rng.random((504, *GRID.shape)).astype("float32"))
    other = one.where(one.time < np.datetime64("2015-01-01"), 0.0)
    assert not one.equals(other)
    assert realism.figures(one, GRID) == realism.figures(other, GRID)


def test_table_says_what_is_within_its_limit():
    same = realism.figures(receding(2), GRID)
    observed = same | {("extent", 3): same["extent", 3] + 1.01, ("extent", 4): same["extent", 4] + 0.99}
    table = realism.table(receding(2), GRID, observed=observed).set_index(["quantity", "index"])
    assert list(table.columns) == ["twin", "observed", "limit", "within"]
    assert not table.loc[("extent", 3), "within"] and table.loc[("extent", 4), "within"]
    assert not table.loc[("september_trend", 0), "within"]  # 0.9 million km2 a year
    assert {table.loc[(f"{name}_memory", 1), "limit"] for name in realism.MEMORY} == {"+- 0.1"}
    assert table.loc[("tos_memory", 3), "within"]
    longer = {**observed, ("tos_memory", 3): observed["tos_memory", 3] + 0.11}
    table = realism.table(receding(2), GRID, observed=longer).set_index(["quantity", "index"])
    assert not table.loc[("tos_memory", 3), "within"]


def test_the_south_is_measured_about_its_own_trend():
    south = Grid("south", 675.0)
    record = receding(0)
    observed = realism.figures(record, south) | {("september_trend", 0): 0.023}
    table = realism.table(record, south, observed=observed).set_index(["quantity", "index"])
    assert table.loc[("september_trend", 0), "limit"] == "+- 0.035"
    assert table.loc[("september_trend", 0), "within"]


@pytest.mark.parametrize("hemisphere", ["north", "south"])
def test_packaged_reference_holds_every_figure(hemisphere):
    reference = realism.reference(hemisphere)
    assert set(realism.figures(receding(2), GRID)) <= set(reference)
    # Sea Ice Index, mean of 1979-2014: the north has most ice in March, the south in September.
    largest = max(range(1, 13), key=lambda month: reference["extent", month])
    assert largest == {"north": 3, "south": 9}[hemisphere]


def test_packaged_figures_are_of_one_grid():
    with pytest.raises(DataError, match="figures of the 112.5 km grid; give `observed`"):
        realism.table(receding(2), Grid("north", 225.0))


def test_nearest_seed_is_the_one_with_the_smallest_departures(monkeypatch):
    """Seed 2 is off by less than the others, in units of limits and not of figures."""
    same = realism.figures(receding(2), GRID)
    off = {0: ("extent", 3, 0.9), 1: ("tos_memory", 1, 0.15), 2: ("september_trend", 0, 0.01)}

    def table(record, grid):
        name, index, far = off[record]
        wrong = same | {(name, index): same[name, index] + far}
        return whole(receding(2), GRID, observed=wrong)

    class Seeded(int):
        def load(self):
            return int(self)

    whole = realism.table
    monkeypatch.setattr(realism, "table", table)
    monkeypatch.setattr(realism, "simulated_record", lambda grid, *, seed: Seeded(seed))
    assert realism.nearest_seed(GRID, seeds=off) == 2
    off[2] = ("september_trend", 0, 0.1)
    assert realism.nearest_seed(GRID, seeds=off) == 0


@pytest.mark.chain
def test_the_seed_is_the_nearest_of_four(own_folders):
    assert realism.nearest_seed(Grid("north", 112.5)) == twin_source.SEED


@pytest.mark.real_data
@pytest.mark.chain
@pytest.mark.parametrize("hemisphere", ["north", "south"])
def test_packaged_reference_is_what_the_record_gives(seaice_data, hemisphere):
    packaged = realism.reference(hemisphere)
    for key, value in realism.observed_figures(Grid(hemisphere, 112.5)).items():
        digits = 0.001 if key[0].endswith(("_memory", "_spread")) else 0.05
        assert packaged[key] == pytest.approx(value, abs=digits), key
