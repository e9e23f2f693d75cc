"""The one way to providers: sends a request by the client that fits, and reads its answer within deadlines."""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from tidegate.core.errors import AnswerTooLarge
from tidegate.core.scrub import REDACTED
from tidegate.providers.answer_memory import AnswerMemory
from tidegate.providers.fast_answers import FREE_BYTES, FastAnswers
from tidegate.providers.http.answer import CallConnection, HttpAnswer, SendingSide, UpstreamRequest
from tidegate.providers.http.client import HttpClient
from tidegate.providers.http.deadlines import Deadlines
from tidegate.providers.http.library_client import LibraryClient
from tidegate.providers.http.options import ConnectionOptions
from tidegate.providers.request_body import RequestBody

_READ_CHUNK_BYTES = 32 * 1024
"""Bytes of an answer, between two turns of all others: a bomb unpacks faster than it is looked through."""

_MIN_SECRET_CHARS = 8
"""Characters; a shorter key is no secret, and may be a word."""


class Exchange:
    """One call: its request, and its answer as it arrives. Status and headers are there after `wait_for_head`."""

    def __init__(  # all of a request, and how it is sent
        self,
        client: HttpClient | LibraryClient,
        request: UpstreamRequest,
        options: ConnectionOptions,
        deadlines: Deadlines,
        fast_answers: FastAnswers,
        *,
        secret: str,
    ) -> None:
        """Nothing is sent yet. `secret` is the key that will be: a refusal that repeats it is given without."""
        self._client = client
        self._request = request
        self._fast_answers = fast_answers
        self._answer: HttpAnswer | None = None
        self._side: SendingSide | None = None
        self._secret = secret.encode() if len(secret) >= _MIN_SECRET_CHARS else b""
        self._options = options
        self._deadlines = deadlines
        self._read_in_turn = 0
        """Bytes read since others had their turn."""
        self._read_without_waiting = 0
        """Bytes read without having waited for any."""
        self._put_back = b""
        self._parts: list[bytes] = []
        self._size = 0
        self.status = 0
        self.headers: Mapping[str, str] = {}
        """By their names in lower case."""

    def send_at_once(self) -> bool:
        """Send the request if a connection is free now; return whether it was sent. Raises ConnectionFailed."""
        self._answer = self._side = self._client.send_at_once(self._request, self._options, self._deadlines)
        return self._answer is not None

    async def wait_for_head(self) -> None:
        """Send the request if that was not done, and wait for the status and the headers.

        May be cancelled and called again where it was sent at once; else the connection is cut.
        Raises ConnectTimeout, ConnectionFailed, FirstByteTimeout or TotalTimeout.
        """
        if self._answer is not None:
            await self._answer.wait_for_head()
        else:
            self._side = connection = CallConnection()
            self._answer = await self._client.send(self._request, self._options, self._deadlines, connection)
        self.status, self.headers = self._answer.status, self._answer.headers

    def end_sending(self) -> bool:
        """Tell the upstream that the client has left, and leave the answer readable; return whether it was told."""
        return self._side is not None and self._side.end_sending()

    async def read_some(self, turn_bytes: int = _READ_CHUNK_BYTES) -> bytes:
        """The next bytes of the body, empty at its end; may be cancelled and called again without loss.

        What comes faster than it is read gives others their turn after `turn_bytes`, and rests where these are few.
        Raises FirstByteTimeout, IdleTimeout, TotalTimeout or TruncatedAnswer.
        """
        if data := self._put_back:
            self._put_back = b""
            return data
        if self._read_in_turn >= turn_bytes:
            await self._give_turn(turn_bytes)
        answer = self._answer
        assert answer is not None  # noqa: S101  # the request was sent
        while not (data := answer.read_nowait(turn_bytes)) and not answer.at_end:
            self._read_in_turn = self._read_without_waiting = 0
            await answer.arrival()
        self._read_in_turn += len(data)
        self._read_without_waiting += len(data)
        self._deadlines.note_byte()
        return data

    def put_back(self, data: bytes) -> None:
        """Have the next read return these bytes, which are all that was read so far."""
        self._put_back = data

    async def read_all(self, memory: AnswerMemory | None = None) -> bytes:
        """The whole body, at most `max_answer_bytes`; may be cancelled and called again without loss.

        Raises as `read_some` does, and AnswerTooLarge.
        """
        while data := await self.read_some():
            if not self._deadlines.has_content and not data.isspace():
                self.begin_content()  # not by white space, which some servers send while they work
            self._size += len(data)
            if self._size > self._options.max_answer_bytes:
                self.close()
                raise AnswerTooLarge
            self._parts.append(data)
            if memory is not None and self._size > memory.allowed_bytes:
                await self.hold_more(memory, self._size)
        body = b"".join(self._parts)
        if self._secret and self.status >= 300:  # refusals only: searching answers would cost too much
            return body.replace(self._secret, REDACTED.encode())
        return body

    async def hold_more(self, memory: AnswerMemory, size: int) -> None:
        """Wait for memory; the upstream's deadlines do not run meanwhile, as its answer is not read."""
        if self._answer is not None:
            self._answer.pause_deadlines()
        await memory.hold(size)
        self._deadlines.note_byte()

    def begin_content(self) -> None:
        """Note that the answer's content has begun: from here on only silence counts."""
        self._deadlines.begin_content()

    def close(self) -> None:
        """Cut the connection, unless the body was read to its end."""
        if self._answer is not None:
            self._answer.close()

    def release(self) -> None:
        """Give the connection back to the pool, which needs the body's very end: wait a moment for it, or cut."""
        if self._answer is not None:
            self._answer.release()

    async def _give_turn(self, turn_bytes: int) -> None:
        """Let others go on: what comes faster than it is read must not keep them waiting."""
        self._read_in_turn = 0
        if self._deadlines.are_over():
            self.close()
            raise self._deadlines.timeout_error()
        if turn_bytes < _READ_CHUNK_BYTES and self._read_without_waiting >= FREE_BYTES:
            await self._fast_answers.turn()
            self._deadlines.note_byte()  # this side rested
        else:
            await asyncio.sleep(0)


class Transport:
    """The pooled clients. Use it as an async context manager; they are closed at its end."""

    def __init__(self, *, max_connections: int, always_by_library: bool = False) -> None:
        """`max_connections` to each provider, so that one that hangs takes no connection from another.

        `always_by_library`: no call goes by Tidegate's own client, as if each went through a proxy.
        """
        self._max_connections = max_connections
        self._always_by_library = always_by_library
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: HttpClient | None = None
        self._fast_answers = FastAnswers()
        self._library_client: LibraryClient | None = None
        """Of calls that go through a proxy; made for the first of them."""

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._client = HttpClient(self._loop, max_connections=self._max_connections)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in (self._client, self._library_client):
            if client is not None:
                await client.close()

    def exchange(  # all of a request, and how it is sent
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: RequestBody | None,
        options: ConnectionOptions,
        *,
        secret: str = "",
    ) -> Exchange:
        """Return the exchange of one request, whose deadlines begin now; `secret` is the key among its headers.

        `headers` name `accept`, `accept-encoding` and `user-agent`: a client would say these for itself.
        """
        assert self._client is not None, "the transport is used inside its context"  # noqa: S101  # a programming error
        assert self._loop is not None  # noqa: S101  # as above
        by_library = self._always_by_library or options.proxy is not None
        return Exchange(
            self._proxy_client() if by_library else self._client,
            UpstreamRequest(method, url, headers, body),
            options,
            Deadlines(options, self._loop),
            self._fast_answers,
            secret=secret,
        )

    async def send(  # as `exchange`
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: RequestBody | None,
        options: ConnectionOptions,
        *,
        secret: str = "",
    ) -> Exchange:
        """Send one request and wait for its answer's headers. Raises as `Exchange.wait_for_head` does."""
        exchange = self.exchange(method, url, headers, body, options, secret=secret)
        await exchange.wait_for_head()
        return exchange

    def _proxy_client(self) -> LibraryClient:
        if self._library_client is None:
            self._library_client = LibraryClient(max_connections=self._max_connections)
        return self._library_client
