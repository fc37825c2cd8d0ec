"""Trees: features are known in time, missing stays missing, training is repeatable and worth something."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import synthetic

from seaice.baselines import features, history, simple as baselines_simple, trees
from seaice.errors import DataError
from seaice.verify import scoring

TRAIN = pd.date_range("1980-06", "1988-07", freq="MS")  # the last target of lead 6 is fit_end, 1988-12
TEST = pd.date_range("1989-01", "1990-05", freq="MS")
LEADS = (1, 4)


@pytest.fixture(scope="module")
def ready():
    return synthetic.ready()


@pytest.fixture(scope="module")
def classifiers(ready):
    return trees.fit(ready, TRAIN, lead_times=LEADS)


@pytest.fixture(scope="module")
def sip(classifiers, ready):
    return trees.forecast(classifiers, ready, TEST)


def test_forecast_is_a_probability_at_sea(sip, ready):
    assert sip.dims == ("init_time", "lead_time", "y", "x") and sip.dtype == "float32"
    assert list(sip.lead_time.values) == list(LEADS)
    assert bool(sip.where(ready.land).isnull().all()) and bool(sip.where(~ready.land, 0).notnull().all())
    assert 0 <= float(sip.min()) and float(sip.max()) <= 1


def test_plain_trees_beat_the_frequency_of_ice(ready):
    # Ten years of 16 x 16 cells are too few for all features.
    fitted = trees.fit(ready, TRAIN, lead_times=LEADS, plain=True)
    sip = trees.forecast(fitted, ready, TEST, plain=True)
    frequency = baselines_simple.all_forecasts(ready, TEST, lead_times=LEADS).sip.sel(model="climatology")
    scores = scoring.forecast_scores({"trees": sip, "climatology": frequency}, ready)
    mean = scores.brier.sel(region="all").mean(("init_time", "lead_time"))
    assert float(mean.sel(model="trees")) < float(mean.sel(model="climatology"))


def test_same_seed_same_bits_other_seed_other_sample(ready, classifiers, sip):
    again = trees.forecast(trees.fit(ready, TRAIN, lead_times=LEADS), ready, TEST)
    xr.testing.assert_identical(sip, again)
    few = [
        trees.forecast(trees.fit(ready, TRAIN, lead_times=[1], max_rows=2000, seed=s), ready, TEST)
        for s in (0, 1)
    ]
    assert not few[0].equals(few[1])


def test_future_changes_no_bit(ready, sip):
    # Training sees targets up to fit_end, a forecast sees the months before its init_time.
    disturbed = ready.copy(deep=True)
    disturbed.siconc.loc[{"time": slice("1989-01", None)}] = 0.4
    disturbed.siconc_trend.loc[{"time": slice("1990-12", None)}] = 0.4
    disturbed = synthetic.expected(disturbed)
    found = trees.forecast(trees.fit(disturbed, TRAIN, lead_times=LEADS), disturbed, TEST[:1])
    xr.testing.assert_identical(found, sip.isel(init_time=[0]))


def test_features_are_those_of_their_months(ready):
    init = pd.to_datetime(["1986-03-01"])
    known = features.composed(features.parts(features.fields(ready, init), init, 3))
    cell = {"y": 8, "x": 4}
    month = {
        name: ready.siconc.sel(time=t).isel(cell)
        for name, t in {"feb": "1986-02-01", "jan": "1986-01-01"}.items()
    }
    trend = ready.siconc_trend.isel(cell)
    expected = {
        "last_siconc": month["feb"],
        "last_anomaly": month["feb"] - trend.sel(time="1986-02-01"),
        "last_anomaly_earlier": month["jan"] - trend.sel(time="1986-01-01"),
        "valid_trend": trend.sel(time="1986-05-01"),
        "valid_anomaly_year_before": ready.siconc.sel(time="1985-05-01").isel(cell)
        - trend.sel(time="1985-05-01"),
        # Mays of 1979..1985: the record is seven years old.
        "valid_recent_frequency": (
            ready.siconc.isel(cell).sel(time=[f"{y}-05-01" for y in range(1979, 1986)]) > 0.15
        ).mean(),
        "season_sin": np.sin(2 * np.pi * 5 / 12),
    }
    for name, value in expected.items():
        found = known[name].isel(init_time=0, **cell, missing_dims="ignore")
        assert float(found) == pytest.approx(float(value), abs=1e-6), name


def test_memory_edges_neighbours_and_weather_are_those_of_their_months(ready):
    with_weather = ready.assign(tos=ready.siconc * 2 - 1)
    init, cell = pd.to_datetime(["1986-03-01"]), {"y": 8, "x": 4}
    known = features.composed(features.parts(features.fields(with_weather, init), init, 3))
    year = ready.siconc.isel(cell).sel(time=slice("1985-03-01", "1986-02-01"))
    anomaly, trend = (ready[name].sel(time="1986-02-01") for name in ("siconc_anomaly", "siconc_trend"))
    valid_trend = ready.siconc_trend.sel(time="1986-05-01")
    may_before = ready.siconc.sel(time="1985-05-01")
    expected = {
        "last_year_least_siconc": year.min(),
        "last_year_most_siconc": year.max(),
        "last_year_mean_anomaly": ready.siconc_anomaly.isel(cell).sel(time=year.time).mean(),
        "last_year_open_months": (year < 0.15).sum(),
        "valid_anomaly_three_years_before": ready.siconc_anomaly.isel(cell).sel(time="1983-05-01"),
        "last_n": anomaly.isel(y=7, x=4),
        "last_se": anomaly.isel(y=9, x=5),
        "valid_w": valid_trend.isel(y=8, x=3),
        "valid_edge_year_before": history.distance(may_before, 0.15).isel(cell),
        "tos_3": with_weather.tos.isel(cell).sel(time="1985-12-01"),
    }
    for name, value in expected.items():
        found = known[name].isel(init_time=0, **cell)
        assert float(found) == pytest.approx(float(value), abs=1e-6), name
    plain = features.composed(features.parts(features.fields(with_weather, init, plain=True), init, 3))
    assert set(known) - set(plain) >= set(expected) and len(plain) == 15


def test_every_part_of_the_trees_has_a_channel_that_it_is_permuted_with(ready):
    init = pd.to_datetime(["1986-03-01"])
    names = features.parts(features.fields(ready.assign(tas=ready.siconc), init), init, 3)
    assert set(names) - set(features.sources(3)) == {"x", "y", "radius"}


def test_months_since_open_water_are_counted_and_end():
    time = pd.date_range("1980-01", periods=30, freq="MS")
    siconc = xr.DataArray(np.full((30, 1, 2), 0.9, "float32"), {"time": time}, ("time", "y", "x"))
    siconc[1, 0, 0] = 0.1
    siconc[3:6] = np.nan
    last = xr.DataArray(time, {"init_time": time}, ("init_time",))
    found = history.memory(siconc, siconc, last)
    assert found["months_since_open"][[0, 1, 2, 4, 12, 13], 0, 0].values.tolist() == [12, 0, 1, 3, 11, 12]
    assert (found["months_since_open"][:, 0, 1] == 12).all() and float(found["open_months"][9, 0, 0]) == 1
    assert found["least_siconc"].notnull().all()  # three months are missing, nine are not


def test_distance_to_the_edge_has_a_sign_and_ends_at_no_coast():
    ice = xr.DataArray(np.array([[0.9, 0.9, 0.0, 0.0, np.nan]], "float32"), dims=("y", "x"))
    np.testing.assert_array_equal(history.distance(ice, 0.15)[0], [2, 1, -1, -2, np.nan])
    assert history.distance(ice.fillna(0.9) * 0 + 0.9, 0.15).isnull().all()


def test_trees_live_without_weather_where_it_ends(ready):
    with_weather = ready.assign(tos=ready.siconc * 2 - 1)
    fitted = trees.fit(with_weather, TRAIN, lead_times=[1], max_rows=3000)
    ended = with_weather.copy(deep=True)
    ended["tos"].loc[{"time": slice("1989-01", None)}] = np.nan
    without = trees.forecast(fitted, ended, TEST[3:5])
    assert without.where(~ready.land, 0).notnull().all() and not without.equals(
        trees.forecast(fitted, with_weather, TEST[3:5])
    )


def test_smoothing_leaves_a_constant_and_takes_nothing_from_land():
    field = xr.DataArray(np.full((9, 9), 0.3, "float32"), dims=("y", "x"))
    field[:, :4] = np.nan
    smoothed = features.smooth(field, 2.0)
    np.testing.assert_allclose(smoothed[:, 4:], 0.3, rtol=1e-6)
    assert bool(smoothed[:, :4].isnull().all())


def test_missing_last_month_is_no_forecast(classifiers, ready):
    gap = ready.copy(deep=True)
    gap.siconc.loc[{"time": "1989-04-01"}] = np.nan
    made = trees.forecast(classifiers, gap, TEST).notnull().any(("lead_time", "y", "x"))
    assert list(made.init_time.values[~made.values]) == [np.datetime64("1989-05-01")]


def test_filled_and_missing_truth_is_not_trained_on(ready):
    wrong = ready.copy(deep=True)
    cells = {
        "time": slice("1988-08", "1988-12")
    }  # targets, and inputs of no training forecast at lead 6 before 1988-07
    wrong.siconc.loc[cells] = 1 - wrong.siconc.sel(cells)
    wrong.siconc_flag.loc[cells] = 1
    wrong = synthetic.expected(wrong)
    absent = ready.copy(deep=True)
    absent.siconc_flag.loc[cells] = 1
    kept = pd.date_range("1980-06", "1988-07", freq="MS")
    a, b = (trees.forecast(trees.fit(r, kept, lead_times=[6]), ready, TEST[:2]) for r in (wrong, absent))
    # The damping is fitted to inputs, filled or not, so only nearly the same.
    assert float(abs(a - b).mean()) < 0.02


def test_lazy_in_lazy_out_with_the_same_bits(classifiers, ready, sip):
    lazy = trees.forecast(classifiers, ready.chunk(time=1), TEST[:2])
    assert lazy.chunks is not None
    xr.testing.assert_identical(lazy.compute(), sip.isel(init_time=slice(2)))


def test_targets_after_the_fit_period_are_refused(ready):
    with pytest.raises(DataError, match="init_time 1988-08 at lead 6"):
        trees.fit(ready, pd.date_range("1980-06", "1988-08", freq="MS"), lead_times=[6])


def test_no_truth_is_refused(ready):
    blind = ready.assign(siconc_flag=xr.full_like(ready.siconc_flag, 3))
    with pytest.raises(DataError, match="no observed truth at lead 1"):
        trees.fit(blind, TRAIN, lead_times=[1])


# ---- days

DAY_TRAIN = pd.date_range("1985-01-15", "1986-03-02")  # the last target of lead 30 is fit_end, 1986-03-31
DAY_TEST = pd.date_range("1986-04-01", "1986-04-20")


@pytest.fixture(scope="module")
def days():
    return synthetic.ready_daily()


@pytest.fixture(scope="module")
def of_days(days):
    return trees.fit(days, DAY_TRAIN, lead_times=[1, 30])


def test_days_have_trees_at_some_leads(ready, days):
    assert trees.leads(days, 30) == [1, 2, 3, 5, 7, 10, 14, 21, 30]
    assert trees.leads(ready, 6) == [1, 2, 3, 4, 5, 6]


def test_daily_features_are_those_of_their_days(days):
    init = pd.to_datetime(["1986-03-01"])
    known = features.composed(features.parts(features.fields(days, init), init, 3, cadence="daily"))
    cell = days.isel(y=8, x=4)
    expected = {
        "last_siconc": cell.siconc.sel(time="1986-02-28"),
        "last_anomaly_earlier": cell.siconc_anomaly.sel(time="1986-02-21"),
        "valid_trend": cell.siconc_trend.sel(time="1986-03-03"),
        "valid_anomaly_year_before": cell.siconc_anomaly.sel(time="1985-03-03"),
        "season_sin": np.sin(2 * np.pi * 61 / 365.25),
    }
    for name, value in expected.items():
        found = known[name].isel(init_time=0, y=8, x=4, missing_dims="ignore")
        assert float(found) == pytest.approx(float(value), abs=1e-6), name


def test_the_future_changes_no_bit_of_a_daily_forecast(days, of_days):
    disturbed = days.copy(deep=True)
    disturbed.siconc.loc[{"time": slice("1986-04-01", None)}] = 0.4
    disturbed["siconc_anomaly"] = disturbed.siconc - disturbed.siconc_trend
    found = trees.forecast(trees.fit(disturbed, DAY_TRAIN, lead_times=[1, 30]), disturbed, DAY_TEST[:1])
    sip = trees.forecast(of_days, days, DAY_TEST)
    xr.testing.assert_identical(found, sip.isel(init_time=[0]))
    assert 0 <= float(sip.min()) and float(sip.max()) <= 1 and bool(sip.where(~days.land, 0).notnull().all())


def test_a_record_without_a_year_before_has_trees(days):
    short = pd.date_range(days.indexes["time"][0] + pd.Timedelta(days=14), periods=60)
    known = features.parts(features.fields(days, short), short, 2, cadence="daily")
    assert bool(known["valid_anomaly_year_before"].isnull().all())
    sip = trees.forecast(trees.fit(days, short, lead_times=[2]), days, DAY_TEST[:1])
    assert bool((sip.notnull() | days.land).all()) and 0.01 < float(sip.mean()) < 0.99


def test_daily_targets_after_the_fit_period_are_refused(days):
    late = pd.date_range("1986-02-26", "1986-03-03")
    with pytest.raises(DataError, match="init_time 1986-03-03 at lead 30 lies after fit_end 1986-03-31"):
        trees.fit(days, late, lead_times=[30])
