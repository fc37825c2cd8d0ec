"""Which networks of a run are in use?

Its networks come in generations, and one generation is current. The runner trains the first. A
pointer file beside the generations can name another one as current.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from seaice import paths
from seaice.errors import DataError
from seaice.files import replacing

POINTER = "current.json"  # in the folder of all generations; without it, the first is current


def current(run: str) -> str:
    """Return the name of a run's current generation.

    Raises DataError, naming the pointer file, if it can't be read or its generation is missing.
    """
    pointer = paths.networks(run) / POINTER
    try:
        generation = str(json.loads(pointer.read_text(encoding="utf-8"))["generation"])
    except FileNotFoundError:
        return paths.FIRST_GENERATION
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{pointer} can't be read ({type(error).__name__}: {error}); "
            f"remove it for {paths.FIRST_GENERATION}"
        ) from error
    _check(run, generation, f"{pointer} names")
    return generation


def make_current(run: str, generation: str) -> None:
    """Make a generation of a run's networks the current one, in use from the next forecast on.

    Raises DataError for a generation that does not exist; the current one then stays.
    """
    _check(run, generation, f"run '{run}':")
    with replacing(paths.networks(run) / POINTER) as file:
        file.write_text(json.dumps({"generation": generation}) + "\n", encoding="utf-8")


def folders(run: str, seeds: Iterable[int]) -> dict[int, Path]:
    """Return the folder of each network of the current generation, by seed."""
    generation = current(run)
    return {seed: paths.network(run, seed, generation) for seed in seeds}


def _check(run: str, generation: str, subject: str) -> None:
    """Raise DataError unless the generation is a folder of the run's networks."""
    generations = sorted(folder.name for folder in paths.networks(run).glob("*") if folder.is_dir())
    if generation not in generations:
        raise DataError(
            f"{subject} generation {generation!r}, which is not there; there are {generations or 'none'}"
        )
