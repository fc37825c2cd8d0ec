"""What is written down about an execution? One JSON file for each step or member.

It holds the key, the outputs and the surroundings of the execution, which tell later whether it
is fresh.
"""

import json
import os
import platform
import re
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import psutil

from seaice import files, paths
from seaice.errors import DataError
from seaice.fingerprint import digest

FORMAT = 1  # raised when the entries of records change; older records are then not trusted
# In the run's folders, but not written by a notebook. Forecasts may be made while a step runs.
MADE_BY_RUNNER = ("notebooks", "records", "forecasts", "record.json", "ro-crate-metadata.json")


def read(run: str, name: str) -> dict | None:
    """Return the record of a step or member, or None if there is none that can be trusted."""
    try:
        content = json.loads((paths.records(run) / f"{name}.json").read_text(encoding="utf-8"))
        is_intact = digest({k: v for k, v in content.items() if k != "digest"}) == content["digest"]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return content if is_intact and content.get("format") == FORMAT else None


def read_all(run: str, *, steps: Sequence[str] | None = None) -> dict[str, dict]:
    """Return the records of a run by name, in order; if `steps` is given, only theirs.

    Raises DataError if there is none.
    """
    names = sorted(path.stem for path in paths.records(run).glob("*.json"))
    records = {name: content for name in names if (content := read(run, name))}
    records = {
        name: content for name, content in records.items() if steps is None or content["step"] in steps
    }
    if not records:
        raise DataError(f"run '{run}' has no records in {paths.records(run)}: execute it first")
    return records


def write(run: str, name: str, content: Mapping) -> dict:
    """Write a record completely or not at all; return it with its own digest added."""
    content = json.loads(json.dumps({"format": FORMAT, **content}))
    content["digest"] = digest(content)
    files.write_json(paths.records(run) / f"{name}.json", content, indent=1)
    return content


def link(content: Mapping) -> str:
    """Return the digest of what later steps may read of an executed step: its data and its tables.

    Executed notebooks and figures do not count, because no step reads them. Neither does the key:
    a step that leaves the same bits after its code changed makes no later step run again.
    """
    return digest(
        {
            name: output["sha256"]
            for name, output in content["outputs"].items()
            if not name.endswith(".ipynb") and "/figures/" not in name
        }
    )


def why_stale(content: Mapping | None, parts: Mapping) -> list[str]:
    """Return the reasons why a step must run again; nothing if it is fresh.

    content: its record. parts: the parts of its key now.
    """
    if content is None:
        return ["it has no record"]
    reasons = []
    for kind in parts:
        then, now = content["parts"].get(kind, {}), parts[kind]
        for name in sorted({*then, *now}):
            if then.get(name) != now.get(name):
                verb = "changed" if name in then and name in now else "is new" if name in now else "is gone"
                values = (
                    f" from {then[name]} to {now[name]}" if kind == "parameter" and verb == "changed" else ""
                )
                reasons.append(f"{kind} {name} {verb}{values}")
    for label, output in content["outputs"].items():
        if not place(label).exists():
            reasons.append(f"output {label} is missing")
        elif checksum(label) != output:
            reasons.append(f"output {label} changed")
    return reasons


def label(path: Path, run: str) -> str:
    """Return a name for a file of the run that is the same on every machine.

    It begins with `results/<run>/` or `data/<run>/`. Raises ValueError for any other file.
    """
    for top, folder in (("results", paths.results(run)), ("data", paths.data() / run)):
        if path.is_relative_to(folder):
            return f"{top}/{run}/{path.relative_to(folder).as_posix()}"
    raise ValueError(f"{path} is no file of the run {run}")


def place(label: str) -> Path:
    """Return where the file with this `label` lies on this machine."""
    top, run, rest = label.split("/", 2)
    return (paths.results(run) if top == "results" else paths.data() / run) / rest


def scan(run: str) -> dict[str, dict[str, tuple]]:
    """Return the state (size, time of change, inode) of every file of a run, by output.

    An output is a file, or a Zarr store as a whole.
    """
    states = {}
    for folder in (paths.results(run), paths.data() / run):
        for parent, folders, names in os.walk(folder):
            if Path(parent) == folder:
                folders[:] = [name for name in folders if name not in MADE_BY_RUNNER]
                names = [name for name in names if name not in MADE_BY_RUNNER]
            for name in names:
                file = label(Path(parent, name), run)
                try:
                    stat = os.stat(Path(parent, name))
                except FileNotFoundError:
                    continue  # a temporary file of another member that runs at the same time
                states.setdefault(_output(file), {})[file] = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
    return states


def _output(file: str) -> str:
    """Return the output that a file belongs to: the Zarr store around it, or the file itself."""
    store = re.match(r".+?\.zarr(?=/)", file)
    return store.group() if store else file


def changed(before: Mapping, after: Mapping) -> list[str]:
    """Return the outputs that are new in the second of two scans, or differ from the first."""
    return sorted(name for name, states in after.items() if before.get(name) != states)


def checksum(label: str) -> dict:
    """Return the bytes and the SHA-256 of an output.

    The SHA-256 of a folder is that of the sorted list of its files, with their sizes and checksums.
    """
    path = place(label)
    if path.is_file():
        return {"bytes": path.stat().st_size, "sha256": files.sha256(path)}
    listing = files.listing(path)
    return {"bytes": sum(size for _, size, _ in listing), "sha256": digest(listing)}


@contextmanager
def lock(run: str, *, shared: bool = False) -> Iterator[None]:
    """Hold a run for this process; the system releases it when the process dies.

    shared: hold it together with others that only read the run. It is not executed meanwhile, so
    that nothing that is read is replaced. Raises DataError if another process holds the run.
    """
    note = f"{'read by process' if shared else 'executed by process'} {os.getpid()}"
    try:
        with files.holding(paths.records(run) / ".lock", note, shared=shared):
            yield
    except files.HeldError as error:
        raise DataError(f"run '{run}' is being {error}; wait for it to end or stop it") from None


def surroundings(distributions: Iterable[str]) -> dict:
    """Return the machine, versions and commit for a record; no path, user or host name."""
    return {
        "machine": {
            "system": platform.platform(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "memory_bytes": psutil.virtual_memory().total,
        },
        "versions": {"python": platform.python_version()}
        | {name: metadata.version(name) for name in distributions},
        "commit": _commit(),
    }


def _commit() -> str | None:
    """Return the commit of the project; None outside git.

    "+" is appended if the working tree differs from the commit.
    """
    try:
        options = ["--always", "--abbrev=40", "--dirty=+", "--exclude=*"]
        command = ["git", "-C", str(paths.root()), "describe", *options]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def now() -> str:
    """Return the current time in UTC, ISO 8601, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
