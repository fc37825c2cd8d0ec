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

INIT_TIMES = pd.date_range("1987-06", "1990-06", freq="MS")
SPLITS = {
    "train": ["1980-01", "1986-12"],
    "validation": ["1987-06", "1988-05"],
    "test": ["1988-06", "1990-06"],
}


@pytest.fixture(scope="module")
def ready():
    return synthetic.ready()


@pytest.fixture(scope="module")
def sip(ready):
    return baselines_simple.all_forecasts(ready, INIT_TIMES).sip


@pytest.fixture(scope="module")
def few(sip):
    """Three of the models, where a test is not about their number."""
    return sip.sel(model=["climatology", "linear_trend", "persistence"])


@pytest.fixture(scope="module")
def scores(ready, sip):
    return scoring.forecast_scores(sip, ready, seas=regions.mask(ready))


@pytest.fixture(scope="module")
def skill(scores):
    return tables.skill_table(scores, SPLITS)


def test_layout(skill):
    columns = ["model", "split", "region", "lead_time", "month", "metric", "value", "low", "high", "n"]
    assert list(skill.columns) == [*columns, "blocks"]
    assert (skill.blocks.isna() == (skill.month != "all")).all()
    assert set(skill.metric) == {*scoring.METRICS, "brier_skill"} - {"rps"}  # nobody gave classes
    assert set(skill.month) == {"all", *range(1, 13)} and set(skill.split) == {"validation", "test"}
    seas = skill[skill.region != "all"]
    assert set(seas.month) == {"all"} and set(seas.metric) <= set(tables.REGIONAL)
    keys = ["model", "split", "region", "lead_time", "month", "metric"]
    assert not skill.duplicated(keys).any() and skill.value.notna().all()


def at_common_targets(scores, split, lead):
    """Scores of one lead at the months that every initialisation of the split reaches at leads 1 to 6."""
    first, last = (pd.Timestamp(month) for month in SPLITS[split])
    of_lead = scores.sel(region="all", lead_time=lead, init_time=slice(first, last))
    return of_lead.isel(init_time=(of_lead.valid_time >= first + pd.DateOffset(months=5)).values).sel(
        init_time=slice(None, last - pd.DateOffset(months=lead - 1))
    )


@pytest.mark.parametrize("split, n, blocks", [("validation", 7, 1), ("test", 20, 2)])
def test_means_by_split_and_month(skill, scores, split, n, blocks):
    for lead in (1, 2, 6):
        rows = skill.query(f"model == 'linear_trend' and lead_time == {lead} and metric == 'brier'")
        rows = rows[(rows.split == split) & (rows.region == "all")]
        months, (whole,) = rows[rows.month != "all"], rows[rows.month == "all"].itertuples()
        assert months.n.sum() == whole.n == n and whole.blocks == blocks
        assert np.average(months.value, weights=months.n) == pytest.approx(whole.value)
        own = at_common_targets(scores, split, lead).brier.sel(model="linear_trend")
        assert own.size == n and whole.value == pytest.approx(float(own.mean()))
        assert np.isnan(whole.low) if blocks == 1 else whole.low <= whole.value <= whole.high
        march = own[(own.valid_time.dt.month == 3).values]
        assert months.set_index("month").value[3] == pytest.approx(float(march.mean()))


def test_a_forecast_that_is_the_same_at_every_lead_scores_the_same_at_every_lead(skill):
    """The frequencies of ice, of the fit period and of ten years, depend on the target alone."""
    for model in ("recent_frequency", "climatology"):
        rows = skill[(skill.model == model) & (skill.month == "all")]
        spread = rows.groupby(["split", "region", "metric"])[["value", "n"]].agg(np.ptp)
        assert (spread < 1e-9).all(axis=None)
    falling = skill[(skill.model == "anomaly_persistence") & (skill.metric == "brier")]
    assert falling[(falling.month == "all") & (falling.region == "all")].value.nunique() == 12


def test_a_split_hardly_longer_than_the_longest_lead_is_judged_whole(scores):
    short = {"test": ["1989-01", "1989-08"]}  # 8 initialisations: 3 months are reached at every lead
    table = tables.skill_table(scores, short)
    table = table.query("month == 'all' and region == 'all' and metric == 'brier'")
    assert set(table.n) == {8} and set(table.split) == {"test"}
    assert set(tables.differences_table(scores, short, model="linear_trend").n) == {8}


def test_brier_skill_is_of_the_means(scores):
    skill = tables.skill_table(scores.sel(model=["climatology", "linear_trend"]), SPLITS)
    brier, found = (
        skill[skill.metric == m].set_index(["split", "region", "lead_time", "month", "model"]).value.unstack()
        for m in ("brier", "brier_skill")
    )
    np.testing.assert_allclose(found.climatology.dropna(), 0, atol=1e-12)
    expected = (1 - brier.linear_trend / brier.climatology).loc[found.index]
    both = found.linear_trend.notna()
    np.testing.assert_allclose(found.linear_trend[both], expected[both], rtol=1e-6)


def test_brier_skill_is_over_the_better_of_normal_and_recent_years(scores):
    """The recent frequency is here the better one at lead 1 of the test years, and nowhere else."""
    scores = scores.sel(model=["climatology", "persistence"])
    recent = scores.sel(model=["climatology"]).assign_coords(model=["recent_frequency"])
    is_better = (scores.lead_time == 1) & (scores.init_time >= np.datetime64("1988-06-01"))
    recent["brier"] = recent.brier * xr.where(is_better, 0.5, 2.0)
    table = tables.skill_table(xr.concat([scores, recent], "model"), SPLITS)
    table = table[(table.month == "all") & (table.region == "all")]
    value = table.set_index(["metric", "model", "split", "lead_time"]).value
    value = value.sort_index()
    references = value["brier_skill", "climatology"]
    np.testing.assert_allclose(references.drop(("test", 1)), 0, atol=1e-12)
    assert references["test", 1] == pytest.approx(-1)
    assert value["brier_skill", "recent_frequency", "test", 1] == 0
    expected = 1 - value["brier", "persistence"] / value["brier"].unstack("model")[
        ["climatology", "recent_frequency"]
    ].min(axis=1)
    found = value["brier_skill", "persistence"].sort_index()
    pd.testing.assert_series_equal(found, expected.sort_index(), check_names=False)


def test_models_are_compared_on_the_same_forecasts(ready, few):
    gappy = few.copy()
    gappy.loc[{"model": "persistence", "init_time": slice("1989-01", "1989-06")}] = np.nan
    table = tables.skill_table(scoring.forecast_scores(gappy, ready), SPLITS)
    n = table.query("month == 'all' and lead_time == 1 and split == 'test'").groupby("metric").n.unique()
    assert all(list(v) == [19] for v in n)


def test_missing_truth_never_counts(ready, few):
    # A truth that is wrong everywhere, but flagged, gives the same table as one that is NaN.
    wrong, absent = ready.copy(deep=True), ready.copy(deep=True)
    cells = {"time": slice("1990-01-01", "1990-03-01")}
    wrong.siconc_flag.loc[cells] = 3
    wrong.siconc.loc[cells] = 1.0
    absent.siconc.loc[cells] = np.nan
    a, b = (tables.skill_table(scoring.forecast_scores(few, truth), SPLITS) for truth in (wrong, absent))
    pd.testing.assert_frame_equal(a, b)


def test_a_model_of_few_forecasts_keeps_its_own_pairs(ready, sip):
    models = {m: sip.sel(model=m) for m in ("linear_trend", "persistence", "climatology")}
    true_edge = baselines_climatology.certain(at(ready.siconc, valid_time(["1988-07-01", "1989-07-01"], [3])))
    models["ecmwf_edge"] = true_edge.reindex(init_time=INIT_TIMES).clip(1e-3, 1 - 1e-3)
    scores = scoring.forecast_scores(models, ready)
    table = tables.skill_table(scores, SPLITS).query("split == 'test'")
    assert (table.query("model == 'linear_trend' and month == 'all'").n >= 18).all()
    own = table.query("model == 'ecmwf_edge'")
    assert set(own.lead_time) == {3} and set(own.n) == {2}
    assert (own.query("metric == 'binary_accuracy'").value == 100).all()  # its edge is the truth
    assert (own.query("metric == 'brier_skill'").value > 0.999).all()

    compared = tables.edge_table(scores, ready)
    whole = compared.query("period == 'all'")
    assert set(whole.n) == {2} and set(whole.lead_time) == {3} and set(whole.month) == {9}
    assert set(whole.years) == {"1988-1989"} and set(whole.blocks) == {2}
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
    columns = ["model", "baseline", "split", "lead_time", "metric", "difference", "low", "high", "n"]
    assert list(table.columns) == [*columns, "blocks", "blocks_ahead"]
    assert set(table.metric) == {"binary_accuracy", "iiee", "sps", "brier"}  # nobody gave classes for the RPS
    brier = at_common_targets(scores, "test", 4).brier
    expected = brier.sel(model="linear_trend") - brier.sel(model="persistence")
    row = table.query(
        "baseline == 'persistence' and metric == 'brier' and lead_time == 4 and split == 'test'"
    ).iloc[0]
    assert row.difference == pytest.approx(float(expected.mean()))
    assert row.low <= row.difference <= row.high and row.n == 20 and row.blocks == 2
    # 1988-11 and -12 are no year of their own.
    by_year = expected.groupby((expected.valid_time.dt.year.clip(1989)).rename("year")).mean()
    assert row.blocks_ahead == int((by_year < 0).sum())
    assert "linear_trend" not in set(table.baseline)
    with pytest.raises(KeyError, match="icenet"):
        tables.differences_table(scores, SPLITS)


def test_a_difference_between_alikes_is_nothing(scores):
    twin = xr.concat(
        [scores.sel(model=["persistence"]), scores.sel(model=["persistence"]).assign_coords(model=["b"])],
        "model",
    )
    table = tables.differences_table(twin, SPLITS, model="b")
    assert (table[["difference", "blocks_ahead"]] == 0).all(axis=None)
    assert (table.query("blocks > 1")[["low", "high"]] == 0).all(axis=None)


def test_blocks_of_one_model_average_to_its_score(skill, scores):
    found = tables.block_values(scores, SPLITS, model="linear_trend", metric="brier")
    assert list(found) == ["block", "lead_time", "value", "split"]
    of_test = found[(found.split == "test") & (found.lead_time == 2)]
    row = skill.query("model == 'linear_trend' and lead_time == 2 and metric == 'brier' and split == 'test'")
    row = row[(row.month == "all") & (row.region == "all")].iloc[0]
    # 14 months to the end of 1989, 6 in 1990
    assert np.average(of_test.value, weights=[14, 6]) == pytest.approx(row.value)


def test_the_headline_is_all_months_and_the_whole_map_of_every_table(skill):
    concentration = skill.query("metric == 'brier'").assign(metric="siconc_rmse")
    table = tables.headline(skill, concentration)
    assert list(table) == ["model", "split", "lead_time", "metric", "value", "low", "high", "n", "blocks"]
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
