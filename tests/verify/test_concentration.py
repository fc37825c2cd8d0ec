"""Errors of concentration: values by hand, roots of means and not means of roots, blocks of a daily record, seas, what can't be judged."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import synthetic

from seaice.baselines import simple as baselines_simple
from seaice.errors import DataError
from seaice.geo import regions
from seaice.verify import concentration as verify_concentration, concentration_tables

INIT_TIMES = pd.date_range("1988-06", "1990-05", freq="MS")
SPLITS = {"validation": ["1988-06", "1989-06"], "test": ["1989-07", "1990-05"]}


@pytest.fixture(scope="module")
def ready():
    return synthetic.ready()


@pytest.fixture(scope="module")
def siconcs(ready):
    damped = baselines_simple.damped_anomaly_persistence(ready, INIT_TIMES)
    last = baselines_simple.persistence(ready, INIT_TIMES)
    return {"icenet": (damped + last) / 2, "damped_anomaly_persistence": damped, "persistence": last}


@pytest.fixture(scope="module")
def scores(ready, siconcs):
    return verify_concentration.forecast_scores(siconcs, ready, seas=regions.mask(ready))


@pytest.fixture(scope="module")
def skill(scores):
    return concentration_tables.skill_table(scores, SPLITS)


def test_errors_by_hand():
    """Cells of 100 km2, the last of no weight: errors 0.2 and -0.4; there is ice in the second only, forecast in the first only."""
    forecast, truth, weight = (
        xr.DataArray(np.float32([v]), dims=("y", "x")) for v in ([0.3, 0.1, 0.9], [0.1, 0.5, 0.0], [1, 1, 0])
    )
    found = verify_concentration.errors(forecast, truth, weight, cell_area_km2=100.0)
    expected = {"siconc_mse": 0.1, "siconc_mae": 0.3, "siconc_iiee": 2e-4}
    expected |= {"siconc_iiee_over": 1e-4, "siconc_iiee_under": 1e-4}
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(value, rel=1e-5), name
    assert (
        verify_concentration.errors(forecast, truth, 0 * weight, cell_area_km2=100.0)
        .to_array()
        .isnull()
        .all()
    )


def test_the_root_is_of_the_mean_over_forecasts(scores, skill):
    part = scores.siconc_mse.sel(model="icenet", region="all", lead_time=3)
    part = part.sel(init_time=slice("1989-10", "1990-03"))  # targets that are reached at every lead
    (row,) = skill[
        (skill.model == "icenet")
        & (skill.split == "test")
        & (skill.region == "all")
        & (skill.lead_time == 3)
        & (skill.month == "all")
        & (skill.metric == "siconc_rmse")
    ].to_dict("records")
    assert row["value"] == pytest.approx(float(np.sqrt(part.mean()))) and row["n"] == 6
    assert row["blocks"] == 1 and np.isnan(row["low"])


def test_what_is_better_is_better_in_differences_and_skill(scores, skill):
    differences = concentration_tables.differences_table(scores, SPLITS)
    rows = differences[(differences.split == "test") & (differences.metric == "siconc_rmse")]
    values = skill[(skill.metric == "siconc_rmse") & (skill.split == "test") & (skill.month == "all")]
    values = values[values.region == "all"].set_index(["model", "lead_time"])["value"]
    for row in rows.itertuples():
        expected = values["icenet", row.lead_time] - values[row.baseline, row.lead_time]
        assert row.difference == pytest.approx(expected, abs=1e-9)
    assert set(rows.blocks) == {1}  # December 1989 to May 1990
    assert rows.blocks_ahead.tolist() == (rows.difference < 0).astype(int).tolist()
    gains = concentration_tables.skill(skill)
    assert (gains["damped_anomaly_persistence"] == 0).all()
    better = values["icenet"] < values["damped_anomaly_persistence"]
    assert ((gains.loc["test", "icenet"] > 0) == better).all()


def test_forecasts_that_one_model_lacks_count_for_none(ready, siconcs):
    gappy = dict(siconcs)
    gappy["persistence"] = gappy["persistence"].copy()
    gappy["persistence"].loc[{"init_time": slice("1989-07", "1989-12")}] = np.nan
    table = concentration_tables.skill_table(verify_concentration.forecast_scores(gappy, ready), SPLITS)
    whole = table[(table.month == "all") & (table.region == "all") & (table.split == "test")]
    assert set(whole[whole.lead_time == 1].n) == {5}


@pytest.mark.parametrize("value, words", [(np.nan, "is NaN in some"), (1.2, "outside 0..1")])
def test_impossible_concentration_is_named(ready, siconcs, value, words):
    spoilt = siconcs["icenet"].copy(deep=True)
    spoilt.loc[{"init_time": "1989-02-01", "lead_time": 4}][6, 6] = value
    with pytest.raises(DataError, match=f"'icenet': SIC of init_time 1989-02-01, lead 4 .*{words}"):
        verify_concentration.forecast_scores({"icenet": spoilt}, ready)


def test_areas_of_the_seas_add_up_to_no_more_than_the_whole(scores):
    inside = scores.siconc_iiee.drop_sel(region="all").sum("region")
    assert (inside <= scores.siconc_iiee.sel(region="all") + 1e-9).where(inside > 0, True).all()
