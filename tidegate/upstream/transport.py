"""The HTTP client: one per process, pooled, and the one edge where its exceptions become typed errors."""

import asyncio
import contextlib
import io
import ssl
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from tidegate.core.config import UpstreamConfig
from tidegate.core.errors import (
    AnswerTooLarge,
    ConnectionFailed,
    ConnectTimeout,
    FirstByteTimeout,
    StreamIdle,
    TotalTimeout,
    TruncatedStream,
    UpstreamError,
    UpstreamTimeout,
)

_KEPT_ALIVE_SECONDS = 55.0
"""Shorter than the 60 s after which common load balancers drop an idle connection."""


_SENT_AT_ONCE = 256 * 1024
"""Bytes; a longer body is sent piece by piece, so that others get their turn meanwhile."""

_LOOK_SECONDS = 1.0
"""Between looks whether a silent answer's connection is still there."""

_DRAIN_SECONDS = 1.0
"""How long an answer's connection may take to end after its terminal event."""


class Exchange:
    """One call's answer as it arrives: the status and headers are here, the body is still coming."""

    def __init__(self, response: aiohttp.ClientResponse, config: UpstreamConfig, clocks: "Clocks") -> None:
        self._response = response
        self._config = config
        self._clocks = clocks
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._late = False
        self._finishing: asyncio.Task[None] | None = None
        self.status = response.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}

    async def some(self) -> bytes:
        """The next bytes of the body, empty at its end; may be cancelled and called again without loss.

        Raises FirstByteTimeout, StreamIdle, TotalTimeout or TruncatedStream.
        """
        content = self._response.content
        try:
            data = content.read_nowait(-1)
            if not data and not content.at_eof():
                self._watch_clocks()
                data = await content.readany()
        except (aiohttp.ClientError, OSError) as error:
            if self._late:
                raise self._clocks.ran_out() from error
            raise TruncatedStream(f"The upstream's answer broke off: {type(error).__name__}.") from error
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
        """The whole body, at most `upstream.max_answer_bytes`. Raises as `some` does, and AnswerTooLarge."""
        parts: list[bytes] = []
        size = 0
        while data := await self.some():
            size += len(data)
            if size > self._config.max_answer_bytes:
                self.close()
                raise AnswerTooLarge
            parts.append(data)
        return b"".join(parts)

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

    def __init__(self, config: UpstreamConfig) -> None:
        self._config = config
        self._loop = asyncio.get_running_loop()
        started = self._loop.time()
        self._total = started + config.total_seconds
        self._next = started + config.first_byte_seconds
        self._begun = False

    @property
    def deadline(self) -> float:
        """When the next byte must have come."""
        return min(self._next, self._total)

    def byte_came(self) -> None:
        """The answer's body is on its way: from here on silence counts."""
        self._begun = True
        self._next = self._loop.time() + self._config.idle_seconds

    def ran_out(self) -> UpstreamError:
        """The error that says which of the clocks it was."""
        if self._total <= self._next:
            return _clock(TotalTimeout, self._config)
        return _clock(StreamIdle if self._begun else FirstByteTimeout, self._config)


class Transport:
    """The pooled client. Use it as an async context manager; it is closed at shutdown."""

    def __init__(self, config: UpstreamConfig) -> None:
        self._config = config
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        config = self._config
        connector = aiohttp.TCPConnector(
            limit=config.max_connections,
            keepalive_timeout=_KEPT_ALIVE_SECONDS,
            ttl_dns_cache=30,
            ssl=_trust(config.ca_file),
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=config.connect_seconds),
            proxy=_proxy(config.base_url),  # not trust_env: that reads ~/.netrc in a thread at each request
            auto_decompress=True,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept-Encoding", "Accept"),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Exchange:
        """Send one request and wait for its answer's headers.

        Raises ConnectTimeout, ConnectionFailed, FirstByteTimeout or TotalTimeout; cancelling it cuts the connection.
        """
        assert self._session is not None, "the transport is used inside its context"  # noqa: S101  # a programming error
        clocks = Clocks(self._config)
        data = io.BytesIO(body) if body is not None and len(body) > _SENT_AT_ONCE else body
        try:
            async with asyncio.timeout_at(clocks.deadline):
                response = await self._session.request(method, url, data=data, headers=headers, allow_redirects=False)
        except aiohttp.ConnectionTimeoutError as error:
            raise _clock(ConnectTimeout, self._config) from error
        except TimeoutError as error:
            raise clocks.ran_out() from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # ValueError: a header or an address the client refuses to send
            raise ConnectionFailed(_unreachable(error)) from error
        return Exchange(response, self._config, clocks)


def _unreachable(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return f"The upstream could not be reached, or hung up before answering: {reason}."


def _clock(kind: type[UpstreamTimeout], config: UpstreamConfig) -> UpstreamError:
    seconds = getattr(config, kind.setting.removeprefix("upstream."))
    variable = "TIDEGATE_" + kind.setting.replace(".", "__").upper()
    what = (kind.__doc__ or "").partition("\n")[0]
    return kind(f"{what} The clock that ran out: {kind.setting} = {seconds:g} s; raise it there or by {variable}.")


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
