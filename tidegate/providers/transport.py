"""The HTTP client: one per process for all providers, and the one edge where its exceptions become typed errors."""

import asyncio
import contextlib
import errno
import functools
import io
import select
import ssl
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import msgspec
from aiohttp.client_proto import ResponseHandler

from tidegate.core.config import ProviderConfig
from tidegate.core.errors import (
    AnswerTooLarge,
    ConnectionFailed,
    ConnectTimeout,
    FirstByteTimeout,
    NoDescriptors,
    StreamIdle,
    TotalTimeout,
    TruncatedStream,
    UpstreamError,
    UpstreamTimeout,
)
from tidegate.core.interrupt import Interruption
from tidegate.core.scrub import REDACTED

_KEPT_ALIVE_SECONDS = 55.0
"""Shorter than the 60 s after which common load balancers drop an idle connection."""


_SENT_AT_ONCE = 256 * 1024
"""Bytes; a longer body is sent piece by piece, so that others get their turn meanwhile."""

_READ_AT_ONCE = 32 * 1024
"""Bytes of an answer, between two turns of all others: a bomb unpacks faster than it is looked through."""

_LONGEST_HEADER = 64 * 1024
"""Bytes; what proxies in between add is long at times."""

_MOST_AHEAD = 16
"""Interim answers (1xx) that wait to be looked at; whoever sends more sends nothing else."""

_LOOK_SECONDS = 1.0
"""Between looks whether a silent answer's connection is still there."""

_SHORTEST_SECRET = 8
"""Characters; a shorter key is no secret, and may be a word."""

_DRAIN_SECONDS = 1.0
"""How long an answer's connection may take to end after its terminal event."""


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """How a provider is reached, and how long it may take."""

    connect_seconds: float
    first_byte_seconds: float
    idle_seconds: float
    total_seconds: float
    max_answer_bytes: int
    timeout: aiohttp.ClientTimeout
    """Of the connection only; the other clocks are `Clocks`."""
    proxy: str | None = None
    trust: ssl.SSLContext | bool = True
    section: str = "upstream"
    """The section of the configuration that says so."""


def way_to(config: ProviderConfig, *, section: str = "upstream") -> Way:
    """The way to a provider whose configuration has everything said."""
    return Way(
        **{name: getattr(config, name) for name in _SAID},
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=config.connect_seconds),
        proxy=_proxy(config.base_url or ""),  # not trust_env: that reads ~/.netrc in a thread at each request
        trust=_trust(config.ca_file),
        section=section,
    )


_SAID = ("connect_seconds", "first_byte_seconds", "idle_seconds", "total_seconds", "max_answer_bytes")


class Exchange:
    """One call's answer as it arrives: the status and headers are here, the body is still coming."""

    def __init__(self, response: aiohttp.ClientResponse, way: Way, clocks: "Clocks", *, secret: str = "") -> None:
        """`secret` is the key that was sent: a refusal that repeats it is given without."""
        self._response = response
        self._secret = secret.encode() if len(secret) >= _SHORTEST_SECRET else b""
        self._way = way
        self._clocks = clocks
        self._loop = clocks.loop
        self._timer: asyncio.TimerHandle | None = None
        self._late = False
        self._at_once = 0
        """Bytes read without having waited for any."""
        self._finishing: asyncio.Task[None] | None = None
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        """Found by their names in any case."""

    async def some(self) -> bytes:
        """The next bytes of the body, empty at its end; may be cancelled and called again without loss.

        Raises FirstByteTimeout, StreamIdle, TotalTimeout or TruncatedStream.
        """
        content = self._response.content
        if self._at_once >= _READ_AT_ONCE:
            self._at_once = 0
            self._watch_clocks()
            await asyncio.sleep(0)  # what comes faster than it is read must not keep all others waiting
        try:
            data = content.read_nowait(_READ_AT_ONCE)
            if not data and not content.at_eof():
                self._at_once = 0
                self._watch_clocks()
                data = await content.read(_READ_AT_ONCE)
        except (aiohttp.ClientError, OSError) as error:
            if self._late:
                raise self._clocks.ran_out() from error
            raise TruncatedStream(f"The upstream's answer broke off: {type(error).__name__}.") from error
        self._at_once += len(data)
        self._clocks.byte_came()
        return data

    def _watch_clocks(self) -> None:
        """One timer for the whole answer, set again each time it goes off early."""
        if self._timer is None:
            self._timer = self._loop.call_at(min(self._clocks.deadline, self._loop.time() + _LOOK_SECONDS), self._look)

    def _look(self) -> None:
        self._timer = None
        if self._response.content.is_eof():
            return
        self._late = self._loop.time() >= self._clocks.deadline
        if self._late or self._is_lost():
            self.close()
        else:
            self._watch_clocks()

    def _is_lost(self) -> bool:
        # a body that breaks HTTP's own rules has the client drop the connection and tell nobody who waits for it
        connection = self._response.connection
        return connection is not None and (connection.transport is None or connection.transport.is_closing())

    async def whole(self) -> bytes:
        """The whole body, at most `max_answer_bytes`. Raises as `some` does, and AnswerTooLarge."""
        parts: list[bytes] = []
        size = 0
        while data := await self.some():
            size += len(data)
            if size > self._way.max_answer_bytes:
                self.close()
                raise AnswerTooLarge
            parts.append(data)
        body = b"".join(parts)
        if self._secret and self.status >= 300:  # refusals only: who is answered is not to be searched
            return body.replace(self._secret, REDACTED.encode())
        return body

    def close(self) -> None:
        """Cut the connection, unless the body was read to its end."""
        self._response.close()
        self._still()

    def finish(self) -> None:
        """Give the connection back to the pool, which needs the body's very end: wait a moment for it, or cut."""
        self._still()
        if not self._response.content.at_eof() and not self._response.closed:
            self._finishing = asyncio.create_task(self._drain(), name="upstream-drain")

    def _still(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _drain(self) -> None:
        # RuntimeError: the client was closed at shutdown while this waited
        with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError, RuntimeError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while await self._response.content.readany():
                    pass
        self._response.close()


class Clocks:
    """The deadlines of one call, in the event loop's time: first byte, then silence, and the whole."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self.loop = asyncio.get_running_loop()
        started = self.loop.time()
        self._total = started + way.total_seconds
        self._next = started + way.first_byte_seconds
        self._begun = False

    @property
    def deadline(self) -> float:
        """When the next byte must have come."""
        return min(self._next, self._total)

    def byte_came(self) -> None:
        """The answer's body is on its way: from here on silence counts."""
        self._begun = True
        self._next = self.loop.time() + self._way.idle_seconds

    def ran_out(self) -> UpstreamError:
        """The error that says which of the clocks it was."""
        if self._total <= self._next:
            return _clock(TotalTimeout, self._way)
        return _clock(StreamIdle if self._begun else FirstByteTimeout, self._way)


class _Handler(ResponseHandler):
    """One connection, which ends when the upstream says something on it that nobody asked for.

    The library would take that for the answer to the next call, and so to another caller.
    """

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if data and self._is_idle() and self.transport is not None:
            self.transport.close()
            return
        super().data_received(data)
        if len(self._buffer) > _MOST_AHEAD and self.transport is not None:
            self.transport.close()

    def is_connected(self) -> bool:
        """Whether it may serve another call: the pool asks this of a connection that is idle."""
        return super().is_connected() and not self._has_spoken()

    def _is_idle(self) -> bool:
        """Whether the last answer came to its end and no other is awaited; after a 1xx somebody waits."""
        over = self._payload is not None and self._payload.is_eof()
        return over and not self._buffer and self._waiter is None

    def _has_spoken(self) -> bool:
        # what has arrived while this process was busy elsewhere, and is not read yet
        connection = None if self.transport is None else self.transport.get_extra_info("socket")
        if connection is None:
            return False
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        return bool(poll.poll(0))


class _Connector(aiohttp.TCPConnector):
    """The pool of such connections."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory = functools.partial(_Handler, loop=self._loop)  # type: ignore[assignment]  # a kind of it


class Transport:
    """The pooled client. Use it as an async context manager; it is closed at shutdown."""

    def __init__(self, *, max_connections: int) -> None:
        """`max_connections` to each provider, so that one that hangs takes no connection from another."""
        self._max_connections = max_connections
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = _Connector(
            limit=0, limit_per_host=self._max_connections, keepalive_timeout=_KEPT_ALIVE_SECONDS, ttl_dns_cache=30
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=True,
            cookie_jar=aiohttp.DummyCookieJar(),
            max_line_size=_LONGEST_HEADER,
            max_field_size=_LONGEST_HEADER,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(  # all of a request, and how it is sent
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, way: Way, *, secret: str = ""
    ) -> Exchange:
        """Send one request and wait for its answer's headers; `secret` is the key among them.

        `headers` name `accept`, `accept-encoding` and `user-agent`: the client would say these for itself.
        Raises ConnectTimeout, ConnectionFailed, FirstByteTimeout or TotalTimeout; cancelling it cuts the connection.
        """
        assert self._session is not None, "the transport is used inside its context"  # noqa: S101  # a programming error
        clocks = Clocks(way)
        data = io.BytesIO(body) if body is not None and len(body) > _SENT_AT_ONCE else body
        try:
            with Interruption(min(way.first_byte_seconds, way.total_seconds), clocks.ran_out):
                response = await self._session.request(
                    method,
                    url,
                    data=data,
                    headers=headers,
                    allow_redirects=False,
                    timeout=way.timeout,
                    proxy=way.proxy,
                    ssl=way.trust,
                )
        except aiohttp.ConnectionTimeoutError as error:
            raise _clock(ConnectTimeout, way) from error
        except aiohttp.ClientResponseError as error:
            said = error.message.partition(":")[0]  # what follows is the upstream's own bytes
            raise ConnectionFailed(f"What the upstream answered is not HTTP: {said}.") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # ValueError: a header or an address the client refuses to send
            if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
                raise NoDescriptors from error  # ours: the upstream is not to blame
            raise ConnectionFailed(_unreachable(error)) from error
        return Exchange(response, way, clocks, secret=secret)


def _unreachable(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return f"The upstream could not be reached, or hung up before answering: {reason}."


def _clock(kind: type[UpstreamTimeout], way: Way) -> UpstreamError:
    key = kind.setting.removeprefix("upstream.")
    setting = f"{way.section}.{key}"
    variable = "TIDEGATE_" + setting.replace(".", "__").upper()
    what = (kind.__doc__ or "").partition("\n")[0]
    clock = f"{setting} = {getattr(way, key):g} s"
    return kind(f"{what} The clock that ran out: {clock}; raise it there or by {variable}.")


def _proxy(url: str) -> str | None:
    """The environment's proxy for an address (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY)."""
    parts = urlsplit(url)
    if proxy_bypass(parts.netloc):
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy  # many write `proxy:3128`


def _trust(ca_file: Path | None) -> ssl.SSLContext | bool:
    if ca_file is None:
        return True
    context = ssl.create_default_context()
    context.load_verify_locations(cafile=str(ca_file))
    return context
