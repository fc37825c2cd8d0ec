"""Downloads: complete or absent, continued after a break, checked, and with clear errors."""

import gzip
import hashlib
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from support.loopback import Loopback

from seaice import files
from seaice.errors import DataError
from seaice.sources import download, transfer

SIZE = 3_000_000
NAME = "ice/sic_2012.nc"
QUICK = {"backoff": 0.01, "progress": False}


@pytest.fixture(autouse=True)
def local_only(own_folders, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def content(tmp_path) -> bytes:
    """Return bytes that do not repeat, published as `NAME` below tmp_path / "site"."""
    content = b"".join(
        hashlib.sha256(bytes([i % 256, i // 256 % 256, i // 65536])).digest() for i in range(SIZE // 32)
    )
    (tmp_path / "site" / "ice").mkdir(parents=True)
    (tmp_path / "site" / NAME).write_bytes(content)
    return content


def served(tmp_path, **options) -> Loopback:
    return Loopback(tmp_path / "site", **options)


def left(tmp_path) -> set[str]:
    """Return the names of all files in the cache."""
    return {p.name for p in (tmp_path / "data").rglob("*") if p.is_file()}


def test_a_file_is_fetched_once_and_verified_after(tmp_path, content):
    with served(tmp_path) as site:
        file = download.fetch(f"{site.url}/{NAME}", **QUICK)
        assert file.read_bytes() == content
        assert left(tmp_path) == {"sic_2012.nc", "sic_2012.nc.fetched.json"}
        assert download.fetch(f"{site.url}/{NAME}", **QUICK) == file
        assert site.sent == len(content)
        file.write_bytes(content[:1000])  # a damaged copy has another checksum than the recorded one
        assert download.fetch(f"{site.url}/{NAME}", **QUICK).read_bytes() == content


def test_a_cached_file_opens_without_the_server(tmp_path, content):
    with served(tmp_path) as site:
        file = download.fetch(f"{site.url}/{NAME}", **QUICK)
        online = download.fingerprint(f"{site.url}/{NAME}")
    assert download.fetch(f"{site.url}/{NAME}", **QUICK) == file
    assert download.fingerprint(f"{site.url}/{NAME}") == online


def test_a_server_that_dies_midway_and_comes_back_sends_each_byte_once(tmp_path, content):
    with served(tmp_path, faults=[("down", 1_200_000)]) as site:
        with pytest.raises(download.DownloadError, match="1200000 bytes are kept"):
            download.fetch(f"{site.url}/{NAME}", attempts=2, **QUICK)
    assert left(tmp_path) == {"sic_2012.nc.part", "sic_2012.nc.part.json"}
    with served(tmp_path, port=site.port) as back:
        file = download.fetch(f"{back.url}/{NAME}", **QUICK)
    assert back.requests == [("GET", f"/{NAME}", "bytes=1200000-")]
    assert site.sent + back.sent == len(content)
    assert file.read_bytes() == content
    assert left(tmp_path) == {"sic_2012.nc", "sic_2012.nc.fetched.json"}


def test_cuts_that_bring_new_bytes_do_not_count_against_the_attempts(tmp_path, content):
    with served(tmp_path, faults=[("cut", 300_000)] * 8) as site:
        assert download.fetch(f"{site.url}/{NAME}", attempts=2, **QUICK).read_bytes() == content
    assert site.sent == len(content)


@pytest.mark.parametrize("careful", [True, False])
def test_a_file_that_changed_meanwhile_starts_over(tmp_path, content, careful):
    with served(tmp_path, careful=careful, faults=[("cut", 1_000_000)] + [503] * 2) as site:
        with pytest.raises(download.DownloadError, match="HTTP 503"):
            download.fetch(f"{site.url}/{NAME}", attempts=2, **QUICK)
        newer = content[::-1]
        (tmp_path / "site" / NAME).write_bytes(newer)
        assert download.fetch(f"{site.url}/{NAME}", **QUICK).read_bytes() == newer


def test_a_server_without_ranges_starts_over(tmp_path, content):
    with served(tmp_path, ranges=False, faults=[("cut", 1_000_000)]) as site:
        assert download.fetch(f"{site.url}/{NAME}", **QUICK).read_bytes() == content
    assert site.sent == len(content) + 1_000_000


def test_bytes_no_server_can_vouch_for_are_not_kept(tmp_path, content):
    with served(tmp_path, etags=False, faults=[("cut", 1_000_000)] * 2) as site:
        with pytest.raises(
            download.DownloadError, match="of 3000000 bytes came|IncompleteRead|ProtocolError"
        ):
            download.fetch(f"{site.url}/{NAME}", attempts=1, **QUICK)
    assert left(tmp_path) == set()


def test_a_body_that_is_always_short_never_looks_whole(tmp_path, content):
    with served(tmp_path, ranges=False, faults=[("cut", 1_000_000)] * 9) as site:
        with pytest.raises(download.DownloadError, match="tried 3 times"):
            download.fetch(f"{site.url}/{NAME}", attempts=3, **QUICK)
    assert left(tmp_path) == {"sic_2012.nc.part", "sic_2012.nc.part.json"}


def test_a_length_nobody_tells_needs_a_hash(tmp_path, content):
    digest = hashlib.sha256(content).hexdigest()
    with served(tmp_path, sized=False, ranges=False) as site:
        with pytest.raises(download.DownloadError, match="does not say how long.*give its sha256"):
            download.fetch(f"{site.url}/{NAME}", **QUICK)
        assert left(tmp_path) == set()
        assert download.fetch(f"{site.url}/{NAME}", sha256=digest, **QUICK).read_bytes() == content


def test_a_wrong_hash_is_an_error_and_leaves_nothing(tmp_path, content):
    with served(tmp_path) as site:
        with pytest.raises(download.DownloadError, match=f"sha256 is [0-9a-f]{{64}}, expected {'0' * 64}"):
            download.fetch(f"{site.url}/{NAME}", sha256="0" * 64, **QUICK)
    assert left(tmp_path) == set()


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (404, download.NotThereError, "has no such file"),
        (401, download.DownloadError, "credentials"),
        (403, download.DownloadError, "credentials"),
        (400, download.DownloadError, "HTTP 400"),
    ],
)
def test_a_refusal_is_told_at_once_without_secrets(tmp_path, content, status, kind, message):
    with served(tmp_path, faults=[status]) as site:
        address = f"http://someone:hunter2@127.0.0.1:{site.port}/{NAME}?token=hunter3"
        with pytest.raises(kind, match=message) as caught:
            download.fetch(address, **QUICK)
    assert len(site.requests) == 1
    assert "hunter" not in str(caught.value) and NAME in str(caught.value)
    assert left(tmp_path) == set()


def test_an_unreachable_server_is_named_without_secrets(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for action in (download.fetch, download.fingerprint):
        with pytest.raises(download.DownloadError, match="127.0.0.1 does not answer") as caught:
            action(
                f"http://127.0.0.1:{port}/{NAME}?token=hunter2", **(QUICK if action is download.fetch else {})
            )
        assert "hunter2" not in str(caught.value) and caught.value.__suppress_context__
    assert left(tmp_path) == set()


def test_a_server_that_hangs_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "TIMEOUT", (1, 0.1))
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(download.DownloadError, match="ReadTimeout.*tried 2 times"):
            download.fetch(f"http://127.0.0.1:{silent.getsockname()[1]}/{NAME}", attempts=2, **QUICK)
    assert left(tmp_path) == set()


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/a.nc", "http://127.0.0.1/", "nonsense"])
def test_what_is_no_address_of_a_file_is_refused(url):
    with pytest.raises(DataError, match="not the http"):
        download.fetch(url)


def test_a_full_disk_is_told(tmp_path, content, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("seaice.sources.transfer.write_json", full)
    with served(tmp_path) as site, pytest.raises(download.DownloadError, match="No space left on device"):
        download.fetch(f"{site.url}/{NAME}", **QUICK)
    assert left(tmp_path) == set()


def test_addresses_that_differ_in_the_query_have_their_own_copies():
    paths = {download.local_path(f"http://127.0.0.1/get/a.csv?entry={i}") for i in range(3)}
    assert len(paths) == 3 and {p.name for p in paths} == {"a.csv"}


def test_no_address_leads_out_of_the_cache(tmp_path):
    assert download.local_path("http://h/../../%2e%2e/etc/a", folder=tmp_path) == tmp_path / "h" / "etc" / "a"


FETCH = "import sys; from seaice.sources import download; print(download.fetch(sys.argv[1], backoff=0.01, progress=False))"


def test_two_processes_fetch_one_file_once(tmp_path, content):
    with served(tmp_path) as site:
        command = [sys.executable, "-c", FETCH, f"{site.url}/{NAME}"]
        both = [
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=os.getcwd()) for _ in range(2)
        ]
        files = {p.communicate(timeout=60)[0] for p in both}
    assert len(files) == 1 and site.sent == len(content)
    assert left(tmp_path) == {"sic_2012.nc", "sic_2012.nc.fetched.json"}


def test_a_killed_process_leaves_a_part_that_the_next_continues(tmp_path, content):
    with served(tmp_path, faults=[("cut", 900_000)] + [503] * 50) as site:
        url = f"{site.url}/{NAME}"
        slow = FETCH.replace("backoff=0.01", "backoff=30")
        process = subprocess.Popen([sys.executable, "-c", slow, url])
        part = download.local_path(url).with_name("sic_2012.nc.part")
        end = time.monotonic() + 30
        while not (part.exists() and part.stat().st_size == 900_000) and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        site.faults.clear()
        assert download.fetch(url, **QUICK).read_bytes() == content
    assert site.sent == len(content)


def test_a_part_that_is_complete_needs_no_request(tmp_path, content):
    with served(tmp_path) as site:
        url = f"{site.url}/{NAME}"
        part = download.local_path(url).with_name("sic_2012.nc.part")
        part.parent.mkdir(parents=True)
        part.write_bytes(content)
        files.write_json(part.with_name("sic_2012.nc.part.json"), {"etag": '"x"', "length": len(content)})
        assert download.fetch(url, **QUICK).read_bytes() == content
    assert site.requests == []


def test_a_fingerprint_changes_with_the_file(tmp_path, content):
    with served(tmp_path) as site:
        before = download.fingerprint(f"{site.url}/{NAME}")
        assert before == download.fingerprint(f"{site.url}/{NAME}")
        (tmp_path / "site" / NAME).write_bytes(b"new")
        assert download.fingerprint(f"{site.url}/{NAME}") != before
    assert site.sent == 0


def test_gzip_is_unpacked_beside_and_damage_is_told(tmp_path):
    packed = tmp_path / "a.nc.gz"
    packed.write_bytes(gzip.compress(b"ice" * 1000))
    assert download.unpack(packed).read_bytes() == b"ice" * 1000
    short = tmp_path / "b.nc.gz"
    short.write_bytes(packed.read_bytes()[:-5])
    with pytest.raises(download.DownloadError, match="b.nc.gz: not a whole gzip file"):
        download.unpack(short)
    assert {p.name for p in tmp_path.iterdir() if p.name.startswith("b")} == {"b.nc.gz"}


def test_a_web_page_in_place_of_the_file_is_refused_and_not_kept(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "a.nc").write_text("\n<!DOCTYPE html><html><body>log in</body></html>")
    with served(tmp_path) as site, pytest.raises(DataError, match="a.nc: .* with a web page"):
        download.fetch(f"{site.url}/a.nc", folder=tmp_path / "copies", **QUICK)
    assert not list((tmp_path / "copies").rglob("a.nc*"))


def test_a_copy_is_refreshed_only_when_asked_and_replaced(tmp_path, caplog):
    (tmp_path / "site").mkdir()
    file = tmp_path / "site" / "a.nc"
    file.write_bytes(b"to 2024")
    with served(tmp_path) as site:
        url, folder = f"{site.url}/a.nc", tmp_path / "copies"
        download.fetch(url, folder=folder)
        file.write_bytes(b"to 2025, longer")
        assert download.fetch(url, folder=folder).read_bytes() == b"to 2024"
        assert download.fetch(url, folder=folder, fresh=True).read_bytes() == b"to 2025, longer"
        sent = site.sent
        download.fetch(url, folder=folder, fresh=True)
        assert site.sent == sent  # asked, and nothing fetched
    assert download.fetch(url, folder=folder, fresh=True).read_bytes() == b"to 2025, longer"
    assert "the copy of an earlier day is used" in caplog.text
