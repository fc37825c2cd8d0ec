"""Scores: expected values counted by hand on small maps; missing truth never counts."""

import numpy as np
import pandas as pd
import pytest
import synthetic
import xarray as xr

from seaice import baselines, verify
from seaice.schema import DataError

INIT_TIMES = pd.date_range("1988-06", "1990-05", freq="MS")


@pytest.fixture(scope="module")
def ready():
    return synthetic.ready()


@pytest.fixture(scope="module")
def sip(ready):
    return baselines.all(ready, INIT_TIMES).sip


def plane(values):
    return xr.DataArray(np.array(values, "float32"), dims=("y", "x"))


# Two cells of eight are wrong: one with ice forecast where there is none, one the other way round.
SIP = plane([[1.0, 0.9, 0.6, 0.1], [0.8, 0.4, 0.2, 0.0]])
ICE = plane([[1, 1, 0, 0], [1, 1, 0, 0]])
ONES = xr.ones_like(ICE)
AREA = {"cell_area_km2": 1e6}  # so that one cell is one million km2


def test_binary_accuracy_by_hand():
    assert float(verify.binary_accuracy(SIP, ICE, ONES)) == pytest.approx(75.0)  # 6 of 8


def test_iiee_and_its_parts_by_hand():
    found = verify.iiee(SIP, ICE, ONES, **AREA)
    assert (float(found.iiee), float(found.iiee_over), float(found.iiee_under)) == pytest.approx((2, 1, 1))


def test_accuracy_is_one_minus_iiee_over_area():
    weight = plane([[1, 1, 1, 0], [1, 1, 0, 0]])
    expected = 100 * (1 - float(verify.iiee(SIP, ICE, weight, **AREA).iiee) / float(weight.sum()))
    assert float(verify.binary_accuracy(SIP, ICE, weight)) == pytest.approx(expected)


def test_sie_error_is_signed():
    assert float(verify.sie_error(xr.ones_like(ICE), ICE, ONES, **AREA)) == pytest.approx(4)
    assert float(verify.sie_error(xr.zeros_like(ICE), ICE, ONES, **AREA)) == pytest.approx(-4)


def test_brier_by_hand():
    # Squared errors 0, .01, .36, .01, .04, .36, .04, 0 sum to 0.82.
    assert float(verify.brier(SIP, ICE, ONES)) == pytest.approx(0.82 / 8)


def test_class_accuracy_by_hand():
    siconc = xr.DataArray([[0.15, 0.5, 0.8, 0.95]], dims=("y", "x"))  # open water, marginal, full, full
    probability = xr.DataArray(
        np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7], [0.1, 0.6, 0.3]]).T[:, None],
        dims=("ice_class", "y", "x"),
    )
    assert float(verify.class_accuracy(probability, siconc, xr.ones_like(siconc))) == pytest.approx(75.0)


@pytest.mark.parametrize("score", ["binary_accuracy", "brier", "iiee", "sie_error"])
def test_perfect_forecast(score):
    extra = AREA if score in ("iiee", "sie_error") else {}
    found = getattr(verify, score)(ICE, ICE, ONES, **extra)
    value = float(found.iiee if score == "iiee" else found)
    assert value == (100.0 if score == "binary_accuracy" else 0.0)


@pytest.mark.parametrize("score", ["binary_accuracy", "brier", "iiee", "sie_error"])
def test_cells_of_weight_zero_change_nothing(score):
    extra = AREA if score in ("iiee", "sie_error") else {}
    weight = plane([[1, 1, 1, 0], [1, 1, 0, 0]])
    spoilt_sip, spoilt_ice = SIP.where(weight > 0), ICE.where(weight > 0, 1 - ICE)
    a = getattr(verify, score)(SIP, ICE, weight, **extra)
    b = getattr(verify, score)(spoilt_sip, spoilt_ice, weight, **extra)
    xr.testing.assert_identical(a, b)


@pytest.mark.parametrize("score", ["binary_accuracy", "brier", "sie_error"])
def test_no_counting_cell_gives_nan(score):
    extra = AREA if score == "sie_error" else {}
    assert np.isnan(getattr(verify, score)(SIP, ICE, 0 * ONES, **extra))


@pytest.mark.parametrize("score", ["binary_accuracy", "brier", "sie_error"])
def test_other_dimensions_broadcast_and_lazy_stays_lazy(score):
    extra = AREA if score == "sie_error" else {}
    many = SIP.expand_dims(model=["a", "b"], init_time=3).chunk(model=1)
    found = getattr(verify, score)(many, ICE, ONES, **extra)
    assert set(found.dims) == {"model", "init_time"} and found.chunks is not None
    np.testing.assert_allclose(found, float(getattr(verify, score)(SIP, ICE, ONES, **extra)), rtol=1e-6)


def test_weight_is_zero_for_filled_missing_and_inactive_cells(ready):
    changed = ready.copy(deep=True)
    changed.siconc.loc[{"time": "1989-03-01"}][4, 4] = np.nan
    changed.siconc_flag.loc[{"time": "1989-03-01"}][5, 5] = 1
    time = xr.DataArray(pd.to_datetime(["1989-03-01", "1991-03-01"]), dims="init_time")
    _, weight = verify.truth_and_weight(changed, time)
    assert float(weight[0, 4, 4]) == 0 and float(weight[0, 5, 5]) == 0
    assert float(weight[1].sum()) == 0  # after the record
    np.testing.assert_array_equal(weight[0].where(~changed.active.sel(month=3)).fillna(0), 0)
    assert float(weight[0].sum()) > 50


def test_missing_truth_never_counts(ready, sip):
    # A truth that is wrong everywhere, but flagged, gives the same table as one that is NaN.
    wrong, absent = ready.copy(deep=True), ready.copy(deep=True)
    cells = {"time": slice("1990-01-01", "1990-03-01")}
    wrong.siconc_flag.loc[cells] = 3
    wrong.siconc.loc[cells] = 1.0
    absent.siconc.loc[cells] = np.nan
    pd.testing.assert_frame_equal(verify.skill_table(sip, wrong), verify.skill_table(sip, absent))


def test_skill_table_layout_and_means(ready, sip):
    table = verify.skill_table(sip, ready)
    assert list(table.columns) == ["model", "lead_time", "month", "metric", "value", "n"]
    assert set(table.metric) == set(verify.METRICS) and set(table.month) == {"all", *range(1, 13)}
    lead = table.query("model == 'linear_trend' and lead_time == 2 and metric == 'brier'")
    months = lead[lead.month != "all"]
    whole = lead[lead.month == "all"].iloc[0]
    assert months.n.sum() == whole.n == 24
    assert np.average(months.value, weights=months.n) == pytest.approx(whole.value)
    # September at lead 3 comes from the July initialisation.
    scores = verify.forecast_scores(sip, ready).sel(model="linear_trend", lead_time=3).brier
    julys = scores[scores.init_time.dt.month == 7]
    found = table.query("model == 'linear_trend' and lead_time == 3 and metric == 'brier' and month == 9").value
    assert float(found.iloc[0]) == pytest.approx(float(julys.mean()))


def test_models_are_compared_on_the_same_forecasts(ready, sip):
    gappy = sip.copy()
    gappy.loc[{"model": "persistence", "init_time": slice("1989-01", "1989-06")}] = np.nan
    table = verify.skill_table(gappy, ready)
    n = table.query("month == 'all' and lead_time == 1").groupby("metric").n.unique()
    assert all(list(v) == [18] for v in n)


def test_a_model_of_few_forecasts_keeps_its_own_pairs(ready, sip):
    models = {"linear_trend": sip.sel(model="linear_trend"), "persistence": sip.sel(model="persistence")}
    true_edge = baselines.certain(baselines.at(ready.siconc, baselines.valid_time(["1988-07-01", "1989-07-01"], [3])))
    models["ecmwf_edge"] = true_edge.reindex(init_time=INIT_TIMES)
    table = verify.skill_table(models, ready)
    assert (table.query("model == 'linear_trend' and month == 'all'").n >= 23).all()
    own = table.query("model == 'ecmwf_edge'")
    assert set(own.lead_time) == {3} and set(own.n) == {2}
    assert (own.query("metric == 'binary_accuracy'").value == 100).all()  # its edge is the truth

    compared = verify.edge_table(models, ready)
    whole = compared.query("period == 'all'")
    assert set(whole.n) == {2} and set(whole.lead_time) == {3} and set(whole.month) == {9}
    assert set(whole.years) == {"1988-1989"}
    assert set(compared.query("period == 'fit'").years) == {"1988-1988"}  # fit_end is 1988-12
    expected = verify.forecast_scores(models, ready).sel(model="persistence", lead_time=3).brier
    expected = expected.sel(init_time=["1988-07-01", "1989-07-01"]).mean()
    found = whole.query("model == 'persistence' and metric == 'brier'").value.iloc[0]
    assert found == pytest.approx(float(expected))


def test_edge_table_without_the_edge(ready, sip):
    with pytest.raises(KeyError, match="ecmwf_edge"):
        verify.edge_table(sip, ready)


def test_lazy_tables_are_the_same(ready, sip):
    eager = verify.skill_table(sip, ready)
    lazy = verify.skill_table(sip.chunk(init_time=6), ready.chunk(time=12))
    pd.testing.assert_frame_equal(eager, lazy)


def spoil(sip, value):
    spoilt = sip.sel(model="climatology").copy(deep=True)
    spoilt.loc[{"init_time": "1989-02-01", "lead_time": 4}][6, 6] = value
    return {"climatology": spoilt}


@pytest.mark.parametrize(
    "value, words", [(np.nan, "is NaN"), (1.2, "outside 0..1"), (-0.1, "outside"), (np.inf, "outside")]
)
def test_impossible_probability_is_named(ready, sip, value, words):
    with pytest.raises(DataError, match=f"'climatology': SIP of init_time 1989-02, lead 4 .*{words}"):
        verify.skill_table(spoil(sip, value), ready)


def test_other_grid_is_refused(ready, sip):
    with pytest.raises(DataError, match="its y"):
        verify.skill_table(sip.isel(y=slice(None, None, -1)), ready)


def test_init_time_off_the_months_is_refused(ready, sip):
    with pytest.raises(DataError, match="first day of a month"):
        verify.skill_table(sip.assign_coords(init_time=sip.init_time + np.timedelta64(3, "D")), ready)


def test_nothing_in_common_is_refused_with_counts(ready, sip):
    models = {
        "a": sip.sel(model="climatology").isel(init_time=slice(0, 5)),
        "b": sip.sel(model="climatology").isel(init_time=slice(5, 8)),
    }
    with pytest.raises(DataError, match="'a': 30, 'b': 18"):
        verify.skill_table(models, ready)


def test_bootstrap_of_equal_years_has_no_width():
    constant = pd.Series([2.0, 4.0] * 5, index=np.repeat(range(2000, 2005), 2))
    assert verify.paired_bootstrap(constant) == pytest.approx((3.0, 3.0))


def test_bootstrap_covers_about_as_often_as_it_says():
    # Year effects dominate; an interval that took months as independent would be far too narrow.
    rng = np.random.default_rng(3)
    covered = []
    for k in range(200):
        year = rng.normal(size=20)
        d = pd.Series(np.repeat(year, 12) + 0.1 * rng.normal(size=240), index=np.repeat(range(20), 12))
        low, high = verify.paired_bootstrap(d, n_samples=400, seed=k)
        covered.append(low <= 0 <= high)
    assert 0.87 <= np.mean(covered) <= 0.98  # 95 % nominal, percentile intervals of 20 blocks fall a little short


def test_bootstrap_of_one_year_says_nothing():
    assert all(np.isnan(verify.paired_bootstrap(pd.Series([1.0, 2.0], index=[2000, 2000]))))


def test_differences_are_paired(ready, sip):
    table = verify.differences_table(sip, ready, model="linear_trend")
    scores = verify.forecast_scores(sip, ready).brier.sel(lead_time=4)
    expected = float((scores.sel(model="linear_trend") - scores.sel(model="persistence")).mean())
    row = table.query("baseline == 'persistence' and metric == 'brier' and lead_time == 4").iloc[0]
    assert row.difference == pytest.approx(expected)
    assert row.low <= row.difference <= row.high and row.n == 24 and row.years == 3
    assert "linear_trend" not in set(table.baseline)
    with pytest.raises(KeyError, match="icenet"):
        verify.differences_table(sip, ready)
