"""Checks that what answers at PostgreSQL's address speaks PostgreSQL's protocol, before asyncpg reads it.

asyncpg trusts the length that each message states. At a message of zero bytes it would loop for ever, outside of
Python, so that no timeout and no signal ends it. The check ends with the server's first ReadyForQuery. It costs nothing
after that: asyncpg then reads from the transport itself.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from asyncpg.protocol import Protocol

_HEADER_BYTES = 5
"""A type and a length, which counts itself."""
_STARTUP_TYPES = frozenset(b"RSKZENv")
"""Authentication, parameters, the session's key, ReadyForQuery, errors, notices, the version of the protocol."""
_READY_FOR_QUERY = ord("Z")
_MIN_LENGTH = 4
_MAX_STARTUP_LENGTH = 65_536


class NotPostgres(ConnectionError):
    """Something that does not speak PostgreSQL's protocol answers at PostgreSQL's address."""


class GuardedLoop:
    """The event loop as asyncpg sees it: connections that are opened through it are checked."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    async def create_connection(self, factory: Callable[[], Any], *args: Any, **options: Any) -> tuple[Any, Any]:
        """Connect as the loop does."""
        transport, protocol = await self._loop.create_connection(lambda: _checked(factory()), *args, **options)
        return _opened(transport, protocol)

    async def create_unix_connection(self, factory: Callable[[], Any], *args: Any, **options: Any) -> tuple[Any, Any]:
        """Connect as the loop does."""
        transport, protocol = await self._loop.create_unix_connection(lambda: _checked(factory()), *args, **options)
        return _opened(transport, protocol)

    async def start_tls(self, transport: "_Transport", *args: Any, **options: Any) -> "_Transport | None":
        """Encrypt as the loop does."""
        encrypted = await self._loop.start_tls(transport.real, *args, **options)
        return None if encrypted is None else _Transport(encrypted)


class _Transport:
    """A transport before TLS is agreed on: the protocol that comes after the agreement is checked, too."""

    def __init__(self, real: asyncio.Transport) -> None:
        self.real = real
        self.write = real.write  # asyncpg's own calls cost no step more

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def set_protocol(self, protocol: Any) -> None:
        checked = _checked(protocol)
        checked.transport = self.real
        self.real.set_protocol(checked)


class StartupCheck(asyncio.Protocol):
    """Passes the server's first messages on, as long as they can be PostgreSQL's."""

    def __init__(self, checked: Any) -> None:
        self.checked = checked
        self.transport: asyncio.Transport | None = None
        self._header = b""
        self._body_left = 0

    def connection_made(self, transport: Any) -> None:
        """Pass the transport on."""
        self.transport = transport
        self.checked.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Pass the bytes on, or end the connection."""
        assert self.transport is not None  # noqa: S101  # data follows a connection
        try:
            is_over = self._read(data)
        except NotPostgres as error:
            self.transport.abort()
            self.transport.set_protocol(asyncio.Protocol())
            self.checked.connection_lost(error)
            return
        if is_over:
            self.transport.set_protocol(self.checked)
        self.checked.data_received(data)

    def eof_received(self) -> Any:
        """Pass it on."""
        return self.checked.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on."""
        self.checked.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass it on."""
        self.checked.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self.checked.resume_writing()

    def _read(self, data: bytes) -> bool:
        """Follow the messages; return whether the last of the startup has begun. Raises NotPostgres."""
        while data:
            skipped = min(self._body_left, len(data))
            self._body_left -= skipped
            data = data[skipped:]
            missing = _HEADER_BYTES - len(self._header)
            self._header += data[:missing]
            data = data[missing:]
            if self._header and self._header[0] not in _STARTUP_TYPES:
                raise NotPostgres(_WRONG)
            if len(self._header) < _HEADER_BYTES:
                return False
            length = int.from_bytes(self._header[1:], signed=True)
            if not _MIN_LENGTH <= length <= _MAX_STARTUP_LENGTH:
                raise NotPostgres(_WRONG)
            if self._header[0] == _READY_FOR_QUERY:
                return True
            self._header, self._body_left = b"", length - _MIN_LENGTH
        return False


_WRONG = "what answers there does not speak PostgreSQL's protocol"


def _checked(protocol: Any) -> Any:
    """Return the protocol with its check; the one that only asks for TLS checks its single byte itself."""
    return StartupCheck(protocol) if isinstance(protocol, Protocol) else protocol


def _opened(transport: Any, protocol: Any) -> tuple[Any, Any]:
    if isinstance(protocol, StartupCheck):
        return transport, protocol.checked
    return _Transport(transport), protocol
