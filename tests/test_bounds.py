"""What tests may not do: reach out to the network, where servers on this machine are let through, or start a kernel unmarked."""

import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest


@pytest.mark.parametrize("connect", ["connect", "connect_ex"])
@pytest.mark.parametrize(
    ("family", "address"), [(socket.AF_INET, ("192.0.2.1", 80)), (socket.AF_INET6, ("2001:db8::1", 80, 0, 0))]
)
def test_another_machine_is_refused_before_anything_is_sent(connect, family, address):
    with socket.socket(family) as client:
        client.settimeout(0.1)
        with pytest.raises(AssertionError, match=f"tried to reach {address[0]} port 80"):
            getattr(client, connect)(address)


def test_this_machine_is_let_through():
    with socket.create_server(("127.0.0.1", 0)) as server:
        listener = threading.Thread(target=lambda: server.accept()[0].close())
        listener.start()
        with socket.create_connection(server.getsockname()):
            pass
        listener.join()


def test_a_socket_in_a_file_is_let_through(tmp_path):
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(str(tmp_path / "s"))
        server.listen()
        client.connect(str(tmp_path / "s"))


@pytest.mark.parametrize("words", [["-m", "ipykernel_launcher"], ["-m", "seaice.run", "params/demo.yaml"]])
def test_a_kernel_is_refused_before_it_starts(words):
    with pytest.raises(AssertionError, match="starts a kernel: mark it `chain`"):
        subprocess.run([sys.executable, *words], check=True)


# Rooms that start without Keras by contract (pyproject.toml), and what their tests leave alone: TensorFlow takes 5 s to import.
FAST = ("config", "geo", "prepare", "sources", "twin")
SLOW = re.compile(
    r"^(?:import|from) (?:keras|tensorflow|seaice\.(?:networks|forecasts|explain|realtime)|"
    r"support\.(?:fitting|tiny|realtime_run))|^from seaice import .*\b(?:networks|forecasts|explain|realtime)\b",
    re.MULTILINE,
)


@pytest.mark.parametrize("room", FAST)
def test_tests_of_rooms_below_the_networks_are_collected_without_them(room):
    files = sorted((Path(__file__).parent / room).glob("test_*.py"))
    assert files
    assert {
        file.name: found for file in files if (found := SLOW.findall(file.read_text(encoding="utf-8")))
    } == {}
