"""How is a product made once, and by one process at a time?"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from seaice import files, paths
from seaice.errors import DataError

KEY = "key.json"  # written last: what a product was made from, and the checksums of its files


def folder(run: str) -> Path:
    """Folder of a run's products, one a folder named by its `init_time`."""
    return paths.ready(run).parent / "forecasts"


def is_fresh(target: Path, made_from: Mapping) -> bool:
    """Whether a product is there, was made from the same, and is whole."""
    try:
        content = json.loads((target / KEY).read_text(encoding="utf-8"))
        return content["made_from"] == json.loads(json.dumps(made_from)) and content["files"] == checksums(
            target
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def checksums(place: Path) -> dict[str, str]:
    """SHA-256 of every file of a product but its key."""
    return {name: sha for name, _, sha in files.listing(place) if name != KEY}


@contextmanager
def alone(run: str) -> Iterator[None]:
    """Wait until no other process makes products of this run; the system lets go of it when the process dies."""
    place = folder(run)
    if not paths.ready(run).is_dir():
        raise DataError(
            f"no analysis-ready data at {paths.ready(run)}: run `python -m seaice.run` for this run first"
        )
    with files.alone(place / ".lock"):
        files.tidy(place)
        yield
