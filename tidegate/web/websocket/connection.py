"""Serves one WebSocket connection from handshake to close. Used by endpoint.py."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from tidegate.core.clock import Clock
from tidegate.core.config import MESSAGE_COPIES, ServerConfig, WebsocketConfig
from tidegate.core.errors import (
    ClientDisconnected,
    MemoryShareExceeded,
    ShuttingDown,
    TidegateError,
    TooManyValues,
    WebSocketExpired,
)
from tidegate.core.ids import IdSource
from tidegate.core.process.call_memory import CallMemory
from tidegate.core.process.lifecycle import Lifecycle
from tidegate.pipeline.call_record import CallReporter
from tidegate.pipeline.pipeline import Pipeline
from tidegate.web.asgi_cycle import Receive, Send
from tidegate.web.inference.body import MAX_CONTAINERS
from tidegate.web.websocket.inbound import InboundMessages
from tidegate.web.websocket.request_handler import ConnectionContext, FailureSink, SocketRequestHandler, error_frame
from tidegate.web.websocket.response_cache import ConnectionResponses
from tidegate.web.websocket.streams import RequestStreams
from tidegate.wire.decoded_size import decoded_size_in_steps
from tidegate.wire.socket import CreateMessage, SteerMessage, document_frame, read_message, stream_id_in

GOING_AWAY = 1001
"""Close code: the connection was idle, or open, for the maximum time."""
_FORCE_CLOSE_SECONDS = 1.0
"""How long a forced close may wait for a client that does not read."""
RESTARTING = 1012
"""Close code: this process shuts down, and the client should reconnect."""
TRY_AGAIN_LATER = 1013
"""Close code: there was no memory for the client's message."""
_LARGE_BYTES = 64 * 1024
"""What a smaller message takes once it is decoded is not estimated."""


_END_ERRORS: dict[int, type[TidegateError]] = {RESTARTING: ShuttingDown, TRY_AGAIN_LATER: MemoryShareExceeded}
"""The errors of messages that come after the connection's end was decided, by the code that it is closed with."""


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
        inbound: InboundMessages,
        memory: CallMemory,
        clock: Clock,
        ids: IdSource,
        on_failure: FailureSink,
        lifecycle: Lifecycle,
        reporter: CallReporter | None,
    ) -> None:
        self._inbound = inbound
        self._receive = receive
        self._send = send
        self._config = config
        self._send_seconds = server.send_seconds
        self._ids = ids
        self._lifecycle = lifecycle
        self._handlers: set[SocketRequestHandler] = set()
        self._streams = RequestStreams(
            self._handle_create, max_active=config.max_active_responses, max_waiting_bytes=server.max_body_bytes
        )
        self._context = ConnectionContext(
            pipeline=pipeline,
            headers=headers,
            send_text=self._send_text,
            unstored_responses=unstored_responses,
            memory=memory,
            clock=clock,
            ids=ids,
            on_failure=on_failure,
            reporter=reporter,
        )
        self._is_gone = False
        self._loop = asyncio.get_running_loop()

    async def serve(self) -> None:
        """Serve until the connection is closed."""
        try:
            code = await self._read()
            if code is not None:
                await self._finish(code)
        except asyncio.CancelledError:
            if (shutting_down := self._lifecycle.take_cancellation()) is None:
                raise
            await self._shut_down(shutting_down)
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
                return await self._end_reading(message)
            data = _data_of(message)
            del message  # a second copy of the data
            await self._handle_message(data)

    async def _end_reading(self, message: Mapping[str, Any]) -> int | None:
        """Return the code to close with, or None if the client is gone."""
        if self._inbound.is_refused:
            await self._send_error(MemoryShareExceeded(), None)
            return TRY_AGAIN_LATER
        return RESTARTING if message.get("code") == RESTARTING else None

    async def _handle_message(self, data: bytes) -> None:
        is_queued = False
        try:
            if len(data) > _LARGE_BYTES:
                await self._check_size(data)
            command = read_message(data)
            if isinstance(command, CreateMessage):
                self._streams.add(command)
                is_queued = True
            else:
                await self._send_text(_steer_rejection(command))
        except ClientDisconnected:
            self._cancel_requests()
        except TooManyValues as error:
            await self._send_error(error, None)
        except TidegateError as error:
            await self._send_error(error, stream_id_in(data))
        finally:
            if not is_queued:
                self._inbound.note_handled(len(data))

    async def _check_size(self, data: bytes) -> None:
        """Look what a message takes once it is decoded, in steps. Raises TooManyValues for one that would grow much."""
        turns = self._context.pipeline.heavy_turns
        decoded = await turns.run(self._inbound.key_id, decoded_size_in_steps(data))
        if decoded.size > MESSAGE_COPIES * len(data) or decoded.containers > MAX_CONTAINERS:
            raise TooManyValues

    async def _handle_create(self, create: CreateMessage) -> None:
        handler = SocketRequestHandler(create, self._context)
        self._handlers.add(handler)
        try:
            await handler.run()
        finally:
            self._handlers.discard(handler)
            self._inbound.note_handled(create.size)

    async def _finish(self, code: int) -> None:
        """Answer the requests that were received, unless the client leaves, then close."""
        finished = asyncio.create_task(self._streams.wait_until_idle(), name="socket-finish")
        refused = _END_ERRORS.get(code, WebSocketExpired)()
        refusing = asyncio.create_task(self._refuse_until_disconnect(refused), name="socket-refuse")
        try:
            await asyncio.wait({finished, refusing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            finished.cancel()
            refusing.cancel()
        if not self._is_gone:
            with contextlib.suppress(ClientDisconnected):
                await self._send_message({"type": "websocket.close", "code": code})

    async def _shut_down(self, error: TidegateError) -> None:
        """End each request with an error event, and close."""
        waiting = self._streams.take_waiting()
        for handler in list(self._handlers):
            handler.cancel(error)
        await self._streams.wait_until_idle()
        for create in waiting:
            await self._send_error(error, create.stream_id)
        with contextlib.suppress(ClientDisconnected):
            await self._send_message({"type": "websocket.close", "code": RESTARTING})

    async def _refuse_until_disconnect(self, error: TidegateError) -> None:
        """Answer each further message with the error, until the client leaves."""
        while True:
            message = await self._receive()
            if message["type"] == "websocket.receive":
                data = _data_of(message)
                await self._send_error(error, stream_id_in(data))
                self._inbound.note_handled(len(data))
            elif message.get("code") not in _END_ERRORS:  # a connection that ends anyway may be told so, too
                break
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
        self._streams.take_waiting()
        for handler in list(self._handlers):
            handler.cancel(ClientDisconnected())


def _data_of(message: Mapping[str, Any]) -> bytes:
    return message.get("bytes") or (message.get("text") or "").encode(errors="replace")


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
