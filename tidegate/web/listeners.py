"""Binds the sockets on which the gateway will listen: every address of a host name, of both IP families.

The server listens on them once it can answer, so that load balancers are refused until then.
"""

import contextlib
import errno
import socket

from tidegate.core.config import ConfigError

_ANY = "::"


def bind(host: str, port: int) -> list[socket.socket]:
    """Return a bound socket for each address of `host`; port 0 finds one free port for all of them.

    `::` takes IPv4 as well where the system allows it. Raises ConfigError.
    """
    with contextlib.ExitStack() as opened:
        listeners: list[socket.socket] = []
        for family, address in _addresses(host, port):
            chosen = listeners[0].getsockname()[1] if listeners else port
            listener = opened.enter_context(_bound(family, address, chosen))
            listeners.append(listener)
        opened.pop_all()
        return listeners


def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, str]]:
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise ConfigError(
            f"The gateway did not start: the host {host} is unknown ({error.strerror}). Set `server.host` to an "
            "address of this machine."
        ) from error
    return list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found))


def _bound(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address != _ANY))
        listener.bind((address, port))
    except OSError as error:
        listener.close()
        raise ConfigError(_reason(error, address, port)) from error
    listener.settimeout(0)
    return listener


def _reason(error: OSError, address: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"The gateway did not start: another program listens on port {port} of {address}. Stop it, or choose "
            "another port with --port or `server.port`."
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"The gateway did not start: this user may not listen on port {port}. Choose a port from 1024 on with "
            "--port or `server.port`."
        )
    return (
        f"The gateway did not start: it cannot listen on port {port} of {address} ({error.strerror}). "
        "Check `server.host`."
    )
