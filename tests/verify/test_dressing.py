"""Dressed forecasts among the scores: what their threshold is worth, and on which side of the edge their ice lies."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import synthetic

from seaice.baselines import climatology as baselines_climatology, dressed, simple as baselines_simple
from seaice.verify import concentration as verify_concentration, dressing, scoring

INIT_TIMES = pd.date_range("1989-01", "1990-06", freq="MS")
SPLITS = {"validation": ["1989-01", "1989-06"], "test": ["1989-07", "1990-06"]}


@pytest.fixture(scope="module")
def ready():
    return synthetic.ready()


def test_scores_are_those_of_both_ways_to_cut(ready):
    forecasts = baselines_simple.all_forecasts(ready, INIT_TIMES, lead_times=[1, 3])
    forecasts = forecasts.where(forecasts.init_time != np.datetime64("1990-02-01"))  # one that nobody made
    table = dressing.threshold_table(forecasts, ready, SPLITS)
    assert set(table.model) == set(dressed.DRESSED) and set(table.split) == {"validation", "test"}
    assert len(table) == 4 * 2 * 2 * 2
    trend = forecasts.sel(model="linear_trend", drop=True)
    models = {"dressed": trend.sip, "cut": baselines_climatology.certain(trend.siconc)}
    scores = scoring.forecast_scores(models, ready).sel(region="all", lead_time=3)
    for split, (first, last) in SPLITS.items():
        means = scores.sel(init_time=slice(first, last)).mean("init_time")
        rows = table[(table.model == "linear_trend") & (table.split == split) & (table.lead_time == 3)]
        for row in rows.itertuples():
            for way in models:
                assert getattr(row, way) == pytest.approx(float(means[row.metric].sel(model=way)), rel=1e-5)
    assert set(table.n) == {6, 11}
    assert not np.allclose(table.cut, table.dressed)


def test_every_concentration_lies_on_the_side_that_its_probability_says(ready):
    others = baselines_simple.all_forecasts(ready, INIT_TIMES[:4], lead_times=[1, 3])
    last = others.sel(model="persistence", drop=True)
    icenet = xr.Dataset({"siconc": last.siconc.expand_dims(member=[0, 1]), "sip": last.sip})
    found = verify_concentration.forecasts(icenet, others)
    assert set(found) == {"icenet", *baselines_simple.SIMPLE} - {"recent_frequency", "first_guess"}
    for model, siconc in found.items():
        sip = last.sip if model == "icenet" else others.sip.sel(model=model)
        assert bool(((siconc > 0.15) == (sip > 0.5)).where(sip.notnull(), True).all()), model
    moved = abs(found["persistence"] - last.siconc) > 0
    assert 0 < float(moved.mean()) < 0.5
