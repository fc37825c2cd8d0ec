"""The walk as a run: its page goes through a coarse simulated world, and only judges the second time."""

import pandas as pd
import pytest
from support import coarse

pytestmark = pytest.mark.chain


def test_the_walk_of_the_simulated_arctic(tmp_path):
    project = coarse.project(tmp_path / "project", "demo", "twin_walk_north")
    settings = ["--set", "training.filters_factor=0.125", "--set", "boosting.rows=3000"]
    settings += ["--set", "walk.start=2016", "--set", f"data.resolution_km={coarse.KM}"]
    settings += ["--set", "walk.strategies=[frozen, replay]"]  # one that never learns on, and one that does
    done = coarse.run(project, "twin_walk_north", *settings)
    assert done.returncode == 0, done.stdout + done.stderr
    tables = project / "results" / "twin_walk_north" / "tables"
    scores = pd.read_csv(tables / "walk.csv")
    assert {"icenet_replay", "replay", "trees_refitted", "climatology"} <= {*scores.model}
    assert scores[scores.metric == "brier"].value.between(0, 0.5).all()
    pairs = pd.read_csv(tables / "walk_differences.csv")
    assert {*pairs.metric} == {"brier", "binary_accuracy"}
    assert (project / "results" / "twin_walk_north" / "figures" / "walk_gain.png").is_file()
    kept = {file: file.stat().st_mtime_ns for file in (project / "data").rglob("walk/**/*.npz")}
    again = coarse.run(project, "twin_walk_north", *settings, "--force", "14_walk")
    assert again.returncode == 0, again.stdout + again.stderr
    assert kept and kept == {file: file.stat().st_mtime_ns for file in kept}
    assert pd.read_csv(tables / "walk.csv").equals(scores)
