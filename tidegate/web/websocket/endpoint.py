"""The WebSocket handshake: authentication and connection limits. Called by asgi.py."""

from collections import Counter

import structlog

from tidegate.auth.key_cache import ApiKeyCache
from tidegate.core import endpoints
from tidegate.core.clock import Clock
from tidegate.core.config import ServerConfig, WebsocketConfig
from tidegate.core.errors import TidegateError, TooManyWebSockets
from tidegate.core.events import CallFailure
from tidegate.core.ids import IdSource
from tidegate.core.process.call_memory import CallMemory
from tidegate.core.process.lifecycle import Lifecycle
from tidegate.pipeline.call_record import CallReporter
from tidegate.pipeline.pipeline import Pipeline
from tidegate.web import envelope
from tidegate.web.asgi_cycle import Receive, Scope, Send
from tidegate.web.websocket.connection import WebSocketConnection
from tidegate.web.websocket.inbound import EXTENSION, InboundMessages
from tidegate.web.websocket.request_handler import FailureSink
from tidegate.web.websocket.response_cache import UnstoredResponses

PATH = endpoints.RESPONSES.path

_log = structlog.get_logger("web")


class WebSocketEndpoint:
    """Accepts and serves this process's WebSocket connections."""

    def __init__(  # noqa: PLR0913  # constructor injection: one parameter for each collaborator
        self,
        pipeline: Pipeline,
        keys: ApiKeyCache,
        *,
        config: WebsocketConfig,
        server: ServerConfig,
        memory: CallMemory,
        clock: Clock,
        ids: IdSource,
        on_failure: FailureSink,
        lifecycle: Lifecycle,
        reporter: CallReporter | None,
    ) -> None:
        """`on_failure` is called for each request that ends with a typed error.

        `reporter` reports each request that has ended; None where calls are not observed.
        """
        self._reporter = reporter
        self._pipeline = pipeline
        self._keys = keys
        self._config = config
        self._server = server
        self._memory = memory
        self._clock = clock
        self._ids = ids
        self._on_failure = on_failure
        self._lifecycle = lifecycle
        self._unstored_responses = UnstoredResponses(config.max_unstored_bytes)
        self._connections_by_key: Counter[str] = Counter()
        """Open connections by key."""

    @property
    def open_connections(self) -> int:
        """The number of open connections."""
        return self._connections_by_key.total()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI 3), after its `websocket.connect` message."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            caller = await self._keys.caller(headers.get("authorization", ""))
            self._check_connection_limits(caller.key_id)
        except TidegateError as error:
            await self._reject(error, send)
            return
        self._connections_by_key[caller.key_id] += 1
        recent = self._unstored_responses.for_connection()
        inbound: InboundMessages = scope["extensions"][EXTENSION]
        inbound.attach(self._memory.hold(caller.key_id))
        try:
            await send({"type": "websocket.accept"})
            connection = WebSocketConnection(
                receive,
                send,
                pipeline=self._pipeline,
                headers=headers,
                config=self._config,
                server=self._server,
                unstored_responses=recent,
                inbound=inbound,
                memory=self._memory,
                clock=self._clock,
                ids=self._ids,
                on_failure=self._on_failure,
                lifecycle=self._lifecycle,
                reporter=self._reporter,
            )
            await connection.serve()
        finally:
            recent.close()
            inbound.close()
            self._connections_by_key -= Counter([caller.key_id])

    def _check_connection_limits(self, key_id: str) -> None:
        if self._connections_by_key[key_id] >= self._config.max_connections_per_key:
            raise TooManyWebSockets(
                "The connection was rejected: this key has the maximum number of WebSocket connections "
                "(`websocket.max_connections_per_key`). "
                "Close one, or send several requests on one, each with a `stream_id` of its own."
            )
        if self.open_connections >= self._config.max_connections:
            raise TooManyWebSockets

    async def _reject(self, error: TidegateError, send: Send) -> None:
        self._on_failure(CallFailure(error=error.name, route=endpoints.RESPONSES.label))
        request_id = self._ids("req_")
        if self._reporter is not None:
            self._reporter.begin(request_id, endpoints.RESPONSES).end(error)
        await reject_handshake(error, send, request_id)


async def reject_handshake(error: TidegateError, send: Send, request_id: str) -> None:
    """Answer a handshake with an HTTP error."""
    headers = [(b"content-type", b"application/json"), (b"x-request-id", request_id.encode())]
    start = {"status": envelope.status_of(error), "headers": [*headers, *envelope.headers_of(error)]}
    await send({"type": "websocket.http.response.start", **start})
    await send({"type": "websocket.http.response.body", "body": envelope.body_of(error)})
