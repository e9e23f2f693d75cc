"""One HTTP request to a service that is no model: bounded in time and size, without a proxy, and never redirected."""

import contextlib
import functools
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import msgspec


class ExchangeFailed(Exception):
    """A service did not answer; the message names its host and the reason, never the rest of its address."""


class ServiceAnswer(msgspec.Struct, frozen=True):
    """An answer: its status, and its body as far as it was read."""

    status: int
    body: bytes

    def __repr__(self) -> str:
        return f"ServiceAnswer({self.status})"  # the body may hold a secret

    @property
    def is_success(self) -> bool:
        """Whether the service did what it was asked. A redirect is no success."""
        return 200 <= self.status < 300  # HTTP's class of success


def exchange(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes = b"",
    *,
    deadline_seconds: float,
    max_bytes: int,
) -> ServiceAnswer:
    """Send a request and return the answer; with a `max_bytes` of 0 its body is not read. It blocks the thread.

    `deadline_seconds` is for the whole exchange. Raises ExchangeFailed, also where the body is larger or incomplete.
    """
    place = "the service"
    try:
        address = urlsplit(url)
        place = address.netloc.rpartition("@")[2]
        with _connection(address.scheme, place, deadline_seconds) as connection:
            path = address._replace(scheme="", netloc="").geturl() or "/"
            connection.request(method, path, body=body or None, headers=dict(headers))
            with contextlib.closing(connection.getresponse()) as response:
                content = response.read(max_bytes + 1) if max_bytes else b""
                missing = max_bytes and response.length
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise ExchangeFailed(f"{place} did not answer: {reason}.") from error
    if len(content) > max_bytes:
        raise ExchangeFailed(f"{place} sent more than {max_bytes:,} bytes.")
    if missing:
        raise ExchangeFailed(f"{place} did not answer: what it sent is incomplete.")
    return ServiceAnswer(response.status, content)


@functools.cache
def _trusted_authorities() -> ssl.SSLContext:
    return ssl.create_default_context()  # reading the system's authorities takes longer than a request


@contextlib.contextmanager
def _connection(scheme: str, place: str, deadline_seconds: float) -> Iterator[http.client.HTTPConnection]:
    """Yield a connection that is cut at the deadline: a socket's own timeout begins anew with every byte."""
    if scheme == "https":
        tls = _trusted_authorities()
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            place, timeout=deadline_seconds, context=tls
        )
    else:
        connection = http.client.HTTPConnection(place, timeout=deadline_seconds)

    def cut() -> None:
        for connected in sockets:
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)

    sockets: list[socket.socket] = []
    timer = threading.Timer(deadline_seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        connection.connect()
        sockets.append(connection.sock)  # the connection lets go of it with the answer's head
        yield connection
    finally:
        timer.cancel()
        connection.close()
