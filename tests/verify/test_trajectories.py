"""Scores of trajectories and their table: by hand on small cases, and on a record whose ice wobbles as a whole."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import possible

from seaice.errors import DataError
from seaice.geo import regions
from seaice.verify import trajectories, trajectory_tables

OPTIONS = {"members": 20, "seed": 0}
NAMES = ["schaake", "dressing", "independent"]


@pytest.fixture(scope="module")
def source():
    return possible.source(possible.ready())


@pytest.fixture(scope="module")
def scores(source):
    return trajectories.forecast_scores(
        source, possible.JUDGED, NAMES, seas=regions.mask(source.ready), **OPTIONS
    )


@pytest.fixture(scope="module")
def table(scores):
    return trajectory_tables.table(scores, possible.SPLITS)


def value(table, maker, metric, lead=1, **where):
    kept = table[(table.maker == maker) & (table.metric == metric) & (table.lead_time == lead)]
    for column, wanted in ({"split": "test", "region": "all", "month": "all"} | where).items():
        kept = kept[kept[column] == wanted]
    return kept["value"].item()


def test_members_that_are_the_truth_have_perfect_scores(source):
    init = pd.Timestamp("2001-03-01")
    place = trajectories._place(source.ready, None)
    target = trajectories._target(source, init, place)
    truth = source.ready.siconc.sel(time=["2001-03-01", "2001-04-01", "2001-05-01"]).values
    found = trajectories.score(np.stack([truth] * 4), target, place, np.random.default_rng(0))
    for name in (
        "siconc_crps",
        "extent_crps",
        "sps",
        "brier",
        "siconc_energy",
        "variogram",
        "extent_energy",
        "crossing_crps",
    ):
        assert found[name] == pytest.approx(0, abs=1e-6), name
    assert found["edge_length"] == pytest.approx(found["true_edge_length"]) and found["edge_length"].min() > 0
    assert found["power"] == pytest.approx(found["true_power"], rel=1e-4)
    assert found["siconc_ranks"].sum() == 0, "cells where all are equal say nothing"


def test_dates_of_crossing_by_hand():
    """Ice before; it leaves at the second of three leads. One member says the second, one never: (0 + 2) / 2 - 2 / 2."""
    truth = np.array([[True], [False], [False]])
    never, second = np.ones((3, 1), bool), truth
    target = trajectories.Target(*[None] * 2, np.ones((3, 1)), *[None] * 4, np.ones(1))
    assert trajectories._crossing_crps(np.stack([second, never]), truth, target) == pytest.approx(0)
    assert trajectories._crossing_crps(np.stack([never, never]), truth, target) == pytest.approx(2)
    back = np.array([[False], [True], [True]])  # the first crossing counts
    assert trajectories._crossing_crps(np.stack([back, back]), truth, target) == pytest.approx(1)
    assert np.isnan(
        trajectories._crossing_crps(never[None], truth, target._replace(before=np.full(1, np.nan)))
    )


def test_extent_by_hand(source):
    """Two members, one with no ice and one with ice everywhere: |x - y| on both sides, less half their distance."""
    place = trajectories._place(source.ready, None)
    target = trajectories._target(source, pd.Timestamp("2001-03-01"), place)
    shape = source.ready.land.shape
    maps = np.stack([np.zeros((3, *shape)), np.ones((3, *shape))])
    found = trajectories.score(maps, target, place, np.random.default_rng(0))
    assert found["extent_crps"] == pytest.approx(0, abs=1e-9), "fair: one of two lies on each side"
    area = (possible.KM**2) * 1e-6 * (target.weight > 0).sum(-1)
    assert found["extent_variance"][0] == pytest.approx(area**2 / 2)


def test_coherent_members_win_where_the_ice_moves_as_a_whole(table):
    for metric in ("extent_crps", "variogram"):
        assert value(table, "schaake", metric) < 0.9 * value(table, "independent", metric)
    assert value(table, "schaake", "extent_energy", "all") < value(
        table, "independent", "extent_energy", "all"
    )
    # What is scored in single cells cannot tell mapped ensembles from one another.
    assert value(table, "schaake", "sps") == pytest.approx(value(table, "independent", "sps"), rel=1e-3)
    assert trajectory_tables.chosen(table) in ("schaake", "dressing")
    spread = [value(table, name, "extent_spread_skill") for name in ("independent", "schaake")]
    assert spread[0] < 0.3 < spread[1]


def test_the_table_is_complete(table, source):
    assert list(table) == trajectory_tables.COLUMNS
    assert set(table.maker) == set(NAMES) and set(table.split) == {"validation", "test"}
    assert {"extent_crps", "extent_spread_skill", "siconc_rank_departure", "power_ratio"} <= set(table.metric)
    of_seas = table[(table.region != "all") & (table.metric == "extent_crps")]
    assert set(of_seas.month) == {"all"} and of_seas.region.nunique() > 3
    months = table[(table.month != "all") & (table.metric == "extent_crps")]
    assert set(months.month) == set(range(1, 13)) and months.low.isna().all()
    assert table.value.notna().all()


def test_the_choice_is_made_on_validation_years(table):
    worse = table.copy()
    rows = (worse.metric == "choice") & (worse.split == "test") & (worse.maker == "dressing")
    worse.loc[rows, "value"] = -1.0
    assert trajectory_tables.chosen(worse) == trajectory_tables.chosen(table)
    rows = (worse.metric == "choice") & (worse.split == "validation") & (worse.maker == "independent")
    worse.loc[rows, "value"] = -1.0
    assert trajectory_tables.chosen(worse) == "independent"
    with pytest.raises(DataError, match="no scores of validation years"):
        trajectory_tables.chosen(table[table.split == "test"])


def test_shares_of_the_choice_average_to_one(table):
    assert trajectory_tables.choice(table)["value"].mean() == pytest.approx(1)


def test_differences_are_those_of_the_means(table, scores):
    pairs = trajectory_tables.differences(scores, possible.SPLITS, maker="schaake")
    row = pairs[(pairs.baseline == "independent") & (pairs.split == "test") & (pairs.metric == "extent_crps")]
    row = row[row.lead_time == 1].iloc[0]
    expected = value(table, "schaake", "extent_crps") - value(table, "independent", "extent_crps")
    assert row.difference == pytest.approx(expected) and row.difference < 0
    assert row.maker == "schaake" and row.blocks_ahead <= row.blocks


def test_without_truth_there_is_no_score(source):
    init = pd.to_datetime(["2003-12-01"])
    late = source._replace(forecast=possible.forecast(source.ready, init))
    found = trajectories.forecast_scores(late, init, ["schaake"], **OPTIONS)
    assert found.extent_crps.notnull().sum() == 1, "only the first month was observed"
    assert bool(found.extent_energy.isnull().all())
    assert isinstance(found, xr.Dataset) and found.attrs["members"] == 20
