"""The published experiment: complete as written, and, with nothing but data and sizes replaced, executed on the simulated Arctic."""

import numpy as np
import pandas as pd
import pytest
from support import coarse, pages
from support.coarse import different

from seaice import paths
from seaice.config import runfile
from seaice.config.sections import Faster
from seaice.run import estimates, inputs, runner
from seaice.samples import channels

pytestmark = pytest.mark.chain

FILE = paths.root() / "params" / "paper.yaml"
# All that the small run replaces: where data come from, how fine they are, how many years are judged, and how much is trained.
REPLACED = {
    "data.sources": {"siconc": "twin_observed_north"}
    | dict.fromkeys(
        ("tas", "ta500", "tos", "rsds", "rsus", "psl", "zg500", "zg250", "ua10", "uas", "vas"),
        "twin_atmosphere_north",
    ),
    "data.seasonal": "twin_seasonal_north",
    "data.simulations": [
        {"entry": "twin_cmip6_a_north", "members": [2], "start": "1996-01", "end": "2003-12"}
    ],
    # What the simulated world's climate simulations do not hold.
    "samples.missing": dict.fromkeys(("ta500", "rsds", "rsus", "zg500", "zg250", "ua10"), "climatology"),
    "data.resolution_km": coarse.KM,
    "samples.splits": coarse.YEARS,
    "forecast.seeds": [36],
    "pretraining.epochs": 1,
    "training.epochs": 1,
    # The published 2 has 44 million weights to move for each of these samples of 1024 cells.
    "training.filters_factor": 0.06,
}


@pytest.fixture(scope="module")
def paper() -> runfile.Run:
    return runfile.load(FILE)


def test_it_is_the_published_experiment(paper):
    """Numbers of Andersson et al. 2021 and its code."""
    data, samples, training, pretraining = paper.data, paper.samples, paper.training, paper.pretraining
    assert paper.forecast.seeds == tuple(range(36, 61))
    assert (
        samples.table == [dict(c) for c in channels.ICENET_2021] and estimates.n_channels(samples.table) == 50
    )
    assert (data.resolution_km, training.filters_factor, training.batch_size, samples.n_leads) == (
        25,
        2,
        2,
        6,
    )
    assert (pretraining.epochs, pretraining.validate_every, training.epochs, training.patience) == (
        2,
        1000,
        50,
        10,
    )
    assert (training.network, training.learning_rate, training.schedule) == ("icenet_2021", 5e-4, "decay")
    assert (training.focal_gamma, training.weight_average, training.withhold) == (2, None, 0)
    assert (training.turns, training.siconc_head, training.faster) == (False, False, Faster())
    assert samples.splits.train == ("1980-01", "2011-06") and samples.splits.validation == (
        "2012-01",
        "2017-06",
    )
    last = pd.Period(samples.splits.test[1], "M") + samples.n_leads - 1
    assert str(last) == data.end == "2020-09"
    assert estimates.simulated(data.simulations, samples.table) == 26_450
    members = {f"{s.entry['siconc']} {m.partition('i')[0]}" for s in data.simulations for m in s.members}
    models = {"ec_earth3": (2, 7, 10, 12, 14), "mri_esm2": (1, 2, 3, 4, 5)}
    assert members == {f"cmip6_{model}_ice r{k}" for model, numbers in models.items() for k in numbers}


def test_every_channel_is_read_from_every_source(paper):
    wanted = {channel.variable for channel in paper.samples.channels} - {"siconc_trend", "land", "month"}
    assert set(paper.data.sources) == wanted
    assert all(set(simulation.entry) == wanted for simulation in paper.data.simulations)


def test_a_dry_run_needs_neither_network_nor_accounts(paper, own_folders, monkeypatch):
    monkeypatch.setattr(inputs, "_answers", lambda server: False)
    monkeypatch.delenv("CDSAPI_KEY", raising=False)
    monkeypatch.setenv("CDSAPI_RC", str(own_folders / "no_such_rc"))
    lines = []
    would = runner.run(FILE, dry_run=True, say=lines.append)
    steps = runfile.load(FILE).steps
    assert len(would) == sum(25 if step.foreach else 1 for step in steps)
    for number, step in enumerate(steps, 1):
        assert any(line.startswith(f"step {number} of {len(steps)}: {step.notebook}") for line in lines)
    lacking = [line for line in lines if line.startswith("can't be had here: entry")]
    assert (
        len(lacking) == len(set(paper.data.sources.values())) + 1 + 6
    )  # SEAS5, and three stores of each climate model
    assert not any("size not known" in line for line in lines)
    total = next(line for line in lines if line.startswith("in all"))
    assert "GB to read" in total and "GB to write" in total and "e+18 FLOP of networks" in total
    assert not (own_folders / "data").exists()


def test_it_runs_on_the_simulated_arctic_with_only_data_and_sizes_replaced(paper, tmp_path):
    project = coarse.project(tmp_path / "project", "paper")
    settings = [f"{name}={value}" for name, value in REPLACED.items()]
    small = runfile.load(project / "params" / "paper.yaml", overrides=settings)
    # What pre-training leaves out is that of training.
    assert different(paper, small) == {*REPLACED, "pretraining.filters_factor"}
    assert small.steps == paper.steps and small.cluster == paper.cluster

    pages.run(project, "paper", settings=settings)
    skill = pd.read_csv(project / "results" / "paper" / "tables" / "skill.csv")
    assert {"icenet", "linear_trend", "seasonal"} <= set(skill["model"])
    icenet = skill[(skill["model"] == "icenet") & (skill["metric"] == "binary_accuracy")]
    assert set(icenet["lead_time"]) == set(range(1, 7)) and np.isfinite(icenet["value"]).all()
