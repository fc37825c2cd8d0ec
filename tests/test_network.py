"""No test reaches out to the network; servers on this machine are let through."""

import socket
import threading

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
