"""How does a file or a folder appear only when it is whole? Under another name first, then by renaming."""

import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

OWNER = r"(?P<pid>\d+)-[0-9a-f]{8}"  # in temporary names: the writing process, and which of its writings


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path with the ending of `path` that takes its place if the block succeeds, and is deleted if not.

    The name is this writer's own. What killed writers left of `path` is deleted.
    """
    _delete(_left(path, rf"part_{OWNER}_{re.escape(path.name)}"))
    part = path.with_name(f"part_{_owner()}_{path.name}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield a hidden place, this writer's own, for a folder that becomes `path` if the block succeeds, and is deleted if not.

    An older folder at `path` is put aside for the moment of renaming and deleted after it. After a kill one of the two is there whole:
    at `path`, or aside, from where `put_back` has it, which the next call begins with. What else killed writers left of `path` is
    deleted, and with the place what lies `beside` it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    put_back(path)
    _delete(_left(path, rf"\.{re.escape(path.name)}-(part|old)-{OWNER}(-.+)?"))
    part, old = (path.with_name(f".{path.name}-{what}-{_owner()}") for what in ("part", "old"))
    try:
        yield part
        with suppress(FileNotFoundError):
            path.rename(old)
        part.rename(path)
    finally:
        if old.exists() and not path.exists():
            old.rename(path)
        _delete([part, old, *part.parent.glob(f"{part.name}-*")])


def beside(part: Path, what: str) -> Path:
    """Place of a helping folder of one that `replacing_folder` is making; it goes when that one is done."""
    return part.with_name(f"{part.name}-{what}")


def put_back(path: Path) -> None:
    """Put back a whole folder that a killed writer had put aside for one that did not come."""
    if not path.exists():
        for left in _left(path, rf"\.{re.escape(path.name)}-old-{OWNER}")[:1]:
            left.rename(path)


def _owner() -> str:
    return f"{os.getpid()}-{uuid.uuid4().hex[:8]}"


def _left(path: Path, pattern: str) -> list[Path]:
    """What lies beside `path` under a temporary name of a process that no longer lives."""
    beside = path.parent.iterdir() if path.parent.is_dir() else ()
    found = [(place, re.fullmatch(pattern, place.name)) for place in beside]
    return sorted(place for place, match in found if match and not psutil.pid_exists(int(match["pid"])))


def _delete(places: list[Path]) -> None:
    for place in places:
        if place.is_dir():
            shutil.rmtree(place, ignore_errors=True)
        else:
            place.unlink(missing_ok=True)
