"""Serves one WebSocket connection from handshake to close. Used by endpoint.py."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from tidegate.core.clock import Clock
from tidegate.core.config import ServerConfig, WebsocketConfig
from tidegate.core.errors import ClientDisconnected, TidegateError, WebSocketExpired
from tidegate.core.ids import IdSource
from tidegate.pipeline.pipeline import Pipeline
from tidegate.web.inference.disconnect import Receive
from tidegate.web.inference.reply import Send
from tidegate.web.websocket.request_handler import ConnectionContext, FailureSink, SocketRequestHandler, error_frame
from tidegate.web.websocket.response_cache import ConnectionResponses
from tidegate.web.websocket.streams import RequestStreams
from tidegate.wire.socket import CreateMessage, SteerMessage, document_frame, read_message, stream_id_in

GOING_AWAY = 1001
"""Close code: the connection was idle, or open, for the maximum time."""
_FORCE_CLOSE_SECONDS = 1.0
"""How long a forced close may wait for a client that does not read."""
RESTARTING = 1012
"""Close code: this process shuts down, and the client should reconnect."""


class WebSocketConnection:
    """Reads the client's messages and answers them until one side closes."""

    def __init__(  # noqa: PLR0913  # constructor injection: one parameter for each collaborator
        self,
        receive: Receive,
        send: Send,
        *,
        pipeline: Pipeline,
        headers: Mapping[str, str],
        config: WebsocketConfig,
        server: ServerConfig,
        unstored_responses: ConnectionResponses,
        clock: Clock,
        ids: IdSource,
        on_failure: FailureSink,
    ) -> None:
        self._receive = receive
        self._send = send
        self._config = config
        self._send_seconds = server.send_seconds
        self._ids = ids
        self._handlers: set[SocketRequestHandler] = set()
        self._streams = RequestStreams(
            self._handle_create, max_active=config.max_active_responses, max_waiting_bytes=server.max_body_bytes
        )
        self._context = ConnectionContext(
            pipeline=pipeline,
            headers=headers,
            send_text=self._send_text,
            unstored_responses=unstored_responses,
            clock=clock,
            ids=ids,
            on_failure=on_failure,
        )
        self._is_gone = False
        self._loop = asyncio.get_running_loop()

    async def serve(self) -> None:
        """Serve until the connection is closed."""
        try:
            code = await self._read()
            if code is not None:
                self._streams.drop_waiting()
                await self._finish(code)
        finally:
            self._cancel_requests()
            await self._streams.wait_until_idle()

    async def _read(self) -> int | None:
        """Handle messages; return the code to close with, or None if the client is gone."""
        expires = self._loop.time() + self._config.max_age_seconds
        while True:
            until = min(expires, self._loop.time() + self._config.idle_seconds)
            try:
                async with asyncio.timeout_at(until):
                    message = await self._receive()
            except TimeoutError:
                if self._loop.time() >= expires:
                    await self._send_error(WebSocketExpired(), None)
                    return GOING_AWAY
                if self._streams.is_idle:
                    return GOING_AWAY
                continue
            if message["type"] != "websocket.receive":
                return RESTARTING if message.get("code") == RESTARTING else None
            await self._handle_message(message)

    async def _handle_message(self, message: Mapping[str, Any]) -> None:
        data = message.get("bytes") or (message.get("text") or "").encode(errors="replace")
        try:
            command = read_message(data)
            if isinstance(command, CreateMessage):
                self._streams.add(command)
            else:
                await self._send_text(_steer_rejection(command))
        except ClientDisconnected:
            self._cancel_requests()
        except TidegateError as error:
            await self._send_error(error, stream_id_in(data))

    async def _handle_create(self, create: CreateMessage) -> None:
        handler = SocketRequestHandler(create, self._context)
        self._handlers.add(handler)
        try:
            await handler.run()
        finally:
            self._handlers.discard(handler)

    async def _finish(self, code: int) -> None:
        """Wait for the running requests, unless the client leaves, then close."""
        finished = asyncio.create_task(self._streams.wait_until_idle(), name="socket-finish")
        leaving = asyncio.create_task(self._wait_for_disconnect(), name="socket-left")
        try:
            await asyncio.wait({finished, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            finished.cancel()
            leaving.cancel()
        if not self._is_gone:
            with contextlib.suppress(ClientDisconnected):
                await self._send_message({"type": "websocket.close", "code": code})

    async def _wait_for_disconnect(self) -> None:
        while (await self._receive())["type"] != "websocket.disconnect":
            pass
        self._cancel_requests()

    async def _send_error(self, error: TidegateError, stream_id: str | None) -> None:
        self._context.report_failure(error)
        with contextlib.suppress(ClientDisconnected):
            await self._send_text(error_frame(error, stream_id=stream_id, request_id=self._ids("req_")))

    async def _send_text(self, text: str) -> None:
        """Send a text frame; wait while the client does not read. Raises ClientGone."""
        await self._send_message({"type": "websocket.send", "text": text})

    async def _send_message(self, message: dict[str, Any]) -> None:
        if self._is_gone:
            raise ClientDisconnected
        try:
            async with asyncio.timeout(self._send_seconds):
                await self._send(message)
        except TimeoutError as error:
            self._cancel_requests()
            await self._force_close()
            raise ClientDisconnected(f"The client read no byte for {self._send_seconds:g} s.") from error
        except OSError as error:  # raised by servers if the client is gone (ASGI 2.4)
            raise ClientDisconnected from error

    async def _force_close(self) -> None:
        """Close without sending what the client did not read."""
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(_FORCE_CLOSE_SECONDS):
                await self._send({"type": "websocket.close", "code": GOING_AWAY})

    def _cancel_requests(self) -> None:
        self._is_gone = True
        self._streams.drop_waiting()
        for handler in list(self._handlers):
            handler.cancel()


def _steer_rejection(steer: SteerMessage) -> str:
    command = {"input": steer.input, "previous_response_id": steer.previous_response_id}
    error = {
        "type": "invalid_request_error",
        "code": "steering_not_supported",
        "message": "This gateway cannot steer a running response. Send the input with the next request.",
    }
    return document_frame(
        {"type": "response.steer.failed", "sequence_number": 0, "error": error, "steer": command}, None
    )
