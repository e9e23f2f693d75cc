"""One WebSocket connection, from its handshake to its close."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from tidegate.core.clock import Clock
from tidegate.core.config import ServerConfig, WebsocketConfig
from tidegate.core.errors import ClientGone, ConnectionExpired, TidegateError
from tidegate.core.ids import IdSource
from tidegate.pipeline.pipeline import Pipeline
from tidegate.web.inference.disconnect import Receive
from tidegate.web.inference.reply import Send
from tidegate.web.websocket.request_handler import Answering, Failed, Kit, error_frame
from tidegate.web.websocket.response_cache import Compartment
from tidegate.web.websocket.streams import Streams
from tidegate.wire.socket import Create, Steer, encoded, read, stream_id_in

GOING_AWAY = 1001
"""The connection has been silent, or open, for as long as it may."""
_CUT_SECONDS = 1.0
"""How long closing may take a server that waits for a client that does not read."""
RESTARTING = 1012
"""This process ends; clients connect again, to another one. The server says so before it closes the connection."""


class Connection:
    """Reads the client's messages and has them answered, until one side has enough."""

    def __init__(  # noqa: PLR0913  # constructor injection: a parameter for each part
        self,
        receive: Receive,
        send: Send,
        *,
        pipeline: Pipeline,
        headers: Mapping[str, str],
        config: WebsocketConfig,
        server: ServerConfig,
        recent: Compartment,
        clock: Clock,
        ids: IdSource,
        failed: Failed,
    ) -> None:
        self._receive = receive
        self._send = send
        self._config = config
        self._send_seconds = server.send_seconds
        self._ids = ids
        self._answering: set[Answering] = set()
        self._streams = Streams(self._take, most_active=config.max_active, most_bytes=server.max_body_bytes)
        self._kit = Kit(
            pipeline=pipeline,
            headers=headers,
            say=self._say,
            recent=recent,
            clock=clock,
            ids=ids,
            failed=failed,
        )
        self._gone = False
        self._loop = asyncio.get_running_loop()

    async def serve(self) -> None:
        """Until the connection is closed."""
        try:
            code = await self._read()
            if code is not None:
                self._streams.drop()
                await self._finish(code)
        finally:
            self._hang_up()
            await self._streams.done()

    async def _read(self) -> int | None:
        """Take messages; the code to close with, None when the client is gone."""
        expires = self._loop.time() + self._config.max_seconds
        while True:
            until = min(expires, self._loop.time() + self._config.idle_seconds)
            try:
                async with asyncio.timeout_at(until):
                    message = await self._receive()
            except TimeoutError:
                if self._loop.time() >= expires:
                    await self._complain(ConnectionExpired(), None)
                    return GOING_AWAY
                if self._streams.idle:
                    return GOING_AWAY
                continue
            if message["type"] != "websocket.receive":
                return RESTARTING if message.get("code") == RESTARTING else None
            await self._hear(message)

    async def _hear(self, message: Mapping[str, Any]) -> None:
        data = message.get("bytes") or (message.get("text") or "").encode(errors="replace")
        try:
            said = read(data)
            if isinstance(said, Create):
                self._streams.add(said)
            else:
                await self._say(_not_steered(said))
        except ClientGone:
            self._hang_up()
        except TidegateError as error:
            await self._complain(error, stream_id_in(data))

    async def _take(self, create: Create) -> None:
        one = Answering(create, self._kit)
        self._answering.add(one)
        try:
            await one.run()
        finally:
            self._answering.discard(one)

    async def _finish(self, code: int) -> None:
        """Let what is being answered come to its end, unless the client leaves, then close."""
        done = asyncio.create_task(self._streams.done(), name="socket-finish")
        leaving = asyncio.create_task(self._left(), name="socket-left")
        try:
            await asyncio.wait({done, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            done.cancel()
            leaving.cancel()
        if not self._gone:
            with contextlib.suppress(ClientGone):
                await self._put({"type": "websocket.close", "code": code})

    async def _left(self) -> None:
        while (await self._receive())["type"] != "websocket.disconnect":
            pass
        self._hang_up()

    async def _complain(self, error: TidegateError, stream_id: str | None) -> None:
        self._kit.count(error)
        with contextlib.suppress(ClientGone):
            await self._say(error_frame(error, stream_id=stream_id, request_id=self._ids("req_")))

    async def _say(self, text: str) -> None:
        """Send a text frame; waits while the client does not read. Raises ClientGone."""
        await self._put({"type": "websocket.send", "text": text})

    async def _put(self, message: dict[str, Any]) -> None:
        if self._gone:
            raise ClientGone
        try:
            async with asyncio.timeout(self._send_seconds):
                await self._send(message)
        except TimeoutError as error:
            self._hang_up()
            await self._cut()
            raise ClientGone(f"The client took no byte for {self._send_seconds:g} s.") from error
        except OSError as error:  # what servers raise where the client is gone (ASGI 2.4)
            raise ClientGone from error

    async def _cut(self) -> None:
        """Close without what the client did not take."""
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(_CUT_SECONDS):
                await self._send({"type": "websocket.close", "code": GOING_AWAY})

    def _hang_up(self) -> None:
        self._gone = True
        self._streams.drop()
        for one in list(self._answering):
            one.hang_up()


def _not_steered(steer: Steer) -> str:
    said = {"input": steer.input, "previous_response_id": steer.previous}
    error = {
        "type": "invalid_request_error",
        "code": "steering_not_supported",
        "message": "This gateway does not steer a response that is being answered: send the input with the next one.",
    }
    return encoded({"type": "response.steer.failed", "sequence_number": 0, "error": error, "steer": said}, None)
