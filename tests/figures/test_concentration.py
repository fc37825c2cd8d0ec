"""Charts of concentration: what is drawn is what the tables and stores hold; maps where there is no observation."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support import synthetic

from seaice.baselines import climatology as baselines_climatology, simple as baselines_simple
from seaice.errors import DataError
from seaice.figures import concentration as figures_concentration, style as figures_style


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture
def table():
    rows = [
        {
            "model": model,
            "split": "test",
            "region": "all",
            "lead_time": lead,
            "month": "all",
            "metric": metric,
        }
        | {
            "value": error * lead,
            "low": error * lead - 0.01,
            "high": error * lead + 0.01,
            "n": 9,
            "blocks": 12,
        }
        for metric in figures_concentration.METRICS
        for lead in range(1, 31)
        for model, error in {"icenet": 0.02, "damped_anomaly_persistence": 0.025, "persistence": 0.04}.items()
    ]
    return pd.DataFrame(rows)


def test_errors_and_skill_are_those_of_the_table(table):
    fig = figures_concentration.errors_by_lead(table)
    (above, _), (below, _) = np.reshape(fig.axes, (2, 2))
    lines = {line.get_label(): line for line in above.lines}
    np.testing.assert_allclose(lines["IceNet ensemble"].get_ydata(), 0.02 * np.arange(1, 31))
    gains = {line.get_label(): line for line in below.lines}
    np.testing.assert_allclose(gains["IceNet ensemble"].get_ydata(), 20)
    assert len(below.get_xticks()) == 12 and below.get_xlabel() == "lead (days)"
    with pytest.raises(DataError, match="no rows with split 'validation'"):
        figures_concentration.errors_by_lead(table, split="validation")


def test_an_interval_of_few_months_is_not_drawn(table):
    enough, few = (figures_concentration.errors_by_lead(table.assign(blocks=n)) for n in (12, 6))
    assert enough.axes[0].collections and not few.axes[0].collections


def test_maps_show_the_forecast_and_what_came():
    ready = synthetic.ready()
    siconc = baselines_simple.persistence(
        ready, pd.to_datetime(["1989-02-01", "1990-12-01"]), lead_times=range(1, 4)
    )
    forecast = (
        xr.concat([siconc, siconc], pd.Index([1, 2], name="member"))
        .rename("siconc")
        .to_dataset()
        .assign(sip=baselines_climatology.certain(siconc))
    )
    for init, seen in (("1989-02-01", True), ("1990-12-01", False)):
        fig = figures_concentration.maps(forecast, ready, init, leads=(1, 3))
        panels = [ax for ax in fig.axes if hasattr(ax, "projection")]
        assert len(panels) == 6
        errors = panels[5].collections[0].get_array()
        assert bool(np.isfinite(np.ma.filled(errors, np.nan)).any()) == seen


def test_leads_shown_are_few_and_keep_the_ends():
    assert figures_style.leads_to_show(range(1, 7)) == [1, 2, 3, 4, 5, 6]
    found = figures_style.leads_to_show(range(1, 94), 4)
    assert found[0] == 1 and found[-1] == 93 and len(found) == 4
