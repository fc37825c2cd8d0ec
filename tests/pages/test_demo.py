"""The demo's pages on a coarser world: the runner executes those up to the training, and each later one is opened on its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support import coarse

from seaice import paths

pytestmark = pytest.mark.chain

KM = 225.0  # km, 48 x 48 cells
SMALL = {
    "data": {
        "resolution_km": KM,
        "simulations": [
            {"entry": "twin_cmip6_a_north", "members": [1], "start": "2006-01", "end": "2012-12"}
        ],
    },
    "samples": {"splits": coarse.YEARS},
    "training": {"epochs": 1, "filters_factor": 0.125},
    "forecast": {"seeds": [36, 37]},
    "importance": {"inits": 2, "seeds": 4},
}
LAST = "05_train"  # that the runner executes: who opens a later page by hand has a run that is trained
WALK = "14_walk"  # of runs that walk through their record, see tests/chains/test_walk_run.py
WHOLE = "12_twin"  # compares the simulated world with figures that are of the demo's own grid


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Folder of a project in which the demo is small by its own run file, and trained."""
    made = coarse.project(tmp_path_factory.mktemp("demo") / "project", "demo", km=KM)
    file = made / "params" / "demo.yaml"
    settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    for section, values in SMALL.items():
        settings[section] |= values
    file.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    done = coarse.run(made, "demo", "--until", LAST)
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def open_pages(folder: Path, pages: list[Path], **variables: str) -> subprocess.CompletedProcess:
    """Execute pages as they are, each in a kernel of its own; variables: more of the environment."""
    own = {k: v for k, v in os.environ.items() if k not in ("SEAICE_CACHE", "SEAICE_RESULTS")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval-lax", "-p", "no:cacheprovider", *map(str, pages)],
        cwd=folder,
        env=own | variables,
        capture_output=True,
        text=True,
    )


def test_every_later_page_runs_on_its_own(project):
    pages = sorted((project / "notebooks").glob("*.ipynb"))
    later = [page for page in pages if page.stem > LAST and page.stem not in (WHOLE, WALK)]
    assert len(later) == len(pages) - 7
    done = open_pages(project, later)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (project / "results" / "demo" / "figures" / "attribution_maps.png").is_file()


def test_the_page_about_the_simulated_world_runs_on_the_grid_of_the_demo(tmp_path):
    folders = {"SEAICE_CACHE": str(tmp_path / "data"), "SEAICE_RESULTS": str(tmp_path / "results")}
    done = open_pages(paths.root(), [paths.notebook(WHOLE)], **folders)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "results" / "demo" / "figures" / "twin_realism.png").is_file()
