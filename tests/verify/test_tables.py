"""Tables: layout, means, the same forecasts for all, validation and test apart, skill of means, missing truth never counts."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import synthetic

from seaice.baselines import climatology as baselines_climatology, simple as baselines_simple
from seaice.geo import regions
from seaice.steps import at, valid_time
from seaice.verify import scoring, tables

INIT_TIMES = pd.date_range("1987-06", "1990-05", freq="MS")
SPLITS = {
    "train": ["1980-01", "1986-12"],
    "validation": ["1987-06", "1988-05"],
    "test": ["1988-06", "1990-05"],
}


@pytest.fixture(scope="module")
def ready():
    return synthetic.ready()


@pytest.fixture(scope="module")
def sip(ready):
    return baselines_simple.all_forecasts(ready, INIT_TIMES).sip


@pytest.fixture(scope="module")
def scores(ready, sip):
    return scoring.forecast_scores(sip, ready, seas=regions.mask(ready))


@pytest.fixture(scope="module")
def skill(scores):
    return tables.skill_table(scores, SPLITS)


def test_layout(skill):
    columns = ["model", "split", "region", "lead_time", "month", "metric", "value", "low", "high", "n"]
    assert list(skill.columns) == columns
    assert set(skill.metric) == {*scoring.METRICS, "brier_skill"} - {"rps"}  # nobody gave classes
    assert set(skill.month) == {"all", *range(1, 13)} and set(skill.split) == {"validation", "test"}
    seas = skill[skill.region != "all"]
    assert set(seas.month) == {"all"} and set(seas.metric) <= set(tables.REGIONAL)
    keys = ["model", "split", "region", "lead_time", "month", "metric"]
    assert not skill.duplicated(keys).any() and skill.value.notna().all()


def test_means_by_split_and_month(skill, scores):
    lead = skill.query("model == 'linear_trend' and lead_time == 2 and metric == 'brier' and region == 'all'")
    for split, n in (("validation", 12), ("test", 24)):
        months, whole = (
            lead[(lead.split == split) & chosen] for chosen in (lead.month != "all", lead.month == "all")
        )
        whole = whole.iloc[0]
        assert months.n.sum() == whole.n == n
        assert np.average(months.value, weights=months.n) == pytest.approx(whole.value)
        own = scores.brier.sel(
            model="linear_trend", lead_time=2, region="all", init_time=slice(*SPLITS[split])
        )
        assert whole.value == pytest.approx(float(own.mean()))
        assert whole.low <= whole.value <= whole.high
    # September at lead 3 comes from the July initialisation.
    own = scores.brier.sel(model="linear_trend", lead_time=3, region="all", init_time=slice(*SPLITS["test"]))
    found = skill.query(
        "model == 'linear_trend' and lead_time == 3 and metric == 'brier' and month == 9 and split == 'test'"
    )
    assert float(found.value.iloc[0]) == pytest.approx(float(own[own.init_time.dt.month == 7].mean()))


def test_brier_skill_is_of_the_means(skill):
    brier, found = (
        skill[skill.metric == m].set_index(["split", "region", "lead_time", "month", "model"]).value.unstack()
        for m in ("brier", "brier_skill")
    )
    np.testing.assert_allclose(found.climatology.dropna(), 0, atol=1e-12)
    expected = (1 - brier.linear_trend / brier.climatology).loc[found.index]
    both = found.linear_trend.notna()
    np.testing.assert_allclose(found.linear_trend[both], expected[both], rtol=1e-6)


def test_models_are_compared_on_the_same_forecasts(ready, sip):
    gappy = sip.copy()
    gappy.loc[{"model": "persistence", "init_time": slice("1989-01", "1989-06")}] = np.nan
    table = tables.skill_table(scoring.forecast_scores(gappy, ready), SPLITS)
    n = table.query("month == 'all' and lead_time == 1 and split == 'test'").groupby("metric").n.unique()
    assert all(list(v) == [18] for v in n)


def test_missing_truth_never_counts(ready, sip):
    # A truth that is wrong everywhere, but flagged, gives the same table as one that is NaN.
    wrong, absent = ready.copy(deep=True), ready.copy(deep=True)
    cells = {"time": slice("1990-01-01", "1990-03-01")}
    wrong.siconc_flag.loc[cells] = 3
    wrong.siconc.loc[cells] = 1.0
    absent.siconc.loc[cells] = np.nan
    a, b = (tables.skill_table(scoring.forecast_scores(sip, truth), SPLITS) for truth in (wrong, absent))
    pd.testing.assert_frame_equal(a, b)


def test_a_model_of_few_forecasts_keeps_its_own_pairs(ready, sip):
    models = {m: sip.sel(model=m) for m in ("linear_trend", "persistence", "climatology")}
    true_edge = baselines_climatology.certain(at(ready.siconc, valid_time(["1988-07-01", "1989-07-01"], [3])))
    models["ecmwf_edge"] = true_edge.reindex(init_time=INIT_TIMES)
    scores = scoring.forecast_scores(models, ready)
    table = tables.skill_table(scores, SPLITS).query("split == 'test'")
    assert (table.query("model == 'linear_trend' and month == 'all'").n >= 23).all()
    own = table.query("model == 'ecmwf_edge'")
    assert set(own.lead_time) == {3} and set(own.n) == {2}
    assert (own.query("metric == 'binary_accuracy'").value == 100).all()  # its edge is the truth
    assert (own.query("metric == 'brier_skill'").value == 1).all()

    compared = tables.edge_table(scores, ready)
    whole = compared.query("period == 'all'")
    assert set(whole.n) == {2} and set(whole.lead_time) == {3} and set(whole.month) == {9}
    assert set(whole.years) == {"1988-1989"}
    assert (whole.low <= whole.value + 1e-9).all() and (whole.high >= whole.value - 1e-9).all()
    assert set(compared.query("period == 'fit'").years) == {"1988-1988"}  # fit_end is 1988-12
    expected = scores.sel(model="persistence", lead_time=3, region="all").brier.sel(
        init_time=["1988-07-01", "1989-07-01"]
    )
    found = whole.query("model == 'persistence' and metric == 'brier'").value.iloc[0]
    assert found == pytest.approx(float(expected.mean()))


def test_edge_table_with_nothing_in_the_fit_period(scores, ready):
    late = scores.sel(init_time=slice("1989", None))
    assert set(tables.edge_table(late, ready, reference="persistence").period) == {"all", "after_fit"}


def test_edge_table_without_the_edge(scores, ready):
    with pytest.raises(KeyError, match="ecmwf_edge"):
        tables.edge_table(scores, ready)


def test_differences_are_paired_and_by_split(scores):
    table = tables.differences_table(scores, SPLITS, model="linear_trend")
    columns = ["model", "baseline", "split", "lead_time", "metric", "difference", "low", "high", "n", "years"]
    assert list(table.columns) == columns
    assert set(table.metric) == {"binary_accuracy", "iiee", "sps", "brier"}  # nobody gave classes for the RPS
    brier = scores.brier.sel(lead_time=4, region="all", init_time=slice(*SPLITS["test"]))
    expected = float((brier.sel(model="linear_trend") - brier.sel(model="persistence")).mean())
    row = table.query(
        "baseline == 'persistence' and metric == 'brier' and lead_time == 4 and split == 'test'"
    ).iloc[0]
    assert row.difference == pytest.approx(expected)
    assert row.low <= row.difference <= row.high and row.n == 24 and row.years == 3
    assert "linear_trend" not in set(table.baseline)
    with pytest.raises(KeyError, match="icenet"):
        tables.differences_table(scores, SPLITS)


def test_a_difference_between_alikes_is_nothing(scores):
    twin = xr.concat(
        [scores.sel(model=["persistence"]), scores.sel(model=["persistence"]).assign_coords(model=["b"])],
        "model",
    )
    table = tables.differences_table(twin, SPLITS, model="b")
    assert (table[["difference", "low", "high"]] == 0).all(axis=None)


def test_the_headline_is_all_months_and_the_whole_map_of_every_table(skill):
    concentration = skill.query("metric == 'brier'").assign(metric="siconc_rmse")
    table = tables.headline(skill, concentration)
    assert list(table) == ["model", "split", "lead_time", "metric", "value", "low", "high", "n"]
    assert set(table["metric"]) == set(skill["metric"]) | {"siconc_rmse"}
    keys = ["model", "split", "lead_time", "metric"]
    assert not table.duplicated(keys).any()
    rows = skill[(skill["month"] == "all") & (skill["region"] == "all")].set_index(keys)
    pd.testing.assert_frame_equal(
        table[table["metric"] != "siconc_rmse"].set_index(keys), rows[list(table)[4:]]
    )


def test_the_headline_of_a_table_read_back_is_the_same_text(skill, tmp_path):
    tables.write(skill, tmp_path / "skill.csv")
    for name, table in (("now", skill), ("later", pd.read_csv(tmp_path / "skill.csv"))):
        tables.write(tables.headline(table), tmp_path / f"{name}.csv")
    assert (tmp_path / "now.csv").read_text() == (tmp_path / "later.csv").read_text()


def test_written_with_six_digits(tmp_path):
    tables.write(pd.DataFrame({"a": ["x"], "value": [1.23456789e-5], "n": [1234567]}), tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == "a,value,n\nx,1.23457e-05,1234567\n"
