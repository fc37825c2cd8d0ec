"""Scores of extent: a forecast that knows the anomalies correlates, a trend alone does not, and few years are said to be few."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import synthetic

from seaice.baselines import climatology as baselines_climatology, simple as baselines_simple
from seaice.steps import at, valid_time
from seaice.verify import extent as verify_extent, scoring

SPLITS = {"validation": ["1980-06", "1982-05"], "test": ["1985-01", "1996-12"]}
INIT_TIMES = pd.date_range("1980-06", "1996-12", freq="MS")


@pytest.fixture(scope="module")
def ready():
    return synthetic.ready(end="1997-12", fit_end="1984-12", resolution_km=300.0, variables=())


@pytest.fixture(scope="module")
def scores(ready):
    truth = baselines_climatology.certain(at(ready.siconc, valid_time(INIT_TIMES, [1, 2])))
    climatology = baselines_simple.all_forecasts(ready, INIT_TIMES, lead_times=[1, 2]).sip.sel(
        model="climatology", drop=True
    )
    return scoring.forecast_scores({"perfect": truth, "climatology": climatology}, ready)


@pytest.fixture(scope="module")
def table(scores, ready):
    return verify_extent.extent_table(scores, ready, SPLITS)


def test_observed_extent(ready):
    found = verify_extent.observed(ready)
    march = ready.siconc.sel(time="1990-03-01")
    expected = (
        float(((march > 0.15) & ready.active.sel(month=3)).sum()) * 0.09
    )  # million km2 of a 300 km cell
    assert float(found.sel(time="1990-03-01")) == pytest.approx(expected)
    assert found.sel(time="1998").isnull().all()  # after the record


def test_perfect_and_constant_forecasts(table):
    perfect = table[table.model == "perfect"].set_index("metric")
    assert (perfect.loc["rmse"].value < 1e-6).all()
    np.testing.assert_allclose(perfect.loc["detrended_correlation"].value, 1, atol=1e-6)
    # The climatology has no anomalies about its own trend: no correlation, not a random one.
    test = table.query("model == 'climatology' and split == 'test'")
    assert set(test.metric) == {"rmse"} and (test.value > 0.1).all()


def test_few_years_have_no_correlation_and_say_how_few_they_are(table):
    few, many = (table[table.split == split] for split in ("validation", "test"))
    assert set(few.metric) == {"rmse"} and set(few.years) == {3} and set(few.blocks) == {2}
    found = many[many.metric == "detrended_correlation"]
    assert set(found.month) == {"all", *range(1, 13)} and found.years.min() >= 11
    assert (found.low <= found.value + 1e-9).all() and (found.high >= found.value - 1e-9).all()


def test_a_shared_trend_is_no_skill():
    rng = np.random.default_rng(0)
    years, trend = np.arange(1980, 2020.0), -0.1 * np.arange(40)
    x, y = (trend + rng.normal(size=40) * 0.1 for _ in range(2))
    kept = [verify_extent._without_own_trend(v[:, None], years[:, None], np.full((40, 1), 9)) for v in (x, y)]
    assert np.corrcoef(x, y)[0, 1] > 0.95 and abs(np.corrcoef(kept[0][:, 0], kept[1][:, 0])[0, 1]) < 0.4
    np.testing.assert_allclose(kept[0][:, 0], x - np.polyval(np.polyfit(years, x, 1), years), atol=1e-4)


def test_past_trend_sees_nothing_after_the_fit_period():
    time = pd.date_range("1980-01", "1999-12", freq="MS")
    series = xr.DataArray(10 - 0.1 * (time.year - 1980) + time.month / 12.0, {"time": time}, ["time"])
    spoilt = series.where(series.time < np.datetime64("1990-01-01"), 99.0)
    valid = valid_time(time[-24:], [1])
    found = verify_extent.past_trend(spoilt, valid, fit_end="1989-12")
    np.testing.assert_allclose(found.values[:, 0], series.values[-24:])
