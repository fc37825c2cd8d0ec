"""Fetch files into the cache: checksummed, complete or absent, and safe when two processes ask for the same one.

Linux and macOS (the lock between processes is `flock`).
"""

import fcntl
import gzip
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from seaice import paths, transfer
from seaice.transfer import ATTEMPTS, BACKOFF, BLOCK, DownloadError, NotThereError, read_json, shown, size, write_json

__all__ = [
    "DownloadError",
    "NotThereError",
    "content_hash",
    "fetch",
    "fingerprint",
    "local_path",
    "sha256_of",
    "unpack",
]


def fetch(
    url: str,
    *,
    sha256: str | None = None,
    folder: Path | None = None,
    attempts: int = ATTEMPTS,
    backoff: float = BACKOFF,
    progress: bool = True,
) -> Path:
    """Return the local copy of `url`, fetched if there is none whose checksum still holds.

    sha256: the known hash, if there is one; else the one recorded when the file was first fetched must hold.
    folder: where copies lie, default `paths.cache() / "downloads"`. attempts: tries in a row without a new byte.
    backoff: s before the second try, doubled each time. progress: show a bar for what takes over a second.
    What an interrupted call received stays beside the target as `.part` and the next call continues it, if the server
    confirms by ETag or date that the file is the same. A copy is not refreshed when the provider replaces the file: delete
    it for that. Raises DownloadError (NotThereError for 404); the file itself appears complete or not at all.
    """
    target = local_path(url, folder=folder)
    if _holds(target, sha256):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part, note = _beside(target, ".part"), _beside(target, ".part.json")
    with _claim(part, note) as file:
        if _holds(target, sha256):  # another process finished it while this one waited
            return target
        record = transfer.complete(
            url, file, note, attempts=attempts, backoff=backoff, progress=progress, unsized=bool(sha256)
        )
        digest = sha256_of(part)
        if sha256 and digest != sha256:
            file.truncate(0)
            raise DownloadError(
                f"{shown(url)}: sha256 is {digest}, expected {sha256}; the copy is deleted. "
                "Was the file replaced by a newer version? Then check it and change the hash in the catalogue."
            )
        write_json(_beside(target, ".fetched.json"), record | {"sha256": digest})
        os.replace(part, target)
        note.unlink(missing_ok=True)
    return target


def fingerprint(url: str, *, folder: Path | None = None) -> str:
    """Return a hash of the address and of what tells one version of the file from another: ETag, date or size.

    Taken from the record of a fetched copy, so that it stays the same without a network, else asked of the server.
    Raises DownloadError where neither is there.
    """
    target = local_path(url, folder=folder)
    record = read_json(_beside(target, ".fetched.json")) if target.exists() else {}
    record = record or transfer.version(url)
    kind = record.get("etag") or record.get("modified") or record.get("length")
    return hashlib.sha256(f"{url} {kind}".encode()).hexdigest()


def local_path(url: str, *, folder: Path | None = None) -> Path:
    """Return where the copy of `url` lies: `folder`, host, then the path of the address. Raises DownloadError."""
    parts = urlsplit(url)
    below = [p for p in PurePosixPath(unquote(parts.path)).parts if p not in ("/", "..")]
    if parts.scheme not in ("http", "https") or not parts.hostname or not below:
        raise DownloadError(f"{shown(url)}: not the http(s) address of a file")
    if parts.query:  # two files may differ in nothing else
        below.insert(-1, hashlib.sha256(parts.query.encode()).hexdigest()[:12])
    host = parts.hostname if parts.port is None else f"{parts.hostname}_{parts.port}"
    return (folder or paths.cache() / "downloads").joinpath(host, *below)


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_hash(path: Path) -> str:
    """Return the sha256 of a file's content, computed once for each path, size and time of change (kept in the cache)."""
    state = path.stat()
    known = f"{path.resolve()} {state.st_size} {state.st_mtime_ns}"
    note = paths.cache() / "checksums" / f"{hashlib.sha256(known.encode()).hexdigest()}.json"
    digest = read_json(note).get("sha256")
    if digest is None:
        digest = sha256_of(path)
        note.parent.mkdir(parents=True, exist_ok=True)
        write_json(note, {"file": path.name, "sha256": digest})
    return digest


def unpack(path: Path) -> Path:
    """Return the decompressed copy beside a `.gz` file, made if missing or older; any other file as it is.

    Raises DownloadError for a damaged archive.
    """
    if path.suffix != ".gz":
        return path
    target = path.with_suffix("")
    if not target.exists() or target.stat().st_mtime < path.stat().st_mtime:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            temporary = Path(folder) / target.name
            try:
                with gzip.open(path) as packed, open(temporary, "wb") as plain:
                    shutil.copyfileobj(packed, plain, BLOCK)
            except (EOFError, OSError) as error:
                raise DownloadError(f"{path}: not a whole gzip file ({error}); delete it and fetch it again") from None
            os.replace(temporary, target)
    return target


@contextmanager
def _claim(part: Path, note: Path) -> Iterator[BinaryIO]:
    """Open `part` for this process alone; afterwards take it away unless it holds bytes worth continuing."""
    while True:
        file = open(part, "a+b")
        fcntl.flock(file, fcntl.LOCK_EX)  # released by the system even if the process is killed
        if _is_at(file, part):
            break
        file.close()  # the process before this one finished or gave up: its file is no longer at this name
    with file:
        try:
            yield file
        finally:
            if _is_at(file, part) and size(file) == 0:
                note.unlink(missing_ok=True)
                part.unlink()


def _is_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def _holds(target: Path, sha256: str | None) -> bool:
    expected = sha256 or read_json(_beside(target, ".fetched.json")).get("sha256")
    return bool(expected) and target.is_file() and sha256_of(target) == expected


def _beside(target: Path, suffix: str) -> Path:
    return target.with_name(target.name + suffix)
