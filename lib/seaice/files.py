"""How are files written, read and locked?

A file or folder appears only when it is whole, and one process at a time holds a lock.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from filelock import FileLock

from seaice.errors import DataError

# In temporary names: the writing process, and which of its writings.
OWNER = r"(?P<pid>\d+)-[0-9a-f]{8}"


class HeldError(Exception):
    """A lock that another process holds; the text is the note that the holder left."""


# ---- writing: whole or not at all


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path with the ending of `path`, for a file that becomes `path`.

    It takes its place if the block succeeds, and is deleted if not. The name is this writer's own.
    What killed writers left of `path` is deleted.
    """
    _delete(_left(path.parent, rf"part_{OWNER}_{re.escape(path.name)}"))
    part = path.with_name(f"part_{_owner()}_{path.name}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path, *, keep_other: bool = False) -> Iterator[Path]:
    """Yield a hidden place, this writer's own, for a folder that becomes `path`.

    It takes its place if the block succeeds, and is deleted if not, with what lies `beside` it.
    An older folder at `path` is put aside for the moment of renaming, and deleted after it. After a
    kill one of the two is there whole: at `path`, or aside, from where `put_back` has it. The next
    call begins with that, and deletes what else killed writers left of `path`.
    keep_other: leave a folder that is at `path` by then, and delete this one. It is for content that
    is always the same, which others may read already while this writer finishes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    put_back(path)
    _delete(_left(path.parent, rf"\.{re.escape(path.name)}-(part|old)-{OWNER}(-.+)?"))
    part, old = (path.with_name(f".{path.name}-{what}-{_owner()}") for what in ("part", "old"))
    try:
        yield part
        if keep_other:
            _rename_unless_there(part, path)
        else:
            with suppress(FileNotFoundError):
                path.rename(old)
            part.rename(path)
    finally:
        if old.exists() and not path.exists():
            old.rename(path)
        _delete([part, old, *part.parent.glob(f"{part.name}-*")])


def beside(part: Path, what: str) -> Path:
    """Return the place of a helping folder for `part`, a place that `replacing_folder` gave.

    The helping folder is deleted when that one is done.
    """
    return part.with_name(f"{part.name}-{what}")


def put_back(path: Path) -> None:
    """Put a whole folder back that a killed writer had put aside for one that did not come."""
    if not path.exists():
        for left in _left(path.parent, rf"\.{re.escape(path.name)}-old-{OWNER}")[:1]:
            left.rename(path)


def tidy(folder: Path) -> None:
    """Clear a folder of what killed calls of `replacing_folder` left in it.

    A whole folder that was put aside goes back to its place if nothing else is there. Everything
    else that they left is deleted.
    """
    for left in _left(folder, rf"\..+-old-{OWNER}"):
        put_back(folder / re.sub(rf"-old-{OWNER}$", "", left.name[1:]))
    _delete(_left(folder, rf"\..+-(part|old)-{OWNER}(-.+)?"))


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file in one step, and its folder if that is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, content: dict, *, indent: int | None = None) -> None:
    """Write a JSON object in one step, and its folder if that is missing.

    indent: spaces a level, None for a single line.
    """
    write_text(path, json.dumps(content, indent=indent) + ("" if indent is None else "\n"))


# ---- reading


def read_json(path: Path) -> dict:
    """Return the JSON object at `path`, empty if there is none that can be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}


def sha256(path: Path) -> str:
    """Return the SHA-256 (hex) of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def listing(folder: Path) -> list[tuple[str, int, str]]:
    """Return name below `folder`, size in bytes and SHA-256 of every file in it, sorted by name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(file.relative_to(folder).as_posix(), file.stat().st_size, sha256(file)) for file in files]


@contextmanager
def readable(place: Path) -> Iterator[None]:
    """Raise DataError that names `place`, a store of a run, where the block can't read it."""
    try:
        yield
    except DataError:
        raise
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise DataError(
            f"{place} can't be read ({type(error).__name__}: {error}); make it anew with `python -m seaice.run`"
        ) from error


# ---- locking: the system lets go of a lock when the process that holds it dies


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Wait until no other process or thread holds the lock file `lock`, and hold it.

    The file is gone after the block.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        try:
            yield
        finally:
            # While it is held: who waits sees that the file is gone, and makes a new one.
            lock.unlink(missing_ok=True)


@contextmanager
def holding(lock: Path, note: str, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock file `lock` without waiting, and leave a note in it for who finds it held.

    shared: together with others that ask for it shared, and never while somebody holds it alone.
    By `flock`: the library of `alone` shares a lock through a database only, which keeps no note.
    Raises HeldError with the note of the holder.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with open(lock, "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise HeldError(file.read().strip() or "used by another process") from None
        file.truncate(0)
        file.write(f"{note}\n")
        file.flush()
        yield


def _owner() -> str:
    return f"{os.getpid()}-{uuid.uuid4().hex[:8]}"


def _left(folder: Path, pattern: str) -> list[Path]:
    """What lies in `folder` under a temporary name of a process that no longer lives."""
    places = folder.iterdir() if folder.is_dir() else ()
    matches = [(place, re.fullmatch(pattern, place.name)) for place in places]
    return sorted(place for place, match in matches if match and not psutil.pid_exists(int(match["pid"])))


def _rename_unless_there(part: Path, path: Path) -> None:
    try:
        part.rename(path)
    except OSError:
        if not path.exists():
            raise


def _delete(places: list[Path]) -> None:
    for place in places:
        if place.is_dir():
            shutil.rmtree(place, ignore_errors=True)
        else:
            place.unlink(missing_ok=True)
