"""One HTTP request to a service that gives tokens or secrets: bounded in time and size, and never redirected."""

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from tidegate.core.config.secret_errors import SecretRefused, SecretSourceUnavailable
from tidegate.core.config.secret_reference import MAX_BYTES

DEADLINE_SECONDS = 5.0
"""For the whole exchange, from the look-up of the name to the last byte."""
_MAX_ANSWER_BYTES = 4 * MAX_BYTES
"""A secret of the greatest size, in base64, with what stands around it."""
_NOT_ALLOWED = (400, 401, 403, 404)

_Document = TypeVar("_Document")


class Answer(msgspec.Struct, frozen=True):
    """An answer, read to its end."""

    status: int
    body: bytes

    def __repr__(self) -> str:
        return f"Answer({self.status})"  # the body may hold a secret

    @property
    def is_success(self) -> bool:
        """Whether the service did what it was asked."""
        return self.status == 200


def fetch(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes = b"",
    *,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> Answer:
    """Send a request, without a proxy; return the answer. Raises SecretSourceUnavailable."""
    place = "the service"
    try:
        address = urlsplit(url)
        place = address.netloc
        with _connection(address.scheme, place, deadline_seconds) as connection:
            path = address._replace(scheme="", netloc="").geturl() or "/"
            connection.request(method, path, body=body or None, headers=dict(headers))
            with contextlib.closing(connection.getresponse()) as response:
                content = response.read(_MAX_ANSWER_BYTES + 1)
                missing = response.length
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise SecretSourceUnavailable(f"{place} did not answer: {reason}.") from error
    if len(content) > _MAX_ANSWER_BYTES:
        raise SecretSourceUnavailable(f"{place} sent more than {_MAX_ANSWER_BYTES:,} bytes.")
    if missing:
        raise SecretSourceUnavailable(f"{place} did not answer: what it sent is incomplete.")
    return Answer(response.status, content)


@contextlib.contextmanager
def _connection(scheme: str, place: str, deadline_seconds: float) -> Iterator[http.client.HTTPConnection]:
    """Yield a connection that is cut at the deadline: a socket's own timeout begins anew with every byte."""
    if scheme == "https":
        tls = ssl.create_default_context()
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


def decode(answer: Answer, kind: type[_Document], service: str) -> _Document:
    """Return the document of a successful answer. Raises SecretRefused or SecretSourceUnavailable."""
    if answer.status in _NOT_ALLOWED:
        raise SecretRefused(f"{service} refused with {answer.status}.")
    if not answer.is_success:
        raise SecretSourceUnavailable(f"{service} answered {answer.status}.")
    try:
        return msgspec.json.decode(answer.body, type=kind, strict=False)  # numbers come as text, too
    except (msgspec.DecodeError, RecursionError) as error:
        raise SecretSourceUnavailable(f"{service} sent a body that is not what it documents.") from error
