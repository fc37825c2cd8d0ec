"""Members in training on an external cluster of several processes, one of which is killed: none is lost, none doubled."""

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from zipfile import ZipFile

import h5py
import psutil
import pytest
from support.processes import at_work
from support.synthetic import ready

from seaice import paths

pytestmark = pytest.mark.chain

SEEDS = (36, 37, 38)
EPOCHS = 8
RUN_FILE = f"""
run: toy
data: {{hemisphere: north, resolution_km: 675, start: "1979-01", end: "1990-12", sources: {{}}}}
samples:
  splits: {{train: ["1980-01", "1983-06"], validation: ["1987-01", "1987-06"], test: ["1988-01", "1990-07"]}}
  channels: [{{variable: siconc, lags: 3}}, {{variable: tas, lags: 1}}, {{variable: land}}, {{variable: month}}]
  n_leads: 2
training:
  network: icenet_2021
  filters_factor: 0.06
  epochs: {EPOCHS}
  batch_size: 2
  learning_rate: 1.0e-3
  schedule: constant
  patience: {EPOCHS}
  focal_gamma: 2.0
  weight_average: 0.9
  withhold: 0.25
forecast: {{seeds: [36, 37, 38]}}
cluster: {{threads_per_worker: 1}}
steps:
  - notebook: 05_train
    foreach: {{seed: forecast.seeds}}
"""
PATIENCE = 120  # s, for what takes 20 s where nothing else runs


@pytest.fixture
def projects(tmp_path, monkeypatch):
    """Two projects, each with the training notebook and the same small analysis-ready store."""
    notebook = paths.root() / "notebooks" / "05_train.ipynb"
    monkeypatch.delenv("SEAICE_CACHE", raising=False)
    monkeypatch.delenv("SEAICE_RESULTS", raising=False)
    folders = tmp_path / "killed", tmp_path / "whole"
    for folder in folders:
        for name in ("params", "notebooks", "data/toy"):
            (folder / name).mkdir(parents=True)
        (folder / "catalog.yml").touch()
        (folder / "params" / "toy.yaml").write_text(RUN_FILE)
        shutil.copy(notebook, folder / "notebooks")
        ready(variables=("tas",)).to_zarr(folder / "data/toy/ready.zarr", zarr_format=3, consolidated=False)
    return folders


def start(project: Path, *arguments: str) -> subprocess.Popen:
    with open(project / "said.txt", "a") as said:
        return subprocess.Popen([sys.executable, "-m", *arguments], cwd=project, stdout=said, stderr=said)


def wait_for(what, condition):
    """Look again and again until a condition gives something, and return that."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, f"{what}: waited for {PATIENCE} s"
        time.sleep(0.02)
    return found


@pytest.fixture
def cluster(projects):
    """Address of a scheduler with two workers, each a process below a nanny that starts another in its place."""
    project, _ = projects
    file = project / "scheduler.json"
    outside = project.parent  # they serve any project, so that they are started in none
    (outside / "said.txt").touch()
    options = ["--scheduler-file", str(file), "--no-dashboard"]
    running = [
        start(outside, "distributed.cli.dask_scheduler", "--port", "0", "--host", "127.0.0.1", *options)
    ]
    try:
        address = wait_for("scheduler", lambda: file.exists() and json.loads(file.read_text())["address"])
        worker = ["--nworkers", "2", "--nthreads", "1", "--local-directory", str(outside), "--no-dashboard"]
        running.append(start(outside, "distributed.cli.dask_worker", address, *worker))
        yield address
    finally:
        for process in reversed(running):
            process.terminate()
        for process in running:
            process.wait(timeout=20)


def kernels(project: Path) -> dict[int, psutil.Process]:
    """Kernels at work by the seed that they train."""
    found = {}
    for process in at_work(project):
        try:
            log = process.environ().get("SEAICE_KERNEL_LOG", "")
            if "ipykernel_launcher" in " ".join(process.cmdline()):
                seed = int(re.search(r"seed_(\d+)", log).group(1))
                assert seed not in found, f"two kernels train seed {seed} at once"
                found[seed] = process
        except psutil.Error:
            pass  # it ended by itself
    return found


def network(project: Path, seed: int, file: str) -> Path:
    return project / f"data/toy/networks/generation_0/seed_{seed}" / file


def test_a_member_whose_worker_is_killed_in_mid_training_goes_on_elsewhere(projects, cluster):
    project, undisturbed = projects
    runner = start(project, "seaice.run", "params/toy.yaml", "--set", f"cluster.address={cluster}")

    def in_mid_training():
        assert runner.poll() is None, (project / "said.txt").read_text()
        return next((seed for seed in SEEDS if network(project, seed, "checkpoint.npz").exists()), None)

    killed = wait_for("a checkpoint", in_mid_training)
    kernel = kernels(project)[killed]
    kernel.parent().kill()
    wait_for("the end of the killed worker's kernel", lambda: not kernel.is_running())
    assert not network(project, killed, "key.json").exists(), "it was killed too late to show anything"
    wait_for("another kernel for the member", lambda: killed in kernels(project))
    assert runner.wait(timeout=PATIENCE) == 0, (project / "said.txt").read_text()

    said = (project / "said.txt").read_text()
    assert sorted(re.findall(r"05_train-(seed_\d+) \(members \d of 3\) took", said)) == [
        f"seed_{s}" for s in SEEDS
    ]
    records = {p.stem: json.loads(p.read_text()) for p in (project / "data/toy/records").glob("*.json")}
    assert sorted(records) == [f"05_train-seed_{seed}" for seed in SEEDS]
    assert len({content["attempt"] for content in records.values()}) == len(SEEDS)
    assert sorted(p.name for p in (project / "results/toy/notebooks").iterdir()) == [
        f"{n}.ipynb" for n in sorted(records)
    ]
    for seed in SEEDS:
        assert (
            network(project, seed, "key.json").exists()
            and not network(project, seed, "checkpoint.npz").exists()
        )
        assert len(network(project, seed, "history.csv").read_text().splitlines()) == EPOCHS + 1
    log = (project / f"data/toy/records/05_train-seed_{killed}.log").read_text()
    first = int(re.search(r"\| (\d+)/\d+ ", log).group(1))
    assert first > 0, "it began anew instead of going on from its checkpoint"
    wait_for("the end of the last kernel", lambda: not kernels(project))

    alone = start(undisturbed, "seaice.run", "params/toy.yaml", "--set", f"forecast.seeds=[{killed}]")
    assert alone.wait(timeout=PATIENCE) == 0
    for file in ("history.csv", "key.json"):
        assert network(project, killed, file).read_bytes() == network(undisturbed, killed, file).read_bytes()
    assert weights(network(project, killed, "network.keras")) == weights(
        network(undisturbed, killed, "network.keras")
    )


def weights(file: Path) -> dict[str, bytes]:
    """Every array of a saved network; the archive around them holds the time."""
    with ZipFile(file) as archive, archive.open("model.weights.h5") as content, h5py.File(content) as h5:
        found = {}
        h5.visititems(
            lambda name, item: found.update({name: item[()].tobytes()}) if hasattr(item, "shape") else None
        )
    assert found
    return found
