"""How does a product come to its place once, whole, and by one process at a time?"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from seaice import paths
from seaice.schema import DataError

KEY = "key.json"  # written last: what a product was made from, and the checksums of its files


def folder(run: str) -> Path:
    """Folder of a run's products, one a folder named by its `init_time`."""
    return paths.ready(run).parent / "forecasts"


def is_fresh(target: Path, made_from: Mapping) -> bool:
    """Whether a product is there, was made from the same, and is whole."""
    try:
        content = json.loads((target / KEY).read_text(encoding="utf-8"))
        return content["made_from"] == json.loads(json.dumps(made_from)) and content["files"] == checksums(target)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def checksums(place: Path) -> dict[str, str]:
    """SHA-256 of every file of a product but its key."""
    files = sorted(p for p in place.rglob("*") if p.is_file() and p.name != KEY)
    return {file.relative_to(place).as_posix(): sha256(file) for file in files}


def sha256(file: Path) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def put(part: Path, target: Path) -> None:
    """Put a product in its place; an older one there is moved aside first, and is back should that fail."""
    old = target.with_name(f".{target.name}-old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        os.rename(target, old)
    try:
        os.rename(part, target)
    except OSError:
        if old.exists():
            os.rename(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def alone(run: str) -> Iterator[None]:
    """Wait until no other process makes products of this run; the system lets go of it when the process dies."""
    place = folder(run)
    if not paths.ready(run).is_dir():
        raise DataError(f"no analysis-ready data at {paths.ready(run)}: run `python -m seaice.run` for this run first")
    place.mkdir(parents=True, exist_ok=True)
    with open(place / ".lock", "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for left in place.glob(".[0-9]*"):  # by killed processes; an older product that had been moved aside goes back
            original = left.with_name(left.name[1:].removesuffix("-old"))
            if left.name.endswith("-old") and not original.exists():
                os.rename(left, original)
            else:
                shutil.rmtree(left, ignore_errors=True)
        yield


@contextmanager
def readable(place: Path) -> Iterator[None]:
    """Say of a store that can't be read which it is."""
    try:
        yield
    except DataError:
        raise
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise DataError(
            f"{place} can't be read ({type(error).__name__}: {error}); make it anew with `python -m seaice.run`"
        ) from error
