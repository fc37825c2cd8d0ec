"""How is a product made only once, and by one process at a time?"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from seaice import files, paths
from seaice.errors import DataError

KEY = "key.json"  # written last: the sources of a product, and the checksums of its files


def folder(run: str) -> Path:
    """Return the folder of a run's products; each has a folder named by its `init_time`."""
    return paths.ready(run).parent / "forecasts"


def is_fresh(target: Path, made_from: Mapping) -> bool:
    """Return whether a product is there, is complete, and was made from the same."""
    try:
        content = json.loads((target / KEY).read_text(encoding="utf-8"))
        return content["made_from"] == json.loads(json.dumps(made_from)) and content["files"] == checksums(
            target
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def checksums(place: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a product but its key."""
    return {name: sha for name, _, sha in files.listing(place) if name != KEY}


@contextmanager
def alone(run: str) -> Iterator[None]:
    """Wait until no other process makes products of this run; hold it during the block.

    The system releases it when the process dies. Raises DataError if the run has no ready store.
    """
    place = folder(run)
    if not paths.ready(run).is_dir():
        raise DataError(
            f"no analysis-ready data at {paths.ready(run)}: run `python -m seaice.run` for this run first"
        )
    with files.alone(place / ".lock"):
        files.tidy(place)
        yield
