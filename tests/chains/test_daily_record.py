"""Do the modules that handle months handle days, too?

A daily record goes from samples through training and forecasts to scores and maps.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from support import synthetic
from support.fitting import fit

from seaice.baselines import simple as baselines_simple
from seaice.figures import (
    concentration as figures_concentration,
    gains as figures_gains,
    maps,
    scores as figures_scores,
)
from seaice.forecasts import ensemble
from seaice.samples.assembly import Samples
from seaice.samples.splits import split
from seaice.verify import (
    concentration as verify_concentration,
    concentration_tables,
    edge_region,
    ensemble_size,
    extent as verify_extent,
    scoring,
    tables,
)

pytestmark = pytest.mark.chain

LEADS = 4
CHANNELS = [
    {"variable": "siconc", "lags": 2},
    {"variable": "siconc_anomaly", "lags": 1},
    {"variable": "siconc_trend", "leads": LEADS},
    {"variable": "siconc_damping", "leads": LEADS},
    {"variable": "land"},
]
SPLITS = {
    "train": ["1985-05-01", "1985-06-20"],
    "validation": ["1986-04-10", "1986-05-20"],
    "test": ["1986-08-20", "1986-10-10"],
}


@pytest.fixture(scope="module")
def ready():
    return synthetic.ready_daily()


@pytest.fixture(scope="module")
def icenet(ready, tmp_path_factory):
    root = tmp_path_factory.mktemp("daily")
    samples = Samples(ready, CHANNELS, n_leads=LEADS, target="siconc")
    times = split(samples, SPLITS)
    options = {
        "network": "correction",
        "siconc_head": True,
        "turns": True,
        "filters_factor": 1 / 8,
        "epochs": 1,
    }
    fit(samples, splits=SPLITS, seed=1, folder=root / "1", batch_size=8, focal_gamma=0.0, **options)
    judged = times["validation"].append(times["test"])
    path = root / "forecast.zarr"
    return ensemble.write(samples, {1: root / "1"}, judged, path, calibrate_on=times["validation"]).load()


@pytest.fixture(scope="module")
def others(ready, icenet):
    return baselines_simple.all_forecasts(
        ready, icenet.init_time.values, lead_times=icenet.lead_time.values
    ).load()


@pytest.fixture(scope="module")
def errors(ready, icenet, others):
    return verify_concentration.forecast_scores(verify_concentration.forecasts(icenet, others), ready)


def test_every_model_with_concentration_is_scored_and_the_network_keeps_up(errors):
    assert {"icenet", "persistence", "damped_anomaly_persistence"} <= set(errors.model.values)
    assert pd.Timestamp(errors.valid_time.sel(init_time="1986-08-31", lead_time=2).item()) == pd.Timestamp(
        "1986-09-01"
    )
    table = concentration_tables.skill_table(errors, SPLITS)
    whole = table[(table.metric == "siconc_rmse") & (table.month == "all") & (table.split == "test")]
    rmse = whole.pivot(index="lead_time", columns="model", values="value")
    assert (rmse["icenet"] < 1.2 * rmse["damped_anomaly_persistence"]).all()
    differences = concentration_tables.differences_table(errors, SPLITS)
    # September with some days of August and October, which are no months of their own; April and May.
    assert set(differences[differences.split == "test"].blocks) == {1}
    assert set(differences[differences.split == "validation"].blocks) == {2}


def test_probabilities_are_scored_as_those_of_months(ready, icenet, others):
    models = ("persistence", "climatology", "linear_trend")
    sips = {"icenet": icenet.sip, **{m: others.sip.sel(model=m, drop=True) for m in models}}
    scores = scoring.forecast_scores(sips, ready)
    skill = tables.skill_table(scores, SPLITS)
    accuracy = skill[(skill.metric == "binary_accuracy") & (skill.month == "all") & (skill.split == "test")]
    assert accuracy.value.between(0, 100).all() and set(accuracy.n) == {53 - icenet.sizes["lead_time"]}
    extents = verify_extent.extent_table(scores, ready, SPLITS)
    assert set(extents.metric) == {"rmse"} and extents.value.notna().all()
    bounds = edge_region.edge_region_table(icenet.sip, ready, SPLITS, methods=edge_region.METHODS[:1])
    paper = bounds[(bounds.split == "validation") & (bounds.fitted_to == edge_region.EACH)]
    assert (paper.coverage >= 90 - 1e-9).all()
    sizes = ensemble_size.ensemble_table(
        icenet.sel(init_time=slice(*SPLITS["test"])), ready, lead_times=(1, 3)
    )
    assert set(sizes.lead_time) == {1, 3} and sizes.value.notna().all()
    for fig in (
        figures_scores.accuracy_by_lead(skill, unit="days"),
        figures_scores.accuracy_heatmap(skill, "icenet", unit="days"),
        figures_gains.gain_per_year(scores.sel(init_time=slice(*SPLITS["test"])), unit="days"),
        figures_scores.extent_series(icenet.sel(init_time=slice(*SPLITS["test"])), ready, lead_time=2),
    ):
        texts = " ".join(t.get_text() for t in fig.findobj(plt.Text))
        assert "day" in texts and "month" not in texts.replace("valid month", "")
        plt.close(fig)


def test_maps_name_the_day(ready, icenet, errors):
    for fig in (
        maps.forecast_map(icenet, ready, "1986-09-01", leads=(1, 3)),
        figures_concentration.maps(icenet, ready, "1986-09-01", leads=(1, 3)),
    ):
        assert any("lead 3: 03 September 1986" in ax.get_title() for ax in fig.axes)
        plt.close(fig)
    fig = figures_concentration.errors_by_lead(concentration_tables.skill_table(errors, SPLITS))
    assert np.isfinite(fig.axes[0].lines[0].get_ydata()).all()
    plt.close(fig)
