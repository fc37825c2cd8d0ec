"""The runner with kernels and workers of their own: nothing is lost or left behind when one of them dies."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from support.processes import at_work, is_alive
from support.toy_run import ALL, TRAIN, edit, make_project

from seaice.run import execute, fanout, plan, records as run_records

pytestmark = pytest.mark.chain


def start(project: Path, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "seaice.run", "params/toy.yaml", *arguments]
    environment = {k: v for k, v in os.environ.items() if k not in ("SEAICE_CACHE", "SEAICE_RESULTS")}
    return subprocess.Popen(
        command,
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def all_gone(project: Path, *, within: float) -> bool:
    end = time.monotonic() + within
    mine = os.getpid()
    while [p for p in at_work(project) if p.pid != mine]:
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_killed_three_times_and_resumed_gives_the_same_bits(tmp_path):
    whole, killed = make_project(tmp_path / "whole"), make_project(tmp_path / "killed")
    out, error = start(whole).communicate(timeout=90)
    assert "3 steps in" in out and "binary accuracy, %" in out and "figures:" in out, error
    moments = random.Random(20210825)
    for _ in range(3):
        process = start(killed)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=moments.uniform(2.5, 7.0))
        process.kill()
        process.communicate()
        assert all_gone(killed, within=6.0), "a kernel or worker outlived the runner"
        for file in (killed / "results" / "toy" / "notebooks").glob("[0-9]*.ipynb"):
            assert nbformat.read(file, as_version=4).cells[-1].execution_count, (
                f"{file.name} is half a notebook"
            )
    finished = {
        p.stem: json.loads(p.read_text())["attempt"]
        for p in (killed / "data" / "toy" / "records").glob("*.json")
    }
    out, error = start(killed).communicate(timeout=90)
    assert "3 steps in" in out, error
    records = {
        p.stem: json.loads(p.read_text()) for p in (killed / "data" / "toy" / "records").glob("*.json")
    }
    assert {name: records[name]["attempt"] for name in finished} == finished, "what was finished ran again"
    assert set(records) == set(ALL)
    assert contents(killed / "results" / "toy" / "tables") == contents(whole / "results" / "toy" / "tables")
    # Executed notebooks are free of times, paths and addresses, so that they are the same too.
    assert contents(killed / "results" / "toy" / "notebooks") == contents(
        whole / "results" / "toy" / "notebooks"
    )
    executed = (whole / "results" / "toy" / "notebooks" / "01_data.ipynb").read_text()
    assert ". <object object at 0x0> 0" in executed and str(tmp_path) not in executed
    assert str(tmp_path) not in (whole / "results" / "toy" / "ro-crate-metadata.json").read_text()


def test_failing_notebook(toy_project):
    edit("notebooks/02_train.ipynb", "text = (tables", "assert seed != 36, 'boom'\\ntext = (tables")
    process = start(toy_project)
    out, error = process.communicate(timeout=150)
    assert process.returncode == 1
    assert (
        "error: 02_train.ipynb failed in cell In [4], `assert seed != 36, 'boom'`\n  AssertionError: boom\n"
        in error
    )
    assert "parameters: run='toy', seed=36, training={'network': " in error and "'epochs': 4" in error
    assert "as far as it came: results/toy/notebooks/02_train-seed_36.failed.ipynb" in error
    assert "Traceback" not in error and "03_skill" not in out
    names = {p.name for p in Path("results/toy/notebooks").iterdir()}
    assert names == {"01_data.ipynb", "02_train-seed_3.ipynb", "02_train-seed_36.failed.ipynb"}
    assert "boom" in Path("results/toy/notebooks/02_train-seed_36.failed.ipynb").read_text()
    assert all_gone(toy_project, within=6.0)


def test_kernel_that_dies_is_named(toy_project):
    planned = plan.load(Path("params/toy.yaml"))
    (job,) = planned.jobs(planned.run.steps[0], before={})
    edit("notebooks/01_data.ipynb", "store = paths.ready(run)", "import os; os._exit(9)")
    with pytest.raises(
        execute.StepFailed,
        match=r"01_data.ipynb failed in cell In \[4\], `import os; os._exit\(9\)`\n  its kernel died",
    ):
        execute.execute(job)
    assert run_records.read("toy", "01_data") is None


def test_a_removed_environments_kernel_is_not_started(toy_project, monkeypatch):
    folder = toy_project / "kernels" / "python3"
    folder.mkdir(parents=True)
    gone = {"argv": ["/nonexistent/bin/python", "-f", "{connection_file}"], "display_name": "Python 3"}
    (folder / "kernel.json").write_text(json.dumps(gone | {"language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(toy_project))
    planned = plan.load(Path("params/toy.yaml"))
    (job,) = planned.jobs(planned.run.steps[0], before={})
    assert execute.execute(job)["step"] == "01_data"


def test_interrupt_leaves_nothing_running(toy_project):
    edit("params/toy.yaml", "focal_gamma: 0", "focal_gamma: 60")
    process = start(toy_project)
    wait_for(toy_project / "results/toy/tables/loss-seed_3.csv")
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does: runner, workers and all
    _, error = process.communicate(timeout=150)
    assert process.returncode == 130
    assert "stopped; the same command goes on from here" in error
    assert all_gone(toy_project, within=6.0)
    assert {p.name for p in Path("data/toy/records").glob("*.json")} == {"01_data.json"}


def test_member_whose_worker_dies_is_tried_again(toy_project):
    Path("results/toy/tables").mkdir(parents=True)
    Path("results/toy/tables/data.csv").write_text("north\n")
    edit("params/toy.yaml", "focal_gamma: 0", "focal_gamma: 4")
    planned = plan.load(Path("params/toy.yaml"))
    jobs = planned.jobs(planned.run.steps[1], before={})
    finished = []

    def kill_a_worker():
        wait_for(toy_project / "results/toy/tables/loss-seed_3.csv")
        workers = [
            p for p in psutil.Process().children() if any("spawn_main" in word for word in p.cmdline())
        ]
        kernels = [k for worker in workers for k in worker.children(recursive=True)]
        workers[0].kill()
        end = time.monotonic() + 0.9  # less than until another worker has started
        while any(map(is_alive, kernels)) and time.monotonic() < end:
            time.sleep(0.02)
        finished.append(("killed", len(kernels), sum(map(is_alive, kernels))))

    killer = threading.Thread(target=kill_a_worker)
    killer.start()
    fanout.execute_all(jobs, planned.run.cluster, done=lambda content, name: finished.append(name))
    killer.join()
    assert finished[0] == ("killed", 1, 0), "the kernel of a dead worker must not go on writing"
    assert sorted(finished[1:]) == TRAIN
    assert Path("results/toy/tables/loss-seed_3.csv").read_text() == "north\n3,4\n"


def wait_for(file: Path, *, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not file.exists():
        assert time.monotonic() < end, f"{file.name} did not appear"
        time.sleep(0.02)
