"""Verdicts: only of what was named beforehand, over all leads at once, and corrected for their number."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from seaice.steps import valid_time
from seaice.verify import contests

SPLITS = {"test": ["1990-01", "2001-12"]}
GAINS = {"trees": 0.01, "damped_anomaly_persistence": 0.0, "linear_trend": 0.05, "persistence": 0.1}


@pytest.fixture(scope="module")
def scores():
    """Brier scores of 12 years: IceNet is better than the others by `GAINS`, give or take .02 from year to year."""
    init = pd.date_range("1990-01", "2001-12", freq="MS")
    leads, rng = np.arange(1, 7), np.random.default_rng(4)
    valid = valid_time(init, leads)
    by_year = xr.DataArray(rng.normal(0, 0.02, size=(13, len(GAINS))), dims=("year", "rival"))
    year = (valid.dt.year - 1990).drop_vars(valid.coords)
    icenet = xr.DataArray(rng.uniform(0.04, 0.06, size=(144, 6)), valid.coords, valid.dims)
    models = {"icenet": icenet}
    for number, (name, gain) in enumerate(GAINS.items()):
        models[name] = icenet + gain + by_year.isel(rival=number)[year].values
    brier = xr.concat(models.values(), pd.Index(list(models), name="model", dtype=object))
    brier = brier.expand_dims(region=["all"])
    return xr.Dataset({"brier": brier, "binary_accuracy": 100 - 100 * brier}).assign_coords(valid_time=valid)


@pytest.fixture(scope="module")
def table(scores):
    return contests.contests_table([scores], SPLITS)


def test_only_what_was_named_gets_a_verdict(table):
    assert list(table) == contests.COLUMNS and set(table.split) == {"test"}
    assert set(table.baseline) == {"trees", "damped_anomaly_persistence"}
    assert set(table.metric) == {"binary_accuracy", "brier"} and set(table.lead_time) == {"1-3", "all"}
    assert len(table) == 2 * 2 * 2


def test_means_are_over_leads_of_the_same_targets(scores, table):
    row = table.query("baseline == 'trees' and metric == 'brier' and lead_time == '1-3'").iloc[0]
    brier = scores.brier.sel(region="all", lead_time=slice(1, 3))
    judged = (scores.valid_time >= np.datetime64("1990-06-01")) & (
        scores.valid_time <= np.datetime64("2001-12-01")
    )
    brier = brier.where(judged)
    means = brier.mean(("init_time", "lead_time"))
    assert row.value == pytest.approx(float(means.sel(model="icenet")))
    assert row.baseline_value == pytest.approx(float(means.sel(model="trees")))
    assert row.difference == pytest.approx(row.value - row.baseline_value)
    assert row.n == 3 * 139 and row.blocks == 12 and row.low < row.difference < row.high
    yearly = (brier.sel(model="icenet") - brier.sel(model="trees")).groupby(brier.valid_time.dt.year).mean()
    assert row.blocks_ahead == int((yearly.dropna("year") < 0).sum())


def test_a_verdict_needs_more_than_one_p_below_the_level(table):
    rows = table[(table.baseline == "trees") & (table.lead_time == "all")]
    assert (rows.p_family > rows.p).all()
    assert (table.separated == (table.p_family < 0.05)).all()
    mirrored = table.set_index(["metric", "baseline", "lead_time"])
    np.testing.assert_allclose(
        mirrored.loc["binary_accuracy"].difference, -100 * mirrored.loc["brier"].difference
    )


def test_noise_is_seldom_separated():
    """Of 300 families of six comparisons without any difference, about 1 in 20 or fewer has a verdict."""
    t = np.random.default_rng(0).standard_t(df=2, size=(300, 6))
    p = 2 * stats.t.sf(abs(t), 2)
    wrong = np.mean([(contests.holm(of_family) < 0.05).any() for of_family in p])
    assert wrong < 0.08 < np.mean((p < 0.05).any(axis=1))


def test_holm_by_hand():
    found = contests.holm([0.01, 0.04, np.nan, 0.03, 0.5])
    np.testing.assert_allclose(found, [0.04, 0.09, np.nan, 0.09, 0.5])
    assert contests.holm([0.6, 0.7]).tolist() == [1.0, 1.0]


def test_one_year_separates_nothing(scores):
    table = contests.contests_table([scores], {"test": ["1990-01", "1990-12"]})
    assert (table.blocks == 1).all() and not table.separated.any() and table.p.isna().all()


def test_a_run_without_rivals_has_an_empty_table(scores):
    table = contests.contests_table([scores.sel(model=["icenet", "linear_trend"])], SPLITS)
    assert table.empty and list(table) == contests.COLUMNS
