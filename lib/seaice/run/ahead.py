"""What is made before a page asks for it? Simulated sources, in a process beside the pages.

The simulated world steps through time on one core. While the first pages wait for one source, this
process makes those of later pages.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from seaice import paths
from seaice.config.runfile import Run
from seaice.run import inputs
from seaice.run.execute import DIE_WITH_PARENT, environment

# Settings that name sources, in the order in which these are made. The first pages open `sources`
# at once, so that they come last here.
ORDER = ("simulations", "seasonal", "limit", "normals", "sources")


@contextmanager
def making(run: Run, settings: Iterable[str]) -> Iterator[None]:
    """Make simulated sources that are missing, one after the other, while the block runs.

    settings: those of the section `data` whose entries the pages of the block open.
    A page that needs a source in the making waits for it. What goes wrong here is written to
    `ahead.log` among the run's records; the page that opens the source meets the same error. The
    process ends with the block.
    """
    wanted = missing(run, settings)
    if not wanted:
        yield
        return
    log = paths.records(run.run) / "ahead.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "w", encoding="utf-8") as text:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, json.dumps(wanted)],
            stdin=subprocess.DEVNULL,
            stdout=text,
            stderr=text,
            cwd=paths.root(),
            env=os.environ | environment(1) | {"JPY_PARENT_PID": str(os.getpid())},
        )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def missing(run: Run, settings: Iterable[str]) -> list[tuple[str, dict]]:
    """Return the simulated entries that are not in the cache, each with the run's options for it.

    settings: as for `making`.
    """
    if not run.data:
        return []
    entries = run.data.entries
    wanted = [
        (entry, options)
        for setting in sorted(set(settings), key=ORDER.index)
        for entry in sorted(entries[setting])
        for options in (inputs.options_of_members(entry, run.data) if setting == "simulations" else [{}])
    ]
    return [(entry, options) for entry, options in wanted if inputs.is_to_make(entry, options)]


def main() -> None:
    """Make the sources that the command line gives as JSON, see `missing`."""
    exec(DIE_WITH_PARENT)
    for entry, options in json.loads(sys.argv[1]):
        inputs.driver(entry, options).make()


if __name__ == "__main__":
    main()
