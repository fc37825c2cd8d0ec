"""What a fitted threshold is worth: the same forecasts cut in two places, and nothing else."""

import numpy as np
import pandas as pd
import pytest
from support import synthetic

from seaice.baselines import climatology as baselines_climatology, dressed, simple as baselines_simple
from seaice.verify import dressing, scoring

INIT_TIMES = pd.date_range("1989-01", "1990-06", freq="MS")
SPLITS = {"validation": ["1989-01", "1989-06"], "test": ["1989-07", "1990-06"]}


@pytest.fixture(scope="module")
def ready():
    return synthetic.ready()


def test_scores_are_those_of_both_ways_to_cut(ready):
    forecasts = baselines_simple.all_forecasts(ready, INIT_TIMES, lead_times=[1, 3])
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
    assert set(table.n) == {6, 12}
    assert not np.allclose(table.cut, table.dressed)
