"""Which networks of a run are in use? Its networks come in generations, one of which is current.

The runner trains the first one. A pointer file beside the generations names another one as current.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from seaice import paths
from seaice.errors import DataError
from seaice.files import replacing

POINTER = "current.json"  # in the folder of all generations; without it the first one is current


def current(run: str) -> str:
    """Return the name of a run's current generation.

    Raises DataError, naming the pointer file, where it can't be read or its generation is not there.
    """
    pointer = paths.networks(run) / POINTER
    try:
        generation = str(json.loads(pointer.read_text(encoding="utf-8"))["generation"])
    except FileNotFoundError:
        return paths.FIRST_GENERATION
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{pointer} can't be read ({type(error).__name__}: {error}); remove it for {paths.FIRST_GENERATION}"
        ) from error
    _check(run, generation, f"{pointer} names")
    return generation


def make_current(run: str, generation: str) -> None:
    """Make a generation of a run's networks its current one: from the next forecast on it is in use.

    Raises DataError for a generation that is not there; the current one then stays.
    """
    _check(run, generation, f"run '{run}':")
    with replacing(paths.networks(run) / POINTER) as part:
        part.write_text(json.dumps({"generation": generation}) + "\n", encoding="utf-8")


def folders(run: str, seeds: Iterable[int]) -> dict[int, Path]:
    """Return the folder of each network of the current generation, by seed."""
    generation = current(run)
    return {seed: paths.network(run, seed, generation) for seed in seeds}


def _check(run: str, generation: str, subject: str) -> None:
    """Raise DataError unless the generation is a folder of the run's networks."""
    there = sorted(folder.name for folder in paths.networks(run).glob("*") if folder.is_dir())
    if generation not in there:
        raise DataError(
            f"{subject} generation {generation!r}, which is not there; there are {there or 'none'}"
        )
