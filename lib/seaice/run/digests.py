"""Did the same come out again? A small file with the digests of a run's outputs answers that.

`seaice check demo` compares the files of a run on this machine with the digests that are tracked.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated

import typer

from seaice import paths
from seaice.errors import DataError
from seaice.files import write_json
from seaice.fingerprint import digest
from seaice.run import records as run_records

NAME = "record.json"
# The kind of output that must be the same. Figures depend on fonts, and pages hold times.
NUMBERS = "tables"


def write(run: str, *, steps: Sequence[str] | None = None) -> None:
    """Write `results/<run>/record.json` from the records of a run.

    It holds no path of this machine, and the same records give the same file.
    steps: notebooks of the run; by default those of all records. Raises DataError for a run without
    records.
    """
    content = describe(run, run_records.read_all(run, steps=steps))
    write_json(paths.results(run) / NAME, content, indent=1)


def describe(run: str, records: Mapping[str, Mapping]) -> dict:
    """Return what a run was made with and what came out.

    records: of the run, by name. Keys of the result: run; end (of the last step, UTC);
    peak_memory_bytes (the most that a step and the runner needed together); commits (of all steps,
    "+" where the tree differed); versions by distribution; outputs: bytes and SHA-256 by label (see
    `run.records.label`). A folder of files in `data/` is one output.
    """
    outputs = {label: output for content in records.values() for label, output in content["outputs"].items()}
    versions = {
        name: version for content in records.values() for name, version in content["versions"].items()
    }
    return {
        "run": run,
        "end": max(content["end"] for content in records.values()),
        "peak_memory_bytes": max(content["peak_memory_bytes"] for content in records.values()),
        "commits": sorted({content["commit"] for content in records.values() if content["commit"]}),
        "versions": dict(sorted(versions.items())),
        "outputs": dict(sorted(_by_folder(outputs).items())),
    }


def _by_folder(outputs: Mapping[str, Mapping]) -> dict[str, dict]:
    """Merge the files of each folder two levels below `data/<run>` into one output.

    Networks lie three levels below: networks/<generation>/<seed>. The checksum is that of the whole
    folder. A run has hundreds of such files (of a network, or one for each permutation), and nobody
    looks for a single one.
    """
    single, folders = {}, {}
    for label, output in outputs.items():
        top, run, *rest = label.split("/")
        depth = 3 if rest[0] == "networks" else 2
        if top == "data" and len(rest) > depth:
            folders.setdefault("/".join([top, run, *rest[:depth]]), {})["/".join(rest[depth:])] = output
        else:
            single[label] = dict(output)
    for folder, files in folders.items():
        # As in `run.records.checksum`, so that this can be compared with the folder on disk.
        names = sorted(files, key=PurePosixPath)
        listing = [[name, files[name]["bytes"], files[name]["sha256"]] for name in names]
        single[folder] = {"bytes": sum(size for _, size, _ in listing), "sha256": digest(listing)}
    return single


def read(run: str, against: str = "HEAD") -> dict:
    """Return the `record.json` of a run, as it is in a commit or in a file.

    against: a commit of the project, or the path of a file, such as the `record.json` of another
    machine. Raises DataError if there is none.
    """
    if Path(against).is_file():
        text = Path(against).read_text(encoding="utf-8")
    else:
        git_show = ["git", "-C", str(paths.root()), "show", f"{against}:results/{run}/{NAME}"]
        result = subprocess.run(git_show, capture_output=True, text=True, check=False)
        if result.returncode:
            raise DataError(
                f"no results/{run}/{NAME} in commit '{against}', and no such file:"
                " name a run whose results are tracked, another commit, or a file"
            )
        text = result.stdout
    try:
        content = json.loads(text)
        if {"bytes", "sha256"} <= set().union(*content["outputs"].values()):
            return content
    except (ValueError, KeyError, TypeError, AttributeError):
        pass  # reported below
    raise DataError(
        f"{against} is no {NAME}: it has no outputs with bytes and sha256; name one that a run has written"
    )


def compare(reference: Mapping) -> dict[str, dict[str, list[str]]]:
    """Return which outputs of a run are the same on this machine: labels by kind and by state.

    reference: content of a `record.json`. Kinds: tables (with the headline), figures, notebooks,
    data. States: same, different, missing.
    """
    states: dict[str, dict[str, list[str]]] = {}
    for label, output in reference["outputs"].items():
        if not run_records.place(label).exists():
            state = "missing"
        else:
            state = "same" if run_records.checksum(label) == output else "different"
        kind = states.setdefault(_kind(label), {"same": [], "different": [], "missing": []})
        kind[state].append(label)
    return states


def _kind(label: str) -> str:
    """Return the kind of an output: data, tables, figures or notebooks."""
    top, _, folder, *_ = label.split("/")
    return "data" if top == "data" else NUMBERS if folder.endswith(".csv") else folder


def report(states: Mapping[str, Mapping[str, Sequence[str]]]) -> str:
    """Return text that says how many outputs of each kind are the same, and which are not."""
    lines = []
    for kind, labels in sorted(states.items()):
        counts = [f"{len(names)} {state}" for state, names in labels.items() if names]
        if counts == [f"{len(labels['missing'])} missing"]:
            lines.append(f"{kind + ':':11}all {counts[0]}")
            continue
        lines.append(f"{kind + ':':11}{', '.join(counts)}")
        lines += [f"  {state}: {name}" for state in ("different", "missing") for name in labels[state]]
    return "\n".join(lines)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def command(
    run: Annotated[str, typer.Argument(help="Name of a run, such as demo.")],
    against: Annotated[str, typer.Option(help="Commit or file with the digests to compare with.")] = "HEAD",
) -> None:
    """Compare the files of a run on this machine with the digests that are tracked.

    Fails if a table is not the same to the bit.
    """
    try:
        states = compare(read(run, against))
    except DataError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    typer.echo(report(states))
    tables = states.get(NUMBERS, {})
    if tables.get("different") or tables.get("missing"):
        raise typer.Exit(1)
