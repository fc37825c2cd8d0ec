"""How is one file moved over HTTP, in spite of interruptions? New tries continue earlier ones.

This module uses `requests` directly. pooch and fsspec verify and cache files, but start an
interrupted file again from its first byte.
"""

import os
import re
import time
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

import requests
import urllib3

from seaice.errors import DataError
from seaice.files import read_json, write_json
from seaice.progress import bar as progress_bar

ATTEMPTS = 5  # tries in a row without a new byte before giving up
BACKOFF = 0.5  # s before the second try, doubled before each further one
TIMEOUT = (10, 60)  # s to connect, s between two reads
GOOGLE = "https://storage.googleapis.com"  # serves gs:// addresses
BLOCK = 1 << 20  # bytes read and written at once
CUT = (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError)


class DownloadError(DataError):
    """Raised for a file that can't be fetched.

    The message names the address, what the server did and what to do.
    """


class NotThereError(DownloadError):
    """Raised if the server answers but does not have the file."""


class _Interrupted(Exception):
    """Raised if a transfer breaks off; another try may continue from the bytes received."""


def complete(
    url: str,
    file: BinaryIO,
    note: Path,
    *,
    attempts: int,
    backoff: float,
    progress: bool,
    unsized: bool = False,
) -> dict:
    """Fill `file` with the content of `url` and return the server's version of it.

    The version is a dict of `etag`, `modified` and `length`. file: opened for appending. note: JSON
    file, written here, with the version of the bytes in `file`. The download continues after these
    bytes if the server confirms that version. attempts: tries in a row without a new byte before
    giving up. backoff: s before the second try, doubled each time. unsized: accept a server that
    does not tell the length of the file (the caller then checks a hash). Raises DownloadError.
    """
    best, failures = size(file), 0
    while True:
        try:
            return _transfer(url, file, note, progress=progress, unsized=unsized)
        except (*CUT, _Interrupted) as error:
            failures = failures + 1 if size(file) <= best else 0
            best = max(best, size(file))
            if failures >= attempts:
                if not _validator(read_json(note)):
                    file.truncate(0)  # no server could ever confirm these bytes
                raise _unanswered(url, error, tries=attempts, kept=size(file)) from None
            time.sleep(backoff * 2 ** max(failures - 1, 0))
        except requests.RequestException as error:
            raise DownloadError(
                f"{without_secrets(url)}: can't be fetched ({type(error).__name__}); check the address"
            ) from None
        except OSError as error:
            raise DownloadError(
                f"{note.parent}: can't be written ({error.strerror}); is the disk full?"
            ) from None


def version(url: str) -> dict:
    """Return `etag`, `modified` and `length` of `url` from the server, without the content.

    Raises DownloadError.
    """
    try:
        with requests.head(url, allow_redirects=True, timeout=TIMEOUT) as response:
            _refuse(url, response)
            return _version(response)
    except (requests.RequestException, _Interrupted) as error:
        raise _unanswered(url, error) from None


def listed(url: str) -> list[str]:
    """Return the names that the page of a folder on a server links to, without their folders.

    Raises DownloadError.
    """
    try:
        with requests.get(url, timeout=TIMEOUT) as response:
            _refuse(url, response)
            links = re.findall(r"""href\s*=\s*["']([^"'?#]+)["']""", response.text, re.IGNORECASE)
    except (requests.RequestException, _Interrupted) as error:
        raise _unanswered(url, error) from None
    return [unquote(link).rstrip("/").rpartition("/")[2] for link in links]


def reach(url: str, *, timeout: float | tuple[float, float] = TIMEOUT) -> None:
    """Raise DownloadError unless the server of `url` answers within `timeout` s.

    Any answer will do, an HTTP error too.
    """
    try:
        requests.head(url, timeout=timeout).close()
    except requests.RequestException as error:
        raise _unanswered(url, error) from None


def is_on_google(place: str) -> bool:
    """Return whether data lie in Google's cloud storage, which has its own addresses (gs://)."""
    return place.startswith("gs://")


def server(place: str) -> str:
    """Return the https address of the server of the data at `place`."""
    return GOOGLE if is_on_google(place) else f"https://{urlsplit(place).hostname}"


def without_secrets(url: str) -> str:
    """Return an address for messages, without user, password and query, which may be secrets."""
    parts = urlsplit(url)
    host = (parts.hostname or "") + (f":{parts.port}" if parts.port else "")
    return f"{parts.scheme}://{host}{parts.path}"


def size(file: BinaryIO) -> int:
    """Return the size in bytes of a file that is being written."""
    file.flush()
    return os.fstat(file.fileno()).st_size


def _transfer(url: str, file: BinaryIO, note: Path, *, progress: bool, unsized: bool) -> dict:
    """Try once to fill `file`; arguments and result as for `complete`.

    Raises _Interrupted if another try may help, or DownloadError.
    """
    record, kept = read_json(note), size(file)
    if kept and kept == record.get("length"):
        return record  # complete: a process was killed between the last byte and the rename
    headers = {"Accept-Encoding": "identity"}
    if kept and _validator(record):
        headers |= {"Range": f"bytes={kept}-", "If-Range": _validator(record)}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == 416:
            file.truncate(0)
            raise _Interrupted("the server can't continue the partial file")
        _refuse(url, response)
        if response.status_code == 206:
            same_version = response.headers.get("ETag", record["etag"]) == record["etag"]
            if not same_version or not response.headers.get("Content-Range", "").startswith(f"bytes {kept}-"):
                file.truncate(0)
                raise _Interrupted("the server sent another file or range than asked for")
        else:
            file.truncate(0)
            kept, record = 0, _version(response)
        length = response.headers.get("Content-Length")
        length = kept + int(length) if length is not None else None
        if length is None and not unsized and response.headers.get("Transfer-Encoding") != "chunked":
            raise DownloadError(
                f"{without_secrets(url)}: the server does not say how long the file is, so a truncated one "
                "would look whole; give its sha256"
            )
        record["length"] = length
        write_json(note, record)
        bar_options = {
            "unit": "B",
            "unit_scale": True,
            "delay": 1,
            "leave": False,
            "desc": Path(urlsplit(url).path).name,
        }
        with progress_bar(total=length, initial=kept, disable=not progress, **bar_options) as meter:
            # Raw bytes: a `.gz` that is sent as an encoding must keep its own length and hash.
            for block in response.raw.stream(BLOCK, decode_content=False):
                file.write(block)
                meter.update(len(block))
    received = size(file)
    if length is not None and received != length:
        raise _Interrupted(f"{received} of {length} bytes came")
    return record


def _refuse(url: str, response: requests.Response) -> None:
    """Raise the error for an HTTP status of 400 or more: _Interrupted if another try may help."""
    code = response.status_code
    if code in (429, 500, 502, 503, 504):
        raise _Interrupted(f"HTTP {code}")
    if code in (401, 403):
        raise DownloadError(
            f"{without_secrets(url)}: the server refuses access (HTTP {code}): it wants credentials, or the "
            "route has changed. Put an account of the provider into ~/.netrc, or try the address in a "
            "browser."
        )
    if code in (404, 410):
        raise NotThereError(
            f"{without_secrets(url)}: the server has no such file (HTTP {code}); is the date inside the "
            "record, or has the provider moved it?"
        )
    if code >= 400:
        raise DownloadError(
            f"{without_secrets(url)}: the server answers HTTP {code}; try the address in a browser"
        )


def _unanswered(url: str, error: Exception, *, tries: int = 1, kept: int = 0) -> DownloadError:
    """Return the error for a server that does not answer. kept: bytes of the partial file."""
    # The text of a network error repeats the whole address with its tokens: only name its type.
    reason = str(error) if isinstance(error, _Interrupted) else type(error).__name__
    rest = f" {kept} bytes are kept and the next call continues there." if kept else ""
    return DownloadError(
        f"{without_secrets(url)}: {urlsplit(url).hostname} does not answer or breaks off ({reason}), "
        f"tried {tries} times; check the network or try later.{rest}"
    )


def _version(response: requests.Response) -> dict:
    """Return `etag`, `modified` and `length` from the headers of a response."""
    headers = response.headers
    length = headers.get("Content-Length")
    return {
        "etag": headers.get("ETag"),
        "modified": headers.get("Last-Modified"),
        "length": int(length) if length is not None else None,
    }


def _validator(record: dict) -> str | None:
    """Return the ETag or date by which a server can confirm a partial file, None without one."""
    etag = record.get("etag")  # RFC 9110: a weak ETag is not valid for a byte range
    return etag if etag and not etag.startswith("W/") else record.get("modified")
