"""Files: whole or not at all, also after a kill; one process at a time holds a lock."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from seaice import files
from seaice.errors import DataError
from seaice.files import replacing, replacing_folder


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    file = tmp_path / "a.npz"
    with replacing(file) as one:
        one.write_text("one")
        with replacing(file) as other:
            assert one != other and one.suffix == other.suffix == ".npz", "numpy and Keras look at the ending"
            other.write_text("other")
        assert file.read_text() == "other" and one.read_text() == "one"
    assert file.read_text() == "one" and list(tmp_path.iterdir()) == [file]
    with pytest.raises(OSError, match="disk full"), replacing(file) as part:
        part.write_text("half")
        raise OSError("disk full")
    assert file.read_text() == "one" and list(tmp_path.iterdir()) == [file]


def written(part, text):
    part.mkdir()
    (part / "values").write_text(text)


def test_two_writers_of_one_folder_do_not_meet(tmp_path):
    """The later one stays, and neighbours whose names begin alike are left alone."""
    store, other = tmp_path / "b.zarr", tmp_path / ".b.zarr-1"
    written(other, "another's")
    with replacing_folder(store) as one:
        written(one, "one")
        with replacing_folder(store) as second:
            written(second, "second")
        assert (store / "values").read_text() == "second"
    assert (store / "values").read_text() == "one" and sorted(tmp_path.iterdir()) == [other, store]


KILLED = """
import os, signal, sys
from pathlib import Path
from seaice import files

place, step = Path(sys.argv[1]), sys.argv[2]
renamed, remove = Path.rename, files._delete

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def rename(self, target):
    renamed(self, target)
    if step == "between" and ".zarr-old-" in str(target):
        die()

Path.rename = rename
with (files.replacing if place.suffix == ".npz" else files.replacing_folder)(place) as part:
    if place.suffix == ".npz":
        part.write_text("new")
    else:
        part.mkdir()
        (part / "values").write_text("new")
    if step == "writing":
        die()
    files._delete = die if step == "deleting" else remove
"""


def killed(place, step):
    """Replace what is at `place` in a process that is killed at that step."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", KILLED, place, step], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize(("step", "left"), [("writing", "old"), ("between", "old"), ("deleting", "new")])
def test_a_kill_leaves_the_old_folder_or_the_new_one(tmp_path, step, left):
    """Between two renames neither is in its place; the next writer first puts the old one back."""
    store = tmp_path / "b.zarr"
    written(store, "old")
    killed(store, step)
    assert len(list(tmp_path.iterdir())) > 1
    with pytest.raises(OSError, match="disk full"), replacing_folder(store):
        raise OSError("disk full")
    assert (store / "values").read_text() == left and list(tmp_path.iterdir()) == [store]


def test_what_a_killed_writer_left_of_a_file_goes_with_the_next(tmp_path):
    file = tmp_path / "a.npz"
    killed(file, "writing")
    assert not file.exists() and len(list(tmp_path.iterdir())) == 1
    with replacing(file) as part:
        part.write_text("new")
    assert file.read_text() == "new" and list(tmp_path.iterdir()) == [file]


def test_a_failing_rename_puts_the_older_store_back(tmp_path, monkeypatch):
    """As when the disk is full or another writer came first."""
    store, renamed = tmp_path / "b.zarr", type(tmp_path).rename
    written(store, "old")

    def rename(self, target):
        if "-part-" in self.name:
            raise OSError("disk full")
        return renamed(self, target)

    monkeypatch.setattr(type(tmp_path), "rename", rename)
    with pytest.raises(OSError, match="disk full"), replacing_folder(store) as part:
        written(part, "new")
    assert (store / "values").read_text() == "old" and list(tmp_path.iterdir()) == [store]


def test_a_folder_that_came_meanwhile_is_kept_where_it_is_asked_for(tmp_path):
    """Others may read it already, and between two renames they would find nothing."""
    store = tmp_path / "b.zarr"
    with replacing_folder(store, keep_other=True) as part:
        written(part, "late")
        written(store, "first")
    assert (store / "values").read_text() == "first" and list(tmp_path.iterdir()) == [store]
    with pytest.raises(FileNotFoundError), replacing_folder(tmp_path / "c.zarr", keep_other=True):
        pass  # nothing was written, and nothing is there


@pytest.mark.parametrize(("step", "left"), [("writing", "old"), ("between", "old"), ("deleting", "new")])
def test_a_tidied_folder_has_what_was_whole_and_nothing_else(tmp_path, step, left):
    store = tmp_path / "b.zarr"
    written(store, "old")
    killed(store, step)
    with replacing_folder(tmp_path / "c.zarr") as part:  # of a writer that lives
        part.mkdir()
        files.tidy(tmp_path)
        assert (store / "values").read_text() == left and set(tmp_path.iterdir()) == {part, store}


def test_text_and_json_are_written_in_one_step_and_read_again(tmp_path):
    file = tmp_path / "new" / "a.json"
    files.write_json(file, {"a": [1, "ä"]}, indent=1)
    assert files.read_json(file) == {"a": [1, "ä"]} and file.read_text().endswith("}\n")
    with pytest.raises(TypeError):
        files.write_json(file, {"a": object()})
    assert files.read_json(file) == {"a": [1, "ä"]} and list(file.parent.iterdir()) == [file]
    files.write_text(file, '{"a')
    assert files.read_json(file) == files.read_json(tmp_path / "none.json") == {}


def test_a_listing_has_names_sizes_and_checksums_in_order(tmp_path):
    written(tmp_path / "b", "ice")
    (tmp_path / "a").touch()
    sha = "4cb0b250c6250d528f3e61d07d970892168db68bbff1ea5be4a851eda411adfb"
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert files.listing(tmp_path) == [("a", 0, empty), ("b/values", 3, sha)]
    assert files.sha256(tmp_path / "b" / "values") == sha


def test_a_store_that_can_t_be_read_is_named(tmp_path):
    with pytest.raises(DataError, match="ready.zarr can't be read .KeyError: 'siconc'.; make it anew"):
        with files.readable(tmp_path / "ready.zarr"):
            raise KeyError("siconc")
    with pytest.raises(DataError, match="^its own words$"), files.readable(tmp_path):
        raise DataError("its own words")


HELD = """
import sys, time
from pathlib import Path
from seaice import files
with files.alone(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
    print("let go", flush=True)
"""


def holder(lock, seconds):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", HELD, str(lock), str(seconds)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_a_lock_is_waited_for_and_gone_afterwards(tmp_path):
    lock = tmp_path / "new" / ".lock"
    process = holder(lock, 0.3)
    with files.alone(lock):
        assert process.communicate()[0] == "let go\n" and lock.exists()
    assert list(lock.parent.iterdir()) == []


def test_a_killed_holder_keeps_nobody_waiting(tmp_path):
    process = holder(tmp_path / ".lock", 600)
    process.kill()
    process.communicate()
    with files.alone(tmp_path / ".lock"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_threads_hold_a_lock_one_by_one(tmp_path):
    """The file goes after each; who waits for one that is gone does not pass with it."""
    inside, most = [], []

    def work():
        for _ in range(10):
            with files.alone(tmp_path / ".lock"):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 40


def test_who_holds_a_lock_is_said_and_readers_share_it(tmp_path):
    lock = tmp_path / ".lock"
    with (
        files.holding(lock, "read by process 1", shared=True),
        files.holding(lock, "read by process 2", shared=True),
    ):
        with (
            pytest.raises(files.HeldError, match="^read by process 2$"),
            files.holding(lock, "written by process 3"),
        ):
            pass
    with files.holding(lock, "written by process 3"):
        with (
            pytest.raises(files.HeldError, match="^written by process 3$"),
            files.holding(lock, "read", shared=True),
        ):
            pass
