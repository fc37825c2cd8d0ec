"""Fetch files into the cache: checksummed, complete or absent.

Two processes that ask for the same file fetch it once.
"""

import gzip
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from seaice import files, paths
from seaice.files import read_json, write_json
from seaice.sources import transfer
from seaice.sources.transfer import ATTEMPTS, BACKOFF, BLOCK, DownloadError, NotThereError, shown, size

__all__ = [
    "DownloadError",
    "NotThereError",
    "content_hash",
    "fetch",
    "fingerprint",
    "local_path",
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
    with _claim(target) as (part, note, file):
        if _holds(target, sha256):  # another process finished it while this one waited
            return target
        record = transfer.complete(
            url, file, note, attempts=attempts, backoff=backoff, progress=progress, unsized=bool(sha256)
        )
        digest = files.sha256(part)
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


def content_hash(path: Path) -> str:
    """Return the sha256 of a file's content, computed once for each path, size and time of change (kept in the cache)."""
    state = path.stat()
    known = f"{path.resolve()} {state.st_size} {state.st_mtime_ns}"
    note = paths.cache() / "checksums" / f"{hashlib.sha256(known.encode()).hexdigest()}.json"
    digest = read_json(note).get("sha256")
    if digest is None:
        digest = files.sha256(path)
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
        with files.replacing(target) as part:
            try:
                with gzip.open(path) as packed, open(part, "wb") as plain:
                    shutil.copyfileobj(packed, plain, BLOCK)
            except (EOFError, OSError) as error:
                raise DownloadError(
                    f"{path}: not a whole gzip file ({error}); delete it and fetch it again"
                ) from None
    return target


@contextmanager
def _claim(target: Path) -> Iterator[tuple[Path, Path, BinaryIO]]:
    """Open what has come of `target` so far, for this process alone.

    Yields its path, that of its note, and the file opened for appending. Afterwards it is deleted
    unless it holds bytes worth continuing.
    """
    part, note = _beside(target, ".part"), _beside(target, ".part.json")
    with files.alone(target.with_name(f".{target.name}.lock")), open(part, "a+b") as file:
        try:
            yield part, note, file
        finally:
            if part.exists() and size(file) == 0:
                note.unlink(missing_ok=True)
                part.unlink()


def _holds(target: Path, sha256: str | None) -> bool:
    expected = sha256 or read_json(_beside(target, ".fetched.json")).get("sha256")
    return bool(expected) and target.is_file() and files.sha256(target) == expected


def _beside(target: Path, suffix: str) -> Path:
    return target.with_name(target.name + suffix)
