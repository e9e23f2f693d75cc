"""A WebSocket to a provider, for sessions that last: bounded in size, in time and in what waits to be read.

The other way to providers is the transport, for calls. Both use the provider's `ConnectionOptions`.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, WebSocketException

from tidegate.core.errors import ConnectionFailed, ConnectTimeout, SessionLost, UpstreamError
from tidegate.core.scrub import REDACTED
from tidegate.providers.http.options import ConnectionOptions

_PING_SECONDS = 20.0
_CLOSE_SECONDS = 2.0
_WRITE_LIMIT = 64 * 1024
"""Bytes that wait to be sent before the sender waits."""

Classify = Callable[[int, Mapping[str, str], bytes], UpstreamError]
"""Returns the error of a refused handshake: its status, its headers with lower-case names, its body."""


class SocketBounds(msgspec.Struct, frozen=True, kw_only=True):
    """What a connection may hold."""

    max_event_bytes: int
    max_waiting_events: int
    """Events that wait to be read; then the upstream has to wait."""
    send_seconds: float
    """After which an upstream that takes no more counts as lost."""


class _Connect(connect):
    """Follows no redirect: the key is for the configured address only."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class UpstreamSocket:
    """An open connection. One task may receive while another one sends."""

    def __init__(self, connection: ClientConnection, bounds: SocketBounds, secret: str) -> None:
        """`secret` is the key with which it was opened."""
        self._connection = connection
        self._bounds = bounds
        self._secret = secret

    def __repr__(self) -> str:
        return f"<UpstreamSocket {self._connection.state.name}>"

    async def receive(self) -> str:
        """Return the next event; may be cancelled and called again without loss. Raises SessionLost."""
        try:
            data = await self._connection.recv()
        except ConnectionClosed as closed:
            raise _lost(closed) from closed
        text = data if isinstance(data, str) else data.decode(errors="replace")
        return text.replace(self._secret, REDACTED) if self._secret and self._secret in text else text

    async def send(self, text: str) -> None:
        """Send an event; wait while the upstream does not read. Raises SessionLost."""
        try:
            async with asyncio.timeout(self._bounds.send_seconds):
                await self._connection.send(text)
        except ConnectionClosed as closed:
            raise _lost(closed) from closed
        except TimeoutError as error:
            raise SessionLost(
                f"The upstream took no event for {self._bounds.send_seconds:g} s, so the session was closed."
            ) from error

    async def close(self) -> None:
        """Close the connection; wait a moment for the upstream to agree."""
        await self._connection.close()


async def open_socket(
    url: str,
    headers: Mapping[str, str],
    options: ConnectionOptions,
    bounds: SocketBounds,
    *,
    classify: Classify,
    secret: str = "",
) -> UpstreamSocket:
    """Open a connection to a `ws` or `wss` address. Raises ConnectTimeout, ConnectionFailed, or what `classify` says.

    Compression is off: a small event could unpack to a large one.
    """
    encrypted: dict[str, Any] = {"ssl": options.tls} if options.tls is not None and url.startswith("wss:") else {}
    seconds = options.connect_seconds + options.first_byte_seconds
    try:
        connection = await _Connect(
            url,
            additional_headers=dict(headers),
            user_agent_header=None,
            compression=None,
            proxy=options.proxy,
            open_timeout=seconds,
            ping_interval=_PING_SECONDS,
            ping_timeout=_PING_SECONDS,
            close_timeout=_CLOSE_SECONDS,
            max_size=bounds.max_event_bytes,
            max_queue=bounds.max_waiting_events,
            write_limit=_WRITE_LIMIT,
            **encrypted,
        )
    except InvalidStatus as refused:
        raise _refusal(refused, classify, secret) from None
    except TimeoutError as error:
        raise ConnectTimeout(f"The upstream opened no session within {seconds:g} s. Retry.") from error
    except (OSError, InvalidHandshake, WebSocketException) as error:
        reason = str(error).replace(secret, REDACTED) if secret else str(error)
        raise ConnectionFailed(f"No session could be opened at the upstream: {reason}", was_connected=False) from error
    return UpstreamSocket(connection, bounds, secret)


def _refusal(refused: InvalidStatus, classify: Classify, secret: str) -> UpstreamError:
    response = refused.response
    body = bytes(response.body or b"")
    if secret:
        body = body.replace(secret.encode(), REDACTED.encode())
    headers = {name.lower(): value for name, value in response.headers.raw_items()}
    return classify(response.status_code, headers, body)


def _lost(closed: ConnectionClosed) -> SessionLost:
    """Return the error of a connection that is closed, with the code that the upstream closed it with."""
    if closed.rcvd is None:
        return SessionLost("The connection to the upstream was lost, so the session has ended. Open another one.")
    return SessionLost(f"The upstream closed the session (code {closed.rcvd.code}). Open another one.")
