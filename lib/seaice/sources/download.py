"""How does a file get into the cache? With a checksum, and either complete or not at all.

If two processes ask for the same file, it is fetched once.
"""

import gzip
import hashlib
import logging
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
from seaice.sources.transfer import (
    ATTEMPTS,
    BACKOFF,
    BLOCK,
    DownloadError,
    NotThereError,
    size,
    without_secrets,
)

log = logging.getLogger(__name__)

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
    fresh: bool = False,
) -> Path:
    """Return the local copy of `url`; fetch it if there is no copy with the right checksum.

    sha256: the known hash of the file. Without one, a copy is checked against the hash recorded
    when it was first fetched. folder: where copies lie, default `paths.cache() / "downloads"`.
    attempts: tries in a row that bring no new byte before giving up. backoff: s before the second
    try, doubled each time. progress: show a bar for a download of more than a second. fresh: ask
    the server whether it has another version than the copy, and fetch that; without an answer the
    copy stays, which is logged.

    Bytes that an interrupted call received stay beside the target as `.part`. The next call
    continues from them if the server confirms by ETag or date that the file is the same. The file
    itself appears complete or not at all. A web page in place of a file is refused. Raises
    DownloadError (NotThereError for HTTP 404 or 410).
    """
    target = local_path(url, folder=folder)
    if _is_complete(target, sha256) and not (fresh and _is_replaced(url, target)):
        return target
    before = target.stat().st_mtime_ns if target.exists() else None
    with _claim(target) as (partial_file, note, file):
        # Another process may have finished it while this one waited.
        changed = target.exists() and target.stat().st_mtime_ns != before
        if _is_complete(target, sha256) and (changed or not fresh):
            return target
        record = transfer.complete(
            url, file, note, attempts=attempts, backoff=backoff, progress=progress, unsized=bool(sha256)
        )
        _refuse_page(url, partial_file, file)
        digest = files.sha256(partial_file)
        if sha256 and digest != sha256:
            file.truncate(0)
            raise DownloadError(
                f"{without_secrets(url)}: sha256 is {digest}, expected {sha256}; the copy is deleted. "
                "Was the file replaced by a newer version? Then check it and change the hash in the "
                "catalogue."
            )
        write_json(_beside(target, ".fetched.json"), record | {"sha256": digest})
        os.replace(partial_file, target)
        note.unlink(missing_ok=True)
    return target


def fingerprint(url: str, *, folder: Path | None = None) -> str:
    """Return a hash of the address and the version of a file: its ETag, date or size.

    The version is taken from the record of a fetched copy, so that the hash stays the same without
    a network. Without a copy the server is asked. Raises DownloadError if it does not answer.
    """
    target = local_path(url, folder=folder)
    record = read_json(_beside(target, ".fetched.json")) if target.exists() else {}
    record = record or transfer.version(url)
    kind = record.get("etag") or record.get("modified") or record.get("length")
    return hashlib.sha256(f"{url} {kind}".encode()).hexdigest()


def local_path(url: str, *, folder: Path | None = None) -> Path:
    """Return the path of the copy of `url`: `folder`, host, then the path of the address.

    Raises DownloadError if `url` is not the http(s) address of a file.
    """
    parts = urlsplit(url)
    names = [p for p in PurePosixPath(unquote(parts.path)).parts if p not in ("/", "..")]
    if parts.scheme not in ("http", "https") or not parts.hostname or not names:
        raise DownloadError(f"{without_secrets(url)}: not the http(s) address of a file")
    if parts.query:  # two addresses may differ in the query only
        names.insert(-1, hashlib.sha256(parts.query.encode()).hexdigest()[:12])
    host = parts.hostname if parts.port is None else f"{parts.hostname}_{parts.port}"
    return (folder or paths.cache() / "downloads").joinpath(host, *names)


def content_hash(path: Path) -> str:
    """Return the sha256 of a file's content.

    It is computed once for each path, size and time of change, and kept in the cache.
    """
    state = path.stat()
    version = f"{path.resolve()} {state.st_size} {state.st_mtime_ns}"
    note = paths.cache() / "checksums" / f"{hashlib.sha256(version.encode()).hexdigest()}.json"
    digest = read_json(note).get("sha256")
    if digest is None:
        digest = files.sha256(path)
        write_json(note, {"file": path.name, "sha256": digest})
    return digest


def unpack(path: Path) -> Path:
    """Return the decompressed copy of a `.gz` file, or the path itself for any other file.

    The copy lies beside the file and is made if it is missing or older. Raises DownloadError for a
    damaged archive.
    """
    if path.suffix != ".gz":
        return path
    target = path.with_suffix("")
    if not target.exists() or target.stat().st_mtime < path.stat().st_mtime:
        with files.replacing(target) as new_copy:
            try:
                with gzip.open(path) as packed, open(new_copy, "wb") as plain:
                    shutil.copyfileobj(packed, plain, BLOCK)
            except (EOFError, OSError) as error:
                raise DownloadError(
                    f"{path}: not a whole gzip file ({error}); delete it and fetch it again"
                ) from None
    return target


@contextmanager
def _claim(target: Path) -> Iterator[tuple[Path, Path, BinaryIO]]:
    """Open the partial file of `target` for this process alone.

    Yields its path, the path of its note, and the file opened for appending. Afterwards an empty
    partial file is deleted.
    """
    partial_file, note = _beside(target, ".part"), _beside(target, ".part.json")
    with files.alone(target.with_name(f".{target.name}.lock")), open(partial_file, "a+b") as file:
        try:
            yield partial_file, note, file
        finally:
            if partial_file.exists() and size(file) == 0:
                note.unlink(missing_ok=True)
                partial_file.unlink()


def _is_complete(target: Path, sha256: str | None) -> bool:
    """Return whether the copy exists and has the known hash or, without one, the recorded hash."""
    expected = sha256 or read_json(_beside(target, ".fetched.json")).get("sha256")
    return bool(expected) and target.is_file() and files.sha256(target) == expected


def _is_replaced(url: str, target: Path) -> bool:
    """Return whether the server has another version of a file than the copy.

    Without an answer it is False, which is logged.
    """
    record = read_json(_beside(target, ".fetched.json"))
    try:
        now = transfer.version(url)
    except DownloadError as error:
        log.warning("%s; the copy of an earlier day is used", error)
        return False
    return any(now[name] is not None and now[name] != record.get(name) for name in now)


def _refuse_page(url: str, partial_file: Path, file: BinaryIO) -> None:
    """Empty the file and raise DownloadError if it is a web page and its address is not of one."""
    with open(partial_file, "rb") as received:
        start = received.read(512).lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")) and not urlsplit(url).path.endswith((".html", ".htm")):
        file.truncate(0)
        raise DownloadError(
            f"{without_secrets(url)}: the server answers with a web page in place of the file: a login, a "
            "notice, or the file has moved. Open the address in a browser"
        )


def _beside(target: Path, suffix: str) -> Path:
    """Return the path of a file beside `target`, with a suffix added to the name."""
    return target.with_name(target.name + suffix)
