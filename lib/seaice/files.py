"""How are files written, read and locked?

A file or folder appears only when it is complete. A lock is held by one process at a time.
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

# Part of every temporary name: the writing process, and a random number for each writing.
OWNER = r"(?P<pid>\d+)-[0-9a-f]{8}"


class HeldError(Exception):
    """A lock is held by another process; the text is the note that the holder left."""


# ---- writing: completely or not at all


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path, with the ending of `path`, for a file that will replace `path`.

    If the block succeeds, the temporary file is renamed to `path`; if not, it is deleted. Its name
    belongs to this writer alone. Temporary files of `path` that killed writers left are deleted.
    """
    _delete(_left(path.parent, rf"part_{OWNER}_{re.escape(path.name)}"))
    temporary = path.with_name(f"part_{_owner()}_{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path, *, keep_other: bool = False) -> Iterator[Path]:
    """Yield a hidden temporary path for a folder that will replace `path`.

    If the block succeeds, the temporary folder is renamed to `path`; if not, it is deleted. Its
    name belongs to this writer alone. Folders `beside` it are deleted in both cases.
    An older folder at `path` is renamed for a moment, and then deleted. If the writer is killed,
    one of the two folders is there and complete: either at `path`, or under its temporary name,
    from which `put_back` restores it. The next call starts with that, and deletes everything else
    that killed writers of `path` left.
    keep_other: if there is a folder at `path` when the block ends, keep it and delete the new one.
    Use it for content that is always the same: others may already read the folder at `path` when
    this writer finishes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    put_back(path)
    _delete(_left(path.parent, rf"\.{re.escape(path.name)}-(part|old)-{OWNER}(-.+)?"))
    temporary, old = (path.with_name(f".{path.name}-{kind}-{_owner()}") for kind in ("part", "old"))
    try:
        yield temporary
        if keep_other:
            _rename_unless_there(temporary, path)
        else:
            with suppress(FileNotFoundError):
                path.rename(old)
            temporary.rename(path)
    finally:
        if old.exists() and not path.exists():
            old.rename(path)
        _delete([temporary, old, *temporary.parent.glob(f"{temporary.name}-*")])


def beside(part: Path, what: str) -> Path:
    """Return the path of a helper folder for `part`, a path that `replacing_folder` yielded.

    The helper folder is deleted when `replacing_folder` ends.
    """
    return part.with_name(f"{part.name}-{what}")


def put_back(path: Path) -> None:
    """Restore a complete folder that a killed writer had renamed and not yet replaced."""
    renamed = _left(path.parent, rf"\.{re.escape(path.name)}-old-{OWNER}")
    if renamed and not path.exists():
        renamed[0].rename(path)


def tidy(folder: Path) -> None:
    """Clear a folder of everything that killed calls of `replacing_folder` left in it.

    A complete folder that was renamed gets its name back if nothing else has that name. Everything
    else that the calls left is deleted.
    """
    for renamed in _left(folder, rf"\..+-old-{OWNER}"):
        put_back(folder / re.sub(rf"-old-{OWNER}$", "", renamed.name[1:]))
    _delete(_left(folder, rf"\..+-(part|old)-{OWNER}(-.+)?"))


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file in one step; create its folder if it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: dict, *, indent: int | None = None) -> None:
    """Write a JSON object in one step; create its folder if it is missing.

    indent: number of spaces per level, None for a single line.
    """
    write_text(path, json.dumps(content, indent=indent) + ("" if indent is None else "\n"))


# ---- reading


def read_json(path: Path) -> dict:
    """Return the JSON object at `path`; an empty one if the file is missing or unreadable."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}


def sha256(path: Path) -> str:
    """Return the SHA-256 (hex) of the content of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def listing(folder: Path) -> list[tuple[str, int, str]]:
    """Return every file in a folder, sorted by name: name below `folder`, bytes and SHA-256."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(file.relative_to(folder).as_posix(), file.stat().st_size, sha256(file)) for file in files]


@contextmanager
def readable(place: Path) -> Iterator[None]:
    """Raise DataError that names `place`, a store of a run, if the block cannot read it."""
    try:
        yield
    except DataError:
        raise
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise DataError(
            f"{place} can't be read ({type(error).__name__}: {error}); "
            "make it anew with `python -m seaice.run`"
        ) from error


# ---- locking: the system releases a lock when the process that holds it dies


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Wait until no other process or thread holds the lock file `lock`, then hold it.

    The file is deleted after the block.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        try:
            yield
        finally:
            # Delete it while it is held: a process that waits then notices and makes a new one.
            lock.unlink(missing_ok=True)


@contextmanager
def holding(lock: Path, note: str, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock file `lock`, without waiting, and write a note into it for other processes.

    shared: hold it together with others that also ask for it shared, but never while a process
    holds it alone. This uses `flock`: the library behind `alone` can share a lock only through a
    database, which keeps no note.
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
    """Return the text in a temporary name that tells the process and the writing."""
    return f"{os.getpid()}-{uuid.uuid4().hex[:8]}"


def _left(folder: Path, pattern: str) -> list[Path]:
    """Return the paths in `folder` whose temporary names belong to processes that have ended."""
    places = folder.iterdir() if folder.is_dir() else ()
    matches = [(place, re.fullmatch(pattern, place.name)) for place in places]
    return sorted(place for place, match in matches if match and not psutil.pid_exists(int(match["pid"])))


def _rename_unless_there(temporary: Path, path: Path) -> None:
    """Rename a folder; do nothing if there is already a folder of the new name."""
    try:
        temporary.rename(path)
    except OSError:
        if not path.exists():
            raise


def _delete(places: list[Path]) -> None:
    """Delete files and folders, those that are missing included."""
    for place in places:
        if place.is_dir():
            shutil.rmtree(place, ignore_errors=True)
        else:
            place.unlink(missing_ok=True)
