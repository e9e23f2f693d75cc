"""The gateway listens on every address of its host, and says in one sentence why it cannot."""

import socket

import pytest

from tidegate.core.config import ConfigError
from tidegate.web.listeners import bind


def test_a_name_with_two_addresses_takes_both_on_one_port() -> None:
    listeners = bind("localhost", 0)
    try:
        assert {listener.getsockname()[0] for listener in listeners} <= {"127.0.0.1", "::1"}
        (port,) = {listener.getsockname()[1] for listener in listeners}
        for listener in listeners:
            listener.listen()
            socket.create_connection((listener.getsockname()[0], port)).close()
    finally:
        for listener in listeners:
            listener.close()


def test_the_address_of_all_ipv6_takes_ipv4_as_well() -> None:
    (listener,) = bind("::", 0)
    with listener:
        listener.listen()
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, listener.getsockname()[1])).close()


@pytest.mark.parametrize(
    ("host", "said"),
    [("no-such-host.invalid", "the host no-such-host.invalid is unknown"), ("192.0.2.1", "cannot listen")],
)
def test_a_host_that_is_not_this_machine(host: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        bind(host, 0)


def test_a_port_that_another_program_has() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigError, match="another program listens"):
        bind("127.0.0.1", taken.getsockname()[1])
