"""Records: whole or not at all, trusted only where they can be, with outputs by content."""

import json
import os
import subprocess
import sys
import time

import pytest

from seaice import atomic, paths, plan, record
from seaice.execute import Job
from seaice.schema import DataError

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
    written = record.write(run, "01_data", CONTENT)
    assert record.read(run, "01_data") == written
    assert [p.name for p in paths.records(run).iterdir()] == ["01_data.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "1", '"x"', '{"digest": "x"}', "\x00\xff"])
def test_a_broken_record_is_no_record(run, text):
    paths.records(run).mkdir(parents=True)
    (paths.records(run) / "01_data.json").write_bytes(text.encode("latin-1"))
    assert record.read(run, "01_data") is None


def test_a_record_that_is_gone_after_its_step_ran_is_named(run):
    job = Job(run, "01_data", "01_data", {}, {}, None, {}, str(paths.root()))
    with pytest.raises(DataError, match="01_data: its record in .* was removed or changed after it ran"):
        plan.executed(job)
    record.write(run, "01_data", CONTENT)
    assert plan.executed(job)["key"] == "k"


def test_a_record_edited_by_hand_or_of_another_format_is_no_record(run, monkeypatch):
    record.write(run, "01_data", CONTENT)
    file = paths.records(run) / "01_data.json"
    text = file.read_text()
    file.write_text(text.replace('"epochs": 4', '"epochs": 5'))
    assert record.read(run, "01_data") is None
    file.write_text(text)
    assert record.read(run, "01_data")
    monkeypatch.setattr(record, "FORMAT", record.FORMAT + 1)
    assert record.read(run, "01_data") is None


def test_reasons(run):
    outputs = {name: record.checksum(name) for name in ("results/toy/tables/skill.csv", "data/toy/ready.zarr")}
    content = CONTENT | {"outputs": outputs}
    assert record.why_stale(content, content["parts"]) == []
    assert record.why_stale(None, content["parts"]) == ["it has no record"]
    assert record.why_stale(content, {"parameter": {"epochs": 5, "seed": 1}, "module": {"seaice.train": "x"}}) == [
        "parameter epochs changed from 4 to 5",
        "parameter seed is new",
        "module seaice.train is new",
    ]
    (paths.ready(run) / "siconc" / "c0").write_text("1")
    assert record.why_stale(content, {"parameter": {}}) == [
        "parameter epochs is gone",
        "output data/toy/ready.zarr changed",
    ]
    (paths.tables(run) / "skill.csv").unlink()
    assert "output results/toy/tables/skill.csv is missing" in record.why_stale(content, content["parts"])


def test_a_store_s_checksum_sees_names_and_contents(run):
    first = record.checksum("data/toy/ready.zarr")
    assert first["bytes"] == 1
    (paths.ready(run) / "siconc" / "c0").rename(paths.ready(run) / "siconc" / "c1")
    assert record.checksum("data/toy/ready.zarr")["sha256"] != first["sha256"]


def test_scan_sees_new_changed_and_replaced_outputs_but_not_the_runner_s(run):
    before = record.scan(run)
    assert set(before) == {"results/toy/tables/skill.csv", "data/toy/ready.zarr"}
    paths.executed(run).mkdir(parents=True)
    (paths.executed(run) / "01_data.ipynb").touch()
    record.write(run, "01_data", CONTENT)
    assert record.changed(before, record.scan(run)) == []
    (paths.ready(run) / "siconc" / "c1").touch()
    other = paths.tables(run) / "other.csv"
    other.write_text("a")
    assert record.changed(before, record.scan(run)) == ["data/toy/ready.zarr", "results/toy/tables/other.csv"]
    os.replace(other, paths.tables(run) / "skill.csv")
    assert "results/toy/tables/skill.csv" in record.changed(before, record.scan(run))


def test_labels_hold_no_path_of_this_machine(run):
    for path in (paths.tables(run) / "skill.csv", paths.ready(run)):
        name = record.label(path, run)
        assert record.place(name) == path
        assert not name.startswith("/")


def test_lock_is_let_go_by_a_killed_process(run):
    code = "import time; from seaice import record\nwith record.lock('toy'): print('held', flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(record.DataError, match=f"executed by process {holder.pid}"), record.lock(run):
        pass
    holder.kill()
    holder.communicate()
    with record.lock(run):
        pass


def test_readers_share_a_run_that_is_not_executed_meanwhile(run):
    with record.lock(run, shared=True):
        with record.lock(run, shared=True):
            pass
        with (
            pytest.raises(record.DataError, match=f"run 'toy' is being read by process {os.getpid()}; wait"),
            record.lock(run),
        ):
            pass
    with record.lock(run):
        message = f"run 'toy' is being executed by process {os.getpid()}; wait"
        with pytest.raises(record.DataError, match=message), record.lock(run, shared=True):
            pass


@pytest.mark.parametrize("rename", [1, 2])
def test_a_kill_while_a_store_is_replaced_leaves_the_old_or_the_new_one(run, rename):
    """Killed just before its first or second rename: by the next look the old store is there, whole."""
    code = (
        "import os, pathlib; from seaice import atomic, paths\n"
        "renames, real = [], pathlib.Path.rename\n"
        "def rename(self, target):\n"
        "    renames.append(target)\n"
        f"    os.kill(os.getpid(), 9) if len(renames) == {rename} else None\n"
        "    return real(self, target)\n"
        "pathlib.Path.rename = rename\n"
        "with atomic.replacing_folder(paths.ready('toy')) as building: building.mkdir()\n"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9
    atomic.put_back(paths.ready(run))
    assert (paths.ready(run) / "siconc" / "c0").read_text() == "0"
    with atomic.replacing_folder(paths.ready(run)) as building:
        building.mkdir()
        (building / "new").touch()
    assert [p.name for p in paths.ready(run).iterdir()] == ["new"]
    assert [p.name for p in paths.ready(run).parent.iterdir()] == ["ready.zarr"], "nothing is left beside it"


def test_memory_counts_processes_below(run):
    with record.Memory() as alone:
        time.sleep(0.1)
    code = "x = bytearray(b'1') * 100_000_000; import time; time.sleep(2)"
    with record.Memory() as memory:
        child = subprocess.Popen([sys.executable, "-c", code])
        child.wait()
    assert memory.peak > alone.peak + 80_000_000


def test_surroundings_name_no_place_or_person(run):
    about = json.dumps(record.surroundings(["numpy"]))
    assert '"numpy"' in about and '"cores"' in about
    for secret in (os.uname().nodename, os.path.expanduser("~") + "/", str(paths.root())):
        assert secret not in about
