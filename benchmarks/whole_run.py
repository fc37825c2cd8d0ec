"""How long does a run take from a bare clone, and how much memory do all its processes need together?

The code of this commit and that of an earlier one (`--before`), each in a clone of its own: first the
environment (`make env`), then the run (`make demo`), then the run again after the code of one figure
changed. Any other target of the Makefile will do, such as `test` or `test-quick`. What is not committed is not measured. Memory is the sum over all processes below this one,
sampled as the runner does it; this process, about 30 MB, counts too. The seconds of the steps
are those of the runner's own records.
The environment is made with what the Makefile finds: `uv` if it is on PATH, otherwise pip; both take
packages from their caches, which the first `make env` on a machine fills. `--environment FOLDER`
takes an environment that is there already; `--only` measures one of the two and keeps what the record
has of the other.
The record, `benchmarks/records/<target>_run.json`, is written after every part, so that nothing is lost
if the script is stopped. Run: python benchmarks/whole_run.py
"""

import argparse
import json
import os
import shutil
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import trees
from measure import RECORDS, write

from seaice.run.memory import Memory

FIGURE = Path("lib", "seaice", "figures", "gains.py")  # of one step's figure
HARMLESS = "\nCHANGED = True\n"
LOCK = "requirements.lock"
THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "KERAS_BACKEND")  # the runner decides on these


def environment(clone: Path) -> dict[str, str]:
    """Return the variables for commands in a clone: nothing leads to another checkout.

    The clone's own package comes first, also in an environment that was made for another checkout.
    """
    others = {"SEAICE_CACHE", "SEAICE_RESULTS", *THREADS}
    return {k: v for k, v in os.environ.items() if k not in others} | {"PYTHONPATH": str(clone / "lib")}


def timed(clone: Path, *arguments: str) -> dict:
    """Run make in a clone; return its seconds and peak memory (MB).

    Its output goes to a file that is shown if it fails.
    """
    log, start = clone / "whole_run.log", time.perf_counter()
    with Memory() as memory, open(log, "w") as output:
        done = subprocess.run(
            ["make", *arguments], cwd=clone, env=environment(clone), stdout=output, stderr=subprocess.STDOUT
        )
    if done.returncode:
        raise SystemExit(f"make {' '.join(arguments)} failed:\n{log.read_text()[-3000:]}")
    return {"seconds": round(time.perf_counter() - start, 1), "peak_memory_mb": round(memory.peak / 1e6)}


def steps(clone: Path, run: str, since: str) -> list[dict]:
    """Return name, seconds and peak memory (MB) of what was executed since a time, in that order.

    since: UTC, as in the records.
    """
    files = (clone / "data" / run / "records").glob("*.json")
    contents = {file.stem: json.loads(file.read_text()) for file in files}
    return [
        {
            "name": name,
            "seconds": content["seconds"],
            "peak_memory_mb": round(content["peak_memory_bytes"] / 1e6),
        }
        for name, content in sorted(contents.items(), key=lambda item: item[1]["end"])
        if content["start"] >= since
    ]


def executed(clone: Path, target: str, variables: list[str]) -> dict:
    """Execute a target in a clone; return seconds, peak memory (MB) and what its steps took."""
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return timed(clone, target, *variables) | {"steps": steps(clone, target, since)}


def main() -> None:
    """Measure, print and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", nargs="?", default="demo", help="of make, or a run file of your own")
    parser.add_argument("--before", default="9adf006", help="commit of the reference")
    parser.add_argument("--only", choices=("now", "before"), help="measure one of the two")
    parser.add_argument("--environment", type=Path, help="folder of an environment to take, not measured")
    options = parser.parse_args()

    own, target = Path(options.target), Path(options.target).stem
    commits = {"now": trees.commit("HEAD"), "before": trees.commit(options.before)}
    ways = [options.only] if options.only else list(commits)
    file = RECORDS / f"{target}_run.json"
    other = json.loads(file.read_text()) if options.only and file.is_file() else {"ways": {}, "commits": {}}
    mark = None
    if options.environment:
        mark = options.environment.absolute() / f".made-from-{LOCK}"
        if not mark.is_file():
            raise SystemExit(f"{options.environment} is no environment of `make env`: it has no {mark.name}")
    variables = [f"VENV={mark.parent}"] if mark else []
    content = {
        "target": target,
        "commits": other["commits"] | {way: commits[way][:7] for way in ways},
        "installer": None if mark else ("uv" if shutil.which("uv") else "pip"),
        "ways": other["ways"] | {way: {} for way in ways},
    }
    with ExitStack() as stack:
        for way in ways:
            clone = stack.enter_context(trees.cloned(commits[way]))
            if own.suffix == ".yaml":
                shutil.copy(own, clone / "params")
            row = content["ways"][way]
            if mark:
                for lock in clone.glob("requirements*.lock"):
                    os.utime(lock, (0, 0))  # older than the environment, which is not made anew
            else:
                row["environment"] = timed(clone, "env")
            row["run"] = executed(clone, target, variables)
            write(f"{target}_run", content)
            if (clone / "params" / f"{target}.yaml").is_file():
                with open(clone / FIGURE, "a") as file:
                    file.write(HARMLESS)
                row["again"] = executed(clone, target, variables)
                write(f"{target}_run", content)


if __name__ == "__main__":
    main()
