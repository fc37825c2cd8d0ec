"""What is written down? One JSON a step (or member) with its key, outputs and surroundings, and what it tells later."""

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

FORMAT = 1  # raised when records get other entries; older ones are then not trusted
# In the run's folders, but written by no notebook; forecasts are made at any time, also while a step is executed.
MADE_BY_RUNNER = ("notebooks", "records", "forecasts", "record.json", "ro-crate-metadata.json")


def read(run: str, name: str) -> dict | None:
    """Return the record of a step or member, or None where there is none that can be trusted."""
    try:
        content = json.loads((paths.records(run) / f"{name}.json").read_text(encoding="utf-8"))
        whole = digest({k: v for k, v in content.items() if k != "digest"}) == content["digest"]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return content if whole and content.get("format") == FORMAT else None


def read_all(run: str, *, steps: Sequence[str] | None = None) -> dict[str, dict]:
    """Return every record of a run by name, in order, of `steps` only where given.

    Raises DataError where there is none.
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
    """Write a record whole or not at all, and return it with its own digest added."""
    content = json.loads(json.dumps({"format": FORMAT, **content}))
    content["digest"] = digest(content)
    files.write_json(paths.records(run) / f"{name}.json", content, indent=1)
    return content


def link(content: Mapping) -> str:
    """Digest of what later steps see of a step: its key, and its outputs without the executed notebook."""
    outputs = {k: v["sha256"] for k, v in content["outputs"].items() if not k.endswith(".ipynb")}
    return digest([content["key"], outputs])


def why_stale(content: Mapping | None, parts: Mapping) -> list[str]:
    """Reasons why a step must run again, given its record and the parts of its key now; empty when it is fresh."""
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
    """Name of a file of the run that is the same on every machine: `results/<run>/...` or `data/<run>/...`."""
    for top, folder in (("results", paths.results(run)), ("data", paths.data() / run)):
        if path.is_relative_to(folder):
            return f"{top}/{run}/{path.relative_to(folder).as_posix()}"
    raise ValueError(f"{path} is no file of the run {run}")


def place(label: str) -> Path:
    """Where the file of a `label` lies on this machine."""
    top, run, rest = label.split("/", 2)
    return (paths.results(run) if top == "results" else paths.data() / run) / rest


def scan(run: str) -> dict[str, dict[str, tuple]]:
    """State (size, time of change, inode) of every file of a run, by output: a file, or a Zarr store as a whole."""
    found = {}
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
                    continue  # a temporary name of a member that runs beside this one
                found.setdefault(_output(file), {})[file] = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
    return found


def _output(file: str) -> str:
    store = re.match(r".+?\.zarr(?=/)", file)
    return store.group() if store else file


def changed(before: Mapping, after: Mapping) -> list[str]:
    """Outputs that are new or differ between two scans."""
    return sorted(name for name, states in after.items() if before.get(name) != states)


def checksum(label: str) -> dict:
    """Size in bytes and SHA-256 of an output; of a folder: of the sorted listing of its files, sizes and checksums."""
    path = place(label)
    if path.is_file():
        return {"bytes": path.stat().st_size, "sha256": files.sha256(path)}
    listing = files.listing(path)
    return {"bytes": sum(size for _, size, _ in listing), "sha256": digest(listing)}


@contextmanager
def lock(run: str, *, shared: bool = False) -> Iterator[None]:
    """Hold a run for this process; the system lets go of it when the process dies. Raises DataError where it is held.

    shared: together with others that only read the run, and never while it is executed: what is read is not replaced meanwhile.
    """
    note = f"{'read by process' if shared else 'executed by process'} {os.getpid()}"
    try:
        with files.holding(paths.records(run) / ".lock", note, shared=shared):
            yield
    except files.HeldError as error:
        raise DataError(f"run '{run}' is being {error}; wait for it to end or stop it") from None


def surroundings(distributions: Iterable[str]) -> dict:
    """Machine, versions and commit to note in a record; no path, user or host name."""
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
    """Commit of the project, "+" appended where the tree differs from it; None outside git."""
    try:
        asked = [
            "git",
            "-C",
            str(paths.root()),
            "describe",
            "--always",
            "--abbrev=40",
            "--dirty=+",
            "--exclude=*",
        ]
        return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def now() -> str:
    """This moment in UTC, ISO 8601 to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
