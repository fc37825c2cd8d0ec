"""Shared fixtures: real data where SEAICE_DATA names a folder, a cache and results folder of each test's own, no network."""

import ipaddress
import os
import socket
import subprocess
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples on every machine, however slow: a test that fails once fails again.
settings.register_profile("same", deadline=None, derandomize=True)
settings.load_profile("same")


@pytest.fixture
def seaice_data() -> Path:
    """Folder of real data; the test is skipped with a reason where there is none."""
    folder = os.environ.get("SEAICE_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("SEAICE_DATA names no folder of real data")
    return Path(folder)


@pytest.fixture
def own_folders(tmp_path, monkeypatch) -> Path:
    """Point cache and results at a temporary folder, so that a test leaves nothing behind."""
    monkeypatch.setenv("SEAICE_CACHE", str(tmp_path / "data"))
    monkeypatch.setenv("SEAICE_RESULTS", str(tmp_path / "results"))
    return tmp_path


@pytest.fixture
def toy_project(tmp_path, monkeypatch) -> Path:
    """A project with a run of three small notebooks, as the working directory."""
    from support import toy_run  # here, since only few tests need notebooks

    monkeypatch.delenv("SEAICE_CACHE", raising=False)
    monkeypatch.delenv("SEAICE_RESULTS", raising=False)
    folder = toy_run.make_project(tmp_path / "project")
    monkeypatch.chdir(folder)
    return folder


class Reached(AssertionError):
    """A test went beyond its bounds. No OSError, which the code under test would take for a server that is down."""


@pytest.fixture(scope="session", autouse=True)
def no_network():
    """Let tests of this process connect to this machine only, so that they neither need nor burden a server elsewhere.

    Raises Reached for any other TCP connection. Datagrams pass: Dask finds its own address with one that it never sends.
    """

    def guarded(connect):
        def only_here(self, address):
            if self.family in (socket.AF_INET, socket.AF_INET6) and self.type == socket.SOCK_STREAM:
                host = str(address[0]).partition("%")[0]
                if (
                    host != "localhost"
                    and not ipaddress.ip_address(host).is_loopback
                    and host not in _own_addresses()
                ):
                    raise Reached(
                        f"a test tried to reach {address[0]} port {address[1]}; give it a server of its own"
                    )
            return connect(self, address)

        return only_here

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, guarded(getattr(socket.socket, name)))
        yield


# What starts kernels: Jupyter's launcher, and the commands that execute pages.
KERNELS = {"ipykernel_launcher", "seaice.run", "papermill", "--nbval", "--nbval-lax"}


@pytest.fixture(autouse=True)
def no_kernels(request, monkeypatch):
    """Let only tests that are marked `chain` start a kernel, which takes ten seconds: `-m "not chain"` stays quick.

    Raises Reached where another test starts one.
    """
    start = subprocess.Popen.__init__

    def guarded(self, args, *rest, **options):
        if KERNELS & {str(word) for word in ([args] if isinstance(args, str | os.PathLike) else args)}:
            raise Reached(
                f"{request.node.name} starts a kernel: mark it `chain`, or execute the page's code here"
            )
        return start(self, args, *rest, **options)

    if not request.node.get_closest_marker("chain"):
        monkeypatch.setattr(subprocess.Popen, "__init__", guarded)


def _own_addresses() -> set[str]:
    """Addresses of this machine, on which a Dask scheduler may listen."""
    try:
        return {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None)}
    except OSError:
        return set()
