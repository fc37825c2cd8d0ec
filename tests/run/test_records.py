"""Records: whole or not at all, trusted only where they can be, with outputs by content."""

import json
import os
import subprocess
import sys

import pytest

from seaice import files, paths
from seaice.errors import DataError
from seaice.run import plan, records as run_records
from seaice.run.execute import Job

CONTENT = {"key": "k", "parts": {"parameter": {"epochs": 4}}, "outputs": {}}


@pytest.fixture
def run(own_folders):
    """Name of a run with a table and a store."""
    paths.tables("toy").mkdir(parents=True)
    (paths.tables("toy") / "skill.csv").write_text("a")
    (paths.ready("toy") / "siconc").mkdir(parents=True)
    (paths.ready("toy") / "siconc" / "c0").write_text("0")
    return "toy"


def test_reads_what_it_wrote(run):
    written = run_records.write(run, "01_data", CONTENT)
    assert run_records.read(run, "01_data") == written
    assert [p.name for p in paths.records(run).iterdir()] == ["01_data.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "1", '"x"', '{"digest": "x"}', "\x00\xff"])
def test_a_broken_record_is_no_record(run, text):
    paths.records(run).mkdir(parents=True)
    (paths.records(run) / "01_data.json").write_bytes(text.encode("latin-1"))
    assert run_records.read(run, "01_data") is None


def test_a_record_that_is_gone_after_its_step_ran_is_named(run):
    job = Job(run, "01_data", "01_data", {}, {}, None, {}, str(paths.root()))
    with pytest.raises(DataError, match="01_data: its record in .* was removed or changed after it ran"):
        plan.executed(job)
    run_records.write(run, "01_data", CONTENT)
    assert plan.executed(job)["key"] == "k"


def test_a_record_edited_by_hand_or_of_another_format_is_no_record(run, monkeypatch):
    run_records.write(run, "01_data", CONTENT)
    file = paths.records(run) / "01_data.json"
    text = file.read_text()
    file.write_text(text.replace('"epochs": 4', '"epochs": 5'))
    assert run_records.read(run, "01_data") is None
    file.write_text(text)
    assert run_records.read(run, "01_data")
    monkeypatch.setattr(run_records, "FORMAT", run_records.FORMAT + 1)
    assert run_records.read(run, "01_data") is None


def test_reasons(run):
    outputs = {
        name: run_records.checksum(name) for name in ("results/toy/tables/skill.csv", "data/toy/ready.zarr")
    }
    content = CONTENT | {"outputs": outputs}
    assert run_records.why_stale(content, content["parts"]) == []
    assert run_records.why_stale(None, content["parts"]) == ["it has no record"]
    assert run_records.why_stale(
        content, {"parameter": {"epochs": 5, "seed": 1}, "module": {"seaice.networks.train": "x"}}
    ) == [
        "parameter epochs changed from 4 to 5",
        "parameter seed is new",
        "module seaice.networks.train is new",
    ]
    (paths.ready(run) / "siconc" / "c0").write_text("1")
    assert run_records.why_stale(content, {"parameter": {}}) == [
        "parameter epochs is gone",
        "output data/toy/ready.zarr changed",
    ]
    (paths.tables(run) / "skill.csv").unlink()
    assert "output results/toy/tables/skill.csv is missing" in run_records.why_stale(
        content, content["parts"]
    )


def test_a_store_s_checksum_sees_names_and_contents(run):
    first = run_records.checksum("data/toy/ready.zarr")
    assert first["bytes"] == 1
    (paths.ready(run) / "siconc" / "c0").rename(paths.ready(run) / "siconc" / "c1")
    assert run_records.checksum("data/toy/ready.zarr")["sha256"] != first["sha256"]


def test_scan_sees_new_changed_and_replaced_outputs_but_not_the_runner_s(run):
    before = run_records.scan(run)
    assert set(before) == {"results/toy/tables/skill.csv", "data/toy/ready.zarr"}
    paths.executed(run).mkdir(parents=True)
    (paths.executed(run) / "01_data.ipynb").touch()
    run_records.write(run, "01_data", CONTENT)
    assert run_records.changed(before, run_records.scan(run)) == []
    (paths.ready(run) / "siconc" / "c1").touch()
    other = paths.tables(run) / "other.csv"
    other.write_text("a")
    assert run_records.changed(before, run_records.scan(run)) == [
        "data/toy/ready.zarr",
        "results/toy/tables/other.csv",
    ]
    os.replace(other, paths.tables(run) / "skill.csv")
    assert "results/toy/tables/skill.csv" in run_records.changed(before, run_records.scan(run))


def test_labels_hold_no_path_of_this_machine(run):
    for path in (paths.tables(run) / "skill.csv", paths.ready(run)):
        name = run_records.label(path, run)
        assert run_records.place(name) == path
        assert not name.startswith("/")


def test_lock_is_let_go_by_a_killed_process(run):
    code = "import time; from seaice.run import records as record\nwith record.lock('toy'): print('held', flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    with (
        pytest.raises(run_records.DataError, match=f"executed by process {holder.pid}"),
        run_records.lock(run),
    ):
        pass
    holder.kill()
    holder.communicate()
    with run_records.lock(run):
        pass


def test_readers_share_a_run_that_is_not_executed_meanwhile(run):
    with run_records.lock(run, shared=True):
        with run_records.lock(run, shared=True):
            pass
        with (
            pytest.raises(
                run_records.DataError, match=f"run 'toy' is being read by process {os.getpid()}; wait"
            ),
            run_records.lock(run),
        ):
            pass
    with run_records.lock(run):
        message = f"run 'toy' is being executed by process {os.getpid()}; wait"
        with pytest.raises(run_records.DataError, match=message), run_records.lock(run, shared=True):
            pass


@pytest.mark.parametrize("rename", [1, 2])
def test_a_kill_while_a_store_is_replaced_leaves_the_old_or_the_new_one(run, rename):
    """Killed just before its first or second rename: by the next look the old store is there, whole."""
    code = (
        "import os, pathlib; from seaice import files, paths\n"
        "renames, real = [], pathlib.Path.rename\n"
        "def rename(self, target):\n"
        "    renames.append(target)\n"
        f"    os.kill(os.getpid(), 9) if len(renames) == {rename} else None\n"
        "    return real(self, target)\n"
        "pathlib.Path.rename = rename\n"
        "with files.replacing_folder(paths.ready('toy')) as building: building.mkdir()\n"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9
    files.put_back(paths.ready(run))
    assert (paths.ready(run) / "siconc" / "c0").read_text() == "0"
    with files.replacing_folder(paths.ready(run)) as building:
        building.mkdir()
        (building / "new").touch()
    assert [p.name for p in paths.ready(run).iterdir()] == ["new"]
    assert [p.name for p in paths.ready(run).parent.iterdir()] == ["ready.zarr"], "nothing is left beside it"


def test_surroundings_name_no_place_or_person(run):
    about = json.dumps(run_records.surroundings(["numpy"]))
    assert '"numpy"' in about and '"cores"' in about
    for secret in (os.uname().nodename, os.path.expanduser("~") + "/", str(paths.root())):
        assert secret not in about
