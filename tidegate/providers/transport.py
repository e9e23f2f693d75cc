"""The HTTP client: one per process for all providers, and the one edge where its exceptions become typed errors."""

import asyncio
import contextlib
import errno
import ssl
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import msgspec

from tidegate.core.config import ProviderConfig
from tidegate.core.errors import (
    AnswerTooLarge,
    ConnectionFailed,
    ConnectTimeout,
    FirstByteTimeout,
    IdleTimeout,
    OutOfFileDescriptors,
    TotalTimeout,
    TruncatedAnswer,
    UpstreamError,
    UpstreamTimeout,
)
from tidegate.core.process.interrupt import Interruption
from tidegate.core.scrub import REDACTED
from tidegate.providers.answer_memory import AnswerMemory
from tidegate.providers.connection import CallConnection, CallConnector
from tidegate.providers.request_body import RequestBody, is_long, pieces_of, size_of

_KEEPALIVE_SECONDS = 55.0
"""Shorter than the 60 s after which common load balancers drop an idle connection."""

_READ_CHUNK_BYTES = 32 * 1024
"""Bytes of an answer, between two turns of all others: a bomb unpacks faster than it is looked through."""

_MAX_HEADER_BYTES = 64 * 1024
"""Bytes; what proxies in between add is long at times."""

_CHECK_SECONDS = 1.0
"""Between looks whether a silent answer's connection is still there."""

_MIN_SECRET_CHARS = 8
"""Characters; a shorter key is no secret, and may be a word."""

_DRAIN_SECONDS = 1.0
"""How long an answer's connection may take to end after its terminal event."""


class ConnectionOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a provider is connected to, and its timeouts."""

    connect_seconds: float
    first_byte_seconds: float
    idle_seconds: float
    total_seconds: float
    max_answer_bytes: int
    timeout: aiohttp.ClientTimeout
    """Of the connection only; the other clocks are `Clocks`."""
    proxy: str | None = None
    tls: ssl.SSLContext | bool = True
    section: str = "upstream"
    """The section of the configuration that sets these."""


def connection_options(config: ProviderConfig, *, section: str = "upstream") -> ConnectionOptions:
    """Return the connection options of a provider whose configuration has its defaults filled in."""
    return ConnectionOptions(
        **{name: getattr(config, name) for name in _OPTION_FIELDS},
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=config.connect_seconds),
        proxy=_proxy(config.base_url or ""),  # not trust_env: that reads ~/.netrc in a thread at each request
        tls=_ssl_context(config.ca_file),
        section=section,
    )


_OPTION_FIELDS = ("connect_seconds", "first_byte_seconds", "idle_seconds", "total_seconds", "max_answer_bytes")


class Exchange:
    """One call's answer as it arrives: the status and headers are here, the body is still coming."""

    def __init__(
        self, response: aiohttp.ClientResponse, way: ConnectionOptions, clocks: "Deadlines", *, secret: str = ""
    ) -> None:
        """`secret` is the key that was sent: a refusal that repeats it is given without."""
        self._response = response
        self._secret = secret.encode() if len(secret) >= _MIN_SECRET_CHARS else b""
        self._options = way
        self._deadlines = clocks
        self._loop = clocks.loop
        self._timer: asyncio.TimerHandle | None = None
        self._timed_out = False
        self._read_without_waiting = 0
        """Bytes read without having waited for any."""
        self._drain_task: asyncio.Task[None] | None = None
        self._put_back = b""
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        """Their names are case-insensitive."""

    async def read_some(self) -> bytes:
        """The next bytes of the body, empty at its end; may be cancelled and called again without loss.

        Raises FirstByteTimeout, StreamIdle, TotalTimeout or TruncatedStream.
        """
        if data := self._put_back:
            self._put_back = b""
            return data
        content = self._response.content
        if self._read_without_waiting >= _READ_CHUNK_BYTES:
            self._read_without_waiting = 0
            self._start_timer()
            await asyncio.sleep(0)  # what comes faster than it is read must not keep all others waiting
        try:
            data = content.read_nowait(_READ_CHUNK_BYTES)
            if not data and not content.at_eof():
                self._read_without_waiting = 0
                self._start_timer()
                data = await content.read(_READ_CHUNK_BYTES)
        except (aiohttp.ClientError, OSError) as error:
            if self._timed_out:
                raise self._deadlines.timeout_error() from error
            raise TruncatedAnswer(f"The upstream's answer broke off: {type(error).__name__}.") from error
        self._read_without_waiting += len(data)
        self._deadlines.note_byte()
        return data

    def put_back(self, data: bytes) -> None:
        """Have the next read return these bytes, which are all that was read so far."""
        self._put_back = data

    def _start_timer(self) -> None:
        """One timer for the whole answer, set again each time it goes off early."""
        if self._timer is None:
            self._timer = self._loop.call_at(
                min(self._deadlines.next_deadline, self._loop.time() + _CHECK_SECONDS), self._check_deadline
            )

    def _check_deadline(self) -> None:
        self._timer = None
        if self._response.content.is_eof():
            return
        self._timed_out = self._loop.time() >= self._deadlines.next_deadline
        if self._timed_out or self._is_lost():
            self.close()
        else:
            self._start_timer()

    def _is_lost(self) -> bool:
        # after a body that breaks HTTP's rules the client drops the connection without ending the read that waits
        connection = self._response.connection
        return connection is not None and (connection.transport is None or connection.transport.is_closing())

    async def read_all(self, memory: AnswerMemory | None = None) -> bytes:
        """The whole body, at most `max_answer_bytes`. Raises as `some` does, and AnswerTooLarge."""
        parts, size = list[bytes](), 0
        while data := await self.read_some():
            if not self._deadlines.has_content and not data.isspace():
                self.begin_content()  # not by white space, which some servers send while they work
            size += len(data)
            if size > self._options.max_answer_bytes:
                self.close()
                raise AnswerTooLarge
            parts.append(data)
            if memory is not None and size > memory.allowed_bytes:
                await self.hold_more(memory, size)
        body = b"".join(parts)
        if self._secret and self.status >= 300:  # refusals only: searching answers would cost too much
            return body.replace(self._secret, REDACTED.encode())
        return body

    async def hold_more(self, memory: AnswerMemory, size: int) -> None:
        """Wait for memory; the upstream's deadlines do not run meanwhile, as its answer is not read."""
        self._stop_timer()
        await memory.hold(size)
        self._deadlines.note_byte()

    def begin_content(self) -> None:
        """Note that the answer's content has begun: from here on only silence counts."""
        self._deadlines.begin_content()

    def close(self) -> None:
        """Cut the connection, unless the body was read to its end."""
        self._response.close()
        self._stop_timer()

    def release(self) -> None:
        """Give the connection back to the pool, which needs the body's very end: wait a moment for it, or cut."""
        self._stop_timer()
        if not self._response.content.at_eof() and not self._response.closed:
            self._drain_task = asyncio.create_task(self._drain(), name="upstream-drain")

    def _stop_timer(self) -> None:
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


class Deadlines:
    """The deadlines of one call, in the event loop's time: first content, silence, and the whole.

    Comments, white space and frames without content show a server that is alive, and not that it answers.
    """

    def __init__(self, way: ConnectionOptions) -> None:
        self._options = way
        self.loop = asyncio.get_running_loop()
        started = self.loop.time()
        self._total = started + way.total_seconds
        self._first = self._next = started + way.first_byte_seconds
        self.has_content = False

    @property
    def next_deadline(self) -> float:
        """When the next byte, or the first content, must have come."""
        return min(self._next, self._total)

    def note_byte(self) -> None:
        """A byte has come: from here on silence counts, too."""
        idle = self.loop.time() + self._options.idle_seconds
        self._next = idle if self.has_content else min(self._first, idle)

    def begin_content(self) -> None:
        """The content has begun: from here on only silence counts."""
        self.has_content = True
        self.note_byte()

    def timeout_error(self) -> UpstreamError:
        """The error that says which of the clocks it was."""
        if self._total <= self._next:
            return _timeout_error(TotalTimeout, self._options)
        is_first = not self.has_content and self._next == self._first
        return _timeout_error(FirstByteTimeout if is_first else IdleTimeout, self._options)


class Transport:
    """The pooled client. Use it as an async context manager; it is closed at shutdown."""

    def __init__(self, *, max_connections: int) -> None:
        """`max_connections` to each provider, so that one that hangs takes no connection from another."""
        self._max_connections = max_connections
        self._session: aiohttp.ClientSession | None = None
        self._connector: CallConnector | None = None

    async def __aenter__(self) -> Self:
        self._connector = CallConnector(
            limit=0, limit_per_host=self._max_connections, keepalive_timeout=_KEEPALIVE_SECONDS, ttl_dns_cache=30
        )
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=True,
            cookie_jar=aiohttp.DummyCookieJar(),
            max_line_size=_MAX_HEADER_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(  # noqa: PLR0913  # all of a request, and how it is sent
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: RequestBody | None,
        options: ConnectionOptions,
        *,
        secret: str = "",
        connection: CallConnection | None = None,
    ) -> Exchange:
        """Send one request and wait for its answer's headers; `secret` is the key among them.

        `headers` name `accept`, `accept-encoding` and `user-agent`: the client would say these for itself.
        `connection` is told which connection the call has.
        Raises ConnectTimeout, ConnectionFailed, FirstByteTimeout or TotalTimeout; cancelling it cuts the connection.
        """
        assert self._session is not None, "the transport is used inside its context"  # noqa: S101  # a programming error
        clocks = Deadlines(options)
        data: Any = body
        if body is not None and is_long(body):
            data, headers = pieces_of(body), {**headers, "content-length": str(size_of(body))}
        try:
            with (
                Interruption(min(options.first_byte_seconds, options.total_seconds), clocks.timeout_error),
                contextlib.nullcontext() if self._connector is None else self._connector.telling(connection),
            ):
                response = await self._session.request(
                    method,
                    url,
                    data=data,
                    headers=headers,
                    allow_redirects=False,
                    timeout=options.timeout,
                    proxy=options.proxy,
                    ssl=options.tls,
                )
        except aiohttp.ConnectionTimeoutError as error:
            raise _timeout_error(ConnectTimeout, options) from error
        except aiohttp.ClientResponseError as error:
            problem = error.message.partition(":")[0]  # what follows is the upstream's own bytes
            raise ConnectionFailed(f"What the upstream answered is not HTTP: {problem}.") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: what the client refuses to send
            if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
                raise OutOfFileDescriptors from error  # a limit of this process, no fault of the upstream
            was_connected = not isinstance(error, aiohttp.ClientConnectorError)
            raise ConnectionFailed(_unreachable(error), was_connected=was_connected) from error
        if connection is not None:
            connection.note_answer(response)
        return Exchange(response, options, clocks, secret=secret)


def _unreachable(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return f"The upstream could not be reached, or hung up before answering: {reason}."


def _timeout_error(kind: type[UpstreamTimeout], way: ConnectionOptions) -> UpstreamError:
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


def _ssl_context(ca_file: Path | None) -> ssl.SSLContext | bool:
    if ca_file is None:
        return True
    context = ssl.create_default_context()
    context.load_verify_locations(cafile=str(ca_file))
    return context
