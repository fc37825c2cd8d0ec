"""A copy of the project whose simulated world is a coarse one, so that a test can execute its notebooks with the runner."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from seaice import paths
from seaice.config import runfile
from seaice.config.sections import SECTIONS

KM = 337.5  # km, 32 x 32 cells
FEW = {"hindcast_start": "2016-01", "hindcast_members": 2, "members": 4}  # physics-based forecasts
# Fewer years of a monthly run than its own: each month of the year in every split.
YEARS = {
    "train": ["2001-01", "2011-06"],
    "validation": ["2015-01", "2017-06"],
    "test": ["2018-07", "2020-07"],
}


def project(folder: Path, *runs: str, end: str | None = None, km: float = KM) -> Path:
    """Make the copy, with the run files of `runs`: notebooks, lock and catalogue.

    end: last month of the simulated records. km: size of a cell of the simulated world.
    """
    (folder / "params").mkdir(parents=True)
    shutil.copytree(paths.root() / "notebooks", folder / "notebooks")
    for name in ("requirements.lock", *(f"params/{run}.yaml" for run in runs)):
        shutil.copy(paths.root() / name, folder / name)
    catalogue = yaml.safe_load((paths.root() / "catalog.yml").read_text())
    for entry in catalogue["sources"].values():
        if "resolution_km" in entry["args"]:
            entry["args"]["resolution_km"] = km
        if entry["args"].get("product") in ("seasonal", "limit"):
            entry["args"] |= FEW
        if end and entry["args"].get("product") == "observed":
            entry["args"]["end"] = end
    (folder / "catalog.yml").write_text(yaml.safe_dump(catalogue))
    return folder


def run(project: Path, name: str, *words: str, module: str = "seaice.run") -> subprocess.CompletedProcess:
    """Execute a run of the copy, or another command on it, with results and cache of its own; words: more of the command line."""
    environment = {k: v for k, v in os.environ.items() if k not in ("SEAICE_CACHE", "SEAICE_RESULTS")}
    command = [sys.executable, "-m", module, f"params/{name}.yaml", *words]
    if module == "seaice.run":
        command += ["--set", "cluster.threads_per_worker=1"]  # tiny networks gain nothing from more
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)


def different(one: runfile.Run, other: runfile.Run) -> set[str]:
    """Names of the settings, `section.key`, that differ between two runs."""
    pairs = [(name, getattr(one, name) or {}, getattr(other, name) or {}) for name in SECTIONS]
    settings = [{f"{name}.{key}": value for name, *pair in pairs for key, value in pair[i]} for i in (0, 1)]
    return {name for name in settings[0] if settings[0][name] != settings[1][name]}
